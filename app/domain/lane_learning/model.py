"""Everything learned about the legs of one mode, and the forecasts it makes."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.domain.lane_learning import blocks, departures
from app.domain.lane_learning.blocks import DELAY_EDGES, BlockModel
from app.domain.lane_learning.departures import DepartureModel, When
from app.domain.lane_learning.history import DAY_MINUTES, Codes, Columns
from app.domain.lane_learning.spread import Spread, grown
from app.domain.lanes import Array

WAITING_TAIL, WAITING_TAIL_MINUTES = 1e-4, 60.0
RUNNING_TAIL, RUNNING_TAIL_MINUTES = 2e-3, 12.0
"""What keeps a silence beyond all history possible. Source: tried on real flights, docs/eta.md."""

_SIZE: Final = 1200
_ROOM: Final = 100
_SHIFT_MAX: Final = 80
_CHUNK: Final = 128
_RUNNING_WIDTH: Final = 721
_OFFSET: Final = departures.LOW + blocks.LOW - _ROOM
_DELAYS = np.arange(departures.LOW, departures.HIGH + 1, dtype=np.float64)
_BUCKET_OF_DELAY = np.searchsorted(DELAY_EDGES, _DELAYS)
_BUCKETS: Final = len(DELAY_EDGES) + 1
_TURN = np.exp(-2j * np.pi * np.arange(_SIZE // 2 + 1) / _SIZE)

Spectra = NDArray[np.complex128]


class LaneModel:
    """Learns legs in order of time and forecasts others; nothing in here reads a clock."""

    def __init__(self, *, delay_prior: Array, residual_prior: Array) -> None:
        self.departures = DepartureModel(delay_prior)
        self.blocks = BlockModel(residual_prior)
        self._as_of = 0.0
        self._turns = np.stack([_TURN**k for k in range(-_SHIFT_MAX, _SHIFT_MAX + 2)])
        self._cache: dict[str, Spectra] = {}

    def advance(self, at: float) -> None:
        """Let time pass until `at` (minutes since 1970): what is known fades, and bins are moved when it is time."""
        days = max(at - self._as_of, 0.0) / DAY_MINUTES
        self.departures.age(days)
        self.blocks.age(days)
        self._as_of = at

    def learn(self, legs: Columns, congestion: dict[When, Array], same_day: Array) -> None:
        """Add legs that have ended, with what the same day told about them when they began."""
        self.departures.learn(legs, congestion, at=self._as_of)
        self.blocks.learn(legs, same_day, at=self._as_of)
        self.departures.refresh(self._as_of)
        self.blocks.refresh(self._as_of)
        self._cache.clear()

    def before_departure(
        self, legs: Columns, congestion: Array, same_day: Array, *, silent_minutes: float | None, when: When
    ) -> Spread:
        """Forecast legs that have not left; `silent_minutes` past their planned departure if nothing was heard."""
        bins = self.departures.bin_of(legs.codes, congestion, when)
        delays = self._delays(when, silent_minutes)
        cancelled = self.departures.cancelled(when)
        if silent_minutes is not None:
            past = self._delays(when, None)
            cancelled = grown(cancelled, past[:, np.greater(_DELAYS, silent_minutes)].sum(axis=1))
        gone = cancelled[bins]
        gone = gone + (1 - gone) * self.blocks.diverted(legs.codes)
        used, bins = np.unique(bins, return_inverse=True)
        waiting = _waiting(delays[used])
        parts = [
            self._arriving(legs.take(part), same_day[part], bins[part], waiting)
            for part in np.array_split(np.arange(len(legs)), max(len(legs) // _CHUNK, 1))
        ]
        shares = np.concatenate(parts)
        return Spread(np.full(len(legs), float(_OFFSET)), shares, gone)

    def running(self, legs: Columns, same_day: Array, *, past_plan_minutes: float | None = None) -> Spread:
        """Forecast legs that have left; `past_plan_minutes` after their planned arrival if they are still out."""
        bucket = np.searchsorted(DELAY_EDGES, legs.delay)
        codes = legs.codes
        shift = self.blocks.shift(codes, same_day, bucket)
        errors = self.errors(codes["lane"], self.blocks.scale_bin(codes, bucket))
        shares = np.zeros((len(legs), _RUNNING_WIDTH))
        shares[:, : errors.shape[1]] = errors
        offset = legs.delay + shift + blocks.LOW
        gone = self.blocks.diverted(codes)
        if past_plan_minutes is not None:
            shares, left = _still_out(shares, past_plan_minutes - offset)
            gone = grown(gone, left)
        return Spread(offset, shares, gone)

    def _delays(self, when: When, silent_minutes: float | None) -> Array:
        shares = self.departures.delays(when)
        if silent_minutes is None:
            return shares
        later = np.greater(_DELAYS, silent_minutes)
        cut = np.where(later, shares, 0.0)
        tail = np.where(later, np.exp(-(_DELAYS - silent_minutes) / WAITING_TAIL_MINUTES), 0.0)
        if not tail.any():
            tail[-1] = 1.0
        cut = cut + WAITING_TAIL * tail / tail.sum()
        left: Array = cut / cut.sum(axis=1, keepdims=True)
        return left

    def _arriving(self, legs: Columns, same_day: Array, bins: Codes, waiting: Spectra) -> Array:
        codes = legs.codes
        weight = self.blocks.lane_weight(codes["lane"])[:, None]
        lane, scale = self._error_spectra()
        known = np.where((codes["lane"] >= 0) & (codes["lane"] < len(lane)), codes["lane"], 0)
        own = weight * lane[known]
        total = np.zeros((len(legs), _SIZE // 2 + 1), dtype=np.complex128)
        for number in range(_BUCKETS):
            bucket = np.full(len(legs), number)
            shift = np.clip(self.blocks.shift(codes, same_day, bucket), -_SHIFT_MAX, _SHIFT_MAX)
            errors = own + (1 - weight) * scale[self.blocks.scale_bin(codes, bucket)]
            total += waiting[bins, number] * errors * self._turned(shift)
        arrived: Array = np.maximum(np.fft.irfft(total, _SIZE), 0.0)
        return arrived

    def _turned(self, shift: Array) -> Spectra:
        whole = np.floor(shift)
        part = (shift - whole)[:, None]
        index = whole.astype(np.int64) + _SHIFT_MAX
        turned: Spectra = (1 - part) * self._turns[index] + part * self._turns[index + 1]
        return turned

    def _error_spectra(self) -> tuple[Spectra, Spectra]:
        if "lane" not in self._cache:
            counts = self.blocks.by_lane.counts
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
            self._cache["lane"] = np.fft.rfft(shares, _SIZE)
            self._cache["scale"] = np.fft.rfft(self.blocks.errors_by_scale(), _SIZE)
        return self._cache["lane"], self._cache["scale"]

    def errors(self, lanes: Codes, scale_bin: Codes) -> Array:
        """Return the distributions around the shift, one row a lane and scale."""
        counts = self.blocks.by_lane.counts
        known = np.where((lanes >= 0) & (lanes < len(counts)), lanes, 0)
        own = counts[known] / np.maximum(counts[known].sum(axis=1, keepdims=True), 1e-12)
        weight = self.blocks.lane_weight(lanes)[:, None]
        mixed: Array = weight * own + (1 - weight) * self.blocks.errors_by_scale()[scale_bin]
        return mixed


def _waiting(delays: Array) -> Spectra:
    """Return the transforms of each row's delays, parted by bucket."""
    parted = np.zeros((len(delays), _BUCKETS, _SIZE))
    for bucket in range(_BUCKETS):
        at = np.flatnonzero(np.equal(_BUCKET_OF_DELAY, bucket))
        parted[:, bucket, at + _ROOM] = delays[:, at]
    return np.fft.rfft(parted)


def _still_out(shares: Array, cut: Array) -> tuple[Array, Array]:
    """Cut each row at a position of its own, and give it a tail from there on; also return what was left of it."""
    edges = np.arange(shares.shape[1]) + 0.5
    inside = np.clip(edges - cut[:, None], 0.0, 1.0)
    left = shares * inside
    tail = inside * np.exp(-np.maximum(edges - cut[:, None], 0.0) / RUNNING_TAIL_MINUTES)
    tail[:, -1] = np.maximum(tail[:, -1], 1e-12)
    remaining = left.sum(axis=1)
    kept = left + RUNNING_TAIL * tail / tail.sum(axis=1, keepdims=True)
    return kept / kept.sum(axis=1, keepdims=True), remaining
