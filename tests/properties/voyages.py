"""Random shipments on their way, for properties of what silence does to them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any

import numpy as np

from app.domain.assessment import Snapshot
from app.domain.correction import LEVELS
from app.domain.lanes import PRIORS, LaneStatistics
from app.domain.observation import Event, Location
from app.domain.readings import CHANNELS, ReadingColumns
from app.domain.shipment import DeviceAssignment, Dose, Leg, Opening, Package, Shipment
from tests.domain.made import DAY, HOUR, MINUTE, a_dose, a_leg, a_shipment, a_track, an_event
from tests.domain.test_correction import correcting

_LENGTHS = {
    "road": (15, 60, 120, 400, 1500),
    "air": (50, 90, 150, 600),
    "rail": (60, 300),
    "sea": (1440, 5000),
}
_GAPS = (-10, 0, 15, 45, 60, 90, 120, 240, 600, 2000)
_PLACES = {
    "PLANT": (48.0, 16.0),
    "P1": (49.0, 14.0),
    "P2": (50.0, 8.5),
    "P3": (51.0, 6.0),
    "CLINIC": (48.2, 16.4),
}
_STRAIGHT = (LEVELS, LEVELS**0.5, LEVELS**2, LEVELS ** (1 / 8), LEVELS**1.2)


def a_voyage(random: Random) -> Snapshot:
    """Return a shipment and what was heard of it so far; no alert is open."""
    legs = tuple(_legs(random))
    doses = tuple(_doses(random, legs))
    open_hours = Opening(days=(1, 2, 3, 4, 5), opens="07:00", closes="16:00")
    shipment = a_shipment(legs=legs, doses=doses, package=_package(random, legs), devices=_devices(random))
    hours = (open_hours,) if random.random() < 0.3 else ()
    shipment = replace(
        shipment,
        registered_at=legs[0].planned_departure_at - random.choice((4, 12, 48)) * HOUR,
        site=replace(shipment.site, receiving_hours=hours, handling_minutes=random.choice((0, 30, 60, 180))),
    )
    return Snapshot(
        shipment=shipment,
        events=tuple(_events(random, shipment)),
        open_alerts=(),
        version=1,
        lanes=_lanes(random),
        baseline_at=legs[-1].planned_arrival_at,
        tracks=_tracks(random, shipment),
    )


def looked_from(random: Random, given: Snapshot) -> datetime:
    """Return an instant at which it is looked at: often just after the last event, or about the plan."""
    first, last = given.shipment.legs[0].planned_departure_at, given.shipment.legs[-1].planned_arrival_at
    heard = max((one.effective_at for one in given.events), default=given.shipment.registered_at)
    late = random.choice((0.0, 0.0, 1.0, 10.0, 60.0, 300.0, 3000.0, 30000.0))
    if random.random() < 0.7:
        return heard + random.uniform(0, late + 1) * MINUTE
    return max(heard, first - 20 * HOUR + random.random() * (last - first + 40 * HOUR))


def _legs(random: Random) -> Iterator[Leg]:
    count = random.choice((1, 1, 2, 2, 3, 4))
    places = [*["PLANT", "P1", "P2", "P3"][:count], "CLINIC"]
    departs_at = DAY + random.randrange(0, 1440) * MINUTE
    for number in range(1, count + 1):
        mode = random.choice(("road", "road", "road", "air", "air", "rail", "sea"))
        arrives_at = departs_at + random.choice(_LENGTHS[mode]) * random.uniform(0.8, 1.2) * MINUTE
        arrives_at = arrives_at.replace(second=0, microsecond=0)
        yield a_leg(
            number,
            mode=mode,
            origin=places[number - 1],
            destination=places[number],
            planned_departure_at=departs_at,
            planned_arrival_at=arrives_at,
        )
        departs_at = arrives_at + random.choice(_GAPS) * MINUTE


def _doses(random: Random, legs: tuple[Leg, ...]) -> Iterator[Dose]:
    arrives_at = legs[-1].planned_arrival_at
    for number in range(random.choice((1, 1, 2, 3))):
        slack = random.choice((-60, 30, 60, 90, 120, 180, 300, 600, 1500, 3000)) + random.randrange(60)
        expires_at = arrives_at + (60 + slack) * MINUTE if random.random() < 0.85 else None
        booked = random.random() < 0.5
        slot = arrives_at + (60 + random.choice((0, 30, 60, 120, 300, 1000))) * MINUTE
        yield a_dose(
            id=f"d{number}",
            reference=f"D{number}",
            calibrated_at=legs[0].planned_departure_at,
            expires_at=expires_at,
            administer_at=slot if booked else None,
        )


def _package(random: Random, legs: tuple[Leg, ...]) -> Package | None:
    if random.random() < 0.6:
        return None
    packed_at = legs[0].planned_departure_at - 2 * HOUR
    planned = (legs[-1].planned_arrival_at - packed_at) / HOUR
    return Package(packed_at=packed_at, qualified_hours=planned + random.choice((0, 1, 2, 5, 12, 24, 40)))


def _devices(random: Random) -> tuple[DeviceAssignment, ...]:
    return (DeviceAssignment(device_id="T", live=random.random() < 0.5),) if random.random() < 0.3 else ()


def _tracks(random: Random, shipment: Shipment) -> dict[tuple[str, str], ReadingColumns]:
    """Return two levels of a battery an hour apart, by which it is empty some hours after a day beyond the plan."""
    if not shipment.devices:
        return {}
    first, last = shipment.legs[0].planned_departure_at, shipment.legs[-1].planned_arrival_at
    hours_left = (last - first) / HOUR + 24 + random.choice((0, 1, 3, 10, 30))
    percent = 60.0
    track = a_track((first - HOUR, percent + percent / hours_left), (first, percent))
    values = np.full((len(track), len(CHANNELS)), np.nan)
    values[:, CHANNELS.index("battery_pct")] = track.values[:, 0]
    return {("T", "main"): replace(track, values=values)}


def _lanes(random: Random) -> LaneStatistics:
    if random.random() < 0.6:
        return PRIORS
    return correcting(*(random.choice(_STRAIGHT) for _ in range(5)))


def _events(random: Random, shipment: Shipment) -> Iterator[Event]:
    """Yield events that follow the plan loosely, cut off anywhere."""
    steps = list(_steps(random, shipment))
    kept = steps[: random.randint(0, len(steps))]
    for number, one in enumerate(kept):
        yield replace(one, id=f"e{number}", event_id=f"e{number}")


def _steps(random: Random, shipment: Shipment) -> Iterator[Event]:
    legs = shipment.legs
    clock = legs[0].planned_departure_at - random.randrange(0, 180) * MINUTE
    if random.random() < 0.7:
        yield an_event("picked_up", clock, leg=1)
    for leg in legs:
        clock = max(clock + random.randrange(0, 60) * MINUTE, leg.planned_departure_at)
        clock += random.choice((-5, 0, 5, 20, 90, 400)) * MINUTE
        yield from _before(random, leg, clock)
        yield an_event("departed", clock, leg=leg.number)
        yield from _under_way(random, leg, clock)
        took = (leg.planned_arrival_at - leg.planned_departure_at) * random.choice((0.9, 1.0, 1.0, 1.1, 1.6))
        clock += took
        yield an_event("arrived", clock, leg=leg.number)


def _before(random: Random, leg: Leg, clock: datetime) -> Iterator[Event]:
    what, early = random.random(), clock - random.randrange(1, 120) * MINUTE
    if what < 0.1:
        yield an_event("held", early, leg=leg.number)
        if random.random() < 0.5:
            yield an_event("resumed", early + 30 * MINUTE, leg=leg.number)
    elif what < 0.2:
        yield an_event("customs_entered", early, leg=leg.number)
        if random.random() < 0.5:
            yield an_event("customs_cleared", early + 30 * MINUTE, leg=leg.number)
    elif what < 0.27:
        yield an_event("leg_cancelled", early, leg=leg.number)
    elif what < 0.34:
        yield an_event("offloaded", early, leg=leg.number)
    elif what < 0.45:
        shift = random.choice((-30, 0, 60, 300)) * MINUTE
        said = {"estimated_departure_at": leg.planned_departure_at + shift}
        said |= {"estimated_arrival_at": leg.planned_arrival_at + shift} if random.random() < 0.5 else {}
        yield an_event("estimate", early, leg=leg.number, details=said)


def _under_way(random: Random, leg: Leg, departed_at: datetime) -> Iterator[Event]:
    duration = leg.planned_arrival_at - leg.planned_departure_at
    what, when = random.random(), departed_at + random.random() * duration
    details: dict[str, Any] = {
        "estimated_arrival_at": leg.planned_arrival_at + random.choice((0, 60, 300)) * MINUTE
    }
    if what < 0.1:
        yield an_event("held", when, leg=leg.number)
        if random.random() < 0.5:
            yield an_event("resumed", when + random.choice((20, 300)) * MINUTE, leg=leg.number)
    elif what < 0.25:
        yield an_event("estimate", when, leg=leg.number, details=details)
    elif what < 0.4:
        lat, lon = (
            (one + other) / 2
            for one, other in zip(_PLACES[leg.origin], _PLACES[leg.destination], strict=True)
        )
        yield an_event("position", when, leg=leg.number, location=Location(lat=lat, lon=lon))
    elif what < 0.47:
        yield an_event("customs_entered", when, leg=leg.number)
