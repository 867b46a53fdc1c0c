"""Standing still, and gaps in custody."""

from datetime import timedelta
from typing import Any

import pytest

from app.domain.alerts import Condition
from app.domain.custody import LegFacts, fold
from app.domain.lanes import PRIORS
from app.domain.observation import Event
from app.domain.rules import RULES
from app.domain.ruling import Facts, run_rules
from app.domain.stalls import reporting_p95_minutes
from tests.domain import made
from tests.domain.journeys import clock, event, shipment
from tests.domain.made import a_journey, a_leg, a_product, a_shipment, at

SECOND = timedelta(seconds=1)


def stalled(
    when: Any, *, thresholds: dict[str, float] | None = None, mode: str = "road", **journey: Any
) -> bool:
    plan = a_shipment(legs=(a_leg(mode=mode),), product=a_product(thresholds=thresholds or {}))
    state = a_journey(**journey)
    odds = made.odds(plan, made.arriving("12:00", "13:00"), journey=state)
    given = Facts(
        shipment=plan, journey=state, arrival=made.arriving("12:00", "13:00"), odds=(odds,), at=when
    )
    return "stalled" in {one.kind for one in run_rules(RULES, given, {}).conditions}


def test_ninety_five_of_a_hundred_scans_are_reported_within_64_minutes() -> None:
    """A lognormal of median 5 minutes with 2 % over 2 hours: ln(24)/2.054 = 1.547, and 5 * e^(1.645 * 1.547)."""
    assert reporting_p95_minutes(PRIORS, "ACME") == pytest.approx(63.7, abs=0.1)


GONE: dict[str, Any] = {"legs": (LegFacts(number=1, departed_at=at("10:00")),), "progressed_at": at("10:00")}
# Due at 12:00; p99 of two hours on the road is 61 minutes more: 0.995 * 0.05 * (1 - Phi(ln(1 + 61.5 / 120) / 0.4)) and
# 0.005 * (1 - Phi(ln(61.5 / 60) / 1.547)) are 1 %; the reporting's p95 is 63.7: 125 in whole minutes.
ROAD_DEADLINE = at("14:05")


def test_a_silence_longer_than_usual_is_a_stall_and_exactly_as_long_is_none() -> None:
    assert not stalled(ROAD_DEADLINE, state="in_transit", **GONE)
    assert stalled(ROAD_DEADLINE + SECOND, state="in_transit", **GONE)


def test_a_flight_has_two_hours_at_least() -> None:
    assert not stalled(at("14:00"), mode="air", state="in_transit", **GONE)
    assert stalled(at("14:00") + SECOND, mode="air", state="in_transit", **GONE)


def test_the_product_may_be_more_patient() -> None:
    patient = {"stalled.surface_minutes": 180.0}

    assert not stalled(at("15:00"), thresholds=patient, state="in_transit", **GONE)
    assert stalled(at("15:00") + SECOND, thresholds=patient, state="in_transit", **GONE)


@pytest.mark.parametrize(
    "explained", [{"held_since": at("11:00")}, {"customs_since": at("11:00"), "customs_place": "VIE"}]
)
def test_a_hold_explains_the_silence(explained: dict[str, Any]) -> None:
    assert not stalled(at("15:00"), state="held", **GONE, **explained)


@pytest.mark.parametrize("state", ["delivered", "received", "cancelled"])
def test_nobody_waits_for_progress_after_the_end(state: str) -> None:
    assert not stalled(at("18:00"), state=state, **GONE)


def test_progress_within_the_segment_starts_the_clock_anew() -> None:
    moved = GONE | {"progressed_at": at("13:30")}

    assert not stalled(at("15:00"), state="in_transit", **moved)
    assert stalled(at("15:36"), state="in_transit", **moved)


def custody(*events: Event, when: str = "7 12:00") -> Condition | None:
    plan = shipment()
    journey = fold(plan, events, at=clock(when))
    given = Facts(shipment=plan, journey=journey, arrival=None, odds=(), at=clock(when))
    told = {one.kind: one for one in run_rules(RULES, given, {}).conditions}
    assert "rule_error" not in told
    return told.get("custody_gap")


PICKED_UP = event("picked_up", "07:50", by="VAN")
TO_AIRPORT = (PICKED_UP, event("departed", "08:00", by="VAN"), event("arrived", "09:00", by="VAN"))


def test_a_departure_that_somebody_else_reports_is_no_takeover() -> None:
    flown = event("departed", "12:00", leg=2)

    assert custody(*TO_AIRPORT, flown, when="23:59") is None
    told = custody(*TO_AIRPORT, flown, when="7 00:00")
    assert told is not None
    assert (told.cause.leg, told.cause.location, told.since) == (2, "PVG", clock("7 00:00"))
    assert "leg 2, AIR PVG–VIE" in told.summary


@pytest.mark.parametrize(
    "takeover",
    [
        event("handed_over", "09:30", by="VAN", details={"to": "AIR"}),
        event("handed_over", "7 09:30", details={"to": "AIR"}),
        event("picked_up", "10:00", leg=2),
        event("arrived", "20:00", by="AIR"),
    ],
    ids=lambda one: f"{one.type} {one.effective_at:%d %H:%M}",
)
def test_a_handover_closes_the_gap_also_a_late_one(takeover: Event) -> None:
    assert custody(*TO_AIRPORT, event("departed", "12:00", leg=2), takeover) is None


def test_at_receipt_every_gap_is_told_at_once() -> None:
    received = event("received", "23:30")
    last = event("departed", "22:00", leg=3)

    told = custody(*TO_AIRPORT, event("departed", "12:00", leg=2), last, received, when="23:31")

    assert told is not None
    assert told.since == clock("23:30")
    assert "leg 2" in told.summary
    assert "leg 3, VAN VIE–CLINIC" in told.summary


def test_a_carrier_that_had_the_package_before_must_take_it_over_again() -> None:
    handed = event("handed_over", "07:55", details={"to": "VAN"})
    flown = event("departed", "12:00", by="AIR")

    told = custody(handed, *TO_AIRPORT[1:], flown, event("departed", "22:00", leg=3), when="7 10:00")

    assert told is not None
    assert told.cause.leg == 3
