"""Escalation: who else is told when nobody answers."""

import asyncio
from typing import Any

import orjson
import pytest

from app.pipeline.escalation import Escalations
from app.scheduler.jobs import attend_due
from app.store.webhooks import delivery, message
from tests.support.alerts import Sensor, act, listed, look, with_rule
from tests.support.api import Api, hours
from tests.support.receiver import receiving

UNANSWERED = "alert.unacknowledged"


@pytest.fixture
def sensor(monkeypatch: pytest.MonkeyPatch) -> Sensor:
    sensor = Sensor("critical")
    with_rule(monkeypatch, sensor.judge)
    return sensor


async def endpoint(api: Api, url: str = "http://127.0.0.1:9/b", **changes: Any) -> str:
    made = await api.post("/v1/webhooks", {"url": url, "event_types": ["webhook.test"]} | changes)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def policy(api: Api, *minutes: float, **changes: Any) -> dict[str, Any]:
    steps = [{"after_minutes": one, "endpoint_id": await endpoint(api)} for one in minutes or (10,)]
    made = await api.post("/v1/escalation-policies", {"name": "wake B", "steps": steps} | changes)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


async def told(api: Api) -> list[tuple[str, int]]:
    """Return (endpoint, step) of each escalation message, oldest first."""
    query = message.select().join(delivery, delivery.c.message_id == message.c.id)
    async with api.house.db.reading() as connection:
        query = query.add_columns(delivery.c.endpoint_id).where(message.c.type == UNANSWERED)
        rows = (await connection.execute(query.order_by(message.c.id))).all()
    return [(row.endpoint_id, orjson.loads(row.body)["data"]["escalation"]["step"]) for row in rows]


async def pass_minutes(api: Api, minutes: float) -> None:
    api.clock.advance(minutes=minutes)
    await attend_due(api.house)


@pytest.mark.usefixtures("sensor")
async def test_a_critical_alert_that_nobody_acknowledges_is_told_to_b_once_a_step(api: Api) -> None:
    made = await policy(api, 10, 20)
    first, second = (step["endpoint_id"] for step in made["steps"])
    await api.ship()
    await api.assess()

    await pass_minutes(api, 9.9)
    early = await told(api)
    await pass_minutes(api, 0.1)
    await pass_minutes(api, 5)
    between = await told(api)
    await pass_minutes(api, 60)
    await pass_minutes(api, 60)

    (alert,) = await listed(api, kind="device_silent")
    history = (await api.get(f"/v1/alerts/{alert['id']}")).json()["history"]
    assert early == []
    assert between == [(first, 1)]
    assert await told(api) == [(first, 1), (second, 2)]
    assert [step["change"] for step in history] == ["opened", "unacknowledged", "unacknowledged"]
    assert history[1]["comment"] == f"wake B, step 1: told endpoint {first}"


async def test_b_receives_it_signed_whatever_it_subscribes_to(api: Api, sensor: Sensor) -> None:
    async with receiving() as receiver:
        b = await endpoint(api, receiver.url)
        steps = [{"after_minutes": 10, "endpoint_id": b}]
        await api.post("/v1/escalation-policies", {"name": "wake B", "steps": steps})
        await api.ship()
        await api.assess()
        await pass_minutes(api, 10)
        async with api.house.dispatch.client() as client:
            while await api.house.dispatch.send_due(client):
                pass

    (one,) = receiver.received
    assert one.body["type"] == UNANSWERED
    assert one.body["data"]["kind"] == sensor.kind
    assert one.body["data"]["escalation"]["after_minutes"] == 10


@pytest.mark.parametrize("answer", ["acknowledge", "resolve", "deescalate"])
async def test_what_is_answered_or_over_in_time_is_not_told(api: Api, sensor: Sensor, answer: str) -> None:
    await policy(api)
    shipment = await api.ship()
    await api.assess()
    (alert,) = await listed(api, kind="device_silent")
    await pass_minutes(api, 5)
    if answer == "deescalate":
        sensor.severity = "warning"
        await look(api, shipment)
    else:
        await act(api, alert, answer, comment="On it.")

    await pass_minutes(api, 60)

    assert await told(api) == []


async def test_minutes_count_from_when_it_became_critical_again(api: Api, sensor: Sensor) -> None:
    await policy(api)
    shipment = await api.ship()
    await api.assess()
    await pass_minutes(api, 8)
    for severity in ("warning", "critical"):
        sensor.severity = severity
        await look(api, shipment)
        api.clock.advance(seconds=1)

    await pass_minutes(api, 5)
    before = await told(api)
    await pass_minutes(api, 5)

    assert before == []
    assert len(await told(api)) == 1


@pytest.mark.usefixtures("sensor")
async def test_a_snoozed_alert_escalates_when_it_wakes(api: Api) -> None:
    await policy(api)
    await api.ship()
    await api.assess()
    (alert,) = await listed(api, kind="device_silent")
    await act(api, alert, "snooze", until=hours(1))

    await pass_minutes(api, 59)
    asleep = await told(api)
    await pass_minutes(api, 1)

    assert asleep == []
    assert len(await told(api)) == 1


