"""Finding due work: what a look costs when nothing is due, and when a batch is, among few and among many shipments."""

import time
from datetime import timedelta
from statistics import median

import sqlalchemy as sa
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import wall_now
from app.models.base import new_id
from app.pipeline.assess import CLAIMED_AT_ONCE
from app.store import due
from app.store.db import Database
from app.store.tables import shipment, shipment_due
from bench.report import Progress, table
from bench.servers import Store, dosetrail
from bench.shipments import make

COUNTS = (10_000, 200_000)
LOOKS = 30
STEPS = 1 + len(COUNTS) * (1 + LOOKS)


async def measure(store: Store, progress: Progress) -> Table:
    """Claim and give back among more and more shipments that are due later."""
    async with dosetrail(store, "--no-scheduler", "--no-dispatcher") as service:
        original = (await make(service, 1, step=progress.step)).ids[0]
    db, rows, there = Database(store.url), [], 1
    for count in COUNTS:
        await _copy(db, original, count - there)
        there = count
        progress.step(1)
        empty_ms, batch_ms = [], []
        for _ in range(LOOKS):
            empty_ms.append(await _look_ms(db, due_count=0))
            batch_ms.append(await _look_ms(db, due_count=CLAIMED_AT_ONCE))
            progress.step(1)
        rows.append((f"{count:,} shipments", f"{median(empty_ms):.2f}", f"{median(batch_ms):.2f}"))
    await db.close()
    return table(("", "nothing due, ms", f"{CLAIMED_AT_ONCE} due, ms"), rows)


async def _look_ms(db: Database, *, due_count: int) -> float:
    """Make so many due, claim them, and put everything back."""
    at = wall_now()
    async with db.transaction() as connection:
        chosen = sa.select(shipment_due.c.shipment_id).limit(due_count)
        made_due = sa.update(shipment_due).where(shipment_due.c.shipment_id.in_(chosen))
        if due_count:
            await connection.execute(made_due.values(assess_at=at))
    before_s = time.perf_counter()
    async with db.transaction() as connection:
        ids = await due.claim(
            connection, at=at, wall_at=at, claim_id=new_id(), lease_until=at, limit=CLAIMED_AT_ONCE
        )
    took_s = time.perf_counter() - before_s
    assert len(ids) == due_count
    later = [{"shipment_id": one, "assess_at": _later(), "urgent_at": None} for one in ids]
    async with db.transaction() as connection:
        await due.settle(connection, later)
    return took_s * 1000


async def _copy(db: Database, original: str, count: int) -> None:
    """Write copies of a shipment that are due tomorrow; nobody looks at more of them than that."""
    async with db.transaction() as connection:
        await connection.execute(
            sa.update(shipment_due).where(shipment_due.c.shipment_id == original).values(assess_at=_later())
        )
        for start in range(0, count, 10_000):
            ids = [new_id() for _ in range(min(10_000, count - start))]
            for source, key in ((shipment, "id"), (shipment_due, "shipment_id")):
                await _copies(connection, source, key, original, ids)
    async with db.transaction() as connection:
        await connection.execute(sa.text("ANALYZE"))


async def _copies(
    connection: AsyncConnection, source: sa.Table, key: str, original: str, ids: list[str]
) -> None:
    row = (await connection.execute(sa.select(source).where(source.c[key] == original))).one()._mapping
    own = {"reference"} & set(source.c.keys())
    rows = [dict(row) | {key: id_} | dict.fromkeys(own, id_) for id_ in ids]
    await connection.execute(sa.insert(source), rows)


def _later() -> object:
    return wall_now() + timedelta(days=1)
