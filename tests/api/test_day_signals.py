"""The day's other legs through HTTP: told as they leave, published soon, felt by whoever leaves there next."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from app.domain.lane_learning.history import LaneLeg
from app.scheduler.jobs import publish_lanes
from tests.domain.lane_learning.made import a_history
from tests.support.api import START, Api, hours

PATH = "/v1/lanes/history"
COLUMNS = (
    "mode", "carrier", "service", "origin", "destination", "planned_departure_at", "departed_at",
    "planned_arrival_at", "arrived_at", "outcome",
)  # fmt: skip
LATE = timedelta(minutes=60)


def row(leg: LaneLeg, **changes: Any) -> dict[str, Any]:
    values = {name: getattr(leg, name) for name in COLUMNS} | changes
    return {name: one.isoformat() if isinstance(one, datetime) else one for name, one in values.items()}


def learned() -> list[dict[str, Any]]:
    """Return two months of flights from HUB, the last of them a day before the tests' clock; each sixth day is bad."""
    found = []
    for leg in a_history(days=59):
        late = LATE * 0.75 if leg.planned_departure_at.toordinal() % 6 == 0 else timedelta(0)
        found.append(
            row(
                leg,
                destination="BLQ-HOSP" if leg.destination == "AAA" else leg.destination,
                departed_at=leg.departed_at and leg.departed_at + late,
                arrived_at=leg.arrived_at and leg.arrived_at + late,
            )
        )
    return found


def today(first_hour: float, last_hour: float) -> list[LaneLeg]:
    """Return flights from HUB planned today, one every quarter of an hour, of which nothing has happened yet."""
    shift = START - a_history(days=1)[0].planned_departure_at + timedelta(hours=first_hour)
    legs = a_history(days=1)[: round(4 * (last_hour - first_hour))]
    return [
        replace(
            leg,
            planned_departure_at=leg.planned_departure_at + shift,
            planned_arrival_at=leg.planned_arrival_at + shift,
            departed_at=None,
            arrived_at=None,
            outcome="planned",
        )
        for leg in legs
    ]


def departed(leg: LaneLeg, late: timedelta = LATE) -> dict[str, Any]:
    return row(leg, departed_at=leg.planned_departure_at + late, outcome="departed")


async def a_flight(api: Api, reference: str, leaves: float, origin: str = "HUB") -> dict[str, Any]:
    """Register a shipment of one flight to the hospital."""
    leg = {"mode": "air", "carrier": "XA", "service": reference, "origin": origin, "destination": "BLQ-HOSP"}
    times = {"planned_departure_at": hours(leaves), "planned_arrival_at": hours(leaves + 1.5)}
    return await api.ship(
        reference=reference, legs=[leg | times], origin={"code": origin, "lat": 45.0, "lon": 9.0}
    )


async def taught(api: Api) -> None:
    """Let the service learn two months of flights."""
    told = await api.post(PATH, learned())
    assert told.json()["rejected"] == []
    api.clock.advance(minutes=1)
    assert await publish_lanes(api.house) == 1


def later_by(before: dict[str, Any], after: dict[str, Any]) -> float:
    """Return by how many minutes the median has moved."""
    first, second = (datetime.fromisoformat(one["eta"]["p50"]) for one in (before, after))
    return (second - first) / timedelta(minutes=1)


