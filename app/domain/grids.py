"""Arithmetic on probabilities over grids of absolute time: place, convolve, wait for, and read off.

A grid has `COUNT` bins of `step_minutes`; bin i holds what happens in the step that begins i steps after `start_at`.
What falls past its end is dropped: it has no known instant. `shares` hold one outcome a bin, either of one question
or, one question a row, of many: a row's numbers do not depend on the rows beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from app.domain.lanes import Array, Distribution
from app.domain.spans import MINUTE

COUNT = 640
"""Four minutes a bin for a usual journey; reading off is linear inside a bin. Fewer bins cost less time."""

_STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 60, 120, 240, 480, 960)
_SIZE = 2 * COUNT
_NOISE = 1e-15
"""What a transform leaves where there is nothing."""

Spectra = NDArray[np.complex128]
Codes = NDArray[np.int64]


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
        whole, part_minutes = divmod((reference_at - self.start_at) / MINUTE, self.step_minutes)
        low, own = _binned(distribution, self.step_minutes, part_minutes)
        first = int(whole) + low
        shares = np.zeros(COUNT)
        inside = own[max(-first, 0) : max(COUNT - first, 0)]
        shares[max(first, 0) : max(first, 0) + len(inside)] = inside
        if first < 0:
            shares[0] += own[:-first].sum()
        return shares


_CERTAIN = Distribution(0, np.ones(1), "reported")


def covering(first_at: datetime, last_at: datetime) -> Grid:
    """Return the finest grid that reaches from one instant to the other."""
    span_minutes = (last_at - first_at) / MINUTE
    step = next((one for one in _STEPS if one * COUNT >= span_minutes), _STEPS[-1])
    return Grid(first_at, step)


@lru_cache(maxsize=4096)
def _binned(distribution: Distribution, step_minutes: int, part_minutes: float) -> tuple[int, Array]:
    """Return a distribution in bins from the one named on, relative to an instant so far inside of its bin."""
    first = part_minutes + distribution.low_minutes + 0.5
    bins = np.floor((first + np.arange(len(distribution.shares))) / step_minutes).astype(np.int64)
    own = np.bincount(bins - bins[0], weights=distribution.shares).astype(np.float64)
    return int(bins[0]), own


@lru_cache(maxsize=256)
def spectra(durations: tuple[Distribution, ...], shift_minutes: float, step_minutes: int) -> Spectra:
    """Return the transforms of durations, one a row, each `shift_minutes` longer than its distribution says.

    Steps are split linearly between the two bins they fall between, which keeps the mean exact.
    """
    shares = np.zeros((len(durations), _SIZE))
    for row, one in enumerate(durations):
        minutes = shift_minutes + one.low_minutes + np.arange(len(one.shares))
        position = np.maximum(minutes, 0.0) / step_minutes
        lower = position.astype(np.int64)
        part = position - lower
        inside = lower < COUNT
        lower, weights = lower[inside], one.shares[inside]
        split = np.concatenate([weights * (1 - part[inside]), weights * part[inside]])
        shares[row, : COUNT + 1] = np.bincount(np.concatenate([lower, lower + 1]), split, minlength=COUNT + 1)
    return np.fft.rfft(shares)


def after(shares: Array, durations: Spectra) -> Array:
    """Return when things end that begin as `shares` say and last as the spectra of the same rows say."""
    return _ended(transform(shares) * durations)


def after_parts(shares: Array, durations: Sequence[Spectra]) -> Array:
    """Return when things end of which each begins in so many parts in turn as its durations have rows."""
    parts, ended = transform(shares), np.empty((len(durations), COUNT + 1), dtype=np.complex128)
    first = 0
    for row, own in enumerate(durations):
        ended[row] = np.einsum("pf,pf->f", parts[first : first + len(own)], own)
        first += len(own)
    return _ended(ended)


def _ended(product: Spectra) -> Array:
    ended = inverse(product)
    return np.where(ended > _NOISE, ended, 0.0)


def transform(shares: Array) -> Spectra:
    """Return the transforms of bins, padded so that nothing comes round from the end of the grid to its beginning."""
    return np.fft.rfft(shares, _SIZE)


def inverse(spectra: Spectra) -> Array:
    """Return the bins of transforms."""
    bins: Array = np.fft.irfft(spectra, _SIZE)[..., :COUNT]
    return bins


def later_of(one: Array, other: Array) -> Array:
    """Return when both of two independent things have happened."""
    return np.diff(np.cumsum(one, axis=-1) * np.cumsum(other, axis=-1), prepend=0.0, axis=-1)


def shifted(shares: Array, bins: int) -> Array:
    """Return the same things happening so many bins later."""
    moved = np.zeros_like(shares)
    if bins < len(shares):
        moved[bins:] = shares[: len(shares) - bins]
    return moved


def position_of(heights: Array, share: float) -> float | None:
    """Return where so large a share has happened, in bins, linear inside a bin; None: never so many.

    `heights` are the cumulated shares of one question.
    """
    index = int(heights.searchsorted(share))
    if index >= COUNT:
        return None
    below = float(heights[index - 1]) if index else 0.0
    return index + (share - below) / max(float(heights[index]) - below, _NOISE)


def share_after(heights: Array, position: float) -> float:
    """Return the share of what is on the grid that happens later than `position`, linear inside a bin."""
    if position <= 0:
        return float(heights[-1])
    index = int(position)
    if index >= COUNT:
        return 0.0
    below = float(heights[index - 1]) if index else 0.0
    return float(heights[-1]) - below - float(heights[index] - below) * (position - index)
