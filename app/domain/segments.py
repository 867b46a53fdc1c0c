"""The segments of a way: the leg ahead, when it leaves, how long it takes, and what holds it up.

Everything here is about one row, a question on its way along the plan, or does one thing to many rows at once.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from app.domain import grids, lanes
from app.domain.custody import Journey, LegFacts
from app.domain.grids import COUNT, Grid
from app.domain.lanes import Array, Distribution, LaneStatistics, LegStatistics, Reporting
from app.domain.shipment import Leg
from app.domain.spans import MINUTE
from app.domain.whereabouts import Sighted

TAIL = timedelta(hours=30)
"""How far past the plan an arrival is looked for: the next daily service and what may delay it."""
HEAD = timedelta(hours=2)
UNHEARD_FLOOR = 1e-12
LOST = 1e-4
"""The least share of departures that never come and of which nobody says so: it explains a silence that nothing else
does. Source: our convention."""
SMALL = 1e-4
"""A bucket of departures with a smaller share than this travels with its neighbour."""
ESTIMATED, SEEN = "carrier's estimate", "positions"
STOPPED = frozenset({"leg_cancelled", "refused"})

_NOTHING: grids.Spectra = np.zeros(COUNT + 1, dtype=np.complex128)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one segment adds to the plan at the median, and where that comes from."""

    leg: int
    segment: Literal["transit", "dwell"]
    minutes_p50: float
    basis: str


@dataclass(frozen=True, slots=True)
class Question:
    """When does it arrive, as seen at `at`, if by `heard_at` all that was reported is known?"""

    legs: tuple[Leg, ...]
    journey: Journey
    lanes: LaneStatistics
    sighted: Sighted | None
    at: datetime
    heard_at: datetime


@dataclass(frozen=True, slots=True)
class Ahead:
    """One leg that is still to be travelled, or under way (`running`)."""

    leg: Leg
    facts: LegFacts
    known: LegStatistics
    dwell: Distribution | None
    """From arriving to being ready for it; None for the first leg of all, which nothing comes before."""
    running: bool

    @property
    def under_way(self) -> bool:
        """Whether it is known to have left."""
        return self.running and self.facts.departed_at is not None


@dataclass(slots=True)
class Row:
    """One question's way under construction."""

    asked: Question
    grid: Grid
    start_at: datetime
    ahead: list[Ahead]
    delay_minutes: float = 0.0
    contributions: list[Contribution] = field(default_factory=list)
    hold_lasts: Array | None = None
    """If a hold is on, how likely it still is at the beginning of each bin: its end is heard of first."""
    hold_anew: bool = False
    """Whether it has outlasted all that is known of holds, and counts as one that begins now."""

    def note(self, leg: Leg, segment: Literal["transit", "dwell"], delay_minutes: float, basis: str) -> None:
        """Note what a segment adds to the plan at the median."""
        added = round(delay_minutes - self.delay_minutes, 1)
        self.delay_minutes = delay_minutes
        self.contributions.append(
            Contribution(leg=leg.number, segment=segment, minutes_p50=added, basis=basis)
        )


def begun(asked: Question) -> Row:
    """Note the finished legs as facts; a leg is finished when it arrived, or when a later one moved."""
    own = {one.number: one for one in asked.journey.legs}
    facts = [own.get(leg.number) or LegFacts(number=leg.number) for leg in asked.legs]
    moved = [index for index, one in enumerate(facts) if one.departed_at or one.arrived_at]
    furthest = max(moved, default=-1)
    row = Row(asked, _grid_of(asked, facts), asked.legs[0].planned_departure_at, [])
    previous: Leg | None = None
    for index, (leg, one) in enumerate(zip(asked.legs, facts, strict=True)):
        if index < furthest or one.arrived_at is not None:
            _finished(row, leg, one)
        else:
            dwell = None if previous is None else _dwell(asked, previous, leg)
            row.ahead.append(Ahead(leg, one, asked.lanes.of(leg), dwell, running=not row.ahead))
        previous = leg
    return row


def _dwell(asked: Question, previous: Leg, leg: Leg) -> Distribution:
    gap = (leg.planned_departure_at - previous.planned_arrival_at) / MINUTE
    return asked.lanes.handover(leg.mode, leg.origin, gap)


def _finished(row: Row, leg: Leg, facts: LegFacts) -> None:
    row.start_at = facts.arrived_at or leg.planned_arrival_at
    if facts.departed_at is not None:
        row.note(leg, "dwell", (facts.departed_at - leg.planned_departure_at) / MINUTE, "reported")
    row.note(leg, "transit", (row.start_at - leg.planned_arrival_at) / MINUTE, "reported")


