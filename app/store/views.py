"""The stored view of each shipment: its last assessment, ready to be told."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.tables import Record, shipment, shipment_due, shipment_view


async def store(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Write views over the ones that were there."""
    insert = (
        sqlite.insert(shipment_view)
        if connection.dialect.name == "sqlite"
        else postgresql.insert(shipment_view)
    )
    columns = ("version", "assessed_at", "valid_until", "lanes_version", "view")
    statement = insert.on_conflict_do_update(
        index_elements=["shipment_id"], set_={name: insert.excluded[name] for name in columns}
    )
    if rows:
        await connection.execute(statement, list(rows))


async def read(connection: AsyncConnection, shipment_id: str) -> Record | None:
    """Return what a status poll needs in one row: whose the shipment is, its version now, and its view."""
    query = (
        sa.select(
            shipment.c.id,
            shipment.c.organisation_id,
            shipment.c.site_id,
            shipment.c.study,
            shipment.c.plan_version,
            shipment_due.c.version,
            shipment_view.c.version.label("view_version"),
            shipment_view.c.valid_until,
            shipment_view.c.view,
        )
        .join(shipment_due, shipment_due.c.shipment_id == shipment.c.id)
        .outerjoin(shipment_view, shipment_view.c.shipment_id == shipment.c.id)
        .where(shipment.c.id == shipment_id)
    )
    return (await connection.execute(query)).first()
