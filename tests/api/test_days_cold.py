"""Two days on which the sensors decide: one dies in customs, one is read when everything is over.

Half-life of Ac-225: 10.0 d (ENSDF).
"""

import math
from datetime import datetime, timedelta
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

AC_HOURS = 240.0
BELOW_25 = {
    "min_c": None,
    "max_c": 25,
    "do_not_freeze": True,
    "alarm_delay_minutes": 15,
    "budget_minutes": None,
}


async def read(api: Api, device_id: str, samples: list[tuple[datetime, float]]) -> None:
    readings = [{"device_id": device_id, "at": wire(at), "temperature_c": value} for at, value in samples]
    told = await api.post("/v1/readings", {"readings": readings})
    assert told.json()["accepted"] == len(samples), told.text


def every(minutes: int, since: str, to: str, celsius: float) -> list[tuple[datetime, float]]:
    """Return samples of one temperature, both ends included."""
    count = (utc(to) - utc(since)) // (minutes * MINUTE)
    return [(utc(since) + index * minutes * MINUTE, celsius) for index in range(count + 1)]


async def test_ac225_two_days_in_customs_with_a_dead_logger(api: Api) -> None:
    """Ac-225 for a slot on Wednesday enters customs on Monday evening; half an hour later its sensor falls silent.

    After four hours customs is a hold, after two missed reports the sensor is told, after four hours unmonitored the
    dose is in quarantine. The appointment is lost, the dose is not: it is moved by a day, and quality decides on what
    the box is qualified for.
    """
    agent = await product(
        api,
        name="Ac-225 agent",
        nuclide="Ac-225",
        shelf_life_hours=120,
        usual_activity_mbq={"min": 4, "max": 15},
        storage=BELOW_25 | {"max_unmonitored_minutes": 240},
    )
    clinic = await site(api, "CLINIC", timezone="America/New_York")
    shipment = await register(
        api,
        "AC-1",
        product=agent,
        site=clinic,
        legs=[
            leg("PLANT", "MUC", "2 08:00", "2 10:00"),
            leg("MUC", "JFK", "2 12:00", "2 21:00", mode="air", carrier="LH", service="LH410"),
            leg("JFK", "CLINIC", "3 12:00", "3 14:00"),
        ],
        doses=[
            {
                "reference": "D1",
                "calibrated_activity_mbq": 10.0,
                "calibrated_at": wire("2 06:00"),
                "prescribed_activity_mbq": 8.0,
                "administer_at": wire("4 15:00"),
            }
        ],
        devices=[{"device_id": "TMP-1", "interval_s": 600, "report_interval_s": 3600}],
    )
    own, quality = await api.headers("site", site_id=clinic["id"]), await api.headers("quality")
    await until(api, "2 08:00", step_minutes=480)
    await say(api, shipment, "picked_up", leg=1)
    await say(api, shipment, "departed", leg=1)
    await until(api, "2 22:00", step_minutes=840)
    await read(api, "TMP-1", every(10, "2 08:00", "2 22:00", 20.0))
    for type_, at, number in (
        ("arrived", "2 10:05", 1),
        ("departed", "2 12:10", 2),
        ("arrived", "2 20:50", 2),
    ):
        await say(api, shipment, type_, at, leg=number)
    await say(api, shipment, "handed_over", "2 10:30", details={"to": "LH"})
    await say(api, shipment, "customs_entered", "2 21:30", location={"code": "JFK"})
    found: dict[str, Any] = {}
    for at in ("3 00:20", "3 00:40", "3 01:40", "3 02:40", "4 12:00"):
        await until(api, at, step_minutes=240)
        found[at] = kinds(await alerts(api, state="open"))
    stuck = (await doses(api, shipment))["D1"]

    moved = await api.patch(
        f"/v1/shipments/{shipment['id']}",
        {"reason": "still in customs", "doses": [{"reference": "D1", "administer_at": wire("5 14:00")}]},
        headers=own,
    )
    await api.assess()
    replanned = (await doses(api, shipment))["D1"]
    await until(api, "4 21:30", step_minutes=240)
    await say(api, shipment, "customs_cleared", location={"code": "JFK"})
    await say(api, shipment, "handed_over", details={"to": "VAN"})
    await say(api, shipment, "departed", leg=3)
    await until(api, "5 07:00", step_minutes=240)
    await say(api, shipment, "delivered", "4 23:30")
    await say(api, shipment, "received", "5 07:00", headers=own)
    arrived = await api.status(shipment)
    unusable = kinds(await alerts(api, state="open"))
    await say(
        api,
        shipment,
        "disposition",
        headers=quality,
        reason="box qualified for 120 h; product stable for 96 h at 25 °C",
        details={"decision": "use_as_is", "person": "Dr Weiss", "meaning": "approved as Qualified Person"},
    )
    await say(api, shipment, "released", headers=quality, details={"scope": "final"})

    decided = (await doses(api, shipment))["D1"]
    floor_at = utc("2 06:00") + AC_HOURS * math.log2(10 / 7.2) * timedelta(hours=1)
    assert found["3 00:20"] == {}
    assert found["3 00:40"]["device_silent"] == "warning"
    assert "hold" not in found["3 00:40"]
    assert found["3 01:40"]["hold"] == "warning"
    assert found["3 02:40"]["device_silent"] == "critical"
    assert found["3 02:40"]["delivered_unusable"] == "critical"  # in quarantine since 02:10
    assert "stalled" not in found["4 12:00"]
    assert found["4 12:00"]["appointment_at_risk"] == "critical"
    assert (stuck["quality_status"], stuck["verdict"]) == ("quarantined", "quarantined")
    assert stuck["usable_until"][:19] == answer(floor_at)[:19]
    assert moved.status_code == 200, moved.text
    assert replanned["activity_mbq"]["at_administration"] == pytest.approx(10 * 2 ** (-80 / AC_HOURS))
    assert arrived["doses"][0]["verdict"] == "quarantined"
    assert arrived["state"] == "received"
    assert unusable["delivered_unusable"] == "critical"
    assert "hold" not in unusable
    assert (decided["quality_status"], decided["verdict"]) == ("released", "received_usable")
    assert "delivered_unusable" not in kinds(await alerts(api, state="open"))


