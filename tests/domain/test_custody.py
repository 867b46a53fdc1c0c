from datetime import timedelta
from typing import Any

import pytest

from app.domain.custody import LegFacts, Position
from app.domain.observation import EVENT_TYPES, Event, Location
from tests.domain.journeys import (
    CLINIC,
    PLANT,
    TWO_FLIGHTS,
    clock,
    correction,
    event,
    journey_of,
    shipment,
    whole_way,
)

MINUTE = timedelta(minutes=1)


def kinds(events: tuple[Event, ...]) -> list[str]:
    return [scan.type for scan in events]


def scans(text: str) -> list[Event]:
    """Return operator's events an hour apart from 01:00: `picked_up departed:1 held`."""
    found = []
    for hour, word in enumerate(text.split(), start=1):
        type_, _, number = word.partition(":")
        found.append(event(type_, f"{hour:02}:00", leg=int(number) if number else None))
    return found


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ("", "planned"),
        ("released", "planned"),
        ("position estimate:1 leg_cancelled:1 device_attached", "planned"),
        ("customs_entered customs_cleared", "planned"),
        ("held", "held"),
        ("held resumed", "planned"),
        ("picked_up", "in_transit"),
        ("departed:1", "in_transit"),
        ("arrived:1", "in_transit"),
        ("handed_over", "in_transit"),
        ("picked_up damaged", "in_transit"),
        ("picked_up offloaded:1", "in_transit"),
        ("departed:1 held", "held"),
        ("departed:1 held resumed", "in_transit"),
        ("departed:1 held customs_cleared", "in_transit"),
        ("departed:1 held customs_entered", "held"),
        ("departed:1 held departed:2", "in_transit"),
        ("departed:1 held arrived:1", "in_transit"),
        ("departed:1 held handed_over", "held"),
        ("departed:1 held out_for_delivery", "out_for_delivery"),
        ("departed:1 held delivered", "delivered"),
        ("departed:1 out_for_delivery", "out_for_delivery"),
        ("out_for_delivery departed:3", "out_for_delivery"),
        ("out_for_delivery held resumed", "out_for_delivery"),
        ("out_for_delivery delivery_attempted", "out_for_delivery"),
        ("departed:2 out_for_delivery:1", "in_transit"),
        ("departed:1 delivered", "delivered"),
        ("departed:1 delivered:1", "in_transit"),
        ("departed:1 delivered:1 departed:2", "in_transit"),
        ("delivered", "delivered"),
        ("received", "received"),
        ("delivered received", "received"),
        ("received delivered", "received"),
        ("delivered received administered", "received"),
        ("delivered returned", "returned"),
        ("delivered lost", "lost"),
        ("delivered lost received", "received"),
        ("picked_up returned departed:1", "returned"),
        ("picked_up lost", "lost"),
        ("picked_up lost departed:1", "in_transit"),
        ("cancelled", "cancelled"),
        ("picked_up cancelled departed:1", "cancelled"),
        ("picked_up cancelled delivered", "cancelled"),
        ("picked_up cancelled lost", "cancelled"),
        ("delivered cancelled", "delivered"),
        ("picked_up replanned", "in_transit"),
    ],
)
def test_events_lead_to_a_state(events: str, state: str) -> None:
    journey = journey_of(*scans(events))

    assert journey.state == state


@pytest.mark.parametrize("type_", sorted(EVENT_TYPES - {"received", "returned", "lost", "correction"}))
def test_nothing_else_moves_the_state_after_delivery(type_: str) -> None:
    later = event(type_, "2:30", leg=3, where="CLINIC", details={"to": "VAN"})

    journey = journey_of(*scans("departed:1 delivered"), later)

    assert journey.state == "delivered"
    assert journey.custodian == "CLINIC"
    assert journey.held_since is None
    assert journey.last_event == later


def test_a_scan_heard_late_after_delivery_is_kept_in_its_place() -> None:
    late = event("arrived", "20:00", leg=2, received_at=clock("8 12:00"))
    events = [scan for scan in whole_way() if scan.effective_at != late.effective_at]

    journey = journey_of(*events, late)

    assert journey.state == "delivered"
    assert journey.legs[1].arrived_at == clock("20:00")
    assert journey.last_event == events[-1]


