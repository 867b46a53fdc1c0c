"""What each key has spent of its rate, shared by all processes."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.tables import rate_bucket


async def spend(
    connection: AsyncConnection, key_id: str, *, now_us: int, cost_us: int, span_us: int
) -> int | None:
    """Pay for one request; return None when it is paid for, else how long to wait, in microseconds.

    `span_us` is how far ahead of now a key may have spent.
    """
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    spent = rate_bucket.c.spent_until_us
    from_us = sa.case((spent > now_us, spent), else_=now_us)
    statement = (
        dialect.insert(rate_bucket)
        .values(key_id=key_id, spent_until_us=now_us + cost_us)
        .on_conflict_do_update(
            index_elements=["key_id"],
            set_={"spent_until_us": from_us + cost_us},
            where=from_us + cost_us <= now_us + span_us,
        )
        .returning(spent)
    )
    if (await connection.execute(statement)).first() is not None:
        return None
    until_us = await connection.scalar(sa.select(spent).where(rate_bucket.c.key_id == key_id)) or now_us
    return int(until_us) + cost_us - span_us - now_us
