"""The schema's revision: bring a database up to date, and say whether it is."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.db import Database

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 727_001
"""The PostgreSQL advisory lock that lets one of several starting replicas migrate."""


async def migrate(db: Database, *, revision: str = "head") -> None:
    """Bring the schema to `revision`, in one transaction; replicas that start together take turns."""
    async with db.transaction() as connection:
        if db.dialect == "postgresql":
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        await connection.run_sync(_run, revision)


async def is_current(connection: AsyncConnection) -> bool:
    """Say whether the schema is the one this code was written for."""
    wanted = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    return await connection.run_sync(_revision) == wanted


async def is_absent(connection: AsyncConnection) -> bool:
    """Say whether nothing has ever been migrated here."""
    return await connection.run_sync(_revision) is None


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _run(connection: sa.Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    if revision == "base":
        command.downgrade(config, revision)
    else:
        command.upgrade(config, revision)
