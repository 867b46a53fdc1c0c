"""Readings through HTTP: three dialects, identity, conflicts, and what a status makes of them."""

import asyncio
import gzip
import json
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest
import sqlalchemy as sa

from app.domain.readings import CHANNELS
from app.models.reading import ReadingCreate
from app.pipeline.arrivals import _BOUNDS
from app.store.tables import audit_entry
from tests.support.api import START, Api, hours, product_body

NOW_H = 10
DEVICE = {"device_id": "TMP-1", "interval_s": 600, "from": hours(0)}


def sample(minutes: float, temperature_c: float | None = 5.0, **changes: Any) -> dict[str, Any]:
    return {"device_id": "TMP-1", "at": hours(minutes / 60), "temperature_c": temperature_c} | changes


async def send(api: Api, *samples: Any) -> dict[str, Any]:
    answer = await api.post("/v1/readings", {"readings": list(samples)})
    assert answer.status_code == 200, answer.text
    return cast(dict[str, Any], answer.json())


async def raw(api: Api, body: bytes, media: str, *, query: str = "", **headers: str) -> httpx.Response:
    return await api.client.post(
        f"/v1/readings{query}", content=body, headers=api.admin | {"content-type": media} | headers
    )


async def thermal(api: Api, shipment: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], (await api.status(shipment, **params))["thermal"])


async def carried(api: Api, *devices: dict[str, Any], **storage: Any) -> dict[str, Any]:
    """Register a shipment whose product may be warm for 60 minutes, at ten hours into the tests."""
    await api.set_up()
    limits = {"min_c": 2, "max_c": 8, "do_not_freeze": True, "alarm_delay_minutes": 15, "budget_minutes": 60}
    made = await api.post("/v1/products", product_body(name="cold", storage=limits | storage))
    api.clock.set(START + timedelta(hours=NOW_H))
    return await api.ship(product_id=made.json()["id"], devices=list(devices or (DEVICE,)))


async def test_the_whole_thermal_block(api: Api) -> None:
    shipment = await carried(api)

    await send(api, *(sample(10 * number, value) for number, value in enumerate((4, 6, 9, 11, 7, 5))))

    (series,) = await thermal(api, shipment, at=hours(1), known_at=hours(NOW_H))
    numbers = {name: series.pop(name) for name in ("mean_c", "mkt_c", "above_minutes")}
    assert numbers == {
        "mean_c": pytest.approx((5 + 7.5 + 10 + 9 + 6) / 5),
        "mkt_c": pytest.approx(7.9, abs=0.5),
        "above_minutes": pytest.approx(10 / 3 + 10 + 7.5),
    }
    assert series == {
        "device_id": "TMP-1",
        "sensor": "main",
        "place": "product",
        "last_c": 5.0,
        "last_at": "2026-03-02T00:50:00.000Z",
        "min_c": 4.0,
        "max_c": 11.0,
        "below_minutes": 0.0,
        "unmonitored_minutes": 0.0,
        "budget_remaining_minutes": pytest.approx(60 - 10 / 3 - 10 - 7.5),
        "in_excursion": False,
    }


async def test_csv_with_local_times_ndjson_and_gzip_say_what_json_says(api: Api) -> None:
    shipment = await carried(api)
    table = "device_id,at,temperature_c,battery_pct\r\nTMP-1,2026-03-02 08:00:00,4.5,90\r\nTMP-1,noon,1,\r\n"
    lines = b"\n".join(json.dumps(sample(minutes)).encode() for minutes in (10, 20))

    as_csv = await raw(api, table.encode(), "text/csv", query="?utc_offset=%2B08:00")
    unescaped = await raw(api, table.encode(), "text/csv", query="?utc_offset=+08:00")
    naive = await raw(api, table.encode(), "text/csv; charset=utf-8")
    as_lines = await raw(
        api, gzip.compress(lines + b'\n{"broken'), "application/x-ndjson", **{"content-encoding": "gzip"}
    )
    as_json = await send(api, sample(0, 4.5, battery_pct=90), sample(10), sample(20, 5))

    assert (as_csv.json()["accepted"], [one["index"] for one in as_csv.json()["rejected"]]) == (1, [1])
    assert unescaped.json()["duplicates"] == 1
    assert (naive.json()["accepted"], len(naive.json()["rejected"])) == (0, 2)
    assert (as_lines.json()["accepted"], [one["index"] for one in as_lines.json()["rejected"]]) == (2, [2])
    assert (as_json["accepted"], as_json["duplicates"]) == (0, 3)
    assert (await thermal(api, shipment))[0]["last_at"] == "2026-03-02T00:20:00.000Z"


