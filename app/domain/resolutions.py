"""Why an alert ended, in words: the last line of its history."""

from collections.abc import Mapping

from app.domain.alerts import AlertKey, OpenAlert, dose_subject
from app.domain.odds import DoseOdds
from app.domain.risk import NO_ARRIVAL
from app.domain.rules_arrival import in_plan_phase
from app.domain.ruling import Facts
from app.domain.wording import chance

_REPORTED = {
    "missed_connection": "re-planned, or the package is known to have left",
    "hold": "the hold has ended",
    "temperature_excursion": "the temperature is back within limits, or quality has decided",
    "device_silent": "it was heard again, or the package has arrived",
    "logger_not_read": "its readings have arrived",
    "packaging_expiring": "the package was re-iced, has arrived, or is expected in time",
    "battery_low": "the battery lasts, or the package has arrived",
    "stalled": "progress was reported, or a hold explains the silence",
    "custody_gap": "a handover has been reported",
    "rule_error": "every rule can be evaluated again",
}
_OF_A_DOSE = {
    "out_of_activity_window": "the appointment lies inside the window again",
    "delivered_unusable": "a decision has been recorded",
    "assay_discrepancy": "the measurement was corrected",
    "outcome_missing": "the outcome has been reported, or the appointment was moved",
}


def reason_for(alert: OpenAlert, facts: Facts, standing: Mapping[AlertKey, object]) -> str:
    """Return why `alert` no longer holds under these facts; `standing` is what holds instead."""
    state = facts.journey.state
    if state in NO_ARRIVAL:
        return f"the shipment is {state}"
    odds = next((one for one in facts.odds if dose_subject(one.plan.dose.id) == alert.subject), None)
    if odds is None:
        if alert.kind == "stalled" and facts.journey.delivered_at is not None:
            return f"delivered {facts.say(facts.journey.delivered_at)}"
        return _REPORTED.get(alert.kind, "its subject is no longer part of the plan")
    if alert.kind in {"plan_risk", "arrival_after_expiry", "appointment_at_risk", "dose_expired"}:
        return _about_arrival(alert, odds, facts, standing)
    return _about_dose(alert, odds)


def _about_arrival(
    alert: OpenAlert, odds: DoseOdds, facts: Facts, standing: Mapping[AlertKey, object]
) -> str:
    state = facts.journey.state
    if alert.kind == "dose_expired":
        return f"the shipment is {state}" if state == "received" else "a correction shows it still usable"
    if facts.arrival is not None and facts.arrival.arrived_at is not None:
        return _delivered(alert, odds, facts)
    if alert.kind == "plan_risk" and not in_plan_phase(facts.shipment, facts.journey, at=facts.at):
        taken_over = ("arrival_after_expiry", alert.subject) in standing
        return (
            "handed on to arrival_after_expiry"
            if taken_over
            else "from here on judged as arrival_after_expiry"
        )
    if alert.kind == "appointment_at_risk":
        if ("arrival_after_expiry", alert.subject) in standing:
            return "handed on to arrival_after_expiry: the dose itself is at stake"
        return f"the chance of missing the appointment fell to {chance(odds.appointment_late_probability or 0.0)}"
    return f"the chance of arriving too late fell to {chance(odds.late_probability or 0.0)}"


def _delivered(alert: OpenAlert, odds: DoseOdds, facts: Facts) -> str:
    arrived_at = facts.arrival.arrived_at if facts.arrival else None
    when = facts.say(arrived_at) if arrived_at else ""
    appointment = alert.kind == "appointment_at_risk"
    late = odds.appointment_late_probability if appointment else odds.late_probability
    return f"delivered too late, {when}" if late else f"delivered in time, {when}"


def _about_dose(alert: OpenAlert, odds: DoseOdds) -> str:
    care = odds.plan.care
    if alert.kind == "not_released":
        if care.quality_status == "released":
            return "finally released"
        return "rejected: see do_not_administer" if care.quality_status == "rejected" else "re-planned"
    if care.outcome != "open":
        return f"the dose is {care.outcome.replace('_', ' ')}"
    return _OF_A_DOSE.get(alert.kind, "it no longer holds")
