"""Re-planning: a new version of the plan, the server's event `replanned`, its audit entry and the order to assess."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain import custody
from app.domain.access import Caller
from app.domain.replanning import Change, replanned
from app.domain.shipment import Dose, Leg, Package, Shipment
from app.errors import Conflict, FieldError, Forbidden
from app.models.replan import DosePatch, LegPatch, ShipmentPatch
from app.models.shipment import DoseCreate
from app.pipeline.plan import BadPlan, activity_faults, assignment, first_instant, leg_faults
from app.pipeline.register import locked
from app.pipeline.server_events import server_event
from app.store import audit, due, events, shipments
from app.store.db import Database
from app.store.shipments import Brief, Plans

ENDED = frozenset({"cancelled", "returned", "lost"})


class OtherVersion(Conflict):
    """The shipment has moved on since the version that the change was made for."""

    code = "other_version"


class Ended(Conflict):
    """The shipment was cancelled, returned or lost: there is nothing to plan any more."""

    code = "ended"


class AppointmentsOnly(Forbidden):
    """A site may move its appointments (`administer_at`), and nothing else of a plan."""

    code = "appointments_only"


class Replan:
    """Changes plans."""

    def __init__(self, db: Database, clock: Clock, plans: Plans) -> None:
        self._db, self._clock, self._plans = db, clock, plans

    async def change(self, caller: Caller, shipment_id: str, body: ShipmentPatch) -> tuple[Brief, Shipment]:
        """Put the next version of the plan in force.

        Raises:
            AppointmentsOnly: a site changes more than appointments.
            UnknownShipment: there is none for this caller.
            OtherVersion, Ended, LegDeparted, BadReplan, BadPlan: the change does not fit what is.
        """
        if caller.role == "site" and not body.moves_appointments_only():
            raise AppointmentsOnly("a site key may change `administer_at` only")
        at = self._clock.now()
        async with self._db.transaction() as connection:
            brief, plan = await locked(connection, self._plans, caller, shipment_id, "reschedule:dose")
            if body.expected_version not in {None, brief.version}:
                raise OtherVersion(f"the shipment is at version {brief.version}; read it again")
            lots = {dose.lot for dose in plan.doses if dose.lot}
            heard = await events.of_shipments(connection, {brief.id: lots}, [brief.organisation_id])
            journey = custody.fold(plan, heard[brief.id], at=at)
            if journey.state in ENDED:
                raise Ended(f"the shipment is {journey.state}: there is nothing to plan any more")
            changed = changed_plan(plan, journey, body, at=at)
            await self._store(connection, caller, plan, changed, body, at=at)
        async with self._db.reading() as connection:
            found = await shipments.briefs(connection, [shipment_id])
            return found[shipment_id], changed

    async def _store(
        self,
        connection: AsyncConnection,
        caller: Caller,
        old: Shipment,
        new: Shipment,
        body: ShipmentPatch,
        *,
        at: datetime,
    ) -> None:
        await shipments.insert_version(connection, new, known_from=at, first_instant_at=first_instant(new))
        names = sorted(body.model_fields_set & {"legs", "devices", "doses", "package"})
        details = {"plan_version": new.plan_version, "changed": names}
        row = server_event(caller, "replanned", new.id, reason=body.reason, at=at, details=details)
        await events.append(connection, [row])
        before, after = shipments.document(old), shipments.document(new)
        await audit.append(
            connection,
            organisation_id=caller.organisation_id,
            at=at,
            actor=caller.key_id,
            action="replan",
            object_kind="shipment",
            object_id=new.id,
            old={"plan_version": old.plan_version} | {name: before[name] for name in names},
            new={"plan_version": new.plan_version} | {name: after[name] for name in names},
            reason=body.reason,
        )
        await due.mark(connection, {new.id: at}, at=at)


def changed_plan(plan: Shipment, journey: custody.Journey, body: ShipmentPatch, *, at: datetime) -> Shipment:
    """Return the plan with the body's changes, judged whole.

    Raises:
        LegDeparted, BadReplan, BadPlan: the changes do not fit the shipment.
    """
    change = Change(
        legs=None if body.legs is None else tuple(leg_of(leg) for leg in body.legs),
        doses=None if body.doses is None else _doses(plan, body.doses),
        devices=None if body.devices is None else tuple(assignment(one) for one in body.devices),
        package=replace(plan.package or Package(), **changes)
        if (changes := body.package_changes())
        else None,
    )
    changed = replanned(plan, journey, change, at=at)
    if errors := tuple(_faults(changed, body)):
        raise BadPlan("the new plan does not hold together", errors=errors)
    return changed


def leg_of(leg: LegPatch) -> Leg:
    """Return the domain's leg; a new one has no number yet."""
    return Leg(**leg.model_dump() | {"number": leg.number or 0})


def _doses(plan: Shipment, patches: list[DosePatch]) -> tuple[Dose, ...]:
    """Return all doses, the named ones changed; one activity prescribed takes the place of a range."""
    wanted: dict[str, DosePatch] = {patch.reference: patch for patch in patches}
    known = {dose.reference for dose in plan.doses}
    errors = tuple(
        FieldError(f"/doses/{index}/reference", "the shipment has no such dose")
        for index, patch in enumerate(patches)
        if patch.reference not in known
    )
    if errors:
        raise BadPlan("the new plan names doses that are not there", errors=errors)
    return tuple(
        _changed(dose, wanted[dose.reference]) if dose.reference in wanted else dose for dose in plan.doses
    )


def _changed(dose: Dose, patch: DosePatch) -> Dose:
    changes: dict[str, Any] = dict(patch.changes())
    if changes.get("prescribed_activity_mbq") is not None:
        changes |= {"prescribed_min_mbq": None, "prescribed_max_mbq": None}
    return replace(dose, **changes)


def _faults(plan: Shipment, body: ShipmentPatch) -> Iterator[FieldError]:
    if body.legs is not None:
        kept = len(plan.legs) - len(body.legs)
        yield from leg_faults(plan.origin.code, plan.legs, plan.site.code, skip=kept)
    doses = {dose.reference: dose for dose in plan.doses}
    for index, patch in enumerate(body.doses or []):
        dose = doses[patch.reference]
        fields = {name: getattr(dose, name) for name in DoseCreate.model_fields}
        yield from activity_faults(fields, plan.product, f"/doses/{index}")
