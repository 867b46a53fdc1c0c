"""Nuclides, and which half-life a product decays with."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

from app.domain.nuclide_table import ROWS
from app.domain.shipment import Product
from app.errors import Invalid

ENSDF: Final = "ENSDF (NNDC), September 2023"


class UnknownNuclide(Invalid):
    """The table has no such nuclide; `GET /v1/nuclides` lists those it has."""

    code = "unknown_nuclide"


@dataclass(frozen=True, slots=True)
class Progeny:
    """What a nuclide decays to, in which share and by which mode."""

    nuclide: str
    branching: float
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Nuclide:
    """One nuclide; `half_life_text` is the evaluation's own writing, A1 and A2 the transport limits."""

    name: str
    half_life_s: float
    half_life_uncertainty_s: float
    half_life_text: str
    source: str
    progeny: tuple[Progeny, ...]
    a1_tbq: float | None
    a2_tbq: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfLife:
    """The half-life a computation used, and where it comes from; uncertainty None where the source gives none."""

    value_s: float
    uncertainty_s: float | None
    source: str


NUCLIDES: Final[Mapping[str, Nuclide]] = MappingProxyType(
    {
        name: Nuclide(
            name=name,
            half_life_s=half_life_s,
            half_life_uncertainty_s=uncertainty_s,
            half_life_text=text,
            source=ENSDF,
            progeny=tuple(Progeny(*one) for one in progeny),
            a1_tbq=a1_tbq,
            a2_tbq=a2_tbq,
        )
        for name, text, half_life_s, uncertainty_s, progeny, a1_tbq, a2_tbq in ROWS
    }
)


def nuclide(name: str) -> Nuclide:
    """Return the nuclide called `name`, such as `Lu-177`.

    Raises:
        UnknownNuclide: the table has none of that name.
    """
    found = NUCLIDES.get(name)
    if found is None:
        raise UnknownNuclide("no such nuclide; write element and mass number, such as Lu-177 or Tc-99m")
    return found


def half_life_of(product: Product) -> HalfLife | None:
    """Return the product's own half-life (labels override the evaluation), else ENSDF's; None for a kit.

    Source: labels do differ: USP I-131 8.08 d, the Xofigo label's Ra-223 11.43 d.
    """
    if product.nuclide is None:
        return None
    if product.half_life_s is not None:
        source = product.half_life_source or f"product {product.name}"
        return HalfLife(value_s=product.half_life_s, uncertainty_s=None, source=source)
    return _evaluated(product.nuclide)


@cache
def _evaluated(name: str) -> HalfLife:
    known = nuclide(name)
    return HalfLife(
        value_s=known.half_life_s, uncertainty_s=known.half_life_uncertainty_s, source=known.source
    )
