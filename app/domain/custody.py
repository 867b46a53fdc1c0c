"""The custody state machine: what the events so far say about where the package is and who holds it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.journal import corrected, journey_order
from app.domain.legfacts import LegFacts
from app.domain.observation import Event
from app.domain.placement import place_in
from app.domain.position import Position
from app.domain.shipment import Shipment
from app.domain.steps import SoFar, State, count

__all__ = ["Journey", "LegFacts", "Position", "State", "fold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """The fold of all events that count, in journey order."""

    state: State
    custodian: str | None
    """Nobody before pickup; then the leg's carrier, or whom it was handed to; from delivery the site."""
    position: Position
    legs: tuple[LegFacts, ...]
    last_event: Event | None = None
    last_event_leg: int | None = None
    picked_up_at: datetime | None = None
    """The pickup that begins the journey; later carriers' pickups only change the custodian."""
    delivered_at: datetime | None = None
    """The earliest proof of delivery: a receipt is one, when the courier's scan is missing or later."""
    received_at: datetime | None = None
    cancelled_at: datetime | None = None
    damaged_at: datetime | None = None
    held_since: datetime | None = None
    customs_since: datetime | None = None
    customs_place: str | None = None
    freed: tuple[datetime, datetime] | None = None
    """Begin and end of the hold or stay in customs that is over and was the last to keep the package where, or on
    the leg, it still is; several count as one that began the earlier."""
    progressed_at: datetime | None = None
    """When the package last moved along its plan (picked up, departed, arrived, handed over, cleared …)."""
    leg_by_event: dict[str, int | None] = field(default_factory=dict)
    """Server event id → leg it counts for; None for an event about the whole shipment."""
    unplaced: tuple[Event, ...] = ()
    """Events that fit no leg, or several: kept, shown, and not counted."""
    effective: tuple[Event, ...] = ()
    """All events that count, corrections applied, in journey order."""


def fold(shipment: Shipment, events: Iterable[Event], *, at: datetime) -> Journey:
    """Return what all events that occurred by `at` add up to; the order of `events` does not matter.

    Corrections count whenever they were made: to see what was known earlier, leave out what came later.
    """
    standing = [event for event in corrected(events) if event.effective_at <= at]
    so_far = SoFar(shipment)
    for event in journey_order(standing, shipment.legs):
        placement = place_in(shipment, event, so_far.facts)
        if placement.placed:
            count(so_far, event, placement.leg)
        else:
            so_far.unplaced.append(event)
    return _frozen(so_far)


def _frozen(so_far: SoFar) -> Journey:
    last = so_far.effective[-1] if so_far.effective else None
    return Journey(
        state=so_far.state,
        custodian=so_far.custodian,
        position=so_far.position,
        legs=tuple(so_far.facts[leg.number] for leg in so_far.shipment.legs),
        last_event=last,
        last_event_leg=so_far.leg_by_event[last.id] if last else None,
        picked_up_at=so_far.picked_up_at,
        delivered_at=so_far.delivered_at,
        received_at=so_far.received_at,
        cancelled_at=so_far.cancelled_at,
        damaged_at=so_far.damaged_at,
        held_since=so_far.held_since,
        customs_since=so_far.customs_since,
        customs_place=so_far.customs_place,
        freed=so_far.freed,
        progressed_at=so_far.progressed_at,
        leg_by_event=so_far.leg_by_event,
        unplaced=tuple(so_far.unplaced),
        effective=tuple(so_far.effective),
    )
