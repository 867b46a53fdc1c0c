"""A series as a line through its readings: where it lies outside limits, and where there is no line at all.

Instants are whole microseconds since 1970 (UTC).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GAP_INTERVALS = 3
"""A gap longer than this many sampling intervals is unmonitored, but for the first of them. Source: our convention,
after public implementations that count a gap neither in nor out of range."""

MINUTE_US = 60_000_000
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Straight pieces of temperature over time, in order; a gap between two pieces is unmonitored."""

    start_us: NDArray[np.int64]
    stop_us: NDArray[np.int64]
    start_c: NDArray[np.float64]
    stop_c: NDArray[np.float64]


def pieces_of(
    at_us: NDArray[np.int64], temperature_c: NDArray[np.float64], *, interval_us: int | None
) -> Pieces:
    """Return the line through readings ordered by time; the reading before a gap is held for one interval.

    Without a sampling interval no gap can be told.
    """
    start_us, stop_us = at_us[:-1], at_us[1:]
    start_c, stop_c = temperature_c[:-1], temperature_c[1:]
    if interval_us is not None:
        gaps = stop_us - start_us > GAP_INTERVALS * interval_us
        stop_us = np.where(gaps, start_us + interval_us, stop_us)
        stop_c = np.where(gaps, start_c, stop_c)
    return Pieces(start_us, stop_us, start_c, stop_c)


def joined(parts: Iterable[Pieces]) -> Pieces:
    """Return the pieces of several windows as one."""
    several = list(parts)
    return Pieces(
        np.concatenate([one.start_us for one in several]),
        np.concatenate([one.stop_us for one in several]),
        np.concatenate([one.start_c for one in several]),
        np.concatenate([one.stop_c for one in several]),
    )


def spans_above(pieces: Pieces, limit_c: float) -> list[Span]:
    """Return where the line lies above the limit, crossings interpolated; exactly at it is inside."""
    touched = (pieces.start_c > limit_c) | (pieces.stop_c > limit_c)
    if not touched.any():
        return []
    start_us, stop_us = pieces.start_us[touched], pieces.stop_us[touched]
    start_c, stop_c = pieces.start_c[touched], pieces.stop_c[touched]
    rise_c = np.where(stop_c == start_c, 1.0, stop_c - start_c)
    crossing_us = start_us + np.rint((limit_c - start_c) / rise_c * (stop_us - start_us)).astype(np.int64)
    begins = np.where(start_c > limit_c, start_us, crossing_us)
    ends = np.where(stop_c > limit_c, stop_us, crossing_us)
    return merged(zip(begins.tolist(), ends.tolist(), strict=True))


def spans_below(pieces: Pieces, limit_c: float) -> list[Span]:
    """Return where the line lies below the limit."""
    mirrored = Pieces(pieces.start_us, pieces.stop_us, -pieces.start_c, -pieces.stop_c)
    return spans_above(mirrored, -limit_c)


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those that touch or overlap as one, empty ones left out."""
    found: list[Span] = []
    for start, stop in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], stop)
        elif stop > start:
            found.append((start, stop))
    return found


def without(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """Return what is left of spans when the holes are taken out."""
    return list(_left(merged(spans), merged(holes)))


def _left(spans: list[Span], holes: list[Span]) -> Iterator[Span]:
    for start, stop in spans:
        for hole_start, hole_stop in holes:
            if hole_stop <= start or hole_start >= stop:
                continue
            if hole_start > start:
                yield start, hole_start
            start = max(start, hole_stop)
        if start < stop:
            yield start, stop


def length_us(spans: Iterable[Span]) -> int:
    """Return how long spans are together."""
    return sum(stop - start for start, stop in spans)


def length_minutes(spans: Iterable[Span]) -> float:
    """Return how long spans are together, in minutes."""
    return length_us(spans) / MINUTE_US


def exceeded_at_us(spans: Iterable[Span], allowed_us: int) -> int | None:
    """Return when the time within spans passed what is allowed; None while it has not; exactly at it is inside."""
    for start, stop in merged(spans):
        if stop - start > allowed_us:
            return start + allowed_us
        allowed_us -= stop - start
    return None
