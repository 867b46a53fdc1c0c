"""The main job through HTTP: what a shipment is worth as time passes, and who is told."""

from datetime import timedelta

import httpx
import pytest
from standardwebhooks import Webhook

from tests.support.api import START, Api, hours
from tests.support.receiver import receiving


async def walk(api: Api, until_h: float, *, step_minutes: float = 10) -> None:
    """Let time pass in steps, with a tick at each."""
    while api.clock.at < START + timedelta(hours=until_h):
        api.clock.advance(minutes=step_minutes)
        await api.assess()


async def test_silence_alone_raises_then_escalates_and_each_is_told_once_and_signed(api: Api) -> None:
    async with receiving() as receiver:
        made = await api.post("/v1/webhooks", {"url": receiver.url, "event_types": ["alert.*"]})
        shipment = await api.ship()
        await api.assess()
        before = await api.status(shipment)

        await walk(api, 30)
        async with api.house.dispatch.client() as client:
            while await api.house.dispatch.send_due(client):
                pass

    after = (await api.get("/v1/alerts", shipment_id=shipment["id"], kind="arrival_after_expiry")).json()[
        "data"
    ]
    assert before["late_probability"] < 0.1
    assert before["open_alerts"] == []
    verifier = Webhook(made.json()["secret"])
    told = [one for one in receiver.in_order() if one.body["data"]["kind"] == "arrival_after_expiry"]
    assert [one.body["type"] for one in told] == ["alert.opened", "alert.escalated"]
    assert [one.body["data"]["severity"] for one in told] == ["warning", "critical"]
    assert len({one.headers["webhook-id"] for one in receiver.received}) == len(receiver.received)
    assert all(one.signed_with(verifier) for one in receiver.received)
    assert [one["severity"] for one in after] == ["critical"]


async def test_a_delivery_in_time_resolves_the_alert(api: Api) -> None:
    shipment = await api.ship()
    await walk(api, 16.5)
    opened = (await api.get("/v1/alerts", shipment_id=shipment["id"], state="open")).json()["data"]

    for hour, type_, leg in ((8, "departed", 1), (9, "arrived", 1), (12, "departed", 2), (13, "arrived", 2)):
        await api.scan(shipment, type_, leg=leg, occurred_at=hours(hour), event_id=f"{type_}-{leg}")
    await api.scan(shipment, "delivered")
    await api.assess()

    still_open = (await api.get("/v1/alerts", shipment_id=shipment["id"], state="open")).json()["data"]
    status = await api.status(shipment)
    assert {one["kind"] for one in opened} >= {"arrival_after_expiry"}
    assert still_open == []
    assert status["state"] == "delivered"
    assert status["late_probability"] == 0
    assert status["eta"]["p10"] == status["eta"]["p90"] == status["eta"]["arrived_at"]


async def test_a_cancelled_flight_makes_the_dose_critical_at_once(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=9)

    posted = await api.scan(shipment, "leg_cancelled", leg=2)
    await api.assess()

    status = await api.status(shipment)
    assert posted.status_code == 201
    assert {(one["kind"], one["severity"]) for one in status["open_alerts"]} >= {
        ("arrival_after_expiry", "critical"),
        ("missed_connection", "warning"),
    }
    assert status["eta"]["p90"] is None
    assert status["doses"][0]["verdict"] == "will_miss"


async def test_a_cancelled_shipment_is_silent_and_has_no_eta(api: Api) -> None:
    shipment = await api.ship()

    cancelled = await api.post(f"/v1/shipments/{shipment['id']}/cancel", {"reason": "patient unwell"})
    await walk(api, 24, step_minutes=60)

    status = await api.status(shipment)
    assert cancelled.json()["state"] == "cancelled"
    assert status["eta"] is None
    assert status["open_alerts"] == []


async def test_the_status_before_any_event_is_the_plan(api: Api) -> None:
    shipment = await api.ship()

    status = await api.status(shipment)

    assert status["custodian"] is None
    assert status["last_event"] is None
    assert status["position"]["code"] == "PLANT"
    assert status["position"]["source"] == "plan"
    assert status["eta"]["planned_at"] == "2026-03-02T15:00:00.000Z"
    # ENSDF: Lu-177 6.6443 d; six hours before calibration there is more than was calibrated.
    assert status["doses"][0]["activity_mbq"]["now"] == pytest.approx(
        7770 * 2 ** (6 / (6.6443 * 24)), rel=1e-9
    )


