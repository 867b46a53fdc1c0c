"""Writing events down once: known already, or judged, appended, and their shipments marked due. One commit for many."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain.access import Caller, CorrectionScope, OrganisationScope, may
from app.domain.custody import fold
from app.domain.observation import Event, Location
from app.domain.placement import candidates, needs_leg
from app.domain.shipment import Shipment
from app.domain.status import instant_text
from app.errors import Conflict, DosetrailError
from app.models.base import new_id
from app.models.event import EventCreate, LocationShape
from app.pipeline.corrections import check_replacement
from app.pipeline.fitting import bad_event, check_fit
from app.pipeline.register import UnknownShipment
from app.store import audit, due, events, shipments
from app.store.db import Database
from app.store.events import SenderKey
from app.store.shipments import Brief, Named, Plans

SKEW_MATTERS = timedelta(seconds=60)
FUTURE_MAX = timedelta(hours=24)
PAST_MAX = timedelta(days=30)
_CONTENT = tuple(EventCreate.model_fields.keys() - {"sent_at", "location"})


class EventConflict(Conflict):
    """The same source and event_id came before with other content."""

    code = "event_conflict"


class Receipt(TypedDict):
    """What became of an event, as `EventReceipt` has it on the wire."""

    id: str
    event_id: str
    shipment_id: str | None
    duplicate: bool
    received_at: str
    late: bool
    placed: bool


@dataclass(frozen=True, slots=True)
class Submission:
    """One event, who sends it, and when we heard it; `occurred_text` is the time in the sender's own writing."""

    caller: Caller
    event: EventCreate
    occurred_text: str
    received_at: datetime

    @property
    def key(self) -> SenderKey:
        """What the event is known by for ever."""
        return self.caller.organisation_id, self.caller.source, self.event.event_id

    @property
    def name(self) -> Named | None:
        """How it names its shipment; None when it names a lot."""
        for kind in ("shipment_id", "reference", "waybill", "package_code"):
            value = getattr(self.event, kind)
            if value is not None:
                return self.caller.organisation_id, kind, value
        return None

    def digest(self) -> str:
        """Return the fingerprint of the canonical content: parsed values, sorted keys, without `sent_at`."""
        said = self.event
        content = {name: value for name in _CONTENT if (value := getattr(said, name)) is not None}
        if said.location is not None:
            content["location"] = _place(said.location)
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


Result = Receipt | DosetrailError


@dataclass(slots=True)
class _Batch:
    """What one commit works with, and what it will write."""

    connection: AsyncConnection
    found: dict[Named, tuple[str, ...]]
    briefs: dict[str, Brief]
    plans: dict[str, Shipment]
    latest: dict[str, datetime | None]
    rows: dict[SenderKey, dict[str, Any]]


