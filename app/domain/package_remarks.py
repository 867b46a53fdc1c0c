"""What about a package's papers does not fit together. Classification is the consignor's: it is flagged, never decided.

Source: 49 CFR 172.403(b), (c) for the label by transport index; 49 CFR 173.435 for A2, within which a package not of
special form is a Type A; IAEA SSR-6 for the activity on the label, which is the maximum during transport.
"""

from collections.abc import Iterator
from datetime import datetime

from app.domain.nuclides import NUCLIDES
from app.domain.shipment import Package, Shipment
from app.domain.units import MBQ_PER
from app.domain.window import activity_of

_RANK = {"I-WHITE": 0, "II-YELLOW": 1, "III-YELLOW": 2}
TYPE_A = "UN2915"
NEGLIGIBLE_INDEX = 0.05
"""A transport index up to this may be taken as 0. Source: 49 CFR 172.403, footnote 2."""


def least_category(transport_index: float) -> str:
    """Return the lowest label category that a transport index allows; the surface's dose rate may ask for a higher."""
    if transport_index <= NEGLIGIBLE_INDEX:
        return "I-WHITE"
    return "II-YELLOW" if transport_index <= 1 else "III-YELLOW"


def package_remarks(shipment: Shipment) -> tuple[str, ...]:
    """Return, in words, what the papers of a package say and its other papers or its doses contradict."""
    package = shipment.package
    if package is None:
        return ()
    return (*_of_label(package), *_of_activity(shipment, package))


def _of_label(package: Package) -> Iterator[str]:
    index, category = package.transport_index, package.label_category
    if index is None or category not in _RANK:
        return
    least = least_category(index)
    if _RANK[category] < _RANK[least]:
        yield f"a transport index of {index:g} needs label {least} at least; the papers say {category}"
    if index > 10:
        yield f"a transport index of {index:g} is above 10: it needs exclusive use"


def _of_activity(shipment: Shipment, package: Package) -> Iterator[str]:
    declared_mbq = package.declared_activity_mbq
    if declared_mbq is None:
        return
    departs_at = shipment.legs[0].planned_departure_at
    held_mbq = _activity_mbq(shipment, at=departs_at)
    if held_mbq is not None and declared_mbq < held_mbq:
        yield (
            f"the label declares {declared_mbq:.6g} MBq, and the doses hold {held_mbq:.6g} MBq at the planned "
            "departure: the label's is the maximum during transport"
        )
    nuclide = NUCLIDES.get(shipment.product.nuclide or "")
    if nuclide is None or nuclide.a2_tbq is None or package.un_number != TYPE_A:
        return
    a2_mbq = nuclide.a2_tbq * float(MBQ_PER["TBq"])
    if declared_mbq > a2_mbq:
        yield (
            f"{declared_mbq:.6g} MBq is more than A2 of {nuclide.name}, {a2_mbq:.6g} MBq, "
            f"and {package.un_number} is a Type A package"
        )


def _activity_mbq(shipment: Shipment, *, at: datetime) -> float | None:
    """Return what all doses hold together, if each is known."""
    held = [activity_of(dose, shipment.product, at=at) for dose in shipment.doses]
    return sum(one for one in held if one is not None) if held and None not in held else None
