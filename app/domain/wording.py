"""Numbers as people read them in reasons and summaries."""

from typing import Final

_SMALL: Final = 0.01


def chance(probability: float) -> str:
    """Return a probability in whole percent, which says 0 or 100 only of what is certain."""
    if 0 < probability < _SMALL:
        return "under 1%"
    return "over 99%" if 1 - _SMALL < probability < 1 else f"{probability:.0%}"
