"""Registering shipments and cancelling them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain import custody
from app.domain.access import Caller, may
from app.domain.shipment import (
    DeviceAssignment,
    Dose,
    Leg,
    Package,
    Place,
    Product,
    Shipment,
    Site,
)
from app.domain.units import unit_slip
from app.errors import Conflict, FieldError, Invalid, NotFound
from app.models.base import new_id
from app.models.shipment import DeviceCreate, LegCreate, ShipmentCreate
from app.pipeline import outbox
from app.pipeline.announcements import state_message
from app.pipeline.outbox import NewMessage
from app.pipeline.server_events import server_event
from app.store import audit, due, events, reference, shipments
from app.store.db import Database
from app.store.shipments import Brief, Plans
from app.store.tables import shipment as shipment_table

OVER = frozenset({"delivered", "received", "returned", "lost", "cancelled"})


class BadPlan(Invalid):
    """The plan contradicts itself or its product."""

    code = "bad_plan"


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
                plan = _plan(caller, body, product, site, at=at)
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


def faults(body: ShipmentCreate, product: Product, site: Site) -> Iterator[FieldError]:
    """Yield everything wrong with a plan that no single field shows."""
    yield from leg_faults(body.origin.code, body.legs, site.code)
    for index, dose in enumerate(body.doses):
        pointer = f"/doses/{index}"
        if sum(other.reference == dose.reference for other in body.doses) > 1:
            yield FieldError(f"{pointer}/reference", "another dose of the shipment has this reference")
        yield from activity_faults(dose.model_dump(), product, pointer)


def leg_faults(
    starts_at: str, legs: Sequence[LegCreate | Leg], ends_at: str, *, skip: int = 0
) -> Iterator[FieldError]:
    """Yield what keeps the legs from being one way forward in time; the first `skip` are settled and not blamed."""
    expected = starts_at
    earliest: datetime | None = None
    for index, leg in enumerate(legs):
        pointer = f"/legs/{index - skip}"
        if index >= skip:
            if leg.origin != expected:
                yield FieldError(f"{pointer}/origin", "legs must join: begin where the previous one ends")
            if leg.planned_arrival_at <= leg.planned_departure_at:
                yield FieldError(
                    f"{pointer}/planned_arrival_at", "must lie after the leg's planned departure"
                )
            if earliest is not None and leg.planned_departure_at < earliest:
                yield FieldError(
                    f"{pointer}/planned_departure_at", "must not lie before the previous leg's arrival"
                )
        expected, earliest = leg.destination, leg.planned_arrival_at
    if expected != ends_at:
        detail = "the last leg must end at the site's code"
        yield FieldError(f"/legs/{len(legs) - 1 - skip}/destination", detail)


def activity_faults(dose: Mapping[str, Any], product: Product, pointer: str) -> Iterator[FieldError]:
    """Yield what is wrong with a dose's activities for this product."""
    names = [
        "calibrated_activity_mbq", "prescribed_activity_mbq", "prescribed_min_mbq", "prescribed_max_mbq",
    ]  # fmt: skip
    if product.form == "kit":
        for name in names:
            if dose[name] is not None:
                yield FieldError(f"{pointer}/{name}", "a kit holds no activity; leave this out")
        return
    for name in ("calibrated_activity_mbq", "calibrated_at"):
        if dose[name] is None:
            yield FieldError(f"{pointer}/{name}", "required: this product has a nuclide that decays")
    if product.usual_activity_min_mbq is None or product.usual_activity_max_mbq is None:
        return
    # What is taken from a vial or an eluate is a part of it, and may be smaller than any slip of units.
    whole = product.form == "unit_dose"
    for name in names if whole else names[:1]:
        if dose[name] is not None:
            slip = unit_slip(
                dose[name],
                usual_min_mbq=product.usual_activity_min_mbq,
                usual_max_mbq=product.usual_activity_max_mbq,
            )
            if slip:
                yield FieldError(f"{pointer}/{name}", slip)


def _plan(caller: Caller, body: ShipmentCreate, product: Product, site: Site, *, at: datetime) -> Shipment:
    return Shipment(
        id=new_id(),
        organisation_id=caller.organisation_id,
        reference=body.reference,
        study=body.study,
        consignment=body.consignment,
        plan_version=1,
        registered_at=at,
        product=product,
        site=site,
        origin=Place(**body.origin.model_dump()),
        package=Package(**body.package.model_dump()) if body.package else None,
        doses=tuple(Dose(id=new_id(), **dose.model_dump()) for dose in body.doses),
        legs=tuple(Leg(number=number, **leg.model_dump()) for number, leg in enumerate(body.legs, start=1)),
        devices=tuple(assignment(device) for device in body.devices),
    )


def assignment(device: DeviceCreate) -> DeviceAssignment:
    """Return the domain's assignment; a sensor that does not say otherwise reports as often as it measures."""
    fields = device.model_dump(by_alias=False)
    return DeviceAssignment(
        **fields | {"report_interval_s": fields["report_interval_s"] or fields["interval_s"]}
    )


def first_instant(plan: Shipment) -> datetime:
    """Return the first thing that the plan knows of: a departure or a calibration."""
    calibrations = [dose.calibrated_at for dose in plan.doses if dose.calibrated_at is not None]
    return min([plan.legs[0].planned_departure_at, *calibrations])


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
