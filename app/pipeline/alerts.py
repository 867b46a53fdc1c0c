"""Alerts as people see them: one by one with its history, and in lists."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.access import Caller, ShipmentScope, may
from app.errors import NotFound
from app.pipeline.announcements import alert_body
from app.store import alerts, shipments
from app.store.alerts import Sort
from app.store.db import Database
from app.store.shipments import Plans
from app.store.tables import Record

SortKey = tuple[datetime | None, str]
"""A sort's value and the id: where a list stands."""


class UnknownAlert(NotFound):
    """No such alert, or not on a shipment of the caller's."""

    code = "unknown_alert"


class Alerts:
    """Reads alerts."""

    def __init__(self, db: Database, plans: Plans) -> None:
        self._db, self._plans = db, plans

    async def read(self, caller: Caller, alert_id: str) -> dict[str, Any]:
        """Return an alert with its history.

        Raises:
            UnknownAlert: there is none for this caller.
        """
        async with self._db.reading() as connection:
            row = await visible(connection, self._plans, caller, alert_id, "read:alerts")
            return await detail(connection, row)

    async def page(
        self,
        caller: Caller,
        *,
        filters: Sequence[sa.ColumnElement[bool]],
        sort: Sort,
        after: SortKey | None,
        limit: int,
    ) -> list[tuple[dict[str, Any], SortKey]]:
        """Return alerts of the caller's shipments, each with its sort key."""
        async with self._db.reading() as connection:
            rows = await alerts.page(
                connection,
                caller.organisation_id,
                filters=[*filters, *shipments.seen_by(caller)],
                sort=sort,
                after=after,
                limit=limit,
            )
        column = sort.removeprefix("-")
        return [(alert_body(row._mapping), (row._mapping[column], row.id)) for row in rows]


async def visible(
    connection: AsyncConnection,
    plans: Plans,
    caller: Caller,
    alert_id: str,
    action: str,
    *,
    for_update: bool = False,
) -> Record:
    """Return an alert to which the caller may do this.

    Locked, its shipment is locked first, in the assessor's order: the two never wait for each other in a ring.

    Raises:
        UnknownAlert: there is none for this caller.
    """
    row = (await alerts.read(connection, [alert_id])).get(alert_id)
    if row is None:
        raise UnknownAlert("no such alert")
    found = await shipments.briefs(connection, [row.shipment_id], for_update=for_update)
    plan = (await plans.load(connection, found))[row.shipment_id]
    scope: ShipmentScope = shipments.scope_of(found[row.shipment_id], plan)
    if not may(caller, action, scope):
        raise UnknownAlert("no such alert")
    return (await alerts.read(connection, [alert_id], for_update=True))[alert_id] if for_update else row


async def detail(connection: AsyncConnection, row: Record) -> dict[str, Any]:
    """Return an alert as the contract has it, with its history."""
    steps = await alerts.history(connection, row.id)
    names = ("at", "change", "severity", "actor", "comment", "evidence")
    return alert_body(row._mapping) | {
        "history": [{name: getattr(step, name) for name in names} for step in steps]
    }
