"""Faults planted in the database itself, so that the service meets them as it would any other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa

from app.store.db import Database

_LOCK = {"sqlite": "SELECT 1", "postgresql": "LOCK TABLE event IN ACCESS EXCLUSIVE MODE"}


@asynccontextmanager
async def database(url: str) -> AsyncIterator[Database]:
    """Open the service's database from beside it."""
    db = Database(url)
    try:
        yield db
    finally:
        await db.close()


@asynccontextmanager
async def nobody_writes(url: str) -> AsyncIterator[None]:
    """Hold the lock that every writer of events waits for, until the block ends."""
    async with database(url) as db, db.transaction() as connection:
        await connection.execute(sa.text(_LOCK[db.dialect]))
        yield


async def refuse_event(url: str, event_id: str) -> None:
    """Let the database refuse this one event's row, whatever stands beside it."""
    await _run(
        url,
        sqlite=[
            f"CREATE TRIGGER poison BEFORE INSERT ON event WHEN NEW.event_id = '{event_id}' "
            "BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
        ],
        postgresql=[
            "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'poisoned' USING ERRCODE = '22000'; END $$",
            f"CREATE TRIGGER poison BEFORE INSERT ON event FOR EACH ROW WHEN (NEW.event_id = '{event_id}') "
            "EXECUTE FUNCTION poison()",
        ],
    )


async def fail_commits_of_events(url: str) -> None:
    """Let every statement succeed and the commit fail, where an event was written."""
    orphans = "CREATE TABLE orphan (id integer REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)"
    parents = "CREATE TABLE parent (id integer PRIMARY KEY)"
    await _run(
        url,
        sqlite=[
            parents,
            orphans,
            "CREATE TRIGGER spoil AFTER INSERT ON event BEGIN INSERT INTO orphan VALUES (1); END",
        ],
        postgresql=[
            parents,
            orphans,
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO orphan VALUES (1); RETURN NEW; END $$",
            "CREATE TRIGGER spoil AFTER INSERT ON event FOR EACH ROW EXECUTE FUNCTION spoil()",
        ],
    )


async def heal_commits(url: str) -> None:
    """Let commits succeed again."""
    await _run(url, sqlite=["DROP TRIGGER spoil"], postgresql=["DROP TRIGGER spoil ON event"])


async def cross_events(url: str, *, times: int) -> None:
    """Let the first transactions that write events cross another's (PostgreSQL)."""
    await _run(
        url,
        sqlite=[],
        postgresql=[
            "CREATE SEQUENCE crossings",  # survives the rollback
            "CREATE FUNCTION cross_() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF nextval('crossings') <= {times} THEN RAISE EXCEPTION 'crossed' USING ERRCODE = '40001'; "
            "END IF; RETURN NULL; END $$",
            "CREATE TRIGGER cross_ BEFORE INSERT ON event FOR EACH STATEMENT EXECUTE FUNCTION cross_()",
        ],
    )


async def _run(url: str, *, sqlite: list[str], postgresql: list[str]) -> None:
    async with database(url) as db, db.transaction() as connection:
        for statement in sqlite if db.dialect == "sqlite" else postgresql:
            await connection.exec_driver_sql(statement)
