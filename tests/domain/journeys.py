"""A journey of three legs, and short ways to write its events, for tests of the custody fold."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from app.domain.custody import Journey, fold
from app.domain.observation import Event, Location
from app.domain.shipment import Dose, Leg, Place, Product, Shipment, Site

PLANT = (31.2, 121.5)
CLINIC = (48.2, 16.4)
LATER = datetime(2026, 1, 31, tzinfo=UTC)
_ids = count(1)


def clock(text: str) -> datetime:
    """Return an instant of 6 January 2026, or of a later day: `10:00`, `8 07:30`."""
    day, _, time = text.rpartition(" ")
    hours, minutes = time.split(":")
    return datetime(2026, 1, int(day or 6), int(hours), int(minutes), tzinfo=UTC)


def leg(number: int, carrier: str, way: str, *, departs: str, arrives: str) -> Leg:
    origin, destination = way.split("-")
    return Leg(
        number=number,
        mode="air" if carrier == "AIR" else "road",
        carrier=carrier,
        service=None,
        waybill=None,
        origin=origin,
        destination=destination,
        planned_departure_at=clock(departs),
        planned_arrival_at=clock(arrives),
    )


# A van to the airport, a flight, a van to the clinic: the same road carrier at both ends.
ROAD_AIR_ROAD = (
    leg(1, "VAN", "PLANT-PVG", departs="08:00", arrives="09:00"),
    leg(2, "AIR", "PVG-VIE", departs="12:00", arrives="20:00"),
    leg(3, "VAN", "VIE-CLINIC", departs="22:00", arrives="23:00"),
)
# Two flights of one carrier.
TWO_FLIGHTS = (
    leg(1, "AIR", "PLANT-PVG", departs="08:00", arrives="10:00"),
    leg(2, "AIR", "PVG-CLINIC", departs="12:00", arrives="20:00"),
)


def shipment(legs: tuple[Leg, ...] = ROAD_AIR_ROAD, *, doses: int = 1) -> Shipment:
    return Shipment(
        id="shipment",
        organisation_id="organisation",
        reference="R-1",
        study=None,
        consignment=None,
        plan_version=1,
        registered_at=clock("00:00"),
        product=Product(id="product", version=1, name="Lu", nuclide="Lu-177"),
        site=Site(
            id="site",
            code="CLINIC",
            name="Clinic",
            lat=CLINIC[0],
            lon=CLINIC[1],
            timezone="Europe/Vienna",
            handling_minutes=60,
        ),
        origin=Place(code="PLANT", lat=PLANT[0], lon=PLANT[1]),
        package=None,
        doses=tuple(Dose(id=f"dose-{n}", reference=f"D{n}", lot=f"L{n}") for n in range(1, doses + 1)),
        legs=legs,
    )


def event(type_: str, at: str, *, by: str | None = None, where: str | None = None, **fields: Any) -> Event:
    """Return an event; `by` is the carrier whose key sent it, and its source (default: the operator's)."""
    number = next(_ids)
    occurred_at = clock(at)
    values: dict[str, Any] = {
        "id": f"server-{number}",
        "event_id": f"own-{number}",
        "source": by or "OPERATOR",
        "type": type_,
        "occurred_at": occurred_at,
        "effective_at": occurred_at,
        "received_at": occurred_at,
        "carrier": by,
        "location": Location(code=where) if where else None,
    }
    return Event(**(values | fields))


def correction(target: str, at: str, *, by: str | None = None, **replacement: Any) -> Event:
    """Return a correction that voids, or with keywords replaces."""
    details: dict[str, Any] = {"corrects": target}
    if replacement:
        details["replacement"] = replacement
    return event("correction", at, by=by, details=details, reason="mistyped")


def journey_of(*events: Event, plan: Shipment | None = None, at: datetime = LATER) -> Journey:
    return fold(plan or shipment(), events, at=at)


def whole_way() -> list[Event]:
    """Return the scans of a journey that went to plan."""
    return [
        event("picked_up", "07:50", by="VAN"),
        event("departed", "08:00", by="VAN", where="PLANT"),
        event("arrived", "09:00", by="VAN", where="PVG"),
        event("departed", "12:00", by="AIR"),
        event("arrived", "20:00", by="AIR"),
        event("departed", "22:00", by="VAN", where="VIE"),
        event("delivered", "23:00", by="VAN"),
    ]
