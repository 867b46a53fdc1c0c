"""Plans that change: re-planned, cancelled, corrected; what was said before stays with the plan it was said of."""

import asyncio
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from app.store.tables import audit_entry, shipment_plan
from tests.support.api import Api, hours, site_body

ACME = {"mode": "road", "carrier": "ACME"}


def leg(origin: str, destination: str, departs: float, arrives: float, **fields: Any) -> dict[str, Any]:
    return {
        "mode": "air",
        "carrier": "LH",
        "service": "LH9",
        "origin": origin,
        "destination": destination,
        "planned_departure_at": hours(departs),
        "planned_arrival_at": hours(arrives),
    } | fields


REBOOKED = [leg("MXP", "BLQ", 30, 31), leg("BLQ", "BLQ-HOSP", 32, 33, **ACME, service=None)]


async def replan(
    api: Api, shipment: dict[str, Any], *, headers: dict[str, str] | None = None, **body: Any
) -> Any:
    return await api.patch(
        f"/v1/shipments/{shipment['id']}", {"reason": "flight cancelled"} | body, headers=headers
    )


async def scan(api: Api, shipment: dict[str, Any], type_: str, hour: float, **fields: Any) -> Any:
    return await api.scan(shipment, type_, occurred_at=hours(hour), event_id=f"{type_}-{hour}", **fields)


async def standings(api: Api, shipment: dict[str, Any]) -> dict[str, Any]:
    listed = (await api.get(f"/v1/shipments/{shipment['id']}/events")).json()["data"]
    return {one["event_id"]: one for one in listed}


async def test_a_cancelled_flight_rebooked_next_morning_clears_the_alert_and_moves_the_eta(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=9.5)
    await scan(api, shipment, "departed", 8, leg=1)
    await scan(api, shipment, "arrived", 9, leg=1)
    # The airline's own words name no leg: they must stay with the flight they were said of.
    await scan(api, shipment, "leg_cancelled", 9.4, location={"code": "MXP"})
    await api.assess()
    before = await api.status(shipment)

    answer = await replan(
        api, shipment, legs=REBOOKED, doses=[{"reference": "D1", "administer_at": hours(36)}]
    )
    await api.assess()

    after = await api.status(shipment)
    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert [one["number"] for one in body["legs"]] == [1, 4, 5]
    assert (body["plan_version"], body["baseline_at"]) == (2, "2026-03-02T15:00:00.000Z")
    assert "missed_connection" in {one["kind"] for one in before["open_alerts"]}
    assert "missed_connection" not in {one["kind"] for one in after["open_alerts"]}
    assert after["eta"]["planned_at"] == "2026-03-03T09:00:00.000Z"
    assert after["eta"]["baseline_at"] == "2026-03-02T15:00:00.000Z"
    assert after["eta"]["p50"] > "2026-03-03T08:00:00.000Z"
    assert (await standings(api, shipment))["leg_cancelled-9.4"]["counts_for_leg"] == 2


async def test_a_departed_leg_is_409_whether_named_or_begun_again(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=9)
    await scan(api, shipment, "departed", 8, leg=1)
    again = leg("PLANT", "MXP", 10, 11, **ACME)
    ways = ([again, *REBOOKED], [REBOOKED[0] | {"number": 1}, REBOOKED[1]])

    answers = [await replan(api, shipment, legs=way) for way in ways]

    assert [(one.status_code, one.json()["code"]) for one in answers] == [(409, "leg_departed")] * 2
    async with api.house.db.reading() as connection:
        assert await connection.scalar(sa.select(sa.func.count()).select_from(shipment_plan)) == 1


async def test_numbers_stay_with_the_legs_that_stay_and_are_never_reused(api: Api) -> None:
    shipment = await api.ship()
    first, _, _ = shipment["legs"]
    kept = {name: value for name, value in first.items() if name != "number"}

    second = (await replan(api, shipment, legs=[kept, *REBOOKED])).json()
    third = (await replan(api, shipment, legs=[kept | {"number": 1}, leg("MXP", "BLQ-HOSP", 12, 15)])).json()
    fourth = (await replan(api, shipment, legs=[leg("PLANT", "BLQ-HOSP", 12, 15)])).json()
    unknown = await replan(api, shipment, legs=[leg("PLANT", "BLQ-HOSP", 12, 15, number=2)])

    numbers = [[one["number"] for one in plan["legs"]] for plan in (second, third, fourth)]
    assert numbers == [[1, 4, 5], [1, 6], [7]]
    assert unknown.status_code == 422
    assert unknown.json()["errors"][0]["pointer"] == "/legs/0/number"