def _grid_of(asked: Question, facts: Sequence[LegFacts]) -> Grid:
    legs, at = asked.legs, asked.at
    reported = [
        when for leg in asked.journey.legs for when in (leg.departed_at, leg.arrived_at) if when is not None
    ]
    first_at = min([legs[0].planned_departure_at, *reported]) - HEAD
    remaining = legs[-1].planned_arrival_at - legs[0].planned_departure_at
    last_at = max(legs[-1].planned_arrival_at, at + remaining, *_announced(legs, facts)) + TAIL
    # Whole hours keep the grid where it is while the clock runs, so that quantiles do not jitter with it.
    return grids.covering(_whole_hour(first_at), _whole_hour(last_at) + timedelta(hours=1))


def dwell_basis(one: Ahead) -> str:
    """Say what is known of the handover and the departure."""
    own = one.known.delay.basis if one.dwell is None else f"{one.dwell.basis}; {one.known.delay.basis}"
    return own if one.facts.estimated_departure_at is None else f"{ESTIMATED}; {own}"


def transit_basis(row: Row, one: Ahead) -> str:
    """Say what is known of the way."""
    own = one.known.residuals[0].basis
    if one.facts.estimated_arrival_at is not None:
        own = f"{ESTIMATED}; {own}"
    return own if seen_on(row, one) is None else f"{SEEN}; {own}"


def seen_on(row: Row, one: Ahead) -> Sighted | None:
    """Return what positions say of a leg under way."""
    seen = row.asked.sighted
    return seen if one.under_way and seen is not None and seen.leg == one.leg.number else None


@dataclass(frozen=True, slots=True)
class _Next:
    """The event after the one awaited: how much later it comes, who tells of it, and until when that is all."""

    durations: grids.Spectra
    reporting: Reporting
    until: datetime | None


def next_event(row: Row, leg: Leg) -> _Next:
    """Return what follows the event that is awaited now.

    After a departure the arrival, after the last arrival the receipt. A leg that connects does not leave before its
    time: until then nothing follows the arrival, and from then on the handover does.
    """
    step, asked = row.grid.step_minutes, row.asked
    if not row.ahead:
        return _Next(_NOTHING, asked.lanes.reporting(leg.carrier), None)
    if row.ahead[0].facts.departed_at is None:
        return _Next(_spectra(row.ahead[0], step)[0], asked.lanes.reporting(leg.carrier), None)
    if len(row.ahead) == 1:
        receipt = grids.spectra((asked.lanes.receipt(leg.destination),), 0.0, step)[0]
        return _Next(receipt, asked.lanes.reporting(leg.carrier), None)
    following = row.ahead[1]
    delay = following.known.delay.quantile_minutes(0.001)
    leaves_at = following.leg.planned_departure_at + delay * MINUTE
    carrier = asked.lanes.reporting(following.leg.carrier)
    if asked.at < leaves_at or following.dwell is None:
        return _Next(_NOTHING, carrier, leaves_at)
    return _Next(grids.spectra((following.dwell,), 0.0, step)[0], carrier, None)


def scheduled(row: Row, one: Ahead) -> Array:
    """Return when the service leaves: as planned with its usual delay, and as the carrier says."""
    headway = row.asked.lanes.headway_minutes(one.leg) if one.facts.failed == "offloaded" else 0
    own = row.grid.spread(one.leg.planned_departure_at + headway * MINUTE, one.known.delay)
    said_at = one.facts.estimated_departure_at
    return own if said_at is None else believed(row, own, said_at, one.leg)


def believed(row: Row, own: Array, said_at: datetime, leg: Leg) -> Array:
    """Blend in the carrier's own estimate, as far and as closely as its estimates have earned."""
    carrier = row.asked.lanes.reporting(leg.carrier)
    spread, weight = carrier.estimate_spread_minutes, carrier.estimate_weight
    return blended(row, own, said_at, spread, weight, ESTIMATED)


def blended(
    row: Row, own: Array, said_at: datetime, spread_minutes: float, weight: float, basis: str
) -> Array:
    """Mix in an arrival told by other means, its median at `said_at`; the rest keeps what history says."""
    ahead = 2 * round(spread_minutes, 0)
    said = row.grid.spread(said_at - ahead * MINUTE, lanes.lognormal(ahead, 0.5, basis))
    return weight * said * float(own.sum()) + (1 - weight) * own


def caught(rows: list[Row], ahead: list[Ahead], ready: Array, scheduled: Array) -> Array:
    """Return when packages leave: a road leg waits for them, a service is missed and the next one taken."""
    heights, totals = np.cumsum(ready, axis=1), scheduled.sum(axis=1)
    caught = scheduled * heights
    missed = np.maximum(heights[:, -1] * totals - caught.sum(axis=1), 0.0)
    waits = np.array([one.leg.mode not in lanes.SCHEDULED for one in ahead])
    if waits.any():
        caught[waits] = grids.later_of(ready[waits], scheduled[waits])
    for i in np.flatnonzero(~waits & (missed > 0.0)):
        bins = round(rows[i].asked.lanes.headway_minutes(ahead[i].leg) / rows[i].grid.step_minutes)
        caught[i] += missed[i] * grids.shifted(scheduled[i] / max(float(totals[i]), 1e-12), bins)
    return caught


