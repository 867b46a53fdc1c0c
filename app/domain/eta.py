"""When the dose will arrive, how sure that is, and why.

Finished segments are facts. The running one is its distribution given how long nothing has been heard, where an
unreported event weighs as much as the carrier's reporting delay allows. All later segments follow from it: handover,
then the departure (a scheduled service does not wait: a missed one means the next), then the transit. Cancelled
and diverted flights are a branch of their own, without a known arrival. The method is told in docs/eta.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from app.domain import grids
from app.domain.chain import Way, walk
from app.domain.correction import InForce
from app.domain.custody import Journey, LegFacts
from app.domain.grids import Grid
from app.domain.lanes import PRIORS, Array, LaneStatistics
from app.domain.quiet import Quiet
from app.domain.segments import Contribution, Question
from app.domain.shipment import Leg, Shipment
from app.domain.spans import MINUTE
from app.domain.whereabouts import Sighted, sighted


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
    heights: Array | None = None
    """Bin by bin of the grid, the share of all outcomes that have arrived by its end."""
    quiet: Quiet | None = None
    corrected: InForce | None = None
    """How past outcomes correct it; None: not at all. All that is told is read off the corrected heights."""
    uncorrected: Array | None = None
    """The heights as computed, before any correction."""

    def probability_after(self, instant: datetime | None) -> float:
        """Return P(arrival > instant); what has no known arrival is late. 0 without a bound."""
        if instant is None:
            return 0.0
        if self.arrived_at is not None:
            return 1.0 if self.arrived_at > instant else 0.0
        if self.grid is None or self.heights is None:
            return self.unknown_probability
        known = grids.share_after(self.heights, self.grid.position(instant))
        return min(max(self.unknown_probability + known, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Forecast:
    """One shipment's arrival as a function of time passing in silence."""

    shipment: Shipment
    journey: Journey
    lanes: LaneStatistics
    sighted: Sighted | None = None

    def at(self, at: datetime, *, known_at: datetime | None = None) -> Arrival:
        """Return the arrival as seen at `at`; by `known_at` (default `at`) all that was reported is known."""
        return arrivals([Asked(self, at, known_at)])[0]

    @property
    def planned_at(self) -> datetime:
        """When the plan has the delivery."""
        return self.shipment.legs[-1].planned_arrival_at

    def question(self, at: datetime, *, known_at: datetime | None) -> Question:
        """Return what the way along the plan is asked."""
        heard_at = max(known_at or at, at)
        return Question(self.shipment.legs, self.journey, self.lanes, self.sighted, at, heard_at)

    def corrected(self, at: datetime) -> InForce | None:
        """Return how past outcomes correct the arrival as seen at `at`."""
        by = self.lanes.correction
        if by is None:
            return None
        heard_at = self.journey.progressed_at or self.shipment.registered_at
        return by.in_force(self.planned_at, heard_at=heard_at, at=at)

    def steady_until(self, at: datetime) -> datetime:
        """Return until when hearing nothing leaves the arrival as it is; `at` itself once silence tells."""
        first = self.shipment.legs[0]
        moving = any(leg.departed_at or leg.arrived_at or leg.failed for leg in self.journey.legs)
        if moving or self.journey.held_since or self.journey.customs_since:
            return at
        due_at = _facts(self.journey, first).estimated_departure_at or first.planned_departure_at
        delay = self.lanes.of(first).delay
        until = max(at, min(due_at, first.planned_departure_at) + delay.quantile_minutes(0.001) * MINUTE)
        by = self.lanes.correction
        return until if by is None else by.steady_until(self.planned_at, at=at, until=until)


def forecast(shipment: Shipment, journey: Journey, lane_statistics: LaneStatistics = PRIORS) -> Forecast:
    """Return the arrival of a shipment that may still arrive."""
    return Forecast(shipment, journey, lane_statistics, sighted(shipment, journey))


class Asked(NamedTuple):
    """When does it arrive, as seen at `at`, if by `known_at` (None: `at`) all that was reported is known?"""

    forecast: Forecast
    at: datetime
    known_at: datetime | None = None


def arrivals(asked: Sequence[Asked]) -> list[Arrival]:
    """Return each arrival as seen at its instant; it does not depend on what is asked beside it."""
    open_still = [one for one in asked if one.forecast.journey.delivered_at is None]
    ways = iter(walk([one.forecast.question(one.at, known_at=one.known_at) for one in open_still]))
    return [
        _delivered(one.forecast)
        if one.forecast.journey.delivered_at is not None
        else _read_off(one.forecast, one.at, next(ways))
        for one in asked
    ]


def _delivered(forecast: Forecast) -> Arrival:
    arrived_at = forecast.journey.delivered_at
    return Arrival(
        p10_at=arrived_at,
        p50_at=arrived_at,
        p90_at=arrived_at,
        planned_at=forecast.planned_at,
        arrived_at=arrived_at,
        unknown_probability=0.0,
        contributions=(),
        lanes_version=forecast.lanes.version,
    )


def _read_off(forecast: Forecast, at: datetime, way: Way) -> Arrival:
    by = forecast.corrected(at)
    heights = way.heights if by is None else by.moved(way.heights)
    low, middle, high = (grids.position_of(heights, share) for share in (0.1, 0.5, 0.9))
    return Arrival(
        p10_at=None if low is None else way.grid.instant(low),
        p50_at=None if middle is None else way.grid.instant(middle),
        p90_at=None if high is None else way.grid.instant(high),
        planned_at=forecast.planned_at,
        arrived_at=None,
        unknown_probability=min(max(1.0 - float(way.heights[-1]), 0.0), 1.0),
        contributions=way.contributions,
        lanes_version=forecast.lanes.version,
        grid=way.grid,
        heights=heights,
        quiet=way.quiet,
        corrected=by,
        uncorrected=way.heights,
    )


def _facts(journey: Journey, leg: Leg) -> LegFacts:
    return next((one for one in journey.legs if one.number == leg.number), LegFacts(number=leg.number))
