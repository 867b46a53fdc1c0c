"""What couriers, sites and operators report: events, as frozen values."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

EventType = Literal[
    "released", "picked_up", "departed", "arrived", "handed_over", "customs_entered", "customs_cleared", "held",
    "resumed", "offloaded", "refused", "out_for_delivery", "delivery_attempted", "delivered", "received", "assayed",
    "administered", "not_administered", "disposition", "returned", "lost", "damaged", "position", "estimate",
    "leg_cancelled", "device_attached", "device_detached", "first_puncture", "disposed", "correction",
]  # fmt: skip
ServerEventType = Literal["replanned", "cancelled"]
EVENT_TYPES: frozenset[str] = frozenset(get_args(EventType))


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where the sender says it was."""

    code: str | None = None
    lat: float | None = None
    lon: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One recorded observation.

    `occurred_at` is the sender's claim; `effective_at` is it with the device's clock skew taken off (or
    `received_at` when the claim lies in an impossible future), and is what the fold uses.
    """

    id: str
    event_id: str
    source: str
    type: str
    occurred_at: datetime
    effective_at: datetime
    received_at: datetime
    leg: int | None = None
    dose: str | None = None
    lot: str | None = None
    carrier: str | None = None
    """The carrier that the sender's key is bound to, which helps to find the leg."""
    location: Location | None = None
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
