"""Where the package was last seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from app.domain.observation import Event
from app.domain.shipment import Leg, Shipment

_SIGHTINGS: Final = frozenset({
    "picked_up", "departed", "arrived", "handed_over", "customs_entered", "customs_cleared", "held",
    "resumed", "offloaded", "refused", "out_for_delivery", "delivery_attempted", "delivered", "received",
    "damaged", "returned", "lost", "position",
})  # fmt: skip
"""Types whose place is the package's; an estimate, a cancelled flight or a release speaks of another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where the package was last seen; `source` plan before any event."""

    code: str | None
    lat: float | None
    lon: float | None
    observed_at: datetime | None
    source: Literal["plan", "courier", "sensor"]


def planned_position(shipment: Shipment) -> Position:
    """Return where the package is before anything was heard: at its origin."""
    origin = shipment.origin
    return Position(code=origin.code, lat=origin.lat, lon=origin.lon, observed_at=None, source="plan")


def sighted(event: Event, shipment: Shipment, leg: Leg | None) -> Position | None:
    """Return where the event saw the package, None when it does not tell.

    A step of the plan without a place happened where the plan has it. Coordinates are known only of the
    origin's and the site's codes.
    """
    if event.type not in _SIGHTINGS:
        return None
    place = event.location
    code, lat, lon = (place.code, place.lat, place.lon) if place else (None, None, None)
    if lat is None or lon is None:
        code = code or _implied_code(event.type, shipment, leg)
        if code is None:
            return None
        lat, lon = _coordinates(code, shipment)
    return Position(code=code, lat=lat, lon=lon, observed_at=event.effective_at, source="courier")


def _implied_code(event_type: str, shipment: Shipment, leg: Leg | None) -> str | None:
    if event_type in {"delivered", "received"}:
        return shipment.site.code
    if leg is None:
        return None
    if event_type in {"picked_up", "departed"}:
        return leg.origin
    return leg.destination if event_type == "arrived" else None


def _coordinates(code: str, shipment: Shipment) -> tuple[float | None, float | None]:
    for point in (shipment.origin, shipment.site):
        if point.code == code:
            return point.lat, point.lon
    return None, None
