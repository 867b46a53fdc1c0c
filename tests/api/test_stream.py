"""One shipment followed over real HTTP: the new is told, the missed is told first, and nothing is left open."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import uvicorn

from app.pipeline import streams
from tests.support.api import ADMIN_KEY, Api, Remote, hours


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LOOK_EVERY_S", 0.02)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, for ten seconds at most."""
    for _ in range(1_000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


@asynccontextmanager
async def listening(api: Api) -> AsyncIterator[str]:
    """Serve the test's own application on a port, because a stream needs a connection that stays open."""
    transport = api.client._transport
    assert isinstance(transport, httpx.ASGITransport)
    config = uvicorn.Config(transport.app, port=0, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        api.house.streams.stop()
        server.should_exit = True
        await task


class Reader:
    """Reads messages off a stream, one by one."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self, kind: str | None = None) -> dict[str, Any]:
        """Return the next message, of a kind if one is wanted."""
        while True:
            fields: dict[str, str] = {}
            async with asyncio.timeout(30):
                while line := await anext(self._lines):
                    name, _, value = line.partition(": ")
                    fields[name] = value
            if "event" in fields and kind in (None, fields["event"]):
                return {"kind": fields["event"], "id": fields["id"], "data": orjson.loads(fields["data"])}


@asynccontextmanager
async def reading(
    api: Api, base: str, shipment: dict[str, Any], *, headers: dict[str, str] | None = None, **more: str
) -> AsyncIterator[Reader]:
    path = f"{base}/v1/shipments/{shipment['id']}/stream"
    async with (
        httpx.AsyncClient() as client,
        client.stream("GET", path, headers=(headers or api.admin) | more) as response,
    ):
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Reader(response)


async def test_the_status_comes_first_then_events_alerts_and_each_new_status(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=9)
    async with listening(api) as base, reading(api, base, shipment) as reader:
        first = await reader.next()

        await api.scan(shipment, "leg_cancelled", leg=2, event_id="x")
        event = await reader.next()
        scanned = await reader.next("status")
        await api.assess()
        alert = await reader.next()
        assessed = await reader.next("status")

    assert (first["kind"], first["data"]["state"]) == ("status", "planned")
    assert (event["kind"], event["data"]["event_id"], event["data"]["counts_for_leg"]) == ("event", "x", 2)
    assert scanned["data"]["version"] > first["data"]["version"]
    assert (alert["kind"], alert["data"]["change"]) == ("alert", "opened")
    assert {one["kind"] for one in assessed["data"]["open_alerts"]} >= {alert["data"]["kind"]}


async def test_what_was_missed_is_told_first_and_once(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=9)
    async with listening(api) as base:
        async with reading(api, base, shipment) as reader:
            await reader.next("status")
            await api.scan(shipment, "departed", leg=1, event_id="seen", occurred_at=hours(8))
            place = (await reader.next("event"))["id"]
        for number in range(3):
            await api.scan(shipment, "position", event_id=f"missed-{number}")

        async with reading(api, base, shipment, **{"Last-Event-ID": place}) as reader:
            told = [await reader.next() for _ in range(4)]

    assert [one["data"].get("event_id") for one in told] == ["missed-0", "missed-1", "missed-2", None]
    assert told[3]["kind"] == "status"


async def test_each_role_is_told_what_it_may_see_and_no_more(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=9)
    courier = await api.headers("courier", carrier="ACME")
    subscriber = await api.headers("subscriber", study="NET-301")
    async with listening(api) as base:
        async with (
            reading(api, base, shipment, headers=courier) as van,
            reading(api, base, shipment, headers=subscriber) as sponsor,
        ):
            statuses = [await van.next("status"), await sponsor.next("status")]
            await api.scan(shipment, "leg_cancelled", leg=2, event_id="x")
            heard = [(await van.next())["kind"], (await sponsor.next())["kind"]]
        foreign = await api.get(
            f"/v1/shipments/{shipment['id']}/stream", headers=await api.headers("courier", carrier="OTHER")
        )
        device = await api.get(f"/v1/shipments/{shipment['id']}/stream", headers=await api.headers("device"))

    assert statuses[0]["data"]["doses"][0]["draw_volume_ml"] is None
    assert heard == ["event", "status"]
    assert "S-014" not in str(statuses)
    assert (foreign.status_code, device.status_code) == (404, 403)


@pytest.mark.parametrize("place", ["x", "1.2", "019b0000-0000-7000-8000-000000000001", "a.b"])
async def test_a_place_that_is_none_is_422(api: Api, place: str) -> None:
    shipment = await api.ship()

    answer = await api.get(
        f"/v1/shipments/{shipment['id']}/stream",
        headers=api.admin | {"Last-Event-ID": place},
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_last_event_id")


async def test_readers_that_leave_leave_nothing_open(api: Api) -> None:
    shipment = await api.ship()
    async with listening(api) as base:
        for _ in range(3):
            async with asyncio.TaskGroup() as group:
                for _ in range(15):
                    group.create_task(_glance(api, base, shipment))
        await until(lambda: api.house.streams.open == 0)

        answer = await api.get(f"/v1/shipments/{shipment['id']}")

    assert answer.status_code == 200
    assert api.house.db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def _glance(api: Api, base: str, shipment: dict[str, Any]) -> None:
    async with reading(api, base, shipment) as reader:
        await reader.next("status")


async def test_a_revoked_key_is_told_nothing_more(api: Api) -> None:
    shipment = await api.ship()
    made = (await api.post("/v1/api-keys", {"name": "gone", "role": "operator"})).json()
    own = {"Authorization": f"Bearer {made['key']}"}
    async with listening(api) as base, reading(api, base, shipment, headers=own) as reader:
        await reader.next("status")

        await api.client.delete(f"/v1/api-keys/{made['id']}", headers=api.admin)

        with pytest.raises(StopAsyncIteration):
            await reader.next("event")


async def test_the_service_stops_at_once_on_a_signal_though_streams_are_open(tmp_path: Path) -> None:
    port = 20_000 + os.getpid() % 20_000
    environment = os.environ | {
        "DOSETRAIL_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'd.db'}",
        "DOSETRAIL_BOOTSTRAP_ADMIN_KEY": ADMIN_KEY,
    }
    command = ("-m", "app.cli", "serve", "--port", str(port))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    admin = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=admin) as client:
        async with asyncio.timeout(60):
            while True:
                try:
                    await client.get("/healthz")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        shipment = await _one_shipment(client)
        async with client.stream("GET", f"/v1/shipments/{shipment['id']}/stream") as response:
            reader = Reader(response)
            await reader.next("status")

            process.send_signal(signal.SIGTERM)

            with pytest.raises(StopAsyncIteration):
                await reader.next("event")
    async with asyncio.timeout(30):
        # uvicorn raises the signal again once it has shut down in order.
        assert await process.wait() in (0, -signal.SIGTERM)


async def _one_shipment(client: httpx.AsyncClient) -> dict[str, Any]:
    remote = Remote(client=client)
    return await remote.ship()
