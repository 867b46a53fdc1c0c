"""Conformal maps of our own forecasts: coverage comes back, few cases move nothing, the day never teaches itself."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from random import Random

import numpy as np
import pytest

from app.domain.calibration import rank_of, raw_minutes
from app.domain.correction import LEVELS
from app.domain.eta import Arrival, forecast
from app.domain.grids import position_of
from app.domain.lane_learning.conformal import ENOUGH, Ranked, learned, level_map, morning_of, restored
from app.domain.lane_learning.dwell import gather
from app.domain.lane_learning.published import Published
from app.domain.lanes import PRIORS, Array, LaneStatistics
from tests.domain.made import DAY, a_journey, a_leg, a_shipment, at

HORIZON = "2 to 6 h"
MORNING = DAY + timedelta(days=30, hours=7)


def ranked(count: int, rank: float = 0.9, **changes: object) -> list[Ranked]:
    """Return forecasts of as many shipments, settled the day before MORNING."""
    asked_at = MORNING - timedelta(days=1)
    one = Ranked(
        shipment_id="",
        horizon=HORIZON,
        asked_at=asked_at,
        settled_at=asked_at + timedelta(hours=5),
        rank=rank,
    )
    return [replace(one, shipment_id=f"s{number}", **changes) for number in range(count)]  # type: ignore[arg-type]


def levels_of(told: list[Ranked], *, at: datetime = MORNING) -> Array:
    correction = restored(learned(told, at=at))
    return LEVELS if correction is None else correction.table[2]


def a_day(statistics: LaneStatistics, day: int) -> tuple[Arrival, datetime]:
    """Return a road leg's forecast three hours before its planned delivery, and when it was made."""
    later = timedelta(days=day)
    leg = a_leg(mode="road", planned_departure_at=at("10:00") + later, planned_arrival_at=at("12:00") + later)
    shipment = a_shipment(legs=(leg,), registered_at=at("08:00") + later)
    asked_at = at("09:00") + later
    return forecast(shipment, a_journey(), statistics).at(asked_at), asked_at


def outcomes(day: int, *, count: int = 20) -> Iterator[datetime]:
    """Yield when that day's packages arrive: far later than said, half of them after the raw p76."""
    raw, _ = a_day(PRIORS, day)
    assert raw.grid is not None
    assert raw.heights is not None
    dice = Random(day)
    for _ in range(count):
        position = position_of(raw.heights, dice.random() ** 0.4 * raw.heights[-1])
        assert position is not None
        yield raw.grid.instant(position)


def inside(statistics: LaneStatistics, days: range) -> float:
    """Return the share of deliveries inside p10 to p90."""
    cases = [(a_day(statistics, day)[0], arrived_at) for day in days for arrived_at in outcomes(day)]
    return sum(told.p10_at <= arrived_at <= told.p90_at for told, arrived_at in cases) / len(cases)  # type: ignore[operator]


def test_the_coverage_of_a_biased_forecaster_comes_back_on_later_days() -> None:
    told = []
    for day in range(21):
        raw, asked_at = a_day(PRIORS, day)
        kept = raw_minutes(raw, asked_at)
        assert kept is not None
        for number, arrived_at in enumerate(outcomes(day, count=60)):
            rank = rank_of(arrived_at, asked_at, kept)
            told.append(
                Ranked(
                    shipment_id=f"{day}-{number}",
                    horizon=HORIZON,
                    asked_at=asked_at,
                    settled_at=arrived_at,
                    rank=rank,
                )
            )

    correction = restored(learned(told, at=morning_of(DAY + timedelta(days=21, hours=8))))
    corrected = Published(1, {}, gather([]), {}, correction=correction)
    later = range(21, 51)

    # Of u^0.4, 59.5 % lie between 0.1 and 0.9; what is learned weighs 1,260 / 1,660, so not all of it comes back.
    assert inside(PRIORS, later) == pytest.approx(0.9**2.5 - 0.1**2.5, abs=0.04)
    assert inside(corrected, later) == pytest.approx(0.8, abs=0.05)


