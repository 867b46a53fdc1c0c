"""Which shipments new readings concern: those whose alerts they may change are due at once.

Of the others only the stored views are out of date. So a live sensor that says "all is well" costs no assessment.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.devices import device_subject
from app.domain.readings import ReadingColumns, microseconds
from app.domain.thermal_news import is_news
from app.store import alerts, due, shipments
from app.store.readings import Series
from app.store.shipments import Brief, Plans

OVER = frozenset({"received", "returned", "lost", "cancelled"})
BEFORE_PLAN = timedelta(days=31)
"""Events may lie 30 days before the plan's first instant, and so may a sensor's assignment."""

Heard = tuple[Series, ReadingColumns]


async def mark(
    connection: AsyncConnection,
    plans: Plans,
    organisation_id: str,
    series: Sequence[Series],
    fresh: ReadingColumns,
    *,
    at: datetime,
) -> None:
    """Order the assessments that new readings call for; `series` are as they stood before."""
    numbers = set(fresh.series.tolist())
    devices = {series[number].device_id for number in numbers}
    carriers = await shipments.carriers_of(connection, organisation_id, devices)
    if not carriers:
        return
    heard = _by_device(series, fresh, set().union(*carriers.values()))
    found = await shipments.briefs(connection, carriers)
    concerned = {
        one: [pair for device_id in devices for pair in heard[device_id] if _may_count(found[one], pair[1])]
        for one, devices in carriers.items()
    }
    concerned = {one: several for one, several in concerned.items() if several}
    plan_of = await plans.load(connection, {one: found[one] for one in concerned})
    alarmed = await alerts.subjects_open(connection, concerned)
    due_now = {
        one
        for one, several in concerned.items()
        for before, new in several
        if (one, device_subject(before.device_id)) in alarmed
        or is_news(
            new,
            device_id=before.device_id,
            sensor=before.sensor,
            shipment=plan_of[one],
            last_at=before.last_at,
            last_c=before.last_c,
        )
    }
    await due.note(connection, concerned, due_now=due_now, at=at)


def _by_device(
    series: Sequence[Series], fresh: ReadingColumns, carried: Collection[str]
) -> dict[str, list[Heard]]:
    """Return the new readings of each series, by device, of the devices that are carried."""
    ordered = fresh.in_order()
    found: dict[str, list[Heard]] = {}
    for number in np.unique(ordered.series).tolist():
        before = series[number]
        if before.device_id in carried:
            found.setdefault(before.device_id, []).append((before, ordered.of_series(number)))
    return found


def _may_count(brief: Brief, new: ReadingColumns) -> bool:
    """Say whether readings may lie within a shipment's time; one that is over takes none from after its end."""
    inside = new.at_us >= microseconds(brief.first_instant_at - BEFORE_PLAN)
    if brief.state in OVER and brief.latest_event_at is not None:
        inside &= new.at_us <= microseconds(brief.latest_event_at)
    return bool(inside.any())
