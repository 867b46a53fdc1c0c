"""A history of legs: one row each as people give it, and all of them as columns of numbers to learn from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.domain.custody import Journey
from app.domain.lanes import Array
from app.domain.shipment import Leg, Mode, Shipment

Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]
CodesByFeature = Mapping[str, Codes]
Outcome = Literal["planned", "departed", "arrived", "cancelled", "diverted"]
LocalHour = Callable[[str, datetime], int]

STAGE: Final[Mapping[str, int]] = MappingProxyType(
    {"planned": 0, "departed": 1, "arrived": 2, "cancelled": 2, "diverted": 2}
)
"""What may follow what: a leg is planned, then under way, then ended."""
ENDED: Final = 2

DAY_MINUTES: Final = 1440.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LegIdentity(NamedTuple):
    """A service on a lane at its planned departure."""

    mode: Mode
    carrier: str
    service: str | None
    origin: str
    destination: str
    planned_departure_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLeg:
    """One leg, ours or somebody else's; `departed_at` None: it has not left, never did, or nobody said when."""

    mode: Mode
    carrier: str
    service: str | None
    origin: str
    destination: str
    planned_departure_at: datetime
    departed_at: datetime | None
    planned_arrival_at: datetime
    arrived_at: datetime | None
    outcome: Outcome

    @property
    def identity(self) -> LegIdentity:
        """What makes it this leg and no other, whatever became of it."""
        return LegIdentity(
            self.mode, self.carrier, self.service, self.origin, self.destination, self.planned_departure_at
        )


FEATURES: Final = (
    "all", "origin", "destination", "lane", "lane_carrier", "carrier", "carrier_hour", "origin_hour", "flight",
    "weekday", "band",
)  # fmt: skip
"""What is told apart: each has its own codes, and a leg one code of each."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Legs side by side.

    Instants are minutes since 1970, NaN where there is none; `codes` hold one column a feature.
    """

    planned_departure: Array
    departed: Array
    planned_arrival: Array
    arrived: Array
    cancelled: Flags
    diverted: Flags
    codes: CodesByFeature

    def __len__(self) -> int:
        """Return how many legs there are."""
        return len(self.planned_departure)

    @property
    def delay(self) -> Array:
        """Return the departures' delays, in minutes."""
        return self.departed - self.planned_departure

    @property
    def residual(self) -> Array:
        """Return by how much the way took longer than planned, in minutes."""
        return (self.arrived - self.departed) - (self.planned_arrival - self.planned_departure)

    @property
    def finished(self) -> Array:
        """Return when each leg's outcome counts as known.

        A leg that never arrived is only given up four hours after its planned arrival, because nobody says so.
        """
        return np.where(
            np.isnan(self.arrived), self.planned_arrival + GIVEN_UP / timedelta(minutes=1), self.arrived
        )

    def take(self, chosen: Any) -> "Columns":
        """Return some of the legs, by index or by mask."""
        return Columns(
            self.planned_departure[chosen],
            self.departed[chosen],
            self.planned_arrival[chosen],
            self.arrived[chosen],
            self.cancelled[chosen],
            self.diverted[chosen],
            {name: codes[chosen] for name, codes in self.codes.items()},
        )


