"""When a leg under way arrives by where it was seen: what is left of the way, and how fast it has lately shrunk."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.domain.custody import Journey, LegFacts
from app.domain.shipment import Leg, Mode, Shipment
from app.domain.spans import MINUTE

EARTH_RADIUS_KM: Final = 6371.0088
"""Mean radius. Source: IUGG."""

FASTEST_KM_H: Final[Mapping[Mode, float]] = {"road": 150.0, "rail": 350.0, "air": 1150.0, "sea": 75.0}
"""What no package outruns: a point that would need more is a mistake or a lie. Source: our convention."""

USUAL_KM_H: Final[Mapping[Mode, float]] = {"road": 50.0, "rail": 70.0, "air": 600.0, "sea": 28.0}
"""Straight-line speed door to door where the plan does not tell it. Source: our convention."""

RECENT: Final = timedelta(minutes=90)
RECENT_LEAST_MINUTES: Final = 10.0
RECENT_COUNTS_AS_MINUTES: Final = 60.0
"""The recent speed counts by how long it was seen, the plan's as much as an hour of it. Source: our convention."""

SLOWEST_SHARE: Final = 0.25
SPREAD_SHARE, SPREAD_MINUTES = 0.2, 5.0
WEIGHT, WEIGHT_OF_ONE = 0.7, 0.5
POINTS_MAX: Final = 60

_Place = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Point:
    """Where the package was seen, and when."""

    at: datetime
    place: _Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighted:
    """The arrival of the leg under way by its positions, how far that may be off, and how much it counts."""

    leg: int
    arrives_at: datetime
    spread_minutes: float
    weight: float


def sighted(shipment: Shipment, journey: Journey) -> Sighted | None:
    """Return what positions say of the leg under way; None where there are none, or nobody knows where it ends."""
    leg, facts = _under_way(shipment, journey)
    if leg is None or facts is None or facts.departed_at is None:
        return None
    places = _places(shipment, journey)
    destination, origin = places.get(leg.destination), places.get(leg.origin)
    points = _points(journey, since=facts.departed_at)
    if origin is not None:
        points = [Point(facts.departed_at, origin), *points]
    chain = consistent(points, fastest_km_h=FASTEST_KM_H[leg.mode])
    seen = chain if origin is None or (chain and chain[0].place != origin) else chain[1:]
    if destination is None or not seen:
        return None
    speed = _speed_km_min(leg, chain, origin, destination)
    left_minutes = distance_km(seen[-1].place, destination) / speed
    return Sighted(
        leg=leg.number,
        arrives_at=seen[-1].at + left_minutes * MINUTE,
        spread_minutes=SPREAD_MINUTES + SPREAD_SHARE * left_minutes,
        weight=WEIGHT if len(seen) > 1 else WEIGHT_OF_ONE,
    )


def distance_km(one: _Place, other: _Place) -> float:
    """Return the great-circle distance. Source: the haversine formula."""
    lat1, lon1, lat2, lon2 = (math.radians(value) for value in (*one, *other))
    square = (
        math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(square, 1.0)))


def consistent(points: Sequence[Point], *, fastest_km_h: float) -> list[Point]:
    """Return the longest run of points that one package can have been at, one after the other.

    A spoofed or mistaken point is left out, wherever it stands; a gap of hours breaks nothing. Of equally long
    runs the one that is heard from last counts.
    """
    best: list[int] = []
    before: list[int | None] = []
    for index, point in enumerate(points):
        reachable = [
            other for other in range(index) if _can_reach(points[other], point, fastest_km_h=fastest_km_h)
        ]
        link = max(reachable, key=lambda other: (best[other], other), default=None)
        before.append(link)
        best.append(1 if link is None else best[link] + 1)
    at = max(range(len(points)), key=lambda index: (best[index], index), default=None)
    run: list[Point] = []
    while at is not None:
        run.append(points[at])
        at = before[at]
    return run[::-1]


def _can_reach(one: Point, other: Point, *, fastest_km_h: float) -> bool:
    hours = (other.at - one.at) / timedelta(hours=1)
    return hours > 0 and distance_km(one.place, other.place) <= fastest_km_h * hours + 1.0


def _speed_km_min(leg: Leg, chain: Sequence[Point], origin: _Place | None, destination: _Place) -> float:
    """Return how fast the distance shrinks: by the plan, and as far as it was seen lately."""
    planned = USUAL_KM_H[leg.mode] / 60
    if origin is not None:
        minutes = (leg.planned_arrival_at - leg.planned_departure_at) / MINUTE
        planned = max(distance_km(origin, destination), 1.0) / minutes
    recent = [point for point in chain if point.at >= chain[-1].at - RECENT]
    minutes = (recent[-1].at - recent[0].at) / MINUTE
    if minutes < RECENT_LEAST_MINUTES:
        return planned
    nearer_km = distance_km(recent[0].place, destination) - distance_km(recent[-1].place, destination)
    weight = minutes / (minutes + RECENT_COUNTS_AS_MINUTES)
    speed = weight * max(nearer_km, 0.0) / minutes + (1 - weight) * planned
    return max(speed, SLOWEST_SHARE * planned)


def _under_way(shipment: Shipment, journey: Journey) -> tuple[Leg | None, LegFacts | None]:
    """Return the furthest leg that has left, if it has not arrived."""
    facts = {one.number: one for one in journey.legs}
    left = [leg for leg in shipment.legs if (one := facts.get(leg.number)) and one.departed_at]
    if not left or facts[left[-1].number].arrived_at is not None:
        return None, None
    return left[-1], facts[left[-1].number]


def _places(shipment: Shipment, journey: Journey) -> dict[str, _Place]:
    """Return the coordinates that anybody has told of each code; the plan's own count most."""
    found: dict[str, _Place] = {}
    for event in journey.effective:
        place = event.location
        if place and place.code and place.lat is not None and place.lon is not None:
            found[place.code] = place.lat, place.lon
    origin = shipment.origin
    if origin.lat is not None and origin.lon is not None:
        found[origin.code] = origin.lat, origin.lon
    return found | {shipment.site.code: (shipment.site.lat, shipment.site.lon)}


def _points(journey: Journey, *, since: datetime) -> list[Point]:
    points = [
        Point(event.effective_at, (event.location.lat, event.location.lon))
        for event in journey.effective
        if event.type == "position"
        and event.effective_at > since
        and event.location
        and event.location.lat is not None
        and event.location.lon is not None
    ]
    return sorted(points, key=lambda point: point.at)[-POINTS_MAX:]
