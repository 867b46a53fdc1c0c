"""Audit entries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.models.base import new_id
from app.store import bulk
from app.store.tables import audit_entry


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
