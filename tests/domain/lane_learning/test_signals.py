"""The day's signals: read off what is known by an instant, and borne by legs that are near, but for their own."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from app.domain.lane_learning import frozen, signals
from app.domain.lane_learning.history import LaneLeg, as_planned, minutes_of
from app.domain.lane_learning.published import Published
from app.domain.lane_learning.signals import NOTHING, DaySignals, ModeSignals
from app.domain.lane_learning.watching import Seen, awaited_modes, signals_of
from app.domain.shipment import Leg, Mode
from tests.domain.lane_learning.made import FIRST_DAY, a_history
from tests.domain.made import a_leg

NOW = FIRST_DAY + timedelta(days=12, hours=14)
HOUR = timedelta(hours=1)


def published(*, awaited: bool = True) -> Published:
    modes = frozenset[Mode]({"air"} if awaited else ())
    taught = frozen.learn(a_history(days=12), until=minutes_of(NOW - 2 * HOUR), awaited=modes)
    return frozen.restored(1, frozen.whole(taught, [], {}))


PUBLISHED = published()


def a_flight(planned_at: datetime, late_minutes: float | None = None, **changes: Any) -> LaneLeg:
    """Return a flight of 90 minutes that has left so late, or not yet."""
    departed_at = None if late_minutes is None else planned_at + timedelta(minutes=late_minutes)
    values: dict[str, Any] = {
        "mode": "air",
        "carrier": "XA",
        "service": f"X{planned_at:%H%M}",
        "origin": "HUB",
        "destination": "AAA",
        "planned_departure_at": planned_at,
        "departed_at": departed_at,
        "planned_arrival_at": planned_at + 1.5 * HOUR,
        "arrived_at": None,
        "outcome": "planned" if departed_at is None else "departed",
    }
    return LaneLeg(**values | changes)


def seen(*legs: LaneLeg, ours: bool = False, told: bool = True) -> list[Seen]:
    return [Seen(leg=leg, told=told and leg.departed_at is not None, awaited=True, ours=ours) for leg in legs]


def air(known: list[Seen], *, by: Published = PUBLISHED, heard_at: datetime = NOW) -> ModeSignals:
    return signals_of(known, by.modes, at=NOW, heard_at=heard_at).modes.get("air", ModeSignals())


def plan_of(leg: LaneLeg) -> Leg:
    return replace(
        a_leg(),
        mode=leg.mode,
        carrier=leg.carrier,
        service=leg.service,
        origin=leg.origin,
        destination=leg.destination,
        planned_departure_at=leg.planned_departure_at,
        planned_arrival_at=leg.planned_arrival_at,
    )


def test_delays_of_the_last_two_hours_are_added_up_with_the_silence_of_what_is_awaited() -> None:
    known = seen(a_flight(NOW - 2.25 * HOUR, 100), a_flight(NOW - 1.5 * HOUR, 40), a_flight(NOW - 0.5 * HOUR))

    told = air(known)

    assert told.origins == {
        "HUB": (70.0, 2)
    }  # 40 minutes late, and 30 waited; the first was planned too early
    assert told.congestion("HUB") == pytest.approx(70 / 5)
    assert told.congestion("ELSEWHERE") is None


def test_silence_does_not_count_where_the_tables_were_taught_without_it() -> None:
    known = seen(a_flight(NOW - 1.5 * HOUR, 40), a_flight(NOW - 0.5 * HOUR))

    assert air(known, by=published(awaited=False)).origins == {"HUB": (40.0, 1)}


def test_silence_counts_no_longer_than_the_feed_was_heard() -> None:
    known = seen(a_flight(NOW - 1.5 * HOUR, 40), a_flight(NOW - HOUR), a_flight(NOW - 0.25 * HOUR))

    assert air(known, heard_at=NOW - 0.5 * HOUR).origins == {"HUB": (70.0, 2)}


def test_an_origin_whose_departures_are_mostly_imported_afterwards_has_no_signal() -> None:
    late = a_flight(NOW - 1.5 * HOUR, 40)
    imported = [a_flight(NOW - hours * HOUR, 5) for hours in (20, 21)]

    assert air(seen(late) + seen(*imported[:1], told=False)).origins == {"HUB": (40.0, 1)}
    assert air(seen(late) + seen(*imported, told=False)).origins == {}


def test_a_leg_is_not_told_of_its_own_silence() -> None:
    ours, other = a_flight(NOW - HOUR), a_flight(NOW - 1.5 * HOUR, 40)

    told = air(seen(other) + seen(ours, ours=True))

    assert told.congestion("HUB") == pytest.approx(100 / 5)
    assert told.congestion("HUB", ours.identity) == pytest.approx(40 / 4)
    assert air(seen(ours, ours=True)).congestion("HUB", ours.identity) is None
    imported = seen(*(a_flight(NOW - hours * HOUR, 5) for hours in (20, 21)), told=False)
    untold = air(seen(other) + seen(ours, ours=True) + imported[:1] + imported)
    assert untold.congestion("HUB", ours.identity) is None


def test_ways_that_take_longer_than_expected_count_where_they_end_and_a_little_everywhere() -> None:
    ended = [
        a_flight(NOW - hours * HOUR, 0, arrived_at=NOW - hours * HOUR + 2 * HOUR, outcome="arrived")
        for hours in (2.25, 2.5, 2.75, 7)
    ]

    told = air(seen(*ended))

    usual = PUBLISHED.modes["air"]
    codes = usual.coder.columns(ended[:3], learn=False).codes
    by = float((30 - usual.model.blocks.expected(codes)).sum())
    everywhere = 0.7 * by / (3 + 20)
    assert told.everywhere == pytest.approx(0.8 * everywhere)
    assert told.way_minutes("AAA") == pytest.approx(0.8 * (everywhere + (by - 3 * everywhere) / (3 + 4)))
    assert told.way_minutes("BBB") == told.everywhere


@pytest.mark.parametrize(
    ("leaves", "when"),
    [(-3.0, "due"), (0.5, "due"), (1.5, "ahead"), (3.9, "ahead"), (4.1, "alone"), (24.0, "alone"), (-13.6, "alone")],
)  # fmt: skip
def test_signals_bear_on_what_is_near(leaves: float, when: str) -> None:
    day = DaySignals(at=NOW, modes={"air": ModeSignals(origins={"HUB": (400.0, 8)}, everywhere=3.0)})

    bearing = day.on(plan_of(a_flight(NOW + leaves * HOUR)))

    assert bearing.when == when
    assert (bearing == NOTHING) == (when == "alone")


def test_another_look_is_worth_it_when_the_level_changes_or_the_way_by_three_minutes() -> None:
    def felt(total: float, way: float) -> tuple[object, ...]:
        told = ModeSignals(origins={"HUB": (total, 7)}, everywhere=way)
        return DaySignals(at=NOW, modes={"air": told}).on(plan_of(a_flight(NOW + HOUR))).felt

    assert felt(210, 0) == felt(240, 1)  # 21 and 24 minutes are one level, 30 the next
    assert felt(210, 0) != felt(300, 0)
    assert felt(210, 0) != felt(210, 4)


def test_a_late_origin_delays_its_next_departures_and_only_those() -> None:
    base = PUBLISHED
    late = [a_flight(NOW - hours * HOUR, 60) for hours in (1.25, 1.5, 1.75)]
    day = signals_of(seen(*late), base.modes, at=NOW, heard_at=NOW)
    laid = base.under(2, signals.of_bytes(signals.as_bytes(day)))
    soon, tomorrow = (plan_of(a_flight(NOW + hours * HOUR)) for hours in (0.5, 24))

    assert laid.version == "lanes-2"
    before, after = base.of(soon).delay, laid.of(soon).delay
    assert after.quantile_minutes(0.5) > before.quantile_minutes(0.5)
    assert after.quantile_minutes(0.9) > before.quantile_minutes(0.9)
    assert after.basis == f"{before.basis}, with the day's departures"
    assert laid.of(tomorrow) is base.of(tomorrow)
    assert (
        laid.of(plan_of(a_flight(NOW + HOUR, origin="ELSEWHERE"))).delay.basis
        == "history of the air carrier, n=288"
    )
    assert base.of(soon).delay is before


def test_signals_come_back_as_they_were_kept() -> None:
    ours = a_flight(NOW - 0.75 * HOUR - timedelta(seconds=7), service=None)
    day = signals_of(
        seen(a_flight(NOW - HOUR, 40)) + seen(ours, ours=True), PUBLISHED.modes, at=NOW, heard_at=NOW
    )

    again = signals.of_bytes(signals.as_bytes(day))

    assert again.at == NOW
    assert again.says_as(day)
    assert again.modes["air"].waiting == {ours.identity: pytest.approx(45.1)}
    assert as_planned(plan_of(ours)).identity in again.modes["air"].waiting


def test_a_mode_is_awaited_when_most_of_its_departures_were() -> None:
    left = a_flight(NOW - HOUR, 5)

    assert awaited_modes(seen(left)) == {"air"}
    assert awaited_modes([Seen(leg=left), *seen(left)]) == {"air"}
    assert awaited_modes([Seen(leg=left), Seen(leg=left), *seen(left)]) == frozenset()


def test_what_is_asked_without_a_signal_is_told_as_if_no_day_had_ever_been_looked_at() -> None:
    """Tables taught with silence and without differ, but not those that are asked alone."""
    model, other = (published(awaited=awaited).modes["air"].model.departures for awaited in (True, False))

    assert np.array_equal(model.delays("alone"), other.delays("alone"))
    assert not np.array_equal(model.delays("due"), other.delays("due"))