class Ingest:
    """The writer behind the intake."""

    def __init__(self, db: Database, clock: Clock, plans: Plans) -> None:
        self._db, self._clock, self._plans = db, clock, plans

    async def write(
        self, connection: AsyncConnection, submissions: Sequence[Submission]
    ) -> list[Receipt | DosetrailError]:
        """Write what is new and return each submission's receipt, or the error that answers it."""
        known = await events.known(connection, [one.key for one in submissions])
        batch = await self._gather(connection, [one for one in submissions if one.key not in known])
        results: list[Result] = []
        for one in submissions:
            stored = known[one.key]._mapping if one.key in known else batch.rows.get(one.key)
            try:
                results.append(await self._new(batch, one) if stored is None else _again(one, stored))
            except DosetrailError as error:
                results.append(error)
        await self._append(batch)
        return results

    async def _gather(self, connection: AsyncConnection, new: Sequence[Submission]) -> _Batch:
        names = {one.name for one in new if one.name}
        by_id = {name: _ids(name[2]) for name in names if name[1] == "shipment_id"}
        found = by_id | await shipments.find(connection, names - by_id.keys())
        ids = {shipment_id for several in found.values() for shipment_id in several}
        briefs = await shipments.briefs(connection, ids, for_update=True) if ids else {}
        plans = await self._plans.load(connection, briefs)
        return _Batch(connection, found, briefs, plans, {}, {})

    async def _new(self, batch: _Batch, one: Submission) -> Receipt:
        if one.name is None:
            return await self._about_lot(batch, one)
        brief, plan = _visible(batch, one)
        await self._check_correction(batch, one, brief, plan)
        check_fit(one.event, plan)
        effective_at, suspect = _effective(one, brief)
        id_, latest_at = new_id(), batch.latest.get(brief.id) or brief.latest_event_at
        row = _row(one, id_, effective_at, shipment_id=brief.id) | {
            "clock_suspect": suspect,
            "late": latest_at is not None and latest_at > effective_at,
            "placed": await self._is_placed(batch, plan, one, id_, effective_at),
        }
        batch.rows[one.key] = row
        batch.latest[brief.id] = max(latest_at or effective_at, effective_at)
        return _receipt(row, duplicate=False)

    async def _about_lot(self, batch: _Batch, one: Submission) -> Receipt:
        organisation_id, lot = one.caller.organisation_id, one.event.lot or ""
        holders = await shipments.ids_with_tag(batch.connection, organisation_id, "lot", [lot])
        scope = OrganisationScope(organisation_id=organisation_id)
        if not holders or not may(one.caller, f"event:{one.event.type}", scope):
            raise UnknownShipment("no shipment holds this lot")
        if one.event.occurred_at > one.received_at + FUTURE_MAX:
            raise bad_event("/occurred_at", "lies more than 24 hours in the future")
        effective_at = min(one.event.occurred_at, one.received_at)
        row = _row(one, new_id(), effective_at, shipment_id=None) | {
            "clock_suspect": False,
            "late": False,
            "placed": True,
        }
        batch.rows[one.key] = row
        batch.latest |= {holder: batch.latest.get(holder) for holder in holders}
        return _receipt(row, duplicate=False)

    async def _check_correction(self, batch: _Batch, one: Submission, brief: Brief, plan: Shipment) -> None:
        """Let nobody void, by way of a correction, what they could not have written."""
        if one.event.type != "correction":
            return
        target = one.event.details["corrects"]
        own = (one.caller.organisation_id, one.caller.source, target)
        lots = {dose.lot for dose in plan.doses if dose.lot}
        stored = await events.of_shipments(batch.connection, {brief.id: lots}, [brief.organisation_id])
        match = next(
            (e for e in stored[brief.id] if target == e.id or (own[1], own[2]) == (e.source, e.event_id)),
            None,
        )
        scope = CorrectionScope(
            shipment=shipments.scope_of(brief, plan),
            event_source=match.source if match else None,
            event_type=match.type if match else None,
        )
        if not may(one.caller, "event:correction", scope):
            raise bad_event("/details/corrects", "names an event that this key may not correct")
        check_replacement(one.event.details.get("replacement"), plan, match, role=one.caller.role)

    async def _is_placed(
        self, batch: _Batch, plan: Shipment, one: Submission, id_: str, effective_at: datetime
    ) -> bool:
        """Say whether the event has its leg; only where several fit do the others have to be read."""
        if not needs_leg(one.event.type) or one.event.leg is not None:
            return True
        event = _event(one, id_, effective_at)
        fits = candidates(event, plan.legs)
        if len(fits) < 2 and not plan.former:
            return len(fits) == 1
        stored = await events.of_shipments(batch.connection, {plan.id: ()}, ())
        journey = fold(plan, (*stored[plan.id], event), at=max(event.effective_at, event.received_at))
        return all(one.id != event.id for one in journey.unplaced)

    async def _append(self, batch: _Batch) -> None:
        rows = list(batch.rows.values())
        await events.append(batch.connection, rows)
        await shipments.add_tags(batch.connection, [tag for row in rows for tag in _device_tags(row)])
        await audit.append_all(batch.connection, [_audit(row) for row in rows])
        await due.mark(batch.connection, batch.latest, at=self._clock.now())


def _again(one: Submission, stored: Any) -> Receipt:
    """Answer what was written before: with the first answer, or a conflict."""
    if stored["digest"] != one.digest():
        raise EventConflict(
            "this source has sent another event under the same event_id; give the new one its own",
            existing_id=stored["id"],
        )
    return _receipt(stored, duplicate=True)


def _ids(text: str) -> tuple[str, ...]:
    """Return the id that a text is, if it is one."""
    try:
        return (str(UUID(text)),)
    except ValueError:
        return ()


