"""All that is stored about shipments, gathered for the domain to judge."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.assessment import Snapshot
from app.domain.observation import Event
from app.domain.readings import ReadingColumns, bucket_of, instant, microseconds
from app.domain.shipment import Shipment
from app.domain.thermal import Name
from app.domain.thermal_windows import device_ids, earliest_at
from app.pipeline.lanes import statistics_at
from app.store import alerts, events, readings
from app.store.shipments import Plans, briefs, versions_at

READ_AHEAD = timedelta(hours=24)
"""Readings dated ahead of now, by clocks a little fast, wait here until they count."""


async def load(
    connection: AsyncConnection,
    plans: Plans,
    ids: Collection[str],
    *,
    at: datetime,
    known_at: datetime | None = None,
) -> dict[str, Snapshot]:
    """Return the snapshots of shipments, in a fixed number of queries.

    `known_at` None: all that is known. Else the plan in force then, what had been received by then, and the alerts
    that stood at `at` as they were told by then.
    """
    found = await briefs(connection, ids)
    if known_at is not None:
        versions = await versions_at(connection, ids, known_at=known_at)
        found = {one: brief._replace(plan_version=versions.get(one, 1)) for one, brief in found.items()}
    plan_of = await plans.load(connection, found)
    lots = {one: {dose.lot for dose in plan.doses if dose.lot} for one, plan in plan_of.items()}
    heard = await events.of_shipments(connection, lots, {one.organisation_id for one in found.values()})
    owners = {one.organisation_id for one in found.values()}
    statistics = {one: await statistics_at(connection, one, known_at or at) for one in owners}
    if known_at is None:
        standing = await alerts.standing_of(connection, list(found))
    else:
        heard = {
            one: tuple(event for event in all_of if event.received_at <= known_at)
            for one, all_of in heard.items()
        }
        standing = {
            one: alerts.Standing(await alerts.open_at(connection, one, at=at, known_at=known_at), ())
            for one in found
        }
    tracks = await _tracks(connection, plan_of, heard, at=at)
    if known_at is not None:
        tracks = {
            one: {name: track.known_by(known_at) for name, track in own.items()}
            for one, own in tracks.items()
        }
    return {
        one: Snapshot(
            shipment=plan_of[one],
            events=heard[one],
            open_alerts=standing[one].open,
            closed_alerts=standing[one].closed,
            past_alerts=standing[one].past,
            version=brief.version,
            lanes=statistics[brief.organisation_id],
            baseline_at=brief.baseline_at,
            tracks=tracks.get(one, {}),
        )
        for one, brief in found.items()
    }


async def _tracks(
    connection: AsyncConnection,
    plans: Mapping[str, Shipment],
    heard: Mapping[str, tuple[Event, ...]],
    *,
    at: datetime,
) -> dict[str, dict[Name, ReadingColumns]]:
    """Return the readings of every device that a shipment names, from where they may count, by (device, sensor)."""
    devices = {one: device_ids(plan, heard[one]) for one, plan in plans.items()}
    carrying = {one: plans[one] for one, named in devices.items() if named}
    begins = {one: earliest_at(plan, heard[one]) for one, plan in carrying.items()}
    found: dict[str, dict[Name, ReadingColumns]] = {one: {} for one in carrying}
    for organisation_id in {plan.organisation_id for plan in carrying.values()}:
        own = [one for one, plan in carrying.items() if plan.organisation_id == organisation_id]
        series = await readings.of_devices(
            connection, organisation_id, {name for one in own for name in devices[one]}
        )
        first_at = instant(bucket_of(np.array([microseconds(min(begins[one] for one in own))]))[0])
        together = await readings.between(
            connection, [one.id for one in series], from_at=first_at, until_at=at + READ_AHEAD
        )
        for number, one in enumerate(series):
            track = together.of_series(number)
            for shipment_id in own:
                if one.device_id in devices[shipment_id]:
                    since_us = microseconds(begins[shipment_id])
                    name = (one.device_id, one.sensor)
                    found[shipment_id][name] = track.between(since_us, None)
    return found
