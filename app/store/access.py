"""Organisations and keys."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.tables import Record, api_key, organisation, site


async def insert_organisation(connection: AsyncConnection, *, id_: str, name: str, at: datetime) -> None:
    """Write a new organisation."""
    await connection.execute(sa.insert(organisation).values(id=id_, name=name, created_at=at))


async def organisation_id(connection: AsyncConnection, name: str) -> str | None:
    """Return the organisation's id, or None."""
    found: str | None = await connection.scalar(
        sa.select(organisation.c.id).where(organisation.c.name == name)
    )
    return found


async def organisations(connection: AsyncConnection) -> list[str]:
    """Return every organisation's id, in order."""
    return list(await connection.scalars(sa.select(organisation.c.id).order_by(organisation.c.id)))


async def insert_key(connection: AsyncConnection, row: dict[str, Any]) -> None:
    """Write a new key."""
    await connection.execute(sa.insert(api_key).values(**row))


async def any_key(connection: AsyncConnection) -> bool:
    """Say whether there is a key at all."""
    return await connection.scalar(sa.select(api_key.c.id).limit(1)) is not None


async def key_by_hash(connection: AsyncConnection, hash_: str) -> Record | None:
    """Return a key that has not been revoked, with its site's code."""
    query = (
        sa.select(api_key, site.c.code.label("site_code"))
        .outerjoin(site, site.c.id == api_key.c.site_id)
        .where(api_key.c.hash == hash_, api_key.c.revoked_at.is_(None))
    )
    return (await connection.execute(query)).first()


async def revoke(
    connection: AsyncConnection, organisation_id_: str, key_id: str, *, at: datetime
) -> Record | None:
    """Revoke a key, once; return it, or None when the organisation has no such key."""
    own = sa.and_(api_key.c.id == key_id, api_key.c.organisation_id == organisation_id_)
    await connection.execute(
        sa.update(api_key).where(own, api_key.c.revoked_at.is_(None)).values(revoked_at=at)
    )
    return (await connection.execute(sa.select(api_key).where(own))).first()


async def live_key(connection: AsyncConnection, organisation_id_: str, key_id: str) -> Record | None:
    """Return a key of the organisation's that has not been revoked, locked against other writers; or None."""
    query = sa.select(api_key).where(
        api_key.c.id == key_id,
        api_key.c.organisation_id == organisation_id_,
        api_key.c.revoked_at.is_(None),
    )
    return (await connection.execute(query.with_for_update())).first()


async def let_expire(connection: AsyncConnection, key_id: str, *, expires_at: datetime) -> None:
    """Give a key an end."""
    await connection.execute(sa.update(api_key).where(api_key.c.id == key_id).values(expires_at=expires_at))


async def keys_page(
    connection: AsyncConnection, organisation_id_: str, *, before_id: str | None, limit: int
) -> Sequence[Record]:
    """Return the organisation's keys, revoked ones too, newest first."""
    query = sa.select(api_key).where(api_key.c.organisation_id == organisation_id_)
    if before_id is not None:
        query = query.where(api_key.c.id < before_id)
    return (await connection.execute(query.order_by(api_key.c.id.desc()).limit(limit))).all()


async def key_names(
    connection: AsyncConnection, organisation_id_: str, ids: Collection[str]
) -> dict[str, str]:
    """Return the names of keys by id, revoked ones too."""
    query = sa.select(api_key.c.id, api_key.c.name).where(
        api_key.c.organisation_id == organisation_id_, api_key.c.id.in_(list(ids))
    )
    return {row.id: row.name for row in await connection.execute(query)}