def _visible(batch: _Batch, one: Submission) -> tuple[Brief, Shipment]:
    name = one.name or ("", "", "")
    action = f"event:{one.event.type}"
    ids = batch.found.get(name, ())
    seen = [
        (batch.briefs[shipment_id], batch.plans[shipment_id])
        for shipment_id in ids
        if shipment_id in batch.briefs
        and may(one.caller, action, shipments.scope_of(batch.briefs[shipment_id], batch.plans[shipment_id]))
    ]
    if not seen:
        raise UnknownShipment("no such shipment")
    if len(seen) > 1:
        raise bad_event(
            f"/{name[1]}", "several shipments bear this; name the one by shipment_id or reference"
        )
    return seen[0]


def _effective(one: Submission, brief: Brief) -> tuple[datetime, bool]:
    """Return when it happened by our clock, and whether the sender's clock is under suspicion."""
    occurred_at = one.event.occurred_at
    if one.event.sent_at is not None:
        skew = one.event.sent_at - one.received_at
        occurred_at -= skew if abs(skew) > SKEW_MATTERS else timedelta(0)
    if occurred_at < brief.first_instant_at - PAST_MAX:
        raise bad_event("/occurred_at", "lies more than 30 days before the shipment's first planned instant")
    if occurred_at > one.received_at + FUTURE_MAX:
        raise bad_event(
            "/occurred_at", "lies more than 24 hours in the future; check the device's clock, or send sent_at"
        )
    return min(occurred_at, one.received_at), occurred_at > one.received_at


def _event(one: Submission, id_: str, effective_at: datetime) -> Event:
    said = one.event
    return Event(
        id=id_,
        event_id=said.event_id,
        source=one.caller.source,
        type=said.type,
        occurred_at=said.occurred_at,
        effective_at=effective_at,
        received_at=one.received_at,
        leg=said.leg,
        dose=said.dose,
        lot=said.lot,
        carrier=one.caller.carrier,
        location=Location(**_place(said.location)) if said.location else None,
        reason=said.reason,
        details=said.details,
    )


def _row(one: Submission, id_: str, effective_at: datetime, *, shipment_id: str | None) -> dict[str, Any]:
    said, caller = one.event, one.caller
    return {
        "id": id_,
        "organisation_id": caller.organisation_id,
        "shipment_id": shipment_id,
        "lot": said.lot,
        "source": caller.source,
        "event_id": said.event_id,
        "digest": one.digest(),
        "type": said.type,
        "occurred_at": said.occurred_at,
        "occurred_text": one.occurred_text,
        "sent_at": said.sent_at,
        "effective_at": effective_at,
        "received_at": one.received_at,
        "leg": said.leg,
        "dose": said.dose,
        "carrier": caller.carrier,
        "location": _place(said.location) if said.location else None,
        "reason": said.reason,
        "details": said.details,
        "actor": caller.key_id,
    }


def _device_tags(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return by which devices the shipment can be found from now on, so that their readings find it."""
    details = (row["details"].get("replacement") or {}).get("details") or row["details"]
    if row["shipment_id"] is None or "device_id" not in details:
        return []
    return [
        {
            "organisation_id": row["organisation_id"],
            "kind": "device",
            "value": details["device_id"],
            "shipment_id": row["shipment_id"],
        }
    ]


def _place(location: LocationShape) -> dict[str, Any]:
    return {"code": location.code, "lat": location.lat, "lon": location.lon}


def _audit(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": new_id(),
        "organisation_id": row["organisation_id"],
        "at": row["received_at"],
        "actor": row["actor"],
        "action": f"event:{row['type']}",
        "object_kind": "shipment" if row["shipment_id"] else "lot",
        "object_id": row["shipment_id"] or row["lot"],
        "old": None,
        "new": {
            "id": row["id"],
            "event_id": row["event_id"],
            "source": row["source"],
            "digest": row["digest"],
        },
        "reason": row["reason"],
    }


def _receipt(row: Any, *, duplicate: bool) -> Receipt:
    return Receipt(
        id=row["id"],
        event_id=row["event_id"],
        shipment_id=row["shipment_id"],
        duplicate=duplicate,
        received_at=instant_text(row["received_at"]),
        late=row["late"],
        placed=row["placed"],
    )
