"""The engine and the only commit.

Raises, from every use of the database:
    Unavailable: it cannot be reached, is locked, full, or has no free connection; repeating is safe.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.errors import Unavailable
from app.store import sqlite

BUSY_TIMEOUT_MS = 5_000
POOL_TIMEOUT_S = 5
IDLE_IN_TRANSACTION_S = 15
"""How long PostgreSQL lets a process that froze within a transaction keep its locks.

Less than an event waits for its answer, so that it is still written; far more than we compute between two statements.
"""


class DatabaseUnavailable(Unavailable):
    """The database cannot do this now."""

    code = "database_unavailable"


class SerializationFailed(Unavailable):
    """Two transactions crossed; the whole one may be repeated."""

    code = "serialization_failed"


Also = Callable[[AsyncConnection], Awaitable[None]]

_also: ContextVar[Also | None] = ContextVar("also", default=None)


@contextmanager
def also_writing(also: Also) -> Iterator[None]:
    """Let the first transaction that this task commits within the block write something more, or fail with it."""
    token = _also.set(also)
    try:
        yield
    finally:
        _also.reset(token)


class Database:
    """One database, SQLite or PostgreSQL, from the same code."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.dialect = self.engine.dialect.name
        # SQLite has one writer: waiting here is fair and costs nothing, waiting on its file lock is neither.
        self._writer = asyncio.Lock() if self.dialect == "sqlite" else None
        self._one_view: dict[str, Any] = (
            {}  # SQLite's transactions are snapshots already
            if self.dialect == "sqlite"
            else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection that writes, and commit when the block ends; roll back when it raises."""
        async with AsyncExitStack() as stack:
            if self._writer is not None:
                await stack.enter_async_context(self._writer)
            with _unavailable():
                async with self.engine.connect() as fresh:
                    connection = await fresh.execution_options(dosetrail_writes=True)
                    async with connection.begin():
                        yield connection
                        also = _also.get()
                        if also is not None:
                            _also.set(None)
                            await also(connection)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection that only reads, with one view of the data until the block ends."""
        with _unavailable():
            async with self.engine.connect() as fresh:
                yield await fresh.execution_options(**self._one_view)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def _engine(url: str) -> AsyncEngine:
    def dumps(value: Any) -> str:
        return orjson.dumps(value).decode()

    if url.startswith("sqlite"):
        engine = create_async_engine(
            url,
            async_creator=sqlite.creator(sa.make_url(url).database or ":memory:"),
            json_serializer=dumps,
            json_deserializer=orjson.loads,
        )
        sa.event.listen(engine.sync_engine, "connect", _configure_sqlite)
        sa.event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    return create_async_engine(
        url,
        json_serializer=dumps,
        json_deserializer=orjson.loads,
        pool_size=10,
        max_overflow=10,
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=False,
        connect_args={
            "timeout": POOL_TIMEOUT_S,
            "command_timeout": 30,
            "server_settings": {"idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_S}s"},
        },
    )


def _configure_sqlite(connection: Any, _: Any) -> None:
    """Take transactions into our own hands: the driver's implicit ones lose updates without an error."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("dosetrail_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _unavailable() -> Iterator[None]:
    """Turn a database that is away into the error that says so; what is wrong with the data stays as it is."""
    try:
        yield
    except IntegrityError:
        raise
    except PoolTimeout as error:
        raise DatabaseUnavailable("no database connection came free in time; repeat the request") from error
    except DBAPIError as error:
        if _crossed(error):
            raise SerializationFailed("two changes crossed; repeat the request") from error
        if _is_away(error):
            raise DatabaseUnavailable("the database cannot be used now; repeat the request") from error
        raise
    except (OSError, TimeoutError) as error:
        raise DatabaseUnavailable("the database cannot be reached; repeat the request") from error


def _crossed(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in {"40001", "40P01"}


def _is_away(error: DBAPIError) -> bool:
    """Say whether this is the database's state rather than the statement: by SQLSTATE class, or SQLite's words.

    Source: PostgreSQL error codes, classes 08 (connection), 53 (resources), 57 (intervention), 58 (system).
    """
    if error.connection_invalidated:
        return True
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate is not None:
        return str(sqlstate)[:2] in {"08", "53", "57", "58"}
    cause = getattr(error.orig, "__cause__", None)
    return isinstance(error.orig, sqlite3.OperationalError | OSError) or isinstance(cause, OSError)
