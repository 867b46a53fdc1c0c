"""Days that must come out right, each told through HTTP with a clock that only the test moves.

Activities and windows are worked out in the tests from half-lives: F-18 109.77 min, Lu-177 6.6443 d, Ge-68 270.95 d
(ENSDF).
"""

import math
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.days import (
    MINUTE,
    alerts,
    answer,
    doses,
    kinds,
    leg,
    product,
    register,
    say,
    site,
    until,
    utc,
    wire,
)

F18_MINUTES = 109.77


async def fdg(api: Api, **changes: Any) -> dict[str, Any]:
    usual = {"min": 150, "max": 600}
    return await product(
        api,
        name="FDG",
        nuclide="F-18",
        shelf_life_hours=10,
        handling_minutes=15,
        usual_activity_mbq=usual,
        **changes,
    )


async def test_six_f18_doses_for_two_sites_on_one_van_forty_minutes_late(api: Api) -> None:
    """One van, two packages, six patients: each dose is in range from 15.1 minutes before its slot to 16.7 after.

    The van leaves at 08:40 instead of 08:00. The first patient of each clinic is lost, though the package is an hour's
    drive away still when that is known; the second is in by 1 and 12 minutes; the third does not notice.
    """
    agent, minutes_after = await fdg(api), -F18_MINUTES * math.log2(0.9)
    shipments = {}
    for code, arrives, slots in (
        ("NORTH", "2 09:00", ("09:30", "09:54", "10:30")),
        ("SOUTH", "2 09:30", ("10:00", "10:35", "11:00")),
    ):
        shipments[code] = await register(
            api,
            f"FDG-{code}",
            product=agent,
            site=await site(api, code),
            consignment="VAN-7",
            legs=[leg("PLANT", code, "2 08:00", arrives)],
            doses=[
                {
                    "reference": f"P{number}",
                    "calibrated_activity_mbq": 300.0,
                    "calibrated_at": wire(f"2 {slot}"),
                    "prescribed_activity_mbq": 300.0,
                    "administer_at": wire(f"2 {slot}"),
                }
                for number, slot in enumerate(slots, start=1)
            ],
        )  # fmt: skip
    await until(api, "2 08:40", step_minutes=10)
    silent = await alerts(api, kind="arrival_after_expiry", state="open")

    for shipment in shipments.values():
        await say(api, shipment, "departed", leg=1)
    before = {code: await doses(api, shipment) for code, shipment in shipments.items()}
    open_now = await alerts(api, shipment_id=shipments["NORTH"]["id"], state="open")
    await until(api, "2 09:40", step_minutes=10)
    await say(api, shipments["NORTH"], "delivered")
    await say(api, shipments["NORTH"], "received")
    await until(api, "2 10:10", step_minutes=10)
    await say(api, shipments["SOUTH"], "delivered")
    await say(api, shipments["SOUTH"], "received")

    after = {code: await doses(api, shipment) for code, shipment in shipments.items()}
    first = before["NORTH"]["P1"]
    ends_at = utc("2 09:30") + minutes_after * MINUTE
    assert abs(ends_at - utc("2 09:46")) < MINUTE  # 16.7 minutes: 09:46:41
    assert first["usable_until"][:19] == answer(ends_at)[:19]
    assert first["binding_limit"] == "activity_floor"
    assert first["opening_limit"] == "activity_ceiling"
    assert first["activity_mbq"]["at_administration"] == pytest.approx(300.0)
    assert first["activity_mbq"]["now"] == pytest.approx(300 * 2 ** (50 / F18_MINUTES))
    assert {code: [one["verdict"] for one in found.values()] for code, found in before.items()} == {
        "NORTH": ["will_miss", before["NORTH"]["P2"]["verdict"], "ok"],
        "SOUTH": ["will_miss", before["SOUTH"]["P2"]["verdict"], "ok"],
    }
    assert before["NORTH"]["P1"]["late_probability"] > 0.95 > 0.05 > before["NORTH"]["P3"]["late_probability"]
    assert silent  # nobody had to say that the van stood there
    assert kinds(open_now)["arrival_after_expiry"] == "critical"
    # Delivered 09:40; with 15 minutes of handling P1 is ready at 09:55, 8 minutes after its window; P2 at 09:54 + 16.7.
    assert [one["verdict"] for one in after["NORTH"].values()] == ["received_usable"] * 3
    assert "less than the 15 planned for handling" in after["NORTH"]["P1"]["verdict_reasons"][0]
    assert [one["appointment_late_probability"] for one in after["NORTH"].values()] == [1.0, 1.0, 0.0]
    assert [one["late_probability"] for one in after["NORTH"].values()] == [1.0, 0.0, 0.0]
    assert [one["late_probability"] for one in after["SOUTH"].values()] == [1.0, 0.0, 0.0]


