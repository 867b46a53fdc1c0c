"""Correction: one distribution is told, silence never makes it earlier, and nothing costs nothing."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from app.domain.assessment import Snapshot, assess
from app.domain.correction import HALF_BLENDS, LEVELS, Correction, correction_of, moved
from app.domain.custody import Journey
from app.domain.drift import Drift
from app.domain.eta import Forecast, forecast
from app.domain.horizons import BOUNDS, HORIZONS
from app.domain.lane_learning.dwell import gather
from app.domain.lane_learning.published import Published
from app.domain.lanes import PRIORS, Array
from tests.domain.made import DAY, DEPARTURE, PLANNED, a_dose, a_journey, a_leg, a_shipment, at

MINUTE = timedelta(minutes=1)
# By a forecast too early by this much, half of all deliveries fall by its level 0.71; by one too late, by 0.25.
TOO_EARLY, TOO_LATE = np.sqrt(LEVELS), LEVELS**2
BOUND = at("13:00")


def correcting(*rows: Array) -> Published:
    """Return statistics that know nothing of lanes, and correct by a map a horizon, the farthest first."""
    maps = {horizon: (400, row) for horizon, row in zip(HORIZONS, rows, strict=True)}
    return Published(7, {}, gather([]), {}, correction=correction_of(maps))


def by(*rows: Array, mode: str = "road", **journey: object) -> Forecast:
    statistics = correcting(*rows) if rows else PRIORS
    return forecast(a_shipment(legs=(a_leg(mode=mode),)), a_journey(**journey), statistics)


def test_the_known_part_is_corrected_and_the_unknown_keeps_its_share() -> None:
    told = moved(np.asarray([0.2, 0.5, 0.8]), TOO_EARLY)

    # 0.8 · (¼)², 0.8 · (⅝)² and all of the 0.8 have come by the ends of the bins.
    assert told == pytest.approx([0.05, 0.3125, 0.8], abs=1e-4)


@pytest.mark.parametrize("row", [TOO_EARLY, TOO_LATE], ids=["too early", "too late"])
def test_quantiles_and_probabilities_come_from_one_distribution(row: Array) -> None:
    told = by(row, row, row, row, row).at(at("08:00"))
    raw = by().at(at("08:00"))

    assert told.p10_at is not None
    assert told.p50_at is not None
    assert told.p90_at is not None
    assert told.p10_at < told.p50_at < told.p90_at
    for share, instant in ((0.9, told.p10_at), (0.5, told.p50_at), (0.1, told.p90_at)):
        assert told.probability_after(instant) == pytest.approx(share, abs=1e-6)
    q = raw.unknown_probability
    level = np.interp(0.5 / (1 - q), LEVELS, row) * (1 - q)
    assert raw.probability_after(told.p50_at) == pytest.approx(1 - level, abs=2e-3)
    assert told.unknown_probability == raw.unknown_probability
    assert told.lanes_version == "lanes-7"


def test_p90_stays_unknown_where_more_than_a_tenth_has_no_known_arrival() -> None:
    silent_at = DEPARTURE + 120 * MINUTE

    told = by(*[TOO_LATE] * 5, mode="air").at(silent_at)

    assert told.unknown_probability > 0.1
    assert told.p90_at is None
    assert told.probability_after(DAY + timedelta(days=9)) == pytest.approx(told.unknown_probability)


def test_without_a_correction_the_very_same_arrays_are_told() -> None:
    told, plain = by().at(at("08:00")), by(*[LEVELS] * 5).at(at("08:00"))

    assert told.corrected is None
    assert told.heights is not None
    assert told.heights is not plain.heights
    assert np.array_equal(told.heights, told.uncorrected)  # type: ignore[arg-type]
    assert plain.heights == pytest.approx(told.heights, abs=1e-12)


def test_equal_inputs_are_corrected_alike_to_the_bit() -> None:
    one, other = (by(*[TOO_EARLY] * 5).at(at("11:00")) for _ in range(2))

    assert np.array_equal(one.heights, other.heights)  # type: ignore[arg-type]
    one, other = (
        replace(each, heights=None, uncorrected=None, quiet=None, corrected=None) for each in (one, other)
    )
    assert one == other


@pytest.mark.parametrize("mode", ["road", "air"])
@pytest.mark.parametrize("first", [TOO_EARLY, TOO_LATE, LEVELS], ids=["too early", "too late", "right"])
def test_silence_over_all_horizons_moves_no_quantile_and_no_probability_back(first: Array, mode: str) -> None:
    """Each horizon's map says the opposite of the one before."""
    second = TOO_LATE if first is TOO_EARLY else TOO_EARLY
    made, raw = by(first, second, first, second, first, mode=mode), by(mode=mode)
    instants = [PLANNED + m * MINUTE for m in range(-28 * 60, 3 * 60, 3)]

    told = [made.at(one) for one in instants]
    plain = [raw.at(one) for one in instants]

    late = [one.probability_after(BOUND) for one in told]
    # Within what the grid itself jitters by while the clock runs.
    assert all(later >= earlier - 2e-3 for earlier, later in pairwise(late))
    for name in ("p10_at", "p50_at"):
        medians = [one for one in (getattr(each, name) for each in told) if one is not None]
        assert all(later >= earlier - 20 * timedelta(seconds=1) for earlier, later in pairwise(medians))
    # It blends: between two looks it moves hardly further than silence itself moves it.
    steps = [abs(b - a) for a, b in pairwise(late)]
    own = [abs(b.probability_after(BOUND) - a.probability_after(BOUND)) for a, b in pairwise(plain)]
    assert max(step - 3 * silent for step, silent in zip(steps, own, strict=True)) < 0.05


