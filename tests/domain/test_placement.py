from typing import Any

import pytest

from app.domain.custody import LegFacts
from app.domain.observation import EVENT_TYPES, Location
from app.domain.placement import Placement, candidates, needs_leg, place
from tests.domain.journeys import ROAD_AIR_ROAD, TWO_FLIGHTS, clock, event

GONE = LegFacts(number=1, departed_at=clock("08:00"))
THERE = LegFacts(number=1, departed_at=clock("08:00"), arrived_at=clock("10:00"))


@pytest.mark.parametrize(
    ("type_", "by", "where", "legs"),
    [
        ("departed", "AIR", None, (2,)),
        ("departed", "VAN", "VIE", (3,)),
        ("departed", "VAN", None, (1, 3)),
        ("departed", None, None, (1, 2, 3)),
        ("departed", None, "PVG", (2,)),
        ("departed", "VAN", "PVG", ()),
        ("departed", "VAN", "NOWHERE", ()),
        ("arrived", "VAN", "PVG", (1,)),
        ("arrived", None, "CLINIC", (3,)),
        ("picked_up", None, None, (1,)),
        ("picked_up", "AIR", None, (2,)),
        ("picked_up", "VAN", "VIE", (3,)),
        ("delivered", "VAN", None, (3,)),
        ("delivered", None, "WARD 7", (3,)),
        ("delivered", "VAN", "PVG", (1,)),
        ("delivered", "VAN", "PLANT", ()),
        ("out_for_delivery", None, "VIE", (3,)),
        ("delivery_attempted", None, None, (3,)),
        ("leg_cancelled", "AIR", None, (2,)),
        ("offloaded", None, "PVG", (2,)),
        ("refused", None, "CLINIC", (3,)),
        ("held", "AIR", "PVG", ()),
        ("position", "AIR", None, ()),
    ],
)
def test_an_event_fits_legs_by_carrier_place_and_meaning(
    type_: str, by: str | None, where: str | None, legs: tuple[int, ...]
) -> None:
    scan = event(type_, "10:00", by=by, where=where)

    assert candidates(scan, ROAD_AIR_ROAD) == legs


@pytest.mark.parametrize(
    ("where", "details", "legs"),
    [
        ("PVG", {"estimated_arrival_at": "2026-01-06T10:00:00Z"}, (1,)),
        ("PVG", {"estimated_departure_at": "2026-01-06T10:00:00Z"}, (2,)),
        ("PLANT", {"estimated_arrival_at": "2026-01-06T10:00:00Z"}, (1,)),
        (None, {"estimated_arrival_at": "2026-01-06T10:00:00Z"}, (1, 2)),
        ("DXB", {"estimated_arrival_at": "2026-01-06T10:00:00Z"}, ()),
        (
            "PVG",
            {"estimated_departure_at": "2026-01-06T10:00Z", "estimated_arrival_at": "2026-01-06T20:00Z"},
            (1, 2),
        ),
    ],
)
def test_an_estimate_belongs_to_the_end_it_speaks_of(
    where: str | None, details: dict[str, Any], legs: tuple[int, ...]
) -> None:
    estimate = event("estimate", "07:00", by="AIR", where=where, details=details)

    assert candidates(estimate, TWO_FLIGHTS) == legs


@pytest.mark.parametrize("type_", ["departed", "held", "delivered", "estimate"])
@pytest.mark.parametrize("number", [2, 9])
def test_a_stated_leg_is_always_honoured(type_: str, number: int) -> None:
    scan = event(type_, "10:00", by="VAN", where="NOWHERE", leg=number)

    assert candidates(scan, ROAD_AIR_ROAD) == (number,)
    assert place(scan, ROAD_AIR_ROAD, {}) == Placement(placed=True, leg=number)


def test_coordinates_without_a_code_do_not_exclude_a_leg() -> None:
    scan = event("departed", "10:00", by="AIR", location=Location(lat=31.1, lon=121.8))

    assert candidates(scan, ROAD_AIR_ROAD) == (2,)


@pytest.mark.parametrize(
    ("type_", "at", "facts", "expected"),
    [
        ("departed", "08:00", LegFacts(number=1), 1),
        ("departed", "12:00", THERE, 2),
        ("departed", "12:00", GONE, 2),
        ("departed", "08:03", GONE, 1),
        ("arrived", "10:00", GONE, 1),
        ("arrived", "10:00", LegFacts(number=1), 1),
        ("arrived", "20:00", THERE, 2),
        ("arrived", "10:10", THERE, 1),
        ("offloaded", "08:30", GONE, 1),
        ("leg_cancelled", "11:00", THERE, 2),
        ("picked_up", "07:00", LegFacts(number=1), 1),
        ("picked_up", "11:00", THERE, 2),
    ],
)
def test_where_two_legs_fit_their_order_decides(type_: str, at: str, facts: LegFacts, expected: int) -> None:
    scan = event(type_, at, by="AIR")

    assert place(scan, TWO_FLIGHTS, {1: facts}) == Placement(placed=True, leg=expected)


@pytest.mark.parametrize(("end", "expected"), [("arrival", 1), ("departure", 2)])
def test_an_estimate_without_a_place_is_of_the_next_such_end(end: str, expected: int) -> None:
    estimate = event("estimate", "09:00", by="AIR", details={f"estimated_{end}_at": "2026-01-06T13:00:00Z"})

    assert place(estimate, TWO_FLIGHTS, {1: GONE}).leg == expected


def test_an_earlier_leg_is_over_once_a_later_one_has_departed() -> None:
    facts = {1: GONE, 2: LegFacts(number=2, departed_at=clock("12:00"))}

    assert place(event("arrived", "20:00", by="AIR"), TWO_FLIGHTS, facts).leg == 2


def test_what_fits_nowhere_any_more_is_not_placed() -> None:
    facts = {1: THERE, 2: LegFacts(number=2, departed_at=clock("12:00"), arrived_at=clock("20:00"))}

    assert place(event("departed", "23:00", by="AIR"), TWO_FLIGHTS, facts) == Placement(
        placed=False, leg=None
    )
    assert not place(event("departed", "23:00", where="NOWHERE"), TWO_FLIGHTS, {}).placed


def test_events_about_the_whole_shipment_need_no_leg() -> None:
    movements = {type_ for type_ in EVENT_TYPES if needs_leg(type_)}

    assert movements == {
        "picked_up", "departed", "arrived", "offloaded", "refused", "leg_cancelled", "estimate",
        "out_for_delivery", "delivery_attempted", "delivered",
    }  # fmt: skip
    assert place(event("held", "10:00"), ROAD_AIR_ROAD, {}) == Placement(placed=True, leg=None)
    assert not needs_leg("replanned")
    assert not needs_leg("cancelled")
