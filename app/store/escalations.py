"""Escalation policies and the steps that wait."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.escalation import EscalationPolicy, EscalationStep
from app.models import policy
from app.store.tables import Record, alert, shipment, table_of

escalation_policy = table_of(policy.EscalationPolicy)
escalation = table_of(policy.Escalation)


async def policies(
    connection: AsyncConnection,
    organisation_id: str,
    *,
    id_: str | None = None,
    before_id: str | None = None,
    limit: int | None = None,
    for_update: bool = False,
) -> Sequence[Record]:
    """Return policies that are not deleted, newest first."""
    row = escalation_policy.c
    conditions = [row.organisation_id == organisation_id, row.deleted_at.is_(None)]
    conditions += [row.id == id_] if id_ is not None else []
    conditions += [row.id < before_id] if before_id is not None else []
    query = sa.select(escalation_policy).where(*conditions).order_by(row.id.desc()).limit(limit)
    if for_update:
        query = query.with_for_update()
    return (await connection.execute(query)).all()


async def in_force(
    connection: AsyncConnection, organisation_ids: Collection[str]
) -> dict[str, list[EscalationPolicy]]:
    """Return each organisation's policies that apply."""
    row = escalation_policy.c
    query = sa.select(escalation_policy).where(
        row.organisation_id.in_(list(organisation_ids)), row.enabled, row.deleted_at.is_(None)
    )
    found: dict[str, list[EscalationPolicy]] = {one: [] for one in organisation_ids}
    for one in await connection.execute(query.order_by(row.id)):
        found[one.organisation_id].append(policy_of(one))
    return found


async def insert_policy(connection: AsyncConnection, row: dict[str, Any]) -> None:
    """Write a policy."""
    await connection.execute(sa.insert(escalation_policy), [row])


async def change_policy(connection: AsyncConnection, policy_id: str, **values: Any) -> None:
    """Change a policy."""
    await connection.execute(
        sa.update(escalation_policy).where(escalation_policy.c.id == policy_id).values(**values)
    )


async def plan(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Let steps wait, each with `alert_id, policy_id, step, due_at`; one that was told stays told."""
    if not rows:
        return
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    insert = make(escalation)
    statement = insert.on_conflict_do_update(
        index_elements=["alert_id", "policy_id", "step"],
        set_={"due_at": insert.excluded.due_at},
        where=escalation.c.told_at.is_(None),
    )
    await connection.execute(statement, list(rows))


async def due(connection: AsyncConnection, *, at: datetime, limit: int) -> Sequence[Record]:
    """Lock the steps that are due, the longest ago first."""
    row = escalation.c
    query = (
        sa.select(escalation)
        .where(row.told_at.is_(None), row.due_at <= at)
        .order_by(row.due_at, row.alert_id, row.step)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await connection.execute(query)).all()


async def settle(connection: AsyncConnection, one: Record, **values: Any) -> None:
    """Change a step that was due."""
    await connection.execute(sa.update(escalation).where(_is(one)).values(**values))


async def drop(connection: AsyncConnection, one: Record) -> None:
    """Take away a step that need not wait any more."""
    await connection.execute(sa.delete(escalation).where(_is(one)))


async def drop_waiting(connection: AsyncConnection, policy_id: str) -> None:
    """Take away all steps of a policy that wait."""
    row = escalation.c
    await connection.execute(sa.delete(escalation).where(row.policy_id == policy_id, row.told_at.is_(None)))


async def unanswered(connection: AsyncConnection, organisation_id: str) -> Sequence[Record]:
    """Return the open alerts that nobody has acknowledged: id, kind, severity, and their shipment's bindings."""
    columns = (alert.c.id, alert.c.kind, alert.c.severity, shipment.c.site_id, shipment.c.study)
    query = (
        sa.select(*columns)
        .join(shipment, shipment.c.id == alert.c.shipment_id)
        .where(
            alert.c.organisation_id == organisation_id,
            alert.c.state == "open",
            alert.c.acknowledged_at.is_(None),
        )
    )
    return (await connection.execute(query)).all()


def policy_of(row: Record) -> EscalationPolicy:
    """Return the domain's policy from its row."""
    return EscalationPolicy(
        id=row.id,
        name=row.name,
        min_severity=row.min_severity,
        kinds=tuple(row.kinds) if row.kinds is not None else None,
        site_id=row.site_id,
        study=row.study,
        steps=tuple(EscalationStep(number=number, **step) for number, step in enumerate(row.steps, start=1)),
    )


def _is(one: Record) -> sa.ColumnElement[bool]:
    row = escalation.c
    return sa.and_(row.alert_id == one.alert_id, row.policy_id == one.policy_id, row.step == one.step)
