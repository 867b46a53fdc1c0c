"""Who may do what: the whole Access table as one pure question."""

from dataclasses import dataclass
from typing import Literal, get_args

from app.domain.observation import EVENT_TYPES

Role = Literal["admin", "operator", "quality", "courier", "device", "site", "subscriber", "auditor"]
ROLES: tuple[Role, ...] = get_args(Role)

EVERYONE: frozenset[str] = frozenset(ROLES)
_OFFICE = frozenset({"admin", "operator", "quality", "auditor"})  # read all of their organisation

_COURIER_EVENTS = frozenset({
    "picked_up", "departed", "arrived", "handed_over", "customs_entered", "customs_cleared", "held",
    "resumed", "offloaded", "refused", "out_for_delivery", "delivery_attempted", "delivered", "damaged",
    "lost", "position", "estimate", "leg_cancelled", "device_attached", "device_detached", "correction",
})  # fmt: skip
_SITE_EVENTS = frozenset({
    "delivered", "received", "assayed", "administered", "not_administered", "disposed", "returned",
    "damaged", "device_detached", "correction",
})  # fmt: skip
_QUALITY_EVENTS = frozenset({"released", "disposition", "correction"})

EVENTS_OF: dict[Role, frozenset[str]] = {
    "admin": EVENT_TYPES,
    "operator": EVENT_TYPES - {"released", "disposition"},
    "quality": _QUALITY_EVENTS,
    "courier": _COURIER_EVENTS,
    "site": _SITE_EVENTS,
    "device": frozenset(),
    "subscriber": frozenset(),
    "auditor": frozenset(),
}

ROLES_FOR: dict[str, frozenset[str]] = {
    "read:me": EVERYONE,
    "read:reference": EVERYONE
    - {"device"},  # a courier or subscriber must know what an id in its answers means
    "read:lanes": _OFFICE,
    "read:shipment": _OFFICE | {"courier", "site"},
    "read:status": _OFFICE | {"courier", "site", "subscriber"},
    "read:alerts": _OFFICE | {"courier", "site", "subscriber"},
    "read:messages": _OFFICE | {"subscriber"},
    "read:webhook": _OFFICE | {"subscriber"},
    "read:policy": _OFFICE,
    "read:audit": frozenset({"admin", "auditor"}),
    "read:keys": frozenset({"admin", "auditor"}),
    "write:reference": frozenset({"admin", "operator"}),
    "write:lanes": frozenset({"admin", "operator"}),
    "write:shipment": frozenset({"admin", "operator"}),
    "reschedule:dose": frozenset({"admin", "operator", "site"}),
    "cancel:shipment": frozenset({"admin", "operator"}),
    "write:readings": frozenset({"admin", "operator", "courier", "device", "site"}),
    "acknowledge:alert": frozenset({"admin", "operator", "quality", "site"}),
    "assign:alert": frozenset({"admin", "operator"}),
    "snooze:alert": frozenset({"admin", "operator"}),
    "resolve:alert": frozenset({"admin"}),
    "write:policy": frozenset({"admin", "operator"}),
    "write:webhook": frozenset({"admin", "operator", "subscriber"}),
    "manage:keys": frozenset({"admin"}),
} | {
    f"event:{event_type}": frozenset(role for role in ROLES if event_type in EVENTS_OF[role])
    for event_type in EVENT_TYPES
}
"""Action → roles. Reading anything of one shipment (its plan, events, readings, activity) is one action;
`read:status` is the status and its stream; `reschedule:dose` is `administer_at` alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who holds the key, and what the key is bound to."""

    key_id: str
    organisation_id: str
    name: str
    role: Role
    source: str
    site_id: str | None = None
    site_code: str | None = None
    carrier: str | None = None
    study: str | None = None
    rate_limit_per_minute: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationScope:
    """What belongs to a whole organisation: reference data, lanes, keys, the audit, a lot, a device."""

    organisation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentScope:
    """A shipment, or what hangs on one (its status, alerts, messages)."""

    organisation_id: str
    carriers: frozenset[str]
    site_id: str
    study: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionScope:
    """A correction of one recorded event; source and type None while its target has not arrived."""

    shipment: ShipmentScope
    event_source: str | None = None
    event_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookScope:
    """A webhook endpoint, its deliveries and its secret."""

    organisation_id: str
    owner_key_id: str


Scope = OrganisationScope | ShipmentScope | CorrectionScope | WebhookScope


def may(caller: Caller, action: str, scope: Scope | None = None) -> bool:
    """Answer the two questions of access: may this role do it at all (no `scope`), and to this object.

    A "no" without a scope is a 403; a "no" with one, after a "yes" without, is a 404: the object is not there
    for this caller. An action nobody has defined is nobody's.
    """
    if caller.role not in ROLES_FOR.get(action, frozenset()):
        return False
    if scope is None:
        return True
    if isinstance(scope, CorrectionScope):
        return _sees_shipment(caller, scope.shipment) and _may_correct(caller, scope)
    if scope.organisation_id != caller.organisation_id:
        return False
    if isinstance(scope, ShipmentScope):
        return _sees_shipment(caller, scope)
    if isinstance(scope, WebhookScope):
        return caller.role != "subscriber" or scope.owner_key_id == caller.key_id
    return True


def hidden_fields(role: Role) -> frozenset[str]:
    """Return the fields of a dose that this role never sees, in any answer, message or list.

    Couriers and subscribers see no subject code, nor who decided what about quality. Couriers see no prescription
    either, nor the volumes and the activity given, which give the prescription away.
    """
    if role == "courier":
        return frozenset({
            "subject_code", "prescribed_activity_mbq", "prescribed_min_mbq", "prescribed_max_mbq",
            "draw_volume_ml", "volume_left_ml", "administered_activity_mbq", "prescribed_range_mbq", "disposition",
        })  # fmt: skip
    return frozenset({"subject_code", "disposition"}) if role in {"subscriber", "device"} else frozenset()


def _sees_shipment(caller: Caller, scope: ShipmentScope) -> bool:
    """Judge the binding: a role that needs one and has none sees nothing; an unbound subscriber sees all."""
    if scope.organisation_id != caller.organisation_id:
        return False
    if caller.role == "courier":
        return caller.carrier is not None and caller.carrier in scope.carriers
    if caller.role == "site":
        return caller.site_id is not None and caller.site_id == scope.site_id
    if caller.role == "subscriber":
        return caller.site_id in (None, scope.site_id) and caller.study in (None, scope.study)
    return True


def _may_correct(caller: Caller, scope: CorrectionScope) -> bool:
    """Judge a correction by what it voids: else it would be a way round the list of events a role may write.

    Quality may correct every record; a courier only what came from its own source. A cancellation may be taken back
    by whoever may cancel; a re-planning is changed by another one.
    """
    if caller.role == "courier" and scope.event_source not in (None, caller.source):
        return False
    if scope.event_type == "replanned":
        return False
    if caller.role == "quality" or scope.event_type is None:
        return True
    if scope.event_type == "cancelled":
        return may(caller, "cancel:shipment")
    return scope.event_type in EVENTS_OF[caller.role]
