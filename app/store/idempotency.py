"""Answers kept for repeated POSTs."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.tables import Record, kept_answer

KEYS = ("key_id", "path", "idempotency_key")


async def read(connection: AsyncConnection, name: dict[str, str]) -> Record | None:
    """Return the answer kept under a name (`KEYS`), or None."""
    query = sa.select(kept_answer).where(*(kept_answer.c[key] == name[key] for key in KEYS))
    return (await connection.execute(query)).first()


async def insert(connection: AsyncConnection, row: dict[str, Any], *, forget_before: datetime) -> bool:
    """Write that a request is done; False when another has done it, and not too long ago."""
    old = sa.delete(kept_answer).where(
        *(kept_answer.c[key] == row[key] for key in KEYS), kept_answer.c.created_at < forget_before
    )
    await connection.execute(old)
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(kept_answer).values(**row).on_conflict_do_nothing()
    return (await connection.execute(statement.returning(kept_answer.c.key_id))).first() is not None


async def keep(
    connection: AsyncConnection,
    name: dict[str, str],
    *,
    status: int,
    location: str | None,
    body: str,
) -> None:
    """Write down the answer."""
    await connection.execute(
        sa.update(kept_answer)
        .where(*(kept_answer.c[key] == name[key] for key in KEYS))
        .values(status=status, location=location, body=body)
    )


async def forget(connection: AsyncConnection, *, before: datetime) -> None:
    """Drop what is too old to be repeated."""
    await connection.execute(sa.delete(kept_answer).where(kept_answer.c.created_at < before))
