"""The naive way, as a first version would have it: one SQLModel session and one transaction for each request.

It writes the same rows into the same tables on the same engine; it asks for no key and places no leg.
"""

import hashlib
import os
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.clock import wall_now
from app.models.audit import AuditEntry
from app.models.event import Event, EventCreate, EventReceipt
from app.models.shipment import Shipment, ShipmentDue
from app.store.db import Database

app = FastAPI()
db = Database(os.environ.get("DOSETRAIL_DATABASE_URL", "sqlite+aiosqlite://"))
engine = db.engine.execution_options(dosetrail_writes=True)


async def session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine, expire_on_commit=False) as opened:
        yield opened


@app.post("/v1/events", status_code=201)
async def post_event(said: EventCreate, opened: Annotated[AsyncSession, Depends(session)]) -> EventReceipt:
    """Record one event."""
    shipment = (await opened.exec(select(Shipment).where(Shipment.id == said.shipment_id))).first()
    if shipment is None:
        raise HTTPException(404)
    known = await opened.exec(select(Event).where(Event.event_id == said.event_id, Event.source == "ACME"))
    if known.first() is not None:
        raise HTTPException(409)
    at = wall_now()
    event = Event(
        **said.model_dump(exclude={"reference", "waybill", "package_code"}),
        organisation_id=shipment.organisation_id,
        source="ACME",
        digest=hashlib.sha256(said.model_dump_json().encode()).hexdigest(),
        occurred_text=said.occurred_at.isoformat(),
        effective_at=said.occurred_at,
        received_at=at,
        actor=shipment.organisation_id,
    )
    opened.add(event)
    opened.add(
        AuditEntry(
            organisation_id=shipment.organisation_id,
            at=at,
            actor="ACME",
            action=f"event:{said.type}",
            object_kind="shipment",
            object_id=shipment.id,
            new={"id": event.id, "event_id": event.event_id, "digest": event.digest},
        )
    )
    due = (await opened.exec(select(ShipmentDue).where(ShipmentDue.shipment_id == shipment.id))).one()
    due.version += 1
    due.assess_at = at
    due.latest_event_at = event.effective_at
    await opened.commit()
    return EventReceipt(duplicate=False, **event.model_dump(include=set(EventReceipt.model_fields)))
