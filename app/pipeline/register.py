"""Registering shipments and cancelling them."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain import custody
from app.domain.access import Caller, may
from app.domain.shipment import (
    Product,
    Shipment,
    Site,
)
from app.errors import Conflict, FieldError, NotFound
from app.models.shipment import ShipmentCreate
from app.pipeline import outbox
from app.pipeline.announcements import state_message
from app.pipeline.outbox import NewMessage
from app.pipeline.plan import BadPlan, faults, first_instant, new_plan
from app.pipeline.server_events import server_event
from app.store import audit, due, events, reference, shipments
from app.store.db import Database
from app.store.shipments import Brief, Plans
from app.store.tables import shipment as shipment_table

OVER = frozenset({"delivered", "received", "returned", "lost", "cancelled"})


class ReferenceTaken(Conflict):
    """Another shipment of the organisation has this reference."""

    code = "reference_taken"


class AlreadyOver(Conflict):
    """The shipment has been delivered or otherwise ended: it cannot be cancelled any more."""

    code = "already_over"


class UnknownShipment(NotFound):
    """No such shipment, or not the caller's."""

    code = "unknown_shipment"


class Register:
    """Writes plans."""

    def __init__(self, db: Database, clock: Clock, plans: Plans) -> None:
        self._db, self._clock, self._plans = db, clock, plans

    async def create(self, caller: Caller, body: ShipmentCreate) -> tuple[Brief, Shipment]:
        """Register a shipment, and order its first assessment in the same commit.

        Raises:
            BadPlan: unknown product or site, legs that do not join, activities a form cannot have.
            ReferenceTaken: the reference is in use.
        """
        at = self._clock.now()
        try:
            async with self._db.transaction() as connection:
                product, site = await self._reference_data(connection, caller, body)
                if errors := tuple(faults(body, product, site)):
                    raise BadPlan("the shipment's plan does not hold together", errors=errors)
                plan = new_plan(caller, body, product, site, at=at)
                await shipments.insert(
                    connection,
                    plan,
                    baseline_at=plan.legs[-1].planned_arrival_at,
                    first_instant_at=first_instant(plan),
                )
                await audit.append(
                    connection,
                    organisation_id=caller.organisation_id,
                    at=at,
                    actor=caller.key_id,
                    action="register",
                    object_kind="shipment",
                    object_id=plan.id,
                    new={"reference": plan.reference, "plan_version": 1},
                )
        except IntegrityError as error:
            raise await self._taken(caller, body.reference) from error
        return await self.read(caller, plan.id)

    async def read(self, caller: Caller, shipment_id: str) -> tuple[Brief, Shipment]:
        """Return a shipment and its plan in force.

        Raises:
            UnknownShipment: there is none for this caller.
        """
        async with self._db.reading() as connection:
            found = await shipments.briefs(connection, [shipment_id])
            plans = await self._plans.load(connection, found)
        return _visible(caller, shipment_id, found, plans, "read:shipment")

    async def cancel(self, caller: Caller, shipment_id: str, *, reason: str) -> tuple[Brief, Shipment]:
        """Record the server's event `cancelled`; doing so again changes nothing.

        Raises:
            AlreadyOver: it was delivered, received, returned or lost.
            UnknownShipment: there is none for this caller.
        """
        at = self._clock.now()
        async with self._db.transaction() as connection:
            brief, plan = await locked(connection, self._plans, caller, shipment_id, "cancel:shipment")
            heard = await events.of_shipments(connection, {brief.id: ()}, ())
            state = custody.fold(plan, heard[brief.id], at=at).state
            if state == "cancelled":
                return brief, plan
            if state in OVER:
                raise AlreadyOver(f"the shipment is {state}: it cannot be cancelled any more")
            row = server_event(caller, "cancelled", brief.id, reason=reason, at=at)
            await events.append(connection, [row])
            await audit.append(
                connection,
                organisation_id=caller.organisation_id,
                at=at,
                actor=caller.key_id,
                action="cancel",
                object_kind="shipment",
                object_id=brief.id,
                old={"state": state},
                new={"state": "cancelled"},
                reason=reason,
            )
            await due.mark(connection, {brief.id: at}, at=at)
            await shipments.store_assessed(connection, [{"id": brief.id, "state": "cancelled"}])
            # The assessor tells what differs from the state that lists show, which is this one from here on.
            await outbox.enqueue(
                connection,
                organisation_id=brief.organisation_id,
                messages=[_told_cancelled(brief, previous=state, at=at)],
                at=at,
                wall_at=self._clock.wall(),
            )
        return await self.read(caller, shipment_id)

    async def _reference_data(
        self, connection: AsyncConnection, caller: Caller, body: ShipmentCreate
    ) -> tuple[Product, Site]:
        product = await reference.product(connection, caller.organisation_id, body.product_id)
        site = await reference.site(connection, caller.organisation_id, body.site_id)
        missing = [
            FieldError(f"/{name}", f"no such {name.removesuffix('_id')}; create it first")
            for name, found in (("product_id", product), ("site_id", site))
            if found is None
        ]
        if product is None or site is None:
            raise BadPlan("the shipment names what is not there", errors=tuple(missing))
        return product, site

    async def _taken(self, caller: Caller, wanted: str) -> ReferenceTaken:
        async with self._db.reading() as connection:
            existing = await connection.scalar(
                sa.select(shipment_table.c.id).where(
                    shipment_table.c.organisation_id == caller.organisation_id,
                    shipment_table.c.reference == wanted,
                )
            )
        return ReferenceTaken("another shipment has this reference", existing_id=existing)


def _told_cancelled(brief: Brief, *, previous: str, at: datetime) -> NewMessage:
    bindings = {
        "shipment_id": brief.id,
        "reference": brief.reference,
        "site_id": brief.site_id,
        "study": brief.study,
        "product_id": brief.product_id,
    }
    return state_message("shipment.state_changed", bindings, state="cancelled", previous=previous, at=at)


async def locked(
    connection: AsyncConnection, plans: Plans, caller: Caller, shipment_id: str, action: str
) -> tuple[Brief, Shipment]:
    """Return a shipment that nobody else changes until the transaction ends.

    It is read again once it is locked: what another has just changed shows only to a new statement.

    Raises:
        UnknownShipment: there is none for this caller.
    """
    await shipments.briefs(connection, [shipment_id], for_update=True)
    found = await shipments.briefs(connection, [shipment_id])
    return _visible(caller, shipment_id, found, await plans.load(connection, found), action)


def _visible(
    caller: Caller, shipment_id: str, found: dict[str, Brief], plans: dict[str, Shipment], action: str
) -> tuple[Brief, Shipment]:
    brief = found.get(shipment_id)
    if brief is None or not may(caller, action, shipments.scope_of(brief, plans[shipment_id])):
        raise UnknownShipment("no such shipment")
    return brief, plans[shipment_id]
