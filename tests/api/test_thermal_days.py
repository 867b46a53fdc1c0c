"""Days about temperature that must come out right, each told through HTTP with a clock that only the test moves."""

from datetime import timedelta
from typing import Any, cast

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

COLD = {"min_c": 2, "max_c": 8, "do_not_freeze": True, "alarm_delay_minutes": 15, "budget_minutes": None}


async def measured(
    api: Api, device_id: str, start: str, every_minutes: int, *values: float
) -> dict[str, Any]:
    """Send temperatures made from `start` on, and let a tick pass."""
    batch = [
        {
            "device_id": device_id,
            "at": wire(utc(start) + number * every_minutes * MINUTE),
            "temperature_c": value,
        }
        for number, value in enumerate(values)
    ]
    receipt = await api.post("/v1/readings", {"readings": batch})
    await api.assess()
    return cast(dict[str, Any], receipt.json())


async def only_thermal(api: Api, shipment: dict[str, Any], **params: Any) -> dict[str, Any]:
    (series,) = (await api.status(shipment, **params))["thermal"]
    return cast(dict[str, Any], series)


async def test_ac225_two_days_in_customs_with_a_dead_logger(api: Api) -> None:
    """Ac-225 is flown out on the evening of the 2nd, enters customs at 22:00 and is cleared 48 hours later.

    Its live logger reports every ten minutes and is last heard at 21:40, after landing. The flight excuses nothing any
    more an hour after it landed at 21:00, so the silence is told when two reports and half an hour are missing, 22:30,
    and is critical at 22:50. From one interval after its last word the dose is unmonitored: over the product's six
    hours at 03:50, when it is quarantined. Quality decides on the 5th, knowing of it, and the dose may be given.
    """
    agent = await product(
        api, name="Ac-225 agent", nuclide="Ac-225", shelf_life_hours=120, usual_activity_mbq={"min": 5, "max": 12},
        storage=COLD | {"max_unmonitored_minutes": 360},
    )  # fmt: skip
    clinic = await site(api, "CLINIC")
    shipment = await register(
        api,
        "AC-1",
        product=agent,
        site=clinic,
        legs=[
            leg("PLANT", "AIR", "2 16:00", "2 17:00"),
            leg("AIR", "DEST", "2 19:00", "2 21:00", mode="air", carrier="AZ", service="AZ7"),
            leg("DEST", "CLINIC", "3 06:00", "3 08:00"),
        ],
        doses=[
            {
                "reference": "D1", "calibrated_activity_mbq": 9.0, "calibrated_at": wire("2 12:00"),
                "prescribed_activity_mbq": 8.0, "administer_at": wire("3 12:00"),
            }
        ],
        devices=[{"device_id": "LIVE", "interval_s": 600, "report_interval_s": 600}],
    )  # fmt: skip

    await until(api, "2 16:00")
    await say(api, shipment, "picked_up", leg=1)
    await say(api, shipment, "departed", leg=1)
    await until(api, "2 19:00")
    await measured(api, "LIVE", "2 16:00", 10, *[5.0] * 18)
    await say(api, shipment, "arrived", "2 17:00", leg=1)
    await say(api, shipment, "departed", "2 19:00", leg=2)
    await until(api, "2 21:40")
    flying = await alerts(api, kind="device_silent", state="open")
    await say(api, shipment, "arrived", "2 21:00", leg=2)
    await measured(api, "LIVE", "2 19:00", 10, *[4.0] * 17)
    await until(api, "2 22:00")
    await say(api, shipment, "customs_entered", leg=2)
    await until(api, "2 22:31", step_minutes=1)
    (silent,) = await alerts(api, kind="device_silent", state="open")
    await until(api, "2 22:51", step_minutes=1)
    (worse,) = await alerts(api, kind="device_silent", state="open")
    await until(api, "3 04:00")
    before, after = [
        (await api.status(shipment, at=wire(f"3 {time}")))["doses"][0] for time in ("03:50", "03:51")
    ]
    await until(api, "4 22:00", step_minutes=240)
    dead = await only_thermal(api, shipment)
    await say(api, shipment, "customs_cleared")
    quality = await api.headers("quality")
    decision = {
        "decision": "use_as_is",
        "person": "Dr. Rossi",
        "meaning": "ambient data of the warehouse allow it",
    }
    await say(api, shipment, "disposition", headers=quality, reason="logger died", details=decision)
    decided = (await doses(api, shipment))["D1"]

    assert flying == []
    assert (silent["severity"], silent["since"]) == ("warning", answer("2 22:30"))
    assert worse["severity"] == "critical"
    assert [one["quality_status"] for one in (before, after)] == ["pending", "quarantined"]
    assert after["verdict"] == "quarantined"
    assert dead["unmonitored_minutes"] == pytest.approx((utc("4 22:00") - utc("2 21:50")) / MINUTE)
    assert (dead["last_at"], dead["in_excursion"]) == (answer("2 21:40"), False)
    assert kinds(await alerts(api, kind="hold")) == {"hold": "warning"}
    assert decided["quality_status"] == "pending"


