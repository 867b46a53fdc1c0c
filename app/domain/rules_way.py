"""Rules about the way: what failed, what stands still, and who never said that they took the package over."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from app.domain import stalls, takeovers
from app.domain.alerts import SHIPMENT, Cause, Condition
from app.domain.causes import held, missed_connection
from app.domain.odds import leg_facts, minutes_between
from app.domain.ruling import JUST_AFTER, Facts, OpenSeverity
from app.domain.telling import about_shipment


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
    yield about_shipment(
        facts,
        "missed_connection",
        cause,
        trouble.since,
        f"{way} {what}; planned departure {planned}.",
        minutes_since_planned_departure=minutes_between(leg.planned_departure_at, facts.at),
    )


def departures_due_at(facts: Facts) -> Iterator[datetime]:
    """Yield the instant just after each departure is due, by the carrier's word or the plan's."""
    for leg in facts.shipment.legs:
        own = leg_facts(facts.journey, leg.number)
        estimate = own.estimated_departure_at if own else None
        yield (estimate or leg.planned_departure_at) + JUST_AFTER


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
    began_at = trouble.since - limit if trouble.cause.kind == "customs" else trouble.since
    yield about_shipment(
        facts,
        "hold",
        trouble.cause,
        trouble.since,
        summary,
        held_minutes=minutes_between(began_at, facts.at),
        limit_minutes=limit / timedelta(minutes=1) if trouble.cause.kind == "customs" else None,
    )


def customs_too_long_at(facts: Facts) -> Iterator[datetime]:
    """Yield the instant just after a stay in customs has lasted as long as is usual there."""
    if facts.journey.customs_since is not None:
        yield facts.journey.customs_since + facts.hours("hold.customs_hours") + JUST_AFTER


def stalled(facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield a shipment that has made no progress for longer than 99 of 100 do there; a hold explains itself."""
    stall = stalls.stall_of(
        facts.shipment, facts.journey, facts.lanes, at_least_minutes=_patience_minutes(facts)
    )
    if facts.at <= stall.deadline_at or _is_held(facts):
        return
    leg, since = stall.leg, facts.journey.progressed_at
    way = f"{leg.service or leg.carrier} {leg.origin}–{leg.destination}"
    heard = f"no progress since {facts.say(since)}" if since else "nothing heard of it yet"
    cause = Cause(kind="stalled", leg=leg.number, service=leg.service, location=stall.place)
    doing = {
        "departure": f"the departure of {way} was to be known",
        "transit": f"the arrival of {way} was to be known",
        "delivery": "the delivery was to be known",
    }[stall.waits_for]
    yield about_shipment(
        facts,
        "stalled",
        cause,
        stall.deadline_at,
        f"Stalled at {stall.place}: {heard}; {doing} by {facts.say(stall.deadline_at)} at the latest.",
        silent_minutes=minutes_between(since, facts.at) if since else None,
        overdue_minutes=minutes_between(stall.deadline_at, facts.at),
    )


def stalled_wakes_at(facts: Facts) -> Iterator[datetime]:
    """Yield the instant just after the longest usual silence."""
    stall = stalls.stall_of(
        facts.shipment, facts.journey, facts.lanes, at_least_minutes=_patience_minutes(facts)
    )
    yield stall.deadline_at + JUST_AFTER


def custody_gap(facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield a shipment of which some leg's carrier never said that it took over."""
    gaps = takeovers.gaps(facts.shipment, facts.journey, patience=facts.hours("custody_gap.hours"))
    due = [gap for gap in gaps if facts.at >= gap.due_at]
    if not due:
        return
    first = min(due, key=lambda gap: (gap.due_at, gap.leg.number))
    cause = Cause(
        kind="custody_gap", leg=first.leg.number, service=first.leg.service, location=first.leg.origin
    )
    legs = ", ".join(
        f"leg {gap.leg.number}, {gap.leg.carrier} {gap.leg.origin}–{gap.leg.destination}" for gap in due
    )
    carriers = ", ".join(dict.fromkeys(gap.leg.carrier for gap in due))
    yield Condition(
        kind="custody_gap",
        subject=SHIPMENT,
        severity="warning",
        since=first.due_at,
        cause=cause,
        summary=f"No record that the carrier took the package over: {legs}; missing since {facts.say(first.due_at)}.",
        evidence={"legs_without_takeover": float(len(due))},
        what_would_help=(f"Ask {carriers} for the record of the handover, and report it with its own time.",),
    )


def custody_gap_wakes_at(facts: Facts) -> Iterator[datetime]:
    """Yield when each missing handover comes to count."""
    for gap in takeovers.gaps(facts.shipment, facts.journey, patience=facts.hours("custody_gap.hours")):
        yield gap.due_at


def _is_held(facts: Facts) -> bool:
    """Say whether a hold explains the silence: a reported one, or customs, of which `hold` tells in its time."""
    return facts.journey.held_since is not None or facts.journey.customs_since is not None


def _patience_minutes(facts: Facts) -> stalls.Patience:
    return stalls.Patience(
        surface_minutes=facts.threshold("stalled.surface_minutes"),
        air_minutes=facts.threshold("stalled.air_minutes"),
    )
