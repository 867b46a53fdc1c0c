"""When the dose will arrive, how sure that is, and why.

Finished segments are facts. The running one is its distribution given how long nothing has been heard, where an
unreported event weighs as much as the carrier's reporting delay allows. All later segments follow from it: handover,
then the departure (a scheduled service does not wait: a missed one means the next), then the transit. Cancelled
and diverted flights are a branch of their own, without a known arrival. The method is told in docs/eta.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

import numpy as np

from app.domain import grids, lanes
from app.domain.custody import Journey, LegFacts
from app.domain.grids import COUNT, MINUTE, Grid
from app.domain.lanes import PRIORS, Array, Distribution, LaneStatistics, LegStatistics
from app.domain.shipment import Leg, Shipment
from app.domain.whereabouts import Sighted, sighted

TAIL = timedelta(hours=30)
"""How far past the plan an arrival is looked for: the next daily service and what may delay it."""
HEAD = timedelta(hours=6)
UNHEARD_FLOOR = 1e-12
_STOPPED = frozenset({"leg_cancelled", "refused"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one segment adds to the plan at the median, and where that comes from."""

    leg: int
    segment: Literal["transit", "dwell"]
    minutes_p50: float
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """The distribution of the delivery; a quantile is None when so large a share has no known arrival."""

    p10_at: datetime | None
    p50_at: datetime | None
    p90_at: datetime | None
    planned_at: datetime
    arrived_at: datetime | None
    unknown_probability: float
    contributions: tuple[Contribution, ...]
    lanes_version: str
    grid: Grid | None = None
    shares: Array | None = None

    def probability_after(self, instant: datetime | None) -> float:
        """Return P(arrival > instant); what has no known arrival is late. 0 without a bound."""
        if instant is None:
            return 0.0
        if self.arrived_at is not None:
            return 1.0 if self.arrived_at > instant else 0.0
        if self.grid is None or self.shares is None:
            return self.unknown_probability
        known = grids.share_after(self.shares, self.grid.position(instant))
        return min(max(self.unknown_probability + known, 0.0), 1.0)


@dataclass(slots=True)
class _Way:
    """The chain under construction: when the package gets where it now is, and what is lost on the way."""

    shares: Array
    lost: float = 0.0
    contributions: list[Contribution] = field(default_factory=list)
    delay_minutes: float = 0.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """One shipment's arrival as a function of time passing in silence."""

    shipment: Shipment
    journey: Journey
    lanes: LaneStatistics
    sighted: Sighted | None = None

    def at(self, at: datetime, *, known_at: datetime | None = None, explained: bool = True) -> Arrival:
        """Return the arrival as seen at `at`; by `known_at` (default `at`) all that was reported is known.

        Not `explained`, it lacks what each segment contributes: a search over many instants needs none of that.
        """
        planned_at = self.shipment.legs[-1].planned_arrival_at
        arrived_at = self.journey.delivered_at
        if arrived_at is not None:
            return Arrival(
                p10_at=arrived_at,
                p50_at=arrived_at,
                p90_at=arrived_at,
                planned_at=planned_at,
                arrived_at=arrived_at,
                unknown_probability=0.0,
                contributions=(),
                lanes_version=self.lanes.version,
            )
        chain = _Chain(self, at=at, heard_at=max(known_at or at, at), explained=explained)
        way = chain.run()
        known = float(way.shares.sum())
        low, middle, high = (
            None if position is None else chain.grid.instant(position)
            for position in grids.quantile_positions(way.shares, (0.1, 0.5, 0.9))
        )
        return Arrival(
            p10_at=low,
            p50_at=middle,
            p90_at=high,
            planned_at=planned_at,
            arrived_at=None,
            unknown_probability=min(max(1.0 - known, 0.0), 1.0),
            contributions=tuple(way.contributions),
            lanes_version=self.lanes.version,
            grid=chain.grid,
            shares=way.shares,
        )

    def steady_until(self, at: datetime) -> datetime:
        """Return until when hearing nothing leaves the arrival as it is; `at` itself once silence tells."""
        first = self.shipment.legs[0]
        moving = any(leg.departed_at or leg.arrived_at or leg.failed for leg in self.journey.legs)
        if moving or self.journey.held_since or self.journey.customs_since:
            return at
        due_at = _facts(self.journey, first).estimated_departure_at or first.planned_departure_at
        delay = self.lanes.of(first).delay
        return max(at, min(due_at, first.planned_departure_at) + delay.quantile_minutes(0.001) * MINUTE)


