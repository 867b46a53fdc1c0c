"""What subscribers hear of a shipment besides its alerts."""

from datetime import timedelta
from typing import Any

from tests.support.api import START, Api, hours
from tests.support.hooks import log_of, register, send
from tests.support.receiver import receiving


async def test_a_cancelled_flight_changes_eta_and_verdict_and_a_release_the_quality_each_told_once(
    api: Api,
) -> None:
    async with receiving() as receiver:
        webhook = await register(api, receiver.url, "shipment.eta_changed", "dose.*")
        shipment = await api.ship()
        await api.assess()
        api.clock.advance(hours=9)
        await api.scan(shipment, "leg_cancelled", leg=2)
        await api.assess()
        quality = await api.headers("quality")
        await api.scan(shipment, "released", headers=quality, details={"scope": "final"})
        await api.assess()
        await api.assess()
        while await send(api):
            pass

    told = {one.body["type"]: one.body["data"] for one in receiver.received}
    assert len(receiver.received) == len(await log_of(api, webhook)) == 3
    assert told["shipment.eta_changed"]["shipment"]["id"] == shipment["id"]
    assert told["shipment.eta_changed"]["eta"]["p90"] is None
    assert told["dose.verdict_changed"]["verdict"] == "will_miss"
    assert told["dose.quality_changed"]["quality_status"] == "released"
    assert "S-014" not in str(told)


async def test_of_a_run_of_eta_news_only_the_newest_is_left_to_be_sent(api: Api) -> None:
    webhook = await register(api, "http://127.0.0.1:9/hook", "shipment.eta_changed")
    shipment = await api.ship()
    await api.assess()
    for number in range(2):
        api.clock.advance(minutes=10)
        await api.scan(shipment, "leg_cancelled", leg=2, event_id=f"cancelled-{number}")
        await api.assess()
        api.clock.advance(minutes=10)
        takes_back: dict[str, Any] = {
            "reason": "it flies after all",
            "details": {"corrects": f"cancelled-{number}"},
        }
        await api.scan(shipment, "correction", **takes_back)
        await api.assess()

    states = [one["state"] for one in await log_of(api, webhook)]
    assert states == ["superseded"] * 3 + ["pending"]


async def deadline_of(api: Api, shipment: dict[str, Any]) -> str:
    status = await api.status(shipment)
    return str(status["doses"][0]["usable_until"])


async def test_critical_news_lives_until_the_dose_is_unusable_and_at_least_a_day(api: Api) -> None:
    async with receiving(status=500) as receiver:
        webhook = await register(api, receiver.url, "alert.opened")
        shipment = await api.ship()
        api.clock.advance(hours=9)
        await api.scan(shipment, "leg_cancelled", leg=2)
        await api.assess()
        opened_at = api.clock.at
        usable_until = await deadline_of(api, shipment)
        while api.clock.at < START + timedelta(hours=34):
            await send(api)
            api.clock.advance(minutes=20)

    log = await log_of(api, webhook)
    lasts = {one["log"][-1]["at"] for one in log}
    assert usable_until < hours(33)
    assert {one["state"] for one in log} == {"expired"}
    assert all(last >= (opened_at + timedelta(hours=24)).strftime("%Y-%m-%dT%H:%M") for last in lasts)
