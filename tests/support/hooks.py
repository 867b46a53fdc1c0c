"""News to send, rounds of sending, and endpoints that behave as badly as endpoints do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import sqlalchemy as sa

from app.pipeline import outbox
from app.pipeline.outbox import NewMessage
from app.store.tables import organisation
from tests.support.api import Api

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def register(api: Api, url: str, *event_types: str, **fields: Any) -> dict[str, Any]:
    """Register an endpoint and return it with its secret."""
    made = await api.post("/v1/webhooks", {"url": url, "event_types": list(event_types) or ["*"]} | fields)
    assert made.status_code == 201, made.text
    return cast(dict[str, Any], made.json())


async def tell(api: Api, count: int = 1, **fields: Any) -> None:
    """Write news of the organisation, as a change of an alert would."""
    values = {
        "type": "alert.opened",
        "data": {"kind": "hold"},
        "severity": "info",
        "shipment_id": None,
        "site_id": None,
        "study": None,
        "product_id": None,
        "deliver_by": None,
        "ladder": "standard",
    } | fields
    async with api.house.db.transaction() as connection:
        await outbox.enqueue(
            connection,
            organisation_id=str(await connection.scalar(sa.select(organisation.c.id))),
            messages=[NewMessage(**values) for _ in range(count)],
            at=api.clock.at,
            wall_at=api.clock.at,
        )


async def send(api: Api) -> int:
    """Send one round of what is due and return how many deliveries that were."""
    async with api.house.dispatch.client() as client:
        return await api.house.dispatch.send_due(client)


async def log_of(api: Api, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    """Return an endpoint's deliveries, oldest first."""
    told = await api.get(f"/v1/webhooks/{webhook['id']}/deliveries", limit=500)
    assert told.status_code == 200, told.text
    return list(reversed(told.json()["data"]))


@asynccontextmanager
async def behaving(script: Script) -> AsyncIterator[str]:
    """Listen on loopback with a server that does as scripted once it has read the request; give its URL."""
    talks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast(asyncio.Task[None], asyncio.current_task())
        talks.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            await reader.readexactly(length)
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/hook"
    finally:
        server.close()
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await server.wait_closed()
