"""Why an alert ended, in words: the last line of its history."""

from collections.abc import Mapping

from app.domain.alerts import AlertKey, OpenAlert, dose_subject
from app.domain.odds import DoseOdds
from app.domain.risk import NO_ARRIVAL
from app.domain.rules import in_plan_phase
from app.domain.ruling import Facts

_REPORTED = {
    "missed_connection": "re-planned, or the package is known to have left",
    "hold": "the hold has ended",
    "temperature_excursion": "the temperature is back within limits, or quality has decided",
    "device_silent": "it was heard again, or the package has arrived",
    "logger_not_read": "its readings have arrived",
    "packaging_expiring": "the package was re-iced, has arrived, or is expected in time",
    "battery_low": "the battery lasts, or the package has arrived",
    "rule_error": "every rule can be evaluated again",
}


def reason_for(alert: OpenAlert, facts: Facts, standing: Mapping[AlertKey, object]) -> str:
    """Return why `alert` no longer holds under these facts; `standing` is what holds instead."""
    state = facts.journey.state
    if state in NO_ARRIVAL:
        return f"the shipment is {state}"
    odds = next((one for one in facts.odds if dose_subject(one.plan.dose.id) == alert.subject), None)
    if odds is None:
        return _REPORTED.get(alert.kind, "its subject is no longer part of the plan")
    if alert.kind == "dose_expired":
        return f"the shipment is {state}" if state == "received" else "a correction shows it still usable"
    if facts.arrival is not None and facts.arrival.arrived_at is not None:
        return _delivered(odds, facts)
    if alert.kind == "plan_risk" and not in_plan_phase(facts.shipment, facts.journey, at=facts.at):
        taken_over = ("arrival_after_expiry", alert.subject) in standing
        return (
            "handed on to arrival_after_expiry"
            if taken_over
            else "from here on judged as arrival_after_expiry"
        )
    return f"the chance of arriving too late fell to {odds.late_probability or 0.0:.0%}"


def _delivered(odds: DoseOdds, facts: Facts) -> str:
    arrived_at = facts.arrival.arrived_at if facts.arrival else None
    when = facts.say(arrived_at) if arrived_at else ""
    return f"delivered in time, {when}" if not odds.late_probability else f"delivered too late, {when}"