def test_ranks_are_told_apart_over_the_whole_distribution() -> None:
    raw, asked_at = a_day(PRIORS, 0)
    kept = raw_minutes(raw, asked_at)
    assert kept is not None
    assert raw.grid is not None
    assert raw.heights is not None

    for level in (0.01, 0.1, 0.33, 0.5, 0.77, 0.9, 0.99):
        position = position_of(raw.heights, level * raw.heights[-1])
        assert position is not None
        assert rank_of(raw.grid.instant(position), asked_at, kept) == pytest.approx(level, abs=0.006)
    assert rank_of(asked_at, asked_at, kept) == 0.0
    assert rank_of(asked_at + timedelta(days=5), asked_at, kept) == 1.0


def test_equal_weights_give_the_quantiles_everybody_knows() -> None:
    dice = Random(1)
    ranks = np.asarray([dice.random() for _ in range(600)])

    told = level_map(ranks, np.ones(600))

    by_rule = 0.6 * np.quantile(ranks, LEVELS) + 0.4 * LEVELS
    assert told is not None
    assert told[1:-1] == pytest.approx(by_rule[1:-1])
    assert (told[0], told[-1]) == (0.0, 1.0)


def test_up_to_three_hundred_shipments_move_nothing() -> None:
    assert learned(ranked(ENOUGH), at=MORNING) is None
    # 301 of 701 say 0.9: 0.43 · 0.9 + 0.57 · 0.5.
    assert np.interp(0.5, LEVELS, levels_of(ranked(ENOUGH + 1))) == pytest.approx(0.6718, abs=1e-3)


def test_a_shipment_counts_once_however_many_of_its_forecasts_were_kept() -> None:
    calm, troubled = ranked(200, rank=0.5), ranked(200, rank=1.0)
    troubled = [
        replace(one, shipment_id=f"t{number}")
        for number, (one, _) in enumerate(product(troubled, range(1)))
        for _ in range(6)
    ]

    correction = restored(learned([*calm, *troubled], at=MORNING))

    assert correction is not None
    assert correction.cases[2] == 400
    # Half of the shipments, not six of seven, were late: 0.5 · 0.5 + 0.5 · 0.45.
    assert np.interp(0.45, LEVELS, correction.table[2]) == pytest.approx(0.475, abs=5e-3)
    assert learned([one for one in troubled if one.shipment_id < "t14"], at=MORNING) is None


def test_what_became_known_after_the_morning_teaches_nothing_before_the_next() -> None:
    past = ranked(400, rank=0.6)
    today = ranked(400, rank=1.0, settled_at=MORNING + timedelta(seconds=1))

    assert learned([*past, *today], at=MORNING) == learned(past, at=MORNING)
    assert learned([*past, *today], at=MORNING + timedelta(days=1)) != learned(past, at=MORNING)
    assert morning_of(MORNING + timedelta(hours=23, minutes=59)) == MORNING
    assert morning_of(MORNING - timedelta(microseconds=1)) == MORNING - timedelta(days=1)


def test_what_is_three_weeks_old_is_forgotten() -> None:
    told = ranked(400)

    assert learned(told, at=MORNING + timedelta(days=20)) is not None
    assert learned(told, at=MORNING + timedelta(days=21)) is None


def test_equal_outcomes_give_equal_bytes_in_whatever_order_they_are_told() -> None:
    told = [*ranked(350, rank=0.3), *ranked(350, rank=0.8, horizon="overdue")]
    told += [one for one in ranked(99, rank=0.3) for _ in range(3)]
    shuffled = list(told)
    Random(4).shuffle(shuffled)

    first = learned(told, at=MORNING)

    assert first == learned(shuffled, at=MORNING)
    assert restored(first) is not None
    assert restored(None) is None


def test_a_map_never_falls_however_the_outcomes_lie() -> None:
    told = [one for rank in (0.0, 0.0, 1.0) for one in ranked(200, rank=rank)]
    told = [replace(one, shipment_id=f"{number}") for number, one in enumerate(told)]

    assert (np.diff(levels_of(told)) > 0).all()
