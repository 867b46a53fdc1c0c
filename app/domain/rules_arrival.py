"""Rules about the arrival of each dose: whether it will be usable, and whether it keeps its appointment."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from app.domain.alerts import Condition, Severity, climb, dose_subject, next_rungs
from app.domain.cause_words import cause_words
from app.domain.causes import cause_of, help_for
from app.domain.custody import Journey
from app.domain.drift import Drift
from app.domain.odds import DoseOdds
from app.domain.remedies import computed
from app.domain.risk import is_settled, limit_words
from app.domain.ruling import JUST_AFTER, Facts, OpenSeverity
from app.domain.shipment import Shipment
from app.domain.telling import name_of, numbers, too_late
from app.domain.wording import chance

PLAN_PHASE_ENDS = timedelta(hours=4)
NEAR = timedelta(hours=2)


def in_plan_phase(shipment: Shipment, journey: Journey, *, at: datetime) -> bool:
    """Return whether the plan can still be changed at leisure: over 4 hours to go, and nothing has moved."""
    if journey.picked_up_at is not None or any(facts.departed_at for facts in journey.legs):
        return False
    return at < shipment.legs[0].planned_departure_at - PLAN_PHASE_ENDS


def plan_phase_ends_at(facts: Facts) -> Iterator[datetime]:
    """Yield when `arrival_after_expiry` takes over from `plan_risk`."""
    yield facts.shipment.legs[0].planned_departure_at - PLAN_PHASE_ENDS


def windows_end_at(facts: Facts) -> Iterator[datetime]:
    """Yield the instants just after each dose's usable window."""
    for odds in facts.odds:
        if odds.plan.window.usable_until is not None:
            yield odds.plan.window.usable_until + JUST_AFTER


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


def plan_risk_drifts(facts: Facts, open_severity: OpenSeverity) -> Iterator[Drift]:
    """Yield how far each dose's odds are from opening or ending `plan_risk`."""
    raise_at, clear_at = facts.threshold("plan_risk.info"), facts.threshold("plan_risk.clear")
    if in_plan_phase(facts.shipment, facts.journey, at=facts.at):
        for odds in facts.odds:
            late = odds.late_probability or 0.0
            stands = dose_subject(odds.plan.dose.id) in open_severity
            yield Drift(late, down=min(clear_at, raise_at)) if stands else Drift(late, up=raise_at)


def arrival_after_expiry(facts: Facts, open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each dose likely to arrive too late, from 4 hours before the first departure until delivery."""
    for odds, late, ladder in _at_stake(facts):
        severity = climb(late, open_severity=open_severity.get(dose_subject(odds.plan.dose.id)), **ladder)
        if severity is not None:
            yield _late_arrival(
                facts, odds, kind="arrival_after_expiry", severity=severity, threshold=ladder[severity]
            )


def near_at(facts: Facts) -> Iterator[datetime]:
    """Yield when the rule begins to speak, and when each dose's last chance to act is so near that less warns."""
    yield from plan_phase_ends_at(facts)
    for odds in facts.odds:
        if odds.act_by is not None:
            yield odds.act_by - NEAR


def arrival_drifts(facts: Facts, open_severity: OpenSeverity) -> Iterator[Drift]:
    """Yield how far each dose's odds are from changing its alert."""
    for odds, late, ladder in _at_stake(facts):
        stands = open_severity.get(dose_subject(odds.plan.dose.id))
        down, up = next_rungs(stands, **ladder)
        yield Drift(late, up=up, down=down)


def _at_stake(facts: Facts) -> Iterator[tuple[DoseOdds, float, dict[str, float]]]:
    """Yield each dose whose arrival is still open, once the plan is past, with its odds and the ladder they climb."""
    if in_plan_phase(facts.shipment, facts.journey, at=facts.at):
        return
    for odds in facts.odds:
        if odds.late_probability is None or odds.plan.latest_at is None or is_settled(odds, facts.journey):
            continue
        ladder = _thresholds(facts, "arrival_after_expiry")
        if odds.act_by is not None and odds.act_by - facts.at <= NEAR:
            ladder["warning"] = facts.threshold("arrival_after_expiry.warning_near")
        yield odds, odds.late_probability, ladder


def _thresholds(facts: Facts, kind: str) -> dict[str, float]:
    return {
        one: facts.threshold(f"{kind}.{one}") for one in ("warning", "critical", "clear", "critical_clear")
    }


def appointment_at_risk(facts: Facts, open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each dose that stays usable and is likely to miss its patient's slot.

    Where the dose itself is as likely lost as not, `arrival_after_expiry` says the graver thing; it takes over at
    its critical threshold, and hands back below where it steps down.
    """
    for odds in facts.odds:
        late, subject = odds.appointment_late_probability, dose_subject(odds.plan.dose.id)
        if late is None or is_settled(odds, facts.journey) or _is_lost(facts, odds, open_severity):
            continue
        ladder = _thresholds(facts, "appointment_at_risk")
        severity = climb(late, open_severity=open_severity.get(subject), **ladder)
        if severity is not None:
            yield _late_for_appointment(facts, odds, severity=severity, threshold=ladder[severity])


def appointment_drifts(facts: Facts, open_severity: OpenSeverity) -> Iterator[Drift]:
    """Yield how far each dose's odds are from changing its alert, or from handing it over as lost and back."""
    for odds in facts.odds:
        late, subject = odds.appointment_late_probability, dose_subject(odds.plan.dose.id)
        if late is None or is_settled(odds, facts.journey) or _is_over(facts, odds):
            continue
        lost, lost_from = odds.late_probability or 0.0, _lost_from(facts, odds, open_severity)
        if _is_lost(facts, odds, open_severity):
            yield Drift(lost, down=lost_from)
            continue
        yield Drift(lost, up=lost_from)
        down, up = next_rungs(open_severity.get(subject), **_thresholds(facts, "appointment_at_risk"))
        yield Drift(late, up=up, down=down)


def _is_lost(facts: Facts, odds: DoseOdds, open_severity: OpenSeverity) -> bool:
    return _is_over(facts, odds) or (odds.late_probability or 0.0) >= _lost_from(facts, odds, open_severity)


def _is_over(facts: Facts, odds: DoseOdds) -> bool:
    until = odds.plan.window.usable_until
    return until is not None and facts.at > until


def _lost_from(facts: Facts, odds: DoseOdds, open_severity: OpenSeverity) -> float:
    ours = dose_subject(odds.plan.dose.id) in open_severity
    return facts.threshold(f"arrival_after_expiry.{'critical' if ours else 'critical_clear'}")


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
            cause,
            facts.shipment,
            too_late=too_late(facts, odds.act_by, "save this dose"),
            computed=computed(facts, about=odds),
        ),
    )


def _late_for_appointment(facts: Facts, odds: DoseOdds, *, severity: Severity, threshold: float) -> Condition:
    late, required_at = odds.appointment_late_probability or 0.0, odds.plan.window.required_arrival_at
    cause = cause_of(facts.shipment, facts.journey, facts.arrival, at=facts.at, needed_at=required_at)
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
        act_by=odds.plan.appointment_act_by,
        cause=cause,
        summary=f"{summary}; the dose itself would still be usable.",
        evidence=numbers(
            appointment_late_probability=late,
            threshold=threshold,
            late_probability=odds.late_probability,
            slack_p50_minutes=odds.slack_p50_minutes,
        ),
        what_would_help=help_for(
            cause,
            facts.shipment,
            too_late=too_late(facts, odds.plan.appointment_act_by, "keep the appointment"),
            computed=computed(facts, about=odds),
        ),
    )