def test_the_whole_way_leaves_its_facts() -> None:
    journey = journey_of(*whole_way(), event("received", "23:10", by="CLINIC", carrier=None))

    assert journey.picked_up_at == clock("07:50")
    assert [(leg.departed_at, leg.arrived_at) for leg in journey.legs] == [
        (clock("08:00"), clock("09:00")),
        (clock("12:00"), clock("20:00")),
        (clock("22:00"), None),
    ]
    assert journey.delivered_at == clock("23:00")
    assert journey.received_at == clock("23:10")
    assert journey.progressed_at == clock("23:10")
    assert list(journey.leg_by_event.values()) == [1, 1, 1, 2, 2, 3, 3, None]
    assert journey.unplaced == ()


@pytest.mark.parametrize(
    ("heard", "custodian", "code"),
    [(0, None, "PLANT"), (1, "VAN", "PLANT"), (2, "VAN", "PLANT"), (3, "VAN", "PVG"), (4, "AIR", "PVG"),
     (5, "AIR", "VIE"), (6, "VAN", "VIE"), (7, "CLINIC", "CLINIC")],
)  # fmt: skip
def test_custodian_and_position_follow_the_package(heard: int, custodian: str | None, code: str) -> None:
    journey = journey_of(*whole_way()[:heard])

    assert journey.custodian == custodian
    assert journey.position.code == code
    assert journey.position.source == ("courier" if heard else "plan")


def test_a_handover_names_the_custodian_until_the_next_leg() -> None:
    events = [event("departed", "08:00", leg=1), event("handed_over", "09:10", details={"to": "BROKER"})]

    after_arrival = journey_of(*events, event("arrived", "10:00", leg=1))
    after_departure = journey_of(*events, event("departed", "12:00", leg=2))

    assert after_arrival.custodian == "BROKER"
    assert after_departure.custodian == "AIR"


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (Location(code="PLANT"), ("PLANT", *PLANT)),
        (Location(code="CLINIC"), ("CLINIC", *CLINIC)),
        (Location(code="DXB"), ("DXB", None, None)),
        (Location(code="PLANT", lat=1.0, lon=2.0), ("PLANT", 1.0, 2.0)),
        (Location(lat=1.0, lon=2.0), (None, 1.0, 2.0)),
        (Location(), ("PLANT", *PLANT)),
    ],
)
def test_a_stated_place_is_the_position(
    location: Location, expected: tuple[str | None, float | None, float | None]
) -> None:
    journey = journey_of(event("position", "10:00", location=location))

    position = journey.position
    assert (position.code, position.lat, position.lon) == expected


@pytest.mark.parametrize("type_", ["estimate", "leg_cancelled", "released", "assayed"])
def test_events_about_other_places_do_not_move_the_position(type_: str) -> None:
    journey = journey_of(event(type_, "10:00", leg=2, where="PVG"))

    assert journey.position == Position(
        code="PLANT", lat=PLANT[0], lon=PLANT[1], observed_at=None, source="plan"
    )


@pytest.mark.parametrize("failure", ["leg_cancelled", "offloaded", "refused"])
def test_a_failed_leg_is_cleared_by_its_later_departure(failure: str) -> None:
    failed = event(failure, "11:00", leg=2)

    before = journey_of(failed).legs[1]
    after = journey_of(failed, event("departed", "16:00", leg=2)).legs[1]

    assert (before.failed, before.failed_at, before.departed_at) == (failure, clock("11:00"), None)
    assert after == LegFacts(number=2, departed_at=clock("16:00"))


def test_what_is_offloaded_has_not_departed() -> None:
    journey = journey_of(event("departed", "12:00", leg=2), event("offloaded", "12:40", leg=2))

    assert journey.legs[1] == LegFacts(number=2, failed="offloaded", failed_at=clock("12:40"))


def test_the_latest_estimate_of_each_end_counts() -> None:
    events = [
        event("estimate", "09:00", leg=2, details={"estimated_departure_at": "2026-01-06T12:30:00Z"}),
        event("estimate", "09:30", leg=2, details={"estimated_arrival_at": "2026-01-06T20:30:00Z"}),
        event("estimate", "10:00", leg=2, details={"estimated_arrival_at": "2026-01-06T22:10:00+01:00"}),
    ]

    leg = journey_of(*events).legs[1]

    assert leg.estimated_departure_at == clock("12:30")
    assert leg.estimated_arrival_at == clock("21:10")


def test_an_estimate_that_cannot_be_meant_leaves_the_one_before_it() -> None:
    """A slip of the year, 30 days and a minute away, and an arrival before the departure are not believed."""
    said = [
        event("departed", "12:00", leg=2),
        event("estimate", "12:30", leg=2, details={"estimated_arrival_at": "2026-01-06T20:30:00Z"}),
    ]
    for told in ("2062-01-06T20:30:00Z", "2026-02-05T13:01:00Z", "2026-01-06T11:00:00Z"):
        slip = event("estimate", "13:00", leg=2, details={"estimated_arrival_at": told})

        assert journey_of(*said, slip).legs[1].estimated_arrival_at == clock("20:30"), told


