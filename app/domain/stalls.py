"""Standing still: until when silence about the running segment is still usual."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from app.domain import lanes
from app.domain.custody import Journey, LegFacts
from app.domain.lanes import LaneStatistics
from app.domain.odds import leg_facts
from app.domain.shipment import Leg, Shipment
from app.domain.spans import MINUTE

_USUAL: Final = 0.99
_NORMAL_P95: Final = 1.645


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """The least time past the plan that a segment is given, whatever its history."""

    surface_minutes: float
    air_minutes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """The segment under way, where it runs, and the instant after which its silence is unusual."""

    leg: Leg
    waits_for: Literal["departure", "transit", "delivery"]
    place: str
    deadline_at: datetime


def reporting_p95_minutes(statistics: LaneStatistics, carrier: str) -> float:
    """Return within how many minutes 95 of 100 scans of a carrier are reported: the lognormal's own quantile."""
    reporting = statistics.reporting(carrier)
    return reporting.median_minutes * math.exp(_NORMAL_P95 * reporting.spread)


def stall_of(
    shipment: Shipment, journey: Journey, statistics: LaneStatistics, *, at_least_minutes: Patience
) -> Stall:
    """Return until when nothing need have been heard of the running segment.

    It is due by the plan, or by when its own beginning makes it due if that is later; past that it has the segment's
    p99 and the reporting's p95, together at least `at_least_minutes`. Any progress within the segment starts the
    clock anew.
    """
    leg, waits_for, due_at, extra_minutes = _running(shipment, journey, statistics)
    least = at_least_minutes.air_minutes if leg.mode == "air" else at_least_minutes.surface_minutes
    patience = max(max(extra_minutes, 0.0) + reporting_p95_minutes(statistics, leg.carrier), least)
    due_at = max(due_at, journey.progressed_at or due_at)
    place = journey.position.code or leg.origin
    deadline_at = due_at + math.ceil(patience) * MINUTE
    return Stall(leg=leg, waits_for=waits_for, place=place, deadline_at=deadline_at)


def _running(
    shipment: Shipment, journey: Journey, statistics: LaneStatistics
) -> tuple[Leg, Literal["departure", "transit", "delivery"], datetime, float]:
    """Return the leg under way, what is waited for, when it is due, and the p99 of how much longer it takes."""
    legs = shipment.legs
    facts = [leg_facts(journey, leg.number) or LegFacts(number=leg.number) for leg in legs]
    moved = [index for index, one in enumerate(facts) if one.departed_at or one.arrived_at]
    if not moved:
        return _departure(legs[0], facts[0], None, statistics)
    index = moved[-1]
    leg, known = legs[index], facts[index]
    if known.arrived_at is not None and index + 1 < len(legs):
        return _departure(legs[index + 1], facts[index + 1], known.arrived_at, statistics)
    if known.arrived_at is not None:
        return leg, "delivery", known.arrived_at, statistics.receipt(leg.destination).quantile_minutes(_USUAL)
    planned = leg.planned_arrival_at - leg.planned_departure_at
    due_at = known.estimated_arrival_at or (known.departed_at or leg.planned_departure_at) + planned
    return leg, "transit", due_at, statistics.of(leg).residuals[0].quantile_minutes(_USUAL)


def _departure(
    leg: Leg, facts: LegFacts, ready_since: datetime | None, statistics: LaneStatistics
) -> tuple[Leg, Literal["departure"], datetime, float]:
    """A service that left before the package came is followed by the next one; a van waits for the handover."""
    due_at = facts.estimated_departure_at or leg.planned_departure_at
    extra = statistics.of(leg).delay.quantile_minutes(_USUAL)
    if ready_since is None or ready_since <= due_at:
        return leg, "departure", due_at, extra
    headway_minutes = lanes.HEADWAY_MINUTES.get(leg.mode)
    if headway_minutes is None:
        planned = lanes.HANDOVER_MEDIAN_MINUTES[leg.mode] * 2
        handover = statistics.handover(leg.mode, leg.origin, planned)
        return leg, "departure", ready_since, handover.quantile_minutes(_USUAL)
    headway = headway_minutes * MINUTE
    return leg, "departure", due_at + math.ceil((ready_since - due_at) / headway) * headway, extra
