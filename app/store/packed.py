"""How numbers lie in one binary column, little-endian: a bucket's readings by the channels that occur; a short row."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from app.domain.lanes import Array
from app.domain.readings import CHANNELS, Bucket, ReadingColumns

_BITS = 1 << np.arange(len(CHANNELS), dtype=np.int64)


@cache
def _row(channels: int) -> np.dtype[np.void]:
    """Return the layout of a row; `channels` has a bit for each of `CHANNELS` that is there, the first the lowest."""
    names = [name for bit, name in zip(_BITS.tolist(), CHANNELS, strict=True) if channels & bit]
    return np.dtype([("at_us", "<i8"), ("received_us", "<i8"), *((name, "<f8") for name in names)])


def pack(readings: ReadingColumns, buckets: Sequence[Bucket]) -> list[tuple[int, bytes]]:
    """Return each bucket's channels and its rows."""
    if not buckets:
        return []
    present = ~np.isnan(readings.values)
    masks = [int(_BITS @ present[one.start : one.stop].any(axis=0)) for one in buckets]
    rows = {mask: _rows(readings, mask) for mask in set(masks)}
    return [
        (mask, rows[mask][one.start : one.stop].tobytes()) for mask, one in zip(masks, buckets, strict=True)
    ]


def unpack(stored: Sequence[tuple[int, int, bytes]]) -> ReadingColumns:
    """Return the readings of (series, channels, rows), in the order given but for a grouping by channels."""
    parts = [
        _readings(channels, [(series, rows) for series, mask, rows in stored if mask == channels])
        for channels in sorted({mask for _, mask, _ in stored})
    ]
    if len(parts) == 1:
        return parts[0]
    none = np.empty(0, np.int64)
    return ReadingColumns(
        series=np.concatenate([none, *(one.series for one in parts)]),
        at_us=np.concatenate([none, *(one.at_us for one in parts)]),
        received_us=np.concatenate([none, *(one.received_us for one in parts)]),
        values=np.concatenate([np.empty((0, len(CHANNELS))), *(one.values for one in parts)]),
    )


def pack_row(values: Array) -> bytes:
    """Return a short row of numbers, each to seven digits."""
    return values.astype("<f4").tobytes()


def unpack_row(packed: bytes) -> Array:
    """Return the numbers of such a row."""
    return np.frombuffer(packed, "<f4").astype(np.float64)


def _rows(readings: ReadingColumns, channels: int) -> NDArray[np.void]:
    rows = np.empty(len(readings), _row(channels))
    rows["at_us"], rows["received_us"] = readings.at_us, readings.received_us
    for column, name in enumerate(CHANNELS):
        if channels >> column & 1:
            rows[name] = readings.values[:, column]
    return rows


def _readings(channels: int, stored: Sequence[tuple[int, bytes]]) -> ReadingColumns:
    layout = _row(channels)
    rows = np.frombuffer(b"".join(rows for _, rows in stored), layout)
    values = np.full((len(rows), len(CHANNELS)), np.nan)
    for column, name in enumerate(CHANNELS):
        if channels >> column & 1:
            values[:, column] = rows[name]
    counts = [len(rows) // layout.itemsize for _, rows in stored]
    return ReadingColumns(
        series=np.repeat(np.array([series for series, _ in stored], np.int64), counts),
        at_us=rows["at_us"].astype(np.int64),
        received_us=rows["received_us"].astype(np.int64),
        values=values,
    )