def held(row: Row, shares: Array) -> Array:
    """Return the running segment prolonged by the rest of a hold, if one is on."""
    journey, grid = row.asked.journey, row.grid
    since = journey.held_since or journey.customs_since
    if since is None:
        return shares
    place = journey.customs_place or journey.position.code
    hold = row.asked.lanes.hold(place, customs=journey.held_since is None)
    elapsed = np.arange(COUNT) + 1 > grid.position(row.asked.at)
    left = np.where(elapsed, grid.spread(since, hold), 0.0)
    if left.sum() < UNHEARD_FLOOR:
        left = grid.spread(row.asked.at, hold)
        row.hold_anew = True
    left /= left.sum()
    row.hold_lasts = 1.0 - np.cumsum(left) + left
    return grids.later_of(shares, left)


def freed(row: Row, shares: Array, handover: Distribution) -> Array:
    """Return the departure put off to the end of a hold or a stay in customs, and the handover after it."""
    if row.asked.journey.freed is None:
        return shares
    _, freed_at = row.asked.journey.freed
    return grids.later_of(shares, row.grid.spread(freed_at, handover))


def still_here(row: Row, shares: Array, one: Ahead) -> Array:
    """Return the departure no earlier than the last progress: what was picked up late had not left before."""
    if row.asked.journey.progressed_at is None:
        return shares
    at_once = row.asked.lanes.handover(one.leg.mode, one.leg.origin, 0.0)
    return grids.later_of(shares, row.grid.spread(row.asked.journey.progressed_at, at_once))


def resumed(row: Row, arrived: Array) -> Array:
    """Return the arrival of the leg under way put off by as long as a hold on it lasted."""
    if row.asked.journey.freed is None:
        return arrived
    since, freed_at = row.asked.journey.freed
    return grids.shifted(arrived, max(round((freed_at - since) / MINUTE / row.grid.step_minutes), 0))


def travelled(rows: list[Row], ahead: list[Ahead], departed: Array, heights: Array) -> Array:
    """Return when legs arrive that leave as told, each bucket of departure delay with its own residual."""
    buckets = [_merged(_bounds(row, one), own) for row, one, own in zip(rows, ahead, heights, strict=True)]
    counts = np.array([len(own) for own in buckets])
    parts = np.zeros((counts.sum(), COUNT))
    durations: list[grids.Spectra] = []
    at = 0
    for row, one, own, shares in zip(rows, ahead, buckets, departed, strict=True):
        if not own:
            continue
        for _, first, last in own:
            parts[at, first:last] = shares[first:last]
            at += 1
        known, begins, ends = _spectra(one, row.grid.step_minutes), own[0][0], own[-1][0] + 1
        in_turn = ends - begins == len(own)
        durations.append(known[begins:ends] if in_turn else known[[bucket for bucket, _, _ in own]])
    arrived = np.zeros_like(departed)
    if durations:
        arrived[counts > 0] = grids.after_parts(parts, durations)
    return arrived


def _spectra(one: Ahead, step_minutes: int) -> grids.Spectra:
    planned = (one.leg.planned_arrival_at - one.leg.planned_departure_at) / MINUTE
    return grids.spectra(one.known.residuals, planned, step_minutes)


def _bounds(row: Row, one: Ahead) -> list[int]:
    """Return the bins at which the buckets of delay begin, and the end."""
    position, step = row.grid.position(one.leg.planned_departure_at), row.grid.step_minutes
    edges = [math.floor(edge / step + position - 0.5) + 1 for edge in one.known.edges_minutes]
    return [0, *(min(max(edge, 0), COUNT) for edge in edges), COUNT]


def _merged(bounds: list[int], heights: Array) -> list[tuple[int, int, int]]:
    """Return each bucket that holds any departures, with its bins; a small one goes with the one after it."""
    found: list[tuple[int, int, int]] = []
    first, before = 0, 0.0
    total = float(heights[-1])
    for bucket, last in enumerate(bounds[1:]):
        height = float(heights[last - 1]) if last else 0.0
        if height - before > SMALL * total:
            found.append((bucket, first, last))
            first, before = last, height
    if found:  # what is left over is small too
        bucket, begins, _ = found[-1]
        found[-1] = (bucket, begins, COUNT)
    return found


def _announced(legs: Sequence[Leg], facts: Sequence[LegFacts]) -> Iterator[datetime]:
    """Yield when the delivery would be if each leg went as its carrier says, and the rest as planned."""
    end_at = legs[-1].planned_arrival_at
    for leg, one in zip(legs, facts, strict=True):
        if one.estimated_departure_at is not None:
            yield one.estimated_departure_at + (end_at - leg.planned_departure_at)
        if one.estimated_arrival_at is not None:
            yield one.estimated_arrival_at + (end_at - leg.planned_arrival_at)


def _whole_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
