"""The alert rules, in order: each says what is true now; what changed is for `alerts` to find."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from app.domain.alerts import SHIPMENT, Cause, Condition, Severity, climb, dose_subject
from app.domain.causes import cause_of, held, help_for, missed_connection
from app.domain.custody import Journey
from app.domain.odds import DoseOdds, worst_of
from app.domain.risk import is_settled, limit_words
from app.domain.rules_device import DEVICE_RULES
from app.domain.ruling import Facts, OpenSeverity, Rule
from app.domain.shipment import Shipment

PLAN_PHASE_ENDS = timedelta(hours=4)
NEAR = timedelta(hours=2)
AFTER_ARRIVAL = frozenset({"delivered", "received"})


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
            summary=f"{_name(facts, odds)} was not received by {facts.say(until)}, when {limit}.",
            evidence=_numbers(late_probability=odds.late_probability),
            what_would_help=("Tell the site, and order a replacement dose.",),
        )


def connection_missed(facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield the first leg that left, or must have left, without the package."""
    trouble = missed_connection(facts.shipment, facts.journey, at=facts.at)
    if trouble is None:
        return
    cause = trouble.cause
    leg = next(leg for leg in facts.shipment.legs if leg.number == cause.leg)
    what = {
        "leg_cancelled": "was cancelled",
        "offloaded": "left the package behind",
        "refused": "refused the package",
        "missed_connection": "was due to leave before the package had arrived there",
    }[cause.kind]
    way = f"Leg {leg.number}, {leg.service or leg.carrier} {leg.origin}–{leg.destination},"
    planned = facts.say(leg.planned_departure_at)
    yield _about_shipment(
        facts, "missed_connection", cause, trouble.since, f"{way} {what}; planned departure {planned}."
    )


def hold(facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield a reported hold, or a stay in customs beyond what is usual there."""
    limit = timedelta(hours=facts.threshold("hold.customs_hours"))
    trouble = held(facts.shipment, facts.journey, customs_limit=limit, at=facts.at)
    if trouble is None:
        return
    place = trouble.cause.location or "an unknown place"
    if trouble.cause.kind == "customs":
        hours = limit / timedelta(hours=1)
        summary = (
            f"In customs at {place} for more than {hours:g} hours, since {facts.say(trouble.since - limit)}."
        )
    else:
        summary = f"Held at {place} since {facts.say(trouble.since)}."
    yield _about_shipment(facts, "hold", trouble.cause, trouble.since, summary)


RULES: tuple[Rule, ...] = (
    Rule(kind="plan_risk", judge=plan_risk, silent_in=AFTER_ARRIVAL, reads_odds=True),
    Rule(kind="arrival_after_expiry", judge=arrival_after_expiry, silent_in=AFTER_ARRIVAL, reads_odds=True),
    Rule(kind="dose_expired", judge=dose_expired, silent_in=frozenset({"received"}), reads_odds=False),
    Rule(kind="missed_connection", judge=connection_missed, silent_in=AFTER_ARRIVAL, reads_odds=False),
    Rule(kind="hold", judge=hold, silent_in=AFTER_ARRIVAL, reads_odds=False),
    *DEVICE_RULES,
)


def _late_arrival(
    facts: Facts, odds: DoseOdds, *, kind: str, severity: Severity, threshold: float
) -> Condition:
    late = odds.late_probability or 0.0
    cause = cause_of(facts.shipment, facts.journey, facts.arrival, at=facts.at)
    bound_at = odds.plan.latest_at
    expected_at = facts.arrival.p50_at if facts.arrival else None
    summary = f"{_name(facts, odds)}: {late:.0%} chance of arriving too late to be used"
    summary += f"; needed by {facts.say(bound_at)}" if bound_at else ""
    summary += f", expected {facts.say(expected_at)}." if expected_at else ", arrival unknown."
    return Condition(
        kind=kind,
        subject=dose_subject(odds.plan.dose.id),
        severity=severity,
        act_by=odds.act_by,
        cause=cause,
        summary=summary,
        evidence=_numbers(
            late_probability=late,
            threshold=threshold,
            slack_p50_minutes=odds.slack_p50_minutes,
            slack_p90_minutes=odds.slack_p90_minutes,
            unknown_probability=facts.arrival.unknown_probability if facts.arrival else None,
        ),
        what_would_help=help_for(cause, facts.shipment, act_by=odds.act_by, at=facts.at),
    )


def _about_shipment(facts: Facts, kind: str, cause: Cause, since: datetime, summary: str) -> Condition:
    worst = worst_of(facts.odds)
    act_by = worst.act_by if worst else None
    return Condition(
        kind=kind,
        subject=SHIPMENT,
        severity="warning",
        since=since,
        act_by=act_by,
        cause=cause,
        summary=summary,
        evidence=_numbers(
            late_probability=worst.late_probability if worst else None,
            slack_p50_minutes=worst.slack_p50_minutes if worst else None,
        ),
        what_would_help=help_for(cause, facts.shipment, act_by=act_by, at=facts.at),
    )


def _name(facts: Facts, odds: DoseOdds) -> str:
    nuclide = facts.shipment.product.nuclide
    return f"Dose {odds.plan.dose.reference}" + (f" ({nuclide})" if nuclide else "")


def _numbers(**evidence: float | None) -> dict[str, float]:
    return {name: value for name, value in evidence.items() if value is not None}
