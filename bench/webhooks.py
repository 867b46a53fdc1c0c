"""What subscribers can rely on, measured: `python -m bench.webhooks [isolation] [queue] [crashes]`.

isolation: twenty healthy endpoints, alone and beside one that hangs, one that drips headers, one that drips its body,
one that sends a gzip bomb and one that redirects inside. queue: claiming and listing beside a dead
endpoint's hundred thousand. crashes: a dispatcher killed with SIGKILL between commit and
send, between request and answer, and between answer and record.
"""

import asyncio
import contextlib
import gzip
import logging
import os
import random
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
import sqlalchemy as sa
from aiohttp import web

from app.clock import wall_now
from app.models.base import new_id
from app.pipeline import outbox
from app.pipeline.outbox import NewMessage
from app.store import deliveries, webhooks
from app.store.db import Database
from app.store.tables import organisation
from bench.report import console
from bench.servers import ADMIN_KEY, SECRET_KEY, Store, dosetrail, stores

HEALTHY = 20
ROUNDS = 3
ROUND_S = 8.0
EVERY_S = 0.1
KILLS = 50
TOLD = 6
SETTLE_S = 60
ALLOWED = {"DOSETRAIL_WEBHOOKS__ALLOWED_NETWORKS": '["127.0.0.0/8"]'}
BOMB = gzip.compress(b"\0" * 100_000_000, compresslevel=9)


@dataclass(slots=True)
class World:
    """Endpoints of every kind on one port, and what they got."""

    url: str = ""
    waits_s: list[float] = field(default_factory=list)
    got: Counter[tuple[str, str]] = field(default_factory=Counter)
    inside: int = 0
    on_request: Callable[[], Awaitable[None]] | None = None
    on_answer: Callable[[], None] | None = None

    async def healthy(self, request: web.Request) -> web.StreamResponse:
        """Take a delivery, and note how long after its commit it came."""
        body = orjson.loads(await request.read())
        self.waits_s.append(time.monotonic() - body["data"]["written_s"])
        self.got[(request.match_info["name"], request.headers["webhook-id"])] += 1
        if self.on_request is not None:
            await self.on_request()
        answer = web.Response(status=204)
        await answer.prepare(request)
        await answer.write_eof()
        if self.on_answer is not None:
            self.on_answer()
        return answer

    async def hang(self, _: web.Request) -> web.StreamResponse:
        """Say nothing."""
        await asyncio.sleep(3600)
        raise AssertionError

    async def drip_headers(self, request: web.Request) -> web.StreamResponse:
        """Send one more header every half second."""
        transport = request.transport
        assert transport is not None
        transport.write(b"HTTP/1.1 200 OK\r\n")
        while not transport.is_closing():
            transport.write(b"x-a: b\r\n")
            await asyncio.sleep(0.5)
        raise ConnectionResetError

    async def drip_body(self, request: web.Request) -> web.StreamResponse:
        """Send one more byte every half second."""
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x")
            await asyncio.sleep(0.5)

    async def bomb(self, _: web.Request) -> web.StreamResponse:
        """Send 97 kB that would unpack to 100 MB."""
        return web.Response(body=BOMB, headers={"content-encoding": "gzip"})

    async def redirect(self, _: web.Request) -> web.StreamResponse:
        """Point inside."""
        raise web.HTTPTemporaryRedirect(f"{self.url}/inside")

    async def be_inside(self, _: web.Request) -> web.StreamResponse:
        """Count who was led here."""
        self.inside += 1
        return web.Response()


BAD = ("hang", "drip_headers", "drip_body", "bomb", "redirect")


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[World]:
    """Serve the world on a free port."""
    world = World()
    application = web.Application()
    application.router.add_post("/healthy/{name}", world.healthy)
    application.router.add_route("*", "/inside", world.be_inside)
    for name in BAD:
        application.router.add_post(f"/{name}", getattr(world, name))
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    world.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield world
    finally:
        await runner.cleanup()


async def tell(db: Database, count: int = 1) -> list[str]:
    """Commit so many messages and return their ids, oldest first."""
    async with db.transaction() as connection:
        organisation_id = str(await connection.scalar(sa.select(organisation.c.id)))
        data = {"kind": "hold", "written_s": time.monotonic(), "padding": "x" * 700}
        news = [NewMessage(type="alert.opened", data=data, severity="warning", ladder="critical")] * count
        at = wall_now()
        await outbox.enqueue(connection, organisation_id=organisation_id, messages=news, at=at, wall_at=at)
        newest = sa.select(webhooks.message.c.id).order_by(webhooks.message.c.id.desc()).limit(count)
        return list(await connection.scalars(newest))