def test_a_departure_told_by_two_sources_is_one() -> None:
    carrier = event("departed", "08:00", by="AIR")
    handler = event("departed", "08:04", by="HANDLER", carrier="AIR")

    journey = journey_of(carrier, handler, plan=shipment(TWO_FLIGHTS))

    assert [leg.departed_at for leg in journey.legs] == [clock("08:00"), None]
    assert journey.leg_by_event == {carrier.id: 1, handler.id: 1}


def test_two_legs_of_one_carrier_without_places_are_told_apart_by_order() -> None:
    times = {"departed": ("08:00", "12:10"), "arrived": ("10:20", "20:00")}
    events = [event(type_, at, by="AIR") for type_, ats in times.items() for at in ats]

    journey = journey_of(*events, plan=shipment(TWO_FLIGHTS))

    assert [(leg.departed_at, leg.arrived_at) for leg in journey.legs] == [
        (clock("08:00"), clock("10:20")),
        (clock("12:10"), clock("20:00")),
    ]


def test_an_event_that_fits_no_leg_is_kept_and_not_counted() -> None:
    stray = event("departed", "10:00", by="AIR", where="DXB")

    journey = journey_of(stray)

    assert journey.unplaced == (stray,)
    assert journey.state == "planned"
    assert journey.last_event is None
    assert stray.id not in journey.leg_by_event


@pytest.mark.parametrize(("gap", "order"), [(0, "plan"), (15, "plan"), (16, "clock")])
def test_clocks_of_two_sources_may_disagree_by_fifteen_minutes(gap: int, order: str) -> None:
    departed = event("departed", "10:00", by="AIR", leg=2)
    arrived = event("arrived", f"10:{gap:02}", by="VAN", leg=1)

    journey = journey_of(departed, arrived)

    assert journey.last_event == (departed if order == "plan" else arrived)
    assert (journey.custodian, journey.position.code) == ("AIR", "PVG")
    assert journey.legs[0].arrived_at == arrived.effective_at


def test_one_source_is_taken_at_its_word() -> None:
    departed = event("departed", "10:00", leg=2)
    arrived = event("arrived", "10:05", leg=1)

    assert kinds(journey_of(departed, arrived).effective) == ["departed", "arrived"]


def test_steps_of_one_instant_follow_the_plan() -> None:
    events = [event(type_, "10:00", leg=number) for type_, number in (("departed", 2), ("arrived", 1))]

    assert kinds(journey_of(*events).effective) == ["arrived", "departed"]


def test_an_event_goes_ahead_with_what_its_source_said_before() -> None:
    events = [
        event("departed", "10:00", by="AIR", leg=2),
        event("position", "10:02", by="VAN"),
        event("held", "10:03", by="CUSTOMS"),
        event("arrived", "10:05", by="VAN", leg=1),
    ]

    journey = journey_of(*events)

    assert kinds(journey.effective) == ["position", "arrived", "departed", "held"]
    assert journey.state == "held"


def test_an_event_does_not_go_ahead_of_what_must_precede_it() -> None:
    events = [
        event("departed", "10:00", by="VAN", leg=3),
        event("departed", "10:02", by="VAN", leg=1),
        event("arrived", "10:05", by="AIR", leg=1),
    ]

    assert list(journey_of(*events).effective) == events


def test_inversions_do_not_add_up_beyond_the_tolerance() -> None:
    events = [
        event("departed", "10:00", by="VAN", leg=3),
        event("arrived", "10:14", by="AIR", leg=2),
        event("departed", "10:28", by="HANDLER", leg=2),
    ]

    ordered = journey_of(*events).effective

    assert ordered[0] == events[0]


@pytest.mark.parametrize(
    ("types", "last"),
    [
        (("received", "delivered"), "received"),
        (("departed", "picked_up"), "departed"),
        (("resumed", "held"), "resumed"),
        (("customs_cleared", "customs_entered"), "customs_cleared"),
        (("estimate", "arrived"), "arrived"),
        (("disposition", "released"), "disposition"),
    ],
)
def test_events_of_one_instant_follow_their_place_in_a_journey(types: tuple[str, ...], last: str) -> None:
    journey = journey_of(*(event(type_, "10:00", leg=1) for type_ in types))

    assert journey.last_event is not None
    assert journey.last_event.type == last


