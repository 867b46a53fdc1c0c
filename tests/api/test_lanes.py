"""Lane history through HTTP: taken row by row, learned by a job, named by every assessment."""

import base64
import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from tests.domain.lane_learning.made import FIRST_DAY, a_history
from tests.support.api import Api, hours

COLUMNS = (
    "mode", "carrier", "service", "origin", "destination", "planned_departure_at", "departed_at",
    "planned_arrival_at", "arrived_at", "outcome",
)  # fmt: skip
PATH = "/v1/lanes/history"


def rows(*, days: int = 4) -> list[dict[str, Any]]:
    """Return legs of the tests' hub, all before the tests' clock."""
    return [
        {
            name: value.isoformat() if hasattr(value := getattr(leg, name), "isoformat") else value
            for name in COLUMNS
        }
        for leg in a_history(days=days)
    ]


def as_csv(legs: list[dict[str, Any]]) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, [*COLUMNS, "distance_km"], restval="7")
    writer.writeheader()
    writer.writerows(legs)
    return file.getvalue().encode()


async def test_importing_twice_changes_nothing_in_either_format(api: Api) -> None:
    legs = rows(days=2)

    first = await api.post(PATH, {"rows": legs})
    bare = await api.post(PATH, legs)
    again = await api.client.post(
        PATH, content=as_csv(legs), headers=api.admin | {"Content-Type": "text/csv"}
    )

    assert first.json() == {"accepted": len(legs), "duplicates": 0, "rejected": []}
    assert bare.json() == again.json() == {"accepted": 0, "duplicates": len(legs), "rejected": []}


async def test_bad_rows_are_refused_one_by_one_and_the_rest_is_taken(api: Api) -> None:
    good = rows(days=1)[:3]
    bad = [
        good[0] | {"arrived_at": good[0]["planned_departure_at"], "departed_at": good[0]["arrived_at"]},
        good[0] | {"mode": "rocket"},
        good[0] | {"departed_at": "2026-01-01T10:00:00"},
        good[0] | {"arrived_at": (FIRST_DAY + timedelta(days=11)).isoformat()},
        good[1] | {"arrived_at": (FIRST_DAY + timedelta(hours=20)).isoformat(), "outcome": "arrived"},
        good[0] | {"service": "X9", "arrived_at": "2027-01-01T00:00:00Z", "planned_arrival_at": "2026-12-31T00:00:00Z", "departed_at": "2026-12-30T00:00:00Z", "planned_departure_at": "2026-12-30T00:00:00Z"},  # noqa: E501
        "nothing",
    ]  # fmt: skip

    told = (await api.post(PATH, {"rows": [*good, *bad, good[2]]})).json()

    assert told["accepted"] == 3
    assert told["duplicates"] == 1
    assert [one["index"] for one in told["rejected"]] == [3, 4, 5, 6, 7, 8, 9]
    assert all(one["detail"] for one in told["rejected"])


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"a,b\n1,2\n", "text/csv", 422, "no_leg_history"),
        (b"\xff\xfe", "text/csv", 400, "unparseable_body"),
        (b"{", "application/json", 400, "unparseable_body"),
        (b'{"legs": []}', "application/json", 422, "invalid"),
        (b"x", "application/xml", 415, "unsupported_media_type"),
        (b"[" + b"1," * 50_000 + b"1]", "application/json", 422, "invalid"),
        (b" " * (8 * 1024 * 1024 + 1), "text/csv", 413, "body_too_large"),
    ],
    ids=["no header", "no text", "no JSON", "no rows", "no such type", "too many rows", "too long"],
)
async def test_what_is_no_history_is_refused_whole(
    api: Api, content: bytes, kind: str, status: int, code: str
) -> None:
    told = await api.client.post(PATH, content=content, headers=api.admin | {"Content-Type": kind})

    assert (told.status_code, told.json()["code"]) == (status, code)


async def test_only_the_office_reads_lanes_and_only_operators_write_them(api: Api) -> None:
    courier = await api.headers("courier", carrier="XA")
    auditor = await api.headers("auditor")

    assert (await api.post(PATH, [], headers=courier)).status_code == 403
    assert (await api.post(PATH, [], headers=auditor)).status_code == 403
    assert (await api.get("/v1/lanes", headers=courier)).status_code == 403
    assert (await api.get("/v1/lanes", headers=auditor)).json() == {"data": [], "next_cursor": None}


