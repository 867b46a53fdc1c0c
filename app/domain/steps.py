"""What each type of event does to a journey: the steps of the custody state machine."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal

from app.domain.legfacts import LegFacts, facts_after
from app.domain.observation import Event
from app.domain.placement import CLOCK_TOLERANCE
from app.domain.position import planned_position, sighted
from app.domain.shipment import Shipment

State = Literal[
    "planned",
    "in_transit",
    "held",
    "out_for_delivery",
    "delivered",
    "received",
    "returned",
    "lost",
    "cancelled",
]


class SoFar:
    """The fold under way: the only thing of the domain that changes, and only inside one `fold`."""

    def __init__(self, shipment: Shipment) -> None:
        self.shipment = shipment
        self.plan = {leg.number: leg for leg in shipment.all_legs}
        self.facts = {number: LegFacts(number=number) for number in self.plan}
        self.position = planned_position(shipment)
        self.custodian: str | None = None
        self.state: State = "planned"
        self.underway: State = "planned"  # the state to return to when a hold ends
        self.reached = 0  # the furthest leg heard of: facts of earlier ones no longer move the package
        self.gone: dict[str, set[str]] = {"returned": set(), "lost": set()}
        self.picked_up_at: datetime | None = None
        self.delivered_at: datetime | None = None
        self.received_at: datetime | None = None
        self.cancelled_at: datetime | None = None
        self.damaged_at: datetime | None = None
        self.held_since: datetime | None = None
        self.held_place: str | None = None
        self.customs_since: datetime | None = None
        self.customs_place: str | None = None
        self.freed: tuple[datetime, datetime] | None = None
        self.progressed_at: datetime | None = None
        self.leg_by_event: dict[str, int | None] = {}
        self.unplaced: list[Event] = []
        self.effective: list[Event] = []


_AFTER_DELIVERY: Final = frozenset({"delivered", "received", "returned", "lost", "damaged"})
_ELSEWHERE: Final = {"delivered": "arrived", "out_for_delivery": "position", "delivery_attempted": "position"}
_PROGRESS: Final = frozenset({
    "picked_up", "departed", "arrived", "handed_over", "customs_entered", "customs_cleared", "resumed",
    "out_for_delivery", "delivery_attempted", "delivered", "received",
})  # fmt: skip


def count(so_far: SoFar, event: Event, leg: int | None) -> None:
    """Take the next event in journey order; from delivery on, only `_AFTER_DELIVERY` has an effect."""
    so_far.effective.append(event)
    so_far.leg_by_event[event.id] = leg
    event = _as_meant(so_far, event, leg)
    if so_far.delivered_at is not None and event.type not in _AFTER_DELIVERY:
        return
    superseded = leg is not None and leg < so_far.reached
    if leg in so_far.facts and (not superseded or event.type in {"departed", "arrived"}):
        so_far.facts[leg] = facts_after(so_far.facts[leg], event)
    if not superseded:
        _see(so_far, event, leg)
        effect = _EFFECTS.get(event.type)
        if effect is not None:
            effect(so_far, event, leg)


def _as_meant(so_far: SoFar, event: Event, leg: int | None) -> Event:
    """Return a delivery on an earlier leg as the arrival it is: that carrier is done, the journey is not."""
    if event.type not in _ELSEWHERE or leg not in so_far.plan:
        return event
    if leg == so_far.shipment.legs[-1].number or so_far.plan[leg].destination == so_far.shipment.site.code:
        return event
    return replace(event, type=_ELSEWHERE[event.type])


def _see(so_far: SoFar, event: Event, leg: int | None) -> None:
    """Note progress and where the package is."""
    at = event.effective_at
    if event.type in _PROGRESS and (so_far.progressed_at is None or at > so_far.progressed_at):
        so_far.progressed_at = at
    so_far.position = sighted(event, so_far.shipment, so_far.plan.get(leg or 0)) or so_far.position


def _move(so_far: SoFar, state: State) -> None:
    """Enter a state; what is cancelled or returned stays so, until a correction."""
    if so_far.state not in {"cancelled", "returned"}:
        so_far.state = state


def _move_on(so_far: SoFar, underway: State) -> None:
    """Enter a state of the way, unless held; out for delivery does not fall back to in transit."""
    if so_far.underway != "out_for_delivery":
        so_far.underway = underway
    if so_far.held_since is None:
        _move(so_far, so_far.underway)


def _end_hold(so_far: SoFar) -> None:
    so_far.held_since = so_far.held_place = None
    if so_far.state == "held":
        _move(so_far, so_far.underway)


def _end_stay(so_far: SoFar) -> None:
    _end_hold(so_far)
    so_far.customs_since = so_far.customs_place = None


def _take_over(so_far: SoFar, leg: int | None) -> None:
    """Give the package to the carrier of `leg`, be it one that a re-planning has since replaced."""
    planned = so_far.plan.get(leg or 0)
    so_far.custodian = planned.carrier if planned else so_far.custodian


def _picked_up(so_far: SoFar, event: Event, leg: int | None) -> None:
    if leg == so_far.shipment.legs[0].number and so_far.picked_up_at is None:
        so_far.picked_up_at = event.effective_at
    _take_over(so_far, leg)
    _end_stay(so_far)
    _move_on(so_far, "in_transit")


def _departed(so_far: SoFar, _: Event, leg: int | None) -> None:
    so_far.reached = leg or so_far.reached
    so_far.freed = None
    _take_over(so_far, leg)
    _end_stay(so_far)
    _move_on(so_far, "in_transit")


def _arrived(so_far: SoFar, event: Event, leg: int | None) -> None:
    """The carrier of an arrived leg still holds the package; whoever took over meanwhile is not set back."""
    facts = so_far.facts.get(leg or 0)
    if facts is None or facts.departed_at is None or so_far.custodian is None:
        _take_over(so_far, leg)
    so_far.reached = leg or so_far.reached
    so_far.freed = None
    if not _held_here(so_far, event):
        _end_hold(so_far)
    _move_on(so_far, "in_transit")


def _held_here(so_far: SoFar, event: Event) -> bool:
    """Say whether a hold may be one of the place of arrival, reported before the arrival was."""
    since, here = so_far.held_since, so_far.position.code
    if since is None:
        return False
    return so_far.held_place == here or event.effective_at - since <= CLOCK_TOLERANCE


def _handed_over(so_far: SoFar, event: Event, _: int | None) -> None:
    so_far.custodian = event.details.get("to") or so_far.custodian
    _move_on(so_far, "in_transit")


def _customs_entered(so_far: SoFar, event: Event, _: int | None) -> None:
    """Papers may be lodged before pickup: this alone puts nothing in transit."""
    if so_far.customs_since is None:
        so_far.customs_since, so_far.customs_place = event.effective_at, so_far.position.code


def _customs_cleared(so_far: SoFar, event: Event, _leg: int | None) -> None:
    _free(so_far, event, so_far.customs_since or so_far.held_since)
    _end_stay(so_far)


def _free(so_far: SoFar, event: Event, since: datetime | None) -> None:
    """Note the end of a hold or stay; one after another add up, as if they had been one until now."""
    if since is None:
        return
    if so_far.freed is not None:
        began_at, ended_at = so_far.freed
        since = since - (ended_at - began_at) if since >= ended_at else min(since, began_at)
    so_far.freed = (since, event.effective_at)


def _held(so_far: SoFar, event: Event, _: int | None) -> None:
    if so_far.held_since is None:
        so_far.held_since = event.effective_at
        so_far.held_place = event.location.code if event.location else None
    _move(so_far, "held")


def _resumed(so_far: SoFar, event: Event, _leg: int | None) -> None:
    _free(so_far, event, so_far.held_since)
    _end_hold(so_far)


def _out_for_delivery(so_far: SoFar, _: Event, leg: int | None) -> None:
    """Holds for an attempt, too: it failed, and the courier still has the package out."""
    so_far.reached = leg or so_far.reached
    _take_over(so_far, leg)
    _end_stay(so_far)
    _move_on(so_far, "out_for_delivery")


def _delivered(so_far: SoFar, event: Event, _: int | None) -> None:
    if so_far.delivered_at is None:
        so_far.delivered_at = event.effective_at
        _at_site(so_far, "delivered")


def _received(so_far: SoFar, event: Event, _: int | None) -> None:
    at = event.effective_at
    so_far.received_at = so_far.received_at or at
    so_far.delivered_at = min(so_far.delivered_at or at, at)
    _at_site(so_far, "received")


def _at_site(so_far: SoFar, state: State) -> None:
    so_far.custodian = so_far.shipment.site.code
    _end_stay(so_far)
    _move(so_far, state)


def _gone(so_far: SoFar, event: Event, _: int | None) -> None:
    """The shipment is returned or lost with its last dose; an event that names no dose means all of them."""
    doses = so_far.shipment.doses
    named = {dose.id for dose in doses if event.dose in {None, dose.id, dose.reference}}
    so_far.gone[event.type] |= named
    if len(so_far.gone[event.type]) == len(doses):
        _end_stay(so_far)
        _move(so_far, "returned" if event.type == "returned" else "lost")


def _damaged(so_far: SoFar, event: Event, _: int | None) -> None:
    so_far.damaged_at = so_far.damaged_at or event.effective_at


def _cancelled(so_far: SoFar, event: Event, _: int | None) -> None:
    if so_far.cancelled_at is None:
        _end_stay(so_far)
        so_far.cancelled_at = event.effective_at
        _move(so_far, "cancelled")


_EFFECTS: Final[dict[str, Callable[[SoFar, Event, int | None], None]]] = {
    "picked_up": _picked_up,
    "departed": _departed,
    "arrived": _arrived,
    "handed_over": _handed_over,
    "customs_entered": _customs_entered,
    "customs_cleared": _customs_cleared,
    "held": _held,
    "resumed": _resumed,
    "out_for_delivery": _out_for_delivery,
    "delivery_attempted": _out_for_delivery,
    "delivered": _delivered,
    "received": _received,
    "returned": _gone,
    "lost": _gone,
    "damaged": _damaged,
    "cancelled": _cancelled,
}
