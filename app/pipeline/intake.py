"""Group commit: what waits together is committed together, and each gets its answer after the commit.

There is no timer: the next batch forms while the last one commits. A batch that cannot be written is split until the
submission that spoils it stands alone; its neighbours are written without it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import DosetrailError, Invalid, Unavailable
from app.store.db import Database, SerializationFailed
from app.telemetry import Metrics, log

BATCH_MAX = 256
WAITING_MAX = 20_000
ANSWER_WITHIN_S = 20
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
        self._waiting: list[tuple[S, asyncio.Future[R]]] = []
        self._arrived = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Intake[S, R]":
        """Start the writer."""
        self._writer = asyncio.create_task(self._run(), name="intake")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write what waits, then stop."""
        while self._waiting:
            await asyncio.wait([future for _, future in self._waiting])
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait([self._writer])

    async def submit(self, submission: S) -> R:
        """Return the result once it is committed.

        Raises:
            DosetrailError: what the submission is answered with instead.
            IntakeFull, IntakeTimeout: it was not, or perhaps not, written; repeating is safe.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise IntakeFull("too much is waiting to be written; repeat the request")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((submission, future))
        self._arrived.set()
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await future
        except TimeoutError as error:
            raise IntakeTimeout("not written in time; repeat the request with the same event_id") from error

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            if not self._waiting:
                self._arrived.clear()
            # Whoever has given up is gone: their repeat brings the same event again.
            batch = [(submission, future) for submission, future in batch if not future.done()]
            if batch:
                self._metrics.batch_size.observe(len(batch))
                await self._settle(batch)

    async def _settle(self, batch: Sequence[tuple[S, asyncio.Future[R]]]) -> None:
        try:
            results = await self._commit([submission for submission, _ in batch])
        except DosetrailError as error:
            for _, future in batch:
                _answer(future, error)
            return
        except Exception as error:  # noqa: BLE001 - the loop's edge
            # Whatever one submission does to the writer, the others are written.
            await self._split(batch, error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            _answer(future, result)
        self._committed()

    async def _split(self, batch: Sequence[tuple[S, asyncio.Future[R]]], error: Exception) -> None:
        if len(batch) == 1:
            log.error("submission refused by the database", exc_info=error)
            unstorable = isinstance(error, SQLAlchemyError | ValueError)
            _answer(batch[0][1], Unstorable("this cannot be stored as it is") if unstorable else error)
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
