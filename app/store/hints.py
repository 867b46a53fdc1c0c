"""Hints that something is due, from one process to another: PostgreSQL's NOTIFY. Losing one costs a poll's time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import DosetrailError
from app.store.db import Database
from app.telemetry import log

CHANNEL = "dosetrail_due"
RECONNECT_S = 5.0


async def give(connection: AsyncConnection) -> None:
    """Tell every dispatcher, once this transaction is committed; SQLite has one, which is told in its process."""
    if connection.dialect.name == "postgresql":
        await connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))


@contextlib.asynccontextmanager
async def heard(db: Database, wake: Callable[[], None]) -> AsyncIterator[None]:
    """Call `wake` at every hint until the block ends."""
    if db.dialect != "postgresql":
        yield
        return
    listening = asyncio.create_task(_listen(db, wake), name="hints")
    try:
        yield
    finally:
        listening.cancel()
        await asyncio.wait([listening])


async def _listen(db: Database, wake: Callable[[], None]) -> None:
    """Hold a connection of our own, and open another when it is lost: the poll works meanwhile."""
    while True:
        try:
            await _until_lost(db, wake)
        except (DosetrailError, OSError) as error:
            log.warning("no hints now", detail=str(error))
        except Exception as error:  # noqa: BLE001 - the loop's edge: hints are only hints
            log.error("listening failed", exc_info=error)
        await asyncio.sleep(RECONNECT_S)


async def _until_lost(db: Database, wake: Callable[[], None]) -> None:
    lost = asyncio.Event()
    async with db.reading() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        listener = lambda *_: wake()  # noqa: E731 - the same object is taken off again
        raw.add_termination_listener(lambda *_: lost.set())
        await raw.add_listener(CHANNEL, listener)
        try:
            await lost.wait()
        finally:
            with contextlib.suppress(Exception):
                await raw.remove_listener(CHANNEL, listener)
