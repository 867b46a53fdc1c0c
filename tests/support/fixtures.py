from collections.abc import Iterator

import pytest

from tests.support.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for this process's tests; a test gets a database of its own from `create_database`."""
    with PostgresServer() as server:
        yield server
