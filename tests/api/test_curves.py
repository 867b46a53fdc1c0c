"""A shipment's readings to be drawn: each of them, or by stretches; only those that count."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.api import START, Api, hours


async def shipped(api: Api) -> dict[str, Any]:
    devices = [{"device_id": "T", "from": hours(1), "until": hours(50)}, {"device_id": "U", "from": hours(0)}]
    shipment = await api.ship(devices=devices)
    api.clock.set(START + timedelta(hours=60))
    batch = [
        {
            "device_id": device,
            "at": hours(minutes / 60),
            "temperature_c": float(minutes % 60),
            "battery_pct": 50,
        }
        for device, every in (("T", 10), ("U", 60), ("V", 60))
        for minutes in range(0, 52 * 60, every)
    ]
    await api.post("/v1/readings", {"readings": batch})
    return shipment


async def drawn(api: Api, shipment: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
    answer = await api.get(f"/v1/shipments/{shipment['id']}/readings", **params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def test_raw_readings_are_those_within_the_assignments_in_order_of_time(api: Api) -> None:
    shipment = await shipped(api)

    points = await drawn(api, shipment, until=hours(1.2))

    assert [(one["device_id"], one["at"][11:16]) for one in points] == [
        ("U", "00:00"), ("T", "01:00"), ("U", "01:00"), ("T", "01:10"),
    ]  # fmt: skip
    assert points[1] == {
        "device_id": "T",
        "sensor": "main",
        "place": "product",
        "at": "2026-03-02T01:00:00.000Z",
        "received_at": "2026-03-04T12:00:00.000Z",
        "temperature_c": 0.0,
        "battery_pct": 50.0,
    }


@pytest.mark.parametrize(
    ("resolution", "points", "first"),
    [
        ("5m", 294, ("2026-03-02T01:00:00.000Z", 1, 0.0, 0.0, 0.0)),
        ("1h", 49, ("2026-03-02T01:00:00.000Z", 6, 0.0, 50.0, 25.0)),
        ("1d", 3, ("2026-03-02T00:00:00.000Z", 138, 0.0, 50.0, 25.0)),
    ],
)
async def test_stretches_hold_count_extremes_and_mean(
    api: Api, resolution: str, points: int, first: tuple[Any, ...]
) -> None:
    shipment = await shipped(api)

    found = await drawn(api, shipment, device_id="T", resolution=resolution)

    assert len(found) == points
    assert tuple(found[0][name] for name in ("at", "count", "min_c", "max_c", "mean_c")) == first
    assert sum(one["count"] for one in found) == 49 * 6


async def test_pages_join_up_and_bounds_are_half_open(api: Api) -> None:
    shipment = await shipped(api)
    whole = await drawn(api, shipment, **{"from": hours(2), "until": hours(4)})
    path = f"/v1/shipments/{shipment['id']}/readings"

    pages: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        span: dict[str, Any] = {"from": hours(2), "until": hours(4), "limit": 3}
        page = (await api.get(path, **(span | cursor))).json()
        pages += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert pages == whole
    assert (whole[0]["at"], len(whole)) == ("2026-03-02T02:00:00.000Z", 14)


async def test_who_may_not_see_the_shipment_sees_no_readings(api: Api) -> None:
    shipment = await shipped(api)
    path = f"/v1/shipments/{shipment['id']}/readings"

    foreign = await api.get(path, headers=await api.headers("courier", carrier="OTHER"))
    device = await api.get(path, headers=await api.headers("device"))
    own = await api.get(path, headers=await api.headers("courier", carrier="ACME"), resolution="1d")

    assert (foreign.status_code, device.status_code, own.status_code) == (404, 403, 200)


@pytest.mark.parametrize(
    "query", [{"resolution": "2h"}, {"from": "yesterday"}, {"limit": 0}, {"cursor": "x"}], ids=str
)
async def test_a_question_that_makes_no_sense_is_422(api: Api, query: dict[str, Any]) -> None:
    shipment = await api.ship()

    assert (await api.get(f"/v1/shipments/{shipment['id']}/readings", **query)).status_code == 422