async def test_a_published_set_is_named_by_what_was_assessed_with_it_and_by_nothing_before(api: Api) -> None:
    flight = {"mode": "air", "carrier": "XA", "service": "X0", "origin": "HUB", "destination": "BLQ-HOSP"}
    way = flight | {"planned_departure_at": hours(20), "planned_arrival_at": hours(21.5)}
    shipment = await api.ship(legs=[way], origin={"code": "HUB", "lat": 45.0, "lon": 9.0})
    await api.assess()
    before = await api.status(shipment)
    history = [leg | ({"destination": "BLQ-HOSP"} if leg["destination"] == "AAA" else {}) for leg in rows()]
    await api.post(PATH, history)
    api.clock.advance(minutes=5)

    published = await api.house.lanes.publish_due()
    await api.scan(shipment, "position", location={"code": "HUB"})
    await api.assess()
    after = await api.status(shipment)

    assert published == 1
    assert await api.house.lanes.publish_due() == 0
    assert before["eta"]["contributions"][0]["basis"].startswith("air history, n=162,171")
    assert after["eta"]["contributions"][0]["basis"] == "lane history, n=64"
    listed = (await api.get("/v1/lanes", destination="BLQ-HOSP", carrier="XA")).json()["data"]
    assert listed[0]["n"] == 32
    assert listed[0]["lanes_version"] == "lanes-1"
    delay = listed[0]["departure_delay_minutes"]
    assert delay["p10"] < delay["p50"] < delay["p90"]
    assert sum(level["weight"] for level in listed[0]["falls_back_to"]) == pytest.approx(1.0, abs=0.01)
    assert (before["eta"]["lanes_version"], after["eta"]["lanes_version"]) == ("priors-1", "lanes-1")
    past = await api.status(shipment, at=hours(0), known_at=hours(0))
    assert past["eta"]["lanes_version"] == "priors-1"
    assert past["eta"]["contributions"][0]["basis"].startswith("air history, n=162,171")