BAD: list[tuple[str, Any]] = [
    ("unknown field", sample(0, colour="red")),
    ("naive time", sample(0, at="2026-03-02T00:00:00")),
    ("epoch", sample(0, at=1_772_400_000)),
    ("day that is none", sample(0, at="2026-02-30T00:00:00Z")),
    ("offset that is none", sample(0, at="2026-03-02T00:00:00+25:00")),
    ("below absolute zero", sample(0, -273.16)),
    ("text for a number", sample(0, cast(float, "5.1"))),
    ("true for a number", sample(0, cast(float, True))),
    ("more than all of the battery", sample(0, battery_pct=100.5)),
    ("a number of 17 digits", sample(0, 10**16)),
    ("no device", {"at": hours(0), "temperature_c": 5}),
    ("empty device", sample(0, device_id="")),
    ("NUL", sample(0, device_id="a\x00b")),
    ("a list for a device", sample(0, device_id=["T"])),
    ("no object", 7),
    ("tomorrow and a bit", sample(60 * (NOW_H + 24.1))),
    ("a clock never set", sample(0, at="1970-01-01T00:00:00Z")),
]


@pytest.mark.parametrize("bad", [row[1] for row in BAD], ids=[row[0] for row in BAD])
async def test_an_impossible_reading_is_refused_alone(api: Api, bad: Any) -> None:
    api.clock.set(START + timedelta(hours=NOW_H))

    receipt = await send(api, sample(0), bad, sample(10))

    assert receipt["accepted"] == 2
    assert [one["index"] for one in receipt["rejected"]] == [1]
    assert receipt["rejected"][0]["detail"]


