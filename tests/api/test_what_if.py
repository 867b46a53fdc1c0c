"""Questions that change nothing: other plans tried out, decay drawn, and what was known at an earlier instant."""

from typing import Any

import pytest
import sqlalchemy as sa

from app.store.tables import alert, audit_entry, event, shipment_due, shipment_plan
from tests.api.test_plans import REBOOKED, leg, replan, scan
from tests.support.api import Api, hours

LU_177_HOURS = 6.6443 * 24  # ENSDF


async def what_if(api: Api, shipment: dict[str, Any], **body: Any) -> Any:
    return await api.post(f"/v1/shipments/{shipment['id']}/what-if", body)


async def stored(api: Api) -> list[Any]:
    async with api.house.db.reading() as connection:
        counts = [
            await connection.scalar(sa.select(sa.func.count()).select_from(table))
            for table in (shipment_plan, event, audit_entry, alert)
        ]
        version = await connection.scalar(sa.select(shipment_due.c.version))
    return [*counts, version]


async def test_another_way_is_told_and_nothing_is_stored(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=9.5)
    await scan(api, shipment, "departed", 8, leg=1)
    await scan(api, shipment, "arrived", 9, leg=1)
    await scan(api, shipment, "leg_cancelled", 9.4, leg=2)
    await api.assess()
    before = await stored(api)

    supposed = await what_if(api, shipment, legs=REBOOKED, administer_at=hours(36))
    told = supposed.json()

    real = await api.status(shipment)
    assert supposed.status_code == 200, supposed.text
    assert await stored(api) == before
    assert told["eta"]["planned_at"] == "2026-03-03T09:00:00.000Z"
    assert real["eta"]["planned_at"] == "2026-03-02T15:00:00.000Z"
    assert "missed_connection" not in {one["kind"] for one in told["open_alerts"]}
    # The label expires after 22 hours: the next morning's flight is too late, and the answer says so.
    assert told["doses"][0]["verdict"] == "will_miss"
    assert told["doses"][0]["required_arrival_at"] == "2026-03-03T11:00:00.000Z"


async def test_the_answer_is_what_the_replanning_then_gives(api: Api) -> None:
    shipment = await api.ship()
    way = [leg("PLANT", "BLQ-HOSP", 10, 14, mode="road", carrier="ACME")]

    supposed = (await what_if(api, shipment, legs=way)).json()
    await replan(api, shipment, legs=way)
    await api.assess()

    real = await api.status(shipment)
    for name in ("eta", "late_probability", "slack_minutes", "state", "custodian", "position"):
        assert supposed[name] == real[name]
    assert supposed["doses"] == real["doses"]


async def test_a_prescription_is_tried_out_against_the_activity_there_will_be(api: Api) -> None:
    shipment = await api.ship()

    more = (await what_if(api, shipment, prescribed_activity_mbq=8500.0)).json()

    # 90 % of 8500 is 7650 MBq, reached log2(7770/7650) half-lives, 3.6 hours, after calibration: on the road.
    assert more["doses"][0]["verdict"] == "will_miss"
    assert more["doses"][0]["binding_limit"] == "activity_floor"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid"),
        ({"reason": "x"}, 422, "invalid"),
        ({"legs": [leg("MXP", "BLQ", 10, 11)]}, 422, "bad_plan"),
        ({"prescribed_activity_mbq": 7.4}, 422, "bad_plan"),
        ({"legs": [leg("PLANT", "BLQ-HOSP", 10, 11, number=1)]}, 409, "leg_departed"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_could_not_be_planned_cannot_be_supposed(
    api: Api, body: dict[str, Any], status: int, code: str
) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=9)
    await scan(api, shipment, "departed", 8, leg=1)

    answer = await what_if(api, shipment, **body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_the_curve_decays_with_the_stated_half_life_and_holds_both_ends(api: Api) -> None:
    shipment = await api.ship()
    path = f"/v1/shipments/{shipment['id']}/activity"
    span: dict[str, Any] = {"from": hours(0), "until": hours(12), "points": 3}

    answer = await api.get(path, **span)

    curve = answer.json()["doses"][0]
    assert [one["at"] for one in curve["points"]] == [
        "2026-03-02T00:00:00.000Z",
        "2026-03-02T06:00:00.000Z",
        "2026-03-02T12:00:00.000Z",
    ]
    for point, elapsed in zip(curve["points"], (-6, 0, 6), strict=True):
        assert point["activity_mbq"] == pytest.approx(7770 * 2 ** (-elapsed / LU_177_HOURS), rel=1e-9)
    assert curve["prescribed_range_mbq"] == {"min": 6660, "max": 8140}
    assert len((await api.get(path)).json()["doses"][0]["points"]) == 100


@pytest.mark.parametrize(
    "params",
    [
        {"from": hours(2), "until": hours(1)},
        {"from": "2026-03-02"},
        {"points": 1},
        {"points": 501},
        {"until": "noon"},
    ],
    ids=str,
)
async def test_a_span_that_is_none_is_422(api: Api, params: dict[str, Any]) -> None:
    shipment = await api.ship()

    answer = await api.get(f"/v1/shipments/{shipment['id']}/activity", **params)

    assert answer.status_code == 422


async def test_what_was_known_then_is_told_with_the_plan_of_then(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=9)
    await scan(api, shipment, "departed", 8, leg=1)
    api.clock.advance(hours=1)
    await replan(api, shipment, legs=REBOOKED, doses=[{"reference": "D1", "administer_at": hours(36)}])
    api.clock.advance(hours=1)

    then = await api.status(shipment, known_at=hours(9.9))
    since = await api.status(shipment, known_at=hours(10))

    assert then["eta"]["planned_at"] == "2026-03-02T15:00:00.000Z"
    assert then["doses"][0]["required_arrival_at"] == "2026-03-02T19:00:00.000Z"
    assert since["eta"]["planned_at"] == "2026-03-03T09:00:00.000Z"
    assert since["last_event"]["type"] == "replanned"


async def test_one_request_from_the_alert_tells_what_was_known_when_it_fired(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=9)
    await scan(api, shipment, "departed", 8, leg=1)
    await scan(api, shipment, "leg_cancelled", 8.9, leg=2)
    await api.assess()
    fired = await api.status(shipment)
    raised = (await api.get("/v1/alerts", kind="arrival_after_expiry")).json()["data"][0]
    api.clock.advance(hours=1)
    await scan(api, shipment, "departed", 8.95, leg=2)
    await api.assess()
    api.clock.advance(hours=1)

    then = (await api.client.get(raised["status_when_raised"], headers=api.admin)).json()

    now = await api.status(shipment)
    assert then == fired | {"version": now["version"]}
    assert now["late_probability"] < 0.5 < then["late_probability"]
    assert raised["evidence"]["late_probability"] == pytest.approx(then["doses"][0]["late_probability"])


async def test_an_alert_of_the_past_has_the_severity_it_had_then(api: Api) -> None:
    shipment = await api.ship()
    for _ in range(60):
        api.clock.advance(minutes=20)
        await api.assess()
    steps = (
        await api.get(
            f"/v1/alerts/{(await api.get('/v1/alerts', kind='arrival_after_expiry')).json()['data'][0]['id']}"
        )
    ).json()["history"]
    assert [one["severity"] for one in steps] == ["warning", "critical"]

    told = [
        {one["kind"]: one["severity"] for one in (await api.status(shipment, at=step["at"]))["open_alerts"]}
        for step in steps
    ]

    assert [one["arrival_after_expiry"] for one in told] == ["warning", "critical"]
