"""What people do to alerts, each in one transaction: the change, its history, its audit entry, its message."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain import handling
from app.domain.access import Caller
from app.domain.status import instant_text
from app.errors import Conflict, FieldError, Invalid
from app.models.base import new_id
from app.pipeline import outbox
from app.pipeline.alerts import detail, visible
from app.pipeline.announcements import alert_message
from app.pipeline.outbox import NewMessage
from app.store import alerts, audit, due
from app.store.db import Database
from app.store.shipments import Plans
from app.store.tables import Record

WOKEN_AT_ONCE = 100


class NotClosable(Conflict):
    """No person may close an alert of this kind."""

    code = "not_closable"


class AlertOver(Conflict):
    """The alert is resolved: there is nothing to put off."""

    code = "alert_over"


class BadSnooze(Invalid):
    """An alert is put off until an instant that is still to come."""

    code = "bad_snooze"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an alert's life: its name, the columns it sets, and what was said."""

    change: str
    values: dict[str, Any]
    comment: str | None = None
    old: dict[str, Any] = field(default_factory=dict)


class Handling:
    """Acknowledges, assigns, snoozes, closes and wakes alerts; doing so again changes nothing."""

    def __init__(self, db: Database, clock: Clock, plans: Plans) -> None:
        self._db, self._clock, self._plans = db, clock, plans

    async def acknowledge(self, caller: Caller, alert_id: str, *, comment: str) -> dict[str, Any]:
        """Record that someone has seen it; it stays open until its cause ends. The first acknowledgement stands.

        Raises:
            UnknownAlert: there is none for this caller.
        """

        def step(row: Record, at: datetime) -> Step | None:
            at_site = caller.role == "site"
            if not handling.acknowledges(
                row.kind,
                acknowledged=row.acknowledged_at is not None,
                acknowledged_at_site=row.acknowledged_role == "site",
                at_site=at_site,
            ):
                return None
            seen = {"acknowledged_at": at, "acknowledged_by": caller.name, "acknowledged_role": caller.role}
            return Step("acknowledged", seen, comment)

        return await self._do(caller, alert_id, "acknowledge:alert", step)

    async def assign(self, caller: Caller, alert_id: str, *, to: str) -> dict[str, Any]:
        """Say who takes care of it.

        Raises:
            UnknownAlert: there is none for this caller.
        """

        def step(row: Record, _at: datetime) -> Step | None:
            if row.assigned_to == to:
                return None
            return Step("assigned", {"assigned_to": to}, f"to {to}", {"assigned_to": row.assigned_to})

        return await self._do(caller, alert_id, "assign:alert", step)

    async def snooze(self, caller: Caller, alert_id: str, *, until: datetime) -> dict[str, Any]:
        """Keep it quiet until `until`, save when it becomes critical.

        Raises:
            AlertOver: it is resolved.
            BadSnooze: `until` has passed.
            UnknownAlert: there is none for this caller.
        """

        def step(row: Record, at: datetime) -> Step | None:
            if row.snoozed_until == until:
                return None
            if until <= at:
                error = FieldError("/until", f"must lie after now, {instant_text(at)}")
                raise BadSnooze("an alert is put off until a time to come", errors=(error,))
            if row.state != "open":
                raise AlertOver("the alert is resolved; there is nothing to put off")
            comment = f"until {instant_text(until)}"
            return Step("snoozed", {"snoozed_until": until}, comment, {"snoozed_until": row.snoozed_until})

        return await self._do(caller, alert_id, "snooze:alert", step)

    async def resolve(self, caller: Caller, alert_id: str, *, comment: str) -> dict[str, Any]:
        """Close an alert of a kind that a person may close; it does not open again while its episode goes on.

        Raises:
            NotClosable: alerts of this kind end otherwise.
            UnknownAlert: there is none for this caller.
        """

        def step(row: Record, at: datetime) -> Step | None:
            words = handling.closed_as(row.kind)
            if words is None:
                raise NotClosable(
                    f"no person closes an alert of kind {row.kind}: {handling.ends_otherwise(row.kind)}"
                )
            if row.state != "open":
                return None
            closed = {
                "state": "resolved",
                "resolved_at": at,
                "resolved_by": caller.name,
                "ended_at": at,
                "closed_while_true": True,
                "snoozed_until": None,
            }
            return Step("resolved", closed, f"{words}: {comment}")

        return await self._do(caller, alert_id, "resolve:alert", step)

    async def wake_due(self) -> int:
        """Wake the alerts whose snooze has ended and tell how each stands; return how many there were."""
        at = self._clock.now()
        messages: dict[str, list[NewMessage]] = defaultdict(list)
        async with self._db.transaction() as connection:
            ids = await alerts.asleep(connection, until=at, limit=WOKEN_AT_ONCE)
            rows = (await alerts.read(connection, ids)).values()
            # In the assessor's order: both number the messages of a shipment under its lock.
            for row in sorted(rows, key=lambda one: str(one.shipment_id)):
                await alerts.update(connection, row.id, snoozed_until=None)
                woken = dict(row._mapping) | {"snoozed_until": None}
                # One that ended in its sleep has not been told as ended yet.
                change = "woken" if row.state == "open" else "resolved"
                if row.state == "open":
                    await self._remember(connection, woken, Step("woken", {}), actor=None, at=at)
                messages[row.organisation_id].append(alert_message(change, woken, at=at, usable_until=None))
            for organisation_id, told in messages.items():
                await self._tell(connection, organisation_id, told, at=at)
        return len(ids)

    async def _do(self, caller: Caller, alert_id: str, action: str, step: Any) -> dict[str, Any]:
        at = self._clock.now()
        async with self._db.transaction() as connection:
            row = await visible(connection, self._plans, caller, alert_id, action, for_update=True)
            done: Step | None = step(row, at)
            if done is not None:
                await self._record(connection, caller, row, done, at=at)
                row = (await alerts.read(connection, [alert_id]))[alert_id]
            return await detail(connection, row)

    async def _record(
        self, connection: AsyncConnection, caller: Caller, row: Record, done: Step, *, at: datetime
    ) -> None:
        await alerts.update(connection, row.id, **done.values)
        changed = dict(row._mapping) | done.values
        await self._remember(connection, changed, done, actor=caller.name, at=at)
        snoozed = done.change != "resolved" and handling.is_snoozed(row.snoozed_until, at=at)
        if handling.is_told(done.change, row.severity, snoozed=snoozed):
            news = alert_message(done.change, changed, at=at, usable_until=None)
            await self._tell(connection, row.organisation_id, [news], at=at)
        await audit.append(
            connection,
            organisation_id=caller.organisation_id,
            at=at,
            actor=caller.key_id,
            action=f"alert_{done.change}",
            object_kind="alert",
            object_id=row.id,
            old=_plain(done.old),
            new=_plain(done.values),
            reason=done.comment,
        )
        if done.change == "resolved":
            await due.mark(connection, {row.shipment_id: None}, at=at)

    async def _remember(
        self, connection: AsyncConnection, row: dict[str, Any], done: Step, *, actor: str | None, at: datetime
    ) -> None:
        step = {
            "id": new_id(),
            "alert_id": row["id"],
            "at": at,
            "change": done.change,
            "severity": row["severity"],
            "actor": actor,
            "comment": done.comment,
            "evidence": {},
        }
        await alerts.record(connection, [step])

    async def _tell(
        self,
        connection: AsyncConnection,
        organisation_id: str,
        messages: Sequence[NewMessage],
        *,
        at: datetime,
    ) -> None:
        await outbox.enqueue(
            connection,
            organisation_id=organisation_id,
            messages=messages,
            at=at,
            wall_at=self._clock.wall(),
        )


def _plain(values: dict[str, Any]) -> dict[str, Any] | None:
    """Return columns as JSON values; None when there are none."""
    told = {
        name: instant_text(value) if isinstance(value, datetime) else value for name, value in values.items()
    }
    return told or None
