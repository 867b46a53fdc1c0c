"""`dosetrail serve` as a process of its own: started, stopped in order, or killed at once, and started again."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from cryptography.fernet import Fernet

from tests.support.api import ADMIN_KEY

DOSETRAIL = Path(sys.executable).parent / "dosetrail"
# Below the ports that systems lend to outgoing connections, so that nobody takes ours while we are down.
PORTS = range(12_000, 20_000)
START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0
POLL_S = 0.02


class ServiceFailedError(RuntimeError):
    """The service ended where it should run; the message ends with its own words."""


@dataclass
class Service:
    """One serving process on one database; settings and port stay the same over restarts."""

    database_url: str
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    port: int = field(default_factory=lambda: free_port())
    secret_key: str = field(default_factory=lambda: Fernet.generate_key().decode())
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / f"service-{self.port}.log"

    @property
    def environment(self) -> dict[str, str]:
        """What every command beside this service is run with."""
        own = {
            "DOSETRAIL_DATABASE_URL": self.database_url,
            "DOSETRAIL_BOOTSTRAP_ADMIN_KEY": ADMIN_KEY,
            "DOSETRAIL_SECRET_KEY": self.secret_key,
            "DOSETRAIL_LOG_LEVEL": "warning",
        }
        return bare_environment() | own | self.settings

    async def start(self) -> None:
        """Start and wait until it answers.

        Raises:
            ServiceFailedError: it ends instead, or stays silent.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603, ASYNC220 - our own program; starting it takes no time
                [str(DOSETRAIL), "serve", "--port", str(self.port), *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.environment,
            )
        try:
            async with asyncio.timeout(START_LIMIT_S), httpx.AsyncClient() as client:
                while not await self._answers(client):  # noqa: ASYNC110 - nobody tells us from another process
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            self.kill()
            raise ServiceFailedError(f"the service stays silent:\n{self.words()}") from None

    def words(self) -> str:
        """Return all that it has said."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """End it as a power cut does: no handler runs, nothing is written."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it in order, and return its exit code; after a clean end a signal's own number is what it is."""
        return self._end(signal.SIGTERM)

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise ServiceFailedError(f"the service ended with {self._process.returncode}:\n{self.words()}")
        try:
            return (await client.get(f"{self.url}/healthz")).status_code == 200
        except httpx.TransportError:
            return False

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.send_signal(how)
        try:
            return process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ServiceFailedError(f"the service did not stop:\n{self.words()}") from None


@asynccontextmanager
async def served(database_url: str, folder: Path, *arguments: str, **settings: str) -> AsyncIterator[Service]:
    """Serve until the block ends, however it ends."""
    service = Service(database_url, folder, settings=settings, arguments=arguments)
    try:
        await service.start()
        yield service
    finally:
        service.kill()


def bare_environment() -> dict[str, str]:
    """Return this process's environment without what would configure a service."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DOSETRAIL_")}


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    # The system's own dice, since test runners seed `random` alike in every worker.
    dice = random.SystemRandom()
    while True:
        port = dice.choice(PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
