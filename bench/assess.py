"""Assessing: what a due shipment costs one core, from its claim to its stored view, and how much of it is judgement."""

import time
from collections.abc import Sequence

from rich.table import Table

from app.domain.assessment import assess
from app.main import running
from app.pipeline import snapshots
from app.pipeline.house import House
from app.settings import Settings
from app.store import due
from app.store.shipments import Plans
from bench.report import Progress, table
from bench.servers import SECRET_KEY, Store, dosetrail
from bench.shipments import make

SHIPMENTS = 300
ROUNDS = 3
STEPS = SHIPMENTS + ROUNDS


async def measure(store: Store, progress: Progress) -> Table:
    """Assess everything several times over, without a scheduler, and count CPU time: the database's too."""
    async with dosetrail(store, "--no-scheduler", "--no-dispatcher") as service:
        ids = (await make(service, SHIPMENTS, step=progress.step)).ids
    settings = Settings.model_validate(
        {"database_url": store.url, "secret_key": SECRET_KEY, "log_level": "error"}
    )
    async with running(settings, scheduler=False, dispatcher=False) as house:
        await _assess_all(house, ids)  # once beforehand: plans are parsed and kept, statements prepared
        before_s = time.process_time() + store.cpu_s()
        for _ in range(ROUNDS):
            await _assess_all(house, ids)
            progress.step(1)
        whole_s = time.process_time() + store.cpu_s() - before_s
        judging_s = ROUNDS * await _judging_s(house, ids)
    parts = {"whole": whole_s, "judging alone": judging_s, "loading and storing": whole_s - judging_s}
    each_us = {name: spent_s / ROUNDS / SHIPMENTS * 1e6 for name, spent_s in parts.items()}
    rows = [(name, f"{us:,.0f}", f"{1e6 / us:,.0f}") for name, us in each_us.items()]
    return table(("", "CPU µs a shipment", "shipments a second and core"), rows)


async def _assess_all(house: House, ids: Sequence[str]) -> None:
    async with house.db.transaction() as connection:
        await due.mark(connection, dict.fromkeys(ids), at=house.clock.now())
    while await house.assessor.run_due():
        pass


async def _judging_s(house: House, ids: Sequence[str]) -> float:
    at = house.clock.now()
    async with house.db.reading() as connection:
        gathered = await snapshots.load(connection, Plans(), ids, at=at)
    before_s = time.process_time()
    for snapshot in gathered.values():
        assess(snapshot, at=at)
    return time.process_time() - before_s
