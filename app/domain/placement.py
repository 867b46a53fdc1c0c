"""Which leg an event belongs to: by number, carrier and place, and where several fit, by order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from app.domain.legfacts import LegFacts
from app.domain.observation import Event
from app.domain.shipment import Leg, Shipment

CLOCK_TOLERANCE: Final = timedelta(minutes=15)
"""How far two sources may disagree about one moment. Source: the contract on inversions, a convention."""


OF_A_SERVICE: Final = frozenset({"estimate", "leg_cancelled", "offloaded", "refused"})
"""Types that speak of one service as it was planned, not of the way that the package went."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The leg an event counts for; `placed` with leg None concerns the whole shipment."""

    placed: bool
    leg: int | None


Rule = Callable[[Event, Sequence[Leg]], Sequence[Leg]]


def needs_leg(event_type: str) -> bool:
    """Say whether events of this type mean nothing until their leg is known."""
    return event_type in _RULES


def candidates(event: Event, legs: Sequence[Leg]) -> tuple[int, ...]:
    """Return the numbers of the legs that the event fits, whatever has happened before.

    A stated number is honoured as it is, also one that a re-planning has since replaced. Empty for an event
    that fits nowhere, and for one about the shipment as a whole: `needs_leg` tells these two apart.
    """
    if event.leg is not None:
        return (event.leg,)
    rule = _RULES.get(event.type)
    return tuple(leg.number for leg in rule(event, legs)) if rule else ()


def place(event: Event, legs: Sequence[Leg], facts: Mapping[int, LegFacts]) -> Placement:
    """Return where the event belongs, given the facts of all events before it in journey order."""
    if event.leg is not None or event.type not in _RULES:
        return Placement(placed=True, leg=event.leg)
    fits = candidates(event, legs)
    leg = fits[0] if len(fits) == 1 else _by_order(event, fits, facts)
    return Placement(placed=leg is not None, leg=leg)


def place_in(shipment: Shipment, event: Event, facts: Mapping[int, LegFacts]) -> Placement:
    """Return where the event belongs in a plan that may have changed since it happened, or since it was heard.

    What the planner knew stays with the leg it was about. Late news of a service belongs to the plan in which that
    service was; late news of the package (it left, it arrived) is about the way it goes now. What fits nowhere there
    is tried against the other plan, so that a re-planning can place what was unplaced.
    """
    if not shipment.former:
        return place(event, shipment.legs, facts)
    if event.leg is not None:
        return Placement(placed=True, leg=_number_now(shipment, event, event.leg))
    heard, happened = shipment.legs_at(event.received_at), shipment.legs_at(event.effective_at)
    plans = (
        (happened, heard, shipment.legs) if event.type in OF_A_SERVICE else (heard, shipment.legs, happened)
    )
    placements = (place(event, legs, facts) for legs in plans)
    return next((one for one in placements if one.placed), Placement(placed=False, leg=None))


def _number_now(shipment: Shipment, event: Event, stated: int) -> int:
    """Return the stated number, or that of the leg which has since taken over the same stretch.

    A handheld may not have heard of the re-planning: the package it scans goes the new way all the same.
    """
    known = any(leg.number == stated for leg in (*shipment.legs, *shipment.legs_at(event.received_at)))
    if known or event.type in OF_A_SERVICE:
        return stated
    old = next((leg for leg in shipment.all_legs if leg.number == stated), None)
    same = [
        leg.number
        for leg in shipment.legs
        if old is not None and (leg.origin, leg.destination) == (old.origin, old.destination)
    ]
    return same[0] if len(same) == 1 else stated


def _by_order(event: Event, fits: Sequence[int], facts: Mapping[int, LegFacts]) -> int | None:
    """Return the first of `fits` whose turn it is: not yet departed, or for an ending, not yet arrived."""
    known = {number: facts.get(number) or LegFacts(number=number) for number in fits}
    reached = max((n for n, leg in facts.items() if leg.departed_at or leg.arrived_at), default=0)
    ends = _concerns_end(event)
    for number, leg in known.items():
        if _said_twice(event, leg, reached):
            return number
    for number, leg in known.items():
        over = leg.arrived_at is not None or number < reached
        if not over and (ends or leg.departed_at is None):
            return number
    return None


def _concerns_end(event: Event) -> bool:
    """Say whether the event is about a leg under way: one not yet arrived, rather than not yet departed."""
    if event.type == "estimate":
        return "estimated_departure_at" not in event.details
    return event.type in {"arrived", "offloaded"}


def _said_twice(event: Event, leg: LegFacts, reached: int) -> bool:
    """Say whether this repeats, within the tolerance of clocks, what is known of the furthest leg."""
    if leg.number != reached:
        return False
    if event.type == "departed" and leg.arrived_at is None:
        known_at = leg.departed_at
    else:
        known_at = leg.arrived_at if event.type == "arrived" else None
    return known_at is not None and abs(event.effective_at - known_at) <= CLOCK_TOLERANCE


def _code(event: Event) -> str | None:
    return event.location.code if event.location else None


def _of_carrier(event: Event, legs: Sequence[Leg]) -> Sequence[Leg]:
    return legs if event.carrier is None else [leg for leg in legs if leg.carrier == event.carrier]


def _from_here(event: Event, legs: Sequence[Leg]) -> Sequence[Leg]:
    code, own = _code(event), _of_carrier(event, legs)
    return own if code is None else [leg for leg in own if leg.origin == code]


def _to_here(event: Event, legs: Sequence[Leg]) -> Sequence[Leg]:
    code, own = _code(event), _of_carrier(event, legs)
    return own if code is None else [leg for leg in own if leg.destination == code]


def _from_or_to_here(event: Event, legs: Sequence[Leg]) -> Sequence[Leg]:
    """A flight is cancelled where it would have left; a consignee refuses where the leg ends."""
    return _from_here(event, legs) or _to_here(event, legs)


def _picked_up(event: Event, legs: Sequence[Leg]) -> Sequence[Leg]:
    """Without carrier and place, a pickup is the one that begins the journey."""
    if event.carrier is None and _code(event) is None:
        return legs[:1]
    return _from_here(event, legs)


def _estimated(event: Event, legs: Sequence[Leg]) -> Sequence[Leg]:
    """Take the place as the end the estimate speaks of; else as where the leg touches."""
    departure = "estimated_departure_at" in event.details
    arrival = "estimated_arrival_at" in event.details
    if departure != arrival:
        exact = (_from_here if departure else _to_here)(event, legs)
        if exact:
            return exact
    here = {leg.number for rule in (_from_here, _to_here) for leg in rule(event, legs)}
    return [leg for leg in legs if leg.number in here]


def _last(_: Event, legs: Sequence[Leg]) -> Sequence[Leg]:
    return legs[-1:]


def _delivered(event: Event, legs: Sequence[Leg]) -> Sequence[Leg]:
    """Take the last leg, unless the place is an earlier point of the plan: then what ends there."""
    on_the_way = {leg.origin for leg in legs} - {leg.destination for leg in legs[-1:]}
    return _to_here(event, legs) if _code(event) in on_the_way else legs[-1:]


_RULES: Final[dict[str, Rule]] = {
    "picked_up": _picked_up,
    "departed": _from_here,
    "arrived": _to_here,
    "offloaded": _from_or_to_here,
    "refused": _from_or_to_here,
    "leg_cancelled": _from_or_to_here,
    "estimate": _estimated,
    "out_for_delivery": _last,
    "delivery_attempted": _last,
    "delivered": _delivered,
}
