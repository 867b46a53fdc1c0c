"""How long before the planned delivery something is said about it: what forecasts are counted by, and corrected."""

from datetime import datetime, timedelta
from typing import Final

Horizon = str

_HORIZONS: Final = (
    (timedelta(hours=24), "more than 24 h"),
    (timedelta(hours=6), "6 to 24 h"),
    (timedelta(hours=2), "2 to 6 h"),
    (timedelta(0), "up to 2 h"),
)
OVERDUE: Final = "overdue"
HORIZONS: Final = (*(name for _, name in _HORIZONS), OVERDUE)
"""How long before the planned delivery a forecast was made. Source: our convention."""

BOUNDS: Final = tuple(bound for bound, _ in _HORIZONS)
"""What is left where one horizon ends and the next begins."""


def horizon_of(planned_at: datetime, at: datetime) -> Horizon:
    """Return which horizon an instant lies in."""
    left = planned_at - at
    return next((name for bound, name in _HORIZONS if left > bound or left == bound == timedelta(0)), OVERDUE)
