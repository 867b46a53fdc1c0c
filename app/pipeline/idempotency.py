"""A creating POST that is repeated under one `Idempotency-Key` creates once and is answered the same.

That it was done is written in the transaction that does it; the answer, without its secrets, right after. A process
that dies between the two leaves a request that is known to be done: it is never done again.
"""

import asyncio
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.errors import Conflict
from app.store import idempotency
from app.store.db import Database
from app.store.tables import Record

KEPT_FOR = timedelta(hours=24)
"""Source: the contract; by the wall clock, which is the one that clients repeat by."""
SECRET_FIELDS = frozenset({"key", "secret"})
LOOKS = 40
LOOK_EVERY_S = 0.05


class OtherBody(Conflict):
    """The same Idempotency-Key came before with another body."""

    code = "idempotency_conflict"


class DoneUnanswered(Conflict):
    """The request was done before, but its answer was lost: list what there is, nothing was created twice."""

    code = "done_unanswered"


@dataclass(frozen=True, slots=True)
class Repeatable:
    """What makes two requests one: the caller's key, the path, the Idempotency-Key; and the body's fingerprint."""

    key_id: str
    path: str
    idempotency_key: str
    digest: str

    @property
    def name(self) -> dict[str, str]:
        """What the answer is kept under."""
        return {name: value for name, value in asdict(self).items() if name != "digest"}


@dataclass(frozen=True, slots=True)
class Kept:
    """A first answer, told again."""

    status: int
    location: str | None
    body: str


class Idempotency:
    """Remembers what creating POSTs were answered."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    async def first_answer(self, one: Repeatable) -> Kept | None:
        """Return what the request was answered before; None when it is new.

        Raises:
            OtherBody: it came before with another body.
            DoneUnanswered: it was done, and what it was answered is not known.
        """
        for _ in range(LOOKS):
            row = await self._row(one)
            if row is None:
                return None
            if row.digest != one.digest:
                raise OtherBody("this Idempotency-Key was used for another body; give each request its own")
            if row.status is not None:
                return Kept(row.status, row.location, row.body)
            # Its first sender is between the commit and writing the answer down.
            await asyncio.sleep(LOOK_EVERY_S)
        raise DoneUnanswered("this was done before and its answer was lost; list what there is")

    async def mark(self, connection: AsyncConnection, one: Repeatable) -> None:
        """Write, in the transaction that does it, that the request is done.

        Raises:
            OtherBody: another request under the same key was quicker.
        """
        at = self._clock.wall()
        row = asdict(one) | {"created_at": at, "status": None, "location": None, "body": None}
        if not await idempotency.insert(connection, row, forget_before=at - KEPT_FOR):
            raise OtherBody("another request under this Idempotency-Key was quicker")

    async def keep(self, one: Repeatable, *, status: int, location: str | None, body: dict[str, Any]) -> None:
        """Write down the answer, its secrets left out."""
        told = {name: None if name in SECRET_FIELDS else value for name, value in body.items()}
        text = orjson.dumps(told).decode()
        async with self._db.transaction() as connection:
            await idempotency.keep(connection, one.name, status=status, location=location, body=text)

    async def forget(self) -> None:
        """Drop answers older than a day."""
        async with self._db.transaction() as connection:
            await idempotency.forget(connection, before=self._clock.wall() - KEPT_FOR)

    async def _row(self, one: Repeatable) -> Record | None:
        async with self._db.reading() as connection:
            row = await idempotency.read(connection, one.name)
        return None if row is None or row.created_at < self._clock.wall() - KEPT_FOR else row
