"""Readings: one row a sample, and what is last, least and most of each series."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.custody import Journey
from app.domain.shipment import Shipment
from app.domain.thermal import DeviceSummary
from app.store.tables import reading

VALUES = (
    "temperature_c", "humidity_pct", "lat", "lon", "shock_g", "tilt_deg", "light_lux", "battery_pct", "dose_rate_usv_h",
)  # fmt: skip


async def append(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Write samples; one that is there already stays as it is."""
    insert = sqlite.insert(reading) if connection.dialect.name == "sqlite" else postgresql.insert(reading)
    if rows:
        await connection.execute(insert.on_conflict_do_nothing(), list(rows))


async def stored(
    connection: AsyncConnection, organisation_id: str, rows: Collection[dict[str, Any]]
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return what is stored under the keys (device, sensor, at) of these samples."""
    at = [row["at"] for row in rows]
    query = sa.select(reading).where(
        reading.c.organisation_id == organisation_id,
        reading.c.device_id.in_({row["device_id"] for row in rows}),
        reading.c.at.between(min(at), max(at)),
    )
    return {
        (row.device_id, row.sensor, row.at): tuple(getattr(row, name) for name in VALUES)
        for row in await connection.execute(query)
    }


async def summaries(
    connection: AsyncConnection, plans: Sequence[tuple[Shipment, Journey]]
) -> dict[str, tuple[DeviceSummary, ...]]:
    """Return last, least and most of each assigned series, within its assignment."""
    found: dict[str, list[DeviceSummary]] = defaultdict(list)
    for plan, journey in plans:
        for device in plan.devices:
            starts_at = device.from_at or journey.picked_up_at or plan.legs[0].planned_departure_at
            ends_at = device.until_at or journey.received_at
            own = [
                reading.c.organisation_id == plan.organisation_id,
                reading.c.device_id == device.device_id,
                reading.c.sensor == device.sensor,
                reading.c.temperature_c.is_not(None),
                reading.c.at >= starts_at,
            ]
            own += [reading.c.at < ends_at] if ends_at else []
            extremes = sa.select(
                sa.func.min(reading.c.temperature_c), sa.func.max(reading.c.temperature_c)
            ).where(*own)
            newest = (
                sa.select(reading.c.temperature_c, reading.c.at).where(*own).order_by(reading.c.at.desc())
            )
            last = (await connection.execute(newest.limit(1))).first()
            low_c, high_c = (await connection.execute(extremes)).one()
            found[plan.id].append(
                DeviceSummary(
                    device_id=device.device_id,
                    sensor=device.sensor,
                    place=device.place,
                    last_c=last[0] if last else None,
                    last_at=last[1] if last else None,
                    min_c=low_c,
                    max_c=high_c,
                )
            )
    return {plan.id: tuple(found[plan.id]) for plan, _ in plans}
