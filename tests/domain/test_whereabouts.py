"""Positions of the leg under way: distance and recent speed, whatever lies, jumps or falls silent in between."""

from datetime import datetime, timedelta

import pytest

from app.domain.custody import Journey, LegFacts
from app.domain.eta import forecast
from app.domain.observation import Event, Location
from app.domain.whereabouts import Point, consistent, distance_km, sighted
from tests.domain.made import a_journey, a_leg, a_shipment, at

SHIPMENT = a_shipment(legs=(a_leg(mode="road"),))  # 48.0 N 16.0 E to 48.2 N 16.4 E, 37 km, 10:00 to 12:00
START, END = (48.0, 16.0), (48.2, 16.4)
MINUTE = timedelta(minutes=1)


def along(share: float) -> tuple[float, float]:
    return START[0] + share * (END[0] - START[0]), START[1] + share * (END[1] - START[1])


def seen(*sightings: tuple[str, tuple[float, float]], departed: str = "10:00") -> Journey:
    events = tuple(
        Event(
            id=f"e{index}",
            event_id=f"e{index}",
            source="ACME",
            type="position",
            occurred_at=at(when),
            effective_at=at(when),
            received_at=at(when),
            location=Location(lat=place[0], lon=place[1]),
        )
        for index, (when, place) in enumerate(sightings)
    )
    return a_journey(legs=(LegFacts(number=1, departed_at=at(departed)),), effective=events)


def arrives_at(journey: Journey) -> datetime:
    told = sighted(SHIPMENT, journey)
    assert told is not None
    return told.arrives_at


def test_a_degree_of_latitude_is_111_kilometres() -> None:
    assert distance_km((0.0, 0.0), (1.0, 0.0)) == pytest.approx(
        111.195, abs=0.01
    )  # 2πR/360, R = 6371.0088 km
    assert distance_km((0.0, 179.5), (0.0, -179.5)) == pytest.approx(111.195, abs=0.01)


def test_on_plan_half_way_it_arrives_as_planned() -> None:
    assert abs(arrives_at(seen(("11:00", along(0.5)))) - at("12:00")) < MINUTE


def test_half_the_way_in_twice_the_time_is_late() -> None:
    slow = seen(("11:00", along(0.25)), ("12:00", along(0.5)))

    assert at("13:15") < arrives_at(slow) < at("14:00")


def test_standing_still_it_is_believed_to_go_on_some_time() -> None:
    stuck = seen(*((f"11:{minute:02}", along(0.5)) for minute in range(0, 60, 10)))

    assert at("13:00") < arrives_at(stuck) < at("16:00")


@pytest.mark.parametrize("when", ["10:20", "10:50", "11:01"])
def test_a_spoofed_point_changes_nothing(when: str) -> None:
    honest = (("10:30", along(0.25)), ("11:00", along(0.5)))
    spoofed = sorted([*honest, (when, (10.0, 100.0))])

    assert arrives_at(seen(*spoofed)) == arrives_at(seen(*honest))


def test_a_gap_of_hours_breaks_nothing() -> None:
    gap = seen(("10:10", along(0.08)), ("14:00", along(0.9)))

    assert at("14:05") < arrives_at(gap) < at("14:40")


def test_the_longest_run_that_one_package_can_have_made_counts() -> None:
    true = [Point(at(f"10:{minute}"), along(minute / 120)) for minute in (10, 20, 40, 50)]
    false = [Point(at("10:05"), (0.0, 0.0)), Point(at("10:30"), (1.0, 1.0))]

    assert consistent(sorted([*true, *false], key=lambda one: one.at), fastest_km_h=150.0) == true
    assert consistent([], fastest_km_h=150.0) == []


@pytest.mark.parametrize(
    "journey",
    [
        a_journey(legs=(LegFacts(number=1),)),
        a_journey(legs=(LegFacts(number=1, departed_at=at("10:00"), arrived_at=at("12:00")),)),
        seen(),
        seen(("09:00", along(0.5))),
    ],
    ids=["not left", "arrived", "never seen", "seen before it left"],
)
def test_without_a_leg_under_way_and_a_sighting_positions_say_nothing(journey: Journey) -> None:
    assert sighted(SHIPMENT, journey) is None


def test_where_a_leg_ends_must_be_known() -> None:
    unknown = a_shipment(legs=(a_leg(mode="road", destination="SOMEWHERE"),))

    assert sighted(unknown, seen(("11:00", along(0.5)))) is None


def test_the_forecast_follows_the_positions_but_not_alone() -> None:
    late = seen(("11:00", along(0.2)), ("11:30", along(0.25)), ("12:00", along(0.3)))

    blind = forecast(SHIPMENT, a_journey(legs=late.legs)).at(at("12:05"))
    told = forecast(SHIPMENT, late).at(at("12:05"))
    again = forecast(SHIPMENT, late).at(at("13:05"))

    assert blind.p50_at is not None
    assert told.p50_at is not None
    assert again.p50_at is not None
    assert told.p50_at > blind.p50_at + 30 * MINUTE
    assert told.p50_at < arrives_at(late)
    assert again.p50_at >= told.p50_at
