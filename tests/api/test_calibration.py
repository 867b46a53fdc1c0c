"""Calibration through HTTP: forecasts are kept while a dose travels, and judged once it is there."""

from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from app.scheduler.jobs import publish_lanes
from tests.api.test_lanes import PATH, rows
from tests.support.api import START, Api, hours

HORIZONS = ["more than 24 h", "6 to 24 h", "2 to 6 h", "up to 2 h", "overdue"]
MORNING = START + timedelta(days=1, hours=7)
"""When outcomes of the tests' first day begin to correct: 07:00 UTC of the next."""


def van(*, departs: float, arrives: float) -> list[dict[str, Any]]:
    way = {"mode": "road", "carrier": "ACME", "origin": "PLANT", "destination": "BLQ-HOSP"}
    return [way | {"planned_departure_at": hours(departs), "planned_arrival_at": hours(arrives)}]


async def deliver(api: Api, count: int, *, at_hour: float = 11.5) -> list[dict[str, Any]]:
    """Let vans planned to arrive at 10:00 be asked about at midnight, and arrive far later than any was said to."""
    legs = van(departs=8, arrives=10)
    doses = [{"reference": "D1", "calibrated_activity_mbq": 7770.0, "calibrated_at": hours(6)}]
    shipments = [await api.ship(reference=f"V{n}", legs=legs, doses=doses) for n in range(count)]
    await api.assess()
    api.clock.set(START + timedelta(hours=at_hour))
    scans = [
        {
            "event_id": f"delivered-{one['id']}",
            "shipment_id": one["id"],
            "type": "delivered",
            "occurred_at": hours(at_hour),
        }
        for one in shipments
    ]
    for first in range(0, count, 100):
        await api.post("/v1/events/batch", {"events": scans[first : first + 100]})
    await api.assess()
    return shipments


async def correction(api: Api) -> dict[str, Any]:
    told: dict[str, Any] = (await api.get("/v1/calibration")).json()["correction"]
    return told


async def test_settled_forecasts_correct_the_next_mornings_intervals_and_no_answer_about_before(
    api: Api,
) -> None:
    shipment = await api.ship(legs=van(departs=44, arrives=46))
    await api.assess()
    await deliver(api, 310)
    before = await api.status(shipment)

    api.clock.set(MORNING - timedelta(minutes=1))
    same_day = await publish_lanes(api.house)
    unmoved = await correction(api)
    api.clock.set(MORNING + timedelta(minutes=1))
    published, again = await publish_lanes(api.house), await publish_lanes(api.house)
    await api.scan(shipment, "position", location={"code": "PLANT"})
    await api.assess()
    after = await api.status(shipment)
    told = await correction(api)
    past = await api.status(shipment, at=hours(11.5), known_at=hours(11.5))
    then = await api.status(shipment, at=hours(30.9), known_at=hours(30.9))
    api.clock.advance(minutes=5)
    with_hindsight = await api.status(shipment, at=hours(30.9), known_at=hours(31.05))

    assert (same_day, published, again) == (0, 1, 0)
    assert unmoved["lanes_version"] == "priors-1"
    assert unmoved["horizons"] == [
        {"horizon": one, "cases": 0, "p10": 0.1, "p50": 0.5, "p90": 0.9} for one in HORIZONS
    ]
    assert (before["eta"]["lanes_version"], after["eta"]["lanes_version"]) == ("priors-1", "lanes-1")
    assert told["lanes_version"] == "lanes-1"
    assert [(one["horizon"], one["cases"]) for one in told["horizons"] if one["cases"]] == [
        ("6 to 24 h", 310)
    ]
    asked = told["horizons"][1]
    # All 310 fell at some rank r beyond p90: w = 310 / 710, so of p50 the level is w · r + (1 − w) · 0.5.
    assert 0.9 < (asked["p50"] - (400 / 710) * 0.5) / (310 / 710) <= 1.0
    assert asked["p90"] - asked["p10"] == pytest.approx(400 / 710 * 0.8, abs=1e-3)
    assert after["eta"]["p50"] > before["eta"]["p50"]
    assert after["eta"]["p10"] > before["eta"]["p10"]
    assert past["eta"] == before["eta"]
    assert then["eta"]["lanes_version"] == "priors-1"
    assert then["eta"]["p50"] == before["eta"]["p50"]
    assert with_hindsight["eta"]["lanes_version"] == "lanes-1"
    assert with_hindsight["eta"]["p50"] == after["eta"]["p50"]


