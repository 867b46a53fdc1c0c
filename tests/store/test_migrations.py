"""The schema: up, down and up again, equal to the models, and migrated once however many start."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

from app.main import ROUTERS
from app.store import schema
from app.store.db import Database
from tests.support.postgres import PostgresServer
from tests.support.sabotage import database


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database in which nothing is."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    yield server.create_database("empty")
    server.drop_database("empty")


@pytest.fixture
async def empty(empty_url: str) -> AsyncIterator[Database]:
    async with database(empty_url) as db:
        yield db


async def tables(db: Database) -> set[str]:
    async with db.reading() as connection:
        names = await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
    return set(names) - {"alembic_version"}


async def is_current(db: Database) -> bool:
    async with db.reading() as connection:
        return await schema.is_current(connection)


async def test_up_down_and_up_again(empty: Database) -> None:
    before = await is_current(empty)
    await schema.migrate(empty)
    up = await tables(empty)
    await schema.migrate(empty, revision="base")
    down = await tables(empty)
    await schema.migrate(empty)

    assert not before
    assert "shipment_due" in up
    assert down == set()
    assert await tables(empty) == up
    assert await is_current(empty)


async def test_migrating_what_is_current_changes_nothing(empty: Database) -> None:
    await schema.migrate(empty)
    await schema.migrate(empty)

    assert await is_current(empty)


async def test_the_migrations_make_what_the_models_say(empty: Database) -> None:
    assert ROUTERS  # whoever imports the service has imported every model
    await schema.migrate(empty)

    def compared(connection: sa.Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, SQLModel.metadata))

    async with empty.reading() as connection:
        assert await connection.run_sync(compared) == []


async def test_replicas_that_start_together_migrate_once(empty_url: str) -> None:
    async with database(empty_url) as one, database(empty_url) as other, database(empty_url) as third:
        await asyncio.gather(*(schema.migrate(db) for db in (one, other, third)))

        assert await is_current(one)
        assert len(await tables(third)) > 10
