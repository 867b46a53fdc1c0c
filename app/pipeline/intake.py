"""Group commit: what waits together is committed together, and each gets its answer after the commit.

There is no timer: the next batch forms while the last one commits. A batch that cannot be written is split until the
submission that spoils it stands alone; its neighbours are written without it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import DosetrailError, Invalid, Unavailable
from app.store.db import Database, SerializationFailed
from app.telemetry import Metrics, log

BATCH_MAX = 256
WAITING_MAX = 20_000
ANSWER_WITHIN_S = 20
LOOK_EVERY_S = 0.5
TRIES = 3

S = TypeVar("S")
R = TypeVar("R")


class IntakeFull(Unavailable):
    """More is waiting than can be written soon."""

    code = "intake_full"


class IntakeTimeout(Unavailable):
    """It was not written in time; whether it will be is unknown, and repeating it is safe."""

    code = "intake_timeout"


class Unstorable(Invalid):
    """The database refuses this submission whatever stands beside it."""

    code = "unstorable"


@dataclass(slots=True)
class _Waiting(Generic[S, R]):
    """A submission, whom to answer, and until when (by the loop's clock)."""

    submission: S
    future: "asyncio.Future[R]"
    until_s: float


class Intake(Generic[S, R]):
    """A queue with one writer; `write` gets a batch and returns, for each, its result or the error that answers it."""

    def __init__(
        self,
        db: Database,
        write: Callable[[AsyncConnection, Sequence[S]], Awaitable[list[R | DosetrailError]]],
        *,
        metrics: Metrics,
        committed: Callable[[], None],
    ) -> None:
        self._db, self._write, self._metrics, self._committed = db, write, metrics, committed
        self._waiting: list[_Waiting[S, R]] = []
        self._writing: Sequence[_Waiting[S, R]] = ()
        self._arrived = asyncio.Event()
        self._closing = False
        self._writer: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> "Intake[S, R]":
        """Start the writer."""
        self._writer = asyncio.create_task(self._run(), name="intake")
        self._give_up()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write what waits, then stop."""
        self._closing = True
        self._arrived.set()
        if self._writer is not None:
            await asyncio.wait([self._writer])
        if self._watch is not None:
            self._watch.cancel()

    async def submit(self, submission: S) -> R:
        """Return the result once it is committed.

        Raises:
            DosetrailError: what the submission is answered with instead.
            IntakeFull, IntakeTimeout: it was not, or perhaps not, written; repeating is safe.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise IntakeFull("too much is waiting to be written; repeat the request")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append(_Waiting(submission, future, loop.time() + ANSWER_WITHIN_S))
        self._arrived.set()
        return await future

    def _give_up(self) -> None:
        """Answer whoever has waited too long, and look again soon: one timer for all, since each is dear."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for one in (*self._writing, *self._waiting):
            if one.until_s <= now_s and not one.future.done():
                one.future.set_exception(
                    IntakeTimeout("not written in time; repeat the request with the same event_id")
                )
        self._watch = loop.call_later(min(LOOK_EVERY_S, ANSWER_WITHIN_S), self._give_up)

    async def _run(self) -> None:
        while self._waiting or not self._closing:
            await self._arrived.wait()
            batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            if not (self._waiting or self._closing):
                self._arrived.clear()
            # Whoever has given up is gone: their repeat brings the same event again.
            self._writing = batch = [one for one in batch if not one.future.done()]
            if batch:
                self._metrics.batch_size.observe(len(batch))
                await self._settle(batch)

    async def _settle(self, batch: "Sequence[_Waiting[S, R]]") -> None:
        try:
            results = await self._commit([one.submission for one in batch])
        except DosetrailError as error:
            for one in batch:
                _answer(one.future, error)
            return
        except Exception as error:  # noqa: BLE001 - the loop's edge
            # Whatever one submission does to the writer, the others are written.
            await self._split(batch, error)
            return
        for one, result in zip(batch, results, strict=True):
            _answer(one.future, result)
        self._committed()

    async def _split(self, batch: "Sequence[_Waiting[S, R]]", error: Exception) -> None:
        if len(batch) == 1:
            log.error("submission refused by the database", exc_info=error)
            unstorable = isinstance(error, SQLAlchemyError | ValueError)
            _answer(batch[0].future, Unstorable("this cannot be stored as it is") if unstorable else error)
            return
        half = len(batch) // 2
        await self._settle(batch[:half])
        await self._settle(batch[half:])

    async def _commit(self, submissions: Sequence[S]) -> list[R | DosetrailError]:
        """Write and commit; a transaction that crossed another is repeated whole."""
        for _ in range(TRIES - 1):
            try:
                async with self._db.transaction() as connection:
                    return await self._write(connection, submissions)
            except (SerializationFailed, IntegrityError):
                # Another replica wrote the same event meanwhile: the repeat finds it.
                continue
        async with self._db.transaction() as connection:
            return await self._write(connection, submissions)


def _answer(future: "asyncio.Future[R]", result: R | Exception) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
