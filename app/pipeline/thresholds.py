"""A shipment's own thresholds: a new version of its plan, with a reason."""

from collections.abc import Mapping
from dataclasses import replace

from app.clock import Clock
from app.domain.access import Caller
from app.domain.ruling import thresholds_of
from app.domain.shipment import Shipment
from app.domain.thresholds import threshold_faults
from app.errors import FieldError, Invalid
from app.models.thresholds import ShipmentThresholds, ThresholdsRead
from app.pipeline.plan import first_instant
from app.pipeline.register import locked
from app.pipeline.server_events import server_event
from app.store import audit, due, events, shipments
from app.store.db import Database
from app.store.shipments import Plans

SHOWN = 80


class BadThresholds(Invalid):
    """A threshold is none that any rule reads, or out of its range."""

    code = "bad_thresholds"


class OwnThresholds:
    """Sets what makes one shipment's alerts fire."""

    def __init__(self, db: Database, clock: Clock, plans: Plans) -> None:
        self._db, self._clock, self._plans = db, clock, plans

    async def put(self, caller: Caller, shipment_id: str, body: ShipmentThresholds) -> ThresholdsRead:
        """Set the shipment's own thresholds in place of those it had; the same again changes nothing.

        Raises:
            BadThresholds: one is unknown or out of range.
            UnknownShipment: there is none for this caller.
        """
        check_thresholds(body.thresholds)
        at = self._clock.now()
        async with self._db.transaction() as connection:
            _, old = await locked(connection, self._plans, caller, shipment_id, "write:shipment")
            if old.thresholds == body.thresholds:
                return thresholds_read(old)
            new = replace(old, thresholds=dict(body.thresholds), plan_version=old.plan_version + 1)
            await shipments.insert_version(
                connection, new, known_from=at, first_instant_at=first_instant(new)
            )
            details = {"plan_version": new.plan_version, "changed": ["thresholds"]}
            row = server_event(caller, "replanned", new.id, reason=body.reason, at=at, details=details)
            await events.append(connection, [row])
            await audit.append(
                connection,
                organisation_id=caller.organisation_id,
                at=at,
                actor=caller.key_id,
                action="set_thresholds",
                object_kind="shipment",
                object_id=new.id,
                old={"plan_version": old.plan_version, "thresholds": old.thresholds},
                new={"plan_version": new.plan_version, "thresholds": new.thresholds},
                reason=body.reason,
            )
            await due.mark(connection, {new.id: at}, at=at)
        return thresholds_read(new)


def check_thresholds(thresholds: Mapping[str, float]) -> None:
    """Let thresholds pass that rules read, within their ranges.

    Raises:
        BadThresholds: one is unknown or out of range.
    """
    errors = tuple(FieldError(_pointer(name), detail) for name, detail in threshold_faults(thresholds))
    if errors:
        raise BadThresholds("thresholds are named and bounded; each error says what is wrong", errors=errors)


def thresholds_read(plan: Shipment) -> ThresholdsRead:
    """Return what counts for a shipment."""
    return ThresholdsRead(
        shipment_id=plan.id,
        plan_version=plan.plan_version,
        thresholds=thresholds_of(plan),
        own=plan.thresholds,
    )


def _pointer(name: str) -> str:
    # A key the sender made up is not ours to repeat without limit, nor with what no text may hold.
    escaped = name.replace("~", "~0").replace("/", "~1")
    return f"/thresholds/{escaped.encode('ascii', 'replace').decode()[:SHOWN]}"
