"""Rules about the arrival of each dose: whether it will be usable, and whether it keeps its appointment."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from app.domain.alerts import Condition, Severity, climb, dose_subject
from app.domain.cause_words import cause_words
from app.domain.causes import cause_of, help_for
from app.domain.custody import Journey
from app.domain.odds import DoseOdds, act_by
from app.domain.remedies import computed
from app.domain.risk import is_settled, limit_words
from app.domain.ruling import Facts, OpenSeverity
from app.domain.shipment import Shipment
from app.domain.telling import name_of, numbers
from app.domain.wording import chance

PLAN_PHASE_ENDS = timedelta(hours=4)
NEAR = timedelta(hours=2)


def in_plan_phase(shipment: Shipment, journey: Journey, *, at: datetime) -> bool:
    """Return whether the plan can still be changed at leisure: over 4 hours to go, and nothing has moved."""
    if journey.picked_up_at is not None or any(facts.departed_at for facts in journey.legs):
        return False
    return at < shipment.legs[0].planned_departure_at - PLAN_PHASE_ENDS


def plan_risk(facts: Facts, open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each dose that the plan itself leaves at risk, while it can still be changed at leisure."""
    if not in_plan_phase(facts.shipment, facts.journey, at=facts.at):
        return
    raise_at, clear_at = facts.threshold("plan_risk.info"), facts.threshold("plan_risk.clear")
    for odds in facts.odds:
        late = odds.late_probability or 0.0
        subject = dose_subject(odds.plan.dose.id)
        threshold = min(clear_at, raise_at) if subject in open_severity else raise_at
        if late >= threshold and odds.plan.latest_at is not None:
            yield _late_arrival(facts, odds, kind="plan_risk", severity="info", threshold=threshold)


