"""Questions about a shipment that change nothing: what if its plan were another, and how its doses decay."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain import custody
from app.domain.access import Caller, hidden_fields, may
from app.domain.alerts import AlertKey, OpenAlert
from app.domain.assessment import Assessment, Snapshot, assess
from app.domain.curves import Curve, curves, instants_of, span_of
from app.domain.shipment import Shipment
from app.domain.status import status_document, stored_view, without_fields
from app.errors import FieldError, Invalid
from app.models.activity import ActivityRead
from app.models.replan import DosePatch, ShipmentPatch, WhatIf
from app.pipeline import snapshots
from app.pipeline.register import UnknownShipment
from app.pipeline.replan import changed_plan
from app.store import shipments
from app.store.db import Database
from app.store.shipments import Plans

HYPOTHETICAL = "hypothetical"


class BadSpan(Invalid):
    """A span ends before it begins."""

    code = "bad_span"


class Questions:
    """Answers from the same snapshot and domain as everything else, and writes nothing."""

    def __init__(self, db: Database, clock: Clock, plans: Plans) -> None:
        self._db, self._clock, self._plans = db, clock, plans

    async def what_if(self, caller: Caller, shipment_id: str, body: WhatIf) -> dict[str, Any]:
        """Return the status that the shipment would have now under another plan.

        Raises:
            UnknownShipment: there is none for this caller.
            LegDeparted, BadReplan, BadPlan: no such re-planning could be made.
        """
        at = self._clock.now()
        async with self._db.reading() as connection:
            await self._visible(connection, caller, shipment_id)
            snapshot = (await snapshots.load(connection, self._plans, [shipment_id], at=at))[shipment_id]
        journey = custody.fold(snapshot.shipment, snapshot.events, at=at)
        plan = changed_plan(snapshot.shipment, journey, _as_patch(body, snapshot.shipment), at=at)
        supposed = replace(snapshot, shipment=plan)
        assessment = assess(supposed, at=at, known_at=at)
        told = _document(assessment, supposed, at=at)
        return dict(without_fields(told, hidden_fields(caller.role)))

    async def activity(
        self,
        caller: Caller,
        shipment_id: str,
        *,
        begins_at: datetime | None,
        ends_at: datetime | None,
        points: int,
    ) -> dict[str, Any]:
        """Return the decay curve of each dose; without ends, over all that the plan names.

        Raises:
            UnknownShipment: there is none for this caller.
            BadSpan: it ends before it begins.
        """
        async with self._db.reading() as connection:
            plan = await self._visible(connection, caller, shipment_id)
        first_at, last_at = span_of(plan)
        begins_at = begins_at or (first_at if ends_at is None else min(first_at, ends_at))
        ends_at = ends_at or max(last_at, begins_at)
        if ends_at < begins_at:
            raise BadSpan("the span is empty", errors=(FieldError("?until", "must not lie before `from`"),))
        instants = instants_of(begins_at, ends_at, points=points)
        body = {
            "shipment_id": plan.id,
            "reference": plan.reference,
            "doses": [_curve(one, plan, instants) for one in curves(plan, instants)],
        }
        told = ActivityRead.model_validate(body).model_dump(mode="json")
        return dict(without_fields(told, hidden_fields(caller.role)))

    async def _visible(self, connection: AsyncConnection, caller: Caller, shipment_id: str) -> Shipment:
        found = await shipments.briefs(connection, [shipment_id])
        plans = await self._plans.load(connection, found)
        brief = found.get(shipment_id)
        if brief is None or not may(caller, "read:shipment", shipments.scope_of(brief, plans[shipment_id])):
            raise UnknownShipment("no such shipment")
        return plans[shipment_id]


def _as_patch(body: WhatIf, plan: Shipment) -> ShipmentPatch:
    """Return the re-planning that would make it so: an appointment or a prescription is every dose's."""
    changes = body.model_dump(include={"administer_at", "prescribed_activity_mbq"}, exclude_unset=True)
    doses = [DosePatch(reference=dose.reference, **changes) for dose in plan.doses] if changes else None
    return ShipmentPatch(reason="what if", legs=body.legs, doses=doses)


def _document(assessment: Assessment, supposed: Snapshot, *, at: datetime) -> dict[str, Any]:
    """Return the status with the alerts that would stand; those that would be new have no id."""
    standing: dict[AlertKey, OpenAlert] = {alert.key: alert for alert in supposed.open_alerts}
    for change in assessment.changes:
        key = (change.kind, change.subject)
        if change.action == "resolved":
            standing.pop(key, None)
        else:
            standing[key] = OpenAlert(
                id=change.alert_id or HYPOTHETICAL,
                kind=change.kind,
                subject=change.subject,
                severity=change.severity,
                since=change.since,
            )
    document = status_document(assessment, supposed, at=at, open_alerts=standing.values())
    told: dict[str, Any] = stored_view(document, supposed.shipment, assessment)["document"]
    for alert in told["open_alerts"]:
        alert["id"] = None if alert["id"] == HYPOTHETICAL else alert["id"]
    return told


def _curve(curve: Curve, plan: Shipment, instants: tuple[datetime, ...]) -> dict[str, Any]:
    bounds = {"min": curve.floor_mbq, "max": curve.ceiling_mbq}
    return {
        "dose_id": curve.dose.id,
        "reference": curve.dose.reference,
        "nuclide": plan.product.nuclide,
        "half_life_s": curve.half_life_s,
        "half_life_source": curve.half_life_source,
        "usable_from": curve.usable_from,
        "usable_until": curve.usable_until,
        "prescribed_range_mbq": None if curve.floor_mbq is None else bounds,
        "points": [
            {"at": at, "activity_mbq": activity_mbq}
            for at, activity_mbq in zip(instants, curve.activities_mbq, strict=True)
        ],
    }
