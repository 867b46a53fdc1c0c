"""Alerts and their histories."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.alerts import OpenAlert
from app.store.tables import Record, alert, alert_history, shipment


async def open_of(
    connection: AsyncConnection, shipment_ids: Collection[str]
) -> dict[str, tuple[OpenAlert, ...]]:
    """Return the open alerts of each shipment."""
    found: dict[str, list[OpenAlert]] = defaultdict(list)
    query = sa.select(
        alert.c.shipment_id, alert.c.id, alert.c.kind, alert.c.subject, alert.c.severity, alert.c.since
    ).where(alert.c.shipment_id.in_(list(shipment_ids)), alert.c.state == "open")
    for row in await connection.execute(query.order_by(alert.c.id)):
        found[row.shipment_id].append(
            OpenAlert(id=row.id, kind=row.kind, subject=row.subject, severity=row.severity, since=row.since)
        )
    return {shipment_id: tuple(found[shipment_id]) for shipment_id in shipment_ids}


async def open_at(
    connection: AsyncConnection, shipment_id: str, *, at: datetime, known_at: datetime
) -> tuple[OpenAlert, ...]:
    """Return the alerts that had been raised by `known_at`, were true at `at`, and were not resolved by then."""
    query = sa.select(alert).where(
        alert.c.shipment_id == shipment_id,
        alert.c.raised_at <= known_at,
        alert.c.since <= at,
        sa.or_(alert.c.resolved_at.is_(None), alert.c.resolved_at > at),
    )
    return tuple(
        OpenAlert(id=row.id, kind=row.kind, subject=row.subject, severity=row.severity, since=row.since)
        for row in await connection.execute(query.order_by(alert.c.id))
    )


async def insert(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Open alerts."""
    if rows:
        await connection.execute(sa.insert(alert), list(rows))


async def update(connection: AsyncConnection, alert_id: str, **values: Any) -> None:
    """Change one alert."""
    await connection.execute(sa.update(alert).where(alert.c.id == alert_id).values(**values))


async def record(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Append steps to histories."""
    if rows:
        await connection.execute(sa.insert(alert_history), list(rows))


async def read(
    connection: AsyncConnection, ids: Collection[str], *, for_update: bool = False
) -> dict[str, Record]:
    """Return alerts whole, each with its shipment's `reference`, `study`, `site_id` and `product_id`."""
    query = _whole().where(alert.c.id.in_(list(ids))).order_by(alert.c.id)
    if for_update:
        query = query.with_for_update(of=alert)
    return {row.id: row for row in await connection.execute(query)}


async def page(
    connection: AsyncConnection,
    organisation_id: str,
    *,
    filters: Sequence[sa.ColumnElement[bool]],
    before_id: str | None,
    limit: int,
) -> Sequence[Record]:
    """Return alerts, newest first, after the one named in the list."""
    query = _whole().where(alert.c.organisation_id == organisation_id, *filters)
    if before_id is not None:
        query = query.where(alert.c.id < before_id)
    return (await connection.execute(query.order_by(alert.c.id.desc()).limit(limit))).all()


async def history(connection: AsyncConnection, alert_id: str) -> Sequence[Record]:
    """Return an alert's steps, oldest first."""
    query = sa.select(alert_history).where(alert_history.c.alert_id == alert_id).order_by(alert_history.c.id)
    return (await connection.execute(query)).all()


def _whole() -> sa.Select[*tuple[Any, ...]]:
    return sa.select(
        alert,
        shipment.c.reference,
        shipment.c.study,
        shipment.c.site_id,
        shipment.c.product_id,
        shipment.c.state.label("shipment_state"),
    ).join(shipment, shipment.c.id == alert.c.shipment_id)
