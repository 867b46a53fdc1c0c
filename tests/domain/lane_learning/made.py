"""A made-up leg history: two airports' worth of flights with good days and bad ones."""

from datetime import UTC, datetime, timedelta

import numpy as np

from app.domain.lane_learning.history import LaneLeg

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
DESTINATIONS = ("AAA", "BBB", "CCC")


def a_history(*, days: int = 40, legs_a_day: int = 48, seed: int = 7) -> list[LaneLeg]:
    """Return legs in the order of their planned departures."""
    random = np.random.default_rng(seed)
    legs = []
    for day in range(days):
        bad = random.gamma(0.6, 20.0)
        for number in range(legs_a_day):
            planned_at = FIRST_DAY + timedelta(days=day, minutes=600 + 15 * number)
            block = 90 + 30 * (number % 3)
            delay = round(float(random.normal(-3, 4) + bad * random.exponential(0.5)))
            residual = round(float(random.normal(2 * (number % 3), 8)))
            fate = random.random()
            outcome = "cancelled" if fate < 0.03 else "diverted" if fate < 0.035 else "arrived"
            departed_at = None if outcome == "cancelled" else planned_at + timedelta(minutes=delay)
            legs.append(
                LaneLeg(
                    mode="air",
                    carrier=("XA", "XB")[number % 2],
                    service=f"X{number}",
                    origin="HUB",
                    destination=DESTINATIONS[number % 3],
                    planned_departure_at=planned_at,
                    departed_at=departed_at,
                    planned_arrival_at=planned_at + timedelta(minutes=block),
                    arrived_at=departed_at + timedelta(minutes=block + residual)
                    if departed_at and outcome == "arrived"
                    else None,
                    outcome=outcome,  # type: ignore[arg-type]
                )
            )
    return legs
