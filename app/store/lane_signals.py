"""Legs told before their end, and what is known of the legs of the last day."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store import bulk
from app.store.shipments import UNDER_WAY
from app.store.tables import Record, lane_leg, lane_signal, shipment

_KNOWN: Final = (
    "identity", "mode", "carrier", "service", "origin", "destination", "planned_departure_at", "departed_at",
    "planned_arrival_at", "arrived_at", "outcome", "recorded_at",
)  # fmt: skip


async def contents(
    connection: AsyncConnection, organisation_id: str, identities: Collection[str]
) -> Sequence[Record]:
    """Return what was told before their end of the legs with these identities."""
    table = lane_signal.c
    query = sa.select(table.identity, table.outcome, table.content).where(
        table.organisation_id == organisation_id, bulk.among(connection, table.identity, identities)
    )
    return (await connection.execute(query)).all()


async def append(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Write what is told of legs before their end; what was told before stays as it is."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    if rows:
        await connection.execute(insert(lane_signal).on_conflict_do_nothing(), list(rows))


async def recent(
    connection: AsyncConnection,
    organisation_id: str,
    *,
    since: datetime,
    until: datetime,
    known_at: datetime,
) -> tuple[Sequence[Record], Sequence[Record]]:
    """Return legs planned to leave between two instants, as known by a third: what was told early, and what ended."""
    early, ended = [
        (
            await connection.execute(
                sa.select(*(table.c[name] for name in names)).where(
                    table.c.organisation_id == organisation_id,
                    table.c.planned_departure_at.between(since, until),
                    table.c.recorded_at <= known_at,
                )
            )
        ).all()
        for table, names in ((lane_signal, (*_KNOWN, "ours")), (lane_leg, _KNOWN))
    ]
    return early, ended


async def heard_since(
    connection: AsyncConnection, organisation_id: str, since: datetime, *, planned_since: datetime
) -> bool:
    """Return whether anything was recorded after an instant of legs planned after another."""
    for table in (lane_signal, lane_leg):
        query = sa.select(table.c.identity).where(
            table.c.organisation_id == organisation_id,
            table.c.planned_departure_at >= planned_since,
            table.c.recorded_at > since,
        )
        if await connection.scalar(query.limit(1)) is not None:
            return True
    return False


async def drop(connection: AsyncConnection, *, planned_before: datetime) -> None:
    """Forget what was told of legs that should have arrived before an instant."""
    await connection.execute(sa.delete(lane_signal).where(lane_signal.c.planned_arrival_at < planned_before))


async def under_way(
    connection: AsyncConnection, organisation_id: str, *, since: datetime, until: datetime
) -> list[str]:
    """Return the shipments under way that began between two instants, by their plan."""
    query = sa.select(shipment.c.id).where(
        shipment.c.organisation_id == organisation_id,
        shipment.c.state.in_(UNDER_WAY),
        shipment.c.first_instant_at.between(since, until),
    )
    return list(await connection.scalars(query))