def forecast(shipment: Shipment, journey: Journey, lane_statistics: LaneStatistics = PRIORS) -> Forecast:
    """Return the arrival of a shipment that may still arrive."""
    return Forecast(shipment, journey, lane_statistics, sighted(shipment, journey))


class _Chain:
    """One pass along the plan at one instant."""

    def __init__(
        self, forecast: Forecast, *, at: datetime, heard_at: datetime, explained: bool = True
    ) -> None:
        self.journey, self.lanes, self.legs = forecast.journey, forecast.lanes, forecast.shipment.legs
        self.at, self.explained, self.sighted = at, explained, forecast.sighted
        first_at = min(self.legs[0].planned_departure_at, *_reported(self.journey), at) - HEAD
        remaining = self.legs[-1].planned_arrival_at - self.legs[0].planned_departure_at
        last_at = max(self.legs[-1].planned_arrival_at, at + remaining) + TAIL
        # Whole hours keep the grid where it is while the clock runs, so that quantiles do not jitter with it.
        self.grid = grids.covering(_whole_hour(first_at), _whole_hour(last_at) + timedelta(hours=1))
        instants = np.arange(COUNT) + 0.5
        at_position, heard_position = self.grid.position(at), self.grid.position(heard_at)
        self._waited = np.asarray((heard_position - instants) * self.grid.step_minutes, dtype=np.float64)
        self._ahead = instants > at_position
        self._unheard: dict[str, Array] = {}

    def unheard(self, carrier: str) -> Array:
        """Return how likely nothing has been heard yet of what this carrier did at each instant of the grid."""
        if carrier not in self._unheard:
            late = lanes.unreported_share(self._waited, self.lanes.reporting(carrier))
            self._unheard[carrier] = np.where(self._ahead, 1.0, late)
        return self._unheard[carrier]

    def run(self) -> _Way:
        """Walk the legs: facts first, then the running segment, then what follows from it."""
        way = _Way(self.grid.at_once(self.legs[0].planned_departure_at))
        previous: Leg | None = None
        running = True
        for leg, facts, finished in self._stages():
            if finished:
                self._finished(way, leg, facts)
            else:
                departed = running and facts.departed_at is not None
                self._departure(way, leg, facts, previous, running=running)
                self._transit(way, leg, facts, running=departed)
                running = False
            previous = leg
        last = self.legs[-1]
        receipt = self.lanes.receipt(last.destination)
        received = grids.after(way.shares, grids.spectrum(receipt, 0.0, self.grid.step_minutes))
        self._reach(way, received, last)
        total = float(way.shares.sum()) + way.lost
        way.shares = way.shares / total if total > UNHEARD_FLOOR else np.zeros(COUNT)
        return way

    def _stages(self) -> list[tuple[Leg, LegFacts, bool]]:
        """Pair each leg with its facts; a leg is finished when it arrived, or when a later one moved."""
        facts = [_facts(self.journey, leg) for leg in self.legs]
        moved = [index for index, one in enumerate(facts) if one.departed_at or one.arrived_at]
        furthest = max(moved, default=-1)
        return [
            (leg, one, index < furthest or one.arrived_at is not None)
            for index, (leg, one) in enumerate(zip(self.legs, facts, strict=True))
        ]

    def _finished(self, way: _Way, leg: Leg, facts: LegFacts) -> None:
        arrived_at = facts.arrived_at or leg.planned_arrival_at
        way.shares, way.lost = self.grid.at_once(arrived_at), 0.0
        if facts.departed_at is not None:
            self._note(way, leg, "dwell", (facts.departed_at - leg.planned_departure_at) / MINUTE, "reported")
        self._note(way, leg, "transit", (arrived_at - leg.planned_arrival_at) / MINUTE, "reported")

    def _departure(
        self, way: _Way, leg: Leg, facts: LegFacts, previous: Leg | None, *, running: bool
    ) -> None:
        if facts.departed_at is not None:
            way.shares = self.grid.at_once(facts.departed_at)
            delay = (facts.departed_at - leg.planned_departure_at) / MINUTE
            self._note(way, leg, "dwell", delay, "reported")
            return
        known = self.lanes.of(leg)
        scheduled = self._scheduled(leg, facts, known.delay)
        basis = known.delay.basis
        if previous is not None:
            gap = (leg.planned_departure_at - previous.planned_arrival_at) / MINUTE
            dwell = self.lanes.handover(leg.mode, leg.origin, gap)
            ready = grids.after(way.shares, grids.spectrum(dwell, 0.0, self.grid.step_minutes))
            basis = f"{dwell.basis}; {basis}"
            ready = self._still_here(self._freed(self._held(ready), dwell), leg) if running else ready
            departed = self._catch(leg, ready, scheduled)
        else:
            departed = self._still_here(self._held(scheduled), leg) if running else scheduled
        cancelled = 1.0 if facts.failed in _STOPPED else known.cancelled_share
        self._reach(way, departed * (1 - cancelled), leg)
        self._note(way, leg, "dwell", self._median_delay(way, leg.planned_departure_at), basis)

    def _scheduled(self, leg: Leg, facts: LegFacts, delay: Distribution) -> Array:
        """Return when the service leaves: as planned with its usual delay, and as the carrier says."""
        headway = self.lanes.headway_minutes(leg) if facts.failed == "offloaded" else 0
        own = self.grid.spread(leg.planned_departure_at + headway * MINUTE, delay)
        said_at = facts.estimated_departure_at
        return own if said_at is None else self._believed(own, said_at, leg)

    def _believed(self, own: Array, said_at: datetime, leg: Leg) -> Array:
        """Blend in the carrier's own estimate, as far and as closely as its estimates have earned."""
        carrier = self.lanes.reporting(leg.carrier)
        spread, weight = carrier.estimate_spread_minutes, carrier.estimate_weight
        return self._blended(own, said_at, spread, weight, "carrier's estimate")

    def _blended(
        self, own: Array, said_at: datetime, spread_minutes: float, weight: float, basis: str
    ) -> Array:
        """Mix in an arrival told by other means, its median at `said_at`; the rest keeps what history says."""
        ahead = 2 * round(spread_minutes, 0)
        said = self.grid.spread(said_at - ahead * MINUTE, lanes.lognormal(ahead, 0.5, basis))
        return weight * said * float(own.sum()) + (1 - weight) * own

    def _catch(self, leg: Leg, ready: Array, scheduled: Array) -> Array:
        """Return when the package leaves: a road leg waits for it, a service is missed and the next one taken."""
        if leg.mode not in lanes.SCHEDULED:
            return grids.later_of(ready, scheduled)
        caught = scheduled * np.cumsum(ready)
        missed = max(float(ready.sum() * scheduled.sum() - caught.sum()), 0.0)
        bins = round(self.lanes.headway_minutes(leg) / self.grid.step_minutes)
        return caught + missed * grids.shifted(scheduled / max(float(scheduled.sum()), 1e-12), bins)

    def _held(self, shares: Array) -> Array:
        """Return the running segment prolonged by the rest of a hold, if one is on."""
        since = self.journey.held_since or self.journey.customs_since
        if since is None:
            return shares
        place = self.journey.customs_place or self.journey.position.code
        hold = self.lanes.hold(place, customs=self.journey.held_since is None)
        ends = self.grid.spread(since, hold)
        elapsed = np.arange(COUNT) + 1 > self.grid.position(self.at)
        left = np.where(elapsed, ends, 0.0)
        if left.sum() < UNHEARD_FLOOR:
            left = self.grid.spread(self.at, hold)
        return grids.later_of(shares, left / left.sum())

    def _freed(self, shares: Array, handover: Distribution) -> Array:
        """Return the departure put off to the end of a hold or a stay in customs, and the handover after it."""
        if self.journey.freed is None:
            return shares
        _, freed_at = self.journey.freed
        return grids.later_of(shares, self.grid.spread(freed_at, handover))

    def _still_here(self, shares: Array, leg: Leg) -> Array:
        """Return the departure no earlier than the last progress: what was picked up late had not left before."""
        if self.journey.progressed_at is None:
            return shares
        at_once = self.lanes.handover(leg.mode, leg.origin, 0.0)
        return grids.later_of(shares, self.grid.spread(self.journey.progressed_at, at_once))

    def _resumed(self, arrived: Array) -> Array:
        """Return the arrival of the leg under way put off by as long as a hold on it lasted."""
        if self.journey.freed is None:
            return arrived
        since, freed_at = self.journey.freed
        return grids.shifted(arrived, max(round((freed_at - since) / MINUTE / self.grid.step_minutes), 0))

    def _transit(self, way: _Way, leg: Leg, facts: LegFacts, *, running: bool) -> None:
        planned = (leg.planned_arrival_at - leg.planned_departure_at) / MINUTE
        known = self.lanes.of(leg)
        arrived = self._arriving(way.shares, leg, known, planned)
        arrived = self._resumed(arrived) if running else arrived
        if facts.estimated_arrival_at is not None:
            arrived = self._believed(arrived, facts.estimated_arrival_at, leg)
        if running and self.sighted is not None and self.sighted.leg == leg.number:
            seen = self.sighted
            arrived = self._blended(arrived, seen.arrives_at, seen.spread_minutes, seen.weight, "positions")
        if running:
            arrived = self._held(arrived)
        diverted = 1.0 if facts.failed in _STOPPED else known.diverted_share
        self._reach(way, arrived * (1 - diverted), leg)
        basis = known.residuals[0].basis
        self._note(way, leg, "transit", self._median_delay(way, leg.planned_arrival_at), basis)

    def _arriving(self, departed: Array, leg: Leg, known: LegStatistics, planned: float) -> Array:
        """Return when what departed arrives: late flights take as long, but less predictably."""
        parts = list(self._by_delay(departed, leg, known.edges_minutes))
        if not parts:
            return np.zeros(COUNT)
        step = self.grid.step_minutes
        spectra = np.stack([grids.spectrum(known.residuals[index], planned, step) for index, _ in parts])
        return grids.after(np.stack([part for _, part in parts]), spectra)

    def _by_delay(self, departed: Array, leg: Leg, edges: tuple[float, ...]) -> Iterator[tuple[int, Array]]:
        """Part departures by how late they are; yield each bucket that holds any, by its number."""
        delays = (
            np.arange(COUNT) + 0.5 - self.grid.position(leg.planned_departure_at)
        ) * self.grid.step_minutes
        bounds = [0, *np.searchsorted(delays, edges, side="right").tolist(), COUNT]
        for index, (first, last) in enumerate(pairwise(bounds)):
            if departed[first:last].any():
                part = np.zeros(COUNT)
                part[first:last] = departed[first:last]
                yield index, part

    def _reach(self, way: _Way, shares: Array, leg: Leg) -> None:
        """Take the way to its next event, which has not been heard of either.

        Each way the package may have gone is weighed by how likely all of this silence is on it: it is the forward
        pass of a hidden Markov model. What is cancelled, diverted or past the grid is never heard of and keeps its
        weight, so that it gains on the rest.
        """
        way.lost += max(float(way.shares.sum() - shares.sum()), 0.0)
        way.shares = shares * self.unheard(leg.carrier)

    def _median_delay(self, way: _Way, planned_at: datetime) -> float:
        if not self.explained:
            return 0.0
        known = float(way.shares.sum())
        position = grids.quantile_position(way.shares, known / 2) if known > UNHEARD_FLOOR else None
        return way.delay_minutes if position is None else (self.grid.instant(position) - planned_at) / MINUTE

    def _note(
        self, way: _Way, leg: Leg, segment: Literal["transit", "dwell"], delay_minutes: float, basis: str
    ) -> None:
        if not self.explained:
            return
        added = round(delay_minutes - way.delay_minutes, 1)
        way.delay_minutes = delay_minutes
        way.contributions.append(
            Contribution(leg=leg.number, segment=segment, minutes_p50=added, basis=basis)
        )


def _facts(journey: Journey, leg: Leg) -> LegFacts:
    return next((one for one in journey.legs if one.number == leg.number), LegFacts(number=leg.number))


def _reported(journey: Journey) -> list[datetime]:
    return [at for leg in journey.legs for at in (leg.departed_at, leg.arrived_at) if at is not None]


def _whole_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
