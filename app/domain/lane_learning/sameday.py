"""What other legs tell on the same day: delays at the origin, and how long the way takes to the destination."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from app.domain.lane_learning.history import Codes, Columns
from app.domain.lanes import Array

ORIGIN_MINUTES: Final = 120.0
DESTINATION_MINUTES: Final = 240.0
DELAY_MINUTES: Final = (-12.0, 120.0)
"""What a delay counts at most, either way. Source: tried on real flights, docs/eta.md."""

_CHUNK = 512
_ALL_WEIGHT, _ALL_SHRINK, _DESTINATION_SHRINK, _WEIGHT = 0.7, 20.0, 4.0, 0.8
_DELAY_SHRINK = 3.0


class Departures:
    """Asks, of any origin at any instant, how late its departures of the last two hours are.

    A leg that has not left by then counts with the time it has waited, as all that anybody knows of it; if legs are
    not `awaited`, because nobody told that they were planned, it does not count before it leaves.
    """

    def __init__(self, legs: Columns, *, awaited: bool = True) -> None:
        self._awaited = awaited
        order = np.lexsort((legs.planned_departure, legs.codes["origin"]))
        self._planned = legs.planned_departure[order]
        self._departed = np.where(np.isnan(legs.departed[order]), np.inf, legs.departed[order])
        # One sorted key finds origin and time together; a century of minutes keeps origins apart.
        self._key = legs.codes["origin"][order] * _CENTURY + self._planned

    def delay(self, origins: Codes, at: Array, *, waited: Array | None = None) -> Array:
        """Return the mean delay, NaN where nothing was planned; `waited` takes the asking leg itself out."""
        total, count = self.summed(origins, at)
        if waited is not None and self._awaited:
            own = (waited > 0) & (waited <= ORIGIN_MINUTES)
            total -= np.where(own, np.clip(waited, *DELAY_MINUTES), 0.0)
            count -= own
        return mean_delay(total, count)

    def summed(self, origins: Codes, at: Array) -> tuple[Array, Array]:
        """Return the delays added up, and how many legs they are."""
        first = np.searchsorted(self._key, origins * _CENTURY + at - ORIGIN_MINUTES, side="left")
        last = np.searchsorted(self._key, origins * _CENTURY + at, side="left")
        total, count = np.zeros(len(at)), np.zeros(len(at))
        for begin in range(0, len(at), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            total[part], count[part] = self._sum(first[part], last[part], at[part])
        return total, count

    def _sum(self, first: Codes, last: Codes, at: Array) -> tuple[Array, Array]:
        width = int((last - first).max(initial=0))
        index = first[:, None] + np.arange(width)
        inside = index < last[:, None]
        index = np.where(inside, index, 0)
        planned, departed = self._planned[index], self._departed[index]
        counted = inside if self._awaited else inside & (departed <= at[:, None])
        known = np.minimum(departed, at[:, None]) - planned
        summed: Array = np.where(counted, np.clip(known, *DELAY_MINUTES), 0.0).sum(axis=1)
        return summed, counted.sum(axis=1).astype(np.float64)


def mean_delay(total: Array, count: Array) -> Array:
    """Return the mean of delays that have been added up, the fewer the closer to zero; NaN where there are none."""
    return np.where(count > 0, total / (np.maximum(count, 0.0) + _DELAY_SHRINK), np.nan)


_CENTURY = 1e8


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """How much longer than forecast the ways took that ended in the last four hours."""

    arrived: Array
    sums: Array
    key: Array
    key_sums: Array

    @classmethod
    def of(cls, destinations: Codes, arrived: Array, surprise: Array) -> "Arrivals":
        """Gather legs that have arrived, with what their forecast was wrong by."""
        by_time = np.argsort(arrived, kind="stable")
        key = destinations * _CENTURY + arrived
        by_key = np.argsort(key, kind="stable")
        return cls(arrived[by_time], _running(surprise[by_time]), key[by_key], _running(surprise[by_key]))

    def correction(self, destinations: Codes, at: Array) -> Array:
        """Return by how many minutes to move a forecast made at these instants."""
        total, count = _between(self.arrived, self.sums, at - DESTINATION_MINUTES, at)
        everywhere = _ALL_WEIGHT * total / (count + _ALL_SHRINK)
        base = destinations * _CENTURY
        total, count = _between(self.key, self.key_sums, base + at - DESTINATION_MINUTES, base + at)
        here = (total - everywhere * count) / (count + _DESTINATION_SHRINK)
        moved: Array = _WEIGHT * (everywhere + here)
        return moved


def _running(values: Array) -> Array:
    return np.concatenate([[0.0], np.cumsum(values)])


def _between(at: Array, sums: Array, after: Array, until: Array) -> tuple[Array, Array]:
    first = np.searchsorted(at, after, side="right")
    last = np.searchsorted(at, until, side="right")
    return sums[last] - sums[first], (last - first).astype(np.float64)
