"""Units of activity at the edge, and the slips between them. Inside the house there is only MBq."""

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Final

MBQ_PER: Final[Mapping[str, Fraction]] = MappingProxyType(
    {
        "Bq": Fraction(1, 1_000_000),
        "kBq": Fraction(1, 1000),
        "MBq": Fraction(1),
        "GBq": Fraction(1000),
        "TBq": Fraction(1_000_000),
        "uCi": Fraction(37, 1000),
        "mCi": Fraction(37),
        "Ci": Fraction(37_000),
    }
)
"""MBq in one of each unit. Source: 1 Ci = 3.7e10 Bq exactly, by definition."""


def exact(value: float) -> Fraction:
    """Return the decimal number that was written, not the binary one nearest to it."""
    return Fraction(repr(value))


def to_mbq(value: float, unit: str) -> float:
    """Return an activity in MBq, the nearest number to the decimal as written; `unit` is a key of `MBQ_PER`."""
    return float(exact(value) * MBQ_PER[unit])


def slipped_unit(activity_mbq: float, *, low_mbq: float, high_mbq: float) -> tuple[str, float] | None:
    """Return the unit that explains an activity outside this range, and what was meant, in MBq.

    None inside the range, and for an unusual value that no slip explains: unusual is not wrong.
    """
    if low_mbq <= activity_mbq <= high_mbq:
        return None
    for unit in ("GBq", "mCi", "kBq", "Bq", "Ci", "uCi", "TBq"):
        meant_mbq = to_mbq(activity_mbq, unit)
        if low_mbq <= meant_mbq <= high_mbq:
            return unit, meant_mbq
    return None


def unit_slip(activity_mbq: float, *, usual_min_mbq: float, usual_max_mbq: float) -> str | None:
    """Say which slip of units explains an activity outside the product's usual range; None where none does."""
    slip = slipped_unit(activity_mbq, low_mbq=usual_min_mbq, high_mbq=usual_max_mbq)
    if slip is None:
        return None
    unit, meant_mbq = slip
    return (
        f"looks like {unit} written as MBq: usual for this product are {usual_min_mbq:.12g} to "
        f"{usual_max_mbq:.12g} MBq; write {meant_mbq:.12g} if {unit} was meant"
    )
