"""The chain of custody: which carriers never said that they took the package over."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.custody import Journey
from app.domain.observation import Event
from app.domain.odds import leg_facts
from app.domain.shipment import Leg, Shipment


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A leg whose carrier never took over, and from when on that is overdue."""

    leg: Leg
    due_at: datetime


def gaps(shipment: Shipment, journey: Journey, *, patience: timedelta) -> tuple[Gap, ...]:
    """Return the legs known to have moved under a carrier of whom nobody knows that it took over.

    A departure moves the package and says nothing about custody: that needs the carrier's own scan on the leg, a
    pickup on it, or a handover to it. A carrier that has the package already need not take it over again. It is
    overdue `patience` after the leg departed, or once the site has received the package. Of a leg without any scan
    nothing is said: carriers that scan nothing at all are no news.
    """
    return tuple(_gaps(shipment, journey, patience))


def _gaps(shipment: Shipment, journey: Journey, patience: timedelta) -> Iterator[Gap]:
    holder: str | None = None
    held_since: datetime | None = None
    for leg in shipment.legs:
        facts = leg_facts(journey, leg.number)
        departed_at = facts.departed_at if facts else None
        moved = facts is not None and (facts.departed_at or facts.arrived_at)
        taken = leg.carrier == holder or any(
            _takes_over(event, leg, journey, after=held_since) for event in journey.effective
        )
        holder, held_since = (leg.carrier if taken else None), departed_at or held_since
        if taken:
            continue
        ends = [departed_at + patience] if departed_at else []
        ends += [journey.received_at] if moved and journey.received_at else []
        if ends:
            yield Gap(leg=leg, due_at=min(ends))


def _takes_over(event: Event, leg: Leg, journey: Journey, *, after: datetime | None) -> bool:
    """Judge one event; a handover before the previous leg even left was one of an earlier leg."""
    if event.type == "handed_over":
        later = after is None or event.effective_at >= after
        return later and event.details.get("to") == leg.carrier
    if journey.leg_by_event.get(event.id) != leg.number:
        return False
    return event.type == "picked_up" or (event.carrier == leg.carrier and event.type in _OWN_SCANS)


_OWN_SCANS = frozenset({"departed", "arrived", "out_for_delivery", "delivery_attempted", "delivered"})
