"""What a backtest asks of every leg, and when: the same instants at which a shipment would be looked at."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from app.domain.lane_learning.history import Codes, Columns
from app.domain.lane_learning.replay import AHEAD_MINUTES
from app.domain.lanes import Array

Kind = Literal["ahead", "silence", "departure", "arrival"]

SILENCE_STEP: Final = 15
SLACK_MAX_MINUTES: Final = 180.0


@dataclass(frozen=True, slots=True)
class Horizon:
    """One moment in a leg's life; `minutes` count from its planned departure or planned arrival."""

    kind: Kind
    minutes: float
    name: str
    group: str
    """Horizons of one group share their conformal correction."""

    def asked_at(self, legs: Columns) -> Array:
        """Return when each leg is asked about, NaN for one that never comes to this."""
        if self.kind == "departure":
            return legs.departed
        start = legs.planned_arrival if self.kind == "arrival" else legs.planned_departure
        return start + self.minutes

    def asks(self, legs: Columns, at: Array) -> Codes:
        """Return the legs that the question fits, from what is known of them at `at` alone."""
        left, arrived = legs.departed <= at, legs.arrived <= at
        if self.kind == "silence":
            return np.flatnonzero(~left & (at < legs.planned_arrival + SLACK_MAX_MINUTES))
        if self.kind == "arrival":
            return np.flatnonzero(left & ~arrived)
        return np.flatnonzero(~np.isnan(at))


AHEAD: Final = Horizon("ahead", -AHEAD_MINUTES, "2 h before departure", "ahead")
DEPARTURE: Final = Horizon("departure", 0.0, "at departure", "departure")


def horizons(*, silence_until: int) -> Iterator[Horizon]:
    """Yield every moment that is asked about, silence in quarters of an hour."""
    yield AHEAD
    for minutes in range(0, silence_until + 1, SILENCE_STEP):
        yield Horizon("silence", float(minutes), f"silence {minutes} min", _silence_group(minutes))
    yield DEPARTURE
    for minutes in (0, 15, 30):
        yield Horizon("arrival", float(minutes), f"planned arrival +{minutes}", f"arrival {minutes}")


def _silence_group(minutes: int) -> str:
    if minutes <= 60:
        return f"silence {minutes}"
    return "silence to 120" if minutes <= 120 else "silence beyond"
