"""What the world was last told about each shipment."""

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models.webhook import ShipmentTold
from app.store.tables import table_of

shipment_told = table_of(ShipmentTold)


async def read(connection: AsyncConnection, shipment_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return what was told about these shipments, by shipment; a new one is absent."""
    query = sa.select(shipment_told).where(shipment_told.c.shipment_id.in_(list(shipment_ids)))
    return {row.shipment_id: row.told for row in await connection.execute(query)}


async def store(connection: AsyncConnection, told: Mapping[str, dict[str, Any]]) -> None:
    """Write what was told now, over what was told before."""
    if not told:
        return
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(shipment_told)
    statement = insert.on_conflict_do_update(
        index_elements=["shipment_id"], set_={"told": insert.excluded.told}
    )
    rows = [{"shipment_id": one, "told": told[one]} for one in sorted(told)]
    await connection.execute(statement, rows)
