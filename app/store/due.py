"""When each shipment must be looked at next: the queue of the assessor."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store import bulk
from app.store.tables import shipment_due

_HEARD = (
    ("version", "old.version + 1"),
    (
        "latest_event_at",
        "CASE WHEN old.latest_event_at IS NULL OR new.latest_event_at > old.latest_event_at"
        " THEN new.latest_event_at ELSE old.latest_event_at END",
    ),
)
_NOTED = (("version", "old.version + 1"), ("assess_at", "COALESCE(new.assess_at, old.assess_at)"))

_GIVEN_BACK = (("claim_id", "NULL"), ("lease_until", "NULL"))


async def mark(connection: AsyncConnection, latest: Mapping[str, datetime | None], *, at: datetime) -> None:
    """Order these shipments to be assessed at once, because something was heard; rows in id order.

    `latest` gives the latest event's instant where one was heard; it only ever grows.
    """
    rows = [
        {"shipment_id": one, "version": 0, "assess_at": at, "latest_event_at": latest[one]} for one in latest
    ]
    await bulk.update(connection, shipment_due, rows, key="shipment_id", computed=_HEARD)


async def note(
    connection: AsyncConnection, ids: Collection[str], *, due_now: Collection[str], at: datetime
) -> None:
    """Note that something was heard: stored views are out of date, and some of the shipments are to be assessed.

    One statement for both, so that two writers that meet lock the rows in one order.
    """
    rows = [{"shipment_id": one, "version": 0, "assess_at": at if one in due_now else None} for one in ids]
    await bulk.update(connection, shipment_due, rows, key="shipment_id", computed=_NOTED)


async def claim(
    connection: AsyncConnection,
    *,
    at: datetime,
    wall_at: datetime,
    claim_id: str,
    lease_until: datetime,
    limit: int,
) -> list[str]:
    """Take the most urgent due shipments until `lease_until`; nobody else gets them meanwhile."""
    due = shipment_due.c
    free = sa.or_(due.lease_until.is_(None), due.lease_until < wall_at)
    query = (
        sa.select(due.shipment_id)
        .where(due.assess_at <= at, free)
        .order_by(due.urgent_at.asc().nulls_last(), due.assess_at, due.shipment_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(await connection.scalars(query))
    if ids:
        await connection.execute(
            sa.update(shipment_due)
            .where(bulk.among(connection, due.shipment_id, ids))
            .values(claim_id=claim_id, lease_until=lease_until)
        )
    return ids


async def still_claimed(
    connection: AsyncConnection, ids: Collection[str], *, claim_id: str
) -> dict[str, int]:
    """Lock the rows of a claim and return their versions; what another has taken over is absent."""
    due = shipment_due.c
    query = (
        sa.select(due.shipment_id, due.version)
        .where(bulk.among(connection, due.shipment_id, ids), due.claim_id == claim_id)
        .order_by(due.shipment_id)
        .with_for_update()
    )
    return {row.shipment_id: row.version for row in await connection.execute(query)}


async def settle(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Write when to look next (`assess_at`, `urgent_at`) and give the rows (`shipment_id`) back."""
    await bulk.update(connection, shipment_due, rows, key="shipment_id", computed=_GIVEN_BACK)


async def release(connection: AsyncConnection, ids: Collection[str], *, claim_id: str) -> None:
    """Give rows back as they are: they stay due."""
    due = shipment_due.c
    await connection.execute(
        sa.update(shipment_due)
        .where(bulk.among(connection, due.shipment_id, ids), due.claim_id == claim_id)
        .values(claim_id=None, lease_until=None)
    )


async def oldest_due_at(connection: AsyncConnection, *, at: datetime) -> datetime | None:
    """Return since when the longest-waiting shipment is due; None when nothing is."""
    due = shipment_due.c
    found: datetime | None = await connection.scalar(
        sa.select(sa.func.min(due.assess_at)).where(due.assess_at <= at)
    )
    return found
