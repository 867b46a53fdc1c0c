"""Plain objects → readings in columns: all at once when every one is plain, else each judged alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from app.domain.readings import CHANNELS, ReadingColumns, microseconds, numbered
from app.formats.readings import Item
from app.models.reading import ReadingCreate, RejectedReading

FUTURE_MAX = timedelta(hours=24)
EARLIEST_US = microseconds(datetime.fromisoformat("2000-01-01T00:00:00Z"))
"""A clock that was never set says 1970 or 1980. Source: our convention."""

_FIELDS = frozenset(ReadingCreate.model_fields)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)")
_NUMBERS = {float, int, type(None)}
_BOUNDS = {
    "temperature_c": (-273.15, 200.0), "humidity_pct": (0.0, 100.0), "lat": (-90.0, 90.0), "lon": (-180.0, 180.0),
    "shock_g": (0.0, 1e12), "tilt_deg": (-360.0, 360.0), "light_lux": (0.0, 1e12), "battery_pct": (0.0, 100.0),
    "dose_rate_usv_h": (0.0, 1e12),
}  # fmt: skip
"""The bounds of `ReadingCreate`, for whole columns; a test holds them equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Well-formed readings, the names of their series, each one's place in the request, and what was refused."""

    names: list[tuple[str, str]]
    readings: ReadingColumns
    places: NDArray[np.int64]
    rejected: list[RejectedReading]


class _NotPlain(Exception):
    """Some item needs to be judged alone."""


def arrivals_of(items: Sequence[Item], *, received_at: datetime) -> Arrivals:
    """Return what can be stored, and why the rest cannot."""
    try:
        return _possible(_all_at_once(items), np.arange(len(items)), [], received_at)
    except _NotPlain:
        kept, places, rejected = _each_alone(items)
        return _possible(_all_at_once(kept), np.array(places, np.int64), rejected, received_at)


Columns = tuple[list[tuple[str, str]], NDArray[np.int64], NDArray[np.float64]]


def _possible(
    columns: Columns, places: NDArray[np.int64], rejected: list[RejectedReading], received_at: datetime
) -> Arrivals:
    """Refuse instants that no clock in order can have said."""
    names, at_us, values = columns
    distinct, series = numbered(names)
    received_us = np.full(len(at_us), microseconds(received_at))
    too_late = at_us > microseconds(received_at + FUTURE_MAX)
    too_early = at_us < EARLIEST_US
    for wrong, detail in (
        (too_late, "at: lies more than 24 hours in the future; check the device's clock"),
        (too_early, "at: lies before the year 2000; check the device's clock"),
    ):
        rejected += [RejectedReading(index=index, detail=detail) for index in places[wrong].tolist()]
    kept = ~(too_late | too_early)
    readings = ReadingColumns(series=series, at_us=at_us, received_us=received_us, values=values)
    return Arrivals(names=distinct, readings=readings.where(kept), places=places[kept], rejected=rejected)


def _all_at_once(items: Sequence[Item]) -> Columns:
    plain = [item for item in items if type(item) is dict and item.keys() <= _FIELDS]
    if len(plain) != len(items):
        raise _NotPlain
    try:
        names = [(item["device_id"], item.get("sensor", "main")) for item in plain]
        for device_id, sensor in set(names):
            _check_name(device_id, 64)
            _check_name(sensor, 32)
        at_us = _instants([item["at"] for item in plain])
    except (KeyError, TypeError) as error:
        raise _NotPlain from error
    values = np.full((len(plain), len(CHANNELS)), np.nan)
    for column, channel in enumerate(CHANNELS):
        values[:, column] = _numbers(channel, [item.get(channel) for item in plain])
    return names, at_us, values


def _check_name(name: Any, longest: int) -> None:
    if type(name) is not str or not 0 < len(name) <= longest or "\x00" in name:
        raise _NotPlain
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise _NotPlain from error


def _numbers(channel: str, column: list[Any]) -> NDArray[np.float64] | float:
    types = set(map(type, column))
    if types <= {type(None)}:
        return np.nan
    if not types <= _NUMBERS:
        raise _NotPlain
    try:
        found = np.array(column, np.float64)
    except OverflowError as error:
        raise _NotPlain from error
    low, high = _BOUNDS[channel]
    if not ((found >= low) & (found <= high) | np.isnan(found)).all():
        raise _NotPlain
    return found


def _instants(texts: list[Any]) -> NDArray[np.int64]:
    """Read RFC 3339 texts; numpy reads the local part of all of them at once, and the offset is taken off."""
    locals_, offsets = [], []
    shifts: dict[str, int] = {"Z": 0}
    for text in texts:
        if type(text) is not str or _INSTANT.fullmatch(text) is None:
            raise _NotPlain
        offset = "Z" if text.endswith("Z") else text[-6:]
        if offset not in shifts:
            shifts[offset] = _shift_us(offset)
        locals_.append(text[: -len(offset)])
        offsets.append(shifts[offset])
    try:
        local_us = np.array(locals_, "datetime64[us]").astype(np.int64)
    except ValueError as error:
        raise _NotPlain from error
    return local_us - np.array(offsets, np.int64)


def _shift_us(offset: str) -> int:
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    if hours > 23 or minutes > 59:
        raise _NotPlain
    return (-1 if offset[0] == "-" else 1) * (hours * 60 + minutes) * 60_000_000


def _each_alone(items: Sequence[Item]) -> tuple[list[Item], list[int], list[RejectedReading]]:
    kept: list[Item] = []
    places: list[int] = []
    rejected: list[RejectedReading] = []
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            rejected.append(RejectedReading(index=index, detail=item.detail))
            continue
        try:
            reading = ReadingCreate.model_validate(item)
        except ValidationError as error:
            rejected.append(RejectedReading(index=index, detail=_why(error)))
            continue
        kept.append(reading.model_dump() | {"at": reading.at.isoformat()})
        places.append(index)
    return kept, places, rejected


def _why(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"] if part in _FIELDS)
    return f"{place}: {first['msg']}".lstrip(": ")
