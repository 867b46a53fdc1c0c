"""One lane told to people: how many legs are known, what they teach, and what stands in where they are few."""

from typing import Any, cast

from app.domain.lane_learning.published import LEGS_MIN, Published
from app.domain.lane_learning.signals import ModeSignals
from app.domain.lanes import PRIORS, Distribution, LaneStatistics
from app.domain.shipment import Mode

LANE_SHRINK, CARRIER_SHRINK, MODE_SHRINK = 30.0, 20.0, 50.0
"""As many legs as these count as much as what a lane, a carrier or a mode falls back to. Source: docs/eta.md."""

QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}


def told(
    *, mode: str, origin: str, destination: str, carrier: str, n: int, statistics: LaneStatistics
) -> dict[str, Any]:
    """Return a lane as the API tells it; minutes are whole, shares 0 to 1."""
    found: dict[str, Any] = {
        "mode": mode,
        "origin": origin,
        "destination": destination,
        "carrier": carrier,
        "n": n,
        "lanes_version": statistics.version,
    }
    learned = statistics.modes.get(cast(Mode, mode)) if isinstance(statistics, Published) else None
    day = statistics.signals if isinstance(statistics, Published) else None
    found["today"] = _today(day.modes.get(cast(Mode, mode)) if day else None, origin, destination)
    if learned is None or learned.legs < LEGS_MIN:
        return found | _of_priors(mode) | {"falls_back_to": [{"level": "priors", "n": None, "weight": 1.0}]}
    known = learned.typical((origin, destination), carrier)
    middle = known.residuals[len(known.residuals) // 2 - 1]
    levels = [
        ("lane", learned.count("lane", (origin, destination)), LANE_SHRINK),
        ("carrier", learned.count("carrier", (carrier,)), CARRIER_SHRINK),
        ("mode", learned.legs, MODE_SHRINK),
    ]
    return found | {
        "departure_delay_minutes": _quantiles(known.delay),
        "residual_minutes": _quantiles(middle),
        "cancelled_share": round(known.cancelled_share, 4),
        "diverted_share": round(known.diverted_share, 4),
        "falls_back_to": _weights(levels),
    }


def _today(signals: ModeSignals | None, origin: str, destination: str) -> dict[str, Any] | None:
    """Return what the day's other legs show, minutes above zero being late; None where they show nothing."""
    if signals is None:
        return None
    delay = signals.congestion(origin)
    return {
        "departures": signals.origins.get(origin, (0.0, 0))[1],
        "departure_delay_minutes": None if delay is None else round(delay, 1),
        "residual_minutes": round(signals.way_minutes(destination), 1),
    }


def _of_priors(mode: str) -> dict[str, Any]:
    residual = PRIORS.transit_residuals(cast(Mode, mode), 120.0)[0]
    return {
        "departure_delay_minutes": _quantiles(PRIORS.departure_delay[mode]),
        "residual_minutes": _quantiles(residual),
        "cancelled_share": PRIORS.cancelled_share.get(mode, 0.0),
        "diverted_share": PRIORS.diverted_share.get(mode, 0.0),
    }


def _weights(levels: list[tuple[str, int, float]]) -> list[dict[str, Any]]:
    """Return how much each level counts: n/(n+k) of what the levels before it have left."""
    left, told = 1.0, list[dict[str, Any]]()
    for name, count, shrink in levels:
        weight = left * count / (count + shrink)
        told.append({"level": name, "n": count, "weight": round(weight, 3)})
        left -= weight
    return [*told, {"level": "priors", "n": None, "weight": round(left, 3)}]


def _quantiles(distribution: Distribution) -> dict[str, float]:
    return {name: distribution.quantile_minutes(share) for name, share in QUANTILES.items()}
