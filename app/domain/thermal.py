"""What the sensors said about one shipment: each series within its assignment, and the doses' common account.

All durations run on event time, from readings alone: a logger read a day later gives the same answer as a live
one. Only sensors placed with the product judge the doses; `ambient` and `vehicle` ones inform.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from app.domain.custody import Journey
from app.domain.readings import CHANNELS, ReadingColumns, instant, microseconds
from app.domain.shipment import DeviceAssignment, Shipment, Storage
from app.domain.thermal_episodes import Episode, Freeze, episodes_of, freezes_of
from app.domain.thermal_kinetic import mean_kinetic_c, mean_kinetic_of_pieces_c
from app.domain.thermal_pieces import (
    GAP_INTERVALS,
    MINUTE_US,
    Pieces,
    Span,
    exceeded_at_us,
    joined,
    length_minutes,
    merged,
    pieces_of,
    spans_above,
    spans_below,
)
from app.domain.thermal_windows import Window, windows_of

_TEMPERATURE = CHANNELS.index("temperature_c")
_BATTERY = CHANNELS.index("battery_pct")
Name = tuple[str, str]
"""(device, sensor)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """The newest level in percent, and when the battery is empty if it goes on as in its last day."""

    percent: float
    at: datetime
    empty_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesThermal:
    """One (device, sensor) within its windows; temperatures are None before its first.

    `readings` are those that count, in order; `gaps` are unmonitored spans between them, and before the first.
    """

    device: DeviceAssignment
    windows: tuple[Window, ...]
    readings: ReadingColumns = field(compare=False)
    last_c: float | None = None
    last_at: datetime | None = None
    min_c: float | None = None
    max_c: float | None = None
    mean_c: float | None = None
    mkt_c: float | None = None
    above: tuple[Span, ...] = ()
    below: tuple[Span, ...] = ()
    gaps: tuple[Span, ...] = ()
    episodes: tuple[Episode, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    battery: Battery | None = None

    @property
    def judges(self) -> bool:
        """Whether this sensor judges the doses."""
        return self.device.place == "product"

    @property
    def heard_at(self) -> datetime | None:
        """The instant of the newest reading, of whatever channel."""
        return instant(self.readings.at_us[-1]) if len(self.readings) else None

    @property
    def in_excursion(self) -> bool:
        """Whether the newest temperature lies outside the product's limits."""
        return self.judges and (
            any(one.lasts for one in self.episodes)
            or (bool(self.freezes) and self.freezes[-1].at == self.last_at)
        )

    def silent_since(self, *, at: datetime) -> datetime | None:
        """Return since when nothing was heard: the newest reading, else the beginning; None outside its windows."""
        counting = [
            one for one in self.windows if one.from_at <= at and (one.until_at is None or at < one.until_at)
        ]
        if not counting:
            return None
        return max(self.heard_at or counting[-1].from_at, counting[-1].from_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thermal:
    """All series of a shipment; `outside` is when any product sensor lay outside the limits: it spends the budget."""

    series: tuple[SeriesThermal, ...] = ()
    storage: Storage = field(default_factory=Storage)
    outside: tuple[Span, ...] = ()

    @property
    def budget_remaining_minutes(self) -> float | None:
        """What is left of the product's budget, at least 0; None: the product has none."""
        if self.storage.budget_minutes is None:
            return None
        return max(0.0, self.storage.budget_minutes - length_minutes(self.outside))

    @property
    def budget_used_up_at(self) -> datetime | None:
        """When more than the budget was spent."""
        if self.storage.budget_minutes is None:
            return None
        at_us = exceeded_at_us(self.outside, round(self.storage.budget_minutes * MINUTE_US))
        return None if at_us is None else instant(at_us)


NO_THERMAL = Thermal()


def thermal_of(
    shipment: Shipment, journey: Journey, tracks: Mapping[Name, ReadingColumns], *, at: datetime
) -> Thermal:
    """Judge every series of the shipment by the readings made up to `at`."""
    windows: dict[Name, list[Window]] = {}
    for window in windows_of(shipment, journey):
        windows.setdefault((window.device.device_id, window.device.sensor), []).append(window)
    series = tuple(
        _judged(own, tracks.get(name), shipment.product.storage, at=at) for name, own in windows.items()
    )
    outside = merged(span for one in series if one.judges for span in (*one.above, *one.below))
    return Thermal(series=series, storage=shipment.product.storage, outside=tuple(outside))


def _judged(
    windows: Sequence[Window], track: ReadingColumns | None, storage: Storage, *, at: datetime
) -> SeriesThermal:
    device = windows[-1].device
    if track is None or not len(track):
        empty = np.empty(0, np.int64)
        none = ReadingColumns(
            series=empty, at_us=empty, received_us=empty, values=np.empty((0, len(CHANNELS)))
        )
        return SeriesThermal(device=device, windows=tuple(windows), readings=none)
    parts = [_inside(window, track, at=at) for window in windows]
    counted = _together(parts)
    measured = [_measured_only(part) for part in parts]
    plain = SeriesThermal(device=device, windows=tuple(windows), readings=counted, battery=_battery(counted))
    return plain if not any(map(len, measured)) else _measured(plain, measured, storage)


def _measured(series: SeriesThermal, parts: Sequence[ReadingColumns], storage: Storage) -> SeriesThermal:
    """Sum up the temperatures of the windows' readings."""
    every = _together(parts)
    at_us, temperature_c = every.at_us, every.values[:, _TEMPERATURE]
    pieces = joined(
        pieces_of(part.at_us, part.values[:, _TEMPERATURE], interval_us=window.interval_us)
        for window, part in zip(series.windows, parts, strict=True)
        if len(part)
    )
    above = [] if storage.max_c is None else spans_above(pieces, storage.max_c)
    below = [] if storage.min_c is None else spans_below(pieces, storage.min_c)
    return replace(
        series,
        last_c=float(temperature_c[-1]),
        last_at=instant(at_us[-1]),
        min_c=float(temperature_c.min()),
        max_c=float(temperature_c.max()),
        mean_c=_mean_c(pieces, temperature_c),
        mkt_c=_kinetic_c(pieces, temperature_c),
        above=tuple(above),
        below=tuple(below),
        gaps=tuple(_gaps(series.windows, parts)),
        episodes=tuple(episodes_of(every, above, below, storage)),
        freezes=tuple(freezes_of(every)) if storage.do_not_freeze else (),
    )


def _inside(window: Window, track: ReadingColumns, *, at: datetime) -> ReadingColumns:
    """Return the readings that lie in a window and were made by `at`."""
    until_us = microseconds(at) + 1
    if window.until_at is not None:
        until_us = min(until_us, microseconds(window.until_at))
    return track.between(microseconds(window.from_at), until_us)


def _measured_only(readings: ReadingColumns) -> ReadingColumns:
    """Return those that have a temperature."""
    known = ~np.isnan(readings.values[:, _TEMPERATURE])
    return readings if known.all() else readings.where(known)


def _together(parts: Sequence[ReadingColumns]) -> ReadingColumns:
    """Return the readings of all windows in order, each once where windows overlap."""
    if len(parts) == 1:
        return parts[0]
    series, at_us, received_us, values = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("series", "at_us", "received_us", "values")
    )
    _, first = np.unique(at_us, return_index=True)
    return ReadingColumns(series=series, at_us=at_us, received_us=received_us, values=values).where(first)


def _mean_c(pieces: Pieces, temperature_c: NDArray[np.float64]) -> float:
    """Return the mean over monitored time; of readings without any time between them, their plain mean."""
    span_us = pieces.stop_us - pieces.start_us
    if not span_us.sum():
        return float(temperature_c.mean())
    return float((span_us * (pieces.start_c + pieces.stop_c) / 2).sum() / span_us.sum())


def _kinetic_c(pieces: Pieces, temperature_c: NDArray[np.float64]) -> float:
    kinetic_c = mean_kinetic_of_pieces_c(pieces)
    return mean_kinetic_c(temperature_c) if kinetic_c is None else kinetic_c


def _gaps(windows: Sequence[Window], parts: Sequence[ReadingColumns]) -> list[Span]:
    """Return the unmonitored spans between readings, and from a window's beginning to its first one."""
    found: list[Span] = []
    for window, part in zip(windows, parts, strict=True):
        interval_us = window.interval_us
        if interval_us is None or not len(part):
            continue
        begins = np.concatenate(([microseconds(window.from_at)], part.at_us[:-1]))
        wide = part.at_us - begins > GAP_INTERVALS * interval_us
        found += zip((begins[wide] + interval_us).tolist(), part.at_us[wide].tolist(), strict=True)
    return merged(found)


def _battery(readings: ReadingColumns) -> Battery | None:
    percent = readings.values[:, _BATTERY]
    known = ~np.isnan(percent)
    if not known.any():
        return None
    at_us, percent = readings.at_us[known], percent[known]
    last_at, last = instant(at_us[-1]), float(percent[-1])
    first = int(np.searchsorted(at_us, microseconds(last_at - timedelta(hours=24))))
    span, drop = last_at - instant(at_us[first]), float(percent[first]) - last
    steady = span >= timedelta(hours=1) and drop > 0
    return Battery(percent=last, at=last_at, empty_at=last_at + span * (last / drop) if steady else None)
