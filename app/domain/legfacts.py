"""What the events of one leg add up to: gone, arrived, failed, expected."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, cast

from app.domain.observation import Event

Failure = Literal["leg_cancelled", "offloaded", "refused"]

ESTIMATED_AROUND: Final = timedelta(days=30)
"""An estimate farther from when it is told is not believed: a slip of the year must not hide the arrival.
Source: our convention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegFacts:
    """What is known of one leg; `failed` names why it did not fly as planned.

    An earlier leg whose `arrived_at` was never heard is over all the same once a later leg has departed.
    """

    number: int
    departed_at: datetime | None = None
    arrived_at: datetime | None = None
    failed: Failure | None = None
    failed_at: datetime | None = None
    estimated_departure_at: datetime | None = None
    estimated_arrival_at: datetime | None = None


def as_instant(value: str | datetime | None) -> datetime | None:
    """Return an instant of an event's details, where it may still be text, validated on the way in."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def facts_after(facts: LegFacts, event: Event) -> LegFacts:
    """Return the facts of a leg once its next event in journey order is known; other types change nothing.

    The first of several departures or arrivals counts; a departure after a failure is a new one and ends it.
    """
    if event.type == "departed":
        return _departed(facts, event.effective_at)
    if event.type == "arrived":
        return replace(facts, arrived_at=facts.arrived_at or event.effective_at, failed=None, failed_at=None)
    if event.type in {"leg_cancelled", "offloaded", "refused"}:
        return _failed(facts, event)
    if event.type == "estimate":
        return _estimated(facts, event)
    return facts


def _departed(facts: LegFacts, at: datetime) -> LegFacts:
    if facts.arrived_at is not None or (facts.departed_at is not None and facts.failed is None):
        return facts
    return replace(facts, departed_at=at, failed=None, failed_at=None)


def _failed(facts: LegFacts, event: Event) -> LegFacts:
    """Take back the departure of what was left behind; an ended leg can only be refused."""
    refused = event.type == "refused"
    if facts.arrived_at is not None and not refused:
        return facts
    departed_at = facts.departed_at if refused else None
    failure = cast(Failure, event.type)
    return replace(facts, departed_at=departed_at, failed=failure, failed_at=event.effective_at)


def _estimated(facts: LegFacts, event: Event) -> LegFacts:
    """Take the latest estimate of each end, if it can be meant."""
    departure_at = _meant(event, "estimated_departure_at", None)
    arrival_at = _meant(event, "estimated_arrival_at", facts.departed_at)
    return replace(
        facts,
        estimated_departure_at=departure_at or facts.estimated_departure_at,
        estimated_arrival_at=arrival_at or facts.estimated_arrival_at,
    )


def _meant(event: Event, name: str, after: datetime | None) -> datetime | None:
    """Return an instant that is told; None: none, or a slip: far off, or an arrival before the leg had left."""
    told_at = as_instant(event.details.get(name))
    if told_at is None or (after is not None and told_at <= after):
        return None
    return told_at if abs(told_at - event.effective_at) <= ESTIMATED_AROUND else None
