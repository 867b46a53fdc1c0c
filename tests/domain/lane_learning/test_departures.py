"""When legs leave: what the day's other delays say at an hour that has hardly ever seen them."""

from datetime import timedelta

import numpy as np

from app.domain.lane_learning.departures import HIGH, LOW, WHENS, DepartureModel
from app.domain.lane_learning.history import DAY_MINUTES, Coder, LaneLeg
from tests.domain.lane_learning.made import FIRST_DAY

CALM, LATE, VERY_LATE = 0.0, 17.0, 34.0


def a_leg(day: int, hour: int, delay_minutes: float) -> LaneLeg:
    planned_at = FIRST_DAY + timedelta(days=day, hours=hour)
    return LaneLeg(
        mode="air",
        carrier="XA",
        service=None,
        origin="HUB",
        destination="AAA",
        planned_departure_at=planned_at,
        departed_at=planned_at + timedelta(minutes=delay_minutes),
        planned_arrival_at=planned_at + timedelta(hours=2),
        arrived_at=planned_at + timedelta(hours=2, minutes=delay_minutes),
        outcome="arrived",
    )


def test_a_delay_that_only_evenings_know_counts_in_the_morning_too() -> None:
    """Mornings are calm, or late by a quarter of an hour; that an origin is half an hour late is seen in evenings."""
    mornings = ((0.0, CALM), (18.0, LATE))
    evenings = ((0.0, CALM), (60.0, VERY_LATE)) * 12
    known = [
        (a_leg(day, hour, delay), crowd)
        for day in range(60)
        for hour, seen in ((8, mornings[day % 2 :][:1]), (20, evenings))
        for delay, crowd in seen
    ]
    coder = Coder()
    legs = coder.columns([leg for leg, _ in known])
    crowded = np.array([congestion for _, congestion in known])
    model = DepartureModel(np.full(HIGH - LOW + 1, 1.0 / (HIGH - LOW + 1)))
    for part in np.array_split(np.arange(len(known)), 4):
        until = float(legs.planned_departure[part[-1]]) + DAY_MINUTES
        model.learn(legs.take(part), dict.fromkeys(WHENS, crowded[part]), at=until)
    model.refresh(until)

    morning = coder.columns([a_leg(62, 8, 0.0)], learn=False)
    bins = [
        int(model.bin_of(morning.codes, np.array([crowd]), "due")[0]) for crowd in (CALM, LATE, VERY_LATE)
    ]

    assert bins[0] < bins[1] < bins[2]