async def test_a_handheld_offline_for_five_hours_uploads_sixty_scans_with_its_clock_seven_minutes_fast(
    api: Api,
) -> None:
    """Twelve packages, five scans each, made while out of coverage and sent at 13:30 by a clock that says 13:37.

    Silence had raised alerts meanwhile. After the upload every scan counts at its true minute, the alerts end at the
    instant of the scan that ended them, and sending the same batch again adds nothing.
    """
    agent, clinic = await product(api), await site(api, "CLINIC")
    fast = 7 * MINUTE
    shipments = [
        await register(
            api,
            f"LU-{number}",
            product=agent,
            site=clinic,
            legs=[leg("PLANT", "HUB", "2 08:00", "2 09:30"), leg("HUB", "CLINIC", "2 10:30", "2 12:30")],
            doses=[
                {
                    "reference": "D1",
                    "calibrated_activity_mbq": 7400.0,
                    "calibrated_at": wire("2 06:00"),
                    "prescribed_activity_mbq": 7400.0,
                    "administer_at": wire("2 18:00"),
                    "expires_at": wire("2 16:00"),
                }
            ],
        )
        for number in range(1, 13)
    ]
    courier = await api.headers("courier", carrier="VAN")
    await until(api, "2 13:30", step_minutes=30)
    silent = await alerts(api, kind="arrival_after_expiry", state="open", limit=100)
    scans = [
        {
            "event_id": f"{shipment['reference']}-{number}",
            "shipment_id": shipment["id"],
            "type": type_,
            "occurred_at": wire(utc(f"2 {true}") + fast),
        }
        for shipment in shipments
        for number, (type_, true) in enumerate(
            (("picked_up", "08:25"), ("departed", "08:30"), ("arrived", "10:05"), ("departed", "11:00"),
             ("arrived", "12:58"))
        )
    ]  # fmt: skip
    batch = {"events": scans, "sent_at": wire(api.clock.at + fast)}

    first = (await api.post("/v1/events/batch", batch, headers=courier)).json()["results"]
    await api.assess()
    api.clock.set(api.clock.at + MINUTE)
    again = (
        await api.post("/v1/events/batch", batch | {"sent_at": wire(api.clock.at + fast)}, headers=courier)
    ).json()["results"]

    ended = await alerts(api, kind="arrival_after_expiry", state="resolved", limit=100)
    listed = (await api.get(f"/v1/shipments/{shipments[0]['id']}/events")).json()["data"]
    status = await api.status(shipments[11])
    assert len(silent) == 12
    assert ([one["status"] for one in first], [one["placed"] for one in first]) == ([201] * 60, [True] * 60)
    assert [(one["status"], one["duplicate"]) for one in again] == [(200, True)] * 60
    assert [one["id"] for one in again] == [one["id"] for one in first]
    assert [one["effective_at"] for one in listed][::-1] == [
        answer(f"2 {at}") for at in ("08:25", "08:30", "10:05", "11:00", "12:58")
    ]
    assert listed[0]["occurred_at"] == answer("2 13:05")  # what the handheld said is kept
    assert (status["state"], status["custodian"], status["position"]["code"]) == (
        "in_transit",
        "VAN",
        "CLINIC",
    )
    assert len(ended) == 12
    assert {one["ended_at"] for one in ended} == {answer("2 12:58")}
    assert await alerts(api, kind="custody_gap") == []


