"""Deliveries: the queue, who has taken what from it, and how each ended.

`state` is compared with constants, not with bound values: only then does SQLite use the partial indexes.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.tables import Record, shipment
from app.store.webhooks import attempt, delivery, endpoint, message

RECLAIMED_AT_ONCE = 500


def in_state(*states: str) -> sa.ColumnElement[bool]:
    """Return the condition that a delivery is in one of these states."""
    first, *others = (delivery.c.state == sa.literal_column(f"'{one}'") for one in states)
    return sa.or_(first, *others) if others else first


async def claim(
    connection: AsyncConnection, *, wall_at: datetime, claim_id: str, lease_until: datetime, limit: int
) -> Sequence[Record]:
    """Take due deliveries, for each endpoint up to its free slots; return them with their message and address.

    Endpoints with due work and a free slot are locked first: two dispatchers then cannot both count the same
    slots. Single shots go out although their endpoint is paused or switched off.
    """
    await _reclaim(connection, wall_at=wall_at)
    locked = await _lock_endpoints(connection, wall_at=wall_at, limit=limit)
    ready, off = ([one.id for one in locked if one.ready is ready] for ready in (True, False))
    found = await _due(connection, ready, wall_at=wall_at, shots=False)
    found += await _due(connection, off, wall_at=wall_at, shots=True)
    rank = {one.id: place for place, one in enumerate(locked)}
    taken = [one.id for one in sorted(found, key=lambda one: rank[one.endpoint_id])][:limit]
    if not taken:
        return ()
    await connection.execute(
        sa.update(delivery)
        .where(delivery.c.id.in_(taken), in_state("pending"))
        .values(state="inflight", claim_id=claim_id, lease_until=lease_until)
    )
    return await page(connection, [delivery.c.id.in_(taken), delivery.c.claim_id == claim_id])


async def oldest_claimable_at(connection: AsyncConnection, *, wall_at: datetime) -> datetime | None:
    """Return since when something waits that could be sent at once: right after a claim, only what it left."""
    own = delivery.c.endpoint_id == endpoint.c.id
    due = sa.select(delivery.c.next_attempt_at).where(
        own, in_state("pending"), delivery.c.next_attempt_at <= wall_at
    )
    oldest = due.order_by(delivery.c.next_attempt_at).limit(1).scalar_subquery()
    query = sa.select(sa.func.min(oldest)).where(
        endpoint.c.deleted_at.is_(None),
        _ready(wall_at),
        _inflight_of(endpoint.c.id) < endpoint.c.max_inflight,
    )
    waiting_since: datetime | None = await connection.scalar(query)
    return waiting_since


async def _reclaim(connection: AsyncConnection, *, wall_at: datetime) -> None:
    """Give back what somebody took and has not settled within his lease."""
    lapsed = (
        sa.select(delivery.c.id)
        .where(in_state("inflight"), delivery.c.lease_until < wall_at)
        .limit(RECLAIMED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    ids = list(await connection.scalars(lapsed))
    if ids:
        freed = {"state": "pending", "claim_id": None, "lease_until": None}
        await connection.execute(sa.update(delivery).where(delivery.c.id.in_(ids)).values(**freed))


async def _lock_endpoints(connection: AsyncConnection, *, wall_at: datetime, limit: int) -> Sequence[Record]:
    """Lock endpoints with something due and a free slot, those that take what they get first."""
    ready = _ready(wall_at)
    own = delivery.c.endpoint_id == endpoint.c.id
    due = sa.select(delivery.c.next_attempt_at).where(
        own, in_state("pending"), delivery.c.next_attempt_at <= wall_at
    )
    oldest = due.order_by(delivery.c.next_attempt_at).limit(1).scalar_subquery()
    shot = due.where(_single_shot()).limit(1).scalar_subquery()
    query = (
        sa.select(endpoint.c.id, ready.label("ready"))
        .where(
            endpoint.c.deleted_at.is_(None),
            sa.or_(sa.and_(ready, oldest.is_not(None)), shot.is_not(None)),
            _inflight_of(endpoint.c.id) < endpoint.c.max_inflight,
        )
        .order_by(endpoint.c.failures > 0, oldest)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True, of=endpoint)
    )
    return (await connection.execute(query)).all()


async def _due(
    connection: AsyncConnection, endpoint_ids: Sequence[str], *, wall_at: datetime, shots: bool
) -> list[Record]:
    """Return the oldest due deliveries of each locked endpoint, as many as it has free slots."""
    if not endpoint_ids:
        return []
    free = endpoint.c.max_inflight - _inflight_of(endpoint.c.id)
    oldest = (
        sa.select(delivery.c.id, delivery.c.endpoint_id)
        .where(
            in_state("pending"), delivery.c.next_attempt_at <= wall_at, *([_single_shot()] if shots else [])
        )
        .order_by(delivery.c.next_attempt_at, delivery.c.id)
    )
    if connection.dialect.name == "postgresql":
        own = oldest.where(delivery.c.endpoint_id == endpoint.c.id)
        each = own.limit(sa.func.greatest(free, 0)).lateral("due")
        query = sa.select(each).select_from(endpoint).join(each, sa.true())
        return list((await connection.execute(query.where(endpoint.c.id.in_(endpoint_ids)))).all())
    slots = sa.select(endpoint.c.id, free.label("free")).where(endpoint.c.id.in_(endpoint_ids))
    found: list[Record] = []
    for one in (await connection.execute(slots)).all():
        own = oldest.where(delivery.c.endpoint_id == one.id).limit(max(one.free, 0))
        found += (await connection.execute(own)).all()
    return found


def _ready(wall_at: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that an endpoint takes what is due: switched on, and not asking to be left alone."""
    unpaused = sa.or_(endpoint.c.paused_until.is_(None), endpoint.c.paused_until <= wall_at)
    return sa.and_(endpoint.c.enabled, unpaused)


