"""Assessing: what a due shipment costs one core, from its claim to its stored view, and how much of it is judgement.

A third of the shipments are planned, a third are under way, and a third should have left an hour ago and are silent:
their alert stands already, as it does at nearly every look at such a shipment.
"""

import time
from collections.abc import Sequence
from datetime import timedelta

import httpx
from rich.table import Table

from app.clock import wall_now
from app.domain.assessment import assessing
from app.domain.side_by_side import side_by_side
from app.domain.status import instant_text
from app.main import running
from app.pipeline import snapshots
from app.pipeline.house import House
from app.settings import Settings
from app.store import due
from app.store.shipments import Plans
from bench.report import Progress, table
from bench.servers import SECRET_KEY, Served, Store, dosetrail
from bench.shipments import Made, make

SHIPMENTS = 300
ROUNDS = 5
LEAVES_IN_HOURS = (1.0, -0.5, -1.0)
LEFT = 1
STEPS = SHIPMENTS + ROUNDS


async def measure(store: Store, progress: Progress) -> Table:
    """Assess everything several times over, without a scheduler, and count CPU time: the database's too."""
    async with dosetrail(store, "--no-scheduler", "--no-dispatcher") as service:
        made = await make(
            service,
            SHIPMENTS,
            step=progress.step,
            leaves_in_hours=lambda number: LEAVES_IN_HOURS[number % len(LEAVES_IN_HOURS)],
        )
        await _set_off(service, made)
    settings = Settings.model_validate(
        {"database_url": store.url, "secret_key": SECRET_KEY, "log_level": "error"}
    )
    async with running(settings, scheduler=False, dispatcher=False) as house:
        await _assess_all(
            house, made.ids
        )  # once beforehand: alerts open, plans are parsed, statements prepared
        before_s = time.process_time() + store.cpu_s()
        for _ in range(ROUNDS):
            await _assess_all(house, made.ids)
            progress.step(1)
        whole_s = time.process_time() + store.cpu_s() - before_s
        domain_s = sum([await _domain_s(house, made.ids) for _ in range(ROUNDS)])
    parts = {"whole": whole_s, "assessing alone": domain_s, "loading and storing": whole_s - domain_s}
    each_us = {name: spent_s / ROUNDS / SHIPMENTS * 1e6 for name, spent_s in parts.items()}
    rows = [(name, f"{us:,.0f}", f"{1e6 / us:,.0f}") for name, us in each_us.items()]
    return table(("", "CPU µs a shipment", "shipments a second and core"), rows)


async def _set_off(service: Served, made: Made) -> None:
    """Let those leave that should have half an hour ago."""
    headers = {"Authorization": f"Bearer {made.courier_key}"}
    left = [id_ for number, id_ in enumerate(made.ids) if number % len(LEAVES_IN_HOURS) == LEFT]
    at = instant_text(wall_now() - timedelta(minutes=25))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", headers=headers) as client:
        for id_ in left:
            scan = {
                "event_id": f"left-{id_}",
                "shipment_id": id_,
                "type": "departed",
                "leg": 1,
                "occurred_at": at,
            }
            (await client.post("/v1/events", json=scan)).raise_for_status()


async def _assess_all(house: House, ids: Sequence[str]) -> None:
    async with house.db.transaction() as connection:
        await due.mark(connection, dict.fromkeys(ids), at=house.clock.now())
    while await house.assessor.run_due():
        pass


async def _domain_s(house: House, ids: Sequence[str]) -> float:
    at = house.clock.now()
    async with house.db.reading() as connection:
        gathered = await snapshots.load(connection, Plans(), ids, at=at)
    before_s = time.process_time()
    side_by_side([assessing(snapshot, at=at) for snapshot in gathered.values()])
    return time.process_time() - before_s
