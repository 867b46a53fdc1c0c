"""What must hold of decay for every activity, half-life and instant; worked numbers stand by their ids elsewhere."""

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.decay import (
    FIRST_INSTANT,
    LAST_INSTANT,
    NaiveTime,
    activity_at,
    decayed_to,
    relative_uncertainty,
    volume_to_draw_ml,
)

REFERENCE_AT = datetime(2025, 5, 5, 8, tzinfo=UTC)
NAIVE_AT = REFERENCE_AT.replace(tzinfo=None)
MICROSECOND = timedelta(microseconds=1)
N13_S, F18_S, LU177_S, TH229_S = 597.9, 6586.2, 574_067.52, 231_474_240_000.0  # ENSDF

activities = st.floats(1e-3, 1e6)
half_lives = st.floats(60, 3e7)
spans = st.timedeltas(-timedelta(days=7), timedelta(days=7))


@given(activity_mbq=activities, half_life_s=half_lives, halvings=st.integers(-20, 20))
def test_it_halves_in_every_half_life(activity_mbq: float, half_life_s: float, halvings: int) -> None:
    at = REFERENCE_AT + timedelta(seconds=half_life_s * halvings)

    left = activity_at(activity_mbq, half_life_s=half_life_s, reference_at=REFERENCE_AT, at=at)

    # The instant is whole microseconds, which is 1e-8 of the shortest half-life.
    assert left == pytest.approx(activity_mbq / 2**halvings, rel=2e-8)


@given(activity_mbq=activities, half_life_s=st.floats(3600, 3e7), one=spans, other=spans)
def test_later_is_never_more(
    activity_mbq: float, half_life_s: float, one: timedelta, other: timedelta
) -> None:
    early, late = sorted((one, other))

    before, after = (
        activity_at(
            activity_mbq, half_life_s=half_life_s, reference_at=REFERENCE_AT, at=REFERENCE_AT + elapsed
        )
        for elapsed in (early, late)
    )

    assert after <= before


@given(
    activity_mbq=activities, half_life_s=half_lives, before=st.timedeltas(timedelta(hours=1), timedelta(1))
)
def test_before_the_reference_there_is_more(
    activity_mbq: float, half_life_s: float, before: timedelta
) -> None:
    early_mbq = activity_at(
        activity_mbq, half_life_s=half_life_s, reference_at=REFERENCE_AT, at=REFERENCE_AT - before
    )

    assert early_mbq > activity_mbq


@given(activity_mbq=activities, level_mbq=activities, half_life_s=st.floats(3600, 3e7))
def test_at_the_instant_of_a_level_the_level_is_met(
    activity_mbq: float, level_mbq: float, half_life_s: float
) -> None:
    met_at = decayed_to(activity_mbq, level_mbq, half_life_s=half_life_s, reference_at=REFERENCE_AT)

    met_mbq = activity_at(activity_mbq, half_life_s=half_life_s, reference_at=REFERENCE_AT, at=met_at)

    assert met_mbq == pytest.approx(level_mbq, rel=1e-9)


def test_a_level_above_the_activity_lies_before_the_reference() -> None:
    met_at = decayed_to(7400, 14_800, half_life_s=LU177_S, reference_at=REFERENCE_AT)

    assert met_at == REFERENCE_AT - timedelta(seconds=LU177_S)


def test_two_times_of_one_zone_are_hours_apart_by_elapsed_time() -> None:
    """From 18:00 in Rome to 18:00 a day later it is 23 hours when the clocks go forward (2025-03-30)."""
    rome = ZoneInfo("Europe/Rome")
    evening_at, next_at = datetime(2025, 3, 29, 18, tzinfo=rome), datetime(2025, 3, 30, 18, tzinfo=rome)

    left = activity_at(370.0, half_life_s=F18_S, reference_at=evening_at, at=next_at)

    assert left == pytest.approx(370.0 * 2 ** (-23 * 3600 / F18_S), rel=1e-12)