async def test_an_unchanged_status_answers_304_until_the_minute_or_the_shipment_changes(api: Api) -> None:
    shipment = await api.ship()
    path = f"/v1/shipments/{shipment['id']}/status"
    first = await api.get(path)

    same = await api.get(path, headers=api.admin | {"If-None-Match": first.headers["etag"]})
    api.clock.advance(minutes=1)
    later = await api.get(path, headers=api.admin | {"If-None-Match": first.headers["etag"]})

    assert (same.status_code, same.content) == (304, b"")
    assert later.status_code == 200


async def test_a_status_of_the_past_knows_only_what_had_occurred(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=10)
    await api.scan(shipment, "departed", leg=1, occurred_at=hours(8))

    before = await api.status(shipment, at=hours(7.9))
    after = await api.status(shipment, at=hours(8.1))
    unheard = await api.status(shipment, at=hours(8.1), known_at=hours(9))
    ahead = await api.get(f"/v1/shipments/{shipment['id']}/status", at=hours(11))

    assert [one["state"] for one in (before, after, unheard)] == ["planned", "in_transit", "planned"]
    assert ahead.status_code == 422


async def test_couriers_see_their_shipments_without_subject_and_prescription(api: Api) -> None:
    shipment = await api.ship()
    own, foreign = await api.headers("courier", carrier="AZ"), await api.headers("courier", carrier="OTHER")

    seen = await api.get(f"/v1/shipments/{shipment['id']}", headers=own)
    hidden = await api.get(f"/v1/shipments/{shipment['id']}", headers=foreign)
    listed = await api.get("/v1/shipments", headers=foreign)

    assert seen.json()["doses"][0]["subject_code"] is None
    assert seen.json()["doses"][0]["prescribed_activity_mbq"] is None
    assert hidden.status_code == 404
    assert listed.json()["data"] == []


async def test_readings_show_last_least_and_most_within_the_assignment(api: Api) -> None:
    shipment = await api.ship(devices=[{"device_id": "TMP-1", "from": hours(1), "until": hours(5)}])
    samples = [(0.5, 30.0), (2, 4.0), (3, 6.5), (4, 5.0), (5, -20.0)]
    readings = [{"device_id": "TMP-1", "at": hours(at), "temperature_c": value} for at, value in samples]
    api.clock.advance(hours=6)

    first = await api.post("/v1/readings", {"readings": [*readings, {"device_id": "TMP-1", "at": "noon"}]})
    again = await api.post(
        "/v1/readings", {"readings": [*readings[:2], readings[2] | {"temperature_c": 7.0}]}
    )

    thermal = (await api.status(shipment))["thermal"][0]
    assert (first.json()["accepted"], first.json()["rejected"][0]["index"]) == (5, 5)
    assert (again.json()["duplicates"], again.json()["rejected"][0]["index"]) == (2, 2)
    assert (thermal["last_c"], thermal["min_c"], thermal["max_c"]) == (5.0, 4.0, 6.5)


async def test_acknowledging_is_told_and_leaves_the_alert_open(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=9)
    await api.scan(shipment, "leg_cancelled", leg=2)
    await api.assess()
    alert = (await api.get("/v1/alerts", kind="missed_connection")).json()["data"][0]

    first = await api.post(f"/v1/alerts/{alert['id']}/acknowledge", {"comment": "Calling the airline."})
    again = await api.post(f"/v1/alerts/{alert['id']}/acknowledge", {"comment": "Still calling."})

    assert first.json()["state"] == "open"
    assert first.json()["acknowledged_by"] == "bootstrap"
    assert again.json()["acknowledged_at"] == first.json()["acknowledged_at"]
    assert [step["change"] for step in again.json()["history"]] == ["opened", "acknowledged"]


async def test_documentation_needs_no_internet(api: Api) -> None:
    page: httpx.Response = await api.client.get("/docs")
    script = await api.client.get("/docs/assets/swagger-ui-bundle.js")
    schema = await api.client.get("/openapi.json")

    assert "https://" not in page.text
    assert script.status_code == 200
    assert schema.json()["openapi"].startswith("3.1")
