"""Legs and dwells that have ended, and the statistics learned from them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.lane_learning.history import LaneLeg
from app.store.tables import Record, event, lane_dwell, lane_leg, lane_statistics, lane_timetable, shipment

_CHUNK = 10_000
"""Keys a query: both databases take some 32,000 parameters."""

REPORTS_MAX = 50_000

_LEG = (
    "mode", "carrier", "service", "origin", "destination", "planned_departure_at", "departed_at",
    "planned_arrival_at", "arrived_at", "outcome",
)  # fmt: skip


KINDS = ("whole", "short", "day")


class Counts(NamedTuple):
    """How much an organisation has recorded."""

    legs: int
    dwells: int
    timetables: int


NOTHING: Final = Counts(0, 0, 0)


async def contents(
    connection: AsyncConnection, organisation_id: str, identities: Sequence[str]
) -> dict[str, str]:
    """Return what is stored under these identities: the digests of their outcomes."""
    found: dict[str, str] = {}
    for begin in range(0, len(identities), _CHUNK):
        query = sa.select(lane_leg.c.identity, lane_leg.c.content).where(
            lane_leg.c.organisation_id == organisation_id,
            lane_leg.c.identity.in_(identities[begin : begin + _CHUNK]),
        )
        found |= {row.identity: row.content for row in await connection.execute(query)}
    return found


async def append_legs(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Write legs; one that is there already stays as it is."""
    await _append(connection, lane_leg, rows)


