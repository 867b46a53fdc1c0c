"""Alerts of sensors through HTTP: by readings, by silence alone, a day late, closed by people and by decisions."""

from datetime import timedelta
from typing import Any, cast

import pytest
import sqlalchemy as sa

from app.store.tables import shipment_due
from tests.support.api import START, Api, hours, product_body

DEVICE = {"device_id": "TMP-1", "interval_s": 600, "report_interval_s": 600}
NO_BUDGET = {"min_c": 2, "max_c": 8, "do_not_freeze": True, "alarm_delay_minutes": 15, "budget_minutes": None}


async def carried(api: Api, *, storage: dict[str, Any] | None = None, **device: Any) -> dict[str, Any]:
    """Register a shipment with one sensor, picked up at eight hours into the tests."""
    await api.set_up()
    made = await api.post("/v1/products", product_body(name="cold", storage=storage or NO_BUDGET))
    api.clock.set(START + timedelta(hours=8))
    shipment = await api.ship(product_id=made.json()["id"], devices=[DEVICE | device])
    await api.scan(shipment, "picked_up", leg=1)
    await api.assess()
    return shipment


async def read(api: Api, *samples: tuple[float, float], **fields: Any) -> dict[str, Any]:
    """Send temperatures by the hour they were measured at, and let a tick pass."""
    batch = [
        {"device_id": "TMP-1", "at": hours(at), "temperature_c": value} | fields for at, value in samples
    ]
    receipt = await api.post("/v1/readings", {"readings": batch})
    await api.assess()
    return cast(dict[str, Any], receipt.json())


async def alerts(api: Api, kind: str, **filters: Any) -> list[dict[str, Any]]:
    page = await api.get("/v1/alerts", kind=kind, **filters)
    return cast(list[dict[str, Any]], page.json()["data"])


def spell(start_h: float, *values: float) -> list[tuple[float, float]]:
    """Return a value every ten minutes."""
    return [(start_h + number / 6, value) for number, value in enumerate(values)]


async def due_at(api: Api, shipment: dict[str, Any]) -> Any:
    async with api.house.db.reading() as connection:
        return await connection.scalar(
            sa.select(shipment_due.c.assess_at).where(shipment_due.c.shipment_id == shipment["id"])
        )


async def test_silence_alone_is_told_when_it_is_due_and_a_reading_ends_it(api: Api) -> None:
    shipment = await carried(api)
    await read(api, (8, 5.0))

    while not (told := await alerts(api, "device_silent")):
        wake_at = await due_at(api, shipment)
        api.clock.set(wake_at)
        await api.assess()
    (silent,) = told
    api.clock.advance(hours=1)
    await api.assess()
    (worse,) = await alerts(api, "device_silent")
    await read(api, (9.5, 5.0))

    (ended,) = await alerts(api, "device_silent")
    assert timedelta(0) < wake_at - (START + timedelta(hours=8, minutes=50)) < timedelta(seconds=1)
    assert (silent["severity"], silent["since"]) == ("warning", "2026-03-02T08:50:00.000Z")
    assert (worse["severity"], ended["state"]) == ("critical", "resolved")


@pytest.mark.parametrize(
    ("heard", "words"),
    [((), "has not been heard at all since Mon 02 Mar 09:00 CET (08:00Z)"), (((8, 5.0),), "was last heard ")],
)
async def test_a_sensor_that_never_spoke_is_not_said_to_have_been_heard(
    api: Api, heard: tuple[tuple[float, float], ...], words: str
) -> None:
    await carried(api)
    if heard:
        await read(api, *heard)
    api.clock.set(START + timedelta(hours=8.9))
    await api.assess()

    (alert,) = await alerts(api, "device_silent", state="open")
    assert alert["summary"].startswith(f"Sensor TMP-1 {words}")


async def test_a_sensor_closed_as_lost_stays_closed_until_it_is_heard_again(api: Api) -> None:
    await carried(api)
    api.clock.advance(hours=2)
    await api.assess()
    (silent,) = await alerts(api, "device_silent")

    closed = await api.post(f"/v1/alerts/{silent['id']}/resolve", {"comment": "Left behind in the van."})
    api.clock.advance(hours=2)
    await api.assess()
    while_lost = await alerts(api, "device_silent", state="open")
    await read(api, (11.9, 5.0))
    api.clock.advance(hours=2)
    await api.assess()

    assert closed.status_code == 200
    assert while_lost == []
    assert len(await alerts(api, "device_silent", state="open")) == 1


async def test_an_excursion_stays_open_when_the_cold_is_back_until_quality_decides(api: Api) -> None:
    shipment = await carried(api)
    api.clock.set(START + timedelta(hours=9))
    await read(api, *spell(8, 5, 9, 9, 9, 5, 5))
    (told,) = await alerts(api, "temperature_excursion")

    quality = await api.headers("quality")
    decision = {"decision": "use_as_is", "person": "Dr. Rossi", "meaning": "stability data allow it"}
    await api.scan(shipment, "disposition", headers=quality, reason="short and mild", details=decision)
    await api.assess()

    (ended,) = await alerts(api, "temperature_excursion")
    assert (told["state"], told["severity"], told["subject"]) == ("open", "warning", "device:TMP-1")
    assert told["since"] == "2026-03-02T08:22:30.000Z"
    assert told["evidence"]["max_c"] == 9.0
    assert ended["state"] == "resolved"


