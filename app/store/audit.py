"""Audit entries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models.base import new_id
from app.store import bulk
from app.store.tables import Record, audit_entry


async def append(
    connection: AsyncConnection,
    *,
    organisation_id: str,
    at: datetime,
    actor: str,
    action: str,
    object_kind: str,
    object_id: str,
    old: dict[str, Any] | None = None,
    new: dict[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """Write one entry."""
    row = {
        "id": new_id(),
        "organisation_id": organisation_id,
        "at": at,
        "actor": actor,
        "action": action,
        "object_kind": object_kind,
        "object_id": object_id,
        "old": old,
        "new": new,
        "reason": reason,
    }
    await append_all(connection, [row])


async def append_all(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Write many entries, each with every column."""
    await bulk.insert(connection, audit_entry, rows)


async def page(
    connection: AsyncConnection,
    organisation_id: str,
    *,
    filters: Sequence[sa.ColumnElement[bool]],
    before_id: str | None,
    limit: int,
) -> Sequence[Record]:
    """Return the organisation's entries, newest first, after the one named in the list."""
    query = sa.select(audit_entry).where(audit_entry.c.organisation_id == organisation_id, *filters)
    if before_id is not None:
        query = query.where(audit_entry.c.id < before_id)
    return (await connection.execute(query.order_by(audit_entry.c.id.desc()).limit(limit))).all()
