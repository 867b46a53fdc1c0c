"""What an event must agree with: the legs and doses of its shipment, and the unit that everything is measured in."""

from datetime import datetime

from app.domain.assays import assay_slip
from app.domain.bedside import Assay
from app.domain.shipment import Dose, Shipment
from app.errors import FieldError, Invalid
from app.models.event import EventCreate

ABOUT_ONE_DOSE = frozenset({"assayed", "administered", "not_administered"})


class BadEvent(Invalid):
    """The event does not fit its shipment or its time."""

    code = "bad_event"


def bad_event(pointer: str, detail: str) -> BadEvent:
    """Return the error that says what about an event does not fit."""
    return BadEvent("the event does not fit its shipment", errors=(FieldError(pointer, detail),))


def check_fit(event: EventCreate, plan: Shipment) -> None:
    """Let an event pass whose leg and dose the plan has, and whose measurement is one in MBq.

    Raises:
        BadEvent: it names what is not there, or not which of several, or was measured in another unit.
    """
    if event.leg is not None and all(leg.number != event.leg for leg in plan.all_legs):
        raise bad_event(
            "/leg",
            f"the plan has no such leg; its legs are {', '.join(str(leg.number) for leg in plan.legs)}",
        )
    if event.dose is not None and not any(_is(dose, event.dose) for dose in plan.doses):
        raise bad_event("/dose", "the shipment has no such dose; give its reference or id")
    if event.dose is None and event.type in ABOUT_ONE_DOSE and len(plan.doses) > 1:
        raise bad_event(
            "/dose", f"the shipment has several doses: say which one was {event.type.replace('_', ' ')}"
        )
    if event.type == "assayed":
        _check_measured(event, plan)


def _check_measured(event: EventCreate, plan: Shipment) -> None:
    """Refuse a measurement in another unit than MBq, which decay tells apart from one that is merely off."""
    dose = next(dose for dose in plan.doses if event.dose is None or _is(dose, event.dose))
    measured = Assay(
        measured_mbq=event.details["measured_activity_mbq"],
        measured_at=datetime.fromisoformat(event.details["measured_at"]),
    )
    slip = assay_slip(dose, plan.product, measured)
    if slip:
        raise bad_event("/details/measured_activity_mbq", slip)


def _is(dose: Dose, name: str) -> bool:
    return name in (dose.reference, dose.id)