async def test_the_patient_who_does_not_come(api: Api) -> None:
    """The dose is there, released and in range; the patient has a fever. The site says why, and returns the vial.

    The product asks for outcomes: until the site has said something, a day after the appointment, it is reminded.
    """
    agent = await product(api, thresholds={"outcome_missing.hours": 24})
    clinic = await site(api, "CLINIC")
    shipment = await register(
        api,
        "LU-1",
        product=agent,
        site=clinic,
        legs=[leg("PLANT", "CLINIC", "2 08:00", "2 10:00")],
        doses=[
            {
                "reference": "D1",
                "calibrated_activity_mbq": 7770.0,
                "calibrated_at": wire("2 06:00"),
                "prescribed_activity_mbq": 7400.0,
                "administer_at": wire("2 14:00"),
            }
        ],
    )
    own, quality = await api.headers("site", site_id=clinic["id"]), await api.headers("quality")
    await until(api, "2 09:00", step_minutes=240)
    await say(api, shipment, "released", details={"scope": "final"}, headers=quality)
    await until(api, "2 10:00", step_minutes=60)
    await say(api, shipment, "received", headers=own)
    await until(api, "3 14:00", step_minutes=120)
    reminded = await alerts(api, state="open")

    await say(api, shipment, "not_administered", details={"cause": "patient febrile"}, headers=own)
    stays = (await doses(api, shipment))["D1"]
    await say(api, shipment, "returned", headers=own)

    gone = await api.status(shipment)
    assert kinds(reminded) == {"outcome_missing": "info"}
    assert reminded[0]["since"] == answer("3 14:00")
    assert (stays["outcome"], stays["outcome_cause"]) == ("not_administered", "patient febrile")
    assert (stays["verdict"], stays["quality_status"]) == ("received_usable", "released")
    assert await alerts(api, state="open") == []
    assert (gone["state"], gone["eta"]) == ("returned", None)
    assert (gone["doses"][0]["outcome"], gone["doses"][0]["outcome_cause"]) == ("returned", "patient febrile")


async def test_a_clock_change_in_transit(api: Api) -> None:
    """Calibrated Saturday 18:00 in Rome, with 72 hours of shelf life; the clocks go forward on Sunday at 02:00.

    The shelf life ends at 19:00 on Tuesday, not at 18:00. The clinic opens at 07:00 summer time, which is 05:00 UTC; a
    van expected at 04:20 UTC counts from then, and people read their own wall clock with UTC beside it.
    """
    agent = await product(api)
    hours = [
        {"days": [7], "opens": "07:00", "closes": "12:00"},
        {"days": [1, 2], "opens": "07:00", "closes": "18:00"},
    ]
    clinic = await site(api, "ROMA", receiving_hours=hours)
    shipment = await register(
        api,
        "LU-DST",
        product=agent,
        site=clinic,
        legs=[leg("PLANT", "ROMA", "28 21:00", "29 04:10")],
        doses=[
            {
                "reference": "D1",
                "calibrated_activity_mbq": 9000.0,
                "calibrated_at": "2026-03-28T18:00:00+01:00",
                "prescribed_activity_mbq": 7400.0,
                "administer_at": "2026-03-29T08:30:00+02:00",
            },
            {
                "reference": "SPARE",
                "calibrated_activity_mbq": 9000.0,
                "calibrated_at": "2026-03-28T18:00:00+01:00",
            },
        ],
    )
    api.clock.set(utc("28 21:05"))
    await say(api, shipment, "departed", leg=1)
    await until(api, "29 04:00", step_minutes=120)
    found = await doses(api, shipment)
    slack = found["SPARE"]["slack_minutes"]["p50"]
    await until(api, "29 05:45", step_minutes=15)

    (late,) = await alerts(api, kind="appointment_at_risk", state="open")

    assert found["SPARE"]["usable_until"] == answer("31 17:00")
    # 17:00 UTC is 19:00 there, when the clinic is closed; what arrives before it opens counts at 05:00 UTC.
    assert slack == pytest.approx((utc("31 16:00") - utc("29 05:00")) / MINUTE)
    assert found["D1"]["required_arrival_at"] == answer("29 05:30")
    assert late["severity"] == "critical"
    assert "its appointment at Sun 29 Mar 08:30 CEST (06:30Z)" in late["summary"]
    assert "needed by Sun 29 Mar 07:30 CEST (05:30Z)" in late["summary"]