async def test_the_example_of_a_list_has_the_fields_that_a_learned_lane_has(api: Api) -> None:
    await api.post(PATH, rows())
    api.clock.advance(minutes=5)
    await api.house.lanes.publish_due()

    page = (await api.get("/v1/lanes", limit=1)).json()
    document = (await api.get("/openapi.json")).json()

    told = document["paths"]["/v1/lanes"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
    (lane,), (example,) = page["data"], told["data"]
    assert told.keys() == page.keys()
    assert example.keys() == lane.keys()
    assert [one["level"] for one in example["falls_back_to"]] == [
        one["level"] for one in lane["falls_back_to"]
    ]


async def test_lanes_are_listed_page_by_page(api: Api) -> None:
    await api.post(PATH, rows(days=1))

    first = (await api.get("/v1/lanes", mode="air", limit=4)).json()
    second = (await api.get("/v1/lanes", mode="air", limit=4, cursor=first["next_cursor"])).json()

    lanes = [(one["destination"], one["carrier"]) for one in [*first["data"], *second["data"]]]
    assert lanes == [(code, carrier) for code in ("AAA", "BBB", "CCC") for carrier in ("XA", "XB")]
    assert first["data"][0]["falls_back_to"] == [{"level": "priors", "n": None, "weight": 1.0}]


async def test_an_hour_later_news_makes_a_short_set_and_a_day_later_a_whole_one(api: Api) -> None:
    legs = rows(days=5)
    await api.post(PATH, legs[:200])
    api.clock.advance(minutes=1)
    assert await api.house.lanes.publish_due() == 1

    await api.post(PATH, legs[200:205])
    api.clock.advance(minutes=30)
    too_soon = await api.house.lanes.publish_due()
    api.clock.advance(minutes=31)
    hourly = await api.house.lanes.publish_due()
    listed = (await api.get("/v1/lanes")).json()["data"]
    await api.post(PATH, legs[205:206])
    api.clock.advance(hours=24)
    daily = await api.house.lanes.publish_due()

    assert (too_soon, hourly, daily) == (0, 1, 1)
    assert {one["lanes_version"] for one in listed} == {"lanes-2"}


async def test_our_own_legs_and_stays_join_the_history_once(api: Api) -> None:
    shipment = await api.ship()
    for hour, kind, leg in (
        (8, "departed", 1),
        (9.2, "arrived", 1),
        (12.1, "departed", 2),
        (13, "arrived", 2),
    ):
        api.clock.set(FIRST_DAY.replace(month=3, day=2) + timedelta(hours=hour))
        await api.scan(shipment, kind, leg=leg)
        await api.assess()
    await api.assess()

    lanes = (await api.get("/v1/lanes")).json()["data"]

    assert {(one["mode"], one["origin"], one["destination"], one["n"]) for one in lanes} == {
        ("road", "PLANT", "MXP", 1),
        ("air", "MXP", "BLQ", 1),
    }
    again = (
        await api.post(
            PATH,
            [
                {
                    "mode": "road",
                    "carrier": "ACME",
                    "origin": "PLANT",
                    "destination": "MXP",
                    "planned_departure_at": hours(8),
                    "departed_at": hours(8),
                    "planned_arrival_at": hours(9),
                    "arrived_at": hours(9.2),
                    "outcome": "arrived",
                }
            ],
        )
    ).json()
    assert again == {"accepted": 0, "duplicates": 1, "rejected": []}


TIMETABLE: dict[str, Any] = {
    "mode": "air",
    "origin": "MXP",
    "destination": "BLQ",
    "services": [
        {"carrier": "AZ", "service": "AZ7", "days": [1, 2, 3], "departs": "15:30", "timezone": "Europe/Rome", "minutes": 60}  # noqa: E501
    ],
}  # fmt: skip


async def test_a_timetable_tells_what_a_missed_package_takes_next_and_what_would_help(api: Api) -> None:
    stored = await api.post("/v1/lanes/timetable", TIMETABLE)
    await api.house.lanes.publish_due()
    shipment = await api.ship()
    for hours_on, kind, leg in ((8, "departed", 1), (1, "arrived", 1), (2, "leg_cancelled", 2)):
        api.clock.advance(hours=hours_on)
        await api.scan(shipment, kind, leg=leg)
    await api.assess()

    alerts = (await api.get("/v1/alerts", shipment_id=shipment["id"])).json()["data"]

    assert stored.status_code == 201
    assert stored.json()["version"] == 1
    missed = next(one for one in alerts if one["kind"] == "missed_connection")
    assert "AZ7 MXP–BLQ at Mon 02 Mar 15:30 CET (14:30Z) saves 1 of 1 dose." in missed["what_would_help"]


@pytest.mark.parametrize(("told", "act_by"), [(True, "16:30"), (False, "16:55")])
async def test_the_last_known_service_that_helps_says_until_when_to_act(
    api: Api, told: bool, act_by: str
) -> None:
    """The dose is needed by 21:00Z, so received after 20:55, on the road at 19:55, and landed by 19:25 at the latest.

    AZ9 lands at 19:00 and accepts until 16:30, AZ11 lands at 19:30. Where no timetable is told, a flight as long as
    the one cancelled would have to leave by 18:25.
    """
    if told:
        late = [
            TIMETABLE["services"][0] | {"service": name, "days": [1], "departs": departs, "minutes": 60}
            for name, departs in (("AZ9", "19:00"), ("AZ11", "19:30"))
        ]
        await api.post("/v1/lanes/timetable", TIMETABLE | {"services": [*TIMETABLE["services"], *late]})
        await api.house.lanes.publish_due()
    shipment = await api.ship()
    for hours_on, kind, leg in ((8, "departed", 1), (1, "arrived", 1), (2, "leg_cancelled", 2)):
        api.clock.advance(hours=hours_on)
        await api.scan(shipment, kind, leg=leg)
    await api.assess()

    alerts = (await api.get("/v1/alerts", shipment_id=shipment["id"])).json()["data"]
    api.clock.advance(hours=6)
    (line,) = (await api.get("/v1/alerts", group="cause")).json()["data"]

    assert {one["act_by"] for one in alerts} == {f"2026-03-02T{act_by}:00.000Z"}
    assert (line["decide_by"], line["summary"].endswith("; too late to act on the way.")) == (None, True)


async def test_a_timetable_that_cannot_be_is_refused_with_its_place(api: Api) -> None:
    bad = TIMETABLE | {"services": [TIMETABLE["services"][0] | {"departs": "25:00"}]}

    told = await api.post("/v1/lanes/timetable", bad)

    assert told.status_code == 422
    assert told.json()["errors"][0]["pointer"] == "/services/0/departs"


@pytest.mark.parametrize("after", ["x", "[1, 2, 3, 4]", '["a"]', '["a", "b", "c", "\\u0000"]'])
async def test_a_cursor_made_by_hand_is_refused(api: Api, after: str) -> None:
    await api.post(PATH, rows(days=1))
    cursor = (await api.get("/v1/lanes", limit=1)).json()["next_cursor"]
    binding = base64.urlsafe_b64decode(cursor + "==").decode().partition(".")[0]

    forged = base64.urlsafe_b64encode(f"{binding}.{after}".encode()).decode().rstrip("=")
    told = await api.get("/v1/lanes", limit=1, cursor=forged)

    assert (told.status_code, told.json()["code"]) == (422, "bad_cursor")


async def test_a_filter_that_no_database_holds_is_refused(api: Api) -> None:
    assert (await api.get("/v1/lanes", origin="A\x00B")).status_code == 422
    assert (await api.get("/v1/lanes", mode="rocket")).status_code == 422
