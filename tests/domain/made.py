"""Hand-made shipments and arrivals with round numbers, for tests of what is concluded from them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import pytest

from app.domain import eta
from app.domain.alerts import AlertChange, OpenAlert
from app.domain.bedside import DoseCare
from app.domain.custody import Journey, LegFacts, Position
from app.domain.drift import Drift
from app.domain.eta import Arrival, Asked, Forecast
from app.domain.grids import Grid
from app.domain.lanes import PRIORS, LaneStatistics
from app.domain.observation import Event
from app.domain.odds import DoseOdds, DosePlan, dose_plans, odds_of
from app.domain.readings import CHANNELS, ReadingColumns, microseconds
from app.domain.segments import Contribution
from app.domain.shipment import Dose, Leg, Place, Product, Shipment, Site

DAY = datetime(2026, 1, 6, tzinfo=UTC)  # a Tuesday
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def at(text: str) -> datetime:
    """Return an instant of the day: `10:00`."""
    hours, minutes = text.split(":")
    return DAY + int(hours) * HOUR + int(minutes) * MINUTE


# Bounds of the plan below: usable until 15:00, 60 minutes of handling, so 14:00 is the latest useful arrival.
USABLE_UNTIL, LATEST = at("15:00"), at("14:00")
DEPARTURE, PLANNED = at("10:00"), at("12:00")


def a_leg(number: int = 1, **changes: Any) -> Leg:
    leg = Leg(
        number=number,
        mode="air",
        carrier="ACME",
        service=f"AC{number}",
        waybill=None,
        origin="PLANT",
        destination="CLINIC",
        planned_departure_at=DEPARTURE,
        planned_arrival_at=PLANNED,
    )
    return replace(leg, **changes)


def two_legs() -> tuple[Leg, Leg]:
    """10:00 plant–hub 11:00, then 11:30 hub–clinic 12:00."""
    first = a_leg(1, destination="HUB", planned_arrival_at=at("11:00"))
    return first, a_leg(2, origin="HUB", planned_departure_at=at("11:30"))


def a_dose(**changes: Any) -> Dose:
    dose = Dose(
        id="d1",
        reference="D1",
        calibrated_activity_mbq=7400.0,
        calibrated_at=DAY,
        expires_at=USABLE_UNTIL,
    )
    return replace(dose, **changes)


def a_track(*samples: tuple[str | datetime, float], received: datetime | None = None) -> ReadingColumns:
    """Temperatures in order, received as they were made unless told otherwise."""
    made_at = [at(when) if isinstance(when, str) else when for when, _ in samples]
    values = np.full((len(samples), len(CHANNELS)), np.nan)
    values[:, 0] = [value for _, value in samples]
    at_us = np.array([microseconds(one) for one in made_at], np.int64)
    received_us = at_us if received is None else np.full(len(at_us), microseconds(received))
    return ReadingColumns(
        series=np.zeros(len(at_us), np.int64), at_us=at_us, received_us=received_us, values=values
    )


def a_product(**changes: Any) -> Product:
    return replace(Product(id="p", version=1, name="Lu", nuclide="Lu-177"), **changes)


def a_shipment(**changes: Any) -> Shipment:
    site = Site(
        id="s",
        code="CLINIC",
        name="Clinic",
        lat=48.2,
        lon=16.4,
        timezone="Europe/Vienna",
        handling_minutes=60,
    )
    shipment = Shipment(
        id="sh",
        organisation_id="o",
        reference="R1",
        study=None,
        consignment=None,
        plan_version=1,
        registered_at=DAY - timedelta(days=1),
        product=a_product(),
        site=site,
        origin=Place(code="PLANT", lat=48.0, lon=16.0),
        package=None,
        doses=(a_dose(),),
        legs=(a_leg(),),
    )
    return replace(shipment, **changes)


def a_journey(**changes: Any) -> Journey:
    journey = Journey(
        state="planned",
        custodian=None,
        position=Position(code="PLANT", lat=48.0, lon=16.0, observed_at=None, source="plan"),
        legs=(LegFacts(number=1),),
    )
    return replace(journey, **changes)


def an_event(type_: str, occurred_at: datetime, *, leg: int | None = None, **changes: Any) -> Event:
    event = Event(
        id=f"id-{type_}-{leg}",
        event_id=f"{type_}-{leg}",
        source="ACME",
        type=type_,
        occurred_at=occurred_at,
        effective_at=occurred_at,
        received_at=occurred_at,
        leg=leg,
        carrier="ACME",
    )
    return replace(event, **changes)


def care(**changes: Any) -> DoseCare:
    fields: dict[str, Any] = {
        "quality_status": "pending",
        "outcome": "open",
        "outcome_cause": None,
        "assay": None,
        "first_punctured_at": None,
    }
    return DoseCare(**(fields | changes))


@dataclass(frozen=True)
class Uniform:
    """An arrival spread evenly from `first_at` to `last_at`; a share of `unknown` never arrives."""

    first_at: datetime
    last_at: datetime
    unknown_probability: float = 0.0
    arrived_at: datetime | None = None
    planned_at: datetime = PLANNED
    contributions: tuple[Contribution, ...] = ()
    lanes_version: int = 0
    quiet: "SlippingQuiet | None" = None
    corrected: None = None

    def quantile(self, share: float) -> datetime:
        return self.first_at + share * (self.last_at - self.first_at)

    @property
    def p10_at(self) -> datetime:
        return self.quantile(0.1)

    @property
    def p50_at(self) -> datetime:
        return self.quantile(0.5)

    @property
    def p90_at(self) -> datetime | None:
        return None if self.unknown_probability > 0.1 else self.quantile(0.9)

    def probability_after(self, instant: datetime) -> float:
        share = (self.last_at - instant) / (self.last_at - self.first_at)
        return self.unknown_probability + (1 - self.unknown_probability) * min(max(share, 0.0), 1.0)


def arriving(first: str, last: str, **changes: Any) -> Arrival:
    return cast(Arrival, Uniform(at(first), at(last), **changes))


def arriving_late_with(probability: float) -> Arrival:
    """An hour's spread of which exactly this share lies after the latest useful arrival, 14:00."""
    last_at = LATEST + probability * HOUR
    return cast(Arrival, Uniform(last_at - HOUR, last_at))