def arrival_after_expiry(facts: Facts, open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each dose likely to arrive too late, from 4 hours before the first departure until delivery."""
    if in_plan_phase(facts.shipment, facts.journey, at=facts.at):
        return
    for odds in facts.odds:
        if odds.late_probability is None or odds.plan.latest_at is None or is_settled(odds, facts.journey):
            continue
        near = odds.act_by is not None and odds.act_by - facts.at <= NEAR
        warning = facts.threshold(f"arrival_after_expiry.warning{'_near' if near else ''}")
        critical = facts.threshold("arrival_after_expiry.critical")
        severity = climb(
            odds.late_probability,
            open_severity=open_severity.get(dose_subject(odds.plan.dose.id)),
            warning=warning,
            critical=critical,
            clear=facts.threshold("arrival_after_expiry.clear"),
            critical_clear=facts.threshold("arrival_after_expiry.critical_clear"),
        )
        if severity is not None:
            threshold = critical if severity == "critical" else warning
            yield _late_arrival(
                facts, odds, kind="arrival_after_expiry", severity=severity, threshold=threshold
            )


def appointment_at_risk(facts: Facts, open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each dose that stays usable and is likely to miss its patient's slot.

    Where the dose itself is as likely lost as not, `arrival_after_expiry` says the graver thing; it takes over at
    its critical threshold, and hands back below where it steps down.
    """
    for odds in facts.odds:
        late, subject = odds.appointment_late_probability, dose_subject(odds.plan.dose.id)
        if late is None or is_settled(odds, facts.journey) or _is_lost(facts, odds, open_severity):
            continue
        warning, critical = (facts.threshold(f"appointment_at_risk.{one}") for one in ("warning", "critical"))
        severity = climb(
            late,
            open_severity=open_severity.get(subject),
            warning=warning,
            critical=critical,
            clear=facts.threshold("appointment_at_risk.clear"),
            critical_clear=facts.threshold("appointment_at_risk.critical_clear"),
        )
        if severity is not None:
            threshold = critical if severity == "critical" else warning
            yield _late_for_appointment(facts, odds, severity=severity, threshold=threshold)


def _is_lost(facts: Facts, odds: DoseOdds, open_severity: OpenSeverity) -> bool:
    until = odds.plan.window.usable_until
    if until is not None and facts.at > until:
        return True
    ours = dose_subject(odds.plan.dose.id) in open_severity
    key = "critical" if ours else "critical_clear"
    return (odds.late_probability or 0.0) >= facts.threshold(f"arrival_after_expiry.{key}")


def dose_expired(facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each dose whose window ended before the site has it; exactly at its end it is still usable."""
    for odds in facts.odds:
        until = odds.plan.window.usable_until
        if until is None or facts.at <= until or is_settled(odds, facts.journey):
            continue
        limit = limit_words(odds.plan.window.binding_limit)
        yield Condition(
            kind="dose_expired",
            subject=dose_subject(odds.plan.dose.id),
            severity="critical",
            since=until,
            act_by=odds.act_by,
            cause=cause_of(facts.shipment, facts.journey, facts.arrival, at=facts.at),
            summary=f"{name_of(facts, odds)} was not received by {facts.say(until)}, when {limit}.",
            evidence=numbers(late_probability=odds.late_probability),
            what_would_help=("Tell the site, and order a replacement dose.",),
        )


def _late_arrival(
    facts: Facts, odds: DoseOdds, *, kind: str, severity: Severity, threshold: float
) -> Condition:
    late, bound_at = odds.late_probability or 0.0, odds.plan.latest_at
    cause = cause_of(facts.shipment, facts.journey, facts.arrival, at=facts.at, needed_at=bound_at)
    expected_at = facts.arrival.p50_at if facts.arrival else None
    summary = f"{name_of(facts, odds)}: {chance(late)} chance of arriving too late to be used"
    summary += f", because {cause_words(cause, facts.shipment)}"
    summary += f"; needed by {facts.say(bound_at)}" if bound_at else ""
    summary += f", expected {facts.say(expected_at)}." if expected_at else ", arrival unknown."
    return Condition(
        kind=kind,
        subject=dose_subject(odds.plan.dose.id),
        severity=severity,
        act_by=odds.act_by,
        cause=cause,
        summary=summary,
        evidence=numbers(
            late_probability=late,
            threshold=threshold,
            slack_p50_minutes=odds.slack_p50_minutes,
            slack_p90_minutes=odds.slack_p90_minutes,
            unknown_probability=facts.arrival.unknown_probability if facts.arrival else None,
        ),
        what_would_help=help_for(
            cause, facts.shipment, act_by=odds.act_by, at=facts.at, computed=computed(facts, about=odds)
        ),
    )


def _late_for_appointment(facts: Facts, odds: DoseOdds, *, severity: Severity, threshold: float) -> Condition:
    late, required_at = odds.appointment_late_probability or 0.0, odds.plan.window.required_arrival_at
    cause = cause_of(facts.shipment, facts.journey, facts.arrival, at=facts.at, needed_at=required_at)
    decide_by = act_by(facts.shipment, facts.journey, required_at, at=facts.at)
    appointment_at, expected_at = (
        odds.plan.dose.administer_at,
        facts.arrival.p50_at if facts.arrival else None,
    )
    summary = f"{name_of(facts, odds)}: {chance(late)} chance of missing its appointment"
    summary += f" at {facts.say(appointment_at)}" if appointment_at else ""
    summary += f", because {cause_words(cause, facts.shipment)}"
    summary += f"; needed by {facts.say(required_at)}" if required_at else ""
    summary += f", expected {facts.say(expected_at)}" if expected_at else ", arrival unknown"
    return Condition(
        kind="appointment_at_risk",
        subject=dose_subject(odds.plan.dose.id),
        severity=severity,
        act_by=decide_by,
        cause=cause,
        summary=f"{summary}; the dose itself would still be usable.",
        evidence=numbers(
            appointment_late_probability=late,
            threshold=threshold,
            late_probability=odds.late_probability,
            slack_p50_minutes=odds.slack_p50_minutes,
        ),
        what_would_help=help_for(
            cause, facts.shipment, act_by=decide_by, at=facts.at, computed=computed(facts, about=odds)
        ),
    )