async def test_another_version_is_409_and_the_right_one_is_taken_once(api: Api) -> None:
    shipment = await api.ship()
    moved = [{"reference": "D1", "administer_at": hours(21)}]
    version = (await api.status(shipment))["version"]

    answers = await asyncio.gather(
        *(replan(api, shipment, doses=moved, expected_version=version) for _ in range(3))
    )

    assert sorted(one.status_code for one in answers) == [200, 409, 409]
    assert {one.json().get("code") for one in answers} == {None, "other_version"}


async def test_a_replanning_is_recorded_with_its_reason_and_what_it_changed(api: Api) -> None:
    shipment = await api.ship()

    await replan(api, shipment, reason="new slot", doses=[{"reference": "D1", "administer_at": hours(21)}])

    recorded = next(iter((await standings(api, shipment)).values()))
    async with api.house.db.reading() as connection:
        entry = (
            await connection.execute(sa.select(audit_entry).where(audit_entry.c.action == "replan"))
        ).one()
    assert (recorded["type"], recorded["reason"], recorded["source"]) == (
        "replanned",
        "new slot",
        "dosetrail",
    )
    assert recorded["details"] == {"plan_version": 2, "changed": ["doses"]}
    assert entry.old["doses"][0]["administer_at"].startswith("2026-03-02T20")
    assert entry.new["doses"][0]["administer_at"].startswith("2026-03-02T21")
    assert entry.reason == "new slot"


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("nothing changes", {}, ""),
    ("a leg that does not join", {"legs": [leg("LIN", "BLQ-HOSP", 10, 11)]}, "/legs/0/origin"),
    ("a way that ends elsewhere", {"legs": [leg("PLANT", "BLQ", 10, 11)]}, "/legs/0/destination"),
    ("time running backwards", {"legs": [leg("PLANT", "BLQ-HOSP", 11, 10)]}, "/legs/0/planned_arrival_at"),
    ("an unknown dose", {"doses": [{"reference": "D9", "administer_at": hours(9)}]}, "/doses/0/reference"),
    (
        "GBq for MBq",
        {"doses": [{"reference": "D1", "calibrated_activity_mbq": 7.77}]},
        "/doses/0/calibrated_activity_mbq",
    ),
    ("no calibration", {"doses": [{"reference": "D1", "calibrated_at": None}]}, "/doses/0/calibrated_at"),
    ("a field of the server", {"plan_version": 7, "devices": []}, "/plan_version"),
    ("a dose unchanged", {"doses": [{"reference": "D1"}]}, ""),
]