def _inflight_of(endpoint_id: sa.ColumnElement[str]) -> sa.ScalarSelect[int]:
    other = delivery.alias("inflight")
    return (
        sa.select(sa.func.count())
        .select_from(other)
        .where(other.c.endpoint_id == endpoint_id, other.c.state == sa.literal_column("'inflight'"))
        .correlate(endpoint)
        .scalar_subquery()
    )


def _single_shot() -> sa.ColumnElement[bool]:
    return delivery.c.single_shot == sa.true()


async def page(
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
            endpoint.c.envelope,
            endpoint.c.handshake,
            endpoint.c.handshaken_at,
        )
        .join(message, message.c.id == delivery.c.message_id)
        .join(endpoint, endpoint.c.id == delivery.c.endpoint_id)
        .where(*conditions)
    )
    if before_id is not None:
        query = query.where(delivery.c.id < before_id)
    return (await connection.execute(query.order_by(delivery.c.id.desc()).limit(limit))).all()


async def settle_delivered(connection: AsyncConnection, claims: Collection[tuple[str, str]]) -> set[str]:
    """Write that claimed deliveries arrived; return those that nobody had taken over meanwhile."""
    done = {
        "state": "delivered",
        "attempts": delivery.c.attempts + 1,
        "next_attempt_at": None,
        "resume_at": None,
    }
    mine = sa.tuple_(delivery.c.id, delivery.c.claim_id).in_(sorted(claims))
    statement = sa.update(delivery).where(mine).values(claim_id=None, lease_until=None, **done)
    return set(await connection.scalars(statement.returning(delivery.c.id)))


async def settle(
    connection: AsyncConnection, delivery_id: str, *, claim_id: str, **values: Any
) -> str | None:
    """Write a delivery's outcome and return its state; None: another has taken it over, nothing is written.

    One that newer news has made stale while it was in flight is not tried again.
    """
    mine = sa.and_(delivery.c.id == delivery_id, delivery.c.claim_id == claim_id)
    if values.get("state") == "pending":
        values["state"] = sa.case((delivery.c.stale == sa.true(), "superseded"), else_="pending")
    statement = sa.update(delivery).where(mine).values(claim_id=None, lease_until=None, **values)
    state: str | None = await connection.scalar(statement.returning(delivery.c.state))
    return state


async def release(connection: AsyncConnection, claim_ids: Collection[str]) -> None:
    """Give back what was taken and not attempted, so that nobody waits for the lease to lapse."""
    mine = sa.and_(delivery.c.claim_id.in_(list(claim_ids)), in_state("inflight"))
    freed = {"state": "pending", "claim_id": None, "lease_until": None}
    await connection.execute(sa.update(delivery).where(mine).values(**freed))


