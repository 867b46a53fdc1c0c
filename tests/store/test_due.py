"""Due work: claimed once, never lost, and worthless in the hands of whoever slept too long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from app.main import compose
from app.models.base import new_id
from app.pipeline import snapshots
from app.pipeline.house import House
from app.store import due
from app.store.db import Database
from app.store.tables import alert, alert_history, shipment_due, shipment_view
from app.store.webhooks import message
from tests.support.api import Api
from tests.support.sabotage import database

REPLICAS = 4


@pytest.fixture
async def replicas(api: Api, database_url: str) -> AsyncIterator[list[House]]:
    """Further processes' services on the same database and clock."""
    async with AsyncExitStack() as stack:
        dbs = [await stack.enter_async_context(database(database_url)) for _ in range(REPLICAS)]
        yield [await compose(api.house.settings, db, api.house.clock) for db in dbs]


async def rows(db: Database, *columns: Any) -> list[tuple[Any, ...]]:
    async with db.reading() as connection:
        return [tuple(row) for row in await connection.execute(sa.select(*columns))]


async def test_four_claimers_share_what_is_due_and_nobody_gets_another_ones(
    api: Api, replicas: list[House]
) -> None:
    shipments = [await api.ship(reference=f"LU-{number}") for number in range(25)]
    taken: list[str] = []

    async def claimer(house: House) -> None:
        while True:
            async with house.db.transaction() as connection:
                ids = await due.claim(
                    connection,
                    at=api.clock.at,
                    wall_at=api.clock.at,
                    claim_id=new_id(),
                    lease_until=api.clock.at + timedelta(seconds=60),
                    limit=3,
                )
            if not ids:
                return
            taken.extend(ids)

    await asyncio.gather(*(claimer(house) for house in replicas))

    assert sorted(taken) == sorted(one["id"] for one in shipments)


async def test_the_most_urgent_is_claimed_first(api: Api) -> None:
    calm, urgent = [await api.ship(reference=name) for name in ("calm", "urgent")]
    async with api.house.db.transaction() as connection:
        await due.settle(
            connection,
            [
                {
                    "shipment_id": calm["id"],
                    "assess_at": api.clock.at,
                    "urgent_at": api.clock.at + timedelta(hours=9),
                },
                {
                    "shipment_id": urgent["id"],
                    "assess_at": api.clock.at,
                    "urgent_at": api.clock.at + timedelta(hours=1),
                },
            ],
        )

    async with api.house.db.transaction() as connection:
        first = await due.claim(
            connection,
            at=api.clock.at,
            wall_at=api.clock.at,
            claim_id=new_id(),
            lease_until=api.clock.at + timedelta(seconds=60),
            limit=1,
        )

    assert first == [urgent["id"]]


async def test_four_replicas_over_the_same_due_work_raise_each_alert_once(
    api: Api, replicas: list[House]
) -> None:
    shipments = [await api.ship(reference=f"LU-{number}") for number in range(12)]
    api.clock.advance(hours=26)

    async def assess(house: House) -> None:
        while await house.assessor.run_due(limit=2):
            pass

    await asyncio.gather(*(assess(house) for house in replicas))

    expired = [
        one for one in await rows(api.house.db, alert.c.shipment_id, alert.c.kind) if one[1] == "dose_expired"
    ]
    opened = await rows(api.house.db, alert_history.c.alert_id)
    assert sorted(one[0] for one in expired) == sorted(one["id"] for one in shipments)
    assert len(opened) == len(set(opened))


async def test_what_is_heard_while_a_shipment_is_assessed_keeps_it_due(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipment = await api.ship()
    load = snapshots.load

    async def load_and_hear(*args: Any, **named: Any) -> Any:
        loaded = await load(*args, **named)
        monkeypatch.undo()
        assert (await api.scan(shipment, "picked_up", leg=1)).status_code == 201
        return loaded

    monkeypatch.setattr(snapshots, "load", load_and_hear)
    await api.house.assessor.run_due()
    due_rows = await rows(api.house.db, shipment_due.c.version, shipment_due.c.assess_at)
    again = await api.house.assessor.run_due()

    assert due_rows == [(2, api.clock.at)]
    assert again == 1
    assert await rows(api.house.db, shipment_view.c.version) == [(2,)]


async def test_events_and_assessments_that_race_end_in_a_view_of_the_last_event(
    api: Api, replicas: list[House]
) -> None:
    shipments = [await api.ship(reference=f"LU-{number}") for number in range(6)]
    steps = [("picked_up", 1), ("departed", 1), ("arrived", 1), ("departed", 2), ("arrived", 2)]

    async def courier() -> None:
        for type_, leg in steps:
            api.clock.advance(minutes=1)
            await asyncio.gather(
                *(api.scan(one, type_, leg=leg, event_id=f"{one['id']}-{type_}{leg}") for one in shipments)
            )

    async def assess(house: House) -> None:
        for _ in range(10):
            await house.assessor.run_due(limit=2)

    await asyncio.gather(courier(), *(assess(house) for house in replicas))
    await api.assess()

    versions = dict(await rows(api.house.db, shipment_due.c.shipment_id, shipment_due.c.version))
    assert dict(await rows(api.house.db, shipment_view.c.shipment_id, shipment_view.c.version)) == versions
    for one in shipments:
        last = (await api.status(one))["last_event"]
        assert (last["type"], last["leg"]) == ("arrived", 2)


async def test_an_assessor_that_slept_past_its_lease_writes_nothing(
    api: Api, replicas: list[House], monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.ship()
    api.clock.advance(hours=26)
    load = snapshots.load

    async def load_and_sleep(*args: Any, **named: Any) -> Any:
        loaded = await load(*args, **named)
        monkeypatch.undo()
        api.clock.advance(seconds=61)
        assert await replicas[0].assessor.run_due() == 1
        return loaded

    monkeypatch.setattr(snapshots, "load", load_and_sleep)
    await api.house.assessor.run_due()

    assert await rows(api.house.db, shipment_view.c.assessed_at) == [(api.clock.at,)]
    histories = await rows(api.house.db, alert_history.c.alert_id)
    assert len(histories) == len(set(histories)) == len(await rows(api.house.db, alert.c.id))
    told = [one for one in await rows(api.house.db, message.c.type) if one == ("alert.opened",)]
    assert len(told) == len(histories)


async def test_a_second_open_alert_of_one_kind_and_subject_is_refused_by_the_database(api: Api) -> None:
    await api.ship()
    api.clock.advance(hours=26)
    await api.assess()
    async with api.house.db.reading() as connection:
        first = dict((await connection.execute(sa.select(alert).limit(1))).one()._mapping)
    twin = first | {"id": new_id()}

    with pytest.raises(IntegrityError):
        async with api.house.db.transaction() as connection:
            await connection.execute(sa.insert(alert), [twin])

    async with api.house.db.transaction() as connection:
        await connection.execute(sa.insert(alert), [twin | {"state": "resolved"}])
