"""Readings to be drawn: each of them, or their counts, extremes and means by stretches of time."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import numpy as np

from app.domain.readings import CHANNELS, Instants, ReadingColumns, microseconds
from app.domain.thermal import SeriesThermal

Resolution = Literal["raw", "5m", "1h", "1d"]
STRETCHES: Final[dict[str, timedelta]] = {
    "5m": timedelta(minutes=5),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
}
Point = dict[str, Any]


def curve(
    series: tuple[SeriesThermal, ...],
    *,
    from_at: datetime | None,
    until_at: datetime | None,
    resolution: Resolution,
) -> list[Point]:
    """Return the points of all series in order of time, then device and sensor; `until_at` is the first left out.

    Instants are texts as the contract writes them: a month of minutes is many.
    A stretch begins at whole UTC time, is told by its beginning, and speaks of the readings in it that count.
    """
    points: list[Point] = []
    for one in series:
        name = {"device_id": one.device.device_id, "sensor": one.device.sensor, "place": one.device.place}
        readings = one.readings.between(
            microseconds(from_at) if from_at else None, microseconds(until_at) if until_at else None
        )
        if len(readings):
            told = _each(readings) if resolution == "raw" else _stretches(readings, STRETCHES[resolution])
            points += [name | point for point in told]
    return sorted(points, key=lambda point: (point["at"], point["device_id"], point["sensor"]))


def _each(readings: ReadingColumns) -> Iterator[Point]:
    """Yield every reading with what it measured; a channel that none of them measured is left out."""
    measured = [
        name for column, name in enumerate(CHANNELS) if not np.isnan(readings.values[:, column]).all()
    ]
    columns = [_plain(readings, name) for name in measured]
    for row in zip(_texts(readings.at_us), _texts(readings.received_us), *columns, strict=True):
        yield dict(zip(("at", "received_at", *measured), row, strict=True))


def _stretches(readings: ReadingColumns, stretch: timedelta) -> Iterator[Point]:
    """Yield the temperatures' count, extremes and plain mean by stretches that hold any."""
    temperature_c = readings.values[:, CHANNELS.index("temperature_c")]
    known = ~np.isnan(temperature_c)
    at_us, temperature_c = readings.at_us[known], temperature_c[known]
    if not len(at_us):
        return
    length_us = stretch // timedelta(microseconds=1)
    begins, starts = np.unique(at_us // length_us * length_us, return_index=True)
    counts = np.diff(np.append(starts, len(at_us)))
    for begin, count, low, high, total in zip(
        _texts(begins),
        counts.tolist(),
        np.minimum.reduceat(temperature_c, starts).tolist(),
        np.maximum.reduceat(temperature_c, starts).tolist(),
        np.add.reduceat(temperature_c, starts).tolist(),
        strict=True,
    ):
        yield {"at": begin, "count": count, "min_c": low, "max_c": high, "mean_c": total / count}


def _plain(readings: ReadingColumns, name: str) -> list[float | None]:
    values = readings.values[:, CHANNELS.index(name)].tolist()
    return [None if value != value else value for value in values]


def _texts(at_us: Instants) -> list[str]:
    """Return instants as `instant_text` writes them, all at once."""
    found: list[str] = np.char.add(
        np.datetime_as_string(at_us.astype("datetime64[us]"), unit="ms"), "Z"
    ).tolist()
    return found
