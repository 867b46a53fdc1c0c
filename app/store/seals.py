"""The audit's seals, and the entries below and above them."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.tables import Record, audit_entry, audit_seal


async def newest(connection: AsyncConnection) -> Record | None:
    """Return the last seal, or None."""
    query = sa.select(audit_seal).order_by(audit_seal.c.sequence.desc()).limit(1)
    return (await connection.execute(query)).first()


async def after(connection: AsyncConnection, sequence: int, *, limit: int) -> Sequence[Record]:
    """Return the seals that follow, in order."""
    query = sa.select(audit_seal).where(audit_seal.c.sequence > sequence)
    return (await connection.execute(query.order_by(audit_seal.c.sequence).limit(limit))).all()


async def entries(
    connection: AsyncConnection, *, after_id: str | None, until_id: str, limit: int | None = None
) -> Sequence[Record]:
    """Return the entries with ids above `after_id` up to `until_id`, in order."""
    query = sa.select(audit_entry).where(audit_entry.c.id <= until_id)
    if after_id is not None:
        query = query.where(audit_entry.c.id > after_id)
    return (await connection.execute(query.order_by(audit_entry.c.id).limit(limit))).all()


async def waiting(connection: AsyncConnection, *, after_id: str | None) -> int:
    """Return how many entries are not sealed yet."""
    query = sa.select(sa.func.count()).select_from(audit_entry)
    if after_id is not None:
        query = query.where(audit_entry.c.id > after_id)
    return int(await connection.scalar(query) or 0)


async def insert(connection: AsyncConnection, row: dict[str, Any]) -> None:
    """Write the next seal; a second one of the same sequence is refused by the key."""
    await connection.execute(sa.insert(audit_seal).values(**row))
