"""The view of the night: open alerts by cause, with what hangs on each and whom to call."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, astuple
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain.access import Caller
from app.domain.alerts import Cause
from app.domain.shipment import Shipment, Site
from app.domain.site_time import site_text
from app.domain.triage import CauseLine, Stake, cause_lines
from app.models.alert import CauseRead
from app.store import alerts, reference, shipments
from app.store.alerts import Sort
from app.store.db import Database
from app.store.shipments import Plans

LOADED_AT_ONCE = 200
NAMED_AT_MOST = 100
"""How many shipments a line names; `shipments` counts all of them."""

LineKey = tuple[bool, float, str]
"""Where a line stands in its sort: without an instant last, then the instant, then the cause."""


class Triage:
    """Groups alerts by cause."""

    def __init__(self, db: Database, clock: Clock, plans: Plans) -> None:
        self._db, self._clock, self._plans = db, clock, plans

    async def page(
        self,
        caller: Caller,
        *,
        filters: Sequence[sa.ColumnElement[bool]],
        sort: Sort,
        after: LineKey | None,
        limit: int,
    ) -> list[tuple[dict[str, Any], LineKey]]:
        """Return the causes of the caller's alerts, each with its sort key."""
        at = self._clock.now()
        async with self._db.reading() as connection:
            rows = await alerts.stakes(
                connection, caller.organisation_id, filters=[*filters, *shipments.seen_by(caller)]
            )
            plans = await self._load(connection, {row.shipment_id for row in rows})
            lines = cause_lines((_stake(row) for row in rows), plans, at=at)
            keyed = sorted(((_key(line, sort), line) for line in lines), key=lambda one: one[0])
            shown = [one for one in keyed if after is None or one[0] > after][:limit]
            ids = {plans[one].site.id for _, line in shown for one in line.shipment_ids}
            sites = await reference.sites(connection, caller.organisation_id, ids)
        at = self._clock.now()
        return [(_told(line, plans, sites, at=at), key) for key, line in shown]

    async def _load(self, connection: AsyncConnection, ids: Collection[str]) -> dict[str, Shipment]:
        plans: dict[str, Shipment] = {}
        ordered = sorted(ids)
        for start in range(0, len(ordered), LOADED_AT_ONCE):
            some = ordered[start : start + LOADED_AT_ONCE]
            plans |= await self._plans.load(connection, await shipments.briefs(connection, some))
        return plans


def _stake(row: Any) -> Stake:
    return Stake(
        shipment_id=row.shipment_id,
        subject=row.subject,
        kind=row.kind,
        severity=row.severity,
        raised_at=row.raised_at,
        act_by=row.act_by,
        acknowledged=row.acknowledged_at is not None,
        cause=Cause(**row.cause),
        what_would_help=tuple(row.what_would_help),
    )


def _key(line: CauseLine, sort: Sort) -> LineKey:
    cause = line.cause
    text = repr((astuple(cause), line.shipment_ids[0]))
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    if sort == "-raised_at":
        return False, -line.raised_at.timestamp(), name
    return line.decide_by is None, line.decide_by.timestamp() if line.decide_by else 0.0, name


def _told(
    line: CauseLine, plans: Mapping[str, Shipment], sites: Mapping[str, Site], *, at: datetime
) -> dict[str, Any]:
    """Return a line as the contract has it; contacts are the sites' of today, not those of the plans."""
    named = [plans[one] for one in line.shipment_ids]
    to_call = {plan.site.id: sites.get(plan.site.id, plan.site) for plan in named}
    body = {
        "cause": asdict(line.cause),
        "severity": line.severity,
        "summary": line.summary,
        "decide_by": line.decide_by,
        "raised_at": line.raised_at,
        "alerts": line.alerts,
        "unacknowledged": line.unacknowledged,
        "shipments": len(named),
        "doses": line.doses,
        "patients": line.patients,
        "kinds": list(line.kinds),
        "what_would_help": list(line.what_would_help),
        "affected": [{"shipment_id": one.id, "reference": one.reference} for one in named[:NAMED_AT_MOST]],
        "sites": [
            {
                "site_id": site.id,
                "code": site.code,
                "name": site.name,
                "local_time": site_text(at, site),
                "contacts": list(site.contacts),
            }
            for site in to_call.values()
        ],
    }
    return CauseRead.model_validate(body).model_dump(mode="json")