async def test_a_usb_logger_read_after_receipt_with_a_night_excursion_used_as_is(api: Api) -> None:
    """The logger writes local time and is read at ten: at night the package stood at 30 °C for 35 minutes.

    The alert is raised then, marked as detected late, with the night's own instants. Nobody but quality may decide; its
    decision ends the alert, and the record of the excursion stays in the status.
    """
    agent = await product(api, storage=BELOW_25)
    clinic = await site(api, "CLINIC")
    shipment = await register(
        api,
        "LU-1",
        product=agent,
        site=clinic,
        legs=[leg("PLANT", "CLINIC", "2 20:00", "3 07:00")],
        doses=[
            {
                "reference": "D1",
                "calibrated_activity_mbq": 7770.0,
                "calibrated_at": wire("2 18:00"),
                "prescribed_activity_mbq": 7400.0,
                "administer_at": wire("3 14:00"),
            }
        ],
        devices=[{"device_id": "USB-1", "live": False, "interval_s": 300}],
    )
    quality, operator = await api.headers("quality"), await api.headers("operator")
    await until(api, "2 20:00", step_minutes=600)
    await say(api, shipment, "picked_up", leg=1)
    await until(api, "3 10:00", step_minutes=420)
    await say(api, shipment, "received", "3 07:00")
    quiet = kinds(await alerts(api, state="open"))
    samples = every(5, "2 20:00", "3 02:00", 20.0) + every(5, "3 02:05", "3 02:35", 30.0)
    samples += every(5, "3 02:40", "3 07:00", 20.0)
    local = [f"USB-1,{at + timedelta(hours=1):%Y-%m-%dT%H:%M:%S},{celsius}" for at, celsius in samples]
    csv = "\n".join(("device_id,at,temperature_c", *local))

    read_out = await api.client.post(
        "/v1/readings",
        content=csv,
        params={"utc_offset": "+01:00"},
        headers=api.admin | {"Content-Type": "text/csv"},
    )
    await api.assess()
    (raised,) = await alerts(api, kind="temperature_excursion", state="open")
    decision: dict[str, Any] = {
        "reason": "35 minutes at 30 °C are covered by the stability data",
        "details": {"decision": "use_as_is", "person": "Dr Weiss", "meaning": "approved as Qualified Person"},
    }
    forbidden = await api.scan(shipment, "disposition", headers=operator, **decision)
    await say(api, shipment, "disposition", headers=quality, **decision)

    status = await api.status(shipment)
    (ended,) = await alerts(api, kind="temperature_excursion")
    assert quiet == {}
    assert read_out.json()["accepted"] == len(samples), read_out.text
    assert raised["detected_late"]
    # 25 °C is crossed half-way between two samples: 02:02:30, and the alarm's 15 minutes later it is an alert.
    assert raised["since"] == answer(utc("3 02:17") + 0.5 * MINUTE)
    assert status["thermal"][0]["above_minutes"] == pytest.approx(35.0)
    assert status["thermal"][0]["max_c"] == 30.0
    assert forbidden.status_code == 403
    assert ended["state"] == "resolved"
    assert status["doses"][0]["verdict"] == "received_usable"
    assert status["doses"][0]["disposition"]["person"] == "Dr Weiss"
