"""Odds and verdicts, at 0.10 and 0.50 as the table of verdicts has them; exactly at a bound is inside."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.bedside import Draw
from app.domain.odds import dose_plans, odds_of, worst_of
from app.domain.risk import dose_risk, is_settled, limit_words
from app.domain.shipment import Opening
from app.domain.site_time import counted_arrival_at, last_receivable_at, site_text
from tests.domain import made
from tests.domain.made import LATEST, USABLE_UNTIL, a_dose, a_journey, a_shipment, arriving, at

NINE_TO_FIVE = Opening(
    days=(1, 2, 3, 4, 5), opens="09:00", closes="17:00"
)  # Vienna: 08:00Z to 16:00Z in January


def verdict(
    arrival: Any, *, shipment: Any = None, journey: Any = None, when: str = "09:00", **care: Any
) -> str:
    shipment, journey = shipment or a_shipment(), journey or a_journey()
    odds = made.odds(shipment, arrival, journey=journey, cares=[made.care(**care)])
    return dose_risk(odds, shipment, journey, arrival, at=at(when)).verdict


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (0.0, "ok"),
        (0.09, "ok"),
        (0.10, "at_risk"),
        (0.49, "at_risk"),
        (0.50, "will_miss"),
        (1.0, "will_miss"),
    ],
)
def test_verdict_follows_the_chance_of_being_late(late: float, expected: str) -> None:
    arrival = made.arriving_late_with(late)

    assert verdict(arrival) == expected


def test_exactly_at_the_latest_useful_arrival_is_in_time_and_a_second_later_is_not() -> None:
    shipment, journey = a_shipment(), a_journey(state="delivered", delivered_at=LATEST)

    inside = made.odds(shipment, made.arrived(LATEST), journey=journey)
    outside = made.odds(shipment, made.arrived(LATEST + timedelta(seconds=1)), journey=journey)

    assert (inside.late_probability, outside.late_probability) == (0.0, 1.0)
    assert inside.slack_p50_minutes == 0.0


def test_slack_is_the_latest_useful_arrival_minus_the_quantile() -> None:
    odds = made.odds(a_shipment(), arriving("12:00", "13:00"))

    assert odds.slack_p50_minutes == pytest.approx(90.0)
    assert odds.slack_p90_minutes == pytest.approx(66.0)


def test_the_unknown_share_counts_as_late_and_leaves_the_p90_slack_unknown() -> None:
    odds = made.odds(a_shipment(), arriving("11:00", "12:00", unknown_probability=0.2))

    assert odds.late_probability == pytest.approx(0.2)
    assert odds.slack_p90_minutes is None


def test_the_appointment_is_judged_by_its_own_bound() -> None:
    shipment = a_shipment(doses=(a_dose(administer_at=at("13:30")),))

    odds = made.odds(shipment, arriving("12:00", "13:00"))

    assert odds.appointment_late_probability == pytest.approx(0.5)  # needed by 12:30
    assert odds.late_probability == 0.0


def test_without_an_appointment_there_is_no_chance_of_missing_it() -> None:
    odds = made.odds(a_shipment(), arriving("12:00", "13:00"))

    assert odds.appointment_late_probability is None


def test_a_dose_that_nothing_ends_is_never_late() -> None:
    shipment = a_shipment(doses=(a_dose(expires_at=None),))

    odds = made.odds(shipment, arriving("12:00", "13:00", unknown_probability=0.5))

    assert odds.late_probability == 0.0
    assert odds.slack_p50_minutes is None
    assert verdict(arriving("12:00", "13:00"), shipment=shipment) == "ok"


def test_expired_begins_just_after_the_window() -> None:
    arrival = arriving("16:00", "17:00")

    assert verdict(arrival, when="15:00") == "will_miss"
    assert verdict(arrival, when="15:01") == "expired"


@pytest.mark.parametrize("state", ["cancelled", "lost", "returned"])
def test_no_arrival_is_expected_once_the_journey_has_ended_elsewhere(state: str) -> None:
    odds = made.odds(a_shipment(), None)

    assert odds.late_probability is None
    assert verdict(None, journey=a_journey(state=state), when="16:00") == "will_miss"


@pytest.mark.parametrize(
    ("received", "care", "expected"),
    [
        ("15:00", {}, "received_usable"),
        ("15:01", {}, "received_unusable"),
        ("13:00", {"quality_status": "rejected"}, "received_unusable"),
        ("13:00", {"quality_status": "quarantined"}, "quarantined"),
        ("13:00", {"outcome": "administered"}, "received_usable"),
    ],
)
def test_what_was_received_is_judged_when_it_was_received(received: str, care: Any, expected: str) -> None:
    journey = a_journey(state="received", received_at=at(received), delivered_at=at(received))

    judged = verdict(made.arrived(at(received)), journey=journey, when="20:00", **care)

    assert judged == expected


def test_an_administered_dose_counts_as_received_and_one_without_a_bound_has_all_the_time() -> None:
    given, endless = a_journey(state="in_transit"), a_shipment(doses=(a_dose(expires_at=None),))
    received = a_journey(state="received", received_at=at("13:00"))

    assert verdict(arriving("12:00", "13:00"), journey=given, outcome="administered") == "received_usable"
    assert verdict(made.arrived(at("13:00")), shipment=endless, journey=received) == "received_usable"


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("shelf_life", "its shelf life ends"),
        ("clock:RCP", "the product's clock “RCP” runs out"),
        (None, "nothing ends its window"),
    ],
)
def test_limits_are_told_in_words(limit: str | None, words: str) -> None:
    assert limit_words(limit) == words


def test_without_any_known_arrival_no_administration_is_dated() -> None:
    odds = made.odds(a_shipment(), None)

    risk = dose_risk(odds, a_shipment(), a_journey(state="lost"), None, at=at("09:00"))

    assert (risk.activity_at_administration_mbq, risk.draw_volume_ml) == (None, None)


def test_damage_makes_a_received_dose_unusable() -> None:
    journey = a_journey(state="received", received_at=at("13:00"), damaged_at=at("12:00"))

    assert verdict(made.arrived(at("13:00")), journey=journey, when="13:01") == "received_unusable"


@pytest.mark.parametrize("status", ["quarantined", "rejected"])
def test_a_quality_decision_stands_before_the_odds(status: str) -> None:
    assert verdict(arriving("16:00", "17:00"), quality_status=status) == "quarantined"


def test_every_verdict_says_why_in_the_time_of_the_site() -> None:
    shipment, journey, arrival = a_shipment(), a_journey(), made.arriving_late_with(0.25)
    odds = made.odds(shipment, arrival)

    risk = dose_risk(odds, shipment, journey, arrival, at=at("09:00"))

    assert risk.verdict_reasons == (
        "25% chance of arriving after Tue 06 Jan 15:00 CET (14:00Z), the latest useful arrival; "
        "expected 15 minutes before it",
    )


def above_range(**changes: Any) -> Any:
    """Lu-177, 8900 MBq for 7400 ±10 % (worked case TOL-01): above 8140 for 20.5 h at 6.6443 d (ENSDF)."""
    dose = a_dose(calibrated_activity_mbq=8900.0, prescribed_activity_mbq=7400.0, **changes)
    return a_shipment(doses=(dose,))


def test_activity_above_the_range_is_judged_at_the_appointment_and_not_on_the_way() -> None:
    arrival = arriving("11:00", "12:00")
    early = above_range(administer_at=at("14:00"), expires_at=None)
    later = above_range(administer_at=at("22:00"), expires_at=None)

    assert verdict(arrival, shipment=early) == "activity_above_range"
    assert verdict(arrival, shipment=later) == "ok"


def test_without_appointment_a_dose_above_range_may_wait_unless_it_expires_first() -> None:
    arrival = arriving("11:00", "12:00")

    assert verdict(arrival, shipment=above_range(expires_at=at("23:00"))) == "ok"
    assert verdict(arrival, shipment=above_range(expires_at=USABLE_UNTIL)) == "activity_above_range"


def test_an_appointment_after_the_window_puts_the_dose_at_risk() -> None:
    shipment = a_shipment(doses=(a_dose(administer_at=at("15:01")),))

    assert verdict(arriving("11:00", "12:00"), shipment=shipment) == "at_risk"


def test_activity_at_the_expected_arrival_decays_from_calibration() -> None:
    after_72_h = at("72:00")
    shipment = a_shipment(doses=(a_dose(expires_at=after_72_h + made.HOUR),))
    odds = made.odds(shipment, made.arrived(after_72_h))

    risk = dose_risk(odds, shipment, a_journey(), made.arrived(after_72_h), at=at("09:00"))

    assert risk.activity_at_eta_p50_mbq == pytest.approx(5411.43207795, rel=1e-9)  # worked case DEC-03


def test_the_worst_dose_is_the_likeliest_to_be_lost_then_the_one_with_the_earliest_bound() -> None:
    early, late = a_dose(id="early", expires_at=at("14:30")), a_dose(id="late", expires_at=at("16:00"))
    shipment = a_shipment(doses=(late, early))
    plans = dose_plans(shipment, {"early": made.care(), "late": made.care()}, a_journey())

    def worst(arrival: Any) -> str | None:
        odds = tuple(odds_of(p, shipment, arrival) for p in plans)
        found = worst_of(odds)
        return found.plan.dose.id if found else None

    assert worst(arriving("13:00", "14:00")) == "early"
    assert worst(arriving("11:00", "12:00")) == "early"
    assert worst_of(()) is None


def test_a_dose_that_met_its_end_waits_for_no_arrival() -> None:
    odds = made.odds(a_shipment(), None, cares=[made.care(outcome="disposed")])

    assert is_settled(odds, a_journey())


def open_site(*openings: Opening) -> Any:
    return replace(a_shipment().site, receiving_hours=openings)


@pytest.mark.parametrize(
    ("arrives", "counts"), [("08:00", "08:00"), ("16:00", "16:00"), ("07:59", "08:00"), ("16:01", "32:00")]
)
def test_an_arrival_outside_the_hours_counts_when_they_begin(arrives: str, counts: str) -> None:
    assert counted_arrival_at(at(arrives), open_site(NINE_TO_FIVE)) == at(counts)


def test_an_arrival_on_friday_night_counts_on_monday() -> None:
    friday_night = at("20:00") + timedelta(days=3)

    assert counted_arrival_at(friday_night, open_site(NINE_TO_FIVE)) == at("08:00") + timedelta(days=6)


def test_a_bound_in_the_night_is_drawn_back_to_the_closing_before_it() -> None:
    site = open_site(NINE_TO_FIVE)

    assert last_receivable_at(at("20:00"), site) == at("16:00")
    assert last_receivable_at(at("15:00"), site) == at("15:00")


def test_opening_hours_may_pass_midnight() -> None:
    site = open_site(Opening(days=(2,), opens="22:00", closes="06:00"))

    assert counted_arrival_at(at("28:00"), site) == at("28:00")  # Wednesday 05:00 in Vienna
    assert counted_arrival_at(at("20:00"), site) == at("21:00")


def test_the_odds_count_the_hours_but_a_delivery_that_happened_is_a_fact() -> None:
    shipment = a_shipment(site=open_site(Opening(days=(2,), opens="09:00", closes="13:30")))  # until 12:30Z

    expected = made.odds(shipment, arriving("12:00", "13:00"))
    happened = made.odds(shipment, made.arrived(at("13:00")))

    assert expected.late_probability == pytest.approx(0.5)
    assert happened.late_probability == 0.0


def test_local_time_stands_with_utc_and_another_day_is_named() -> None:
    site = a_shipment().site

    assert site_text(at("14:00"), site) == "Tue 06 Jan 15:00 CET (14:00Z)"
    assert site_text(at("23:30"), site) == "Wed 07 Jan 00:30 CET (06 Jan 23:30Z)"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (6000.0, None),
        (5920.0, "given 20.0% below the prescription, which can be reportable (10 CFR 35.3045)"),
        (8890.0, "given 20.1% above the prescription, which needed the prescriber's direction (10 CFR 35.63(d)) and "
                 "can be reportable (10 CFR 35.3045)"),
    ],
)  # fmt: skip
def test_twenty_percent_and_more_than_twenty_percent_are_kept_apart(given: float, said: str | None) -> None:
    shipment = a_shipment(doses=(a_dose(prescribed_activity_mbq=7400.0),))
    draw = Draw(activity_mbq=given, drawn_at=at("14:00"))
    journey = a_journey(state="received", received_at=at("13:00"))
    odds = made.odds(
        shipment, made.arrived(at("13:00")), journey=journey,
        cares=[made.care(outcome="administered", draws=(draw,))],
    )  # fmt: skip

    risk = dose_risk(odds, shipment, journey, made.arrived(at("13:00")), at=at("15:00"))

    assert risk.verdict_reasons[1:] == ((said,) if said else ())


@pytest.mark.parametrize("outcome", ["lost", "returned", "disposed"])
def test_a_dose_that_ended_on_the_way_will_not_be_given_though_its_package_goes_on(outcome: str) -> None:
    assert verdict(arriving("11:00", "12:00"), outcome=outcome) == "will_miss"
    received = a_journey(state="received", received_at=at("11:30"))
    assert verdict(made.arrived(at("11:30")), journey=received, outcome=outcome) == "received_usable"


def test_a_received_dose_tells_an_appointment_after_its_window_and_that_the_window_has_passed() -> None:
    shipment = a_shipment(doses=(a_dose(administer_at=USABLE_UNTIL + timedelta(minutes=12)),))
    journey = a_journey(state="received", delivered_at=at("12:00"), received_at=at("12:00"))
    odds = made.odds(shipment, made.arrived(at("12:00")), journey=journey)

    before = dose_risk(odds, shipment, journey, made.arrived(at("12:00")), at=at("12:10"))
    after = dose_risk(
        odds, shipment, journey, made.arrived(at("12:00")), at=USABLE_UNTIL + timedelta(minutes=1)
    )

    assert before.verdict == after.verdict == "received_usable"
    assert before.verdict_reasons[1].startswith("the appointment at Tue 06 Jan 16:12 CET (15:12Z) lies after")
    assert len(before.verdict_reasons) == 2
    assert after.verdict_reasons[2].startswith("not given by Tue 06 Jan 16:00 CET (15:00Z), when")


def test_a_lost_dose_without_a_known_arrival_says_so() -> None:
    arrival = arriving("11:00", "12:00", unknown_probability=1.0)
    shipment, journey = a_shipment(), a_journey()
    odds = replace(made.odds(shipment, arrival), slack_p50_minutes=None)

    told = dose_risk(odds, shipment, journey, arrival, at=at("09:00"))

    assert told.verdict == "will_miss"
    assert told.verdict_reasons[0].endswith("; expected arrival unknown")


def test_a_dose_in_quarantine_by_rule_tells_why() -> None:
    shipment, journey, arrival = a_shipment(), a_journey(), arriving("11:00", "12:00")
    care = made.care(quality_status="quarantined", quarantined_at=at("08:30"))
    odds = made.odds(shipment, arrival, journey=journey, cares=[care])

    assert dose_risk(odds, shipment, journey, arrival, at=at("09:00")).verdict_reasons[0] == (
        "waiting for a recorded quality decision since Tue 06 Jan 09:30 CET (08:30Z): its temperature was "
        "unmonitored for longer than the product allows"
    )
