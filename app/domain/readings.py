"""Readings in columns: how new ones join those that are stored, and what each time bucket adds up to.

Instants are whole microseconds since 1970 (UTC), so that a million of them are one array; a value that was not
measured is NaN. Everything here is a function of the set of readings: order, splits and repeats change nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

CHANNELS = (
    "temperature_c", "humidity_pct", "lat", "lon", "shock_g", "tilt_deg", "light_lux", "battery_pct", "dose_rate_usv_h",
)  # fmt: skip
BUCKET_US = 3_600_000_000
"""One hour. Source: our convention; long enough that a minute logger's row is small to rewrite, and short enough
that a late reading costs little."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TEMPERATURE = CHANNELS.index("temperature_c")

Instants = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadingColumns:
    """Samples, a row of `values` (one column a channel) each; `series` numbers the (device, sensor) they are of."""

    series: NDArray[np.int64]
    at_us: Instants
    received_us: Instants
    values: Values

    def __len__(self) -> int:
        return len(self.at_us)

    def first_after(self, at: datetime) -> datetime | None:
        """Return the instant of the first reading made after `at`; None: there is none."""
        later = self.at_us[self.at_us > microseconds(at)]
        return instant(later.min()) if len(later) else None

    def known_by(self, known_at: datetime) -> "ReadingColumns":
        """Return those that had been received by then."""
        known = self.received_us <= microseconds(known_at)
        return self if known.all() else self.where(known)

    def in_order(self) -> "ReadingColumns":
        """Return the same, by series and instant; what is in order already costs next to nothing."""
        later = (self.series[1:] > self.series[:-1]) | (
            (self.series[1:] == self.series[:-1]) & (self.at_us[1:] >= self.at_us[:-1])
        )
        return self if later.all() else self.where(np.lexsort((self.at_us, self.series)))

    def of_series(self, number: int) -> "ReadingColumns":
        """Return the readings of one series; they must be in order."""
        start, stop = np.searchsorted(self.series, (number, number + 1))
        return self.where(slice(int(start), int(stop)))

    def between(self, from_us: int | None, until_us: int | None) -> "ReadingColumns":
        """Return those of one series from an instant on, before another; they must be in order."""
        start = 0 if from_us is None else int(np.searchsorted(self.at_us, from_us))
        stop = len(self) if until_us is None else int(np.searchsorted(self.at_us, until_us))
        return self.where(slice(start, max(start, stop)))

    def where(self, chosen: slice | NDArray[np.bool_] | NDArray[np.int64]) -> "ReadingColumns":
        """Return the chosen rows; of a slice nothing is copied."""
        return ReadingColumns(
            series=self.series[chosen],
            at_us=self.at_us[chosen],
            received_us=self.received_us[chosen],
            values=self.values[chosen],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Absorbed:
    """What became of new readings. `accepted`, `duplicate` and `conflict` speak of each, in the order given.

    `together` holds old and accepted ones, ordered by series and instant.
    """

    together: ReadingColumns
    accepted: NDArray[np.bool_]
    duplicate: NDArray[np.bool_]
    conflict: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One hour of one series: its rows are `start:stop` of the readings it was made from.

    The temperatures' aggregates are None where none was measured.
    """

    series: int
    at_us: int
    start: int
    stop: int
    measured: int
    min_c: float | None
    max_c: float | None
    sum_c: float | None


def microseconds(at: datetime) -> int:
    """Return an instant as readings hold it."""
    return (at - _EPOCH) // _MICROSECOND


def instant(at_us: int | np.int64) -> datetime:
    """Return a reading's instant as the rest of the house holds it."""
    return _EPOCH + timedelta(microseconds=int(at_us))


def nothing() -> ReadingColumns:
    """Return no readings."""
    none = np.empty(0, np.int64)
    return ReadingColumns(series=none, at_us=none, received_us=none, values=np.empty((0, len(CHANNELS))))


def absorb(stored: ReadingColumns, new: ReadingColumns) -> Absorbed:
    """Take new readings in: (series, instant) identifies one, and what was there first stands.

    Of equal identities within `new` the first counts; the others are judged against it.
    """
    series = np.concatenate((stored.series, new.series))
    at_us = np.concatenate((stored.at_us, new.at_us))
    values = np.concatenate((stored.values, new.values))
    age = np.concatenate((np.zeros(len(stored), np.int64), np.arange(1, len(new) + 1)))
    order = np.lexsort((age, at_us, series))
    series, at_us, values, age = series[order], at_us[order], values[order], age[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (series[1:] != series[:-1]) | (at_us[1:] != at_us[:-1])
    standing = values[np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))]
    same = ((values == standing) | (np.isnan(values) & np.isnan(standing))).all(axis=1)
    is_new = age > 0
    accepted, duplicate = (np.zeros(len(new), np.bool_) for _ in range(2))
    accepted[age[is_new] - 1] = first[is_new]
    duplicate[age[is_new] - 1] = (~first & same)[is_new]
    received_us = np.concatenate((stored.received_us, new.received_us))[order]
    together = ReadingColumns(series=series, at_us=at_us, received_us=received_us, values=values).where(first)
    return Absorbed(
        together=together, accepted=accepted, duplicate=duplicate, conflict=~(accepted | duplicate)
    )


def bucket_of(at_us: Instants) -> Instants:
    """Return the beginning of the hour that each instant lies in."""
    return at_us // BUCKET_US * BUCKET_US


def buckets(readings: ReadingColumns) -> list[Bucket]:
    """Return the buckets of readings that are ordered by series and instant, with their aggregates."""
    if not len(readings):
        return []
    hours = bucket_of(readings.at_us)
    begins = np.ones(len(readings), np.bool_)
    begins[1:] = (readings.series[1:] != readings.series[:-1]) | (hours[1:] != hours[:-1])
    starts = np.flatnonzero(begins)
    temperature_c = readings.values[:, _TEMPERATURE]
    known = ~np.isnan(temperature_c)
    measured = np.add.reduceat(known.astype(np.int64), starts)
    lowest = np.fmin.reduceat(temperature_c, starts)
    highest = np.fmax.reduceat(temperature_c, starts)
    total = np.add.reduceat(np.where(known, temperature_c, 0.0), starts)
    stops = [*starts[1:].tolist(), len(readings)]
    return [
        Bucket(
            series=series, at_us=at, start=start, stop=stop, measured=count,
            min_c=low if count else None, max_c=high if count else None, sum_c=added if count else None,
        )
        for series, at, start, stop, count, low, high, added in zip(
            readings.series[starts].tolist(), hours[starts].tolist(), starts.tolist(), stops, measured.tolist(),
            lowest.tolist(), highest.tolist(), total.tolist(), strict=True,
        )
    ]  # fmt: skip


def numbered(names: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], NDArray[np.int64]]:
    """Return the distinct (device, sensor) names, sorted, and each name's place among them."""
    distinct = sorted(set(names))
    place = {name: number for number, name in enumerate(distinct)}
    return distinct, np.fromiter((place[name] for name in names), np.int64, len(names))