@pytest.mark.parametrize("late", [False, True], ids=["live", "a day late"])
async def test_a_logger_read_a_day_later_gives_the_alert_that_a_live_one_gives(api: Api, late: bool) -> None:
    budget = NO_BUDGET | {"budget_minutes": 60}
    await carried(api, storage=budget, live=not late)
    night = spell(8, 5, 9, 9, 9, 9, 5, 5)

    if late:
        api.clock.set(START + timedelta(hours=33))
        await read(api, *night)
    else:
        for at, value in night:
            api.clock.set(START + timedelta(hours=at, seconds=5))
            await read(api, (at, value))

    (told,) = await alerts(api, "temperature_excursion")
    detail = (await api.get(f"/v1/alerts/{told['id']}")).json()
    assert (told["state"], told["severity"], told["since"]) == (
        "resolved", "warning", "2026-03-02T08:22:30.000Z",
    )  # fmt: skip
    assert told["detected_late"] is late
    assert [step["change"] for step in detail["history"]] == ["opened", "resolved"]


async def test_a_quiet_live_sensor_costs_no_assessment_and_its_status_is_fresh(api: Api) -> None:
    shipment = await carried(api)
    api.clock.set(START + timedelta(hours=8, minutes=11))
    await read(api, (8, 5.0))
    before = await due_at(api, shipment)

    api.clock.set(START + timedelta(hours=8, minutes=21))
    batch = [{"device_id": "TMP-1", "at": hours(8 + 1 / 3), "temperature_c": 6.0}]
    await api.post("/v1/readings", {"readings": batch})

    assert await due_at(api, shipment) == before
    assert (await api.status(shipment))["thermal"][0]["last_c"] == 6.0
    await read(api, (8 + 1 / 3 + 0.001, 9.0))
    assert (await api.status(shipment))["thermal"][0]["in_excursion"] is True


async def test_too_much_unmonitored_quarantines_the_dose(api: Api) -> None:
    shipment = await carried(api, storage=NO_BUDGET | {"max_unmonitored_minutes": 90})
    await read(api, (8, 5.0))

    api.clock.set(START + timedelta(hours=11))
    await api.assess()

    status = await api.status(shipment)
    assert status["doses"][0]["quality_status"] == "quarantined"
    assert status["doses"][0]["verdict"] == "quarantined"
    assert status["thermal"][0]["unmonitored_minutes"] == pytest.approx(170)


async def test_a_logger_put_in_on_the_way_is_found_by_its_readings(api: Api) -> None:
    shipment = await carried(api)
    attached = {"device_id": "NEW-1", "place": "product", "interval_s": 600.0}
    await api.scan(shipment, "device_attached", details=attached)
    api.clock.advance(hours=1)
    await api.assess()

    await read(api, *spell(8, 9, 9, 9, 9), device_id="NEW-1")

    (told,) = await alerts(api, "temperature_excursion")
    assert told["subject"] == "device:NEW-1"


async def test_light_in_the_box_is_told_until_a_person_closes_it(api: Api) -> None:
    await carried(api)
    api.clock.advance(hours=1)
    await read(api, (8.5, 5.0), light_lux=300.0, battery_pct=9.0)
    (tamper,) = await alerts(api, "tamper")

    await read(api, (9.0, 5.0), light_lux=0.0)
    (still,) = await alerts(api, "tamper")
    closed = await api.post(f"/v1/alerts/{tamper['id']}/resolve", {"comment": "Customs opened it."})
    await read(api, (9.0 + 1 / 60, 5.0), light_lux=0.0)

    assert still["state"] == "open"
    assert closed.json()["state"] == "resolved"
    assert await alerts(api, "tamper", state="open") == []
    assert [one["severity"] for one in await alerts(api, "battery_low")] == ["info"]


async def test_an_outage_or_an_import_makes_one_alert_a_subject(api: Api) -> None:
    shipment = await carried(api, storage=NO_BUDGET | {"budget_minutes": 100_000})
    others = [
        await api.ship(reference=f"O-{n}", devices=[DEVICE | {"device_id": f"D-{n}"}]) for n in range(20)
    ]
    for one in others:
        await api.scan(one, "picked_up", leg=1, event_id=f"up-{one['id']}")
    api.clock.set(START + timedelta(hours=14))
    wave = [(8 + minutes / 60, 5.0 + 6 * (minutes // 30 % 2)) for minutes in range(0, 360, 2)]

    await read(api, *wave)
    await read(api, *wave)

    silent = await alerts(api, "device_silent", state="open", limit="500")
    assert len({one["subject"] for one in silent}) == len(silent) == 20
    assert len(await alerts(api, "temperature_excursion", shipment_id=shipment["id"])) <= 2
