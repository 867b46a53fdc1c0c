"""Rules about each dose itself: its activity, its release, what was measured, and what became of it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from app.domain.alerts import Cause, Condition, dose_subject
from app.domain.assays import Comparison, compare
from app.domain.odds import DoseOdds, minutes_between
from app.domain.risk import UNMONITORED, limit_words
from app.domain.ruling import Facts, OpenSeverity
from app.domain.telling import about_dose, name_of
from app.domain.window import activity_of, in_activity_window

Trouble = tuple[datetime, str]


def out_of_activity_window(facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each dose whose appointment lies outside its window: too hot still, or not usable any more."""
    for odds in facts.odds:
        dose, product, window = odds.plan.dose, facts.shipment.product, odds.plan.window
        if dose.administer_at is None or odds.plan.care.outcome != "open":
            continue
        judged = in_activity_window(dose, product, at=dose.administer_at)
        over = window.usable_until is not None and dose.administer_at > window.usable_until
        if judged in {None, "inside"} and not over:
            continue
        yield about_dose(
            facts,
            odds,
            "out_of_activity_window",
            "warning",
            since=facts.planned_since,
            act_by=min(dose.administer_at, window.usable_until or dose.administer_at),
            says=_outside(facts, odds, dose.administer_at, above=judged == "above"),
            would_help="Move the appointment into the window, or order another activity.",
            activity_at_administration_mbq=activity_of(dose, product, at=dose.administer_at),
            minutes_outside=_minutes_outside(odds, dose.administer_at, above=judged == "above"),
        )


def _outside(facts: Facts, odds: DoseOdds, administer_at: datetime, *, above: bool) -> str:
    window, when = odds.plan.window, facts.say(administer_at)
    if above:
        opens = f" (from {facts.say(window.usable_from)})" if window.usable_from else ""
        return f"will still be above the prescribed range at its appointment, {when}{opens}"
    until = facts.say(window.usable_until) if window.usable_until else "its window's end"
    return f"has its appointment at {when}, after {until}, when {limit_words(window.binding_limit)}"


def _minutes_outside(odds: DoseOdds, administer_at: datetime, *, above: bool) -> float | None:
    """Return how far outside it lies, in time: a bound's activity would give the prescription away to couriers."""
    window = odds.plan.window
    bound_at = window.usable_from if above else window.usable_until
    return abs(minutes_between(bound_at, administer_at)) if bound_at else None