def test_only_what_had_occurred_counts() -> None:
    events = whole_way()

    before = journey_of(*events, at=clock("12:00") - MINUTE)
    exactly = journey_of(*events, at=clock("12:00"))

    assert before.legs[1].departed_at is None
    assert exactly.legs[1].departed_at == clock("12:00")


def test_a_skewed_clock_counts_at_its_effective_time() -> None:
    journey = journey_of(event("departed", "10:00", leg=1, effective_at=clock("08:00")))

    assert journey.legs[0].departed_at == clock("08:00")


@pytest.mark.parametrize("corrected_at", ["07:00", "12:00"])
@pytest.mark.parametrize("by_own_id", [True, False])
def test_a_correction_voids_its_target(corrected_at: str, by_own_id: bool) -> None:
    wrong = event("delivered", "10:00", by="VAN")
    fix = correction(wrong.event_id if by_own_id else wrong.id, corrected_at, by="VAN")

    journey = journey_of(event("departed", "08:00", by="VAN", leg=1), wrong, fix)

    assert journey.state == "in_transit"
    assert kinds(journey.effective) == ["departed"]


def test_a_correction_counts_even_for_the_time_before_it_was_made() -> None:
    wrong = event("delivered", "10:00")

    journey = journey_of(wrong, correction(wrong.id, "15:00"), at=clock("12:00"))

    assert journey.state == "planned"


def test_an_own_event_id_names_no_event_of_another_source() -> None:
    theirs = event("delivered", "10:00", by="VAN", event_id="scan-1")

    journey = journey_of(theirs, correction("scan-1", "11:00", by="AIR"))

    assert journey.state == "delivered"


@pytest.mark.parametrize(
    ("replacement", "state"),
    [
        ({"type": "arrived", "leg": 1}, "in_transit"),
        ({"occurred_at": "2026-01-06T14:00:00+02:00"}, "delivered"),
        ({"location": {"code": "CLINIC", "lat": 48.3, "lon": 16.5}}, "delivered"),
    ],
)
def test_a_replacement_overrides_what_it_names(replacement: dict[str, Any], state: str) -> None:
    wrong = event("delivered", "10:00")

    journey = journey_of(wrong, correction(wrong.id, "11:00", **replacement))

    assert journey.state == state
    counted = journey.effective[0]
    assert counted.id == wrong.id
    assert counted.occurred_at == (clock("12:00") if "occurred_at" in replacement else clock("10:00"))
    assert counted.effective_at == counted.occurred_at
    assert counted.location == (Location(**replacement["location"]) if "location" in replacement else None)


def test_a_replaced_time_decides_what_had_occurred() -> None:
    wrong = event("delivered", "10:00")
    fix = correction(wrong.id, "11:00", occurred_at="2026-01-06T14:00:00Z")

    assert journey_of(wrong, fix, at=clock("13:59")).state == "planned"
    assert journey_of(wrong, fix, at=clock("14:00")).delivered_at == clock("14:00")


def test_corrections_of_one_event_add_up() -> None:
    wrong = event("departed", "10:00", leg=1)
    fixes = [
        correction(wrong.id, "11:00", leg=2),
        correction(wrong.id, "12:00", reason="as told by the driver"),
    ]

    counted = journey_of(wrong, *fixes).effective[0]

    assert (counted.leg, counted.reason) == (2, "as told by the driver")


def test_a_voided_correction_never_was() -> None:
    scan = event("delivered", "10:00")
    mistake = correction(scan.id, "11:00")

    journey = journey_of(correction(mistake.id, "12:00"), mistake, scan)

    assert journey.state == "delivered"


def test_a_correction_can_be_replaced_by_another_one() -> None:
    scan = event("departed", "10:00", leg=1)
    mistake = correction(scan.id, "11:00", leg=3)
    fix = correction(mistake.id, "12:00", details={"corrects": scan.id, "replacement": {"leg": 2}})

    assert journey_of(fix, scan, mistake).effective[0].leg == 2


def test_corrections_in_a_circle_drop_out() -> None:
    scan = event("delivered", "10:00")
    first = correction("b", "11:00", event_id="a")
    second = correction("a", "12:00", event_id="b")

    assert journey_of(first, scan, second, correction("nothing", "13:00")).state == "delivered"


def test_a_thousand_corrections_of_corrections_are_followed() -> None:
    chain = [event("delivered", "10:00")]
    for _ in range(2000):
        chain.append(correction(chain[-1].id, "11:00"))

    assert journey_of(*chain).state == "delivered"
    assert journey_of(*chain[:-1]).state == "planned"


