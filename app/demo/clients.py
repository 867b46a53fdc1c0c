"""The service as a process of its own, and the clients that speak to it."""

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from app.clock import wall_now


class ServiceDied(Exception):
    """The service did not start, or ended by itself; the message ends with its last words."""


class UnexpectedAnswer(Exception):
    """The service answered what the contract does not have."""


class Domain:
    """The service's clock, as a client sees it."""

    def __init__(self, read_at: datetime, *, rate: float) -> None:
        self._read_at, self._wall_at, self._rate = read_at, wall_now(), rate

    def now(self) -> datetime:
        """Return what the service's clock reads now."""
        return self._read_at + (wall_now() - self._wall_at) * self._rate

    async def reach(self, at: datetime) -> None:
        """Wait until the service's clock reads `at`."""
        await asyncio.sleep(max((at - self.now()) / timedelta(seconds=1) / self._rate, 0.0))


@asynccontextmanager
async def service(folder: Path, *, begin: datetime, rate: float) -> AsyncIterator[tuple[str, str]]:
    """Run `dosetrail serve` on SQLite in `folder`; give its address and its admin key.

    Raises:
        ServiceDied: it did not become ready within 20 seconds.
    """
    port, key = _free_port(), f"dtk_demo_{secrets.token_urlsafe(32)}"
    environment = os.environ | {
        "DOSETRAIL_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'demo.db'}",
        "DOSETRAIL_BOOTSTRAP_ADMIN_KEY": key,
        "DOSETRAIL_CLOCK": f"{begin.isoformat()}@{rate}",
        "DOSETRAIL_SCHEDULER__TICK_SECONDS": "0.1",
        "DOSETRAIL_WEBHOOKS__ALLOWED_NETWORKS": '["127.0.0.0/8"]',
    }
    log = folder / "service.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.cli",
            "serve",
            "--port",
            str(port),
            env=environment,
            stdout=output,
            stderr=output,
        )
        try:
            base = f"http://127.0.0.1:{port}"
            await _ready(base, process, log)
            yield base, key
            if process.returncode is not None:
                raise ServiceDied(f"the service ended by itself:\n{_tail(log)}")
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()


class Api:
    """One key's view of the service."""

    def __init__(self, http: httpx.AsyncClient, key: str) -> None:
        self._http, self._headers = http, {"Authorization": f"Bearer {key}"}

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        expect: tuple[int, ...] = (200, 201),
        **headers: str,
    ) -> httpx.Response:
        """Return the answer.

        Raises:
            UnexpectedAnswer: its status is none of those expected.
        """
        answer = await self._http.request(method, path, json=body, headers=self._headers | headers)
        if answer.status_code not in expect:
            raise UnexpectedAnswer(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer

    async def make(self, path: str, body: Any) -> dict[str, Any]:
        """Create something and return it."""
        made: dict[str, Any] = (await self.send("POST", path, body)).json()
        return made

    async def all(self, path: str) -> list[dict[str, Any]]:
        """Return a whole list, page by page."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = (await self.send("GET", f"{path}{'&' if '?' in path else '?'}limit=500{cursor}")).json()
            found += page["data"]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    async def key(self, name: str, role: str, **bindings: str) -> str:
        """Make a key and return its text."""
        text: str = (await self.make("/v1/api-keys", {"name": name, "role": role} | bindings))["key"]
        return text


async def _ready(base: str, process: asyncio.subprocess.Process, log: Path) -> None:
    async with httpx.AsyncClient(base_url=base) as http:
        for _ in range(200):
            if process.returncode is not None:
                break
            try:
                if (await http.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
    raise ServiceDied(f"the service did not become ready:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
