"""The servers under load, each a process of its own, with the CPU time that it and its database take."""

import asyncio
import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.store import schema
from app.store.db import Database
from tests.support.postgres import PostgresServer

ADMIN_KEY = "dtk_bench_admin_key_of_more_than_32_characters"
SECRET_KEY = "YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmU="  # noqa: S105 - it encrypts nothing here
START_LIMIT_S = 30
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Store:
    """A migrated, empty database, and the process id of its server; None for SQLite, which has none."""

    name: str
    url: str
    server_pid: int | None = None

    def cpu_s(self) -> float:
        """Return the CPU seconds that its server has used."""
        return _tree_cpu_s(self.server_pid) if self.server_pid else 0.0


@dataclass(frozen=True, slots=True)
class Served:
    """A server that listens on a port."""

    port: int
    pid: int
    store: Store | None

    def cpu_s(self) -> float:
        """Return the CPU seconds that it and its database's processes have used."""
        return _tree_cpu_s(self.pid) + (self.store.cpu_s() if self.store else 0.0)


@contextmanager
def stores() -> Iterator[list[tuple[str, "Stores"]]]:
    """Give a maker of empty databases for SQLite and for a private PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="dosetrail-bench-") as folder, PostgresServer() as server:
        yield [("SQLite", Stores(Path(folder), None)), ("PostgreSQL", Stores(Path(folder), server))]


class Stores:
    """Makes empty, migrated databases of one kind."""

    def __init__(self, folder: Path, server: PostgresServer | None) -> None:
        self._folder, self._server = folder, server

    async def make(self, name: str) -> Store:
        """Return a new database."""
        if self._server is None:
            store = Store(name, f"sqlite+aiosqlite:///{self._folder / name}.db")
        else:
            store = Store(name, self._server.create_database(name), self._server.pid)
        db = Database(store.url)
        await schema.migrate(db)
        await db.close()
        return store


@asynccontextmanager
async def dosetrail(store: Store, *options: str, **settings: str) -> AsyncIterator[Served]:
    """Run `dosetrail serve` on a database."""
    environment = {
        "DOSETRAIL_DATABASE_URL": store.url,
        "DOSETRAIL_BOOTSTRAP_ADMIN_KEY": ADMIN_KEY,
        "DOSETRAIL_SECRET_KEY": SECRET_KEY,
    } | settings
    async with _serving(["app.cli", "serve", *options], environment, store) as served:
        yield served


@asynccontextmanager
async def compared(app: str, store: Store | None = None) -> AsyncIterator[Served]:
    """Run an application that ours is compared with, under the same uvicorn."""
    environment = {"DOSETRAIL_DATABASE_URL": store.url} if store else {}
    plain = ["uvicorn", app, "--no-access-log", "--log-level", "warning"]
    async with _serving(plain, environment, store) as served:
        yield served


@asynccontextmanager
async def _serving(
    command: list[str], environment: dict[str, str], store: Store | None
) -> AsyncIterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command, "--port", str(port), env=os.environ | environment,
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(START_LIMIT_S):
            while not await _listens(port):  # noqa: ASYNC110 - another process tells nobody
                await asyncio.sleep(0.05)
        yield Served(port, process.pid, store)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _tree_cpu_s(root: int) -> float:
    return sum(_cpu_s(pid) for pid in (root, *_children(root)))


def _cpu_s(pid: int) -> float:
    """Read user and system time, its own and of the children it has buried; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / TICKS_PER_S


def _children(pid: int) -> list[int]:
    try:
        return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
