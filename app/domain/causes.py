"""What went wrong on the way, which leg it was, and what would help."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.alerts import Cause
from app.domain.cause_words import way_words
from app.domain.custody import Journey, LegFacts
from app.domain.eta import Arrival
from app.domain.odds import leg_facts
from app.domain.replanning import departed_legs
from app.domain.shipment import Leg, Shipment

NOTEWORTHY_DELAY_MINUTES = 5.0  # below this a segment's drift explains nothing (convention)

_ASKED = frozenset({"held", "customs", "not_departed", "not_arrived", "stalled"})
"""Causes of which somebody can be asked: the answer may be that all is well, however late it is to re-plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that went wrong, and since when it is so."""

    cause: Cause
    since: datetime


def missed_connection(shipment: Shipment, journey: Journey, *, at: datetime) -> Trouble | None:
    """Return the first leg that cannot go as planned: failed by report, or left without its package."""
    for index, leg in enumerate(shipment.legs):
        facts = leg_facts(journey, leg.number)
        if _has_flown(shipment, journey, index):
            continue
        if facts and facts.failed and facts.failed_at and facts.failed_at <= at:
            return Trouble(cause=_leg_cause(facts.failed, leg), since=facts.failed_at)
        departure_at = (facts and facts.estimated_departure_at) or leg.planned_departure_at
        if index and at > departure_at and not _arrived_by(shipment.legs[index - 1], journey, departure_at):
            return Trouble(cause=_leg_cause("missed_connection", leg), since=departure_at)
    return None


def held(shipment: Shipment, journey: Journey, *, customs_limit: timedelta, at: datetime) -> Trouble | None:
    """Return a reported hold, or a stay in customs longer than `customs_limit`."""
    leg = _current_leg(shipment, journey)
    if journey.held_since is not None:
        cause = Cause(kind="held", leg=leg.number, service=leg.service, location=journey.position.code)
        return Trouble(cause=cause, since=journey.held_since)
    if journey.customs_since is not None and at > journey.customs_since + customs_limit:
        place = journey.customs_place or journey.position.code
        cause = Cause(kind="customs", leg=leg.number, service=leg.service, location=place)
        return Trouble(cause=cause, since=journey.customs_since + customs_limit)
    return None


def cause_of(
    shipment: Shipment,
    journey: Journey,
    arrival: Arrival | None,
    *,
    at: datetime,
    needed_at: datetime | None = None,
) -> Cause:
    """Return why the arrival stands where it does: a report first, then silence, the plan, the slowest segment.

    A carrier that has told of a delay is silent only from its own estimate on.

    `needed_at`: a plan that arrives later is itself the cause, however well it is kept.
    """
    trouble = missed_connection(shipment, journey, at=at)
    if trouble is not None:
        return trouble.cause
    leg = _current_leg(shipment, journey)
    if journey.held_since is not None or journey.customs_since is not None:
        kind = "held" if journey.held_since is not None else "customs"
        place = journey.customs_place or journey.position.code
        return Cause(kind=kind, leg=leg.number, service=leg.service, location=place)
    facts = leg_facts(journey, leg.number)
    if facts is None or facts.departed_at is None:
        if at > ((facts and facts.estimated_departure_at) or leg.planned_departure_at):
            return _leg_cause("not_departed", leg)
    elif facts.arrived_at is None and at > (facts.estimated_arrival_at or leg.planned_arrival_at):
        return Cause(kind="not_arrived", leg=leg.number, service=leg.service, location=leg.destination)
    if needed_at is not None and shipment.legs[-1].planned_arrival_at > needed_at:
        return _leg_cause("late_plan", _next_to_leave(shipment, journey) or leg)
    return _slowest_segment(shipment, arrival)


def help_for(
    cause: Cause,
    shipment: Shipment,
    *,
    too_late: str | None,
    computed: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Return what somebody could do about it: what is computed for this case first, then the likeliest step.

    `too_late` says that no re-planning helps any more; None: it may.
    """
    tell_site = "Tell the site: move the appointment, shorten the handling, or order a replacement dose."
    if too_late is not None:
        tell_site = f"{too_late} {tell_site}"
        if cause.kind not in _ASKED:
            return (*computed, tell_site)
    leg = next((leg for leg in shipment.legs if leg.number == cause.leg), shipment.legs[0])
    way = way_words(leg)
    steps = {
        "leg_cancelled": f"Book the next service in place of {way}.",
        "offloaded": f"Ask {leg.carrier} for the next uplift from {leg.origin}, or book another service.",
        "refused": f"Ask {leg.carrier} why it refused the package, and book another service for {way}.",
        "missed_connection": f"Rebook {way} to a later departure.",
        "held": f"Ask who holds the package at {cause.location} what is missing.",
        "customs": f"Ask the broker at {cause.location} what customs waits for.",
        "not_departed": f"Ask {leg.carrier} whether {way} has left with the package.",
        "not_arrived": f"Ask {leg.carrier} where {way} is.",
        "stalled": f"Ask {leg.carrier} where the package is, and when {way} goes on.",
    }
    first = steps.get(cause.kind, f"Re-plan {way} to an earlier or faster service.")
    return (*computed, first, tell_site)


def _has_flown(shipment: Shipment, journey: Journey, index: int) -> bool:
    """Return whether this leg, or a later one, is known to have left after whatever stopped it."""
    facts = leg_facts(journey, shipment.legs[index].number)
    if facts is not None and _left_after_failing(facts):
        return True
    later = (leg_facts(journey, leg.number) for leg in shipment.legs[index + 1 :])
    return any(facts is not None and facts.departed_at is not None for facts in later)


def _left_after_failing(facts: LegFacts) -> bool:
    if facts.failed is None or facts.failed_at is None:
        return facts.departed_at is not None or facts.arrived_at is not None
    moved = (facts.departed_at, facts.arrived_at)
    return any(moved_at is not None and moved_at > facts.failed_at for moved_at in moved)


def _arrived_by(leg: Leg, journey: Journey, departure_at: datetime) -> bool:
    facts = leg_facts(journey, leg.number)
    return facts is not None and facts.arrived_at is not None and facts.arrived_at <= departure_at


def _leg_cause(kind: str, leg: Leg) -> Cause:
    return Cause(kind=kind, leg=leg.number, service=leg.service, location=leg.origin)


def _current_leg(shipment: Shipment, journey: Journey) -> Leg:
    """Return the leg under way, else the next to go, else the last."""
    for leg in shipment.legs:
        facts = leg_facts(journey, leg.number)
        if facts is None or facts.arrived_at is None:
            return leg
    return shipment.legs[-1]


def _next_to_leave(shipment: Shipment, journey: Journey) -> Leg | None:
    """Return the first leg that another plan can still change; None: all have left."""
    gone = len(departed_legs(shipment, journey))
    return next(iter(shipment.legs[gone:]), None)


def _slowest_segment(shipment: Shipment, arrival: Arrival | None) -> Cause:
    worst = max(arrival.contributions, key=lambda one: one.minutes_p50, default=None) if arrival else None
    if worst is None or worst.minutes_p50 < NOTEWORTHY_DELAY_MINUTES:
        return Cause(kind="tight_plan")
    leg = next((leg for leg in shipment.legs if leg.number == worst.leg), None)
    kind = "slow_transit" if worst.segment == "transit" else "slow_dwell"
    if leg is None:
        return Cause(kind=kind, leg=worst.leg)
    return _leg_cause(kind, leg)
