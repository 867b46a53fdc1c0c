"""Readings, 500 a request, beside the same rows written raw: COPY on PostgreSQL, `executemany` on SQLite.

The raw way asks for no key, checks nothing, finds no duplicates and adds nothing up. Gateways send what few devices
measured; the last line is the worst case, a request of 500 devices with a reading each.
"""

import asyncio
import itertools
import os
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
from rich.table import Table

from bench.load import WARM_UP_S, Load, drive, request
from bench.report import Line, Progress, beside
from bench.servers import ADMIN_KEY, Served, Store, dosetrail

BATCH = 500
DEVICES = (1, 10, 500)
ROUNDS = 2
ROUND_S = 6.0
STEPS = (1 + len(DEVICES)) * ROUNDS
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
ORGANISATION = "019b0000-0000-7000-8000-000000000001"
VALUES = (
    "temperature_c",
    "humidity_pct",
    "lat",
    "lon",
    "shock_g",
    "tilt_deg",
    "light_lux",
    "battery_pct",
    "dose_rate",
)
TABLE = (
    "CREATE TABLE raw_reading (organisation_id {id}, device_id varchar(64), sensor varchar(32), at {at}, "
    f"received_at {{at}}, {', '.join(f'{name} float' for name in VALUES)}, "
    "PRIMARY KEY (organisation_id, device_id, sensor, at))"
)

numbers = itertools.count()


async def measure(store: Store, progress: Progress) -> Table:
    """Take turns between the raw way and the service, so that all see the same machine."""
    raw = _copying if store.server_pid else _executing
    async with dosetrail(store, "--no-scheduler", "--no-dispatcher") as service:
        lines = [Line("raw rows", Served(0, os.getpid(), store))]
        lines += [Line(f"{devices} devices a request", service) for devices in DEVICES]
        for _ in range(ROUNDS):
            await lines[0].take(raw(store))
            progress.step(1)
            for line, devices in zip(lines[1:], DEVICES, strict=True):
                await line.take(drive(service.port, posts(devices), seconds=ROUND_S))
                progress.step(1)
    return beside(lines)


def posts(devices: int) -> Iterator[bytes]:
    """Return requests without end, each of the next minutes of some gateway's devices."""
    while True:
        readings = [
            {"device_id": device, "at": at.isoformat(), "temperature_c": value, "humidity_pct": 40.0}
            for device, at, value in samples(devices)
        ]
        yield request("POST", "/v1/readings", key=ADMIN_KEY, body=orjson.dumps({"readings": readings}))


def samples(devices: int) -> Iterator[tuple[str, datetime, float]]:
    """Return one batch: a minute logger's readings, of so many devices, that nobody sent before."""
    number, each = next(numbers), BATCH // devices
    for device in range(devices):
        for minute in range(each):
            at = BEGIN - timedelta(minutes=(number // 64) * each + minute)
            yield f"G{number % 64}-{devices}-{device}", at, 5.0 + minute % 37 / 10


def rows() -> list[tuple[Any, ...]]:
    """Return one batch as rows of the raw table."""
    rest = (None,) * (len(VALUES) - 2)
    return [(ORGANISATION, name, "raw", at, BEGIN, value, 40.0, *rest) for name, at, value in samples(10)]


async def _copying(store: Store) -> Load:
    connection = await asyncpg.connect(store.url.replace("+asyncpg", ""))
    try:
        if not await connection.fetchval("SELECT to_regclass('raw_reading')"):
            await connection.execute(TABLE.format(id="uuid", at="timestamptz"))

        async def copy(batch: list[tuple[Any, ...]]) -> None:
            await connection.copy_records_to_table("raw_reading", records=batch)

        return await _timed(copy)
    finally:
        await connection.close()


async def _executing(store: Store) -> Load:
    connection = sqlite3.connect(store.url.partition(":///")[2], isolation_level=None)
    connection.executescript("PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000;")
    connection.execute(TABLE.format(id="text", at="integer").replace("TABLE", "TABLE IF NOT EXISTS"))
    places = ", ".join("?" for _ in range(5 + len(VALUES)))

    async def execute(batch: list[tuple[Any, ...]]) -> None:
        plain = [tuple(one.timestamp() if isinstance(one, datetime) else one for one in row) for row in batch]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(f"INSERT INTO raw_reading VALUES ({places})", plain)  # noqa: S608
        connection.execute("COMMIT")

    try:
        return await _timed(execute)
    finally:
        connection.close()


async def _timed(write: Any) -> Load:
    """Write batches one after the other for as long as a round lasts; making them is not counted."""
    load, spent_s = Load(), 0.0
    while spent_s < ROUND_S + WARM_UP_S:
        batch = rows()
        begin_s = time.perf_counter()
        await write(batch)
        took_s = time.perf_counter() - begin_s
        spent_s += took_s
        load.sent += 1
        load.statuses[200] += 1
        load.took_s.append(took_s)
        await asyncio.sleep(0)
    load.elapsed_s = spent_s
    return load
