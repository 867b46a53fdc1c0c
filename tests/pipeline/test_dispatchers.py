"""Several dispatchers on one PostgreSQL: slots and order hold between them, and one that slept changes nothing."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiohttp import web

from app.pipeline.dispatch import Dispatch
from app.pipeline.secrets import Cipher
from app.store.db import Database
from app.telemetry import Metrics
from tests.support.api import Api
from tests.support.hooks import log_of, register, tell

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@dataclass
class Crowded:
    """An endpoint that counts how many requests it holds at once, and fails three in ten."""

    url: str = ""
    now: int = 0
    most: int = 0
    dice: random.Random = field(default_factory=lambda: random.Random(11))
    arrived: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            body = orjson.loads(await request.read())
            await asyncio.sleep(0.01)
            if self.dice.random() < 0.3:
                return web.Response(status=503)
            self.arrived.append((request.headers["webhook-id"], body["data"]))
            return web.Response(status=204)
        finally:
            self.now -= 1


@pytest.fixture
async def crowded() -> AsyncIterator[Crowded]:
    endpoint = Crowded()
    application = web.Application()
    application.router.add_post("/hook", endpoint.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield endpoint
    await runner.cleanup()


@asynccontextmanager
async def dispatching(api: Api, count: int) -> AsyncIterator[list[Dispatch]]:
    """Run so many dispatchers, each with a pool of its own, as so many processes would."""
    stop = asyncio.Event()
    settings = api.house.settings
    async with AsyncExitStack() as stack:
        databases = [Database(settings.database_url) for _ in range(count)]
        for db in databases:
            stack.push_async_callback(db.close)
        running = [
            Dispatch(
                db,
                api.house.clock,
                settings,
                Cipher(settings.secret_key or ""),
                metrics=Metrics(),
                beat=lambda _lag_s: None,
            )
            for db in databases
        ]
        tasks = [asyncio.create_task(one.run(stop)) for one in running]
        try:
            yield running
        finally:
            stop.set()
            for one in running:
                one.wake()
            await asyncio.wait(tasks)


async def settled(api: Api, webhook: dict[str, Any], running: list[Dispatch]) -> None:
    """Wait until everything has arrived, while the wall clock runs ahead so that ladders cost no time."""
    async with asyncio.timeout(90):
        while {one["state"] for one in await log_of(api, webhook)} != {"delivered"}:
            api.clock.advance(seconds=3)  # less than a lease, and less than one attempt takes in all
            for one in running:
                one.wake()
            await asyncio.sleep(0.05)


def numbers(arrived: list[tuple[str, dict[str, Any]]]) -> Iterator[list[int]]:
    by_shipment: dict[str, list[int]] = defaultdict(list)
    for _, data in arrived:
        by_shipment[data["shipment"]].append(data["number"])
    yield from by_shipment.values()


async def test_four_dispatchers_never_have_a_fifth_in_flight_and_send_each_once(
    api: Api, crowded: Crowded
) -> None:
    webhook = await register(api, crowded.url, "alert.*")
    await tell(api, 60, ladder="critical")

    async with dispatching(api, 4) as running:
        await settled(api, webhook, running)

    assert crowded.most == 4
    assert Counter(Counter(id_ for id_, _ in crowded.arrived).values()) == {1: 60}


async def test_four_dispatchers_keep_the_order_of_each_shipment_although_three_in_ten_fail(
    api: Api, crowded: Crowded
) -> None:
    shipments = [await api.ship(reference=f"LU-{number}") for number in range(5)]
    webhook = await register(api, crowded.url, "alert.*", ordering="per_shipment")
    for number in range(5):
        for shipment in shipments:
            data = {"shipment": shipment["reference"], "number": number}
            await tell(api, ladder="critical", shipment_id=shipment["id"], data=data)

    async with dispatching(api, 4) as running:
        await settled(api, webhook, running)

    assert list(numbers(crowded.arrived)) == [list(range(5))] * 5
    assert crowded.most <= 4
