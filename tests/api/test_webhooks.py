"""The subscriber's tools, through HTTP."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from standardwebhooks import Webhook

from app.pipeline import upkeep
from tests.support.api import START, Api
from tests.support.hooks import log_of, register, send, tell
from tests.support.receiver import receiving

INSIDE = "http://127.0.0.1:9/hook"


async def test_a_secret_is_shown_once_and_an_endpoint_can_be_listed_changed_and_deleted(api: Api) -> None:
    made = await register(api, INSIDE, "alert.*", description="the board")
    path = f"/v1/webhooks/{made['id']}"

    read = (await api.get(path)).json()
    listed = (await api.get("/v1/webhooks")).json()["data"]
    changed = await api.client.patch(path, json={"description": "the wall"}, headers=api.admin)
    deleted = await api.client.delete(path, headers=api.admin)

    assert made["secret"].startswith("whsec_")
    assert "secret" not in read
    assert [one["id"] for one in listed] == [made["id"]]
    assert (changed.status_code, changed.json()["description"]) == (200, "the wall")
    assert deleted.status_code == 204
    assert (await api.get(path)).status_code == 404
    assert (await api.get("/v1/webhooks")).json()["data"] == []
    assert (await api.get(f"{path}/deliveries")).status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "https://10.0.0.1/", "event_types": ["*"]}, "/url"),
        ({"url": "http://93.184.216.34/", "event_types": ["*"]}, "/url"),
        ({"url": "ftp://hooks.example.org/", "event_types": ["*"]}, "/url"),
        ({"url": INSIDE, "event_types": []}, "/event_types"),
        ({"url": INSIDE, "event_types": ["Alert!"]}, "/event_types/0"),
        ({"url": INSIDE, "event_types": ["*"], "min_severity": "urgent"}, "/min_severity"),
        (
            {"url": INSIDE, "event_types": ["*"], "site_id": "019b0000-0000-7000-8000-000000000001"},
            "/site_id",
        ),
        ({"url": INSIDE, "event_types": ["*"], "colour": "red"}, "/colour"),
        ({"event_types": ["*"]}, "/url"),
    ],
)
async def test_what_cannot_be_an_endpoint_is_refused_with_a_pointer(
    api: Api, body: dict[str, Any], pointer: str
) -> None:
    refused = await api.post("/v1/webhooks", body)

    assert refused.status_code == 422
    assert [one["pointer"] for one in refused.json()["errors"]] == [pointer]


async def test_a_test_message_is_sent_once_signed_and_counts_for_nothing(api: Api) -> None:
    async with receiving(status=500) as receiver:
        webhook = await register(api, receiver.url, "alert.*")

        queued = await api.post(f"/v1/webhooks/{webhook['id']}/test", None)
        await send(api)
        api.clock.advance(hours=1)
        again = await send(api)

    delivery = (await log_of(api, webhook))[0]
    assert queued.status_code == 202
    assert again == 0
    assert receiver.received[0].body["type"] == "webhook.test"
    assert receiver.received[0].signed_with(Webhook(webhook["secret"]))
    assert receiver.received[0].headers["webhook-id"] == queued.json()["message_id"]
    assert (delivery["id"], delivery["state"]) == (queued.json()["delivery_id"], "failed")
    assert len(delivery["log"]) == 1


async def test_during_the_overlap_of_a_rotation_both_secrets_verify(api: Api) -> None:
    async with receiving() as receiver:
        old = await register(api, receiver.url)
        rotate = f"/v1/webhooks/{old['id']}/rotate-secret"
        new = (await api.post(rotate, {"overlap_seconds": 3600})).json()

        await tell(api)
        await send(api)
        api.clock.advance(seconds=3601)
        await tell(api)
        await send(api)

    during, after = receiver.received
    assert all(during.signed_with(Webhook(one["secret"])) for one in (old, new))
    assert after.signed_with(Webhook(new["secret"]))
    assert len(after.headers["webhook-signature"].split(" ")) == 1


async def test_a_delivery_that_was_given_up_can_be_sent_again_under_the_same_id(api: Api) -> None:
    async with receiving(status=500) as receiver:
        webhook = await register(api, receiver.url)
        await api.post(f"/v1/webhooks/{webhook['id']}/test", None)
        await send(api)
        failed = (await log_of(api, webhook))[0]
        receiver.status = 204

        retried = await api.post(f"/v1/deliveries/{failed['id']}/retry", None)
        await send(api)
        arrived = await api.post(f"/v1/deliveries/{failed['id']}/retry", None)

    assert (retried.status_code, retried.json()["state"]) == (200, "pending")
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 1
    assert (arrived.status_code, arrived.json()["code"]) == (409, "nothing_to_retry")
    assert (await log_of(api, webhook))[0]["state"] == "delivered"


async def test_deliveries_are_listed_in_pages_newest_first(api: Api) -> None:
    webhook = await register(api, INSIDE)
    await tell(api, 5)
    path = f"/v1/webhooks/{webhook['id']}/deliveries"

    first = (await api.get(path, limit=3)).json()
    rest = (await api.get(path, limit=3, cursor=first["next_cursor"])).json()

    ids = [one["id"] for one in first["data"] + rest["data"]]
    assert (len(first["data"]), len(rest["data"]), rest["next_cursor"]) == (3, 2, None)
    assert ids == sorted(ids, reverse=True)


async def test_an_endpoint_gets_what_its_filters_let_pass(api: Api) -> None:
    await api.set_up()
    filters: list[tuple[list[str], dict[str, Any]]] = [
        (["*"], {}),
        (["alert.*"], {}),
        (["alert.opened"], {"min_severity": "critical"}),
        (["*"], {"site_id": api.site["id"]}),
        (["*"], {"study": "NET-301"}),
        (["*"], {"product_id": api.product["id"]}),
    ]
    hooks = [await register(api, INSIDE, *types, **fields) for types, fields in filters]

    await tell(api, type="alert.opened", severity="warning")
    await tell(api, type="alert.opened", severity="critical", site_id=api.site["id"])
    await tell(api, type="shipment.delivered", severity=None, study="NET-301", product_id=api.product["id"])

    got = [[one["type"] for one in await log_of(api, hook)] for hook in hooks]
    assert [len(one) for one in got] == [3, 2, 1, 1, 1, 1]
    assert got[5] == ["shipment.delivered"]


async def test_another_subscriber_sees_neither_endpoint_nor_delivery(api: Api) -> None:
    await api.set_up()
    mine = await api.headers("subscriber")
    foreign = await api.headers("subscriber")
    made = await api.post("/v1/webhooks", {"url": INSIDE, "event_types": ["*"]}, headers=mine)
    await tell(api)
    path = f"/v1/webhooks/{made.json()['id']}"
    delivery = (await api.get(f"{path}/deliveries", headers=mine)).json()["data"][0]

    refused = [
        await api.get(path, headers=foreign),
        await api.get(f"{path}/deliveries", headers=foreign),
        await api.post(f"{path}/test", None, headers=foreign),
        await api.post(f"{path}/rotate-secret", {}, headers=foreign),
        await api.post(f"/v1/deliveries/{delivery['id']}/retry", None, headers=foreign),
    ]

    assert made.status_code == 201
    assert [one.status_code for one in refused] == [404] * 5
    assert (await api.get("/v1/webhooks", headers=foreign)).json()["data"] == []


async def test_messages_can_be_polled_in_order_with_the_very_bytes_that_are_sent(api: Api) -> None:
    async with receiving() as receiver:
        await register(api, receiver.url)
        await tell(api, 3)
        young = (await api.get("/v1/messages")).json()["data"]
        api.clock.advance(seconds=6)
        await send(api)

    first = (await api.get("/v1/messages", limit=2)).json()
    rest = (await api.get("/v1/messages", after=first["next_cursor"])).json()

    polled = {one["id"]: one["body"].encode() for one in first["data"] + rest["data"]}
    assert young == []
    assert list(polled) == sorted(polled)
    assert polled == {one.headers["webhook-id"]: one.raw for one in receiver.received}


async def test_a_retry_by_hand_is_a_single_shot_after_which_the_ladder_goes_on(api: Api) -> None:
    async with receiving(status=500) as receiver:
        webhook = await register(api, receiver.url)
        await tell(api)
        await send(api)
        first = (await log_of(api, webhook))[0]

        await api.post(f"/v1/deliveries/{first['id']}/retry", None)
        await send(api)
        failing = (await api.get(f"/v1/webhooks/{webhook['id']}")).json()
        after = (await log_of(api, webhook))[0]
        api.clock.advance(seconds=6.1)
        await send(api)
        third = (await log_of(api, webhook))[0]

    assert after["next_attempt_at"] == first["next_attempt_at"]
    assert failing["failing_since"] is not None
    assert [one["attempts"] for one in (first, after, third)] == [1, 2, 3]
    # The second step of the ladder, 5 minutes: the shot by hand was none.
    waited = datetime.fromisoformat(third["next_attempt_at"]) - api.clock.at
    assert timedelta(minutes=4) <= waited <= timedelta(minutes=6)


async def test_a_test_reaches_an_endpoint_that_is_switched_off_and_leaves_its_queue_held(api: Api) -> None:
    async with receiving() as receiver:
        webhook = await register(api, receiver.url)
        await api.client.patch(f"/v1/webhooks/{webhook['id']}", json={"enabled": False}, headers=api.admin)
        await tell(api, 3)
        await api.post(f"/v1/webhooks/{webhook['id']}/test", None)

        await send(api)
        while_off = [one.body["type"] for one in receiver.received]
        await api.client.patch(f"/v1/webhooks/{webhook['id']}", json={"enabled": True}, headers=api.admin)
        await send(api)
        await send(api)

    assert while_off == ["webhook.test"]
    assert len(receiver.received) == 4
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 4


async def switch(api: Api, webhook: dict[str, Any], *, enabled: bool) -> None:
    path = f"/v1/webhooks/{webhook['id']}"
    changed = await api.client.patch(path, json={"enabled": enabled}, headers=api.admin)
    assert changed.status_code == 200


async def replay(api: Api, webhook: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {"from": START.isoformat()} | fields
    ordered = await api.post(f"/v1/webhooks/{webhook['id']}/replay", body)
    assert ordered.status_code == 202, ordered.text
    while await send(api):
        pass
    listed: list[dict[str, Any]] = (await api.get(f"/v1/webhooks/{webhook['id']}/replays")).json()["data"]
    return next(one for one in listed if one["id"] == ordered.json()["id"])


async def test_enabling_and_replaying_bring_each_message_once(api: Api) -> None:
    async with receiving() as receiver:
        await tell(api, 2)  # before the endpoint was there
        webhook = await register(api, receiver.url)
        await tell(api, 2)
        await send(api)
        await switch(api, webhook, enabled=False)
        await tell(api, 2)
        await send(api)
        before = len(receiver.received)
        await switch(api, webhook, enabled=True)
        api.clock.advance(seconds=1)
        done = await replay(api, webhook)
        again = await replay(api, webhook)

    ids = [one.headers["webhook-id"] for one in receiver.received]
    assert before == 2
    assert len(ids) == len(set(ids)) == 6
    assert (done["state"], done["queued"]) == ("finished", 2)
    assert again["queued"] == 0


async def test_a_replay_of_what_failed_starts_its_ladder_again_under_the_same_id(api: Api) -> None:
    async with receiving(status=500) as receiver:
        await tell(api)
        webhook = await register(api, receiver.url, "alert.*")
        await tell(api, ladder="critical", deliver_by=START)
        await tell(api)
        await send(api)
        receiver.status = 204
        api.clock.advance(seconds=7)
        failed = await replay(api, webhook, only="failed")
        states = [one["state"] for one in await log_of(api, webhook)]
        missing = await replay(api, webhook, only="missing")

    assert (failed["queued"], missing["queued"]) == (1, 1)
    assert states == ["delivered", "delivered"]
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 3


async def test_a_replay_keeps_to_its_time_its_filters_and_messages_for_all(api: Api) -> None:
    async with receiving() as receiver:
        other = await register(api, receiver.url, "endpoint.*")
        await api.post(f"/v1/webhooks/{other['id']}/test", None)
        await tell(api)
        api.clock.advance(hours=1)
        await tell(api, 3)
        await tell(api, type="shipment.delivered", severity=None)
        api.clock.advance(hours=1)
        await tell(api)
        webhook = await register(api, receiver.url, "alert.*")
        until = (START + timedelta(hours=2)).isoformat()
        done = await replay(
            api, webhook, **{"from": (START + timedelta(hours=1)).isoformat(), "until": until}
        )

    assert done["queued"] == 3
    assert len(await log_of(api, webhook)) == 3


async def test_a_replay_of_many_goes_on_piece_by_piece(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "REPLAYED_AT_ONCE", 2)
    async with receiving() as receiver:
        await tell(api, 5)
        webhook = await register(api, receiver.url)
        api.clock.advance(seconds=1)
        first = await replay(api, webhook)

    assert (first["state"], first["queued"]) == ("finished", 5)
    assert len(receiver.received) == 5


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/from"),
        ({"from": "2026-03-02"}, "/from"),
        ({"from": "2026-03-02T00:00:00Z", "until": "2026-03-02T00:00:00Z"}, "/until"),
        ({"from": "2026-03-02T00:00:00Z", "only": "delivered"}, "/only"),
    ],
)
async def test_a_replay_that_makes_no_sense_is_refused(api: Api, body: dict[str, Any], pointer: str) -> None:
    webhook = await register(api, INSIDE)

    refused = await api.post(f"/v1/webhooks/{webhook['id']}/replay", body)

    assert refused.status_code == 422
    assert [one["pointer"] for one in refused.json()["errors"]] == [pointer]


async def test_the_feed_waits_for_a_transaction_that_may_still_write_earlier_news(api: Api) -> None:
    async with contextlib.AsyncExitStack() as open_ones:
        if api.house.db.dialect == "postgresql":  # SQLite has one writer: what it writes later is younger
            slow = await open_ones.enter_async_context(api.house.db.transaction())
            await slow.execute(sa.text("SELECT pg_current_xact_id()"))
        api.clock.set(datetime.now(UTC) + timedelta(seconds=5))  # noqa: TID251 - PostgreSQL has no clock of ours
        await tell(api)
        young = (await api.get("/v1/messages")).json()["data"]
        api.clock.advance(minutes=1)
        if api.house.db.dialect == "postgresql":
            young += (await api.get("/v1/messages")).json()["data"]
    after = (await api.get("/v1/messages")).json()["data"]

    assert young == []
    assert len(after) == 1


async def test_metrics_tell_of_attempts_deliveries_endpoints_and_the_outbox(api: Api) -> None:
    async with receiving() as sound, receiving(status=404) as wrong:
        await register(api, sound.url)
        await register(api, wrong.url)
        await tell(api)
        await send(api)
        await send(api)

    metrics = (await api.client.get("/metrics")).text
    for line in (
        'dosetrail_webhook_attempts_total{outcome="delivered"} 1.0',
        'dosetrail_webhook_attempts_total{outcome="client_error"} 1.0',
        'dosetrail_webhook_deliveries_total{state="delivered"} 1.0',
        'dosetrail_webhook_endpoints{state="active"} 1.0',
        'dosetrail_webhook_endpoints{state="failing"} 1.0',
        "dosetrail_outbox_age_seconds 0.0",
    ):
        assert line in metrics