def test_a_cancellation_can_be_corrected_too() -> None:
    cancelled = event("cancelled", "10:00")

    assert journey_of(cancelled, correction(cancelled.id, "11:00")).cancelled_at is None


def test_a_delivery_before_the_cancellation_stands_though_heard_later() -> None:
    cancelled = event("cancelled", "10:00")
    delivered = event("delivered", "09:50", received_at=clock("11:00"))

    journey = journey_of(cancelled, delivered)

    assert journey.state == "delivered"
    assert journey.cancelled_at is None


def test_a_receipt_proves_the_delivery() -> None:
    received = event("received", "10:00", by="CLINIC", carrier=None)

    alone = journey_of(received)
    with_late_scan = journey_of(received, event("delivered", "10:20", by="VAN"))

    assert (alone.delivered_at, alone.received_at) == (clock("10:00"), clock("10:00"))
    assert with_late_scan.delivered_at == clock("10:00")


@pytest.mark.parametrize("type_", ["returned", "lost"])
def test_the_shipment_is_gone_with_its_last_dose(type_: str) -> None:
    plan = shipment(doses=2)
    first, second = event(type_, "10:00", dose="D1"), event(type_, "11:00", dose="dose-2")

    assert journey_of(first, plan=plan).state == "planned"
    assert journey_of(first, second, plan=plan).state == type_
    assert journey_of(event(type_, "10:00"), plan=plan).state == type_


def test_a_hold_at_the_place_of_arrival_survives_the_arrival_scan() -> None:
    departed = event("departed", "12:00", leg=2)
    held = event("held", "19:30", where="VIE")

    journey = journey_of(departed, held, event("arrived", "20:00", leg=2))

    assert (journey.state, journey.held_since) == ("held", clock("19:30"))
    assert journey_of(departed, held, event("departed", "22:00", leg=3)).held_since is None


def test_customs_run_from_entry_to_clearance_or_departure() -> None:
    entered = [event("arrived", "20:00", leg=2), event("customs_entered", "20:10")]

    inside = journey_of(*entered, event("customs_entered", "20:30"))
    cleared = journey_of(*entered, event("customs_cleared", "21:00"))
    departed = journey_of(*entered, event("departed", "22:00", leg=3))

    assert (inside.customs_since, inside.customs_place) == (clock("20:10"), "VIE")
    assert inside.state == "in_transit"
    assert cleared.customs_since is None
    assert departed.customs_since is None


def test_a_leg_that_was_replanned_away_still_counts_for_the_state() -> None:
    journey = journey_of(event("departed", "10:00", leg=9))

    assert journey.state == "in_transit"
    assert all(leg.departed_at is None for leg in journey.legs)


def test_facts_of_an_earlier_leg_move_nothing_back() -> None:
    journey = journey_of(event("departed", "10:00", leg=2), event("arrived", "11:00", leg=1))

    assert (journey.custodian, journey.position.code) == ("AIR", "PVG")
    assert journey.position.observed_at == clock("10:00")
    assert journey.legs[0].arrived_at == clock("11:00")


def test_damage_is_noted_and_moves_no_state() -> None:
    journey = journey_of(event("picked_up", "08:00"), event("damaged", "09:00"), event("damaged", "10:00"))

    assert (journey.state, journey.damaged_at) == ("in_transit", clock("09:00"))


def test_a_stay_that_is_over_is_told_until_the_package_moves_on() -> None:
    entered = [event("arrived", "20:00", leg=2), event("customs_entered", "20:10")]
    cleared = [*entered, event("customs_cleared", "21:00")]

    assert journey_of(*entered).freed is None
    assert journey_of(*cleared).freed == (clock("20:10"), clock("21:00"))
    assert journey_of(*cleared, event("departed", "22:00", leg=3)).freed is None


def test_holds_on_one_leg_add_up() -> None:
    departed = event("departed", "12:00", leg=2)
    first = [event("held", "13:00"), event("resumed", "14:00")]
    second = [event("held", "15:00"), event("resumed", "15:30")]

    assert journey_of(departed, *first, *second).freed == (clock("14:00"), clock("15:30"))
    assert journey_of(departed, *first, *second, event("arrived", "20:00", leg=2)).freed is None


def test_a_hold_within_a_stay_in_customs_does_not_lengthen_it() -> None:
    within = [event("customs_entered", "20:10"), event("held", "20:30"), event("resumed", "20:45")]
    arrived = event("arrived", "20:00", leg=2)

    assert journey_of(arrived, *within, event("customs_cleared", "21:00")).freed == (
        clock("20:10"),
        clock("21:00"),
    )
