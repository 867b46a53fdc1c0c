"""The decay of each dose over a span, drawn at equal steps."""

from dataclasses import dataclass
from datetime import datetime

from app.domain.nuclides import half_life_of
from app.domain.shipment import Dose, Shipment
from app.domain.window import activity_of, usable_window


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One dose's activity at the instants of a span; MBq, None for a kit."""

    dose: Dose
    half_life_s: float | None
    half_life_source: str | None
    usable_from: datetime | None
    usable_until: datetime | None
    floor_mbq: float | None
    ceiling_mbq: float | None
    activities_mbq: tuple[float | None, ...]


def span_of(shipment: Shipment) -> tuple[datetime, datetime]:
    """Return from where to where a shipment's curves tell something: the plan, and each dose's own instants."""
    instants = [shipment.legs[0].planned_departure_at, shipment.legs[-1].planned_arrival_at]
    for dose in shipment.doses:
        instants += [at for at in (dose.calibrated_at, dose.administer_at, dose.expires_at) if at is not None]
    return min(instants), max(instants)


def instants_of(begins_at: datetime, ends_at: datetime, *, points: int) -> tuple[datetime, ...]:
    """Return `points` instants at equal steps, both ends among them."""
    step = (ends_at - begins_at) / (points - 1)
    return (*(begins_at + step * index for index in range(points - 1)), ends_at)


def curves(shipment: Shipment, instants: tuple[datetime, ...]) -> tuple[Curve, ...]:
    """Return the curve of each dose, with the window in which it may be given."""
    return tuple(_curve(shipment, dose, instants) for dose in shipment.doses)


def _curve(shipment: Shipment, dose: Dose, instants: tuple[datetime, ...]) -> Curve:
    product = shipment.product
    half_life = half_life_of(product)
    window = usable_window(dose, product, site_handling_minutes=shipment.site.handling_minutes)
    return Curve(
        dose=dose,
        half_life_s=half_life.value_s if half_life else None,
        half_life_source=half_life.source if half_life else None,
        usable_from=window.usable_from,
        usable_until=window.usable_until,
        floor_mbq=window.floor_mbq,
        ceiling_mbq=window.ceiling_mbq,
        activities_mbq=tuple(activity_of(dose, product, at=at) for at in instants),
    )
