"""Events: appended, found again by their sender's id, and read back for the fold."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.observation import Event, Location
from app.store import bulk
from app.store.shipments import Brief
from app.store.tables import Record, event

SenderKey = tuple[str, str, str]
"""(organisation id, source, event id): what an event is known by for ever."""
_KEY = ("organisation_id", "source", "event_id")
_RECEIPT = (*_KEY, "id", "digest", "shipment_id", "lot", "received_at", "late", "placed")


async def known(connection: AsyncConnection, keys: Collection[SenderKey]) -> dict[SenderKey, Record]:
    """Return the stored events among these, with what a receipt says."""
    wanted = [dict(zip(_KEY, key, strict=True)) for key in set(keys)]
    rows = await bulk.select(connection, event, _RECEIPT, wanted)
    return {(row.organisation_id, row.source, row.event_id): row for row in rows}


async def append(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Write new events."""
    await bulk.insert(connection, event, rows)


async def of_shipments(
    connection: AsyncConnection, lots_of: Mapping[str, Collection[str]], organisations: Collection[str]
) -> dict[str, tuple[Event, ...]]:
    """Return all events that concern each shipment: its own, and those about a lot it holds."""
    found: dict[str, list[Event]] = defaultdict(list)
    for row in await connection.execute(
        sa.select(event).where(bulk.among(connection, event.c.shipment_id, lots_of))
    ):
        found[row.shipment_id].append(_event(row))
    lots = {lot for held in lots_of.values() for lot in held}
    if lots:
        query = sa.select(event).where(
            event.c.organisation_id.in_(list(organisations)), event.c.lot.in_(lots)
        )
        for row in await connection.execute(query):
            for shipment_id, held in lots_of.items():
                if row.lot in held:
                    found[shipment_id].append(_event(row))
    return {shipment_id: tuple(found[shipment_id]) for shipment_id in lots_of}


def happened(begins_at: datetime | None, ends_at: datetime | None) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that an event happened within a half-open span."""
    at = event.c.effective_at
    found = [at >= begins_at] if begins_at is not None else []
    return found + ([at < ends_at] if ends_at is not None else [])


def _about(brief: Brief, lots: Collection[str]) -> sa.ColumnElement[bool]:
    """Return the condition that an event concerns a shipment: by itself, or by a lot that it holds."""
    about = event.c.shipment_id == brief.id
    if not lots:
        return about
    return sa.or_(
        about, sa.and_(event.c.organisation_id == brief.organisation_id, event.c.lot.in_(list(lots)))
    )


async def after(
    connection: AsyncConnection, brief: Brief, lots: Collection[str], *, after_id: str | None, limit: int
) -> Sequence[Record]:
    """Return the events of a shipment and its lots that were heard after one, in that order."""
    query = sa.select(event).where(_about(brief, lots))
    if after_id is not None:
        query = query.where(event.c.id > after_id)
    return (await connection.execute(query.order_by(event.c.id).limit(limit))).all()


async def page(
    connection: AsyncConnection,
    brief: Brief,
    lots: Collection[str],
    filters: Sequence[sa.ColumnElement[bool]],
    *,
    before_id: str | None,
    limit: int,
) -> Sequence[Record]:
    """Return a shipment's events and those about its lots, newest first, after the one named in the list."""
    query = sa.select(event).where(_about(brief, lots), *filters)
    if before_id is not None:
        query = query.where(event.c.id < before_id)
    return (await connection.execute(query.order_by(event.c.id.desc()).limit(limit))).all()


def _event(row: Record) -> Event:
    return Event(
        id=row.id,
        event_id=row.event_id,
        source=row.source,
        type=row.type,
        occurred_at=row.occurred_at,
        effective_at=row.effective_at,
        received_at=row.received_at,
        leg=row.leg,
        dose=row.dose,
        lot=row.lot,
        carrier=row.carrier,
        location=Location(**row.location) if row.location else None,
        reason=row.reason,
        details=row.details,
    )
