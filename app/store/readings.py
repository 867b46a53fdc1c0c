"""ReadingColumns: a row for each series, a row for each of its hours."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.readings import Bucket, ReadingColumns, instant
from app.models.base import new_id
from app.store import bulk
from app.store.packed import pack, unpack
from app.store.tables import Record, reading_bucket, reading_series

Name = tuple[str, str]
"""(device, sensor)."""
_SERIES = ("id", "device_id", "sensor", "last_at", "last_c")
_PACKED = ("series_id", "at", "channels", "packed")
_LAST = (("last_c", "COALESCE(new.last_c, old.last_c)"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One sensor of one device, and its newest reading."""

    id: str
    device_id: str
    sensor: str
    last_at: datetime | None
    last_c: float | None


async def lock(connection: AsyncConnection, organisation_id: str, names: Sequence[Name]) -> list[Series]:
    """Return the series of these names, made where they are new, and keep other writers of them waiting.

    `names` are sorted, and every writer takes them in that order.
    """
    found = await _locked(connection, organisation_id, names)
    missing = [name for name in names if name not in found]
    if missing:
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        rows = [
            {"id": new_id(), "organisation_id": organisation_id, "device_id": device_id, "sensor": sensor}
            for device_id, sensor in missing
        ]
        await connection.execute(insert(reading_series).on_conflict_do_nothing(), rows)
        found |= await _locked(connection, organisation_id, missing)
    return [found[name] for name in names]


async def of_devices(
    connection: AsyncConnection, organisation_id: str, device_ids: Collection[str]
) -> list[Series]:
    """Return every series of the devices."""
    one = reading_series.c
    query = sa.select(*(one[name] for name in _SERIES)).where(
        one.organisation_id == organisation_id, bulk.among(connection, one.device_id, device_ids)
    )
    return [Series(**row._mapping) for row in await connection.execute(query)]


async def stored(connection: AsyncConnection, wanted: Collection[tuple[str, datetime]]) -> ReadingColumns:
    """Return the readings of these (series id, hour) buckets, their series numbered by the order of the ids."""
    like = [{"series_id": series_id, "at": at} for series_id, at in wanted]
    rows = await bulk.select(connection, reading_bucket, _PACKED, like)
    return _unpacked(sorted({series_id for series_id, _ in wanted}), rows)


async def between(
    connection: AsyncConnection, series_ids: Sequence[str], *, from_at: datetime, until_at: datetime
) -> ReadingColumns:
    """Return all readings of the series in whole hours that touch the span, in order; series are numbered as given."""
    one = reading_bucket.c
    query = sa.select(*(one[name] for name in _PACKED)).where(
        bulk.among(connection, one.series_id, series_ids), one.at.between(from_at, until_at)
    )
    return _unpacked(series_ids, (await connection.execute(query)).all()).in_order()


async def write(
    connection: AsyncConnection,
    organisation_id: str,
    series: Sequence[Series],
    readings: ReadingColumns,
    touched: Sequence[Bucket],
) -> None:
    """Write whole buckets over what was there, and each series' newest reading."""
    rows = [
        {
            "series_id": series[bucket.series].id,
            "at": instant(bucket.at_us),
            "organisation_id": organisation_id,
            "samples": bucket.stop - bucket.start,
            "measured": bucket.measured,
            "min_c": bucket.min_c,
            "max_c": bucket.max_c,
            "sum_c": bucket.sum_c,
            "channels": channels,
            "packed": packed,
        }
        for bucket, (channels, packed) in zip(touched, pack(readings, touched), strict=True)
    ]
    await bulk.upsert(connection, reading_bucket, rows, keys=("series_id", "at"))


async def move_on(connection: AsyncConnection, newest: Mapping[str, tuple[datetime, float | None]]) -> None:
    """Write the newest reading of each series id; without a temperature the last one stays."""
    rows = [{"id": id_, "last_at": at, "last_c": value} for id_, (at, value) in newest.items()]
    await bulk.update(connection, reading_series, rows, computed=_LAST)


def _unpacked(series_ids: Sequence[str], rows: Sequence[Record]) -> ReadingColumns:
    number = {series_id: place for place, series_id in enumerate(series_ids)}
    found = sorted((number[row.series_id], row.at, row.channels, row.packed) for row in rows)
    return unpack([(place, channels, packed) for place, _, channels, packed in found])


async def _locked(
    connection: AsyncConnection, organisation_id: str, names: Sequence[Name]
) -> dict[Name, Series]:
    like = [
        {"organisation_id": organisation_id, "device_id": device_id, "sensor": sensor}
        for device_id, sensor in names
    ]
    rows = await bulk.select(
        connection, reading_series, _SERIES, like, locked_in_order=("device_id", "sensor")
    )
    return {(row.device_id, row.sensor): Series(**row._mapping) for row in rows}
