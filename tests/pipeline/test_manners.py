"""How an endpoint wants to be spoken to: quiet hours, digests, heartbeats, envelopes, handshakes, public keys."""

import base64
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.domain.delivery import is_quiet
from tests.support.api import START, Api
from tests.support.hooks import log_of, register, send, tell
from tests.support.receiver import Receiver, receiving

INSIDE = "http://127.0.0.1:9/hook"
NIGHT = {"from": "22:00", "until": "07:00", "timezone": "Europe/Rome"}  # UTC+1 in March, until the 29th


@pytest.mark.parametrize(
    ("clock", "quiet"),
    [
        ("2026-03-02T20:59:59+00:00", False),
        ("2026-03-02T21:00:00+00:00", True),
        ("2026-03-03T05:59:59+00:00", True),
        ("2026-03-03T06:00:00+00:00", False),
        ("2026-03-30T05:30:00+00:00", False),  # summer time: 07:30 there
        ("2026-03-02T12:00:00+00:00", False),
    ],
)
def test_quiet_hours_go_by_the_clocks_of_the_place_and_over_midnight(clock: str, quiet: bool) -> None:
    assert is_quiet(NIGHT, at=datetime.fromisoformat(clock)) is quiet


def test_quiet_hours_within_a_day_end_where_they_say() -> None:
    noon = NIGHT | {"from": "12:00", "until": "13:00", "timezone": "UTC"}

    quiet = [is_quiet(noon, at=START + timedelta(hours=hour)) for hour in (11, 12, 12.99, 13)]

    assert quiet == [False, True, True, False]


async def all_of(api: Api) -> None:
    while await send(api):
        pass


def types(receiver: Receiver) -> list[str]:
    return [one.body["type"] for one in receiver.in_order()]


async def test_in_quiet_hours_only_critical_alerts_are_sent_and_the_rest_when_they_end(api: Api) -> None:
    async with receiving() as receiver:
        webhook = await register(api, receiver.url, quiet_hours=NIGHT)
        await tell(api, severity="warning")
        await tell(api, type="shipment.delivered", severity=None)
        await tell(api, severity="critical")
        await all_of(api)
        at_night = types(receiver)
        states = [one["state"] for one in await log_of(api, webhook)]
        api.clock.set(START + timedelta(hours=6))
        await all_of(api)

    assert at_night == ["alert.opened"]
    assert states == ["gated", "gated", "delivered"]
    assert sorted(types(receiver)) == ["alert.opened", "alert.opened", "shipment.delivered"]


async def test_above_its_rate_alerts_come_as_one_digest_a_minute(api: Api) -> None:
    async with receiving() as receiver:
        webhook = await register(api, receiver.url, digest_above_per_minute=3)
        for number in range(300):
            severity = "critical" if number == 200 else "warning"
            await tell(
                api, severity=severity, data={"kind": "device_silent", "severity": severity, "id": number}
            )
        await tell(api, type="shipment.delivered", severity=None)
        await all_of(api)
        await tell(api, 2, severity="warning")
        await all_of(api)
        first_minute = types(receiver)
        api.clock.advance(seconds=61)
        await all_of(api)

    digest = next(one.body for one in receiver.received if one.body["type"] == "alert.digest")["data"]
    assert sorted(first_minute) == sorted(["alert.opened"] * 3 + ["alert.digest", "shipment.delivered"])
    assert types(receiver).count("alert.opened") == 5
    assert (digest["count"], digest["more"], len(digest["alerts"])) == (297, 197, 100)
    assert digest["by_kind"] == {"device_silent": 297}
    assert digest["by_severity"] == {"warning": 296, "critical": 1}
    assert digest["alerts"][0]["id"] == 200
    states = [one["state"] for one in await log_of(api, webhook)]
    assert states.count("digested") == 297


async def test_below_its_rate_alerts_come_one_by_one(api: Api) -> None:
    async with receiving() as receiver:
        await register(api, receiver.url, digest_above_per_minute=3)
        for _minute in range(3):
            await tell(api, 3)
            await all_of(api)
            api.clock.advance(seconds=61)

    assert types(receiver) == ["alert.opened"] * 9


async def test_a_heartbeat_comes_only_to_whom_asked_for_it_once_in_its_time(api: Api) -> None:
    async with receiving() as receiver, receiving() as other:
        webhook = await register(api, receiver.url, "alert.*", heartbeat_minutes=5)
        await register(api, other.url, "*")
        await all_of(api)
        for _minute in range(11):
            api.clock.advance(minutes=1)
            await all_of(api)
        api.clock.advance(hours=3)
        await all_of(api)

    assert (
        types(receiver) == ["heartbeat"] * 4
    )  # at once, after 5 and 10 minutes, and one after three hours away
    assert receiver.received[0].body["data"] == {"endpoint_id": webhook["id"], "assessment_behind_s": 0}
    assert other.received == []