def test_news_ends_the_silence_and_with_it_what_the_passed_maps_held() -> None:
    rows = (TOO_EARLY, LEVELS, LEVELS, LEVELS, LEVELS)
    when = at("08:00")

    silent, heard = by(*rows), by(*rows, progressed_at=at("04:00"))

    assert silent.shipment.registered_at < PLANNED - BOUNDS[0] - HALF_BLENDS[0]
    assert silent.at(when).probability_after(PLANNED) > heard.at(when).probability_after(PLANNED) + 0.1


@pytest.mark.parametrize(
    "rows",
    [[TOO_EARLY, LEVELS, TOO_EARLY, LEVELS, TOO_EARLY], [LEVELS, TOO_EARLY, LEVELS, TOO_EARLY, LEVELS]],
)
def test_until_when_it_is_steady_the_arrival_is_the_same(rows: list[Array]) -> None:
    made = by(*rows)
    held = 0
    for m in range(-30 * 60, 30, 7):
        now = PLANNED + m * MINUTE
        until = made.steady_until(now)
        assert until >= now
        held += until > now
        here, there = made.at(now), made.at(until)
        assert there.probability_after(PLANNED) == pytest.approx(here.probability_after(PLANNED), abs=1e-3)
    assert held > 100


def test_looking_when_told_to_finds_a_change_in_the_minute_in_which_it_comes() -> None:
    """The correction of the last six hours alone makes the dose likely to be late, while nothing is heard."""
    dose = a_dose(expires_at=at("13:14"))
    shipment = a_shipment(legs=(a_leg(mode="road"),), doses=(dose,))
    statistics = correcting(LEVELS, LEVELS, LEVELS ** (1 / 8), LEVELS ** (1 / 8), LEVELS ** (1 / 8))

    def look(when: datetime) -> tuple[set[tuple[str, str]], datetime | None]:
        snapshot = Snapshot(
            shipment=shipment, events=(), open_alerts=(), version=1, lanes=statistics, baseline_at=PLANNED
        )
        answer = assess(snapshot, at=when)
        return {(one.kind, one.severity) for one in answer.conditions}, answer.next_change_at

    began = at("04:30")
    first, when = look(began)
    looks, now, found = 0, began, first
    while found == first:
        assert when is not None
        assert when > now
        now, looks = when, looks + 1
        found, when = look(now)
    minute = began
    while look(minute)[0] == first:
        minute += MINUTE

    assert now == minute
    assert at("05:00") < now < at("08:00")
    assert looks < 12


def test_no_map_brings_a_probability_below_what_is_unknown() -> None:
    """There the share that is unknown has to fall itself: else each look asks for the next minute's."""
    told = by(*[TOO_EARLY] * 5, mode="air").at(DEPARTURE + 120 * MINUTE)
    unknown = told.unknown_probability
    assert told.corrected is not None

    drifts = told.corrected.uncorrected(Drift(told.probability_after(BOUND), down=unknown / 2), unknown)

    assert list(drifts) == [Drift(unknown, down=unknown / 2)]


def test_a_horizon_without_a_map_is_left_alone() -> None:
    correction = correction_of({"overdue": (500, TOO_EARLY)})

    assert isinstance(correction, Correction)
    assert correction.cases == (0, 0, 0, 0, 500)
    hour = timedelta(hours=1)
    early = correction.levels(PLANNED, heard_at=PLANNED - hour, at=PLANNED - hour)
    late = correction.levels(PLANNED, heard_at=PLANNED - hour, at=PLANNED + hour)
    middle = correction.levels(PLANNED, heard_at=PLANNED, at=PLANNED)
    assert np.array_equal(early, LEVELS)
    assert np.array_equal(late, TOO_EARLY)
    assert middle == pytest.approx((LEVELS + TOO_EARLY) / 2)
    assert correction_of({}) is None


def test_what_has_arrived_is_a_fact_that_nothing_corrects() -> None:
    delivered = a_journey(delivered_at=at("12:40"))
    assert isinstance(delivered, Journey)

    told = forecast(a_shipment(), delivered, correcting(*[TOO_EARLY] * 5)).at(at("15:00"))

    assert told.p10_at == told.p90_at == at("12:40")