async def test_what_leaves_late_now_delays_who_leaves_there_soon_and_nobody_else(api: Api) -> None:
    await taught(api)
    soon, evening = await a_flight(api, "SOON", 15.5), await a_flight(api, "EVENING", 17.5)
    tomorrow, elsewhere = await a_flight(api, "TOMORROW", 39.5), await a_flight(api, "ELSEWHERE", 15.5, "GVA")
    everybody = (soon, evening, tomorrow, elsewhere)
    api.clock.set(START + timedelta(hours=13, minutes=50))
    await api.assess()
    before = [await api.status(one) for one in everybody]
    asked_at = api.clock.at.isoformat()

    api.clock.advance(minutes=5)
    told = await api.post(PATH, [departed(leg) for leg in today(12, 12.75)])
    published = await publish_lanes(api.house)
    await api.assess()
    after = [await api.status(one) for one in everybody]

    assert (told.json()["accepted"], published) == (3, 1)
    moved = [later_by(*pair) for pair in zip(before, after, strict=True)]
    assert moved[0] > 10
    assert moved[1] > 5
    assert moved[2:] == [0, 0]
    assert [one["eta"]["lanes_version"] for one in before] == ["lanes-1"] * 4
    assert [one["eta"]["lanes_version"] for one in after] == ["lanes-2", "lanes-2", "lanes-1", "lanes-1"]
    assert [one["version"] for one in after[2:]] == [one["version"] for one in before[2:]]
    assert "with the day's departures" in after[0]["eta"]["contributions"][0]["basis"]
    past = await api.status(soon, at=asked_at, known_at=asked_at)
    assert past["eta"] == before[0]["eta"]

    api.clock.set(START + timedelta(hours=16, minutes=5))
    faded = await publish_lanes(api.house)
    await api.assess()
    again = await api.status(evening)

    assert faded == 1
    assert again["eta"]["lanes_version"] == "lanes-3"
    assert later_by(before[1], again) == 0
    assert (await api.status(soon, at=asked_at, known_at=asked_at))["eta"] == before[0]["eta"]


async def test_signals_are_published_every_five_minutes_at_most_and_only_if_they_say_something_new(
    api: Api,
) -> None:
    await taught(api)
    api.clock.set(START + timedelta(hours=13, minutes=39))
    legs = today(12, 12.75)
    quiet = await publish_lanes(api.house)
    api.clock.advance(minutes=1)

    await api.post(PATH, [departed(legs[0])])
    first = await publish_lanes(api.house)
    api.clock.advance(minutes=1)
    await api.post(PATH, [departed(legs[1], LATE / 2)])
    too_soon = await publish_lanes(api.house)
    api.clock.advance(minutes=4)
    second = await publish_lanes(api.house)
    api.clock.advance(minutes=5)
    no_news = await publish_lanes(api.house)

    assert (quiet, first, too_soon, second, no_news) == (0, 1, 0, 1, 0)
    (lane, *_) = (await api.get("/v1/lanes", destination="BLQ-HOSP")).json()["data"]
    # 60 and 30 minutes, over two legs and the three that a few are shrunk by.
    assert lane["today"] == {"departures": 2, "departure_delay_minutes": 18.0, "residual_minutes": 0.0}
    assert lane["lanes_version"] == "lanes-3"
    assert lane["n"] == 472


async def test_a_new_base_does_not_hide_the_day(api: Api) -> None:
    await taught(api)
    api.clock.set(START + timedelta(hours=13, minutes=55))
    legs = today(12, 12.75)
    await api.post(PATH, [departed(leg) for leg in legs])
    await publish_lanes(api.house)
    arrived = legs[0].planned_departure_at + LATE + timedelta(minutes=50)
    ended = row(
        legs[0], departed_at=legs[0].planned_departure_at + LATE, arrived_at=arrived, outcome="arrived"
    )

    api.clock.advance(minutes=3)
    completed = await api.post(PATH, [ended])
    published = await publish_lanes(api.house)

    assert completed.json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert published == 2
    (lane, *_) = (await api.get("/v1/lanes", destination="BLQ-HOSP")).json()["data"]
    assert lane["today"]["departures"] == 3
    assert lane["today"]["residual_minutes"] < -1  # the way took 50 minutes instead of 90
    assert lane["lanes_version"] == "lanes-4"


async def test_a_history_imported_afterwards_says_nothing_of_today(api: Api) -> None:
    await taught(api)
    api.clock.set(START + timedelta(hours=13, minutes=55))
    ended = [
        row(
            leg,
            departed_at=leg.planned_departure_at + LATE,
            arrived_at=leg.planned_departure_at + LATE + timedelta(minutes=20),
            outcome="arrived",
        )
        for leg in today(11, 12.5)
    ]
    await api.post(PATH, ended)
    await publish_lanes(api.house)

    (lane, *_) = (await api.get("/v1/lanes", destination="BLQ-HOSP")).json()["data"]

    assert lane["today"]["departures"] == 0
    assert lane["today"]["departure_delay_minutes"] is None