@pytest.mark.parametrize(("body", "pointer"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_a_bad_replanning_is_422_and_changes_nothing(
    api: Api, body: dict[str, Any], pointer: str
) -> None:
    shipment = await api.ship()

    answer = await replan(api, shipment, **body)

    read = (await api.get(f"/v1/shipments/{shipment['id']}")).json()
    assert answer.status_code == 422
    assert pointer in {one["pointer"] for one in answer.json()["errors"]}
    assert read["plan_version"] == 1


async def test_a_site_moves_its_appointments_and_nothing_else(api: Api) -> None:
    shipment = await api.ship()
    own = await api.headers("site", site_id=api.site["id"])
    other_site = (await api.post("/v1/sites", site_body(code="OTHER"))).json()
    other = await api.headers("site", site_id=other_site["id"])
    moved = {"doses": [{"reference": "D1", "administer_at": hours(21)}]}

    answers = [
        (await replan(api, shipment, headers=headers, **body)).status_code
        for headers, body in (
            (own, moved),
            (own, {"doses": [{"reference": "D1", "prescribed_activity_mbq": 7000.0}]}),
            (own, moved | {"devices": []}),
            (other, moved),
            (await api.headers("courier", carrier="ACME"), moved),
            (await api.headers("quality"), moved),
        )
    ]

    read = (await api.get(f"/v1/shipments/{shipment['id']}")).json()
    assert answers == [200, 403, 403, 404, 403, 403]
    assert read["doses"][0]["administer_at"] == "2026-03-02T21:00:00.000Z"


async def test_a_prescribed_activity_takes_the_place_of_a_range_and_null_makes_a_spare(api: Api) -> None:
    shipment = await api.ship()
    doses = [{"reference": "D1", "prescribed_activity_mbq": None, "administer_at": None}]

    spare = (await replan(api, shipment, doses=doses)).json()["doses"][0]
    again = (
        await replan(api, shipment, doses=[{"reference": "D1", "prescribed_activity_mbq": 7000.0}])
    ).json()

    status = await api.status(shipment)
    assert (spare["prescribed_activity_mbq"], spare["administer_at"]) == (None, None)
    assert again["doses"][0]["prescribed_activity_mbq"] == 7000
    assert status["doses"][0]["appointment_late_probability"] is None


async def test_nothing_is_replanned_once_the_shipment_is_over(api: Api) -> None:
    delivered, cancelled = await api.ship(reference="A"), await api.ship(reference="B")
    api.clock.advance(hours=16)
    await scan(api, delivered, "delivered", 15)
    for _ in range(2):
        await api.post(f"/v1/shipments/{cancelled['id']}/cancel", {"reason": "patient unwell"})

    codes = [
        (await replan(api, delivered, legs=REBOOKED)).json()["code"],
        (await replan(api, cancelled, doses=[{"reference": "D1", "administer_at": hours(21)}])).json()[
            "code"
        ],
        (await api.post(f"/v1/shipments/{delivered['id']}/cancel", {"reason": "too late"})).json()["code"],
    ]
    moved = await replan(api, delivered, doses=[{"reference": "D1", "administer_at": hours(21)}])

    assert codes == ["leg_departed", "ended", "already_over"]
    assert moved.status_code == 200
    assert len(await standings(api, cancelled)) == 1


async def test_what_was_offloaded_is_not_departed_and_goes_on_with_another_carrier(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=13)
    await scan(api, shipment, "departed", 8, leg=1)
    await scan(api, shipment, "arrived", 9, leg=1)
    await scan(api, shipment, "departed", 12, location={"code": "MXP"})
    await scan(api, shipment, "offloaded", 12.5, location={"code": "MXP"})

    answer = await replan(api, shipment, legs=REBOOKED)

    status = await api.status(shipment)
    listed = await standings(api, shipment)
    assert [one["number"] for one in answer.json()["legs"]] == [1, 4, 5]
    assert {listed[name]["counts_for_leg"] for name in ("departed-12", "offloaded-12.5")} == {2}
    assert status["eta"]["p50"] > "2026-03-03T08:00:00.000Z"
    assert status["custodian"] == "AZ"


async def test_a_handheld_that_has_not_heard_of_the_new_plan_still_moves_the_package(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=10)
    await scan(api, shipment, "departed", 8, leg=1)
    await replan(api, shipment, legs=REBOOKED)
    api.clock.advance(hours=24)

    for type_, hour, number in (("departed", 30, 2), ("arrived", 31, 2), ("delivered", 33, 3)):
        answer = await scan(api, shipment, type_, hour, leg=number)
        assert answer.status_code == 201

    status = await api.status(shipment)
    assert (status["state"], status["custodian"]) == ("delivered", "BLQ-HOSP")
    assert (await standings(api, shipment))["departed-30"]["counts_for_leg"] == 4


async def test_an_unplaced_event_is_shown_until_a_replanning_places_it(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=10)
    stray = await scan(api, shipment, "departed", 9.5, location={"code": "LIN"})
    before = (await standings(api, shipment))["departed-9.5"]

    await replan(api, shipment, legs=[leg("PLANT", "LIN", 8, 9, **ACME), leg("LIN", "BLQ-HOSP", 9.5, 12)])

    after = (await standings(api, shipment))["departed-9.5"]
    assert stray.json()["placed"] is False
    assert (before["standing"], before["placed"], before["counts_for_leg"]) == ("unplaced", False, None)
    assert (after["standing"], after["placed"], after["counts_for_leg"]) == ("counts", True, 5)
    assert (await api.status(shipment))["state"] == "in_transit"


def correction(target: str, **fields: Any) -> dict[str, Any]:
    return {"reason": "wrong box", "details": {"corrects": target} | fields}


async def test_a_correction_before_its_target_replaces_it_when_it_comes(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=10)
    await scan(
        api, shipment, "correction", 9, **correction("late-one", replacement={"occurred_at": hours(8.5)})
    )
    await api.scan(shipment, "departed", event_id="late-one", occurred_at=hours(8), leg=1)

    target = (await standings(api, shipment))["late-one"]
    status = await api.status(shipment)

    assert (target["standing"], target["occurred_at"]) == ("corrected", "2026-03-02T08:00:00.000Z")
    assert target["as_corrected"]["occurred_at"] == "2026-03-02T08:30:00.000Z"
    assert len(target["corrected_by"]) == 1
    assert status["last_event"]["occurred_at"] == "2026-03-02T08:30:00.000Z"


async def test_a_voided_event_stays_readable_and_a_voided_correction_never_was(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=10)
    await scan(api, shipment, "departed", 8, leg=1)
    void = await scan(api, shipment, "correction", 9, **correction("departed-8"))
    voided = (await standings(api, shipment))["departed-8"]
    state = (await api.status(shipment))["state"]

    await scan(api, shipment, "correction", 9.5, **correction(void.json()["id"]))

    restored = (await standings(api, shipment))["departed-8"]
    assert (voided["standing"], voided["leg"], state) == ("voided", 1, "planned")
    assert (restored["standing"], restored["corrected_by"]) == ("counts", [])
    assert (await api.status(shipment))["state"] == "in_transit"


async def test_a_correction_is_no_way_round_what_a_role_may_write(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=16)
    courier = await api.headers("courier", carrier="ACME")
    await api.scan(shipment, "departed", headers=courier, event_id="own", leg=1, occurred_at=hours(8))
    foreign = await scan(api, shipment, "arrived", 9, leg=1)
    release = {
        "event_id": "r",
        "type": "released",
        "lot": "L1",
        "occurred_at": hours(1),
        "details": {"scope": "final"},
    }
    released = await api.post("/v1/events", release)

    tries = [
        correction("own", replacement={"type": "received"}),
        correction("own", replacement={"type": "correction"}),
        correction("own", replacement={"details": {"cause": "x"}}),
        correction("own", replacement={"leg": 9}),
        correction("not-yet", replacement={"details": {"to": "x"}}),
        correction(foreign.json()["id"]),
        correction(released.json()["id"]),
    ]
    answers = [
        await api.scan(shipment, "correction", headers=courier, event_id=f"c{index}", **body)
        for index, body in enumerate(tries)
    ]

    assert [one.status_code for one in answers] == [422] * len(tries)
    assert (await api.status(shipment))["doses"][0]["quality_status"] == "released"
    assert (await standings(api, shipment))["r"]["standing"] == "counts"


async def test_a_corrected_assay_keeps_what_the_correction_does_not_restate(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=18)
    measured = {"measured_activity_mbq": 7010.0, "measured_at": hours(17)}
    await scan(api, shipment, "assayed", 17, details=measured)

    answer = await scan(
        api,
        shipment,
        "correction",
        17.5,
        **correction("assayed-17", replacement={"details": {"measured_activity_mbq": 7100.0}}),
    )

    assay = (await api.status(shipment))["doses"][0]["assay"]
    assert answer.status_code == 201
    assert (assay["measured_mbq"], assay["measured_at"]) == (7100, "2026-03-02T17:00:00.000Z")


async def test_a_cancellation_is_told_once_whether_or_not_it_was_assessed_since(api: Api) -> None:
    shipment = await api.ship()
    await api.assess()

    for _ in range(2):
        await api.post(f"/v1/shipments/{shipment['id']}/cancel", {"reason": "patient unwell"})
        await api.assess()

    api.clock.advance(minutes=5)
    bodies = [orjson.loads(one["body"]) for one in (await api.get("/v1/messages")).json()["data"]]
    states = [one["data"] for one in bodies if one["type"] == "shipment.state_changed"]
    assert [(one["previous_state"], one["shipment"]["state"]) for one in states] == [("planned", "cancelled")]


async def test_a_cancellation_made_by_mistake_is_taken_back_by_whoever_may_cancel(api: Api) -> None:
    shipment = await api.ship()
    operator = await api.headers("operator")
    courier = await api.headers("courier", carrier="ACME")
    await api.post(f"/v1/shipments/{shipment['id']}/cancel", {"reason": "wrong shipment"})
    cancelled = next(iter((await standings(api, shipment)).values()))
    body = correction(cancelled["id"])
    api.clock.advance(hours=1)

    forbidden = await api.scan(shipment, "correction", headers=courier, event_id="c1", **body)
    allowed = await api.scan(shipment, "correction", headers=operator, event_id="c2", **body)
    await api.assess()

    status = await api.status(shipment)
    assert (forbidden.status_code, allowed.status_code) == (422, 201)
    assert status["state"] == "planned"
    assert status["eta"]["p50"] is not None
    assert (await replan(api, shipment, legs=[leg("PLANT", "BLQ-HOSP", 10, 14, **ACME)])).status_code == 200


async def test_a_replanning_is_changed_by_another_and_not_corrected(api: Api) -> None:
    shipment = await api.ship()
    await replan(api, shipment, doses=[{"reference": "D1", "administer_at": hours(21)}])
    recorded = next(iter((await standings(api, shipment)).values()))

    answer = await api.scan(shipment, "correction", event_id="c1", **correction(recorded["id"]))

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/details/corrects")


async def test_a_package_re_iced_on_the_way_is_good_for_its_hours_again(api: Api) -> None:
    package = {"code": "0034012", "packed_at": hours(0), "qualified_hours": 12}
    shipment = await api.ship(package=package)
    api.clock.advance(hours=9)
    await scan(api, shipment, "departed", 8, leg=1)
    await scan(api, shipment, "arrived", 8.9, leg=1)
    await api.assess()
    before = {one["kind"] for one in (await api.status(shipment))["open_alerts"]}

    answer = await replan(api, shipment, reason="re-iced at MXP", package={"packed_at": hours(8.5)})
    await api.assess()

    after = {one["kind"] for one in (await api.status(shipment))["open_alerts"]}
    told = answer.json()["package"]
    assert answer.status_code == 200, answer.text
    assert (told["code"], told["packed_at"]) == ("0034012", "2026-03-02T08:30:00.000Z")
    assert "packaging_expiring" in before
    assert "packaging_expiring" not in after
