"""Every order of arrival gives the same journey: the fold depends on the set of events alone."""

from datetime import timedelta
from itertools import permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.bedside import fold_doses
from app.domain.custody import fold
from app.domain.journal import journey_order
from app.domain.observation import Event
from app.domain.placement import CLOCK_TOLERANCE, candidates
from tests.domain.journeys import (
    LATER,
    ROAD_AIR_ROAD,
    TWO_FLIGHTS,
    clock,
    correction,
    event,
    shipment,
    whole_way,
)

TYPES = (
    "picked_up", "departed", "arrived", "handed_over", "customs_entered", "customs_cleared", "held",
    "resumed", "offloaded", "refused", "out_for_delivery", "delivery_attempted", "delivered", "received",
    "returned", "lost", "damaged", "position", "leg_cancelled", "cancelled", "replanned", "released",
    "administered",
)  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> list[Event]:
    """Return up to 14 events within two hours, of few sources, so that clocks clash; some correct others."""
    found: list[Event] = []
    for number in range(draw(st.integers(1, 14))):
        at = (
            f"10:{draw(st.integers(0, 59)):02}" if draw(st.booleans()) else f"11:{draw(st.integers(0, 9)):02}"
        )
        by = draw(st.sampled_from([None, "VAN", "AIR"]))
        if found and draw(st.integers(0, 4)) == 0:
            target = draw(st.sampled_from(found))
            replacement: dict[str, Any] = draw(st.sampled_from([{}, {"leg": 2}, {"type": "arrived"}]))
            found.append(correction(target.id, at, by=by, **replacement))
        else:
            leg = draw(st.sampled_from([None, None, 1, 2, 3]))
            where = draw(st.sampled_from([None, None, "PVG", "VIE"]))
            type_ = draw(st.sampled_from(TYPES))
            found.append(event(type_, at, by=by, leg=leg, where=where, event_id=f"{number}"))
    return found


def test_every_permutation_of_a_journey_is_the_same_journey() -> None:
    plan = shipment()
    events = whole_way()
    expected = fold(plan, events, at=LATER)

    journeys = (fold(plan, order, at=LATER) for order in permutations(events))

    assert all(journey == expected for journey in journeys)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_order_of_arrival_gives_the_same_journey(data: st.DataObject) -> None:
    events = data.draw(records())
    legs = data.draw(st.sampled_from([ROAD_AIR_ROAD, TWO_FLIGHTS]))
    shuffled = data.draw(st.permutations(events))
    plan = shipment(legs)

    journey, other = fold(plan, events, at=LATER), fold(plan, shuffled, at=LATER)

    assert journey == other
    assert list(journey.leg_by_event) == list(other.leg_by_event)
    assert fold_doses(plan, journey) == fold_doses(plan, other)


@settings(max_examples=150, deadline=None)
@given(records())
def test_the_journey_order_never_inverts_one_source_nor_more_than_the_tolerance(events: list[Event]) -> None:
    ordered = journey_order(events, ROAD_AIR_ROAD)

    pairs = [(first, second) for i, first in enumerate(ordered) for second in ordered[i + 1 :]]
    inverted = [(first, second) for first, second in pairs if first.effective_at > second.effective_at]

    assert sorted(scan.id for scan in ordered) == sorted(scan.id for scan in events)
    assert all(first.source != second.source for first, second in inverted)
    assert all(first.effective_at - second.effective_at <= CLOCK_TOLERANCE for first, second in inverted)


@settings(max_examples=100, deadline=None)
@given(records())
def test_a_unique_candidate_is_where_the_fold_places_it(events: list[Event]) -> None:
    journey = fold(shipment(), events, at=LATER)

    for scan in journey.effective:
        fits = candidates(scan, ROAD_AIR_ROAD)
        if len(fits) == 1:
            assert journey.leg_by_event[scan.id] == fits[0]
    assert all(len(candidates(scan, ROAD_AIR_ROAD)) != 1 for scan in journey.unplaced)


@settings(max_examples=100, deadline=None)
@given(records(), st.integers(0, 70))
def test_what_has_not_occurred_yet_changes_nothing(events: list[Event], minutes: int) -> None:
    at = clock("10:00") + timedelta(minutes=minutes)
    corrections = [scan for scan in events if scan.type == "correction"]
    heard = [scan for scan in events if scan.type != "correction" and scan.effective_at <= at]

    assert fold(shipment(), events, at=at) == fold(shipment(), heard + corrections, at=at)
