"""What people do to alerts: reading them, and saying that they have seen them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain.access import Caller, ShipmentScope, may
from app.errors import NotFound
from app.models.base import new_id
from app.pipeline import outbox
from app.pipeline.announcements import alert_body, alert_message
from app.store import alerts, audit, shipments
from app.store.db import Database
from app.store.shipments import Plans
from app.store.tables import Record


class UnknownAlert(NotFound):
    """No such alert, or not on a shipment of the caller's."""

    code = "unknown_alert"


class Alerts:
    """Alerts as people see them."""

    def __init__(self, db: Database, clock: Clock, plans: Plans) -> None:
        self._db, self._clock, self._plans = db, clock, plans

    async def read(self, caller: Caller, alert_id: str) -> dict[str, Any]:
        """Return an alert with its history.

        Raises:
            UnknownAlert: there is none for this caller.
        """
        async with self._db.reading() as connection:
            row = await self._visible(connection, caller, alert_id, "read:alerts")
            return await self._detail(connection, row._mapping)

    async def acknowledge(self, caller: Caller, alert_id: str, *, comment: str) -> dict[str, Any]:
        """Record that someone has seen it; it stays open until its cause ends. The first acknowledgement stands.

        Raises:
            UnknownAlert: there is none for this caller.
        """
        at = self._clock.now()
        async with self._db.transaction() as connection:
            row = await self._visible(connection, caller, alert_id, "acknowledge:alert")
            if row.acknowledged_at is None:
                seen = {"acknowledged_at": at, "acknowledged_by": caller.name}
                await alerts.update(connection, alert_id, **seen)
                await self._record(connection, caller, dict(row._mapping) | seen, comment=comment)
            row = (await alerts.read(connection, [alert_id]))[alert_id]
            return await self._detail(connection, row._mapping)

    async def _record(
        self, connection: AsyncConnection, caller: Caller, row: dict[str, Any], *, comment: str
    ) -> None:
        at = row["acknowledged_at"]
        step = {
            "id": new_id(),
            "alert_id": row["id"],
            "at": at,
            "change": "acknowledged",
            "severity": row["severity"],
            "actor": caller.name,
            "comment": comment,
            "evidence": {},
        }
        await alerts.record(connection, [step])
        await outbox.enqueue(
            connection,
            organisation_id=caller.organisation_id,
            messages=[alert_message("acknowledged", row, at=at, usable_until=None)],
            at=at,
            wall_at=self._clock.wall(),
        )
        await audit.append(
            connection,
            organisation_id=caller.organisation_id,
            at=at,
            actor=caller.key_id,
            action="acknowledge",
            object_kind="alert",
            object_id=row["id"],
            reason=comment,
        )

    async def _visible(
        self, connection: AsyncConnection, caller: Caller, alert_id: str, action: str
    ) -> Record:
        row = (await alerts.read(connection, [alert_id])).get(alert_id)
        if row is None:
            raise UnknownAlert("no such alert")
        found = await shipments.briefs(connection, [row.shipment_id])
        plan = (await self._plans.load(connection, found))[row.shipment_id]
        scope: ShipmentScope = shipments.scope_of(found[row.shipment_id], plan)
        if not may(caller, action, scope):
            raise UnknownAlert("no such alert")
        return row

    async def _detail(self, connection: AsyncConnection, row: Mapping[Any, Any]) -> dict[str, Any]:
        steps = await alerts.history(connection, row["id"])
        names = ("at", "change", "severity", "actor", "comment")
        return alert_body(row) | {
            "history": [{name: getattr(step, name) for name in names} for step in steps]
        }