def not_released(facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each dose that nobody has finally released when its preparation has to begin."""
    for odds in facts.odds:
        dose, care, due_at = odds.plan.dose, odds.plan.care, odds.plan.window.required_arrival_at
        if dose.administer_at is None or due_at is None or facts.at < due_at:
            continue
        if care.quality_status in {"released", "rejected"} or care.out_of_use:
            continue
        status = {
            "pending": "not released",
            "released_conditionally": "released conditionally only",
            "quarantined": "in quarantine",
        }[care.quality_status]
        yield about_dose(
            facts,
            odds,
            "not_released",
            "critical" if facts.at >= dose.administer_at else "warning",
            since=due_at,
            act_by=dose.administer_at,
            says=(
                f"is {status}; its appointment is at {facts.say(dose.administer_at)}, "
                f"its preparation begins at {facts.say(due_at)}"
            ),
            would_help="Ask quality for the final release, or move the appointment; do not give it before.",
            cause=Cause(kind="not_released", lot=dose.lot),
            handling_minutes=minutes_between(due_at, dose.administer_at),
            minutes_to_appointment=minutes_between(facts.at, dose.administer_at),
        )


def not_released_wakes_at(facts: Facts) -> Iterator[datetime]:
    """Yield when each release becomes overdue, and when its absence becomes critical."""
    for odds in facts.odds:
        for at in (odds.plan.window.required_arrival_at, odds.plan.dose.administer_at):
            if at is not None:
                yield at


def do_not_administer(facts: Facts, open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each rejected dose wherever it is; once said, it is never taken back."""
    for odds in facts.odds:
        dose, care = odds.plan.dose, odds.plan.care
        rejection = care.rejection
        if rejection is None and dose_subject(dose.id) not in open_severity:
            continue
        lot = rejection.lot if rejection else None
        what = f"{name_of(facts, odds)}, lot {dose.lot}," if dose.lot else name_of(facts, odds)
        who = (
            f" by {rejection.person} ({rejection.meaning}) at {facts.say(rejection.decided_at)}: {rejection.reason}"
            if rejection
            else ", and the rejection was corrected later"
        )
        given = "It has been administered already. " if care.outcome == "administered" else ""
        yield Condition(
            kind="do_not_administer",
            subject=dose_subject(dose.id),
            severity="critical",
            since=rejection.decided_at if rejection else facts.at,
            act_by=dose.administer_at,
            cause=Cause(kind="rejected", lot=lot),
            summary=f"Do not administer. {given}{what} was rejected{who}.",
            what_would_help=(
                "Tell the physician and set the dose apart; acknowledge by name.",
                "Order a replacement dose, or move the appointment.",
            ),
        )


def assay_discrepancy(facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each dose whose last measurement is off its prediction by more than the product allows."""
    for odds in facts.odds:
        dose, assay, product = odds.plan.dose, odds.plan.care.assay, facts.shipment.product
        found = compare(dose, product, assay) if assay else None
        if found is None or not found.beyond_tolerance:
            continue
        yield about_dose(
            facts,
            odds,
            "assay_discrepancy",
            "warning",
            since=found.assay.measured_at,
            act_by=dose.administer_at,
            says=_measured(facts, found),
            would_help="Check the meter's setting and geometry and measure again before doubting the dose.",
            measured_mbq=found.assay.measured_mbq,
            predicted_mbq=found.predicted_mbq,
            ratio=found.ratio,
            tolerance=product.assay_tolerance,
        )


def _measured(facts: Facts, found: Comparison) -> str:
    percent = (found.ratio - 1) * 100
    return (
        f"was measured at {found.assay.measured_mbq:.6g} MBq, {facts.say(found.assay.measured_at)}: "
        f"{abs(percent):.1f}% {'below' if percent < 0 else 'above'} the {found.predicted_mbq:.6g} MBq that decay "
        f"predicts; the product allows {facts.shipment.product.assay_tolerance:.0%}"
    )


def delivered_unusable(facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each dose that came too late, was damaged or is in quarantine, until somebody decides about it."""
    for odds in facts.odds:
        care = odds.plan.care
        troubles = list(_troubles(facts, odds))
        if not troubles or care.out_of_use:
            continue
        since, _ = min(troubles)
        yield about_dose(
            facts,
            odds,
            "delivered_unusable",
            "critical",
            since=since,
            act_by=odds.plan.dose.administer_at,
            says="; ".join(says for _, says in troubles),
            would_help="Quality decides: use as is, reject or return. Order a replacement dose meanwhile.",
            cause=Cause(kind="damaged" if facts.journey.damaged_at else "delivered_unusable"),
            minutes_late=_minutes_late(facts, odds),
        )


def _minutes_late(facts: Facts, odds: DoseOdds) -> float | None:
    until, came_at = odds.plan.window.usable_until, facts.journey.received_at or facts.journey.delivered_at
    if until is None or came_at is None or came_at <= until:
        return None
    return minutes_between(until, came_at)


def _troubles(facts: Facts, odds: DoseOdds) -> Iterator[Trouble]:
    """Yield what keeps a dose from use and nobody has decided about since it is so; a quarantine knows that itself."""
    until, journey = odds.plan.window.usable_until, facts.journey
    late = [
        (at, what)
        for at, what in ((journey.delivered_at, "delivered"), (journey.received_at, "received"))
        if at is not None and until is not None and at > until
    ]
    if late and until is not None and not _is_decided(odds, late[0][0]):
        at, what = late[0]
        limit = limit_words(odds.plan.window.binding_limit)
        yield at, f"was {what} at {facts.say(at)}, after {facts.say(until)}, when {limit}"
    if journey.damaged_at is not None and not _is_decided(odds, journey.damaged_at):
        yield journey.damaged_at, f"was reported damaged at {facts.say(journey.damaged_at)}"
    quarantined_at = odds.plan.care.quarantined_at
    if quarantined_at is not None:
        yield (
            quarantined_at,
            f"is in quarantine since {facts.say(quarantined_at)} and waits for a recorded decision: {UNMONITORED}",
        )


def _is_decided(odds: DoseOdds, since: datetime) -> bool:
    decision = odds.plan.care.decision
    return decision is not None and decision.decided_at >= since


def outcome_missing(facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each dose of which the site has not said what became of it, where the product asks for that."""
    patience = facts.hours("outcome_missing.hours")
    for odds in facts.odds:
        due_at = _outcome_due_at(odds, patience)
        if due_at is None or facts.at < due_at or odds.plan.care.outcome != "open":
            continue
        appointment_at = odds.plan.dose.administer_at or due_at
        yield about_dose(
            facts,
            odds,
            "outcome_missing",
            "info",
            since=due_at,
            says=f"was to be given at {facts.say(appointment_at)}, and no outcome has been reported since",
            would_help="Ask the site whether the dose was administered, and report it or why not.",
            hours_since_appointment=minutes_between(appointment_at, facts.at) / 60,
        )


def outcome_missing_wakes_at(facts: Facts) -> Iterator[datetime]:
    """Yield when each outcome becomes overdue."""
    for odds in facts.odds:
        due_at = _outcome_due_at(odds, facts.hours("outcome_missing.hours"))
        if due_at is not None:
            yield due_at


def _outcome_due_at(odds: DoseOdds, patience: timedelta) -> datetime | None:
    administer_at = odds.plan.dose.administer_at
    return administer_at + patience if patience and administer_at else None
