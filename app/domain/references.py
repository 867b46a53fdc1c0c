"""Which instant a dose's activity is stated for, and what follows for limits that start from another one."""

from collections.abc import Iterator
from typing import Final

from app.domain.shipment import Dose, Product

WORDS: Final = {
    "calibration": "calibration",
    "reference": "reference time",
    "end_of_synthesis": "end of synthesis",
    "end_of_bombardment": "end of bombardment",
    "manufacture": "manufacture",
}
_ORDER: Final = {
    "end_of_bombardment": 0,
    "end_of_synthesis": 1,
    "manufacture": 2,
    "calibration": 3,
    "reference": 3,
}
"""In which order these instants come for one dose. Source: how a dose is made; calibration and reference time are two
words for the instant on the label, which may even lie after dispatch."""


def counted_otherwise(dose: Dose, product: Product, *, binding_limit: str | None) -> tuple[str, ...]:
    """Return, in words, which limits had to be counted from another instant than the product says.

    A dose has one reference instant. Counting from a later one than the product's overstates the limit, which is
    always said; counting from an earlier one is on the safe side, and said only where that limit binds.
    """
    if dose.calibrated_at is None:
        return ()
    return tuple(
        f"its {name} counts from {WORDS[start]}, which is not known: counted from its {WORDS[dose.reference_kind]}, "
        f"so it may {'end sooner' if overstated else 'last longer'} than said here"
        for limit, name, start in _limits(product)
        if _ORDER[start] != _ORDER[dose.reference_kind]
        and ((overstated := _ORDER[start] < _ORDER[dose.reference_kind]) or limit == binding_limit)
    )


def _limits(product: Product) -> Iterator[tuple[str, str, str]]:
    if product.shelf_life_hours is not None:
        yield "shelf_life", "shelf life", product.shelf_life_from
    for clock in product.clocks:
        if clock.starts != "first_puncture":
            yield f"clock:{clock.name}", f"clock “{clock.name}”", clock.starts
