"""How far an activity lies from its prescription, and what US rules make of that. Told, never decided.

Source: 10 CFR 35.63(d), more than 20 percent off is not used without the prescriber's direction; 10 CFR 35.3045(a)(1),
20 percent or more off can be a medical event, if the dose criterion is met as well. Exactly 20 % separates the two.
"""

from fractions import Fraction
from typing import Final

from app.domain.units import exact

_TWENTY_PERCENT: Final = Fraction(1, 5)


def deviation(prescribed_mbq: float, given_mbq: float) -> Fraction:
    """Return given over prescribed, less one, exactly in the decimal numbers as written."""
    return exact(given_mbq) / exact(prescribed_mbq) - 1


def needs_direction(off: Fraction) -> bool:
    """Say whether it is more than 20 percent off."""
    return abs(off) > _TWENTY_PERCENT


def may_be_reportable(off: Fraction) -> bool:
    """Say whether it is 20 percent off, or more."""
    return abs(off) >= _TWENTY_PERCENT


def remark_on(prescribed_mbq: float, given_mbq: float) -> str | None:
    """Return in words what follows from a deviation of 20 percent or more; the activities themselves are not said."""
    off = deviation(prescribed_mbq, given_mbq)
    if not may_be_reportable(off):
        return None
    side = "below" if off < 0 else "above"
    direction = "needed the prescriber's direction (10 CFR 35.63(d)) and " if needs_direction(off) else ""
    return f"given {abs(float(off)):.1%} {side} the prescription, which {direction}can be reportable (10 CFR 35.3045)"
