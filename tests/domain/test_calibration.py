"""Calibration: what is kept, and how coverage and reliability are counted."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.domain.calibration import (
    KEPT_MAX,
    Forecasted,
    Settled,
    coverage,
    is_news,
    reliability,
    weekly,
)
from app.domain.custody import LegFacts
from app.domain.eta import forecast
from app.domain.horizons import horizon_of
from tests.domain.made import DAY, a_journey, a_leg, a_shipment, at

HOUR = timedelta(hours=1)


def settled(arrived_at: datetime | None, **changes: object) -> Settled:
    base = Settled(
        horizon="2 to 6 h",
        legs=2,
        p10_at=at("10:00"),
        p90_at=at("12:00"),
        late_probability=0.35,
        latest_at=at("11:30"),
        arrived_at=arrived_at,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left", "horizon"),
    [
        (48 * HOUR, "more than 24 h"),
        (24 * HOUR, "6 to 24 h"),
        (3 * HOUR, "2 to 6 h"),
        (2 * HOUR, "up to 2 h"),
        (0 * HOUR, "up to 2 h"),
        (-1 * HOUR, "overdue"),
    ],
)
def test_a_horizon_is_the_time_left_by_plan(left: timedelta, horizon: str) -> None:
    assert horizon_of(DAY + left, DAY) == horizon


def test_coverage_counts_by_week_horizon_and_legs_and_both_bounds_are_inside() -> None:
    cases = [at("09:59"), at("10:00"), at("12:00"), at("12:01"), None]

    told = coverage([settled(one) for one in cases] + [settled(at("11:00"), legs=1)])

    assert [(cell["legs"], cell["cases"]) for cell in told] == [(1, 1), (2, 4)]
    assert (told[1]["below_p10"], told[1]["inside"], told[1]["above_p90"]) == (0.25, 0.5, 0.25)
    name, shares = weekly(told)[2]
    assert name == "2 to 6 h"
    assert shares == pytest.approx([3 / 5])


def test_reliability_compares_what_was_said_with_what_came_true_and_lost_is_late() -> None:
    cases = [at("11:30"), at("11:31"), None]

    told = reliability([settled(one) for one in cases] + [settled(at("11:00"), late_probability=1.0)])

    assert [(cell["from"], cell["cases"], cell["came_true"]) for cell in told] == [
        (0.3, 3, 0.6667),
        (0.9, 1, 0.0),
    ]
    assert told[0]["said"] == 0.35


def test_only_a_changed_interval_is_news_and_only_so_many_are_kept() -> None:
    made = forecast(a_shipment(legs=(a_leg(mode="road"),)), a_journey(legs=(LegFacts(number=1),)))
    now, later = made.at(at("08:00")), made.at(at("11:30"))
    kept = Forecasted(
        shipment_id="s",
        horizon="2 to 6 h",
        number=0,
        asked_at=at("08:00"),
        legs=1,
        p10_at=now.p10_at,
        p50_at=now.p50_at,
        p90_at=now.p90_at,
        late_probability=0.1,
        latest_at=None,
        lanes_version="priors-1",
    )

    assert is_news(None, now)
    assert not is_news(kept, now)
    assert is_news(kept, later)
    assert not is_news(replace(kept, number=KEPT_MAX - 1), later)
