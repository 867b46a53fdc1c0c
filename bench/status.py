"""Status polls of stored views, whole and unchanged, beside an application that does nothing."""

import asyncio
import random
import re
from collections.abc import Iterator, Sequence

import httpx
from rich.table import Table

from bench.load import drive, request
from bench.report import Line, Progress, beside
from bench.servers import ADMIN_KEY, Served, Store, compared, dosetrail
from bench.shipments import make

SHIPMENTS = 500
ROUNDS = 3
ROUND_S = 3.0
STEPS = 2 * SHIPMENTS + 3 * ROUNDS


async def measure(store: Store, progress: Progress) -> Table:
    """Take turns between the floor, polls that get the whole status, and polls that have it already (304)."""
    async with compared("bench.floor:app") as floor, dosetrail(store, "--no-dispatcher") as service:
        paths = [
            f"/v1/shipments/{id_}/status" for id_ in (await make(service, SHIPMENTS, step=progress.step)).ids
        ]
        await _assessed(service, progress)
        lines = [Line("floor", floor), Line("whole status", service), Line("unchanged (304)", service)]
        for _ in range(ROUNDS):
            for line in lines:
                # A tag lives for a minute: each round asks for its own.
                tags = await _tags(service, paths) if line is lines[2] else {}
                polls = _polls(paths, tags)
                await line.take(drive(line.served.port, polls, seconds=ROUND_S))
                progress.step(1)
    return beside(lines)


def _polls(paths: Sequence[str], tags: dict[str, str]) -> Iterator[bytes]:
    dice = random.Random(1)
    ready = [
        request("GET", path, key=ADMIN_KEY, headers=f"If-None-Match: {tags[path]}\r\n" if tags else "")
        for path in paths
    ]
    while True:
        yield dice.choice(ready)


async def _tags(service: Served, paths: Sequence[str]) -> dict[str, str]:
    async with _client(service) as client:
        answers = await asyncio.gather(*map(client.get, paths))
    return {path: answer.headers["etag"] for path, answer in zip(paths, answers, strict=True)}


async def _assessed(service: Served, progress: Progress) -> None:
    """Wait until every shipment has its view."""
    done = 0
    async with _client(service) as client:
        while done < SHIPMENTS:
            metrics = (await client.get("/metrics")).text
            found = re.search(r"^dosetrail_assessed_total ([0-9.]+)", metrics, re.MULTILINE)
            now = min(int(float(found[1])) if found else 0, SHIPMENTS)
            progress.step(now - done)
            done = now
            await asyncio.sleep(0.2)


def _client(service: Served) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    limits = httpx.Limits(max_connections=16)
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{service.port}", headers=headers, limits=limits, timeout=60
    )
