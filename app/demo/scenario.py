"""What is shipped, what really happens to it, and what the couriers scan of it, when."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.demo.flights import Flight, chosen

DAY: Final = datetime(2013, 7, 15, tzinfo=UTC)
BEGIN: Final = DAY + timedelta(hours=6)
END: Final = DAY + timedelta(hours=27)
SHIPMENTS: Final = 40
MINUTE: Final = timedelta(minutes=1)
HANDLING: Final = 15 * MINUTE
ROAD: Final = "SWIFT"

CITIES: Final = {
    "ORD": ("Lakeside Hospital", 41.9, -87.6, "America/Chicago"),
    "BOS": ("Harbor Cancer Center", 42.3, -71.1, "America/New_York"),
    "ATL": ("Peachtree Clinic", 33.8, -84.4, "America/New_York"),
    "MIA": ("Bayfront Hospital", 25.8, -80.2, "America/New_York"),
    "DTW": ("Riverside Medical", 42.3, -83.0, "America/Detroit"),
    "RDU": ("Piedmont Institute", 35.8, -78.6, "America/New_York"),
}
PRODUCTS: Final[dict[str, dict[str, Any]]] = {
    "Lu-177": {"usual_activity_mbq": {"min": 5000, "max": 12000}, "shelf_life_hours": 72},
    "Ac-225": {"usual_activity_mbq": {"min": 2, "max": 20}, "lower_tolerance": 0.05, "upper_tolerance": None},
    "F-18": {"usual_activity_mbq": {"min": 50, "max": 5000}, "upper_tolerance": None},
}
PRESCRIBED_MBQ: Final = {"Lu-177": 7400.0, "Ac-225": 8.0, "F-18": 370.0}


@dataclass(frozen=True, slots=True)
class Scan:
    """One event as it will be sent: when, by which carrier or hospital, how often, and the body."""

    post_at: datetime
    sender: str
    body: dict[str, Any]
    times: int = 1
    skew: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """One shipment's plan and its truth; `lost_at` is the latest arrival that would have saved the dose."""

    reference: str
    nuclide: str
    flight: Flight
    slack: timedelta
    delivered_at: datetime | None
    legs: list[dict[str, Any]] = field(default_factory=list)
    scans: list[Scan] = field(default_factory=list)

    @property
    def planned_at(self) -> datetime:
        """When the plan has it delivered."""
        planned: datetime = self.legs[-1]["planned_arrival_at"]
        return planned

    @property
    def lost_at(self) -> datetime:
        """The latest useful arrival."""
        return self.planned_at + self.slack

    @property
    def dies(self) -> bool:
        """Whether the dose was lost in truth."""
        return self.delivered_at is None or self.delivered_at > self.lost_at


def stories(dice: random.Random) -> list[Story]:
    """Return the 40 shipments."""
    flights = chosen(DAY, dice=dice, ordinary=30, late=6, cancelled=4)
    nuclides = ("Lu-177", "Lu-177", "Ac-225", "F-18")
    return [_story(number, flight, nuclides[number % 4], dice) for number, flight in enumerate(flights)]


def shipment_body(story: Story, *, product_id: str, site_id: str) -> dict[str, Any]:
    """Return the registration of a shipment, JSON-ready."""
    prescribed = PRESCRIBED_MBQ[story.nuclide]
    usable_until = story.lost_at + HANDLING
    dose: dict[str, Any] = {
        "reference": "D1",
        "lot": f"L-{story.nuclide}",
        "prescribed_activity_mbq": prescribed,
        "administer_at": usable_until.isoformat(),
    }
    if story.nuclide == "F-18":
        # Pre-calibrated: exactly at the floor of 90 % when the window ends, far above it on the way.
        dose |= {"calibrated_activity_mbq": 0.9 * prescribed, "calibrated_at": usable_until.isoformat()}
    else:
        dose |= {
            "calibrated_activity_mbq": 1.03 * prescribed,
            "calibrated_at": BEGIN.isoformat(),
            "expires_at": usable_until.isoformat(),
        }
    return {
        "reference": story.reference,
        "study": "DEMO",
        "product_id": product_id,
        "site_id": site_id,
        "origin": {"code": "PLANT", "name": "Plant", "lat": 40.8, "lon": -74.4},
        "doses": [dose],
        "legs": [
            {name: value.isoformat() if isinstance(value, datetime) else value for name, value in leg.items()}
            for leg in story.legs
        ],
    }


