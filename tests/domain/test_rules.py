"""The alert rules, one table of thresholds each; exactly at a bound is tested on both sides."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.alerts import AlertKey, Cause, Condition, Severity
from app.domain.custody import LegFacts
from app.domain.odds import dose_plans, odds_of
from app.domain.rules import RULES
from app.domain.rules_arrival import in_plan_phase
from app.domain.ruling import Facts, OpenSeverity, Rule, run_rules
from app.domain.segments import Contribution
from tests.domain import made
from tests.domain.made import (
    DEPARTURE,
    USABLE_UNTIL,
    a_dose,
    a_journey,
    a_leg,
    a_product,
    a_shipment,
    arriving,
    at,
)

SECOND = timedelta(seconds=1)
PLANNING = at("05:00")  # five hours before the first departure
UNDER_WAY = at("09:00")


def facts(
    *,
    when: datetime = UNDER_WAY,
    late: float = 0.0,
    shipment: Any = None,
    journey: Any = None,
    care: Any = None,
) -> Facts:
    shipment, journey = shipment or a_shipment(), journey or a_journey()
    arrival = made.arriving_late_with(late)
    odds = made.odds(shipment, arrival, journey=journey, cares=[care or made.care()])
    return Facts(shipment=shipment, journey=journey, arrival=arrival, odds=(odds,), at=when)


def found(given: Facts, standing: dict[AlertKey, Severity] | None = None) -> dict[str, Condition]:
    return {one.kind: one for one in run_rules(RULES, given, standing or {}).conditions}


def severities(given: Facts, standing: dict[AlertKey, Severity] | None = None) -> dict[str, str]:
    return {kind: one.severity for kind, one in found(given, standing).items()}


@pytest.mark.parametrize(
    ("late", "standing", "expected"),
    [
        (0.09, False, {}),
        (0.10, False, {"plan_risk": "info"}),
        (0.05, True, {"plan_risk": "info"}),
        (0.04, True, {}),
    ],
)
def test_plan_risk_raises_at_ten_percent_and_clears_below_five(
    late: float, standing: bool, expected: dict[str, str]
) -> None:
    open_now: dict[AlertKey, Severity] = {("plan_risk", "dose:d1"): "info"} if standing else {}

    assert severities(facts(when=PLANNING, late=late), open_now) == expected


def test_four_hours_before_departure_the_plan_is_handed_on() -> None:
    last = DEPARTURE - timedelta(hours=4)

    assert severities(facts(when=last - SECOND, late=0.6)) == {"plan_risk": "info"}
    assert severities(facts(when=last, late=0.6)) == {"arrival_after_expiry": "critical"}


@pytest.mark.parametrize(
    "moved",
    [{"picked_up_at": at("04:00")}, {"legs": (LegFacts(number=1, departed_at=at("04:30")),)}],
)
def test_the_plan_phase_ends_with_the_first_movement(moved: dict[str, Any]) -> None:
    journey = a_journey(**moved)

    assert not in_plan_phase(a_shipment(), journey, at=PLANNING)


# The only flight known leaves at 10:00 and accepts until 08:30, which is `act_by`: near from 06:30 on.
@pytest.mark.parametrize(
    ("when", "late", "expected"),
    [
        ("06:29", 0.19, None),
        ("06:29", 0.20, "warning"),
        ("06:29", 0.49, "warning"),
        ("06:29", 0.50, "critical"),
        ("06:30", 0.09, None),
        ("06:30", 0.10, "warning"),
    ],
)
def test_arrival_after_expiry_raises_earlier_when_the_last_chance_to_act_is_near(
    when: str, late: float, expected: str | None
) -> None:
    assert severities(facts(when=at(when), late=late)).get("arrival_after_expiry") == expected


@pytest.mark.parametrize(
    ("late", "standing", "expected"),
    [
        (0.10, "warning", "warning"),
        (0.09, "warning", None),
        (0.35, "critical", "critical"),
        (0.34, "critical", "warning"),
    ],
)
def test_arrival_after_expiry_steps_down_below_its_clear_thresholds(
    late: float, standing: Severity, expected: str | None
) -> None:
    judged = severities(facts(when=at("07:00"), late=late), {("arrival_after_expiry", "dose:d1"): standing})

    assert judged.get("arrival_after_expiry") == expected


def test_a_product_may_set_its_own_thresholds() -> None:
    product = a_product(
        thresholds={"arrival_after_expiry.warning": 0.02, "arrival_after_expiry.critical": 0.03}
    )
    shipment = a_shipment(product=product)

    assert severities(facts(when=at("06:15"), late=0.02, shipment=shipment)) == {
        "arrival_after_expiry": "warning"
    }
    assert severities(facts(when=at("06:15"), late=0.03, shipment=shipment)) == {
        "arrival_after_expiry": "critical"
    }


def test_a_late_arrival_says_what_why_until_when_and_in_whose_time() -> None:
    told = found(facts(when=at("10:30"), late=0.25))["arrival_after_expiry"]

    assert told.summary == (
        "Dose D1 (Lu-177): 25% chance of arriving too late to be used, "
        "because no departure of flight AC1 PLANT–CLINIC was reported; "
        "needed by Tue 06 Jan 15:00 CET (14:00Z), expected Tue 06 Jan 14:45 CET (13:45Z)."
    )
    assert told.cause == Cause(kind="not_departed", leg=1, service="AC1", location="PLANT")
    assert told.act_by == at("08:30")
    assert told.evidence["late_probability"] == pytest.approx(0.25)
    assert told.evidence["threshold"] == 0.10
    assert told.what_would_help == (
        "Ask ACME whether flight AC1 PLANT–CLINIC has left with the package.",
        "Re-planning can no longer save this dose. "
        "Tell the site: move the appointment, shorten the handling, or order a replacement dose.",
    )


def test_when_acting_on_the_way_is_over_only_the_site_can_help() -> None:
    gone = a_journey(state="in_transit", legs=(LegFacts(number=1, departed_at=at("10:00")),))

    told = found(facts(when=at("11:00"), late=0.25, journey=gone))["arrival_after_expiry"]

    assert told.what_would_help == (
        "Re-planning can no longer save this dose. "
        "Tell the site: move the appointment, shorten the handling, or order a replacement dose.",
    )


def test_an_appointment_that_no_other_way_keeps_says_so() -> None:
    shipment = a_shipment(doses=(a_dose(administer_at=at("12:30"), expires_at=at("20:00")),))
    gone = a_journey(state="in_transit", legs=(LegFacts(number=1, departed_at=at("10:00")),))

    told = found(facts(when=at("11:00"), late=0.9, journey=gone, shipment=shipment))["appointment_at_risk"]

    assert told.act_by == at("10:00")
    assert told.what_would_help[-1].startswith(
        "Re-planning can no longer keep the appointment. Tell the site"
    )


@pytest.mark.parametrize(
    ("when", "helps"),
    [
        ("10:30", "Book the next service in place of flight AC1 PLANT–CLINIC."),
        ("11:00", "Re-planning can no longer save any of the doses. Tell the site"),
    ],
)
def test_what_failed_can_be_re_planned_as_long_as_one_of_the_doses_is_saved_by_it(
    when: str, helps: str
) -> None:
    """As fast as the plan, a flight has to be booked by 10:25 for the dose needed by 14:00, by 10:55 for the other."""
    doses = (a_dose(), a_dose(id="d2", expires_at=USABLE_UNTIL + timedelta(minutes=30)))
    shipment = a_shipment(doses=doses)
    journey = a_journey(legs=(LegFacts(number=1, failed="leg_cancelled", failed_at=at("09:00")),))
    plans = dose_plans(shipment, {dose.id: made.care() for dose in doses}, journey)
    arrival = made.arriving_late_with(1.0)
    odds = tuple(odds_of(plan, shipment, arrival) for plan in plans)
    given = Facts(shipment=shipment, journey=journey, arrival=arrival, odds=odds, at=at(when))

    told = found(given)["missed_connection"]

    assert told.act_by == at("10:25")
    assert told.what_would_help[0].startswith(helps)


def test_dose_expired_begins_just_after_the_window() -> None:
    at_the_bound = severities(facts(when=USABLE_UNTIL, late=1.0))
    told = found(facts(when=USABLE_UNTIL + SECOND, late=1.0))["dose_expired"]

    assert "dose_expired" not in at_the_bound
    assert (told.severity, told.since) == ("critical", USABLE_UNTIL)


@pytest.mark.parametrize(
    ("journey", "care", "expired"),
    [
        (a_journey(state="delivered", delivered_at=at("13:00")), {}, True),
        (a_journey(state="received", received_at=at("13:00")), {}, False),
        (a_journey(state="in_transit"), {"outcome": "administered"}, False),
        (a_journey(state="in_transit"), {"outcome": "disposed"}, False),
    ],
)
def test_dose_expired_ends_with_receipt_not_with_delivery(journey: Any, care: Any, expired: bool) -> None:
    given = facts(when=at("16:00"), journey=journey, care=made.care(**care))

    assert ("dose_expired" in severities(given)) is expired


def connection(first: LegFacts, second: LegFacts | None = None, *, when: str) -> dict[str, Condition]:
    journey = a_journey(state="in_transit", legs=(first, second or LegFacts(number=2)))
    shipment = a_shipment(legs=made.two_legs())
    return found(replace(facts(when=at(when), shipment=shipment, journey=journey)))


def test_a_connection_is_missed_just_after_it_left_without_the_package() -> None:
    flying = LegFacts(number=1, departed_at=at("10:00"))

    before = connection(flying, when="11:30")
    told = connection(flying, when="11:31")["missed_connection"]

    assert "missed_connection" not in before
    assert (told.severity, told.since) == ("warning", at("11:30"))
    assert told.cause == Cause(kind="missed_connection", leg=2, service="AC2", location="HUB")
    assert told.summary.startswith(
        "Leg 2, AC2 HUB–CLINIC, was due to leave before the package had arrived there"
    )


def test_arriving_with_the_departure_makes_the_connection_and_later_misses_it() -> None:
    just = LegFacts(number=1, departed_at=at("10:00"), arrived_at=at("11:30"))
    late = LegFacts(number=1, departed_at=at("10:00"), arrived_at=at("11:31"))

    assert "missed_connection" not in connection(just, when="11:40")
    assert "missed_connection" in connection(late, when="11:40")


def test_a_carriers_later_departure_keeps_the_connection() -> None:
    flying = LegFacts(number=1, departed_at=at("10:00"))
    waiting = LegFacts(number=2, estimated_departure_at=at("12:30"))

    assert "missed_connection" not in connection(flying, waiting, when="12:30")
    assert "missed_connection" in connection(flying, waiting, when="12:31")


def test_a_missed_connection_clears_when_the_package_is_known_to_have_left() -> None:
    flying = LegFacts(number=1, departed_at=at("10:00"))

    flown = connection(flying, LegFacts(number=2, departed_at=at("11:35")), when="11:40")

    assert "missed_connection" not in flown


@pytest.mark.parametrize("failed", ["leg_cancelled", "offloaded", "refused"])
def test_a_leg_reported_as_failed_is_a_missed_connection_until_it_flies_after_all(failed: Any) -> None:
    stopped = LegFacts(number=1, failed=failed, failed_at=at("09:30"))

    told = connection(stopped, when="09:45")["missed_connection"]
    flown = connection(replace(stopped, departed_at=at("09:50")), when="09:55")

    assert (told.since, told.cause.kind, told.cause.leg) == (at("09:30"), failed, 1)
    assert "missed_connection" not in flown


def test_offloaded_after_departing_counts_until_a_later_movement() -> None:
    off = LegFacts(number=1, departed_at=at("10:00"), failed="offloaded", failed_at=at("10:30"))

    assert "missed_connection" in connection(off, when="10:31")
    assert "missed_connection" not in connection(replace(off, departed_at=at("11:00")), when="11:01")


def test_a_reported_hold_is_told_at_once() -> None:
    told = found(facts(journey=a_journey(state="held", held_since=at("08:50"))))["hold"]

    assert (told.severity, told.since, told.cause.kind) == ("warning", at("08:50"), "held")
    assert told.summary == "Held at PLANT since Tue 06 Jan 09:50 CET (08:50Z)."


def test_customs_is_told_only_beyond_four_hours() -> None:
    journey = a_journey(state="in_transit", customs_since=at("05:00"), customs_place="VIE")

    assert "hold" not in found(facts(when=at("09:00"), journey=journey))
    told = found(facts(when=at("09:00") + SECOND, journey=journey))["hold"]
    assert (told.since, told.cause.kind, told.cause.location) == (at("09:00"), "customs", "VIE")
    assert "more than 4 hours" in told.summary


def test_the_product_may_give_customs_longer() -> None:
    shipment = a_shipment(product=a_product(thresholds={"hold.customs_hours": 6.0}))
    journey = a_journey(state="in_transit", customs_since=at("05:00"))

    assert "hold" not in found(facts(when=at("11:00"), shipment=shipment, journey=journey))


@pytest.mark.parametrize("state", ["cancelled", "lost", "returned"])
def test_no_rule_runs_when_the_journey_has_ended_elsewhere(state: Any) -> None:
    journey = a_journey(state=state, held_since=at("08:00"))

    assert found(facts(when=at("16:00"), late=1.0, journey=journey)) == {}


@pytest.mark.parametrize("state", ["delivered", "received"])
def test_rules_about_the_way_stop_at_delivery(state: Any) -> None:
    journey = a_journey(state=state, held_since=at("08:00"), received_at=at("13:00"))

    assert found(facts(when=at("13:30"), late=1.0, journey=journey)) == {}


def broken(_facts: Facts, _open: OpenSeverity) -> Iterable[Condition]:
    raise ZeroDivisionError("no lanes")


def half_broken(given: Facts, _open: OpenSeverity) -> Iterator[Condition]:
    yield found(given)["hold"]
    raise ZeroDivisionError("no lanes")


def a_rule(judge: Any) -> Rule:
    return Rule(kind="stalled", judge=judge, silent_in=frozenset())


@pytest.mark.parametrize("judge", [broken, half_broken])
def test_a_rule_that_raises_becomes_an_alert_is_reported_and_stops_no_other(judge: Any) -> None:
    given = facts(journey=a_journey(state="held", held_since=at("08:50")))

    findings = run_rules((a_rule(judge), *RULES), given, {})

    assert [one.kind for one in findings.conditions] == ["hold", "rule_error"]
    assert [(one.kind, one.error) for one in findings.failures] == [
        ("stalled", "ZeroDivisionError: no lanes")
    ]


def test_the_slowest_segment_is_the_cause_when_nothing_else_is() -> None:
    slow = Contribution(leg=1, segment="transit", minutes_p50=42.0, basis="history")
    arrival = arriving("13:30", "14:30", contributions=(slow,))
    shipment = a_shipment(legs=(a_leg(),))
    odds = made.odds(shipment, arrival)

    given = Facts(shipment=shipment, journey=a_journey(), arrival=arrival, odds=(odds,), at=UNDER_WAY)

    assert found(given)["arrival_after_expiry"].cause == Cause(
        kind="slow_transit", leg=1, service="AC1", location="PLANT"
    )


@pytest.mark.parametrize(
    ("journey", "cause"),
    [
        ({"held_since": at("08:50")}, Cause(kind="held", leg=1, service="AC1", location="PLANT")),
        (
            {"customs_since": at("08:50"), "customs_place": "VIE"},
            Cause(kind="customs", leg=1, service="AC1", location="VIE"),
        ),
        (
            {"legs": (LegFacts(number=1, departed_at=at("08:00")),)},
            Cause(kind="not_arrived", leg=1, service="AC1", location="CLINIC"),
        ),
        (
            {"legs": (LegFacts(number=1, departed_at=at("08:00"), arrived_at=at("08:50")),)},
            Cause(kind="tight_plan"),
        ),
    ],
)
def test_a_report_or_an_overdue_scan_is_named_as_the_cause(journey: dict[str, Any], cause: Cause) -> None:
    given = facts(when=at("12:30"), late=0.6, journey=a_journey(state="in_transit", **journey))

    assert found(given)["arrival_after_expiry"].cause == cause


def test_a_slow_segment_of_a_leg_no_longer_planned_is_still_named() -> None:
    gone = Contribution(leg=9, segment="dwell", minutes_p50=42.0, basis="history")
    arrival = arriving("13:30", "14:30", contributions=(gone,))
    odds = made.odds(a_shipment(), arrival)

    given = Facts(shipment=a_shipment(), journey=a_journey(), arrival=arrival, odds=(odds,), at=UNDER_WAY)

    assert found(given)["arrival_after_expiry"].cause == Cause(kind="slow_dwell", leg=9)


def test_a_plan_that_arrives_after_the_appointment_is_itself_the_cause() -> None:
    """Rebooked to the next morning, every segment as planned: no handover is slow, the plan is late."""
    shipment = a_shipment(doses=(made.a_dose(administer_at=at("12:30")),))  # arrives 12:00, needed by 11:30
    slow = Contribution(leg=1, segment="dwell", minutes_p50=12.0, basis="history")
    arrival = arriving("12:00", "12:30", contributions=(slow,))
    odds = made.odds(shipment, arrival)

    given = Facts(shipment=shipment, journey=a_journey(), arrival=arrival, odds=(odds,), at=UNDER_WAY)

    told = found(given)["appointment_at_risk"]
    assert told.cause == Cause(kind="late_plan", leg=1, service="AC1", location="PLANT")
    assert "because the plan itself arrives too late" in told.summary


@pytest.mark.parametrize(("when", "kind"), [("13:59", "slow_dwell"), ("14:01", "not_departed")])
def test_a_delay_that_the_carrier_has_told_is_no_silence(when: str, kind: str) -> None:
    """Planned for 10:00 and put off to 14:00: before that nobody has to be asked whether it has left."""
    slow = Contribution(leg=1, segment="dwell", minutes_p50=240.0, basis="history")
    arrival = arriving("15:00", "17:00", contributions=(slow,))
    put_off = (LegFacts(number=1, estimated_departure_at=at("14:00")),)
    given = facts(when=at(when), late=0.6, journey=a_journey(state="in_transit", legs=put_off))

    told = found(replace(given, arrival=arrival))["arrival_after_expiry"]

    assert told.cause == Cause(kind=kind, leg=1, service="AC1", location="PLANT")


def test_of_a_late_plan_the_first_leg_that_can_still_be_changed_is_named() -> None:
    """The flight has left at 10:05: nobody can take an earlier one, but a faster way on from the hub."""
    shipment = a_shipment(doses=(made.a_dose(administer_at=at("12:30")),), legs=made.two_legs())
    journey = a_journey(
        state="in_transit", legs=(LegFacts(number=1, departed_at=at("10:05")), LegFacts(number=2))
    )
    arrival = arriving("12:00", "12:30")
    odds = made.odds(shipment, arrival)

    given = Facts(shipment=shipment, journey=journey, arrival=arrival, odds=(odds,), at=at("10:10"))

    told = found(given)["appointment_at_risk"]
    assert told.cause == Cause(kind="late_plan", leg=2, service="AC2", location="HUB")
