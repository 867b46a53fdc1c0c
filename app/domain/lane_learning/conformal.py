"""Levels corrected by what happened: if 14 % fell below last month's p10, ask for a lower one."""

import json
import zlib
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from app.domain import correction
from app.domain.correction import LEVELS, Correction, correction_of
from app.domain.horizons import HORIZONS, Horizon
from app.domain.lane_learning.history import DAY_MINUTES, minutes_of
from app.domain.lane_learning.replay import MORNING_MINUTES
from app.domain.lanes import Array

WINDOW_DAYS, ENOUGH, SHRINK = 21.0, 300, 400.0
"""Source: tried on real flights, docs/eta.md."""

WINDOW: Final = timedelta(days=WINDOW_DAYS)

_DIGITS = 6


class Conformal:
    """One horizon's correction. A forecast teaches only once its outcome is known, and never its own day."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Array, Array]] = deque()
        self.map = LEVELS.copy()

    def keep(self, asked_at: float, ranks: Array, finished: Array) -> None:
        """Keep forecasts by the rank of what happened in them (0 to 1), and when that became known."""
        self._kept.append((asked_at, ranks, finished))

    def refresh(self, at: float) -> None:
        """Learn the correction that holds until the next refresh."""
        while self._kept and self._kept[0][0] < at - (WINDOW_DAYS + 2.0) * DAY_MINUTES:
            self._kept.popleft()
        known = [ranks[_teaches(asked_at, finished, at)] for asked_at, ranks, finished in self._kept]
        ranks = np.concatenate(known) if known else np.zeros(0)
        learned = level_map(ranks, np.ones(len(ranks)))
        self.map = LEVELS.copy() if learned is None else learned

    def level(self, share: float) -> float:
        """Return which level of the raw forecast is the true `share`."""
        return correction.raw_level(share, self.map)

    def share(self, level: Array) -> Array:
        """Return the true share of a raw level; the inverse of `level`."""
        return correction.true_share(level, self.map)


def level_map(ranks: Array, weights: Array) -> Array | None:
    """Return the raw level of each of LEVELS; None where too few outcomes are known to move any.

    The weights add up to the number of cases. Equal ones give the usual quantiles, linear between outcomes.
    """
    # By weight among equals, so that the order in which they are told changes nothing.
    order = np.lexsort((weights, ranks))
    heights = np.cumsum(weights[order])
    cases = round(float(heights[-1]), _DIGITS) if len(heights) else 0.0
    if cases <= ENOUGH:
        return None
    middles = heights - weights[order] / 2
    quantiles = np.interp(LEVELS, (middles - middles[0]) / (middles[-1] - middles[0]), ranks[order])
    weight = cases / (cases + SHRINK)
    levels: Array = weight * quantiles + (1 - weight) * LEVELS
    levels[0], levels[-1] = 0.0, 1.0
    return levels


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A forecast of ours, at which of its levels the delivery fell, and when that became known."""

    shipment_id: str
    horizon: Horizon
    asked_at: datetime
    settled_at: datetime
    rank: float


def morning_of(at: datetime) -> datetime:
    """Return the last morning by `at`: what became known after it corrects nothing before the next."""
    morning = timedelta(minutes=MORNING_MINUTES)
    return (at.astimezone(UTC) - morning).replace(hour=0, minute=0, second=0, microsecond=0) + morning


def learned(ranked: Iterable[Ranked], *, at: datetime) -> bytes | None:
    """Return as bytes what our own forecasts' outcomes, known by `at`, correct; None: nothing.

    A shipment counts once in each horizon, however many of its forecasts were kept there: more are kept of one
    that is in trouble, and they share one outcome.
    """
    until = minutes_of(at)
    by_horizon: dict[Horizon, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in ranked:
        if _teaches(minutes_of(one.asked_at), minutes_of(one.settled_at), until):
            by_horizon[one.horizon][one.shipment_id].append(one.rank)
    maps = {}
    for horizon, of_shipments in by_horizon.items():
        ranks = np.concatenate([np.asarray(own) for own in of_shipments.values()])
        weights = np.concatenate([np.full(len(own), 1 / len(own)) for own in of_shipments.values()])
        levels = level_map(ranks, weights)
        if levels is not None:
            maps[horizon] = {"cases": len(of_shipments), "levels": levels.round(_DIGITS).tolist()}
    ordered = {horizon: maps[horizon] for horizon in HORIZONS if horizon in maps}
    return zlib.compress(json.dumps(ordered).encode()) if ordered else None


def restored(body: bytes | None) -> Correction | None:
    """Return the correction of bytes that `learned` made."""
    told: dict[Horizon, Any] = {} if body is None else json.loads(zlib.decompress(body))
    return correction_of({name: (one["cases"], np.asarray(one["levels"])) for name, one in told.items()})


def _teaches(asked_at: float, known_at: Any, at: float) -> Any:
    """Say of each outcome whether it corrects what is asked from `at` on."""
    return (asked_at >= at - WINDOW_DAYS * DAY_MINUTES) & (known_at <= at)
