"""The command line: help a newcomer can follow, one clear line when something is wrong, and split roles that work."""

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from typer.main import get_command
from typer.testing import CliRunner, Result

from app.cli import app
from app.store import schema
from tests.support.api import Remote, hours
from tests.support.postgres import PostgresServer
from tests.support.receiver import receiving
from tests.support.sabotage import database
from tests.support.service import DOSETRAIL, Service, bare_environment, free_port, served

runner = CliRunner()
KEY = Fernet.generate_key().decode()


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Yield every command there is, so that a new one has to explain itself too."""
    yield list(path)
    for name, inner in getattr(group, "commands", {}).items():
        yield from commands(inner, (*path, name))


COMMANDS = list(commands(get_command(app)))


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of whoever runs the tests, and a folder of the test's own."""
    for name in set(runner.make_env()) | set(bare_environment()):
        if name.startswith("DOSETRAIL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, **settings: str) -> Result:
    environment: dict[str, str | None] = {f"DOSETRAIL_{name}": value for name, value in settings.items()}
    return runner.invoke(app, list(arguments), env=environment)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_its_options(command: list[str]) -> None:
    told = run(*command, "--help")

    assert told.exit_code == 0
    assert f"Usage: root {' '.join(command)}".rstrip() in told.output
    lines = [line.strip("│ ").split() for line in told.output.splitlines() if line.startswith("│ --")]
    assert all(len(words) > 2 for words in lines), "an option without a word of help"


def test_without_a_command_the_help_is_shown() -> None:
    assert "Usage" in run().output


WRONG = [
    ({"CLOCK": "sundial"}, "DOSETRAIL_CLOCK: clock 'sundial': write `real` or `2026-01-01T00:00:00Z@60`"),
    ({"CLOCK": "2026-01-01T00:00:00@60"}, "clock '2026-01-01T00:00:00@60': the instant needs an offset"),
    ({"CLOCK": "2026-01-01T00:00:00Z@0"}, "the rate must be between"),
    ({"DATABASE_URL": "mysql://x"}, "DOSETRAIL_DATABASE_URL: write sqlite+aiosqlite:///FILE or postgresql+asyncpg://"),
    ({"BOOTSTRAP_ADMIN_KEY": "dtk_short"}, "DOSETRAIL_BOOTSTRAP_ADMIN_KEY: String should have at least 32 characters"),
    ({"SCHEDULER__TICK_SECONDS": "never"}, "DOSETRAIL_SCHEDULER__TICK_SECONDS: Input should be a valid number"),
    ({"SCHEDULER__TICK_SECONDS": "0"}, "DOSETRAIL_SCHEDULER__TICK_SECONDS: Input should be greater than 0"),
    ({"DATABASE_URL": "sqlite+aiosqlite:////nowhere/at/all.db"}, "_DATABASE_URL: there is no folder /nowhere/at"),
    ({"LOG_LEVEL": "loud"}, "DOSETRAIL_LOG_LEVEL: Input should be"),
    ({"WEBHOOKS__ALLOWED_NETWORKS": "10.0.0.0/8"}, "write lists as JSON"),
    ({"WEBHOOKS__ALLOWED_NETWORKS": '["10.0.0.0/99"]'}, "_WEBHOOKS__ALLOWED_NETWORKS: Input is not a valid IPv4"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "line"), WRONG, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize(
    "command", [["serve"], ["worker"], ["migrate"], ["keys", "create", "--organisation", "x"]]
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(
    settings: dict[str, str], line: str, command: list[str]
) -> None:
    told = run(*command, **settings)

    assert told.exit_code == 2
    assert line in told.stderr
    assert len(told.stderr.splitlines()) == 1


NOWHERE = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"
UNABLE: list[tuple[list[str], dict[str, str], str]] = [
    (["serve"], {"SECRET_KEY": "short"}, "DOSETRAIL_SECRET_KEY must be 32 bytes"),
    (["serve"], {"DATABASE_URL": NOWHERE, "SECRET_KEY": KEY}, "the database cannot be reached"),
    (["worker"], {"DATABASE_URL": NOWHERE, "SECRET_KEY": KEY}, "the database cannot be reached"),
    (["migrate"], {"DATABASE_URL": NOWHERE}, "the database cannot be reached"),
    (["keys", "create", "--organisation", "x"], {"DATABASE_URL": NOWHERE}, "the database cannot be reached"),
    (["serve", "--host", "203.0.113.7"], {}, "cannot listen on 203.0.113.7:8000: Cannot assign requested address"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "settings", "line"), UNABLE, ids=lambda value: str(value)[:50])
def test_what_cannot_be_done_is_one_line_and_exit_code_1(
    command: list[str], settings: dict[str, str], line: str
) -> None:
    port = ["--port", str(free_port())] if command == ["serve"] else []

    told = run(*command, *port, **settings)

    assert told.exit_code == 1
    assert line in told.stderr
    assert len(told.stderr.splitlines()) == 1


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        told = run("serve", "--port", str(port))

    assert told.exit_code == 1
    assert told.stderr == f"cannot listen on 127.0.0.1:{port}: Address already in use\n"
    assert list(Path().iterdir()) == [], "nothing is opened before the port is known to be free"


@pytest.fixture
def unmigrated(postgres_server: PostgresServer) -> Iterator[str]:
    yield postgres_server.create_database("unmigrated")
    postgres_server.drop_database("unmigrated")


@pytest.mark.parametrize("command", [["serve"], ["worker"], ["keys", "create", "--organisation", "x"]])
def test_a_postgresql_without_tables_is_told_what_to_run(unmigrated: str, command: list[str]) -> None:
    port = ["--port", str(free_port())] if command == ["serve"] else []

    told = run(*command, *port, DATABASE_URL=unmigrated, SECRET_KEY=KEY)

    assert told.exit_code == 1
    assert told.stderr == "the database has no tables yet: run `dosetrail migrate`\n"


def test_migrating_says_so_and_may_be_repeated(unmigrated: str) -> None:
    told = [run("migrate", DATABASE_URL=unmigrated) for _ in range(2)]

    assert [(one.exit_code, one.output) for one in told] == [(0, "The schema is current.\n")] * 2


def command(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command beside a service, as a person at a second terminal does."""
    return subprocess.run(  # noqa: S603 - our own program
        [str(DOSETRAIL), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=service.folder,
        env=service.environment,
    )


async def test_a_key_made_beside_the_running_service_opens_another_organisation(
    database_url: str, tmp_path: Path
) -> None:
    async with served(database_url, tmp_path) as service:
        made = await asyncio.to_thread(command, service, "keys", "create", "--organisation", "Plant 2")
        headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
        async with httpx.AsyncClient(base_url=service.url) as client:
            answers = [
                await client.get("/v1/me", headers=one) for one in (headers, Remote(client=client).admin)
            ]

    assert made.returncode == 0
    assert made.stdout.startswith("dtk_")
    assert [one.json()["role"] for one in answers] == ["admin", "admin"]
    assert len({one.json()["organisation_id"] for one in answers}) == 2


async def test_a_second_server_on_one_sqlite_file_is_refused_in_one_line(tmp_path: Path) -> None:
    async with served(f"sqlite+aiosqlite:///{tmp_path / 'one.db'}", tmp_path) as service:
        second = await asyncio.to_thread(command, service, "serve", "--port", str(free_port()))
        async with httpx.AsyncClient(base_url=service.url) as client:
            first = await client.get("/readyz")

    assert second.returncode == 1
    assert second.stderr == "another process already serves this SQLite file; use PostgreSQL for several\n"
    assert first.status_code == 200


async def test_a_worker_beside_an_api_without_loops_raises_an_alert_and_delivers_it(
    unmigrated: str, tmp_path: Path
) -> None:
    settings = {
        "DOSETRAIL_CLOCK": f"{hours(26)}@1",
        "DOSETRAIL_WEBHOOKS__ALLOWED_NETWORKS": '["127.0.0.0/8"]',
        "DOSETRAIL_SCHEDULER__TICK_SECONDS": "0.1",
    }
    async with database(unmigrated) as db:
        await schema.migrate(db)
    apart = ("--no-scheduler", "--no-dispatcher")
    async with receiving() as receiver, served(unmigrated, tmp_path, *apart, **settings) as service:
        worker = subprocess.Popen([str(DOSETRAIL), "worker"], cwd=tmp_path, env=service.environment)  # noqa: S603, ASYNC220
        try:
            async with httpx.AsyncClient(base_url=service.url) as client:
                remote = Remote(client=client)
                hook = {"url": receiver.url, "event_types": ["alert.*"]}
                assert (await remote.post("/v1/webhooks", hook)).status_code == 201
                shipment = await remote.ship()
                await told(receiver.received)
        finally:
            worker.terminate()
            code = await asyncio.to_thread(worker.wait, 30)

    kinds = {one.body["data"]["kind"] for one in receiver.received}
    assert "dose_expired" in kinds
    assert {one.body["data"]["shipment_id"] for one in receiver.received} == {shipment["id"]}
    assert code == 0


async def told(received: list[Any]) -> None:
    """Wait until something has been received."""
    async with asyncio.timeout(60):
        while not received:  # noqa: ASYNC110 - other processes do the work
            await asyncio.sleep(0.05)