def test_a_level_is_reached_after_elapsed_time_whatever_the_zone() -> None:
    evening_at = datetime(2025, 3, 29, 18, tzinfo=ZoneInfo("Europe/Rome"))

    met_at = decayed_to(200, 100, half_life_s=72 * 3600, reference_at=evening_at)

    assert met_at == datetime(2025, 4, 1, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reference_at", "at"), [(NAIVE_AT, REFERENCE_AT), (REFERENCE_AT, NAIVE_AT), (NAIVE_AT, NAIVE_AT)]
)
def test_a_time_without_zone_is_refused(reference_at: datetime, at: datetime) -> None:
    with pytest.raises(NaiveTime):
        activity_at(7400, half_life_s=LU177_S, reference_at=reference_at, at=at)


def test_a_level_from_a_time_without_zone_is_refused() -> None:
    with pytest.raises(NaiveTime):
        decayed_to(7400, 6660, half_life_s=LU177_S, reference_at=NAIVE_AT)


def test_a_short_lived_dose_planned_weeks_ahead_is_beyond_all_numbers() -> None:
    """N-13 planned a fortnight ahead: 2,023 half-lives, which no floating-point number holds."""
    planned_mbq = activity_at(
        740, half_life_s=N13_S, reference_at=REFERENCE_AT, at=REFERENCE_AT - timedelta(days=14)
    )

    assert planned_mbq == math.inf


def test_no_volume_holds_a_dose_of_what_has_gone() -> None:
    fortnight_at = REFERENCE_AT + timedelta(days=14)

    left_mbq = activity_at(740, half_life_s=N13_S, reference_at=REFERENCE_AT, at=fortnight_at)
    volume_ml = volume_to_draw_ml(
        740,
        concentration_mbq_per_ml=100,
        half_life_s=N13_S,
        reference_at=REFERENCE_AT,
        at=fortnight_at,
    )

    assert (left_mbq, volume_ml) == (0.0, math.inf)


@pytest.mark.parametrize(
    ("activity_mbq", "level_mbq", "half_life_s", "stops_at"),
    [
        pytest.param(1e6, 1.0, TH229_S, LAST_INSTANT, id="after the calendar's end"),
        pytest.param(1.0, 1e6, TH229_S, FIRST_INSTANT, id="before its beginning"),
        pytest.param(1.0, 1.5, TH229_S, FIRST_INSTANT, id="in an early year"),
        pytest.param(1e12, 5e-324, 1e12, LAST_INSTANT, id="greatest over least"),
        pytest.param(5e-324, 1e12, 1e12, FIRST_INSTANT, id="least over greatest"),
    ],
)
def test_an_instant_off_the_calendar_still_compares(
    activity_mbq: float, level_mbq: float, half_life_s: float, stops_at: datetime
) -> None:
    assert decayed_to(activity_mbq, level_mbq, half_life_s=half_life_s, reference_at=REFERENCE_AT) == stops_at


def test_uncertainty_grows_alike_before_and_after_the_reference() -> None:
    after, before = (
        relative_uncertainty(elapsed_s=elapsed_s, half_life_s=LU177_S, half_life_uncertainty_s=77.76)
        for elapsed_s in (LU177_S, -LU177_S)
    )

    assert after == before == pytest.approx(math.log(2) * 77.76 / LU177_S, rel=1e-12)


@given(wanted_mbq=activities, concentration=st.floats(1, 1e4), elapsed=spans)
def test_the_drawn_volume_holds_what_was_wanted(
    wanted_mbq: float, concentration: float, elapsed: timedelta
) -> None:
    at = REFERENCE_AT + elapsed

    volume_ml = volume_to_draw_ml(
        wanted_mbq,
        concentration_mbq_per_ml=concentration,
        half_life_s=LU177_S,
        reference_at=REFERENCE_AT,
        at=at,
    )

    held_mbq = volume_ml * activity_at(concentration, half_life_s=LU177_S, reference_at=REFERENCE_AT, at=at)
    assert held_mbq == pytest.approx(wanted_mbq, rel=1e-12)