async def register(port: int, url: str) -> str:
    """Register an endpoint and return its id."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1", headers=_key()) as client:
        made = await client.post("/webhooks", json={"url": url, "event_types": ["alert.*"]})
        made.raise_for_status()
        return str(made.json()["id"])


async def switch(port: int, ids: list[str], *, enabled: bool) -> None:
    """Switch endpoints on or off."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1", headers=_key()) as client:
        for id_ in ids:
            (await client.patch(f"/webhooks/{id_}", json={"enabled": enabled})).raise_for_status()


async def isolation(store: Store) -> None:
    """Take turns between the healthy alone and the healthy beside the bad, so that both see the same machine."""
    db = Database(store.url)
    p99s: dict[bool, list[float]] = {False: [], True: []}
    async with listening() as world, dosetrail(store, "--no-scheduler", **ALLOWED) as service:
        for number in range(HEALTHY):
            await register(service.port, f"{world.url}/healthy/{number}")
        bad = [await register(service.port, f"{world.url}/{name}") for name in BAD]
        memory_kb = []
        for round_ in range(2 * ROUNDS):
            beside = bool(round_ % 2)
            await switch(service.port, bad, enabled=beside)
            await _wait(lambda: True, 1)
            world.waits_s.clear()
            until = time.monotonic() + ROUND_S
            told = 0
            while time.monotonic() < until:
                told += len(await tell(db))
                await asyncio.sleep(EVERY_S)
            await _wait(partial(_has, world, told * HEALTHY), SETTLE_S)
            p99s[beside].append(statistics.quantiles(world.waits_s, n=100)[98])
            memory_kb.append(_memory_kb(service.pid))
            assert len(world.waits_s) == told * HEALTHY
    await db.close()
    alone_ms, beside_ms = (1000 * statistics.median(p99s[one]) for one in (False, True))
    console.print(
        f"isolation, {store.name}: p99 of the healthy alone {alone_ms:.0f} ms, beside the bad {beside_ms:.0f} ms "
        f"(x {beside_ms / alone_ms:.2f}); led inside {world.inside}; "
        f"memory by round {', '.join(f'{one // 1024}' for one in memory_kb)} MiB"
    )


async def queue(store: Store) -> None:
    """Claim and list while a dead endpoint's queue grows a thousandfold: both stay flat."""
    db = Database(store.url)
    async with dosetrail(store, "--no-scheduler", "--no-dispatcher", **ALLOWED) as service:
        dead = await register(service.port, "http://127.0.0.1:9/dead")
        await tell(db)
        took: list[str] = []
        for queued in (100, 100_000):
            await _multiply(db, queued)
            claims_ms = [await _claim_ms(db) for _ in range(30)]
            lists_ms = [await _list_ms(service.port, dead) for _ in range(10)]
            medians = (statistics.median(one) for one in (claims_ms, lists_ms))
            took.append(f"{queued:,} queued: " + ", listed in ".join(f"{one:.1f} ms" for one in medians))
    await db.close()
    console.print(f"queue, {store.name}: claimed with {'; claimed with '.join(took)}")


async def _claim_ms(db: Database) -> float:
    wall_at, claim_id = wall_now(), new_id()
    started = time.monotonic()
    async with db.transaction() as connection:
        until = wall_at + timedelta(seconds=60)
        await deliveries.claim(connection, wall_at=wall_at, claim_id=claim_id, lease_until=until, limit=256)
        took_ms = (time.monotonic() - started) * 1000
        await deliveries.release(connection, [claim_id])
    return took_ms


async def _list_ms(port: int, endpoint_id: str) -> float:
    started = time.monotonic()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1", headers=_key()) as client:
        (await client.get(f"/webhooks/{endpoint_id}/deliveries")).raise_for_status()
    return (time.monotonic() - started) * 1000


