"""Units of activity at the edge, and the slips between them. Inside the house there is only MBq."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

MBQ_PER: Final[Mapping[str, float]] = MappingProxyType(
    {"Bq": 1e-6, "kBq": 1e-3, "MBq": 1.0, "GBq": 1e3, "TBq": 1e6, "uCi": 0.037, "mCi": 37.0, "Ci": 37_000.0}
)
"""MBq in one of each unit. Source: 1 Ci = 3.7e10 Bq exactly, by definition."""


def to_mbq(value: float, unit: str) -> float:
    """Return an activity in MBq; `unit` is a key of `MBQ_PER`."""
    return value * MBQ_PER[unit]


def unit_slip(activity_mbq: float, *, usual_min_mbq: float, usual_max_mbq: float) -> str | None:
    """Say which slip of units explains an activity outside the product's usual range.

    None inside the range, and for an unusual value that no slip explains: unusual is not wrong.
    """
    if usual_min_mbq <= activity_mbq <= usual_max_mbq:
        return None
    for unit in ("GBq", "mCi", "kBq", "Bq", "Ci", "uCi", "TBq"):
        meant_mbq = to_mbq(activity_mbq, unit)
        if usual_min_mbq <= meant_mbq <= usual_max_mbq:
            return (
                f"looks like {unit} written as MBq: usual for this product are {usual_min_mbq:g} to "
                f"{usual_max_mbq:g} MBq; write {meant_mbq:g} if {unit} was meant"
            )
    return None
