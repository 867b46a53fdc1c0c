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
from app.store.tables import reading_bucket, reading_series

Name = tuple[str, str]
"""(device, sensor)."""
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
    query = sa.select(one.id, one.device_id, one.sensor, one.last_at, one.last_c).where(
        one.organisation_id == organisation_id, bulk.among(connection, one.device_id, device_ids)
    )
    return [Series(**row._mapping) for row in await connection.execute(query)]


async def stored(connection: AsyncConnection, wanted: Collection[tuple[str, datetime]]) -> ReadingColumns:
    """Return the readings of these (series id, hour) buckets, their series numbered by the order of the ids.

    Series and hours are asked for apart, so buckets of other pairs may come along: they change nothing.
    """
    ids = sorted({series_id for series_id, _ in wanted})
    hours = {at for _, at in wanted}
    one = reading_bucket
    within = bulk.among(connection, one.c.series_id, ids) & bulk.among(connection, one.c.at, hours)
    return await _unpacked(connection, ids, within)


async def between(
    connection: AsyncConnection, series_ids: Sequence[str], *, from_at: datetime, until_at: datetime
) -> ReadingColumns:
    """Return all readings of the series in whole hours that touch the span, in order; series are numbered as given."""
    one = reading_bucket
    within = bulk.among(connection, one.c.series_id, series_ids) & one.c.at.between(from_at, until_at)
    return (await _unpacked(connection, series_ids, within)).in_order()


async def write(
    connection: AsyncConnection,
    organisation_id: str,
    series: Sequence[Series],
    readings: ReadingColumns,
    touched: Sequence[Bucket],
) -> None:
    """Write whole buckets over what was there, and each series' newest reading."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(reading_bucket)
    columns = ("samples", "measured", "min_c", "max_c", "sum_c", "channels", "packed")
    statement = statement.on_conflict_do_update(
        index_elements=["series_id", "at"], set_={name: statement.excluded[name] for name in columns}
    )
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
    if rows:
        await connection.execute(statement, rows)


async def move_on(connection: AsyncConnection, newest: Mapping[str, tuple[datetime, float | None]]) -> None:
    """Write the newest reading of each series id; without a temperature the last one stays."""
    rows = [{"id": id_, "last_at": at, "last_c": value} for id_, (at, value) in newest.items()]
    await bulk.update(connection, reading_series, rows, computed=_LAST)


async def _unpacked(
    connection: AsyncConnection, series_ids: Sequence[str], within: sa.ColumnElement[bool]
) -> ReadingColumns:
    one = reading_bucket.c
    rows = (
        await connection.execute(sa.select(one.series_id, one.at, one.channels, one.packed).where(within))
    ).all()
    number = {series_id: place for place, series_id in enumerate(series_ids)}
    found = sorted((number[row.series_id], row.at, row.channels, row.packed) for row in rows)
    return unpack([(place, channels, packed) for place, _, channels, packed in found])


async def _locked(
    connection: AsyncConnection, organisation_id: str, names: Sequence[Name]
) -> dict[Name, Series]:
    """Return the series that exist, locked; the same device and sensor of other pairs may come along."""
    one = reading_series.c
    query = (
        sa.select(one.id, one.device_id, one.sensor, one.last_at, one.last_c)
        .where(
            one.organisation_id == organisation_id,
            bulk.among(connection, one.device_id, {device_id for device_id, _ in names}),
            bulk.among(connection, one.sensor, {sensor for _, sensor in names}),
        )
        .order_by(one.device_id, one.sensor)
        .with_for_update()
    )
    rows = (await connection.execute(query)).all()
    return {(row.device_id, row.sensor): Series(**row._mapping) for row in rows}