async def test_a_correction_fades_when_its_outcomes_are_three_weeks_old(api: Api) -> None:
    await deliver(api, 301)
    api.clock.set(MORNING)
    first = await publish_lanes(api.house)
    api.clock.advance(days=19)
    still = await publish_lanes(api.house)
    api.clock.advance(days=1)
    last = await publish_lanes(api.house)

    assert (first, still, last) == (1, 0, 1)
    told = await correction(api)
    assert told["lanes_version"] == "lanes-2"
    assert [one["cases"] for one in told["horizons"]] == [0] * 5


async def test_a_short_set_of_the_morning_corrects_and_keeps_what_is_known_of_lanes(api: Api) -> None:
    await deliver(api, 301)
    legs = rows(days=5)
    await api.post(PATH, legs[:200])
    whole = await publish_lanes(api.house)
    api.clock.set(MORNING)
    short = await publish_lanes(api.house)
    corrected, listed = await correction(api), (await api.get("/v1/lanes")).json()["data"]
    await api.post(PATH, legs[200:205])
    api.clock.advance(minutes=61)
    later = await publish_lanes(api.house)

    assert (whole, short, later) == (1, 1, 1)
    assert corrected["lanes_version"] == "lanes-2"
    assert [one["cases"] for one in corrected["horizons"]] == [0, 301, 0, 0, 0]
    assert {one["lanes_version"] for one in listed} == {"lanes-2"}
    assert {level["level"] for one in listed for level in one["falls_back_to"]} > {"priors"}
    assert await correction(api) == corrected | {"lanes_version": "lanes-3"}


async def test_what_is_lost_and_an_arrival_taken_back_teach_nothing(
    api: Api,
) -> None:
    shipments = await deliver(api, 302)
    await api.scan(shipments[0], "lost", reason="van stolen")
    for one in shipments[:2]:
        wrong = f"delivered-{one['id']}"
        told = await api.scan(
            one, "correction", event_id=f"not-{wrong}", details={"corrects": wrong}, reason="another parcel"
        )
        assert told.status_code == 201, told.text
    api.clock.set(MORNING)
    await api.assess()

    published = await publish_lanes(api.house)

    assert (published, (await correction(api))["lanes_version"]) == (0, "priors-1")
    assert (await api.get("/v1/calibration")).json()["forecasts"] == 301


async def test_a_delivered_shipment_settles_the_forecasts_made_on_its_way(api: Api) -> None:
    shipment = await api.ship()
    await api.assess()
    for hour, kind, leg in ((8, "departed", 1), (9, "arrived", 1), (12, "departed", 2), (13, "arrived", 2)):
        api.clock.advance(hours=hour - (api.clock.at.hour + api.clock.at.minute / 60))
        await api.scan(shipment, kind, leg=leg)
        await api.assess()
    before = (await api.get("/v1/calibration")).json()

    api.clock.advance(hours=2)
    await api.scan(shipment, "delivered")
    await api.assess()
    told = (await api.get("/v1/calibration")).json()

    assert (before["forecasts"], before["coverage"], before["reliability"]) == (0, [], [])
    assert told["forecasts"] == sum(cell["cases"] for cell in told["coverage"]) >= 3
    assert {cell["week"] for cell in told["coverage"]} == {hours(0)[:10]}
    assert {cell["legs"] for cell in told["coverage"]} == {3}
    assert {cell["came_true"] for cell in told["reliability"]} == {0.0}


async def test_the_curves_are_a_picture_and_empty_ones_too(api: Api) -> None:
    told = await api.get("/v1/calibration.svg")

    assert told.headers["content-type"].startswith("image/svg+xml")
    assert ElementTree.fromstring(told.text).tag.endswith("svg")  # noqa: S314 - our own


async def test_a_cancelled_shipment_teaches_nothing(api: Api) -> None:
    shipment = await api.ship()
    await api.assess()
    await api.post(f"/v1/shipments/{shipment['id']}/cancel", {"reason": "trial stopped"})
    await api.assess()

    assert (await api.get("/v1/calibration")).json()["forecasts"] == 0


async def test_calibration_is_for_the_office(api: Api) -> None:
    courier = await api.headers("courier", carrier="XA")

    assert (await api.get("/v1/calibration", headers=courier)).status_code == 403
    assert (await api.get("/v1/calibration.svg", headers=courier)).status_code == 403


async def test_a_parameter_that_calibration_does_not_have_is_refused_as_elsewhere(api: Api) -> None:
    for path in ("/v1/calibration", "/v1/calibration.svg"):
        refused = await api.get(path, horizon="overdue")

        assert refused.status_code == 422
        assert (refused.json()["code"], refused.json()["errors"][0]["pointer"]) == (
            "unknown_query",
            "?horizon",
        )
