"""The rules about each dose: raise and clear, on both sides of each bound."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.alerts import AlertKey, Condition, Severity
from app.domain.bedside import Assay, Decision
from app.domain.rules import RULES
from app.domain.ruling import Facts, run_rules
from tests.domain import made
from tests.domain.made import a_dose, a_journey, a_product, a_shipment, an_event, at

SECOND = timedelta(seconds=1)
MORNING = at("09:00")
APPOINTED = at("16:00")  # so it must be there, released, by 15:00
REJECTED = Decision(
    decision="reject",
    person="Dr Weiss",
    meaning="rejected by QP",
    reason="sterility",
    decided_at=at("11:00"),
    lot="L1",
)


def facts(
    *,
    when: datetime = MORNING,
    dose: Any = None,
    product: Any = None,
    journey: Any = None,
    late: float = 0.0,
    **care: Any,
) -> Facts:
    dose = dose or a_dose(administer_at=APPOINTED, expires_at=at("20:00"), lot="L1")
    shipment = a_shipment(doses=(dose,), product=product or a_product())
    journey = journey or a_journey()
    arrival = made.arriving("12:00", "13:00") if not late else made.arriving_late_with(late)
    odds = made.odds(shipment, arrival, journey=journey, cares=[made.care(**care)])
    return Facts(shipment=shipment, journey=journey, arrival=arrival, odds=(odds,), at=when)


def found(given: Facts, standing: dict[AlertKey, Severity] | None = None) -> dict[str, Condition]:
    return {one.kind: one for one in run_rules(RULES, given, standing or {}).conditions}


@pytest.mark.parametrize(
    ("when", "quality", "severity"),
    [
        ("14:59", "pending", None),
        ("15:00", "pending", "warning"),
        ("15:00", "released_conditionally", "warning"),
        ("15:59", "quarantined", "warning"),
        ("16:00", "released_conditionally", "critical"),
        ("16:00", "released", None),
        ("16:00", "rejected", None),
    ],
)
def test_a_dose_must_be_finally_released_when_its_preparation_begins(
    when: str, quality: str, severity: str | None
) -> None:
    told = found(facts(when=at(when), quality_status=quality)).get("not_released")

    assert (told and told.severity) == severity
    assert told is None or (told.since, told.act_by) == (at("15:00"), APPOINTED)
    assert told is None or told.evidence["handling_minutes"] == 60.0


def test_nobody_waits_for_the_release_of_what_will_not_be_given() -> None:
    assert "not_released" not in found(facts(when=APPOINTED, outcome="not_administered"))
    assert "not_released" in found(facts(when=APPOINTED, outcome="administered"))


@pytest.mark.parametrize(
    "state", ["planned", "in_transit", "delivered", "received", "cancelled", "returned", "lost"]
)
def test_a_rejected_dose_is_told_in_every_state_and_never_taken_back(state: Any) -> None:
    journey = a_journey(state=state)

    told = found(facts(journey=journey, quality_status="rejected", rejection=REJECTED))["do_not_administer"]
    overruled = found(facts(journey=journey, quality_status="released", rejection=REJECTED))
    corrected = found(facts(journey=journey), {("do_not_administer", "dose:d1"): "critical"})

    assert (told.severity, told.since, told.cause.kind, told.cause.lot) == (
        "critical", at("11:00"), "rejected", "L1",
    )  # fmt: skip
    assert told.summary == (
        "Do not administer. Dose D1 (Lu-177), lot L1, was rejected by Dr Weiss (rejected by QP) at "
        "Tue 06 Jan 12:00 CET (11:00Z): sterility."
    )
    assert "do_not_administer" in overruled
    assert "do_not_administer" in corrected


def test_a_rejection_after_the_administration_says_so() -> None:
    told = found(facts(outcome="administered", quality_status="rejected", rejection=REJECTED))

    assert "already" in told["do_not_administer"].summary


# Calibrated 7400 MBq at 00:00 UTC, Lu-177 6.6443 d (ENSDF): 6904 MBq are left at 16:00.
@pytest.mark.parametrize(
    ("prescribed", "said"),
    [
        (7400.0, None),
        (6300.0, None),
        (6200.0, "above the prescribed range"),
        (7700.0, "below the prescribed range"),
    ],
)
def test_the_activity_at_the_appointment_must_be_in_range(prescribed: float, said: str | None) -> None:
    dose = a_dose(administer_at=APPOINTED, expires_at=at("20:00"), prescribed_activity_mbq=prescribed)

    told = found(facts(dose=dose)).get("out_of_activity_window")

    assert (told is None) == (said is None)
    assert told is None or said is None or said in told.summary


def test_an_appointment_after_the_expiry_is_outside_the_window_too() -> None:
    dose = a_dose(administer_at=APPOINTED, expires_at=APPOINTED)
    late = replace(dose, administer_at=APPOINTED + SECOND)

    assert "out_of_activity_window" not in found(facts(dose=dose))
    assert "expiry on its label" in found(facts(dose=late))["out_of_activity_window"].summary


def test_outside_the_window_since_the_plan_became_so() -> None:
    dose = a_dose(administer_at=at("26:00"), expires_at=at("20:00"))
    replanned = a_journey(effective=(an_event("replanned", at("08:30")),))

    assert found(facts(dose=dose))["out_of_activity_window"].since == made.DAY - timedelta(days=1)
    assert found(facts(dose=dose, journey=replanned))["out_of_activity_window"].since == at("08:30")


@pytest.mark.parametrize(
    ("measured", "told"), [(6660.0, False), (6659.0, True), (8140.0, False), (8141.0, True), (7000.0, False)]
)
def test_an_assay_off_by_exactly_the_tolerance_is_inside(measured: float, told: bool) -> None:
    assay = Assay(measured_mbq=measured, measured_at=made.DAY)

    assert ("assay_discrepancy" in found(facts(assay=assay))) == told


def test_an_assay_says_both_numbers_and_blames_the_meter_first() -> None:
    assay = Assay(measured_mbq=6500.0, measured_at=made.DAY)

    told = found(facts(assay=assay))["assay_discrepancy"]

    assert "6500 MBq" in told.summary
    assert "12.2% below the 7400 MBq" in told.summary
    assert told.evidence["ratio"] == pytest.approx(6500 / 7400)
    assert told.what_would_help[0].startswith("Check the meter")


@pytest.mark.parametrize(("delivered", "told"), [("20:00", False), ("20:01", True)])
def test_delivered_after_the_window_is_unusable_until_decided(delivered: str, told: bool) -> None:
    journey = a_journey(state="delivered", delivered_at=at(delivered))
    used = Decision(decision="use_as_is", person="Q", meaning="m", reason="r", decided_at=at("21:00"))
    before = replace(used, decided_at=at("19:00"))

    assert ("delivered_unusable" in found(facts(when=at("22:00"), journey=journey))) == told
    assert "delivered_unusable" not in found(facts(when=at("22:00"), journey=journey, decision=used))
    assert ("delivered_unusable" in found(facts(when=at("22:00"), journey=journey, decision=before))) == told


def test_damage_is_told_at_once_and_a_quarantine_too() -> None:
    damaged = a_journey(state="in_transit", damaged_at=at("08:30"))

    told = found(facts(journey=damaged))["delivered_unusable"]

    assert (told.severity, told.since) == ("critical", at("08:30"))
    assert "delivered_unusable" in found(facts(quality_status="quarantined", quarantined_at=at("08:00")))
    assert "delivered_unusable" not in found(facts(journey=damaged, outcome="disposed"))


def test_a_missing_outcome_is_told_only_where_the_product_asks() -> None:
    asks = a_product(thresholds={"outcome_missing.hours": 24.0})
    due = APPOINTED + timedelta(hours=24)

    assert "outcome_missing" not in found(facts(when=due))
    assert "outcome_missing" not in found(facts(when=due - SECOND, product=asks))
    assert found(facts(when=due, product=asks))["outcome_missing"].since == due
    assert "outcome_missing" not in found(facts(when=due, product=asks, outcome="administered"))


@pytest.mark.parametrize(
    ("late_for_slot", "standing", "expected"),
    [(0.29, None, None), (0.30, None, "warning"), (0.70, None, "critical"), (0.15, "warning", "warning"),
     (0.14, "warning", None), (0.50, "critical", "critical"), (0.49, "critical", "warning")],
)  # fmt: skip
def test_the_appointment_has_a_ladder_of_its_own(
    late_for_slot: float, standing: Severity | None, expected: str | None
) -> None:
    # Needed by 14:00 for the appointment at 15:00, while the dose lasts until 20:00.
    dose = a_dose(administer_at=at("15:00"), expires_at=at("20:00"))
    open_now: dict[AlertKey, Severity] = {("appointment_at_risk", "dose:d1"): standing} if standing else {}

    told = found(facts(dose=dose, late=late_for_slot), open_now).get("appointment_at_risk")

    assert (told and told.severity) == expected
    assert told is None or "would still be usable" in told.summary


def test_where_the_dose_itself_is_lost_the_appointment_is_silent() -> None:
    dose = a_dose(administer_at=at("15:00"), expires_at=at("15:00"))

    told = found(facts(dose=dose, late=0.8))

    assert told["arrival_after_expiry"].severity == "critical"
    assert "appointment_at_risk" not in told


def test_a_dose_cannot_be_moved_into_its_window_once_that_has_ended() -> None:
    late = a_dose(administer_at=at("21:00"), expires_at=at("20:00"))

    assert found(facts(dose=late))["out_of_activity_window"].act_by == at("20:00")
