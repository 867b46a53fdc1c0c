"""A plan in the making: what keeps it from holding together, and its first version."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.domain.access import Caller
from app.domain.shipment import DeviceAssignment, Dose, Leg, Package, Place, Product, Shipment, Site
from app.domain.units import unit_slip
from app.errors import FieldError, Invalid
from app.models.base import new_id
from app.models.shipment import DeviceCreate, LegCreate, ShipmentCreate


class BadPlan(Invalid):
    """The plan contradicts itself or its product."""

    code = "bad_plan"


def faults(body: ShipmentCreate, product: Product, site: Site) -> Iterator[FieldError]:
    """Yield everything wrong with a plan that no single field shows."""
    yield from leg_faults(body.origin.code, body.legs, site.code)
    for index, dose in enumerate(body.doses):
        pointer = f"/doses/{index}"
        if sum(other.reference == dose.reference for other in body.doses) > 1:
            yield FieldError(f"{pointer}/reference", "another dose of the shipment has this reference")
        yield from activity_faults(dose.model_dump(), product, pointer)


def leg_faults(
    starts_at: str, legs: Sequence[LegCreate | Leg], ends_at: str, *, skip: int = 0
) -> Iterator[FieldError]:
    """Yield what keeps the legs from being one way forward in time; the first `skip` are settled and not blamed."""
    expected = starts_at
    earliest: datetime | None = None
    for index, leg in enumerate(legs):
        pointer = f"/legs/{index - skip}"
        if index >= skip:
            if leg.origin != expected:
                yield FieldError(f"{pointer}/origin", "legs must join: begin where the previous one ends")
            if leg.planned_arrival_at <= leg.planned_departure_at:
                yield FieldError(
                    f"{pointer}/planned_arrival_at", "must lie after the leg's planned departure"
                )
            if earliest is not None and leg.planned_departure_at < earliest:
                yield FieldError(
                    f"{pointer}/planned_departure_at", "must not lie before the previous leg's arrival"
                )
        expected, earliest = leg.destination, leg.planned_arrival_at
    if expected != ends_at:
        detail = "the last leg must end at the site's code"
        yield FieldError(f"/legs/{len(legs) - 1 - skip}/destination", detail)


def activity_faults(dose: Mapping[str, Any], product: Product, pointer: str) -> Iterator[FieldError]:
    """Yield what is wrong with a dose's activities for this product."""
    names = [
        "calibrated_activity_mbq", "prescribed_activity_mbq", "prescribed_min_mbq", "prescribed_max_mbq",
    ]  # fmt: skip
    if product.form == "kit":
        for name in names:
            if dose[name] is not None:
                yield FieldError(f"{pointer}/{name}", "a kit holds no activity; leave this out")
        return
    for name in ("calibrated_activity_mbq", "calibrated_at"):
        if dose[name] is None:
            yield FieldError(f"{pointer}/{name}", "required: this product has a nuclide that decays")
    if product.usual_activity_min_mbq is None or product.usual_activity_max_mbq is None:
        return
    # What is taken from a vial or an eluate is a part of it, and may be smaller than any slip of units.
    whole = product.form == "unit_dose"
    for name in names if whole else names[:1]:
        if dose[name] is not None:
            slip = unit_slip(
                dose[name],
                usual_min_mbq=product.usual_activity_min_mbq,
                usual_max_mbq=product.usual_activity_max_mbq,
            )
            if slip:
                yield FieldError(f"{pointer}/{name}", slip)


def new_plan(caller: Caller, body: ShipmentCreate, product: Product, site: Site, *, at: datetime) -> Shipment:
    """Return the first version of a plan."""
    return Shipment(
        id=new_id(),
        organisation_id=caller.organisation_id,
        reference=body.reference,
        study=body.study,
        consignment=body.consignment,
        plan_version=1,
        registered_at=at,
        product=product,
        site=site,
        origin=Place(**body.origin.model_dump()),
        package=Package(**body.package.model_dump()) if body.package else None,
        doses=tuple(Dose(id=new_id(), **dose.model_dump()) for dose in body.doses),
        legs=tuple(Leg(number=number, **leg.model_dump()) for number, leg in enumerate(body.legs, start=1)),
        devices=tuple(assignment(device) for device in body.devices),
    )


def assignment(device: DeviceCreate) -> DeviceAssignment:
    """Return the domain's assignment; a sensor that does not say otherwise reports as often as it measures."""
    fields = device.model_dump(by_alias=False)
    return DeviceAssignment(
        **fields | {"report_interval_s": fields["report_interval_s"] or fields["interval_s"]}
    )


def first_instant(plan: Shipment) -> datetime:
    """Return the first thing that the plan knows of: a departure or a calibration."""
    calibrations = [dose.calibrated_at for dose in plan.doses if dose.calibrated_at is not None]
    return min([plan.legs[0].planned_departure_at, *calibrations])
