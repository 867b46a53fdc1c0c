"""What the dispatcher does with every kind of answer, through real sockets of loopback."""

import asyncio
import gzip
from datetime import timedelta
from typing import Any

import pytest

from app.models.base import new_id
from app.pipeline import sender
from app.store import deliveries, webhooks
from tests.support.api import START, Api
from tests.support.hooks import Script, behaving, log_of, register, send, tell
from tests.support.receiver import receiving


async def hang(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def drip_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for _number in range(10_000):
        writer.write(b"x-a: b\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def drip_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n")
    for _number in range(10_000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def talk_nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 smtp.example.org ESMTP\r\n\r\n")
    await writer.drain()


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize("script", [hang, drip_headers, drip_body])
async def test_an_attempt_ends_at_its_deadline_however_slowly_the_answer_drips(
    api: Api, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    monkeypatch.setattr(sender, "DEADLINE_S", 0.3)
    async with behaving(script) as url, asyncio.timeout(5):
        webhook = await register(api, url)
        await tell(api)

        await send(api)

    delivery = (await log_of(api, webhook))[0]
    assert delivery["state"] == "pending"
    assert [(one["status"], one["error"]) for one in delivery["log"]] == [(None, "deadline")]
    assert 250 < delivery["log"][0]["duration_ms"] < 3000


@pytest.mark.parametrize("script", [talk_nonsense, hang_up])
async def test_a_server_that_speaks_no_http_is_a_failure_like_any_other(api: Api, script: Script) -> None:
    async with behaving(script) as url, receiving() as healthy:
        odd, sound = await register(api, url), await register(api, healthy.url)
        await tell(api)

        await send(api)

    delivery = (await log_of(api, odd))[0]
    assert (delivery["state"], delivery["log"][0]["status"]) == ("pending", None)
    assert delivery["log"][0]["error"]
    assert (await log_of(api, sound))[0]["state"] == "delivered"


async def test_a_long_answer_is_read_no_further_than_sixteen_kib(api: Api) -> None:
    sent = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while sent < 500_000_000:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    async with behaving(flood) as url, asyncio.timeout(10):
        webhook = await register(api, url)
        await tell(api)

        await send(api)

    delivery = (await log_of(api, webhook))[0]
    assert delivery["state"] == "delivered"
    assert delivery["log"][0]["response"] == "x" * 16_384
    assert sent < 50_000_000


async def test_a_packed_answer_is_kept_packed(api: Api) -> None:
    bomb = gzip.compress(b"\0" * 100_000_000, compresslevel=9)

    async def explode(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n")
        writer.write(b"content-length: %d\r\n\r\n" % len(bomb))
        writer.write(bomb)
        await writer.drain()

    async with behaving(explode) as url:
        webhook = await register(api, url)
        await tell(api)

        await send(api)

    delivery = (await log_of(api, webhook))[0]
    assert delivery["state"] == "delivered"
    assert len(delivery["log"][0]["response"]) <= 16_384
    assert not delivery["log"][0]["response"].startswith("\0\0")


async def test_a_redirect_is_a_failure_and_nobody_follows_it(api: Api) -> None:
    async with receiving() as inside, receiving(status=307, headers={"location": inside.url}) as outside:
        webhook = await register(api, outside.url)
        await tell(api)

        await send(api)

    assert len(outside.received) == 1
    assert inside.received == []
    assert (await log_of(api, webhook))[0]["state"] == "pending"


async def test_no_cookie_of_one_endpoint_reaches_another(api: Api) -> None:
    async with receiving(headers={"set-cookie": "session=secret; Path=/"}) as receiver:
        await register(api, receiver.url)
        await tell(api)
        async with api.house.dispatch.client() as client:
            await api.house.dispatch.send_due(client)
            await tell(api)
            await api.house.dispatch.send_due(client)

    assert len(receiver.received) == 2
    assert all("cookie" not in one.headers for one in receiver.received)


async def test_each_attempt_has_its_own_timestamp_and_the_same_id_and_bytes(api: Api) -> None:
    async with receiving(status=500) as receiver:
        webhook = await register(api, receiver.url)
        await tell(api)
        await send(api)
        early = await send(api)
        api.clock.advance(seconds=6.1)  # the first step is 5 s, at most 20 % more
        receiver.status = 204
        await send(api)

    first, second = receiver.received
    assert early == 0
    assert first.raw == second.raw
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 6
    assert first.headers["accept-encoding"] == "identity"
    delivery = (await log_of(api, webhook))[0]
    assert delivery["state"] == "delivered"
    assert [one["status"] for one in delivery["log"]] == [500, 204]


async def test_retry_after_pauses_the_whole_endpoint(api: Api) -> None:
    async with receiving(status=429, headers={"retry-after": "120"}) as receiver:
        await register(api, receiver.url)
        await tell(api)
        await send(api)
        await tell(api)
        receiver.status = 204
        paused = await send(api)
        api.clock.advance(seconds=119)
        still_paused = await send(api)
        api.clock.advance(seconds=26)  # 120 s and at most 20 % more: never sooner
        resumed = await send(api)

    assert (paused, still_paused, resumed) == (0, 0, 2)


async def test_gone_switches_the_endpoint_off_at_once_and_holds_its_queue(api: Api) -> None:
    async with receiving(status=410) as gone, receiving() as watcher:
        webhook = await register(api, gone.url, "alert.*")
        await register(api, watcher.url, "endpoint.*")
        await tell(api)
        await send(api)
        await tell(api)
        await send(api)
        gone.status = 204
        switched_off = (await api.get(f"/v1/webhooks/{webhook['id']}")).json()
        held = await log_of(api, webhook)
        await api.client.patch(f"/v1/webhooks/{webhook['id']}", json={"enabled": True}, headers=api.admin)
        api.clock.advance(minutes=1)
        await send(api)

    assert switched_off["enabled"] is False
    assert "410" in switched_off["disabled_reason"]
    assert [one["state"] for one in held] == ["pending", "pending"]
    assert [one.body["type"] for one in watcher.received] == ["endpoint.disabled"]
    assert len(gone.received) == 3
    assert {one["state"] for one in await log_of(api, webhook)} == {"delivered"}


async def test_a_blocked_address_ends_the_delivery_without_contact(api: Api) -> None:
    async with receiving() as receiver:
        webhook = await register(api, receiver.url)
        await tell(api)
        async with api.house.db.transaction() as connection:
            await webhooks.change_endpoint(connection, webhook["id"], url="https://169.254.169.254/latest")

        await send(api)

    delivery = (await log_of(api, webhook))[0]
    assert delivery["state"] == "failed"
    assert delivery["log"][0]["error"] == "blocked_address"


async def claim(api: Api, *, lease_s: float = 60) -> Any:
    """Take what is due, as another dispatcher would."""
    async with api.house.db.transaction() as connection:
        return await deliveries.claim(
            connection,
            wall_at=api.clock.at,
            claim_id=new_id(),
            lease_until=api.clock.at + timedelta(seconds=lease_s),
            limit=64,
        )


async def test_a_lease_that_lapsed_is_taken_over_and_the_first_claims_outcome_writes_nothing(
    api: Api,
) -> None:
    async with receiving() as receiver:
        webhook = await register(api, receiver.url)
        await tell(api)
        lost = (await claim(api))[0]
        meanwhile = await send(api)
        api.clock.advance(seconds=61)
        taken_over = await send(api)

    async with api.house.db.transaction() as connection:
        written = await deliveries.settle(
            connection, lost.id, claim_id=lost.claim_id, state="pending", attempts=9
        )
    delivery = (await log_of(api, webhook))[0]
    assert (meanwhile, taken_over) == (0, 1)
    assert written is None
    assert (delivery["state"], delivery["attempts"]) == ("delivered", 1)
    assert [one.headers["webhook-id"] for one in receiver.received] == [delivery["message_id"]]


async def test_no_more_than_four_of_an_endpoint_are_in_flight(api: Api) -> None:
    async with receiving() as first, receiving() as second:
        await register(api, first.url)
        await register(api, second.url)
        await tell(api, 10)

        claimed = [one.endpoint_id for one in await claim(api)]
        more = await claim(api)
        api.clock.advance(seconds=61)
        again = await claim(api)

    assert sorted(claimed.count(one) for one in set(claimed)) == [4, 4]
    assert list(more) == []
    assert len(again) == 8


async def test_only_failures_for_a_day_switch_the_endpoint_off_with_one_notice(api: Api) -> None:
    async with receiving(status=500) as receiver, receiving() as watcher:
        webhook = await register(api, receiver.url, "alert.*")
        await register(api, watcher.url, "endpoint.*")
        await tell(api, ladder="critical")
        for _round in range(12):
            await send(api)
            api.clock.advance(seconds=75)
        day_later = (await api.get(f"/v1/webhooks/{webhook['id']}")).json()["enabled"]
        api.clock.set(START + timedelta(hours=25))
        await tell(api, 3)
        await send(api)
        await send(api)

    off = (await api.get(f"/v1/webhooks/{webhook['id']}")).json()
    assert day_later is True
    assert (off["enabled"], "24 hours" in off["disabled_reason"]) == (False, True)
    notices = [one.body for one in watcher.received]
    assert [one["type"] for one in notices] == ["endpoint.disabled"]
    assert notices[0]["data"]["endpoint_id"] == webhook["id"]
