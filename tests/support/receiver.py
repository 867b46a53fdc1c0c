"""A webhook receiver on loopback that remembers what it got."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import orjson
from aiohttp import web
from standardwebhooks import Webhook


@dataclass
class Received:
    """One request."""

    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = orjson.loads(self.raw)
        return body

    def signed_with(self, verifier: Webhook) -> bool:
        """Verify with the library's own eyes; it would also refuse an old timestamp, and test clocks stand still."""
        with mock.patch(
            "standardwebhooks.webhooks.Webhook._Webhook__verify_timestamp", lambda _, text: _instant(text)
        ):
            verifier.verify(self.raw, self.headers)
        return True


def _instant(text: str) -> datetime:
    return datetime.fromtimestamp(int(text), UTC)


@dataclass
class Receiver:
    """Where it listens, what it got, and what it answers."""

    url: str = ""
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    allowed_origin: str | None = None
    asked: list[str] = field(default_factory=list)

    def in_order(self) -> list[Received]:
        """Return what arrived in the order in which it was written; ids sort by time."""
        return sorted(self.received, key=lambda one: one.headers["webhook-id"])

    async def take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        self.received.append(Received({name.lower(): value for name, value in request.headers.items()}, raw))
        return web.Response(status=self.status, headers=self.headers)

    async def be_asked(self, request: web.Request) -> web.Response:
        """Answer the question of CloudEvents senders, whether their webhooks are wanted."""
        self.asked.append(request.headers["webhook-request-origin"])
        agreed = {"webhook-allowed-origin": self.allowed_origin} if self.allowed_origin else {}
        return web.Response(headers=agreed)


@asynccontextmanager
async def receiving(*, status: int = 204, headers: dict[str, str] | None = None) -> AsyncIterator[Receiver]:
    """Listen on a free port of loopback until the block ends."""
    receiver = Receiver(status=status, headers=headers or {})
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    app.router.add_options("/hook", receiver.be_asked)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
