"""What a correction may put in the place of what it voids: nothing that its sender could not have written itself."""

from typing import Any

from pydantic import ValidationError

from app.domain.access import EVENTS_OF, Role
from app.domain.journal import revised_details
from app.domain.observation import Event
from app.domain.shipment import Shipment
from app.errors import FieldError, Invalid
from app.models.event import checked_details


class BadReplacement(Invalid):
    """The replacement is no event that could have been sent."""

    code = "bad_replacement"


def check_replacement(
    replacement: dict[str, Any] | None, plan: Shipment, target: Event | None, *, role: Role
) -> None:
    """Let a replacement pass that is a whole event of its type; `target` None: it has not arrived yet.

    Raises:
        BadReplacement: a type that the role may not send, a leg or dose that is not there, details that do not fit.
    """
    if replacement is None:
        return
    type_ = replacement.get("type") or (target.type if target else None)
    if type_ is None and "details" in replacement:
        raise _bad(
            "type", "say the type as well: the event has not arrived, so its details cannot be checked"
        )
    changed = replacement.get("type") not in {None, target.type if target else None}
    if type_ is not None and changed and (type_ == "correction" or type_ not in _allowed(role)):
        raise _bad("type", "is a type that this key may not send")
    leg, dose = replacement.get("leg"), replacement.get("dose")
    if leg is not None and all(one.number != leg for one in plan.all_legs):
        raise _bad("leg", "the plan has no such leg")
    if dose is not None and all(dose not in (one.reference, one.id) for one in plan.doses):
        raise _bad("dose", "the shipment has no such dose; give its reference or id")
    if type_ is not None and ("details" in replacement or changed):
        _check_details(type_, replacement, target)


def _check_details(type_: str, replacement: dict[str, Any], target: Event | None) -> None:
    details = revised_details(target, replacement) if target else replacement.get("details") or {}
    try:
        checked_details(type_, details)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = "/".join(("details", *(str(part) for part in first["loc"])))
        raise _bad(place, str(first["msg"])) from error


def _allowed(role: Role) -> frozenset[str]:
    """Quality may correct every record, so it may say of every one what it should have been."""
    return EVENTS_OF["admin"] if role == "quality" else EVENTS_OF[role]


def _bad(place: str, detail: str) -> BadReplacement:
    pointer = f"/details/replacement/{place}"
    return BadReplacement(
        "the replacement is no event that could have been sent", errors=(FieldError(pointer, detail),)
    )
