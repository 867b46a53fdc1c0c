"""SQLite's driver with one trip into its thread for a statement, where it makes four.

`aiosqlite` makes the cursor, runs the statement, fetches its rows and closes the cursor in turn, and for each the event
loop and the thread have to wake each other up: most of what a short statement costs, and all of its delay on a busy
machine.
"""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

import aiosqlite

CHUNK = 64


def creator(path: str) -> Callable[[], "Connection"]:
    """Return what makes a connection to a database file; it is open once it has been awaited."""

    def make() -> Connection:
        connection = Connection(lambda: sqlite3.connect(path), CHUNK)
        connection._thread.daemon = (
            True  # as SQLAlchemy has it: a forgotten connection keeps no process alive
        )
        return connection

    return make


class Connection(aiosqlite.Connection):
    """A connection whose cursors are made here, and not in its thread."""

    def cursor(self) -> "Cursor":  # type: ignore[override]  # SQLAlchemy enters it; nobody awaits it
        """Return a cursor."""
        return Cursor(self)


class Cursor(aiosqlite.Cursor):
    """A cursor that brings all rows along from running its statement."""

    def __init__(self, connection: Connection) -> None:
        self._conn: Any = connection
        self._cursor: Any = None
        self._rows: list[Any] = []

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> "Cursor":
        """Run a statement."""
        self._cursor, self._rows = await self._conn._execute(self._run, sql, parameters or ())
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> "Cursor":
        """Run a statement for each set of parameters."""
        self._cursor = await self._conn._execute(self._conn._conn.executemany, sql, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        rows, self._rows = self._rows, []
        return rows

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows."""
        count = size or CHUNK
        rows, self._rows = self._rows[:count], self._rows[count:]
        return rows

    async def fetchone(self) -> Any:
        """Return the next row; None after the last."""
        return self._rows.pop(0) if self._rows else None

    async def close(self) -> None:
        """Let go of the rows; the statement itself is over."""
        self._rows = []

    def _run(self, sql: str, parameters: Iterable[Any]) -> tuple[sqlite3.Cursor, list[Any]]:
        cursor = self._conn._conn.execute(sql, parameters)
        return cursor, cursor.fetchall() if cursor.description else []
