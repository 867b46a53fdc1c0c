"""The services of a lane, week by week: what leaves next when one is missed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from app.domain.shipment import Leg
from app.domain.spans import MINUTE

Lane = tuple[str, str, str]
"""Mode, origin, destination."""

HORIZON_DAYS: Final = 15
"""How far ahead services are looked for: two weeks and a day find any weekly one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One departure a day on some days of the week (ISO, 1 = Monday), in the local time of its origin."""

    carrier: str
    service: str
    days: tuple[int, ...]
    departs: str
    timezone: str
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """One departure of a service."""

    service: Service
    departs_at: datetime
    arrives_at: datetime


@dataclass(frozen=True, slots=True)
class Timetable:
    """Services by lane; a lane without an entry has a headway by its mode instead."""

    services: Mapping[Lane, tuple[Service, ...]] = field(default_factory=dict)

    def after(self, leg: Leg, at: datetime) -> list[Departure]:
        """Return what leaves on the leg's lane later than `at`, the earliest first; the leg's own among them."""
        known = self.services.get((leg.mode, leg.origin, leg.destination), ())
        found = [one for service in known for one in _departures(service, at)]
        return sorted(found, key=lambda one: (one.departs_at, one.service.service))

    def arriving_by(self, leg: Leg, at: datetime) -> list[Departure]:
        """Return the last that arrive by `at` on the leg's lane, the latest to leave first: two of each service.

        Two, because one of them may be cancelled.
        """
        known = self.services.get((leg.mode, leg.origin, leg.destination), ())
        found = [one for service in known for one in _last_departures(service, at)]
        return sorted(found, key=lambda one: (one.departs_at, one.service.service), reverse=True)

    def headway_minutes(self, leg: Leg) -> float | None:
        """Return how long after the leg's planned departure the next service leaves; None: nobody knows."""
        following = self.after(leg, leg.planned_departure_at)
        if not following:
            return None
        return (following[0].departs_at - leg.planned_departure_at) / MINUTE


def timetable_of(entries: Iterable[tuple[Lane, Service]]) -> Timetable:
    """Return services by lane."""
    by_lane: dict[Lane, list[Service]] = defaultdict(list)
    for lane, service in entries:
        by_lane[lane].append(service)
    return Timetable({lane: tuple(services) for lane, services in by_lane.items()})


def is_own(departure: Departure, leg: Leg) -> bool:
    """Say whether this departure is the one that the plan has for the leg, as far as the plan names its service."""
    return departure.departs_at == leg.planned_departure_at and leg.service in {
        None,
        departure.service.service,
    }


def _departures(service: Service, at: datetime) -> Iterator[Departure]:
    for one in _on_days(service, at, range(-1, HORIZON_DAYS)):
        if one.departs_at > at:
            yield one


def _last_departures(service: Service, at: datetime) -> Iterator[Departure]:
    leaves_by = at - timedelta(minutes=service.minutes)
    backwards = _on_days(service, leaves_by, range(0, -HORIZON_DAYS, -1))
    return islice((one for one in backwards if one.departs_at <= leaves_by), 2)


def _on_days(service: Service, at: datetime, days: range) -> Iterator[Departure]:
    """Yield a service's departures on the days so far from the one on which `at` is, in the order of `days`."""
    zone = ZoneInfo(service.timezone)
    today = at.astimezone(zone).date()
    leaves = time.fromisoformat(service.departs)
    for offset in days:
        day = today + timedelta(days=offset)
        if day.isoweekday() in service.days:
            departs_at = datetime.combine(day, leaves, tzinfo=zone).astimezone(at.tzinfo)
            arrives_at = departs_at + timedelta(minutes=service.minutes)
            yield Departure(service=service, departs_at=departs_at, arrives_at=arrives_at)
