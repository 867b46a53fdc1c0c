"""Endpoints, their secrets, messages and deliveries."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models.webhook import Delivery, DeliveryAttempt, Message, WebhookEndpoint, WebhookSecret
from app.store.tables import Record, table_of

endpoint = table_of(WebhookEndpoint)
secret = table_of(WebhookSecret)
message = table_of(Message)
delivery = table_of(Delivery)
attempt = table_of(DeliveryAttempt)


async def endpoints(
    connection: AsyncConnection,
    organisation_id: str,
    *,
    owner_key_id: str | None = None,
    id_: str | None = None,
    before_id: str | None = None,
    limit: int | None = None,
    for_update: bool = False,
) -> Sequence[Record]:
    """Return endpoints that are not deleted, newest first."""
    conditions = [endpoint.c.organisation_id == organisation_id, endpoint.c.deleted_at.is_(None)]
    if owner_key_id is not None:
        conditions.append(endpoint.c.owner_key_id == owner_key_id)
    if id_ is not None:
        conditions.append(endpoint.c.id == id_)
    if before_id is not None:
        conditions.append(endpoint.c.id < before_id)
    query = sa.select(endpoint).where(*conditions).order_by(endpoint.c.id.desc()).limit(limit)
    if for_update:
        query = query.with_for_update()
    return (await connection.execute(query)).all()


async def insert(connection: AsyncConnection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of one of this room's tables."""
    if rows:
        await connection.execute(sa.insert(table), list(rows))


async def change_endpoint(connection: AsyncConnection, endpoint_id: str, **values: Any) -> None:
    """Change one endpoint."""
    await connection.execute(sa.update(endpoint).where(endpoint.c.id == endpoint_id).values(**values))


async def secrets_of(
    connection: AsyncConnection, endpoint_ids: Collection[str], *, wall_at: datetime
) -> dict[str, list[str]]:
    """Return the encrypted secrets of each endpoint that are valid now, the current one first."""
    valid = sa.or_(secret.c.valid_until.is_(None), secret.c.valid_until > wall_at)
    query = sa.select(secret.c.endpoint_id, secret.c.encrypted).where(
        secret.c.endpoint_id.in_(list(endpoint_ids)), valid
    )
    found: dict[str, list[str]] = {one: [] for one in endpoint_ids}
    for row in await connection.execute(query.order_by(secret.c.id.desc())):
        found[row.endpoint_id].append(row.encrypted)
    return found


async def retire_secrets(connection: AsyncConnection, endpoint_id: str, *, until: datetime) -> None:
    """Let the current secrets of an endpoint end at `until`."""
    current = sa.and_(secret.c.endpoint_id == endpoint_id, secret.c.valid_until.is_(None))
    await connection.execute(sa.update(secret).where(current).values(valid_until=until))


async def claim(
    connection: AsyncConnection,
    *,
    wall_at: datetime,
    claim_id: str,
    lease_until: datetime,
    per_endpoint: int,
    limit: int,
) -> Sequence[Record]:
    """Take due deliveries, for each endpoint up to its free slots; return them with their message and address.

    Endpoints with due work are locked first: two dispatchers then cannot both count the same free slots.
    """
    live = sa.and_(delivery.c.state == "inflight", delivery.c.lease_until >= wall_at)
    due = sa.or_(
        sa.and_(delivery.c.state == "pending", delivery.c.next_attempt_at <= wall_at),
        sa.and_(delivery.c.state == "inflight", delivery.c.lease_until < wall_at),
    )
    ready = sa.or_(endpoint.c.paused_until.is_(None), endpoint.c.paused_until <= wall_at)
    has_due = sa.exists().where(delivery.c.endpoint_id == endpoint.c.id, due)
    query = sa.select(endpoint.c.id).where(
        endpoint.c.enabled, endpoint.c.deleted_at.is_(None), ready, has_due
    )
    taken: list[str] = []
    for endpoint_id in await connection.scalars(query.limit(limit).with_for_update(skip_locked=True)):
        own = delivery.c.endpoint_id == endpoint_id
        busy = await connection.scalar(sa.select(sa.func.count()).select_from(delivery).where(own, live)) or 0
        oldest = sa.select(delivery.c.id).where(own, due).order_by(delivery.c.next_attempt_at, delivery.c.id)
        if busy < per_endpoint:
            taken += list(await connection.scalars(oldest.limit(per_endpoint - busy)))
    if not taken:
        return ()
    await connection.execute(
        sa.update(delivery)
        .where(delivery.c.id.in_(taken))
        .values(state="inflight", claim_id=claim_id, lease_until=lease_until)
    )
    return await deliveries(connection, [delivery.c.id.in_(taken)])


async def deliveries(
    connection: AsyncConnection,
    conditions: Sequence[sa.ColumnElement[bool]],
    *,
    before_id: str | None = None,
    limit: int | None = None,
) -> Sequence[Record]:
    """Return deliveries, newest first, each with its message and its endpoint's address."""
    query = (
        sa.select(
            delivery,
            message.c.type,
            message.c.body,
            message.c.shipment_id,
            endpoint.c.url,
            endpoint.c.organisation_id,
            endpoint.c.owner_key_id,
        )
        .join(message, message.c.id == delivery.c.message_id)
        .join(endpoint, endpoint.c.id == delivery.c.endpoint_id)
        .where(*conditions)
    )
    if before_id is not None:
        query = query.where(delivery.c.id < before_id)
    return (await connection.execute(query.order_by(delivery.c.id.desc()).limit(limit))).all()


async def settle(connection: AsyncConnection, delivery_id: str, *, claim_id: str, **values: Any) -> bool:
    """Write a delivery's outcome, unless another has taken it over meanwhile; say whether it was written."""
    mine = sa.and_(delivery.c.id == delivery_id, delivery.c.claim_id == claim_id)
    done = await connection.execute(
        sa.update(delivery).where(mine).values(claim_id=None, lease_until=None, **values)
    )
    return done.rowcount == 1


async def change_delivery(connection: AsyncConnection, delivery_id: str, **values: Any) -> None:
    """Change a delivery that is not in flight."""
    await connection.execute(
        sa.update(delivery)
        .where(delivery.c.id == delivery_id, delivery.c.state != "inflight")
        .values(**values)
    )


async def attempts_of(connection: AsyncConnection, delivery_ids: Collection[str]) -> Sequence[Record]:
    """Return the attempts of deliveries, oldest first."""
    query = sa.select(attempt).where(attempt.c.delivery_id.in_(list(delivery_ids))).order_by(attempt.c.id)
    return (await connection.execute(query)).all()


async def messages_after(
    connection: AsyncConnection,
    organisation_id: str,
    *,
    after_id: str | None,
    before: datetime,
    site_id: str | None,
    study: str | None,
    limit: int,
) -> Sequence[Record]:
    """Return messages in order, from after one of them up to a horizon behind which none can still commit."""
    conditions = [message.c.organisation_id == organisation_id, message.c.created_at < before]
    conditions += [message.c.id > after_id] if after_id else []
    conditions += [message.c.site_id == site_id] if site_id else []
    conditions += [message.c.study == study] if study else []
    query = sa.select(message).where(*conditions).order_by(message.c.id).limit(limit)
    return (await connection.execute(query)).all()
