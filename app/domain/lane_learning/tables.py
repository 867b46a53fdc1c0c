"""Sums that fade with age: means that know little of what is rare, and histograms.

Fading goes by the calendar, never by rows: a gap in the data ages what is known as well.
"""

from typing import Final

import numpy as np

from app.domain.lane_learning.history import Codes, CodesByFeature
from app.domain.lanes import Array

FAST_DAYS: Final = 2.5
CANCELLED_DAYS: Final = 30.0
SLOW_DAYS: Final = 60.0
RESIDUAL_DAYS: Final = 90.0
"""Half-lives. Source: tried on real flights, docs/eta.md; the fast one serves the block time alone."""


class Means:
    """A mean by code, shrunk towards zero as if `shrink` observations of zero had been made."""

    def __init__(self, *, half_life_days: float, shrink: float) -> None:
        self.half_life_days, self.shrink = half_life_days, shrink
        # The last entry stays empty: code -1, "never seen", finds it.
        self.sums, self.weights = np.zeros(1), np.zeros(1)

    def age(self, days: float) -> None:
        """Let so many days pass."""
        fade = 0.5 ** (days / self.half_life_days)
        self.sums *= fade
        self.weights *= fade

    def learn(self, codes: Codes, values: Array) -> None:
        """Add observations."""
        if not len(codes):
            return
        self._grow(int(codes.max()) + 2)
        size = len(self.sums)
        self.sums += np.bincount(codes, weights=values, minlength=size)
        self.weights += np.bincount(codes, minlength=size)

    def mean(self, codes: Codes) -> Array:
        """Return the shrunk means."""
        known = self._known(codes)
        weights = self.weights[known]
        shrunk: Array = self.sums[known] / np.maximum(weights + self.shrink, 1e-9)
        return shrunk

    def mean_towards(self, codes: Codes, parent: Array) -> Array:
        """Return means shrunk towards `parent` instead of zero."""
        known = self._known(codes)
        weights = self.weights[known]
        shrunk: Array = (self.sums[known] + self.shrink * parent) / np.maximum(weights + self.shrink, 1e-9)
        return shrunk

    def _known(self, codes: Codes) -> Codes:
        return np.where(codes < len(self.sums) - 1, codes, -1)

    def _grow(self, size: int) -> None:
        if size > len(self.sums):
            size = max(size, len(self.sums) * 3 // 2)
            self.sums = np.concatenate([self.sums, np.zeros(size - len(self.sums))])
            self.weights = np.concatenate([self.weights, np.zeros(size - len(self.weights))])


class Stages:
    """A sum of shrunk means, each learned on what the ones before it leave unexplained."""

    def __init__(self, *stages: tuple[str, float], half_life_days: float) -> None:
        self._stages = [(name, Means(half_life_days=half_life_days, shrink=k)) for name, k in stages]

    def age(self, days: float) -> None:
        """Let so many days pass."""
        for _, means in self._stages:
            means.age(days)

    def learn(self, codes: CodesByFeature, values: Array) -> None:
        """Add observations, the first stage first."""
        left = values
        for name, means in self._stages:
            explained = means.mean(codes[name])
            means.learn(codes[name], left)
            left = left - explained

    def mean(self, codes: CodesByFeature) -> Array:
        """Return what all stages add up to."""
        total: Array = np.sum([means.mean(codes[name]) for name, means in self._stages], axis=0)
        return total

    def named(self) -> list[tuple[str, Means]]:
        """Return the stages by name."""
        return list(self._stages)


class Histograms:
    """Counts per whole minute by code; the end bins hold what lies beyond them."""

    def __init__(self, *, low: int, high: int, half_life_days: float, count: int = 1) -> None:
        self.low, self.half_life_days = low, half_life_days
        self.width = high - low + 1
        self.counts = np.zeros((count, self.width))

    def age(self, days: float) -> None:
        """Let so many days pass."""
        self.counts *= 0.5 ** (days / self.half_life_days)

    def learn(self, codes: Codes, minutes: Array, weights: Array | None = None) -> None:
        """Add observations; codes may be new."""
        if not len(codes):
            return
        needed = int(codes.max()) + 1
        if needed > len(self.counts):
            grown = np.zeros((max(needed, len(self.counts) * 3 // 2), self.width))
            grown[: len(self.counts)] = self.counts
            self.counts = grown
        bins = np.clip(np.rint(minutes), self.low, self.low + self.width - 1).astype(np.int64) - self.low
        flat = np.bincount(codes * self.width + bins, weights=weights, minlength=self.counts.size)
        self.counts += flat.reshape(self.counts.shape)
