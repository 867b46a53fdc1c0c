"""The record of a shipment: every event as it was sent, and what has become of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain.access import Caller, hidden_fields, may
from app.domain.custody import Journey, fold
from app.domain.journal import Ruling, rulings
from app.domain.observation import Event
from app.domain.shipment import Shipment
from app.domain.status import without_fields
from app.models.event import EventRead
from app.pipeline.register import UnknownShipment
from app.store import events, shipments
from app.store.db import Database
from app.store.shipments import Brief, Plans
from app.store.tables import Record as Row


class Record:
    """Reads what was recorded."""

    def __init__(self, db: Database, clock: Clock, plans: Plans) -> None:
        self._db, self._clock, self._plans = db, clock, plans

    async def page(
        self,
        caller: Caller,
        shipment_id: str,
        *,
        begins_at: datetime | None,
        ends_at: datetime | None,
        before_id: str | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Return a shipment's events and those about its lots, the last heard first, JSON-ready.

        `begins_at` and `ends_at` bound when they happened, half-open.

        Raises:
            UnknownShipment: there is none for this caller.
        """
        async with self._db.reading() as connection:
            brief, plan, heard = await self._heard(connection, caller, shipment_id)
            span = events.happened(begins_at, ends_at)
            rows = await events.page(connection, brief, plan.lots, span, before_id=before_id, limit=limit)
        return self._told(caller, plan, heard, rows)

    async def after(
        self, caller: Caller, shipment_id: str, *, after_id: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return the events heard after one, in the order in which they were heard, JSON-ready.

        Raises:
            UnknownShipment: there is none for this caller.
        """
        async with self._db.reading() as connection:
            brief, plan, heard = await self._heard(connection, caller, shipment_id)
            rows = await events.after(connection, brief, plan.lots, after_id=after_id, limit=limit)
        return self._told(caller, plan, heard, rows) if rows else []

    async def _heard(
        self, connection: AsyncConnection, caller: Caller, shipment_id: str
    ) -> tuple[Brief, Shipment, tuple[Event, ...]]:
        found = await shipments.briefs(connection, [shipment_id])
        plans = await self._plans.load(connection, found)
        brief = found.get(shipment_id)
        if brief is None or not may(caller, "read:shipment", shipments.scope_of(brief, plans[brief.id])):
            raise UnknownShipment("no such shipment")
        plan = plans[brief.id]
        heard = await events.of_shipments(connection, {brief.id: plan.lots}, [brief.organisation_id])
        return brief, plan, heard[brief.id]

    def _told(
        self, caller: Caller, plan: Shipment, heard: tuple[Event, ...], rows: Sequence[Row]
    ) -> list[dict[str, Any]]:
        journey, ruled = fold(plan, heard, at=self._clock.now()), rulings(heard)
        hidden = hidden_fields(caller.role)
        return [without_fields(_read(row, journey, ruled.get(row.id)), hidden) for row in rows]


def _read(row: Row, journey: Journey, ruling: Ruling | None) -> dict[str, Any]:
    """Return an event as it was sent, with its standing now."""
    own = {name: getattr(row, name) for name in EventRead.model_fields if name in row._mapping}
    leg = journey.leg_by_event.get(row.id)
    unplaced = any(event.id == row.id for event in journey.unplaced)
    told: dict[str, Any] = {
        "placed": not unplaced,
        "counts_for_leg": leg,
        "standing": _standing(ruling, unplaced=unplaced),
        "corrected_by": list(ruling.corrected_by) if ruling else [],
        "as_corrected": _as_corrected(ruling),
    }
    return EventRead.model_validate(own | told).model_dump(mode="json")


def _standing(ruling: Ruling | None, *, unplaced: bool) -> str:
    if ruling is not None and ruling.standing is None:
        return "voided"
    if unplaced:
        return "unplaced"
    return "counts" if ruling is None else "corrected"


def _as_corrected(ruling: Ruling | None) -> dict[str, Any] | None:
    if ruling is None or ruling.standing is None:
        return None
    event: Event = ruling.standing
    location = event.location
    return {
        "type": event.type,
        "occurred_at": event.occurred_at,
        "leg": event.leg,
        "dose": event.dose,
        "location": {"code": location.code, "lat": location.lat, "lon": location.lon} if location else None,
        "reason": event.reason,
        "details": event.details,
    }
