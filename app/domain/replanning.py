"""Changing a plan: which legs still may change, and what number each new one gets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.custody import Journey
from app.domain.shipment import DeviceAssignment, Dose, FormerPlan, Leg, Package, Shipment
from app.errors import Conflict, FieldError, Invalid


class LegDeparted(Conflict):
    """A leg that has departed cannot be re-planned any more."""

    code = "leg_departed"


class BadReplan(Invalid):
    """The new plan does not fit the shipment."""

    code = "bad_replan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What of a plan is to be other than it is; None: as it was.

    `legs` follow the legs that have departed; a new one has number 0.
    """

    legs: tuple[Leg, ...] | None = None
    doses: tuple[Dose, ...] | None = None
    devices: tuple[DeviceAssignment, ...] | None = None
    package: Package | None = None


def departed_legs(shipment: Shipment, journey: Journey) -> tuple[Leg, ...]:
    """Return the legs that have departed, or must have, because a later one has, or the package is at the site."""
    if journey.state in {"out_for_delivery", "delivered", "received"} or journey.delivered_at is not None:
        return shipment.legs
    moved = [facts.number for facts in journey.legs if facts.departed_at or facts.arrived_at]
    return tuple(leg for leg in shipment.legs if leg.number <= max(moved, default=0))


def replanned(shipment: Shipment, journey: Journey, change: Change, *, at: datetime) -> Shipment:
    """Return the next version of the plan.

    Raises:
        LegDeparted: the new legs begin before, or name, one that has departed.
        BadReplan: a number that is no leg's, or that comes after new legs.
    """
    legs = shipment.legs
    if change.legs is not None:
        gone = departed_legs(shipment, journey)
        _refuse_departed(shipment, gone, change.legs)
        legs = (*gone, *_numbered(shipment, journey, gone, change.legs))
    former = (
        shipment.former
        if legs == shipment.legs
        else (*shipment.former, FormerPlan(until_at=at, legs=shipment.legs))
    )
    return replace(
        shipment,
        plan_version=shipment.plan_version + 1,
        legs=legs,
        former=former,
        doses=shipment.doses if change.doses is None else change.doses,
        devices=shipment.devices if change.devices is None else change.devices,
        package=shipment.package if change.package is None else change.package,
    )


def _refuse_departed(shipment: Shipment, gone: Sequence[Leg], wanted: Sequence[Leg]) -> None:
    numbers = {leg.number for leg in gone}
    here = gone[-1].destination if gone else shipment.origin.code
    passed = {leg.origin for leg in gone} - {here}
    if gone and len(gone) == len(shipment.legs):
        raise LegDeparted("every leg has departed: no way is left to plan")
    if any(leg.number in numbers for leg in wanted) or (wanted and wanted[0].origin in passed):
        raise LegDeparted(f"leg {gone[-1].number} has departed; plan the way from {here} on")


def _numbered(
    shipment: Shipment, journey: Journey, gone: Sequence[Leg], wanted: Sequence[Leg]
) -> tuple[Leg, ...]:
    """Keep the numbers of the legs that stay, up to the first new one; new ones get numbers never used before."""
    waiting = shipment.legs[len(gone) :]
    known = {leg.number for leg in waiting}
    failed = {facts.number for facts in journey.legs if facts.failed}
    next_number = shipment.all_legs[-1].number + 1
    last = gone[-1].number if gone else 0
    fresh = False
    numbered = []
    for index, leg in enumerate(wanted):
        number = leg.number
        if not number and not fresh and index < len(waiting) and _stays(leg, waiting[index], failed):
            number = waiting[index].number
        if number and (number not in known or fresh or number <= last):
            detail = "is no leg of the plan that may stay here; leave `number` out for a new leg"
            raise BadReplan("the new way does not fit", errors=(FieldError(f"/legs/{index}/number", detail),))
        if not number:
            fresh, number, next_number = True, next_number, next_number + 1
        last = number
        numbered.append(replace(leg, number=number))
    return tuple(numbered)


def _stays(leg: Leg, old: Leg, failed: set[int]) -> bool:
    return old.number not in failed and replace(leg, number=old.number) == old
