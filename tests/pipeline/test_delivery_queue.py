"""Who is served when: slots, order within a shipment, news that replaces older news, and news that expires."""

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.models.base import new_id
from app.pipeline import dispatch
from app.store import deliveries, webhooks
from tests.support.api import START, Api
from tests.support.hooks import Script, behaving, log_of, register, send, tell
from tests.support.receiver import receiving


def late(answered: asyncio.Event, busy: asyncio.Semaphore | None = None) -> Script:
    """Return a server that answers when it is told to; `busy` counts who waits."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if busy is not None:
            busy.release()
        await answered.wait()
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()

    return answer


async def claim(api: Api, limit: int = 256) -> Any:
    async with api.house.db.transaction() as connection:
        return await deliveries.claim(
            connection,
            wall_at=api.clock.at,
            claim_id=new_id(),
            lease_until=api.clock.at + timedelta(seconds=60),
            limit=limit,
        )


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what it waits for is on the other side of a socket
            await asyncio.sleep(0.01)


async def test_an_endpoint_that_hangs_delays_nobody_else(api: Api) -> None:
    stop, answered = asyncio.Event(), asyncio.Event()
    async with behaving(late(answered)) as url, receiving() as healthy:
        hanging = await register(api, url)
        await register(api, healthy.url)
        await tell(api, 40)
        task = asyncio.create_task(api.house.dispatch.run(stop))
        await until(lambda: len(healthy.received) == 40)  # ten rounds of four slots, while four attempts hang
        states = [one["state"] for one in await log_of(api, hanging)]
        stop.set()
        answered.set()
        await task

    assert sorted(states) == ["inflight"] * 4 + ["pending"] * 36


async def test_told_to_stop_the_dispatcher_finishes_what_is_in_flight_and_takes_no_more(api: Api) -> None:
    stop, answered, busy = asyncio.Event(), asyncio.Event(), asyncio.Semaphore(0)
    async with behaving(late(answered, busy)) as url:
        webhook = await register(api, url)
        await tell(api, 6)
        task = asyncio.create_task(api.house.dispatch.run(stop))
        for _number in range(4):
            await busy.acquire()
        stop.set()
        answered.set()
        await task

    states = [one["state"] for one in await log_of(api, webhook)]
    assert sorted(states) == ["delivered"] * 4 + ["pending"] * 2


async def test_what_does_not_land_before_the_end_is_given_back_at_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "STOP_WITHIN_S", 0.1)
    stop, never, busy = asyncio.Event(), asyncio.Event(), asyncio.Semaphore(0)
    async with behaving(late(never, busy)) as url:
        webhook = await register(api, url)
        await tell(api)
        task = asyncio.create_task(api.house.dispatch.run(stop))
        await busy.acquire()
        stop.set()
        await task

    delivery = (await log_of(api, webhook))[0]
    assert (delivery["state"], delivery["log"]) == ("pending", [])


async def test_news_from_another_process_wakes_the_dispatcher_long_before_its_poll(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    if api.house.db.dialect == "sqlite":
        monkeypatch.setattr(
            dispatch, "POLL_S", 0.1
        )  # its dispatcher is in the process that writes, and is woken there
    else:
        monkeypatch.setattr(dispatch, "POLL_S", 600)
    stop = asyncio.Event()
    async with receiving() as receiver:
        await register(api, receiver.url)
        task = asyncio.create_task(api.house.dispatch.run(stop))
        async with asyncio.timeout(20):
            while not receiver.received:  # the first news may come before it listens
                await tell(api)
                await asyncio.sleep(0.2)
        stop.set()
        api.house.dispatch.wake()
        await task


async def test_the_slots_of_an_endpoint_can_be_set(api: Api) -> None:
    wide = await register(api, "http://127.0.0.1:9/wide", max_inflight=8)
    narrow = await register(api, "http://127.0.0.1:9/narrow", max_inflight=1)
    await tell(api, 10)

    claimed = [one.endpoint_id for one in await claim(api)]

    assert (claimed.count(wide["id"]), claimed.count(narrow["id"])) == (8, 1)


async def test_endpoints_that_fail_come_after_those_that_do_not(api: Api) -> None:
    failing = await register(api, "http://127.0.0.1:9/failing")
    sound = await register(api, "http://127.0.0.1:9/sound")
    await tell(api, 4)
    async with api.house.db.transaction() as connection:
        await webhooks.change_endpoint(connection, failing["id"], failures=3, failing_since=START)

    claimed = [one.endpoint_id for one in await claim(api, limit=4)]

    assert claimed == [sound["id"]] * 4


async def test_claimers_at_once_never_take_a_fifth_or_one_twice(api: Api) -> None:
    webhook = await register(api, "http://127.0.0.1:9/hook")
    await tell(api, 50)

    rounds = await asyncio.gather(*(claim(api) for _ in range(8)))

    taken = [one.id for claimed in rounds for one in claimed]
    assert len(taken) == len(set(taken)) == 4
    assert [one["state"] for one in await log_of(api, webhook)].count("inflight") == 4


async def test_the_messages_of_a_shipment_arrive_in_order_although_three_in_ten_fail(api: Api) -> None:
    dice = random.Random(7)
    first, second = await api.ship(), await api.ship(reference="LU-2")
    async with receiving() as receiver:
        webhook = await register(api, receiver.url, ordering="per_shipment")
        for number in range(12):
            for shipment in (first, second):
                data = {"shipment": shipment["reference"], "number": number}
                await tell(api, ladder="critical", shipment_id=shipment["id"], data=data)
        delivered: dict[str, list[int]] = {"LU-1": [], "LU-2": []}
        for _round in range(200):
            receiver.status = 500 if dice.random() < 0.3 else 204
            before = len(receiver.received)
            await send(api)
            if receiver.status == 204:
                for one in receiver.received[before:]:
                    delivered[one.body["data"]["shipment"]].append(one.body["data"]["number"])
            api.clock.advance(seconds=75)
            if all(len(numbers) == 12 for numbers in delivered.values()):
                break

    assert delivered == {"LU-1": list(range(12)), "LU-2": list(range(12))}
    assert {one["state"] for one in await log_of(api, webhook)} == {"delivered"}


async def test_a_message_that_is_given_up_lets_the_next_of_its_shipment_go(api: Api) -> None:
    shipment = await api.ship()
    async with receiving(status=500) as receiver:
        webhook = await register(api, receiver.url, "alert.*", ordering="per_shipment")
        await tell(api, shipment_id=shipment["id"], ladder="critical", deliver_by=api.clock.at)
        await tell(api, shipment_id=shipment["id"])
        waiting = [one["state"] for one in await log_of(api, webhook)]
        await send(api)
        receiver.status = 204
        await send(api)

    assert waiting == ["pending", "waiting"]
    assert [one["state"] for one in await log_of(api, webhook)] == ["expired", "delivered"]


async def test_news_that_expires_is_reported_and_was_tried_however_long_it_was_held(api: Api) -> None:
    async with receiving(status=500) as receiver, receiving() as watcher:
        webhook = await register(api, receiver.url, "alert.*")
        await register(api, watcher.url, "delivery.*")
        path = f"/v1/webhooks/{webhook['id']}"
        await tell(api, ladder="critical", deliver_by=START + timedelta(hours=2))
        await send(api)
        await api.client.patch(path, json={"enabled": False}, headers=api.admin)
        api.clock.advance(hours=30)
        held = (await log_of(api, webhook))[0]["state"]
        await api.client.patch(path, json={"enabled": True}, headers=api.admin)
        await send(api)
        await send(api)

    delivery = (await log_of(api, webhook))[0]
    assert held == "pending"
    assert len(receiver.received) == 2
    assert (delivery["state"], delivery["next_attempt_at"]) == ("expired", None)
    assert [one.body["type"] for one in watcher.received] == ["delivery.expired"]
    assert watcher.received[0].body["data"] == {
        "endpoint_id": webhook["id"],
        "message_id": delivery["message_id"],
        "delivery_id": delivery["id"],
        "type": "alert.opened",
    }


async def test_a_newer_eta_replaces_older_ones_of_its_shipment_that_are_not_delivered(api: Api) -> None:
    first, second = await api.ship(), await api.ship(reference="LU-2")
    eta: dict[str, Any] = {"type": "shipment.eta_changed", "severity": None}
    webhook = await register(api, "http://127.0.0.1:9/hook", max_inflight=1)
    await tell(api, shipment_id=first["id"], **eta)
    flying = (await claim(api))[0]
    await tell(api, shipment_id=first["id"], **eta)
    await tell(api, shipment_id=second["id"], **eta)
    await tell(api, shipment_id=first["id"], type="alert.opened")
    await tell(api, shipment_id=first["id"], **eta)

    retried = {"state": "pending", "attempts": 1, "next_attempt_at": api.clock.at}
    async with api.house.db.transaction() as connection:
        state = await deliveries.settle(connection, flying.id, claim_id=flying.claim_id, **retried)

    assert state == "superseded"
    assert [one["state"] for one in await log_of(api, webhook)] == [
        "superseded", "superseded", "pending", "pending", "pending",
    ]  # fmt: skip


async def test_a_long_queue_of_a_dead_endpoint_costs_a_claim_nothing(api: Api) -> None:
    dead = await register(api, "http://127.0.0.1:9/dead")
    await tell(api)
    await _multiply(api, 20_000)
    sound = await register(api, "http://127.0.0.1:9/sound")
    await tell(api, 4)
    before = await _rows_read(api)

    claimed = await claim(api)

    assert {one.endpoint_id for one in claimed} == {dead["id"], sound["id"]}
    assert [one.endpoint_id for one in claimed].count(sound["id"]) == 4
    if before is not None:
        assert (await _rows_read(api) or 0) - before < 500
    page = await api.get(f"/v1/webhooks/{dead['id']}/deliveries", limit=500)
    assert len(page.json()["data"]) == 500


async def _multiply(api: Api, count: int) -> None:
    """Write so many copies of the only delivery, in the database."""
    columns = [column.name for column in webhooks.delivery.columns if column.name != "id"]
    named = ", ".join(columns)
    if api.house.db.dialect == "postgresql":
        rows = f"SELECT gen_random_uuid(), {named} FROM delivery, generate_series(1, {count})"  # noqa: S608
    else:
        series = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"  # noqa: S608
        rows = f"{series} SELECT lower(hex(randomblob(16))), {named} FROM delivery, n"  # noqa: S608
    filled = f"INSERT INTO delivery (id, {named}) {rows}"
    async with api.house.db.transaction() as connection:
        await connection.execute(sa.text(filled))


async def _rows_read(api: Api) -> int | None:
    """Return how many delivery rows PostgreSQL has read so far; SQLite keeps no count."""
    if api.house.db.dialect != "postgresql":
        return None
    async with api.house.db.transaction() as connection:
        await connection.execute(sa.text("ANALYZE delivery"))
        await connection.execute(sa.text("SELECT pg_stat_force_next_flush()"))
    async with api.house.db.transaction() as connection:
        counted = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'delivery'"
        return int(await connection.scalar(sa.text(counted)) or 0)