async def test_a_usb_logger_read_after_receipt_with_a_night_excursion_decided_use_as_is(api: Api) -> None:
    """A box of 2–8 °C waits a night on an apron: 35 minutes above 8 °C, and nobody knows.

    The logger samples every five minutes: 8.0 °C until 01:00, 9.0 °C from 01:05 to 01:35, and 7.0 °C at 01:40. It
    leaves the limit at 01:00 and is back at 01:37:30, for the line from 9 to 7 crosses 8 half way. It is read at 09:00,
    after the receipt: the alert is of 01:15, fifteen minutes into the excursion, and says that it was detected late.
    A decision of 08:00 knew nothing of it and covers nothing; that of 10:00 does.
    """
    agent = await product(api, name="cold", storage=COLD)
    clinic = await site(api, "CLINIC")
    shipment = await register(
        api,
        "USB-1",
        product=agent,
        site=clinic,
        legs=[leg("PLANT", "CLINIC", "2 20:00", "3 07:00")],
        doses=[
            {
                "reference": "D1", "calibrated_activity_mbq": 7770.0, "calibrated_at": wire("2 18:00"),
                "prescribed_activity_mbq": 7400.0, "administer_at": wire("3 14:00"),
            }
        ],
        devices=[{"device_id": "USB", "live": False, "interval_s": 300}],
    )  # fmt: skip
    quality = await api.headers("quality")
    decision = {"decision": "use_as_is", "person": "Dr. Rossi", "meaning": "within the stability data"}

    await until(api, "2 20:00")
    await say(api, shipment, "picked_up", leg=1)
    await until(api, "3 07:00", step_minutes=60)
    await say(api, shipment, "delivered")
    await say(api, shipment, "received")
    await until(api, "3 08:00")
    await say(api, shipment, "disposition", headers=quality, reason="routine", details=decision)
    unaware = await alerts(api, kind="temperature_excursion")
    await until(api, "3 09:00")
    night = [8.0] * 61 + [9.0] * 7 + [7.0] * 64
    receipt = await measured(api, "USB", "2 20:00", 5, *night)
    (late,) = await alerts(api, kind="temperature_excursion")
    await until(api, "3 10:00")
    await say(api, shipment, "disposition", headers=quality, reason="35 minutes at 9 °C", details=decision)
    (ended,) = await alerts(api, kind="temperature_excursion")
    series = await only_thermal(api, shipment)

    assert unaware == []
    assert receipt["accepted"] == len(night)
    assert (late["state"], late["severity"], late["detected_late"]) == ("open", "warning", True)
    assert late["since"] == answer("3 01:15")
    assert "02:00 CET" in late["summary"]
    assert ended["state"] == "resolved"
    assert series["above_minutes"] == 37.5
    assert (series["max_c"], series["last_at"]) == (9.0, answer(utc("3 07:00") - timedelta(minutes=5)))
    assert series["unmonitored_minutes"] == 0
    assert (await doses(api, shipment))["D1"]["verdict"] == "received_usable"
