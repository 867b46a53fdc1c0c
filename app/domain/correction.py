"""Levels corrected by outcomes: which level of the forecast as it was computed is the true one.

Pure arithmetic on a map per horizon; how the maps are learned is told in `lane_learning/conformal.py`.
"""

import math
from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.domain.drift import Drift
from app.domain.horizons import BOUNDS, HORIZONS, Horizon
from app.domain.spans import MINUTE

_Array = NDArray[np.float64]

LEVELS: Final = np.linspace(0.0, 1.0, 101)

HALF_BLENDS: Final = (
    timedelta(hours=2),
    timedelta(hours=1),
    timedelta(minutes=20),
    timedelta(minutes=20),
)
"""How long before a bound the next horizon's map begins to come in, and after it the last one's has gone.

Source: our convention.
"""

_KNOTS: Final = tuple(
    (side * half - bound) / MINUTE
    for bound, half in zip(BOUNDS, HALF_BLENDS, strict=True)
    for side in (-1, 1)
)
"""Minutes after the planned delivery: two maps blend from each even one to the next, and one holds beyond that."""


def raw_level(share: float, levels: _Array) -> float:
    """Return which level of the forecast as computed is the true `share`."""
    return float(np.interp(share, LEVELS, levels))


def true_share(level: _Array, levels: _Array) -> _Array:
    """Return the true share of a level of the forecast as computed; the inverse of `raw_level`."""
    corrected: _Array = np.interp(level, levels, LEVELS)
    return corrected


def moved(heights: _Array, levels: _Array) -> _Array:
    """Return a cumulated distribution corrected; what has no known instant keeps its share.

    F'(x) = (1 − q) · share(F(x) / (1 − q)), where q is what is missing from the last height.
    """
    known = float(heights[-1])
    return known * true_share(heights / known, levels) if known > 0.0 else heights


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """One map a horizon, in the order of HORIZONS: row h holds the raw level of each of LEVELS.

    `cases` says from how many shipments each was learned; 0: nothing is corrected there.
    """

    cases: tuple[int, ...]
    table: _Array

    def levels(self, planned_at: datetime, *, heard_at: datetime, at: datetime) -> _Array:
        """Return the map in force at `at`, when nothing has been heard since `heard_at`.

        Around a bound two horizons' maps are blended. In silence the latest of the maps passed holds at each level:
        no map moves an arrival earlier by time alone, whatever the next horizon's says.
        """
        first = (min(heard_at, at) - planned_at) / MINUTE
        last = (at - planned_at) / MINUTE
        since, now = bisect(_KNOTS, first), bisect(_KNOTS, last)
        held = self._blended(last, now)
        if since == now and not now % 2:
            return held
        held = np.asarray(np.maximum(held, self._blended(first, since)))
        for row in range((since + 1) // 2, now // 2 + 1):
            held = np.asarray(np.maximum(held, self.table[row]))
        return held

    def in_force(self, planned_at: datetime, *, heard_at: datetime, at: datetime) -> "InForce":
        """Return the correction of one forecast made at `at`."""
        return InForce(self, planned_at, heard_at, at, self.levels(planned_at, heard_at=heard_at, at=at))

    def steady_until(self, planned_at: datetime, *, at: datetime, until: datetime) -> datetime:
        """Return until when the map in force stays the same, at most `until`; `at` itself while two blend."""
        passed = bisect(_KNOTS, (at - planned_at) / MINUTE)
        if passed % 2:
            return at
        return until if passed == len(_KNOTS) else min(until, planned_at + _KNOTS[passed] * MINUTE)

    def _blended(self, minutes: float, passed: int) -> _Array:
        """Return the map, or the two blended, after so many knots."""
        row = passed // 2
        if passed % 2 == 0:
            return np.asarray(self.table[row])
        part = (minutes - _KNOTS[passed - 1]) / (_KNOTS[passed] - _KNOTS[passed - 1])
        return np.asarray((1 - part) * self.table[row] + part * self.table[row + 1])


@dataclass(frozen=True, slots=True, eq=False)
class InForce:
    """The correction of one forecast: its map now, and what silence makes of it."""

    by: Correction
    planned_at: datetime
    heard_at: datetime
    at: datetime
    levels: _Array

    def moved(self, heights: _Array) -> _Array:
        """Return a cumulated distribution corrected."""
        return moved(heights, self.levels)

    @property
    def until(self) -> datetime | None:
        """When the blend of maps that is on, or else the next one, is over; None: there is no other."""
        passed = bisect(_KNOTS, (self.at - self.planned_at) / MINUTE)
        end = passed | 1
        return self.planned_at + _KNOTS[end] * MINUTE if end < len(_KNOTS) else None

    def uncorrected(self, drift: Drift, unknown: float) -> Iterator[Drift]:
        """Yield what a told probability and its thresholds are as computed, where silence bounds them.

        Silence only lets maps rise. So the way up is as long as under the highest map until `raises_at`, or else
        `until`, at the share of outcomes `unknown` now or, if that is shorter, with all growth in it; the way down is
        that of today's map. No map brings it below what is unknown: that has to fall itself.
        """
        if unknown >= 1.0:
            yield drift
            return
        late, up, down = self._as_computed(drift.probability, unknown, self.levels), drift.up, drift.down
        if up is not None and drift.probability < up:
            top = self._levels_at(self.raises_at(drift, unknown) or self.until or self.at)
            told = min(_told(late, unknown, top), up)
            lost = 1.0 - (1.0 - late) * (1.0 - up) / max(1.0 - told, 1e-9)
            yield Drift(late, up=min(self._as_computed(up, unknown, top), lost))
        if down is not None and down <= unknown:
            yield Drift(unknown, down=down)
        elif down is not None:
            yield Drift(late, down=self._as_computed(down, unknown, self.levels))

    def raises_at(self, drift: Drift, unknown: float) -> datetime | None:
        """Return half the way to when rising maps alone bring a told probability to `up`; None: they do not."""
        until = self.until
        if until is None or drift.up is None or drift.probability >= drift.up or unknown >= 1.0:
            return None
        late, up = self._as_computed(drift.probability, unknown, self.levels), drift.up

        def raised(minutes: int) -> bool:
            return _told(late, unknown, self._levels_at(self.at + minutes * MINUTE)) >= up

        first, last = 0, math.ceil((until - self.at) / MINUTE)
        if not raised(last):
            return None
        while last - first > 1:
            middle = (first + last) // 2
            first, last = (first, middle) if raised(middle) else (middle, last)
        return self.at + max(last // 2, 1) * MINUTE

    def _levels_at(self, at: datetime) -> _Array:
        """Return the map in force later, if nothing is heard until then."""
        return self.by.levels(self.planned_at, heard_at=self.heard_at, at=at) if at > self.at else self.levels

    def _as_computed(self, probability: float, unknown: float, levels: _Array) -> float:
        share = (1.0 - probability) / (1.0 - unknown)
        return 1.0 - (1.0 - unknown) * raw_level(min(max(share, 0.0), 1.0), levels)


def _told(late: float, unknown: float, levels: _Array) -> float:
    level = np.asarray((1.0 - late) / (1.0 - unknown))
    return 1.0 - (1.0 - unknown) * float(true_share(level, levels))


def correction_of(maps: Mapping[Horizon, tuple[int, _Array]]) -> Correction | None:
    """Return the correction made of each horizon's cases and map; None where there is no map at all."""
    if not maps:
        return None
    none = (0, LEVELS)
    rows = [maps.get(horizon, none) for horizon in HORIZONS]
    return Correction(tuple(cases for cases, _ in rows), np.stack([levels for _, levels in rows]))