def _story(number: int, flight: Flight, nuclide: str, dice: random.Random) -> Story:
    legs = _legs(flight)
    left_at = legs[0]["planned_departure_at"] + dice.uniform(-5, 20) * MINUTE
    at_airport_at = left_at + dice.uniform(50, 75) * MINUTE
    steps: list[tuple[str, int | None, datetime]] = [
        ("picked_up", 1, left_at - 10 * MINUTE),
        ("departed", 1, left_at),
        ("arrived", 1, at_airport_at),
    ]
    delivered_at = None
    if flight.departed_at is not None and flight.arrived_at is not None:
        driver_at = legs[2]["planned_departure_at"] + dice.uniform(-5, 25) * MINUTE
        on_road_at = max(flight.arrived_at + dice.uniform(35, 55) * MINUTE, driver_at)
        delivered_at = on_road_at + dice.uniform(45, 65) * MINUTE
        steps += [
            ("departed", 2, flight.departed_at),
            ("arrived", 2, flight.arrived_at),
            ("departed", 3, on_road_at),
            ("delivered", 3, delivered_at),
            ("received", None, delivered_at + 15 * MINUTE),
        ]
    elif number % 2:
        # Every other cancellation is told, an hour late; of the rest nobody says a word.
        steps.append(("leg_cancelled", 2, flight.planned_departure_at + 60 * MINUTE))
    slack = dice.uniform(65, 90) * MINUTE
    story = Story(f"DEMO-{number + 1:02}", nuclide, flight, slack, delivered_at, legs)
    story.scans.extend(_scans(story, steps, dice))
    return story


def _legs(flight: Flight) -> list[dict[str, Any]]:
    pickup_at, site = flight.planned_departure_at - 240 * MINUTE, f"{flight.destination}-HOSP"
    out_at = flight.planned_arrival_at + 75 * MINUTE
    return [
        _leg("road", ROAD, None, "PLANT", flight.origin, pickup_at, pickup_at + 65 * MINUTE),
        _leg(
            "air", flight.carrier, flight.service, flight.origin, flight.destination,
            flight.planned_departure_at, flight.planned_arrival_at,
        ),
        _leg("road", ROAD, None, flight.destination, site, out_at, out_at + 50 * MINUTE),
    ]  # fmt: skip


def _leg(
    mode: str,
    carrier: str,
    service: str | None,
    origin: str,
    destination: str,
    departs: datetime,
    arrives: datetime,
) -> dict[str, Any]:
    return {
        "mode": mode,
        "carrier": carrier,
        "service": service,
        "origin": origin,
        "destination": destination,
        "planned_departure_at": departs,
        "planned_arrival_at": arrives,
    }


def _scans(
    story: Story, steps: list[tuple[str, int | None, datetime]], dice: random.Random
) -> Iterator[Scan]:
    """Yield the scans of what happened: most told soon, some hours late, some twice, some by a wrong clock."""
    for index, (type_, leg, happened_at) in enumerate(steps):
        occurred_at = happened_at.replace(microsecond=0)
        delay = dice.uniform(90, 150) if dice.random() < 0.05 else dice.uniform(1, 8)
        skew = 7 * MINUTE if dice.random() < 0.1 else None
        body = {
            "event_id": f"{story.reference}-{index}-{type_}",
            "reference": story.reference,
            "type": type_,
            "occurred_at": (occurred_at + (skew or timedelta(0))).isoformat(),
        } | ({"leg": leg} if leg else {})
        sender = story.flight.carrier if leg == 2 else ROAD if leg else story.flight.destination
        yield Scan(occurred_at + delay * MINUTE, sender, body, 2 if dice.random() < 0.15 else 1, skew)
