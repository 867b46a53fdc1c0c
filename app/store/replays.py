"""Replays: batches of messages that an endpoint wants again, and how far each has come."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models.webhook import WebhookReplay
from app.store.tables import Record, table_of
from app.store.webhooks import delivery, message

replay = table_of(WebhookReplay)


async def insert(connection: AsyncConnection, row: dict[str, Any]) -> None:
    """Write a replay that is to begin."""
    await connection.execute(sa.insert(replay).values(**row))


async def page(
    connection: AsyncConnection, endpoint_id: str, *, before_id: str | None, limit: int
) -> Sequence[Record]:
    """Return an endpoint's replays, newest first."""
    query = sa.select(replay).where(replay.c.endpoint_id == endpoint_id)
    if before_id is not None:
        query = query.where(replay.c.id < before_id)
    return (await connection.execute(query.order_by(replay.c.id.desc()).limit(limit))).all()


async def next_running(connection: AsyncConnection) -> Record | None:
    """Lock and return the oldest replay that is not finished and that nobody else works on."""
    query = (
        sa.select(replay)
        .where(replay.c.state == sa.literal_column("'running'"))
        .order_by(replay.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return (await connection.execute(query)).first()


async def update(connection: AsyncConnection, replay_id: str, **values: Any) -> None:
    """Write how far a replay has come."""
    await connection.execute(sa.update(replay).where(replay.c.id == replay_id).values(**values))


async def messages_for(connection: AsyncConnection, one: Record, *, limit: int) -> Sequence[Record]:
    """Return the next messages of a replay's time, each with the delivery that the endpoint has had of it, if any."""
    own = sa.and_(delivery.c.message_id == message.c.id, delivery.c.endpoint_id == one.endpoint_id)
    place = sa.tuple_(message.c.told_at, message.c.id)
    conditions = [
        message.c.organisation_id == one.organisation_id,
        message.c.endpoint_id.is_(None),
        message.c.told_at >= one.from_at,
        message.c.told_at < one.until_at,
    ]
    if one.after_id is not None:
        after: tuple[datetime, str] = (one.after_at, one.after_id)
        conditions.append(
            place
            > sa.tuple_(
                *(
                    sa.bindparam(None, value, type_=column.type)
                    for value, column in zip(after, (message.c.told_at, message.c.id), strict=True)
                )
            )
        )
    query = (
        sa.select(message, delivery.c.id.label("delivery_id"), delivery.c.state, delivery.c.ladder)
        .outerjoin(delivery, own)
        .where(*conditions)
        .order_by(message.c.told_at, message.c.id)
        .limit(limit)
    )
    return (await connection.execute(query)).all()
