"""Endpoints, their secrets, and the messages that are written for them."""

from collections.abc import Collection, Mapping, Sequence
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
        # Writing news about an endpoint refers to its row; only who changes the endpoint itself must wait.
        query = query.with_for_update(key_share=True)
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


async def forgive(connection: AsyncConnection, endpoint_ids: Collection[str]) -> None:
    """End the row of failures of endpoints that have taken something."""
    failing = sa.and_(endpoint.c.id.in_(sorted(endpoint_ids)), endpoint.c.failures > 0)
    await connection.execute(sa.update(endpoint).where(failing).values(failures=0, failing_since=None))


async def count_by_state(connection: AsyncConnection, *, wall_at: datetime) -> dict[str, int]:
    """Return how many endpoints are active, failing, paused and disabled."""
    state = sa.case(
        (endpoint.c.enabled == sa.false(), "disabled"),
        (endpoint.c.paused_until > wall_at, "paused"),
        (endpoint.c.failures > 0, "failing"),
        else_="active",
    )
    query = sa.select(state, sa.func.count()).where(endpoint.c.deleted_at.is_(None)).group_by(state)
    counted = dict.fromkeys(("active", "failing", "paused", "disabled"), 0)
    return counted | {row[0]: row[1] for row in await connection.execute(query)}


async def oldest_writer_at(connection: AsyncConnection) -> datetime | None:
    """Return since when the longest transaction runs that may still write messages; SQLite has one at a time."""
    if connection.dialect.name != "postgresql":
        return None
    query = sa.text(
        "SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL"
    )
    started_at: datetime | None = await connection.scalar(query)
    return started_at


async def all_secrets(connection: AsyncConnection) -> Sequence[Record]:
    """Lock and return every stored secret."""
    query = sa.select(secret.c.id, secret.c.encrypted).order_by(secret.c.id).with_for_update()
    return (await connection.execute(query)).all()


async def replace_secrets(connection: AsyncConnection, encrypted: Mapping[str, str]) -> None:
    """Write secrets as they are encrypted now."""
    if encrypted:
        statement = (
            sa.update(secret)
            .where(secret.c.id == sa.bindparam("b_id"))
            .values(encrypted=sa.bindparam("b_text"))
        )
        await connection.execute(
            statement, [{"b_id": id_, "b_text": text} for id_, text in encrypted.items()]
        )


async def gated_endpoints(connection: AsyncConnection) -> Sequence[Record]:
    """Lock and return the endpoints at whose gate something waits, and that nobody else works on."""
    waits = sa.exists().where(
        delivery.c.endpoint_id == endpoint.c.id, delivery.c.state == sa.literal_column("'gated'")
    )
    query = sa.select(endpoint).where(endpoint.c.deleted_at.is_(None), waits).order_by(endpoint.c.id)
    return (await connection.execute(query.with_for_update(skip_locked=True, key_share=True))).all()


async def heartless_endpoints(connection: AsyncConnection, *, wall_at: datetime) -> Sequence[Record]:
    """Lock and return the endpoints whose heartbeat is due, and that nobody else works on."""
    due = sa.or_(endpoint.c.heartbeat_at.is_(None), endpoint.c.heartbeat_at <= wall_at)
    query = sa.select(endpoint).where(
        endpoint.c.deleted_at.is_(None), endpoint.c.enabled, endpoint.c.heartbeat_minutes.is_not(None), due
    )
    return (await connection.execute(query.with_for_update(skip_locked=True, key_share=True))).all()


async def retire_secrets(connection: AsyncConnection, endpoint_id: str, *, until: datetime) -> None:
    """Let the current secrets of an endpoint end at `until`."""
    current = sa.and_(secret.c.endpoint_id == endpoint_id, secret.c.valid_until.is_(None))
    await connection.execute(sa.update(secret).where(current).values(valid_until=until))


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
    conditions = [
        message.c.organisation_id == organisation_id,
        message.c.created_at < before,
        message.c.endpoint_id.is_(None),
    ]
    conditions += [message.c.id > after_id] if after_id else []
    conditions += [message.c.site_id == site_id] if site_id else []
    conditions += [message.c.study == study] if study else []
    query = sa.select(message).where(*conditions).order_by(message.c.id).limit(limit)
    return (await connection.execute(query)).all()