async def supersede(
    connection: AsyncConnection, type_: str, shipment_ids: Collection[str], *, newest: Collection[str]
) -> None:
    """End what is still under way of older news of this type about these shipments."""
    older = sa.select(message.c.id).where(
        message.c.shipment_id.in_(list(shipment_ids)),
        message.c.type == type_,
        message.c.id.not_in(list(newest)),
    )
    flying = delivery.c.state == sa.literal_column("'inflight'")
    await connection.execute(
        sa.update(delivery)
        .where(delivery.c.message_id.in_(older), in_state("pending", "waiting", "inflight"))
        .values(stale=True, state=sa.case((flying, "inflight"), else_="superseded"))
    )


async def take_numbers(connection: AsyncConnection, counts: dict[str, int]) -> dict[str, int]:
    """Lock these shipments, in id order, and return the last number that each had given to a message before."""
    last: dict[str, int] = {}
    for shipment_id, count in sorted(counts.items()):
        statement = (
            sa.update(shipment)
            .where(shipment.c.id == shipment_id)
            .values(messages_numbered=shipment.c.messages_numbered + count)
            .returning(shipment.c.messages_numbered)
        )
        last[shipment_id] = (await connection.execute(statement)).scalar_one() - count
    return last


async def lock_order(connection: AsyncConnection, shipment_id: str) -> None:
    """Lock a shipment against messages that are just being numbered."""
    query = sa.select(shipment.c.id).where(shipment.c.id == shipment_id)
    await connection.execute(query.with_for_update(key_share=True))


async def under_way(connection: AsyncConnection, shipment_ids: Collection[str]) -> set[tuple[str, str]]:
    """Return (endpoint, shipment) where an ordered delivery has not ended yet."""
    query = sa.select(delivery.c.endpoint_id, delivery.c.ordered_by).where(
        delivery.c.ordered_by.in_(list(shipment_ids)), in_state("pending", "waiting", "inflight")
    )
    return {(row.endpoint_id, row.ordered_by) for row in await connection.execute(query.distinct())}


async def let_next_go(
    connection: AsyncConnection, endpoint_id: str, shipment_id: str, *, wall_at: datetime
) -> None:
    """Let the next message of an ordered pair go, when none is on its way; the shipment is locked."""
    own = sa.and_(delivery.c.endpoint_id == endpoint_id, delivery.c.ordered_by == shipment_id)
    busy = sa.select(delivery.c.id).where(own, in_state("pending", "inflight")).limit(1)
    if await connection.scalar(busy) is not None:
        return
    following = (
        sa.select(delivery.c.id)
        .where(own, in_state("waiting"))
        .order_by(delivery.c.sequence)
        .limit(1)
        .scalar_subquery()
    )
    await connection.execute(
        sa.update(delivery).where(delivery.c.id == following).values(state="pending", next_attempt_at=wall_at)
    )


async def at_gate(
    connection: AsyncConnection, endpoint_id: str, *, critical_only: bool, limit: int
) -> Sequence[Record]:
    """Return what waits at an endpoint's gate, oldest first, with its message."""
    query = (
        sa.select(delivery.c.id, message.c.type, message.c.severity, message.c.body)
        .join(message, message.c.id == delivery.c.message_id)
        .where(delivery.c.endpoint_id == endpoint_id, in_state("gated"))
        .order_by(delivery.c.id)
        .limit(limit)
    )
    if critical_only:
        query = query.where(message.c.severity == "critical")
    return (await connection.execute(query)).all()


async def leave_gate(
    connection: AsyncConnection, ids: Collection[str], *, state: str, wall_at: datetime
) -> None:
    """Let these deliveries go, or end them because a digest tells what they would have told."""
    next_at = wall_at if state == "pending" else None
    mine = sa.and_(delivery.c.id.in_(list(ids)), in_state("gated"))
    await connection.execute(sa.update(delivery).where(mine).values(state=state, next_attempt_at=next_at))


async def change(connection: AsyncConnection, delivery_id: str, *states: str, **values: Any) -> bool:
    """Change a delivery while it is in one of these states; say whether it was."""
    done = await connection.execute(
        sa.update(delivery).where(delivery.c.id == delivery_id, in_state(*states)).values(**values)
    )
    return done.rowcount == 1


async def attempts_of(connection: AsyncConnection, delivery_ids: Collection[str]) -> Sequence[Record]:
    """Return the attempts of deliveries, oldest first."""
    query = sa.select(attempt).where(attempt.c.delivery_id.in_(list(delivery_ids))).order_by(attempt.c.id)
    return (await connection.execute(query)).all()
