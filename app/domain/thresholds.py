"""Which thresholds a product or a shipment may set, and within what."""

from collections.abc import Iterator, Mapping
from typing import Final

from app.domain.ruling import THRESHOLDS

_MOST: Final[Mapping[str, float]] = {
    "minutes": 525_600,
    "hours": 8_760,
    "percent": 100,
    "lux": 200_000,
    "g": 10_000,
    "deg": 180,
}
"""The largest value by the unit that ends a threshold's name: a year, a whole, sunlight, a hard fall, upside down.
A threshold without a unit is a probability. Source: our convention."""


def threshold_faults(thresholds: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Yield each threshold that is wrong, and what is wrong with it."""
    for name, value in thresholds.items():
        if name not in THRESHOLDS:
            yield name, f"no such threshold; there are {', '.join(sorted(THRESHOLDS))}"
            continue
        unit = name.replace(".", "_").rpartition("_")[2]
        most = _MOST.get(unit, 1.0)
        if not 0 <= value <= most:
            words = f"in {unit}, " if unit in _MOST else "a probability, "
            yield name, f"{words}from 0 to {most:g}"
