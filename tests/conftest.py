"""What every test may ask for: a service on each database, with a clock that only the test moves."""

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from app.store import schema
from app.store.db import Database
from tests.support.api import ADMIN_KEY, Api, serving
from tests.support.postgres import PostgresServer

pytest_plugins = ["tests.support.fixtures"]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
async def postgres_template(postgres_server: PostgresServer) -> str:
    """A migrated database, of which each test gets a copy."""
    url = postgres_server.create_database("template_spine")
    db = Database(url)
    await schema.migrate(db)
    await db.close()
    return "template_spine"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty, migrated database of the test's own."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'dosetrail.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    template: str = request.getfixturevalue("postgres_template")
    name = f"test_{os.getpid()}_{next(_numbers)}"
    yield server.create_database(name, template=template)
    server.drop_database(name)


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    """A running service without loops: the test says when it assesses and when it sends."""
    secret_key = Fernet.generate_key().decode()
    async with serving(database_url, secret_key=secret_key, admin_key=ADMIN_KEY) as running:
        yield running