async def _multiply(db: Database, count: int) -> None:
    """Write so many copies of a delivery, in the database."""
    one = "(SELECT * FROM delivery LIMIT 1) AS one"
    named = ", ".join(column.name for column in webhooks.delivery.columns if column.name != "id")
    if db.dialect == "postgresql":
        rows = f"SELECT gen_random_uuid(), {named} FROM {one}, generate_series(1, {count})"  # noqa: S608
    else:
        series = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"  # noqa: S608
        rows = f"{series} SELECT lower(hex(randomblob(16))), {named} FROM {one}, n"  # noqa: S608
    filled = f"INSERT INTO delivery (id, {named}) {rows}"
    async with db.transaction() as connection:
        await connection.execute(sa.text(filled))
        await connection.execute(sa.text("ANALYZE"))


async def crashes(store: Store) -> None:
    """Kill the dispatcher again and again; everything arrives, and what comes twice has the same id."""
    db = Database(store.url)
    dice = random.Random(3)
    killed: Counter[str] = Counter()
    async with listening() as world:
        async with dosetrail(store, "--no-scheduler", "--no-dispatcher", **ALLOWED) as service:
            for number in range(2):
                await register(service.port, f"{world.url}/healthy/{number}")
        wanted: set[str] = set()
        for round_ in range(KILLS):
            when = ("commit", "request", "answer")[round_ % 3]
            worker = await _worker(store)
            try:
                killed[when] += await _kill_once(world, db, worker, when, wanted, dice)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    worker.kill()
                await worker.wait()
        worker = await _worker(store)
        pairs = {(endpoint, id_) for id_ in wanted for endpoint in ("0", "1")}
        await _wait(lambda: world.got.keys() >= pairs, SETTLE_S)
        lost = pairs - world.got.keys()
        await asyncio.sleep(3)
        async with db.reading() as connection:
            states = Counter(await connection.scalars(sa.select(webhooks.delivery.c.state)))
        worker.kill()
        await worker.wait()
    await db.close()
    repeats = sum(count - 1 for count in world.got.values())
    strangers = {id_ for _, id_ in world.got} - wanted
    console.print(
        f"crashes, {store.name}: killed {dict(killed)}; {2 * len(wanted)} deliveries, lost {len(lost)}, "
        f"repeated under the same id {repeats}, under another {len(strangers)}; states {dict(states)}"
    )


async def _kill_once(
    world: World,
    db: Database,
    worker: asyncio.subprocess.Process,
    when: str,
    wanted: set[str],
    dice: random.Random,
) -> int:
    """Kill the worker at the moment that is asked for; say whether it lived until then."""
    dead = asyncio.Event()

    def kill() -> None:
        if worker.returncode is None and not dead.is_set():
            os.kill(worker.pid, signal.SIGKILL)
        dead.set()

    async def on_request() -> None:
        if when == "request" and dice.random() < 0.5:
            kill()

    def on_answer() -> None:
        if when == "answer" and dice.random() < 0.5:
            asyncio.get_running_loop().call_later(dice.random() * 0.003, kill)

    world.on_request, world.on_answer = on_request, on_answer
    wanted.update(await tell(db, TOLD))
    if when == "commit":
        kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_S):
            await dead.wait()
    world.on_request = world.on_answer = None
    return int(dead.is_set())


async def _worker(store: Store) -> asyncio.subprocess.Process:
    environment = {"DOSETRAIL_DATABASE_URL": store.url, "DOSETRAIL_SECRET_KEY": SECRET_KEY} | ALLOWED
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.webhook_worker", env=os.environ | environment
    )


async def _wait(true: Callable[[], bool], most_s: float) -> None:
    until = time.monotonic() + most_s
    while time.monotonic() < until and not (true() and most_s > 1):  # noqa: ASYNC110 - it is on a socket's other side
        await asyncio.sleep(0.05)


def _has(world: World, count: int) -> bool:
    return len(world.waits_s) >= count


def _memory_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def _key() -> dict[str, str]:
    return {"Authorization": f"Bearer {ADMIN_KEY}"}


PARTS: dict[str, Any] = {"isolation": isolation, "queue": queue, "crashes": crashes}


async def main(names: list[str]) -> None:
    """Measure these parts on both databases."""
    with stores() as kinds:
        for name in names or list(PARTS):
            for kind, made in kinds:
                store = await made.make(name)
                await PARTS[name](Store(kind, store.url, store.server_pid))


if __name__ == "__main__":
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)  # what drips is cut off, and says so each time
    asyncio.run(main(sys.argv[1:]))