class Coder:
    """Gives each lane, carrier, flight … a number, the same for ever."""

    def __init__(self, local_hour: LocalHour | None = None) -> None:
        self._local_hour = local_hour or _utc_hour
        self.known: dict[str, dict[tuple[object, ...], int]] = {name: {} for name in FEATURES}

    def columns(self, legs: Sequence[LaneLeg], *, learn: bool = True) -> Columns:
        """Return legs as columns; without `learn` what was never seen gets the code -1."""
        rows = [self.codes_of(leg, learn=learn) for leg in legs]
        table = np.asarray(rows, dtype=np.int64).reshape(len(legs), len(FEATURES))
        return Columns(
            _minutes(leg.planned_departure_at for leg in legs),
            _minutes(leg.departed_at for leg in legs),
            _minutes(leg.planned_arrival_at for leg in legs),
            _minutes(leg.arrived_at for leg in legs),
            np.asarray([leg.outcome == "cancelled" for leg in legs], dtype=np.bool_),
            np.asarray([leg.outcome == "diverted" for leg in legs], dtype=np.bool_),
            {name: table[:, index] for index, name in enumerate(FEATURES)},
        )

    def codes_of(self, leg: LaneLeg, *, learn: bool) -> tuple[int, ...]:
        """Return one leg's codes in the order of FEATURES."""
        at = leg.planned_departure_at
        hour = self._local_hour(leg.origin, at)
        keys: tuple[tuple[object, ...], ...] = (
            (),
            (leg.origin,),
            (leg.destination,),
            (leg.origin, leg.destination),
            (leg.origin, leg.destination, leg.carrier),
            (leg.carrier,),
            (leg.carrier, hour),
            (leg.origin, hour),
            (leg.carrier, leg.service) if leg.service else ("",),
            (at.weekday(),),
            (hour // 4,),
        )
        if learn:
            return tuple(
                known.setdefault(key, len(known))
                for known, key in zip(self.known.values(), keys, strict=True)
            )
        return tuple(known.get(key, -1) for known, key in zip(self.known.values(), keys, strict=True))


GIVEN_UP: Final = timedelta(hours=4)
"""When a leg that never arrived counts as known to have failed, after its planned arrival."""


def ended_legs(shipment: Shipment, journey: Journey, *, at: datetime) -> list[LaneLeg]:
    """Return the legs of a journey of ours that have ended; one whose departure nobody saw teaches nothing."""
    facts = {one.number: one for one in journey.legs}
    found = []
    for leg in shipment.legs:
        known = facts.get(leg.number)
        if known is None:
            continue
        arrived = known.departed_at is not None and known.arrived_at is not None
        if arrived and known.failed is None and known.arrived_at > known.departed_at:  # type: ignore[operator]
            found.append(_lane_leg(leg, known.departed_at, known.arrived_at, "arrived"))
        elif known.failed == "leg_cancelled" and at >= leg.planned_arrival_at + GIVEN_UP:
            found.append(_lane_leg(leg, None, None, "cancelled"))
    return found


def under_way(shipment: Shipment, journey: Journey) -> list[LaneLeg]:
    """Return the legs of a journey of ours that have left and of whose end nothing is known."""
    facts = {one.number: one for one in journey.legs}
    return [
        _lane_leg(leg, known.departed_at, None, "departed")
        for leg in shipment.legs
        if (known := facts.get(leg.number)) is not None
        and known.departed_at is not None
        and known.arrived_at is None
        and known.failed is None
    ]


def _lane_leg(
    leg: Leg, departed_at: datetime | None, arrived_at: datetime | None, outcome: Outcome
) -> LaneLeg:
    return LaneLeg(
        mode=leg.mode,
        carrier=leg.carrier,
        service=leg.service,
        origin=leg.origin,
        destination=leg.destination,
        planned_departure_at=leg.planned_departure_at,
        departed_at=departed_at,
        planned_arrival_at=leg.planned_arrival_at,
        arrived_at=arrived_at,
        outcome=outcome,
    )


def as_planned(leg: Leg) -> LaneLeg:
    """Return a plan's leg as one of a history, of which nothing has happened yet."""
    return _lane_leg(leg, None, None, "planned")


def minutes_of(at: datetime) -> float:
    """Return an instant in minutes since 1970."""
    return (at - _EPOCH).total_seconds() / 60.0


def instant_of(minutes: float) -> datetime:
    """Return the instant so many minutes since 1970."""
    return _EPOCH + timedelta(minutes=minutes)


def _minutes(instants: Iterable[datetime | None]) -> Array:
    return np.asarray([np.nan if at is None else minutes_of(at) for at in instants], dtype=np.float64)


def _utc_hour(_: str, at: datetime) -> int:
    return at.hour
