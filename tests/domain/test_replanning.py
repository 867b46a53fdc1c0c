"""Re-planning: what may still change, which numbers the legs get, and whose news the news is."""

import random
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.custody import fold
from app.domain.observation import Event
from app.domain.replanning import BadReplan, Change, LegDeparted, departed_legs, replanned
from app.domain.shipment import Leg, Shipment
from tests.domain.journeys import LATER, ROAD_AIR_ROAD, clock, event, shipment
from tests.properties.test_order import records

AT = clock("10:30")


def changed(plan: Shipment, *events: Event, legs: tuple[Leg, ...], at: datetime = AT) -> Shipment:
    return replanned(plan, fold(plan, events, at=at), Change(legs=legs), at=at)


def fresh(leg: Leg, **changes: Any) -> Leg:
    return replace(leg, number=0, **changes)


def test_what_has_departed_stays_and_the_rest_is_numbered_on() -> None:
    plan = shipment()
    rest = tuple(fresh(leg, carrier="NEW") for leg in plan.legs[1:])

    new = changed(plan, event("departed", "10:00", leg=1), legs=rest)

    assert [leg.number for leg in new.legs] == [1, 4, 5]
    assert new.legs[0] == plan.legs[0]
    assert (new.plan_version, new.former[0].legs) == (plan.plan_version + 1, plan.legs)


def test_legs_that_stay_keep_their_numbers_up_to_the_first_new_one() -> None:
    plan = shipment()

    new = changed(plan, legs=(fresh(plan.legs[0]), fresh(plan.legs[1], carrier="NEW"), fresh(plan.legs[2])))

    assert [leg.number for leg in new.legs] == [1, 4, 5]


def test_a_failed_leg_planned_again_as_it_was_is_a_new_one() -> None:
    plan = shipment()
    failed = event("leg_cancelled", "10:00", leg=2)

    new = changed(plan, failed, legs=tuple(fresh(leg) for leg in plan.legs))

    assert [leg.number for leg in new.legs] == [1, 4, 5]


def test_a_number_once_given_is_never_given_again() -> None:
    plan = shipment()
    short = changed(plan, legs=(fresh(plan.legs[0], destination=plan.site.code),))

    again = changed(short, legs=tuple(fresh(leg) for leg in plan.legs))

    assert [leg.number for leg in short.legs] == [4]
    assert [leg.number for leg in again.legs] == [5, 6, 7]
    assert {leg.number for leg in again.all_legs} == {1, 2, 3, 4, 5, 6, 7}


def test_a_later_departure_takes_all_before_it_along_and_so_does_the_last_mile() -> None:
    plan = shipment()

    flown = departed_legs(plan, fold(plan, [event("departed", "10:00", leg=2)], at=LATER))
    out = departed_legs(plan, fold(plan, [event("out_for_delivery", "10:00")], at=LATER))

    assert [leg.number for leg in flown] == [1, 2]
    assert out == plan.legs


def test_what_was_offloaded_has_not_departed() -> None:
    plan = shipment()
    events = [event("departed", "10:00", leg=2), event("offloaded", "10:10", leg=2)]

    assert departed_legs(plan, fold(plan, events, at=LATER)) == ()


def test_a_departed_leg_cannot_be_named_begun_again_or_followed_when_it_was_the_last() -> None:
    plan = shipment()
    gone = event("departed", "10:00", leg=1)
    last = event("departed", "10:00", leg=3)

    for heard, legs in (
        (gone, (plan.legs[0], *plan.legs[1:])),
        (gone, tuple(fresh(leg) for leg in plan.legs)),
        (last, (fresh(plan.legs[2]),)),
    ):
        with pytest.raises(LegDeparted):
            changed(plan, heard, legs=legs)


def test_a_stated_number_must_be_a_waiting_legs_and_stand_before_new_ones() -> None:
    plan = shipment()

    for legs in (
        (replace(plan.legs[0], number=9), *plan.legs[1:]),
        (fresh(plan.legs[0], carrier="NEW"), plan.legs[1], plan.legs[2]),
        (plan.legs[1], plan.legs[0], plan.legs[2]),
    ):
        with pytest.raises(BadReplan):
            changed(plan, legs=legs)


def rebooked() -> Shipment:
    """Return a plan whose flight was replaced at 10:30 by another from the same place."""
    plan = shipment()
    rest = tuple(fresh(leg) for leg in plan.legs[1:])
    return changed(plan, event("leg_cancelled", "10:00", leg=2), legs=(fresh(plan.legs[0]), *rest))


FLIGHT_FROM = ROAD_AIR_ROAD[1].origin


def heard(type_: str, happened: str, received: str, **fields: Any) -> Event:
    return replace(event(type_, happened, where=FLIGHT_FROM), received_at=clock(received), **fields)


@pytest.mark.parametrize(
    ("type_", "happened", "received", "leg"),
    [
        ("leg_cancelled", "10:00", "10:01", 2),  # known when it was planned anew
        ("leg_cancelled", "10:00", "10:45", 2),  # late news of the service that was
        ("leg_cancelled", "10:40", "10:45", 4),  # news of the service that is
        ("departed", "10:20", "10:21", 2),  # known, and planned anew all the same
        ("departed", "10:20", "10:45", 4),  # the package left after all: that is the way it goes
        ("departed", "10:40", "10:45", 4),
    ],
)
def test_news_counts_for_the_leg_it_is_about(type_: str, happened: str, received: str, leg: int) -> None:
    plan = rebooked()
    news = heard(type_, happened, received)

    journey = fold(plan, [news], at=LATER)

    assert journey.leg_by_event[news.id] == leg


def test_news_exactly_at_the_replanning_was_known_to_the_planner() -> None:
    plan = rebooked()
    news = heard("leg_cancelled", "10:30", "10:30")

    assert fold(plan, [news], at=LATER).leg_by_event[news.id] == 2


@given(records(), st.randoms())
@settings(deadline=None)
def test_a_replanned_journey_too_is_the_same_for_every_order_of_arrival(
    events: list[Event], dice: random.Random
) -> None:
    plan = rebooked()
    expected = fold(plan, events, at=LATER)
    shuffled = list(events)

    dice.shuffle(shuffled)

    assert fold(plan, shuffled, at=LATER) == expected
