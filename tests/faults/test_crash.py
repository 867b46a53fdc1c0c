"""Killed at once under load: what was acknowledged is there, once, audited, and its shipment is judged by it."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from app.clock import Anchor, wall_now
from app.models.base import new_id
from app.store.db import Database
from app.store.tables import audit_entry, event, shipment_due
from tests.faults.ledger import findings
from tests.faults.storm import IN_FLIGHT_AT_A_KILL, Storm
from tests.support.api import ADMIN_KEY, START, Api, Remote, hours, serving
from tests.support.service import Service, served

SHIPMENTS, EVENTS_EACH = 50, 40
JOURNEY = [
    ("picked_up", 1, 7.8),
    ("departed", 1, 8.1),
    ("arrived", 1, 9.0),
    ("departed", 2, 12.1),
    ("arrived", 2, 13.0),
    ("departed", 3, 14.0),
    ("delivered", 3, 15.1),
]
OWN = {"shipment_id", "reference", "version", "id", "event_id", "dose_id", "subject", "since", "severity"}
"""What is a shipment's own; an alert's severity, too: it stays up while the odds lie between its two thresholds."""


def scans(name: str, number: int) -> list[dict[str, Any]]:
    """Return the scans of one shipment in their order: it stops after some of its legs, positions in between."""
    done = JOURNEY[: number % len(JOURNEY) + 1]
    found = [{"type": type_, "leg": leg, "occurred_at": hours(hour)} for type_, leg, hour in done]
    dice = random.Random(number)
    for _ in range(EVENTS_EACH - len(found)):
        at = hours(dice.uniform(7.8, done[-1][2]))
        found.append(
            {"type": "position", "occurred_at": at, "location": {"lat": dice.uniform(44, 46), "lon": 10}}
        )
    found.sort(key=lambda one: str(one["occurred_at"]))
    return [one | {"event_id": f"{name}-{index}", "reference": name} for index, one in enumerate(found)]


@asynccontextmanager
async def served_at_four(database_url: str, folder: Path) -> AsyncIterator[tuple[Service, Remote]]:
    async with (
        served(database_url, folder, DOSETRAIL_CLOCK=f"{hours(16)}@1") as service,
        httpx.AsyncClient(base_url=service.url, timeout=60) as client,
    ):
        yield service, Remote(client=client)


async def now(remote: Remote) -> datetime:
    return datetime.fromisoformat((await remote.get("/healthz")).json()["now"])


async def registered(remote: Remote, prefix: str, *, count: int) -> list[dict[str, Any]]:
    return [await remote.ship(reference=f"{prefix}-{number}") for number in range(count)]


async def orderly(api: Api, scans: list[dict[str, Any]], *, headers: dict[str, str]) -> None:
    answer = await api.post("/v1/events/batch", {"events": scans}, headers=headers)
    assert {one["status"] for one in answer.json()["results"]} == {201}


@asynccontextmanager
async def six_oclock(database_url: str, service: Service) -> AsyncIterator[Api]:
    """Serve the same database from this process, two hours later, when no claim of the dead is left."""
    later = Anchor(wall_at=wall_now() + timedelta(minutes=5), domain_at=START + timedelta(hours=18), rate=1)
    async with serving(database_url, secret_key=service.secret_key, admin_key=ADMIN_KEY, anchor=later) as api:
        yield api


def scrubbed(told: Any) -> Any:
    """Return a status without what differs between two shipments of one history."""
    if isinstance(told, dict):
        return {name: scrubbed(value) for name, value in told.items() if name not in OWN}
    if isinstance(told, list):
        return [scrubbed(one) for one in told]
    return told


@pytest.mark.timeout(300)
async def test_acknowledged_scans_outlive_two_kills_and_mean_what_they_mean_in_order(
    database_url: str, tmp_path: Path
) -> None:
    kill_after = sorted(random.Random(2).sample(range(300, 3_400), 2))
    async with served_at_four(database_url, tmp_path) as (service, remote):
        tried = await registered(remote, "TRIED", count=SHIPMENTS)
        calm = await registered(remote, "CALM", count=SHIPMENTS)
        courier = await remote.headers("courier", carrier="ACME")
        storm = Storm(service, courier, kill_after=kill_after)

        await storm.run([scan for n in range(SHIPMENTS) for scan in scans(f"TRIED-{n}", n)], seed=3)

        at = await now(remote)
        service.stop()

    assert storm.refused == []
    assert len(storm.in_flight_at_kills) == 2
    assert min(storm.in_flight_at_kills) >= IN_FLIGHT_AT_A_KILL
    assert len(storm.acknowledged) == SHIPMENTS * EVENTS_EACH
    async with six_oclock(database_url, service) as api:
        assert await findings(api.house.db, storm.acknowledged, at=at) == []
        for number in range(SHIPMENTS):
            await orderly(api, scans(f"CALM-{number}", number), headers=courier)
        await api.assess()
        for one, other in zip(tried, calm, strict=True):
            assert scrubbed(await api.status(one)) == scrubbed(await api.status(other))


async def test_the_harness_finds_a_planted_loss_and_a_planted_double(
    database_url: str, tmp_path: Path
) -> None:
    async with served_at_four(database_url, tmp_path) as (service, remote):
        shipments = await registered(remote, "TRIED", count=2)
        storm = Storm(service, await remote.headers("courier", carrier="ACME"))
        await storm.run([*scans("TRIED-0", 0), *scans("TRIED-1", 1)], seed=1)
        at = await now(remote)
    db = Database(database_url)
    assert await findings(db, storm.acknowledged, at=at) == []

    async with db.transaction() as connection:
        await connection.execute(sa.delete(event).where(event.c.event_id == "TRIED-0-3"))
        row = (await connection.execute(sa.select(event).where(event.c.event_id == "TRIED-0-5"))).one()
        double = dict(row._mapping) | {"id": new_id(), "source": "GHOST"}
        await connection.execute(sa.insert(event), [double])
        written = (await connection.execute(sa.select(event).where(event.c.event_id == "TRIED-0-7"))).one()
        await connection.execute(sa.update(event).where(event.c.id == written.id).values(id=new_id()))
        entries = (await connection.execute(sa.select(audit_entry))).all()
        lost = next(one.id for one in entries if one.new and one.new.get("event_id") == "TRIED-1-2")
        await connection.execute(sa.delete(audit_entry).where(audit_entry.c.id == lost))
        await connection.execute(
            sa.update(shipment_due)
            .where(shipment_due.c.shipment_id == shipments[1]["id"])
            .values(version=shipment_due.c.version + 1, assess_at=None)
        )

    found = await findings(db, storm.acknowledged, at=at)
    await db.close()
    assert sorted(found) == sorted(
        [
            "TRIED-0-3: acknowledged and lost",
            "TRIED-0-5: there more than once",
            "TRIED-0-5: 0 audit entries",
            "TRIED-0-7: acknowledged and lost",
            "TRIED-0-7: 0 audit entries",
            "TRIED-1-2: 0 audit entries",
            f"{shipments[1]['id']}: not marked due",
        ]
    )