async def append_dwells(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Write dwells; one that is there already stays as it is."""
    await _append(connection, lane_dwell, rows)


async def legs(
    connection: AsyncConnection, organisation_id: str, *, since: datetime, until: datetime
) -> list[LaneLeg]:
    """Return the legs planned since an instant and recorded by another, in the order of their plan."""
    columns = [lane_leg.c[name] for name in _LEG]
    query = (
        sa.select(*columns)
        .where(
            lane_leg.c.organisation_id == organisation_id,
            lane_leg.c.planned_departure_at >= since,
            lane_leg.c.recorded_at <= until,
        )
        .order_by(lane_leg.c.planned_departure_at, lane_leg.c.identity)
    )
    return [LaneLeg(**dict(zip(_LEG, row, strict=True))) for row in await connection.execute(query)]


async def latest(connection: AsyncConnection, organisation_id: str) -> datetime | None:
    """Return when the newest leg was planned to leave."""
    column = lane_leg.c.planned_departure_at
    query = sa.select(column).where(lane_leg.c.organisation_id == organisation_id)
    found: datetime | None = await connection.scalar(query.order_by(column.desc()).limit(1))
    return found


async def dwells(
    connection: AsyncConnection, organisation_id: str, *, since: datetime, until: datetime
) -> Sequence[Record]:
    """Return the dwells recorded between two instants."""
    query = sa.select(lane_dwell).where(
        lane_dwell.c.organisation_id == organisation_id,
        lane_dwell.c.recorded_at.between(since, until),
    )
    order = (lane_dwell.c.shipment_id, lane_dwell.c.leg, lane_dwell.c.kind)
    return (await connection.execute(query.order_by(*order))).all()


async def counts(connection: AsyncConnection) -> dict[str, Counts]:
    """Return how much each organisation has recorded."""
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for place, table in enumerate((lane_leg, lane_dwell, lane_timetable)):
        query = sa.select(table.c.organisation_id, sa.func.count()).group_by(table.c.organisation_id)
        for row in await connection.execute(query):
            found[row.organisation_id][place] = row[1]
    return {organisation_id: Counts(*three) for organisation_id, three in found.items()}


async def timetables(connection: AsyncConnection, organisation_id: str, *, until: datetime) -> list[Record]:
    """Return the newest timetable of each lane by an instant."""
    table = lane_timetable.c
    query = sa.select(lane_timetable).where(
        table.organisation_id == organisation_id, table.recorded_at <= until
    )
    order = (table.mode, table.origin, table.destination, table.version)
    rows = (await connection.execute(query.order_by(*order))).all()
    return list({(row.mode, row.origin, row.destination): row for row in rows}.values())


async def append_timetable(connection: AsyncConnection, row: dict[str, Any]) -> int:
    """Write a lane's next timetable and return its version."""
    table = lane_timetable.c
    own = [table[name] == row[name] for name in ("organisation_id", "mode", "origin", "destination")]
    last = await connection.scalar(sa.select(sa.func.max(table.version)).where(*own))
    version = (last or 0) + 1
    await connection.execute(sa.insert(lane_timetable).values(**row, version=version))
    return version


async def publish(connection: AsyncConnection, row: dict[str, Any]) -> None:
    """Write a new set of statistics."""
    await connection.execute(sa.insert(lane_statistics).values(**row))


async def in_force(connection: AsyncConnection, organisation_id: str, *, at: datetime) -> int | None:
    """Return the number of the statistics that an organisation had published last by an instant."""
    table = lane_statistics.c
    query = (
        sa.select(table.number)
        .where(table.organisation_id == organisation_id, table.published_at <= at)
        .order_by(table.published_at.desc(), table.number.desc())
        .limit(1)
    )
    found: int | None = await connection.scalar(query)
    return found


async def statistics(connection: AsyncConnection, organisation_id: str, number: int) -> Record:
    """Return one set of statistics."""
    query = sa.select(lane_statistics).where(
        lane_statistics.c.organisation_id == organisation_id, lane_statistics.c.number == number
    )
    return (await connection.execute(query)).one()


async def newest(connection: AsyncConnection, organisation_id: str) -> dict[str, Record]:
    """Return the newest statistics of each kind, without their bodies, by kind."""
    table = lane_statistics.c
    columns = [one for one in table if one.name != "body"]
    found = {}
    for kind in KINDS:
        own = sa.select(*columns).where(table.organisation_id == organisation_id, table.kind == kind)
        row = (await connection.execute(own.order_by(table.number.desc()).limit(1))).one_or_none()
        if row is not None:
            found[kind] = row
    return found


async def lanes(
    connection: AsyncConnection,
    organisation_id: str,
    filters: Iterable[tuple[str, str]],
    *,
    after: Sequence[str] | None,
    limit: int,
) -> Sequence[Record]:
    """Return every lane, carrier and mode of the history with its number of legs, in alphabetical order."""
    by = (lane_leg.c.mode, lane_leg.c.origin, lane_leg.c.destination, lane_leg.c.carrier)
    query = sa.select(*by, sa.func.count().label("n")).where(lane_leg.c.organisation_id == organisation_id)
    for name, value in filters:
        query = query.where(lane_leg.c[name] == value)
    if after is not None:
        query = query.where(sa.tuple_(*by) > sa.tuple_(*(sa.literal(one) for one in after)))
    return (await connection.execute(query.group_by(*by).order_by(*by).limit(limit))).all()


async def reports(connection: AsyncConnection, organisation_id: str, *, since: datetime) -> Sequence[Record]:
    """Return when couriers' scans happened and were heard of, for shipments registered before they happened."""
    query = (
        sa.select(event.c.carrier, event.c.effective_at, event.c.received_at)
        .join(shipment, shipment.c.id == event.c.shipment_id)
        .where(
            event.c.organisation_id == organisation_id,
            event.c.carrier.is_not(None),
            event.c.type.in_(("picked_up", "departed", "arrived", "delivered")),
            event.c.received_at >= since,
            shipment.c.created_at < event.c.effective_at,
        )
        .order_by(event.c.received_at.desc(), event.c.id)
        .limit(REPORTS_MAX)
    )
    return (await connection.execute(query)).all()


async def _append(connection: AsyncConnection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    insert = sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
    if rows:
        await connection.execute(insert.on_conflict_do_nothing(), list(rows))
