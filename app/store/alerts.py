"""Alerts and their histories."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.alerts import Cause, ClosedAlert, OpenAlert, PastAlert
from app.models.base import IdType, UtcDateTime
from app.store.tables import Record, alert, alert_history, shipment

Sort = Literal["-raised_at", "act_by"]


@dataclass(frozen=True, slots=True)
class Standing:
    """A shipment's alerts that bear on its assessment: open ones, those closed while still true, past excursions."""

    open: tuple[OpenAlert, ...]
    closed: tuple[ClosedAlert, ...]
    past: tuple[PastAlert, ...] = ()


async def standing_of(connection: AsyncConnection, shipment_ids: Collection[str]) -> dict[str, Standing]:
    """Return the alerts of each shipment that bear on its assessment."""
    still: dict[str, list[OpenAlert]] = defaultdict(list)
    closed: dict[str, list[ClosedAlert]] = defaultdict(list)
    past: dict[str, list[PastAlert]] = defaultdict(list)
    query = sa.select(alert).where(
        alert.c.shipment_id.in_(list(shipment_ids)),
        sa.or_(alert.c.state == "open", alert.c.closed_while_true, alert.c.kind == "temperature_excursion"),
    )
    for row in await connection.execute(query.order_by(alert.c.id)):
        if row.state == "open":
            still[row.shipment_id].append(_open(row))
        elif not row.closed_while_true:
            past[row.shipment_id].append(_past(row))
        else:
            closed[row.shipment_id].append(
                ClosedAlert(id=row.id, kind=row.kind, subject=row.subject, closed_at=row.resolved_at)
            )
    return {one: Standing(tuple(still[one]), tuple(closed[one]), tuple(past[one])) for one in shipment_ids}


async def subjects_open(connection: AsyncConnection, shipment_ids: Collection[str]) -> set[tuple[str, str]]:
    """Return (shipment id, subject) of every open alert of the shipments."""
    query = sa.select(alert.c.shipment_id, alert.c.subject).where(
        alert.c.shipment_id.in_(list(shipment_ids)), alert.c.state == "open"
    )
    return {(row.shipment_id, row.subject) for row in await connection.execute(query)}


async def open_at(
    connection: AsyncConnection, shipment_id: str, *, at: datetime, known_at: datetime
) -> tuple[OpenAlert, ...]:
    """Return the alerts raised by `known_at` that were true at `at`, as far as was known by `known_at`.

    One that a person closed is open until then, whether it was still true or not. Their severity is the one last
    told by `at`, or the first for what was raised later.
    """
    ended_at = sa.case((alert.c.resolved_by.is_(None), alert.c.ended_at), else_=alert.c.resolved_at)
    query = sa.select(alert).where(
        alert.c.shipment_id == shipment_id,
        alert.c.raised_at <= known_at,
        alert.c.since <= at,
        sa.or_(alert.c.resolved_at.is_(None), alert.c.resolved_at > known_at, ended_at > at),
    )
    rows = (await connection.execute(query.order_by(alert.c.id))).all()
    told: dict[str, Any] = {}
    for step in await _steps(connection, [row.id for row in rows]):
        if step.alert_id not in told or step.at <= at:
            told[step.alert_id] = step.severity
    return tuple(replace(_open(row), severity=told.get(row.id, row.severity)) for row in rows)


async def _steps(connection: AsyncConnection, ids: Collection[str]) -> Sequence[Record]:
    """Return the steps of alerts that told a severity, oldest first."""
    query = (
        sa.select(alert_history.c.alert_id, alert_history.c.at, alert_history.c.severity)
        .where(alert_history.c.alert_id.in_(list(ids)))
        .order_by(alert_history.c.id)
    )
    return (await connection.execute(query)).all()


async def insert(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Open alerts."""
    if rows:
        await connection.execute(sa.insert(alert), list(rows))


async def update(connection: AsyncConnection, alert_id: str, **values: Any) -> None:
    """Change one alert."""
    await connection.execute(sa.update(alert).where(alert.c.id == alert_id).values(**values))


async def end_episodes(connection: AsyncConnection, alert_ids: Collection[str]) -> None:
    """Note that the conditions of these closed alerts have ended: what comes now is another episode."""
    if alert_ids:
        await connection.execute(
            sa.update(alert).where(alert.c.id.in_(list(alert_ids))).values(closed_while_true=False)
        )


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
    sort: Sort,
    after: tuple[datetime | None, str] | None,
    limit: int,
) -> Sequence[Record]:
    """Return alerts that come after one's sort value and id: the newest first, or the most pressing.

    Those without `act_by` come last.
    """
    query = _whole().where(alert.c.organisation_id == organisation_id, *filters)
    if sort == "-raised_at":
        query = query.order_by(alert.c.raised_at.desc(), alert.c.id.desc())
    else:
        query = query.order_by(alert.c.act_by.asc().nulls_last(), alert.c.id)
    if after is not None:
        query = query.where(_comes_after(sort, *after))
    return (await connection.execute(query.limit(limit))).all()


async def stakes(
    connection: AsyncConnection, organisation_id: str, *, filters: Sequence[sa.ColumnElement[bool]]
) -> Sequence[Record]:
    """Return what grouping by cause needs of alerts."""
    columns = (
        alert.c.shipment_id, alert.c.subject, alert.c.kind, alert.c.severity, alert.c.raised_at, alert.c.act_by,
        alert.c.acknowledged_at, alert.c.cause, alert.c.what_would_help,
    )  # fmt: skip
    query = sa.select(*columns).join(shipment, shipment.c.id == alert.c.shipment_id)
    return (await connection.execute(query.where(alert.c.organisation_id == organisation_id, *filters))).all()


async def asleep(connection: AsyncConnection, *, until: datetime, limit: int) -> list[str]:
    """Return the alerts whose snooze has ended, the longest ago first."""
    query = (
        sa.select(alert.c.id)
        .where(alert.c.snoozed_until.is_not(None), alert.c.snoozed_until <= until)
        .order_by(alert.c.snoozed_until, alert.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(await connection.scalars(query))


async def history(connection: AsyncConnection, alert_id: str) -> Sequence[Record]:
    """Return an alert's steps, oldest first."""
    query = sa.select(alert_history).where(alert_history.c.alert_id == alert_id).order_by(alert_history.c.id)
    return (await connection.execute(query)).all()


def _comes_after(sort: Sort, value: datetime | None, id_: str) -> sa.ColumnElement[bool]:
    last_id = sa.literal(id_, IdType)
    if sort == "act_by" and value is None:
        return sa.and_(alert.c.act_by.is_(None), alert.c.id > last_id)
    last = sa.tuple_(sa.literal(value, UtcDateTime()), last_id)
    if sort == "-raised_at":
        return sa.tuple_(alert.c.raised_at, alert.c.id) < last
    return sa.or_(alert.c.act_by.is_(None), sa.tuple_(alert.c.act_by, alert.c.id) > last)


def _open(row: Record) -> OpenAlert:
    return OpenAlert(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        severity=row.severity,
        since=row.since,
        cause=Cause(**row.cause),
        act_by=row.act_by,
    )


def _whole() -> sa.Select[*tuple[Any, ...]]:
    return sa.select(
        alert,
        shipment.c.reference,
        shipment.c.study,
        shipment.c.site_id,
        shipment.c.product_id,
        shipment.c.state.label("shipment_state"),
    ).join(shipment, shipment.c.id == alert.c.shipment_id)


def _past(row: Record) -> PastAlert:
    ended_at = row.ended_at or row.resolved_at
    return PastAlert(kind=row.kind, subject=row.subject, since=row.since, ended_at=ended_at)