async def test_our_own_departures_count_as_they_happen(api: Api) -> None:
    await taught(api)
    leaving = [await a_flight(api, f"OURS-{number}", 12 + number / 4) for number in range(3)]
    soon = await a_flight(api, "SOON", 15.5)
    api.clock.set(START + timedelta(hours=12, minutes=50))
    await api.assess()
    before = await api.status(soon)
    for shipment in leaving:
        api.clock.advance(minutes=20)
        await api.scan(shipment, "departed", leg=1)
        await api.assess()

    api.clock.advance(minutes=5)
    await publish_lanes(api.house)
    await api.assess()

    lane = (await api.get("/v1/lanes", destination="BLQ-HOSP", carrier="XA")).json()["data"][0]
    assert lane["today"]["departures"] == 3
    assert later_by(before, await api.status(soon)) > 10


async def test_where_plans_are_told_silence_counts_and_no_leg_is_told_of_its_own(api: Api) -> None:
    await taught(api)
    api.clock.set(START + timedelta(hours=9))
    plans = today(9.5, 23)
    assert (await api.post(PATH, [row(leg) for leg in plans])).json()["accepted"] == len(plans)
    # A day's departures, as planned as they were told, and enough ended legs to be learned at once.
    api.clock.set(START + timedelta(hours=14))
    left = [leg for leg in plans if leg.planned_departure_at <= START + timedelta(hours=12)]
    await api.post(PATH, [departed(leg, timedelta(0)) for leg in left])
    await api.post(PATH, [one | {"service": f"Y{at}"} for at, one in enumerate(learned()[:400])])
    ours = await a_flight(api, "OURS", 13)
    await publish_lanes(api.house)

    lanes = (await api.get("/v1/lanes", destination="BLQ-HOSP", carrier="XA")).json()["data"]
    await api.assess()
    told = await api.status(ours)

    # From 12:00: one left in time, seven silent for up to an hour and three quarters, and ours for an hour.
    waits = [15 * quarters for quarters in range(1, 8)]
    assert lanes[0]["today"]["departures"] == 9
    assert lanes[0]["today"]["departure_delay_minutes"] == round((sum(waits) + 60) / (9 + 3), 1)
    assert told["eta"]["lanes_version"] == lanes[0]["lanes_version"]


async def test_a_leg_is_told_step_by_step_and_the_first_account_of_each_stands(api: Api) -> None:
    api.clock.set(START + timedelta(hours=14))
    leg = today(12, 12.25)[0]
    late = leg.planned_departure_at + LATE
    arrived = row(leg, departed_at=late, arrived_at=late + timedelta(minutes=50), outcome="arrived")

    async def told(*rows: dict[str, Any]) -> tuple[int, int, list[str]]:
        said = (await api.post(PATH, list(rows))).json()
        return said["accepted"], said["duplicates"], [one["detail"] for one in said["rejected"]]

    assert await told(row(leg), row(leg)) == (1, 1, [])
    assert await told(departed(leg), row(leg), departed(leg)) == (1, 2, [])
    assert await told(departed(leg, LATE / 2)) == (0, 0, ["another departure is stored for this leg"])
    assert await told(arrived, arrived) == (1, 1, [])
    assert await told(departed(leg), departed(leg, LATE / 2), row(leg)) == (
        0, 2, ["another departure is stored for this leg"]
    )  # fmt: skip
    diverted = row(leg, departed_at=late, outcome="diverted")
    assert await told(diverted, arrived) == (0, 1, ["another outcome is stored for this leg"])
    assert (await api.get("/v1/lanes")).json()["data"][0]["n"] == 1


async def test_what_is_long_past_is_told_by_how_it_ended(api: Api) -> None:
    leg = today(12, 12.25)[0]
    api.clock.set(START + timedelta(days=4))

    told = (await api.post(PATH, [departed(leg), row(leg)])).json()

    assert told["accepted"] == 0
    assert all("within three days" in one["detail"] for one in told["rejected"])
