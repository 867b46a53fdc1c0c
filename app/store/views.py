"""The stored view of each shipment: its last assessment, ready to be told."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store import bulk
from app.store.tables import Record, shipment, shipment_due, shipment_view


async def store(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Write views over the ones that were there."""
    await bulk.insert(connection, shipment_view, rows, over="shipment_id")


async def read(connection: AsyncConnection, ids: Collection[str], *, whole: bool = True) -> dict[str, Record]:
    """Return what a status poll needs of each shipment: whose it is, its version now and, if `whole`, its view."""
    columns = [
        shipment.c.id,
        shipment.c.organisation_id,
        shipment.c.site_id,
        shipment.c.study,
        shipment.c.plan_version,
        shipment_due.c.version,
    ]
    query = sa.select(*columns).join(shipment_due, shipment_due.c.shipment_id == shipment.c.id)
    if whole:
        view = shipment_view.c
        query = query.add_columns(view.version.label("view_version"), view.valid_until, view.view)
        query = query.outerjoin(shipment_view, view.shipment_id == shipment.c.id)
    rows = await connection.execute(query.where(bulk.among(connection, shipment.c.id, ids)))
    return {row.id: row for row in rows}