@pytest.mark.usefixtures("sensor")
async def test_four_schedulers_tell_once(api: Api) -> None:
    await policy(api)
    for number in range(5):
        await api.ship(reference=f"R-{number}")
    await api.assess()
    api.clock.advance(minutes=10)

    await asyncio.gather(*(Escalations(api.house.db, api.house.clock).run_due() for _ in range(4)))

    assert len(await told(api)) == 5


@pytest.mark.usefixtures("sensor")
async def test_a_policy_covers_what_it_names_and_a_new_one_also_what_is_already_open(api: Api) -> None:
    await api.ship(reference="R-1", study="NET-301")
    await api.ship(reference="R-2", study="OTHER")
    await api.assess()

    await policy(api, study="NET-301", kinds=["device_silent"])
    await policy(api, kinds=["tamper"])
    await policy(api, site_id=api.site["id"], study="NOBODY")
    await pass_minutes(api, 10)

    assert len(await told(api)) == 1


@pytest.mark.usefixtures("sensor")
async def test_a_changed_policy_plans_anew_and_a_deleted_one_tells_nobody(api: Api) -> None:
    changed, deleted = await policy(api), await policy(api)
    path = f"/v1/escalation-policies/{changed['id']}"
    await api.ship()
    await api.assess()
    await api.client.delete(f"/v1/escalation-policies/{deleted['id']}", headers=api.admin)

    steps = [{"after_minutes": 30, "endpoint_id": changed["steps"][0]["endpoint_id"]}]
    patched = await api.client.patch(path, json={"steps": steps}, headers=api.admin)
    await pass_minutes(api, 29)
    early = await told(api)
    await pass_minutes(api, 1)
    off = await api.client.patch(path, json={"enabled": False}, headers=api.admin)
    listed_now = (await api.get("/v1/escalation-policies")).json()["data"]

    assert patched.json()["steps"][0]["after_minutes"] == 30
    assert early == []
    assert len(await told(api)) == 1
    assert off.json()["enabled"] is False
    assert [one["id"] for one in listed_now] == [changed["id"]]
    assert (await api.get(f"/v1/escalation-policies/{deleted['id']}")).status_code == 404


@pytest.mark.usefixtures("sensor")
async def test_an_endpoint_of_a_bound_key_hears_only_of_its_own_study(api: Api) -> None:
    await api.set_up()
    key = await api.headers("subscriber", study="OTHER")
    body = {"url": "http://127.0.0.1:9/c", "event_types": ["alert.*"]}
    bound = (await api.post("/v1/webhooks", body, headers=key)).json()["id"]
    steps = [{"after_minutes": 10, "endpoint_id": bound}]
    await api.post("/v1/escalation-policies", {"name": "wake C", "steps": steps})
    await api.ship()
    await api.assess()

    await pass_minutes(api, 10)

    (alert,) = await listed(api, kind="device_silent")
    history = (await api.get(f"/v1/alerts/{alert['id']}")).json()["history"]
    assert await told(api) == []
    assert history[-1]["comment"] == f"wake C, step 1: cannot tell endpoint {bound}"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"steps": [{"after_minutes": 5, "endpoint_id": "nobody"}]}, "/steps/0/endpoint_id"),
        ({"steps": []}, "/steps"),
        ({"site_id": "nowhere"}, "/site_id"),
        ({"min_severity": "dire"}, "/min_severity"),
        ({"steps": [{"after_minutes": -1, "endpoint_id": "x"}]}, "/steps/0/after_minutes"),
    ],
)
async def test_a_policy_that_names_what_is_not_there_is_refused(
    api: Api, changes: dict[str, Any], pointer: str
) -> None:
    steps = [{"after_minutes": 5, "endpoint_id": await endpoint(api)}]

    refused = await api.post("/v1/escalation-policies", {"name": "x", "steps": steps} | changes)

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == pointer


async def test_a_policy_is_changed_in_what_was_sent_and_nothing_but_a_narrowing_is_taken_away(
    api: Api,
) -> None:
    made = await policy(api, study="NET-301", kinds=["tamper"])
    path = f"/v1/escalation-policies/{made['id']}"

    narrowed = await api.client.patch(path, json={"study": None, "name": "wake C"}, headers=api.admin)
    refused = [
        await api.client.patch(path, json={name: None}, headers=api.admin)
        for name in ("name", "min_severity", "steps", "enabled")
    ]

    assert narrowed.json() == made | {"study": None, "name": "wake C"}
    assert [one.status_code for one in refused] == [422] * 4
    assert refused[2].json()["errors"][0]["pointer"] == "/steps"


async def test_policies_are_the_offices(api: Api) -> None:
    await api.set_up()
    for role, read in (("auditor", 200), ("quality", 200), ("courier", 403), ("subscriber", 403)):
        headers = await api.headers(role, **({"carrier": "AZ"} if role == "courier" else {}))

        assert (await api.get("/v1/escalation-policies", headers=headers)).status_code == read
        assert (await api.post("/v1/escalation-policies", {}, headers=headers)).status_code == 403