async def test_a_cloud_event_carries_the_same_news_and_repeats_are_equal(api: Api) -> None:
    shipment = await api.ship()
    async with receiving(status=500) as receiver, receiving() as plain:
        await register(api, receiver.url, "alert.*", envelope="cloudevents")
        await register(api, plain.url, "alert.*")
        await tell(api, shipment_id=shipment["id"])
        await send(api)
        api.clock.advance(seconds=7)
        await send(api)

    first, second = receiver.received
    event, told = first.body, plain.received[0].body
    assert first.raw == second.raw
    assert first.headers["content-type"] == "application/cloudevents+json"
    assert (event["specversion"], event["id"]) == ("1.0", first.headers["webhook-id"])
    assert (event["type"], event["time"]) == ("dosetrail.alert.opened", told["timestamp"])
    assert (event["subject"], event["data"]) == (shipment["id"], told["data"])
    assert event["source"].startswith("/dosetrail/organisations/")


async def test_with_a_handshake_nothing_is_posted_before_the_endpoint_agrees_and_then_it_is_not_asked_again(
    api: Api,
) -> None:
    async with receiving() as receiver:
        webhook = await register(api, receiver.url, handshake=True)
        await tell(api)
        await send(api)
        refused = (await log_of(api, webhook))[0]
        receiver.allowed_origin = "*"
        api.clock.advance(seconds=7)
        await send(api)
        await tell(api)
        await send(api)

    read = (await api.get(f"/v1/webhooks/{webhook['id']}")).json()
    assert [one["error"] for one in refused["log"]] == ["handshake_refused"]
    assert refused["state"] == "pending"
    assert receiver.asked == ["dosetrail", "dosetrail"]
    assert len(receiver.received) == 2
    assert read["handshaken_at"] is not None


async def test_a_public_key_verifies_what_is_sent_and_its_private_key_is_never_shown(api: Api) -> None:
    async with receiving() as receiver:
        webhook = await register(api, receiver.url, signature="v1a")
        rotated = await api.post(f"/v1/webhooks/{webhook['id']}/rotate-secret", {"overlap_seconds": 60})
        await tell(api)
        await send(api)

    sent = receiver.received[0]
    signed = f"{sent.headers['webhook-id']}.{sent.headers['webhook-timestamp']}.".encode() + sent.raw
    proofs = [base64.b64decode(one.split(",")[1]) for one in sent.headers["webhook-signature"].split(" ")]
    keys = [rotated.json()["public_key"], webhook["public_key"]]
    for key, proof in zip(keys, proofs, strict=True):
        Ed25519PublicKey.from_public_bytes(base64.b64decode(key.removeprefix("whpk_"))).verify(proof, signed)
    assert (webhook["secret"], rotated.json()["secret"]) == (None, None)
    assert "whsk_" not in str(webhook)


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"ordering": "per_shipment", "quiet_hours": NIGHT}, ["/quiet_hours"]),
        ({"ordering": "per_shipment", "digest_above_per_minute": 5}, ["/digest_above_per_minute"]),
        ({"quiet_hours": NIGHT | {"timezone": "Mars/Olympus"}}, ["/quiet_hours/timezone"]),
        ({"quiet_hours": NIGHT | {"until": "22:00"}}, ["/quiet_hours"]),
        ({"quiet_hours": NIGHT | {"from": "24:00"}}, ["/quiet_hours/from"]),
        ({"quiet_hours": {"from": "22:00"}}, ["/quiet_hours/until", "/quiet_hours/timezone"]),
        ({"heartbeat_minutes": 0}, ["/heartbeat_minutes"]),
        ({"max_inflight": 0}, ["/max_inflight"]),
        ({"envelope": "soap"}, ["/envelope"]),
        ({"signature": "v2"}, ["/signature"]),
    ],
)
async def test_manners_that_cannot_be_are_refused(
    api: Api, fields: dict[str, Any], pointers: list[str]
) -> None:
    refused = await api.post("/v1/webhooks", {"url": INSIDE, "event_types": ["*"]} | fields)

    assert refused.status_code == 422
    assert [one["pointer"] for one in refused.json()["errors"]] == pointers


async def test_manners_can_be_changed_and_taken_back_but_not_into_a_contradiction(api: Api) -> None:
    webhook = await register(api, INSIDE, quiet_hours=NIGHT)
    path = f"/v1/webhooks/{webhook['id']}"

    async def patch(**fields: Any) -> Any:
        return await api.client.patch(path, json=fields, headers=api.admin)

    contradicting = await patch(ordering="per_shipment")
    emptied = [
        await patch(**{name: None}) for name in ("url", "event_types", "ordering", "max_inflight", "enabled")
    ]
    taken_back = await patch(quiet_hours=None, heartbeat_minutes=10)
    ordered = await patch(ordering="per_shipment")

    assert webhook["quiet_hours"] == NIGHT
    assert (contradicting.status_code, contradicting.json()["code"]) == (422, "contradicting_manners")
    assert [one.status_code for one in emptied] == [422] * 5
    assert (taken_back.json()["quiet_hours"], taken_back.json()["heartbeat_minutes"]) == (None, 10)
    assert ordered.json()["ordering"] == "per_shipment"
