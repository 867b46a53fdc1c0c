"""Making, checking and revoking API keys."""

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain.access import Caller, Role
from app.domain.decay import LAST_INSTANT
from app.domain.status import instant_text
from app.errors import FieldError, Invalid, NotFound
from app.models.access import ApiKeyCreate
from app.models.base import new_id
from app.store import access, audit, reference
from app.store.db import Database
from app.store.tables import Record

REMEMBERED = timedelta(seconds=2)
"""How long a key that was revoked in another process is still believed in this one."""
REMEMBERED_MAX = 10_000
BOOTSTRAP_NAME = "bootstrap"
SERVICE = "dosetrail"
"""The actor of what the command line does."""


class UnknownKey(NotFound):
    """No such key in this organisation."""

    code = "unknown_key"


class BadKey(Invalid):
    """The key would be bound to something that is not there."""

    code = "bad_key"


@dataclass(frozen=True, slots=True)
class _Known:
    caller: Caller
    expires_at: datetime | None
    looked_up_at: datetime


class Keys:
    """The keys of all organisations."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._known: dict[str, _Known] = {}
        self._looking_up: dict[str, asyncio.Task[_Known | None]] = {}

    async def caller(self, text: str) -> Caller | None:
        """Return who holds this key; None when it is unknown, revoked or expired."""
        hash_ = digest(text)
        known = self._known.get(hash_)
        if known is None or self._clock.wall() - known.looked_up_at > REMEMBERED:
            known = await self._look_up(hash_)
        if known is None or (known.expires_at is not None and known.expires_at <= self._clock.now()):
            return None
        return known.caller

    async def _look_up(self, hash_: str) -> _Known | None:
        """Read a key once, however many requests that carry it wait."""
        task = self._looking_up.get(hash_)
        if task is None:
            task = asyncio.create_task(self._read(hash_))
            self._looking_up[hash_] = task
            task.add_done_callback(lambda _: self._looking_up.pop(hash_, None))
        return await asyncio.shield(task)

    async def _read(self, hash_: str) -> _Known | None:
        wall_at = self._clock.wall()
        async with self._db.reading() as connection:
            row = await access.key_by_hash(connection, hash_)
        if row is None:
            self._known.pop(hash_, None)
            return None
        if len(self._known) >= REMEMBERED_MAX:
            self._known.clear()
        known = self._known[hash_] = _Known(_caller(row), row.expires_at, wall_at)
        return known

    async def create(self, caller: Caller, body: ApiKeyCreate) -> tuple[dict[str, Any], str]:
        """Make a key and return its row and its text, which is stored nowhere.

        Raises:
            BadKey: its site is not there.
        """
        at = self._clock.now()
        async with self._db.transaction() as connection:
            site_code = None
            if body.site_id is not None:
                site = await reference.site(connection, caller.organisation_id, body.site_id)
                if site is None:
                    raise BadKey(
                        "the key names a site that is not there",
                        errors=(FieldError("/site_id", "no such site"),),
                    )
                site_code = site.code
            row, text = new_key(caller.organisation_id, body, site_code=site_code, at=at)
            await access.insert_key(connection, row)
            await audit.append(
                connection,
                organisation_id=caller.organisation_id,
                at=at,
                actor=caller.key_id,
                action="create",
                object_kind="api_key",
                object_id=row["id"],
                new=_audited(row),
            )
        return row, text

    async def rotate(self, caller: Caller, key_id: str, *, overlap_s: int) -> tuple[dict[str, Any], str]:
        """Make a successor with the same role, bindings and source, and let the old key end after the overlap.

        The source stays, so an event that the old key sent is known when the new one repeats it.

        Raises:
            UnknownKey: the organisation has no such key, or it was revoked.
        """
        at = self._clock.now()
        async with self._db.transaction() as connection:
            old = await access.live_key(connection, caller.organisation_id, key_id)
            if old is None:
                raise UnknownKey("no such key")
            ends_at = min(at + timedelta(seconds=overlap_s), old.expires_at or LAST_INSTANT)
            id_ = new_id()
            text = f"dtk_{id_}_{secrets.token_urlsafe(32)}"
            row = dict(old._mapping) | {"id": id_, "hash": digest(text), "created_at": at}
            await access.insert_key(connection, row)
            await access.let_expire(connection, key_id, expires_at=ends_at)
            await audit.append(
                connection,
                organisation_id=caller.organisation_id,
                at=at,
                actor=caller.key_id,
                action="rotate",
                object_kind="api_key",
                object_id=key_id,
                old={"expires_at": instant_text(old.expires_at) if old.expires_at else None},
                new={"expires_at": instant_text(ends_at), "successor": id_},
            )
        self._known.pop(old.hash, None)
        return row, text

    async def revoke(self, caller: Caller, key_id: str) -> None:
        """Revoke a key; it stays listed.

        Raises:
            UnknownKey: the organisation has no such key.
        """
        at = self._clock.now()
        async with self._db.transaction() as connection:
            row = await access.revoke(connection, caller.organisation_id, key_id, at=at)
            if row is None:
                raise UnknownKey("no such key")
            await audit.append(
                connection,
                organisation_id=caller.organisation_id,
                at=at,
                actor=caller.key_id,
                action="revoke",
                object_kind="api_key",
                object_id=key_id,
                old={"revoked_at": None},
                new={"revoked_at": instant_text(at)},
            )
        self._known.pop(row.hash, None)

    async def bootstrap(self, text: str) -> None:
        """Create organisation `default` and an admin key that is exactly this text, when there is no key at all."""
        async with self._db.transaction() as connection:
            if not await access.any_key(connection):
                await self._make(connection, "default", "admin", text)

    async def create_for(self, organisation: str, role: Role) -> str:
        """Return a new key of an organisation, which is made when it is not there; for roles without a binding."""
        text = f"dtk_{new_id()}_{secrets.token_urlsafe(32)}"
        async with self._db.transaction() as connection:
            await self._make(connection, organisation, role, text)
        return text

    async def _make(self, connection: AsyncConnection, organisation: str, role: Role, text: str) -> None:
        at = self._clock.now()
        organisation_id = await access.organisation_id(connection, organisation)
        if organisation_id is None:
            organisation_id = new_id()
            await access.insert_organisation(connection, id_=organisation_id, name=organisation, at=at)
        body = ApiKeyCreate(name=BOOTSTRAP_NAME, role=role)
        row, _ = new_key(organisation_id, body, site_code=None, at=at)
        await access.insert_key(connection, row | {"hash": digest(text)})
        await audit.append(
            connection,
            organisation_id=organisation_id,
            at=at,
            actor=SERVICE,
            action="create",
            object_kind="api_key",
            object_id=row["id"],
            new=_audited(row),
        )


def digest(text: str) -> str:
    """Return what is stored of a key. A plain hash will do: the key is 256 bits of chance, not a password."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def new_key(
    organisation_id: str, body: ApiKeyCreate, *, site_code: str | None, at: datetime
) -> tuple[dict[str, Any], str]:
    """Return a new key's row and text; its source is the given one, else the carrier, the site's code, its name."""
    id_ = new_id()
    text = f"dtk_{id_}_{secrets.token_urlsafe(32)}"
    row = body.model_dump() | {
        "id": id_,
        "organisation_id": organisation_id,
        "source": body.source or body.carrier or site_code or body.name,
        "hash": digest(text),
        "created_at": at,
        "revoked_at": None,
    }
    return row, text


def _audited(row: dict[str, Any]) -> dict[str, Any]:
    names = ("name", "role", "source", "site_id", "carrier", "study", "rate_limit_per_minute")
    return {name: row[name] for name in names if row[name] is not None}


def _caller(row: Record) -> Caller:
    return Caller(
        key_id=row.id,
        organisation_id=row.organisation_id,
        name=row.name,
        role=row.role,
        source=row.source,
        site_id=row.site_id,
        site_code=row.site_code,
        carrier=row.carrier,
        study=row.study,
        rate_limit_per_minute=row.rate_limit_per_minute,
    )
