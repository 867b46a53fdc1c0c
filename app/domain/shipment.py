"""The plan: what was promised for one package, its doses and its way, as frozen values.

Activities are MBq, instants aware UTC, durations as their names say.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

Mode = Literal["road", "air", "rail", "sea"]
Form = Literal["unit_dose", "multidose_vial", "generator", "kit"]
ReferenceKind = Literal["calibration", "reference", "end_of_synthesis", "end_of_bombardment", "manufacture"]
ClockStart = Literal["calibration", "end_of_synthesis", "first_puncture"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductClock:
    """A limit that runs for `hours` from `starts`: radiochemical purity, first puncture."""

    name: str
    hours: float
    starts: ClockStart


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Temperature limits and what may be spent outside them."""

    min_c: float | None = None
    max_c: float | None = None
    do_not_freeze: bool = False
    alarm_delay_minutes: float = 0.0
    budget_minutes: float | None = None
    max_unmonitored_minutes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What is shipped, as it stood when the shipment was registered.

    `lower_tolerance`/`upper_tolerance` are fractions of the prescription; `upper_tolerance` None means no ceiling.
    """

    id: str
    version: int
    name: str
    form: Form = "unit_dose"
    nuclide: str | None
    half_life_s: float | None = None
    half_life_source: str | None = None
    shelf_life_hours: float | None = None
    shelf_life_from: Literal["calibration", "reference", "end_of_synthesis", "manufacture"] = "calibration"
    clocks: tuple[ProductClock, ...] = ()
    lower_tolerance: float = 0.10
    upper_tolerance: float | None = 0.10
    draw: Literal["whole", "by_volume"] = "whole"
    concentration_mbq_per_ml: float | None = None
    handling_minutes: float | None = None
    administration_minutes: float = 0.0
    bound_applies: Literal["start", "end"] = "start"
    usual_activity_min_mbq: float | None = None
    usual_activity_max_mbq: float | None = None
    assay_tolerance: float = 0.10
    storage: Storage = field(default_factory=Storage)
    thresholds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Hours in which a site receives, in its local time; days are ISO (1 = Monday), texts `HH:MM`."""

    days: tuple[int, ...]
    opens: str
    closes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The hospital: where the dose must be, and how long it needs from door to patient."""

    id: str
    code: str
    name: str
    lat: float
    lon: float
    timezone: str
    handling_minutes: float
    receiving_hours: tuple[Opening, ...] = ()
    contacts: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A named point; `lat`/`lon` None where only the code is known."""

    code: str
    name: str | None = None
    lat: float | None = None
    lon: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One planned movement under one carrier; numbers count from 1 and are never reused."""

    number: int
    mode: Mode
    carrier: str
    service: str | None
    waybill: str | None
    origin: str
    destination: str
    planned_departure_at: datetime
    planned_arrival_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerPlan:
    """The legs that were the plan until a re-planning at `until_at`."""

    until_at: datetime
    legs: tuple[Leg, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """One patient-ready container. Both prescription forms absent: a spare, without activity window."""

    id: str
    reference: str
    lot: str | None = None
    subject_code: str | None = None
    reference_kind: ReferenceKind = "calibration"
    calibrated_activity_mbq: float | None = None
    calibrated_at: datetime | None = None
    prescribed_activity_mbq: float | None = None
    prescribed_min_mbq: float | None = None
    prescribed_max_mbq: float | None = None
    administer_at: datetime | None = None
    expires_at: datetime | None = None
    volume_ml: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAssignment:
    """A sensor travelling with the package; `from_at`/`until_at` None: pickup to receipt.

    A limit of light, shock or tilt that is None is the product's, else the house's.
    """

    device_id: str
    sensor: str = "main"
    place: Literal["product", "ambient", "vehicle"] = "product"
    live: bool = True
    interval_s: float | None = None
    report_interval_s: float | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None
    light_max_lux: float | None = None
    shock_max_g: float | None = None
    tilt_max_deg: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What the transport papers say; the declared activity is the maximum in transport and never decays here."""

    code: str | None = None
    un_number: str | None = None
    transport_index: float | None = None
    label_category: str | None = None
    declared_activity_mbq: float | None = None
    declared_at: datetime | None = None
    packed_at: datetime | None = None
    qualified_hours: float | None = None

    @property
    def cold_until(self) -> datetime | None:
        """When the packaging stops keeping its temperature; None: nobody said."""
        if not self.packed_at or not self.qualified_hours:
            return None
        return self.packed_at + timedelta(hours=self.qualified_hours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """The whole plan in force for one package; `plan_version` counts from 1 and grows with each re-planning.

    `former` are the ways it was to go before, oldest first: what was said of them is still told apart.
    """

    id: str
    organisation_id: str
    reference: str
    study: str | None
    consignment: str | None
    plan_version: int
    registered_at: datetime
    product: Product
    site: Site
    origin: Place
    package: Package | None
    doses: tuple[Dose, ...]
    legs: tuple[Leg, ...]
    devices: tuple[DeviceAssignment, ...] = ()
    thresholds: dict[str, float] = field(default_factory=dict)
    former: tuple[FormerPlan, ...] = ()

    @property
    def all_legs(self) -> tuple[Leg, ...]:
        """Every leg that ever was part of the plan, by number; a kept number has its newest content."""
        if not self.former:
            return self.legs
        every = {leg.number: leg for plan in self.former for leg in plan.legs}
        every |= {leg.number: leg for leg in self.legs}
        return tuple(every[number] for number in sorted(every))

    @property
    def carriers(self) -> frozenset[str]:
        """Everyone who has, or had, a leg of it."""
        return frozenset(leg.carrier for leg in self.all_legs)

    @property
    def lots(self) -> frozenset[str]:
        """The lots that its doses are of."""
        return frozenset(dose.lot for dose in self.doses if dose.lot)

    def legs_at(self, at: datetime) -> tuple[Leg, ...]:
        """Return the legs that were the plan at `at`; a re-planning counts from just after its own instant."""
        return next((plan.legs for plan in self.former if at <= plan.until_at), self.legs)
