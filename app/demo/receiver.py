"""A webhook receiver: verifies every signature itself and keeps each message once."""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web


@dataclass
class Receiver:
    """What arrived, by `webhook-id`; `forged` counts what was refused."""

    url: str = ""
    secret: str = ""
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    repeated: int = 0
    forged: int = 0

    async def take(self, request: web.Request) -> web.Response:
        """Answer 204 to what is signed, 401 to what is not."""
        body = await request.read()
        message_id = request.headers.get("webhook-id", "")
        stamp = request.headers.get("webhook-timestamp", "")
        if not self._is_signed(message_id, stamp, body, request.headers.get("webhook-signature", "")):
            self.forged += 1
            return web.Response(status=401)
        self.repeated += message_id in self.messages
        self.messages[message_id] = orjson.loads(body)
        return web.Response(status=204)

    def _is_signed(self, message_id: str, stamp: str, body: bytes, given: str) -> bool:
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        digest = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
        right = f"v1,{base64.b64encode(digest).decode()}"
        return any(hmac.compare_digest(right, one) for one in given.split())

    def alerts(self, shipment_id: str) -> list[dict[str, Any]]:
        """Return what was told of one shipment's alerts, in order."""
        told = [one["data"] for _, one in sorted(self.messages.items()) if one["type"].startswith("alert.")]
        return [one for one in told if one["shipment_id"] == shipment_id]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Listen on loopback until the block ends."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
