"""What the day's other legs show by one instant, place by place: small enough to be published every few minutes.

A set of signals never changes. It bears only on legs that are near: what delays the departures of this hour says
nothing of tomorrow's.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np

from app.domain.lane_learning.departures import When, crowd_level
from app.domain.lane_learning.history import LegIdentity, as_planned, instant_of, minutes_of
from app.domain.lane_learning.sameday import mean_delay
from app.domain.shipment import Leg, Mode

AHEAD_MINUTES: Final = 240.0
DUE_MINUTES: Final = 60.0
"""Signals bear on departures up to four hours ahead; in the last of them they are asked as if it were due.
Source: tried on real flights, docs/eta.md; further off they add little."""

OVERDUE_MINUTES: Final = 720.0
"""How long after its planned arrival a leg is still forecast by the day. Source: as far as the backtest asks."""

STEP_MINUTES: Final = 3.0
"""A way that is longer or shorter by less is not worth another look. Source: our convention."""


class Bearing(NamedTuple):
    """What the signals say of one leg: which tables to ask, its origin's mean delay, what its way takes longer."""

    when: When
    congestion: float | None
    way_minutes: float

    @property
    def felt(self) -> tuple[object, ...]:
        """What must differ before the leg's forecast differs by anything that matters."""
        level = None if self.congestion is None else int(crowd_level(np.asarray(self.congestion)))
        return self.when, level, round(self.way_minutes / STEP_MINUTES)


NOTHING: Final = Bearing("alone", None, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSignals:
    """One mode's: delays added up and counted by origin, minutes by which ways take longer by destination.

    `waiting` are our own silent legs with the minutes that they have added to their origin, so that no leg is told
    of its own silence as if it were another's.
    """

    origins: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    destinations: Mapping[str, float] = field(default_factory=dict)
    everywhere: float = 0.0
    waiting: Mapping[LegIdentity, float] = field(default_factory=dict)

    def congestion(self, origin: str, leg: LegIdentity | None = None) -> float | None:
        """Return the mean delay at an origin, as one leg sees it; None where nothing is known."""
        total, count = self.origins.get(origin, (0.0, 0))
        if leg is not None and leg in self.waiting:
            total, count = total - self.waiting[leg], count - 1
        return float(mean_delay(np.asarray(total), np.asarray(count))) if count > 0 else None

    def way_minutes(self, destination: str) -> float:
        """Return by how much ways to a destination take longer today."""
        return self.destinations.get(destination, self.everywhere)

    @property
    def told(self) -> tuple[object, ...]:
        """What people and forecasts may see of it, in whole minutes."""
        delays = {
            one: (count, round(self.congestion(one) or 0.0)) for one, (_, count) in self.origins.items()
        }
        ways = {one: round(minutes) for one, minutes in self.destinations.items()}
        return delays, ways, round(self.everywhere)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySignals:
    """All modes' signals at one instant."""

    at: datetime
    modes: Mapping[Mode, ModeSignals]

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.modes)

    def on(self, leg: Leg) -> Bearing:
        """Return what is to be said of a leg; of one that is not near, nothing."""
        signals, at = self.modes.get(leg.mode), minutes_of(self.at)
        planned = minutes_of(leg.planned_departure_at)
        overdue = at - minutes_of(leg.planned_arrival_at)
        if signals is None or planned > at + AHEAD_MINUTES or overdue > OVERDUE_MINUTES:
            return NOTHING
        congestion = signals.congestion(leg.origin, as_planned(leg).identity)
        when: When = "ahead" if planned > at + DUE_MINUTES else "due"
        return Bearing(
            "alone" if congestion is None else when, congestion, signals.way_minutes(leg.destination)
        )

    def says_as(self, other: "DaySignals") -> bool:
        """Return whether another set says the same, to the minute."""
        return {mode: one.told for mode, one in self.modes.items()} == {
            mode: one.told for mode, one in other.modes.items()
        }


def as_bytes(signals: DaySignals) -> bytes:
    """Return signals as they are kept."""
    told = {
        mode: {
            "origins": {place: [round(total, 1), count] for place, (total, count) in one.origins.items()},
            "destinations": {place: round(minutes, 1) for place, minutes in one.destinations.items()},
            "everywhere": round(one.everywhere, 1),
            "waiting": [[*leg[1:5], minutes_of(leg[5]), round(by, 1)] for leg, by in one.waiting.items()],
        }
        for mode, one in signals.modes.items()
    }
    return zlib.compress(json.dumps({"at": minutes_of(signals.at), "modes": told}).encode())


def of_bytes(body: bytes) -> DaySignals:
    """Read them back."""
    told = json.loads(zlib.decompress(body))
    return DaySignals(
        at=instant_of(told["at"]), modes={mode: _mode(mode, one) for mode, one in told["modes"].items()}
    )


def _mode(mode: Mode, told: dict[str, Any]) -> ModeSignals:
    return ModeSignals(
        origins={place: (total, count) for place, (total, count) in told["origins"].items()},
        destinations=told["destinations"],
        everywhere=told["everywhere"],
        waiting={
            LegIdentity(mode, carrier, service, origin, destination, instant_of(planned)): by
            for carrier, service, origin, destination, planned, by in told["waiting"]
        },
    )
