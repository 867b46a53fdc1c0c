"""What a stream of one shipment goes by: whether anything moved, and what was said of its alerts since."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.tables import Record, alert, alert_history, shipment_due, shipment_view


async def mark_of(connection: AsyncConnection, shipment_id: str) -> tuple[object, ...] | None:
    """Return what is different as soon as the status may be: the version, and when it was last assessed."""
    query = (
        sa.select(shipment_due.c.version, shipment_view.c.assessed_at)
        .outerjoin(shipment_view, shipment_view.c.shipment_id == shipment_due.c.shipment_id)
        .where(shipment_due.c.shipment_id == shipment_id)
    )
    row = (await connection.execute(query)).first()
    return tuple(row) if row is not None else None


async def steps_after(
    connection: AsyncConnection, shipment_id: str, *, after_id: str | None, limit: int
) -> Sequence[Record]:
    """Return the steps of a shipment's alerts after one, in the order in which they were taken."""
    query = (
        sa.select(alert_history.c.id, alert_history.c.alert_id, alert_history.c.change, alert_history.c.at)
        .join(alert, alert.c.id == alert_history.c.alert_id)
        .where(alert.c.shipment_id == shipment_id)
    )
    if after_id is not None:
        query = query.where(alert_history.c.id > after_id)
    return (await connection.execute(query.order_by(alert_history.c.id).limit(limit))).all()


async def last_step_id(connection: AsyncConnection, shipment_id: str) -> str | None:
    """Return the last step that was taken of any alert of a shipment."""
    query = (
        sa.select(alert_history.c.id)
        .join(alert, alert.c.id == alert_history.c.alert_id)
        .where(alert.c.shipment_id == shipment_id)
    )
    found: str | None = await connection.scalar(query.order_by(alert_history.c.id.desc()).limit(1))
    return found
