"""Until when another way can be chosen: the last service that brings a dose in time, and what it takes to be on it.

`act_by` and the services that `remedies` names answer to one criterion: by the timetable, with the median handover
before each leg and the median receipt at the end, the way arrives by the dose's bound. Nothing here reads a clock, so
the answer stays where it is until there is news. The convention is decision 18.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from app.domain.custody import Journey, LegFacts
from app.domain.lanes import SCHEDULED, Distribution, LaneStatistics
from app.domain.replanning import departed_legs
from app.domain.shipment import Leg, Shipment
from app.domain.spans import MINUTE
from app.domain.timetable import Departure, is_own

_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_INSTANT: Final = timedelta(microseconds=1)
_UNPLANNED: Final = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """One leg as things stand.

    `notice` is what a package takes from being there, or from somebody's decision, to being ready for a service.
    `departs_at` and `arrives_at` are the plan's own service as reported or planned; `fails`: it goes without the
    package, as reported at `failed_at` or because the package comes too late for it. `here_at` is when the package
    gets to the leg's origin; None: not before somebody books another service on an earlier leg.
    """

    leg: Leg
    notice: timedelta
    departs_at: datetime
    arrives_at: datetime
    fails: bool
    failed_at: datetime | None
    gone: bool
    here_at: datetime | None

    @property
    def duration(self) -> timedelta:
        """How long the plan gives the leg."""
        return self.leg.planned_arrival_at - self.leg.planned_departure_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """The last decision about a leg that still helps, and the last arrival at its end that does."""

    decide_at: datetime
    arrive_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The whole way as things stand, and what can still be chosen on it."""

    stretches: tuple[Stretch, ...]
    receipt: timedelta
    lanes: LaneStatistics

    def last_at(self, bound_at: datetime | None) -> datetime | None:
        """Return the last instant at which a choice about the way brings the package by `bound_at`; None: no bound.

        That is the deadline of the last leg that the package reaches before it. Where it reaches none, it is when the
        last choice was taken away: by the failure of a leg, else by the departure of the last one that left.
        """
        if bound_at is None:
            return None
        deadlines = self.deadlines(bound_at)
        ahead = [one for one in self.stretches if not one.gone]
        decided = [deadlines[one.leg.number].decide_at for one in ahead if _reaches(one, deadlines)]
        failed = [one.failed_at for one in ahead if one.failed_at is not None]
        gone = [one.departs_at for one in self.stretches if one.gone]
        return max([*decided, *failed] or gone)

    def deadlines(self, bound_at: datetime) -> Mapping[int, Deadline]:
        """Return each leg's deadline by its number, reckoned back from an arrival at the site by `bound_at`."""
        found = {}
        arrive_at = bound_at - self.receipt
        for one in reversed(self.stretches):
            decide_at = self._leaves_by(one, arrive_at) - one.notice
            found[one.leg.number] = Deadline(decide_at=decide_at, arrive_at=arrive_at)
            arrive_at = decide_at
        return found

    def others(self, one: Stretch, *, decided_at: datetime) -> list[Departure]:
        """Return the known services in place of a leg's own that the package can be on if so decided."""
        if one.here_at is None:
            return []
        ready_at = max(decided_at, one.here_at) + one.notice
        return [at for at in self.lanes.after(one.leg, ready_at - _INSTANT) if not is_own(at, one.leg)]

    def _leaves_by(self, one: Stretch, arrive_at: datetime) -> datetime:
        """Return the last departure on a leg that arrives in time.

        Without a timetable a road leg may leave at any time, and of a scheduled one nothing but the plan's service is
        known. Where that fails or is late, a replacement as fast as the plan bounds what anybody may find.
        """
        own = [one.departs_at] if not one.fails and one.arrives_at <= arrive_at else []
        known = self.lanes.arriving_by(one.leg, arrive_at)
        others = [other.departs_at for other in known if not is_own(other, one.leg)]
        if not known and (not own or one.leg.mode not in SCHEDULED):
            others = [arrive_at - one.duration]
        return max([*others, *own])


def choices_of(shipment: Shipment, journey: Journey, lanes: LaneStatistics) -> Choices:
    """Return what can be chosen on a shipment's way, by all that was reported."""
    return Choices(
        stretches=tuple(_stretches(shipment, journey, lanes)),
        receipt=_median(lanes.receipt(shipment.legs[-1].destination)),
        lanes=lanes,
    )


def _stretches(shipment: Shipment, journey: Journey, lanes: LaneStatistics) -> Iterator[Stretch]:
    known = {one.number: one for one in journey.legs}
    gone = {leg.number for leg in departed_legs(shipment, journey)}
    gaps = [_UNPLANNED, *(_gap_minutes(*pair) for pair in pairwise(shipment.legs))]
    here_at: datetime | None = _FIRST
    for leg, gap in zip(shipment.legs, gaps, strict=True):
        facts = known.get(leg.number, LegFacts(number=leg.number))
        one = _stretch(leg, facts, lanes, here_at=here_at, gone=leg.number in gone, gap_minutes=gap)
        yield one
        here_at = _there_at(one)


def _stretch(
    leg: Leg,
    facts: LegFacts,
    lanes: LaneStatistics,
    *,
    here_at: datetime | None,
    gone: bool,
    gap_minutes: float,
) -> Stretch:
    """Put a leg together; what the plan gives for a connection is always enough for it."""
    notice = _median(lanes.handover(leg.mode, leg.origin, gap_minutes))
    if gap_minutes != _UNPLANNED:
        notice = min(notice, timedelta(minutes=max(gap_minutes, 0.0)))
    departs_at = facts.departed_at or facts.estimated_departure_at or leg.planned_departure_at
    planned = leg.planned_arrival_at - leg.planned_departure_at
    missed = leg.mode in SCHEDULED and here_at is not None and here_at + notice > departs_at
    return Stretch(
        leg=leg,
        notice=notice,
        departs_at=departs_at,
        arrives_at=facts.arrived_at or facts.estimated_arrival_at or departs_at + planned,
        fails=not gone and (missed or facts.failed is not None),
        failed_at=facts.failed_at,
        gone=gone,
        here_at=here_at,
    )


def _there_at(one: Stretch) -> datetime | None:
    """Return when the package gets to the leg's end if nobody does anything; None: it does not."""
    if one.gone:
        return one.arrives_at
    if one.here_at is None or one.fails:
        return None
    late_at = one.here_at + one.notice + one.duration
    return one.arrives_at if one.leg.mode in SCHEDULED else max(one.arrives_at, late_at)


def _reaches(one: Stretch, deadlines: Mapping[int, Deadline]) -> bool:
    return one.here_at is not None and one.here_at <= deadlines[one.leg.number].decide_at


def _gap_minutes(before: Leg, leg: Leg) -> float:
    return (leg.planned_departure_at - before.planned_arrival_at) / MINUTE


def _median(known: Distribution) -> timedelta:
    return timedelta(minutes=known.quantile_minutes(0.5))
