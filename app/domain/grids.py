"""Arithmetic on probabilities over a grid of absolute time: place, convolve, wait for, cut, and read off.

A grid has `COUNT` bins of `step_minutes`; bin i holds what happens in the step that begins i steps after `start_at`.
What falls past its end is dropped: it has no known instant.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from app.domain.lanes import Array, Distribution

COUNT = 1024
"""Some three minutes a bin for a usual journey; reading off is linear inside a bin. Fewer bins cost less time."""

_STEPS = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 240, 480, 960)
MINUTE = timedelta(minutes=1)

Spectrum = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the bins lie."""

    start_at: datetime
    step_minutes: int

    def position(self, at: datetime) -> float:
        """Return where an instant falls, in bins; outside of 0 to COUNT it is off the grid."""
        return (at - self.start_at) / MINUTE / self.step_minutes

    def instant(self, position: float) -> datetime:
        """Return the instant of a position in bins."""
        return self.start_at + position * self.step_minutes * MINUTE

    def at_once(self, at: datetime) -> Array:
        """Return certainty that it happens at `at`; before the grid counts as its first bin."""
        return self.spread(at, _CERTAIN)

    def spread(self, reference_at: datetime, distribution: Distribution) -> Array:
        """Return a distribution placed relative to an instant."""
        first = (reference_at - self.start_at) / MINUTE + distribution.low_minutes + 0.5
        minutes = np.arange(first, first + len(distribution.shares) - 0.5)
        bins = np.clip(minutes / self.step_minutes, 0, COUNT).astype(np.int64)
        counts = np.bincount(bins, weights=distribution.shares, minlength=COUNT + 1)
        return np.asarray(counts[:COUNT], dtype=np.float64)


_CERTAIN = Distribution(0, np.ones(1), "reported")


def covering(first_at: datetime, last_at: datetime) -> Grid:
    """Return the finest grid that reaches from one instant to the other."""
    span_minutes = (last_at - first_at) / MINUTE
    step = next((one for one in _STEPS if one * COUNT >= span_minutes), _STEPS[-1])
    return Grid(first_at, step)


@lru_cache(maxsize=4096)
def spectrum(distribution: Distribution, shift_minutes: float, step_minutes: int) -> Spectrum:
    """Return the transform of a duration, `shift_minutes` longer than the distribution says.

    Steps are split linearly between the two bins they fall between, which keeps the mean exact.
    """
    shares = np.zeros(2 * COUNT)
    minutes = shift_minutes + distribution.low_minutes + np.arange(len(distribution.shares))
    position = np.maximum(minutes, 0.0) / step_minutes
    lower = np.floor(position).astype(np.int64)
    part = position - lower
    inside = lower < COUNT
    np.add.at(shares, lower[inside], (distribution.shares * (1 - part))[inside])
    np.add.at(shares, lower[inside] + 1, (distribution.shares * part)[inside])
    return np.fft.rfft(shares)


def after(shares: Array, durations: Spectrum) -> Array:
    """Return when something ends that begins as `shares` say and lasts as the spectrum says.

    A stack of beginnings with a stack of spectra is summed.
    """
    product = np.fft.rfft(shares, 2 * COUNT) * durations
    if product.ndim == 2:
        product = product.sum(axis=0)
    ended: Array = np.fft.irfft(product, 2 * COUNT)[:COUNT]
    return np.maximum(ended, 0.0)


def later_of(one: Array, other: Array) -> Array:
    """Return when both of two independent things have happened."""
    together = np.cumsum(one) * np.cumsum(other)
    return np.diff(together, prepend=0.0)


def shifted(shares: Array, bins: int) -> Array:
    """Return the same things happening so many bins later."""
    moved = np.zeros_like(shares)
    if bins < len(shares):
        moved[bins:] = shares[: len(shares) - bins]
    return moved


def quantile_position(shares: Array, share: float) -> float | None:
    """Return where `share` of all outcomes have happened, in bins, linear inside a bin; None: never so many."""
    return next(quantile_positions(shares, (share,)))


def quantile_positions(shares: Array, wanted: Iterable[float]) -> Iterator[float | None]:
    """Yield the position of each share wanted."""
    heights = np.cumsum(shares)
    for share in wanted:
        if heights[-1] < share:
            yield None
            continue
        index = int(heights.searchsorted(share))
        below = float(heights[index - 1]) if index else 0.0
        yield index + (share - below) / float(heights[index] - below)


def share_after(shares: Array, position: float) -> float:
    """Return the share of what is on the grid that happens later than `position`, linear inside a bin."""
    if position <= 0:
        return float(shares.sum())
    index = int(position)
    if index >= COUNT:
        return 0.0
    return float(shares[index + 1 :].sum() + shares[index] * (index + 1 - position))