def arrived(when: datetime) -> Arrival:
    return cast(Arrival, Uniform(when, when, arrived_at=when))


GRID = Grid(DAY, 4)


@dataclass(frozen=True)
class SlippingQuiet:
    """When a slipping hour reaches a probability: nothing is late before 60 minutes of silence, all is after 120."""

    at: datetime
    silent_from: datetime
    until: datetime | None = None
    exact: bool = True
    grid: Grid = GRID

    def reached_at(self, drift: Drift) -> datetime | None:
        if drift.up is None or drift.probability >= drift.up:
            return None
        if drift.probability > 0.0:
            return max(self.at, self.silent_from) + (drift.up - drift.probability) * HOUR
        late_at = self.silent_from + HOUR
        return late_at if self.at < late_at else late_at + MINUTE if self.at == late_at else None


@dataclass
class Slipping:
    """A forecast that slips a minute for each minute of silence after `silent_from`."""

    first_at: datetime = PLANNED
    last_at: datetime = PLANNED + HOUR
    silent_from: datetime = DEPARTURE
    shipment: Shipment = field(default_factory=lambda: a_shipment())
    journey: Journey = field(default_factory=lambda: a_journey())
    lanes: LaneStatistics = PRIORS

    def at(self, at: datetime, *, known_at: datetime | None = None) -> Arrival:
        slip = max((known_at or at) - self.silent_from, timedelta(0))
        quiet = SlippingQuiet(at, self.silent_from)
        return cast(Arrival, Uniform(self.first_at + slip, self.last_at + slip, quiet=quiet))

    def steady_until(self, at: datetime) -> datetime:
        return max(at, self.silent_from)

    def as_forecast(self) -> Forecast:
        return cast(Forecast, self)


def plan_of(shipment: Shipment, cares: Iterable[DoseCare] = (), journey: Journey | None = None) -> DosePlan:
    given = dict(zip([dose.id for dose in shipment.doses], cares, strict=False))
    care_of = {dose.id: given.get(dose.id, care()) for dose in shipment.doses}
    return dose_plans(shipment, care_of, journey or a_journey())[0]


def odds(
    shipment: Shipment,
    arrival: Arrival | None,
    *,
    journey: Journey | None = None,
    cares: Iterable[DoseCare] = (),
) -> DoseOdds:
    return odds_of(plan_of(shipment, cares, journey), shipment, arrival)


@dataclass
class Settled:
    """The forecast of a journey that is over: it arrived, and that is that."""

    arrived_at: datetime
    shipment: Shipment = field(default_factory=lambda: a_shipment())
    journey: Journey = field(default_factory=lambda: a_journey())
    lanes: LaneStatistics = PRIORS

    def at(self, at: datetime, *, known_at: datetime | None = None) -> Arrival:
        return arrived(self.arrived_at)

    def steady_until(self, at: datetime) -> datetime:
        return at


def foretold(monkeypatch: pytest.MonkeyPatch, made: Any) -> None:
    """Let every shipment be told by this forecast: until delivered, and on time (12:00 to 13:00) once departed."""

    def forecast(_shipment: Shipment, journey: Journey, _lanes: Any) -> Any:
        if journey.delivered_at is not None:
            return Settled(journey.delivered_at)
        departed = any(facts.departed_at for facts in journey.legs)
        return replace(made, silent_from=at("23:00")) if departed else made

    def arrivals(asked: Iterable[Asked]) -> list[Arrival]:
        return [one.forecast.at(one.at, known_at=one.known_at) for one in asked]

    monkeypatch.setattr(eta, "forecast", forecast)
    monkeypatch.setattr(eta, "arrivals", arrivals)


def after(open_alerts: tuple[OpenAlert, ...], changes: tuple[AlertChange, ...]) -> tuple[OpenAlert, ...]:
    """Return the open alerts once the changes are written, as the store would hold them."""
    kept = {alert.key: alert for alert in open_alerts}
    for change in changes:
        key = (change.kind, change.subject)
        if change.action == "resolved":
            del kept[key]
        else:
            kept[key] = OpenAlert(
                id=f"{change.kind}-{change.subject}",
                kind=change.kind,
                subject=change.subject,
                severity=change.severity,
                since=change.since,
            )
    return tuple(kept.values())