@pytest.mark.parametrize(
    ("body", "media", "query", "status"),
    [
        (b'{"readings": []}', "application/json", "", 422),
        (b'{"readings": [], "x": 1}', "application/json", "", 422),
        (b"[]", "application/json", "", 422),
        (b'{"readings": [' + b"{}," * 10_000 + b"{}]}", "application/json", "", 422),
        (b"{", "application/json", "", 400),
        (b"\n\n", "application/x-ndjson", "", 422),
        (b"a,b\n1,2\n", "text/csv", "", 422),
        (b"\xff", "text/csv", "", 400),
        (b"device_id,at\nT,x\n", "text/csv", "?utc_offset=8", 422),
        (b'{"readings": [{}]}', "application/json", "?utc_offset=%2B08:00", 422),
        (b"<readings/>", "application/xml", "", 415),
        (b" " * (8 * 1024 * 1024 + 1), "text/csv", "", 413),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_a_request_that_cannot_be_read_is_a_clear_4xx(
    api: Api, body: bytes, media: str, query: str, status: int
) -> None:
    answer = await raw(api, body, media, query=query)

    assert answer.status_code == status
    assert answer.json()["status"] == status


async def test_what_is_known_is_a_duplicate_and_another_value_a_conflict(api: Api) -> None:
    shipment = await carried(api)
    await send(api, sample(0, 4.0), sample(10, None, battery_pct=50))

    receipt = await send(
        api, sample(0, 4), sample(0, 4.5), sample(10, 5), sample(10, None, battery_pct=50.0),
        sample(20, 6.0), sample(20, 6.0), sample(20, 6.5), sample(20, 6.0, sensor="lid"),
    )  # fmt: skip

    assert (receipt["accepted"], receipt["duplicates"]) == (2, 3)
    assert [one["index"] for one in receipt["rejected"]] == [1, 2, 6]
    assert (await thermal(api, shipment))[0]["last_c"] == 6.0


async def test_of_equal_requests_at_once_each_reading_is_accepted_once(api: Api) -> None:
    await carried(api)
    batch = [sample(minutes, 5.0, device_id=f"TMP-{minutes % 3}") for minutes in range(0, 300, 7)]

    receipts = await asyncio.gather(
        *(send(api, *(batch if number % 2 else reversed(batch))) for number in range(12))
    )

    assert sum(one["accepted"] for one in receipts) == len(batch)
    assert sum(one["duplicates"] for one in receipts) == 11 * len(batch)
    assert all(not one["rejected"] for one in receipts)


async def test_of_contradicting_requests_at_once_one_wins_each_reading(api: Api) -> None:
    await carried(api)

    receipts = await asyncio.gather(
        *(send(api, *(sample(minutes, value) for minutes in range(0, 60, 2))) for value in range(3, 9))
    )

    assert sum(one["accepted"] for one in receipts) == 30
    assert sum(len(one["rejected"]) for one in receipts) == 5 * 30


async def test_readings_without_a_shipment_wait_and_count_when_their_device_is_assigned(api: Api) -> None:
    api.clock.set(START + timedelta(hours=NOW_H))
    await send(api, sample(0, 4.0), sample(10, 6.0))

    shipment = await carried(api)

    assert (await thermal(api, shipment))[0]["max_c"] == 6.0


async def test_one_device_serves_several_shipments_each_in_its_own_time(api: Api) -> None:
    first = await carried(api, DEVICE | {"until": hours(1)})
    second = await api.ship(reference="LU-2", devices=[DEVICE | {"from": hours(1)}])

    await send(api, sample(0, 3.0), sample(59, 4.0), sample(60, 6.0), sample(70, 7.0))

    spans = [
        (one["min_c"], one["max_c"]) for one in (*await thermal(api, first), *await thermal(api, second))
    ]
    assert spans == [(3.0, 4.0), (6.0, 7.0)]


async def test_a_logger_replaced_on_the_way_goes_on_with_the_budget(api: Api) -> None:
    shipment = await carried(api)
    await api.scan(shipment, "device_detached", details={"device_id": "TMP-1"}, occurred_at=hours(1))
    attached = {"device_id": "NEW-1", "interval_s": 600.0}
    await api.scan(shipment, "device_attached", details=attached, occurred_at=hours(1))
    samples = [sample(minutes, 10.0) for minutes in range(0, 80, 10)]

    await send(api, *samples, *(one | {"device_id": "NEW-1"} for one in samples))

    block = await thermal(api, shipment, at=hours(1.2), known_at=hours(NOW_H))
    assert [(one["device_id"], one["above_minutes"]) for one in block] == [("TMP-1", 50), ("NEW-1", 10)]
    assert {one["budget_remaining_minutes"] for one in block} == {0}
    assert [one["in_excursion"] for one in block] == [True, True]


async def test_a_status_of_the_past_knows_the_readings_of_then(api: Api) -> None:
    shipment = await carried(api)
    await send(api, sample(0, 4.0), sample(10, 5.0))
    api.clock.advance(hours=1)
    await send(api, sample(5, 7.0), sample(20, 6.0))

    async def peak(**params: str) -> tuple[float, float]:
        (series,) = await thermal(api, shipment, **params)
        return series["last_c"], series["max_c"]

    assert await peak(at=hours(0.1), known_at=hours(NOW_H + 1)) == (7.0, 7.0)
    assert await peak(at=hours(1), known_at=hours(NOW_H)) == (5.0, 5.0)
    assert await peak() == (6.0, 7.0)


async def test_each_request_leaves_one_audit_entry(api: Api) -> None:
    await send(api, sample(0), sample(0, sensor="lid"), sample(0, 9.0))
    await send(api, sample(0))

    async with api.house.db.reading() as connection:
        rows = (
            await connection.execute(sa.select(audit_entry.c.new).where(audit_entry.c.action == "readings"))
        ).all()
    assert [(one.new["accepted"], one.new["duplicates"], one.new["rejected"]) for one in rows] == [
        (2, 0, 1),
        (0, 1, 0),
    ]


async def test_ten_thousand_readings_of_a_thousand_sensors_fit_one_request(api: Api) -> None:
    api.clock.set(START + timedelta(hours=NOW_H))
    batch = [
        sample(minutes, 5.0, device_id=f"D-{device}", sensor=f"s{device % 2}")
        for device in range(1000)
        for minutes in range(0, 100, 10)
    ]

    first, again = await send(api, *batch), await send(api, *batch)

    assert (first["accepted"], again["duplicates"]) == (10_000, 10_000)


def test_whole_columns_are_held_to_the_bounds_of_single_readings() -> None:
    shape = ReadingCreate.model_json_schema()["properties"]

    def bounds(name: str) -> tuple[float, float]:
        (number,) = [one for one in shape[name]["anyOf"] if one["type"] == "number"]
        return number["minimum"], number["maximum"]

    assert {name: bounds(name) for name in CHANNELS} == _BOUNDS
