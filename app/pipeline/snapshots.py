"""All that is stored about shipments, gathered for the domain to judge."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.assessment import Snapshot
from app.domain.custody import fold
from app.domain.lanes import PRIORS
from app.store import alerts, events, readings
from app.store.shipments import Plans, briefs


async def load(
    connection: AsyncConnection, plans: Plans, ids: Collection[str], *, at: datetime
) -> dict[str, Snapshot]:
    """Return the snapshots of shipments, in a fixed number of queries (readings: two per assigned device)."""
    found = await briefs(connection, ids)
    plan_of = await plans.load(connection, found)
    lots = {one: {dose.lot for dose in plan.doses if dose.lot} for one, plan in plan_of.items()}
    heard = await events.of_shipments(connection, lots, {one.organisation_id for one in found.values()})
    standing = await alerts.standing_of(connection, list(found))
    carrying = [(plan, fold(plan, heard[one], at=at)) for one, plan in plan_of.items() if plan.devices]
    thermal = await readings.summaries(connection, carrying)
    return {
        one: Snapshot(
            shipment=plan_of[one],
            events=heard[one],
            open_alerts=standing[one].open,
            closed_alerts=standing[one].closed,
            version=brief.version,
            lanes=PRIORS,
            baseline_at=brief.baseline_at,
            thermal=thermal.get(one, ()),
        )
        for one, brief in found.items()
    }
