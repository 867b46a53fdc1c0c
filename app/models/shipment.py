"""Shipments: the plan on the wire, and the rows that hold it."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

import sqlalchemy as sa
from pydantic import ConfigDict, model_validator
from pydantic import Field as WireField
from sqlmodel import Field, SQLModel

from app.domain.shipment import Mode, ReferenceKind
from app.models.base import Code, Id, IdType, Instant, JsonType, Text, UtcDateTime, Wire, new_id
from app.models.product import NotNegative, Positive
from app.models.site import Latitude, Longitude


class OriginShape(Wire):
    """Where the package starts."""

    code: Code
    name: Code | None = None
    lat: Latitude
    lon: Longitude


class PackageShape(Wire):
    """What the transport papers say; shown beside the decayed activity, never overwritten."""

    code: Code | None = None
    un_number: Code | None = None
    transport_index: NotNegative | None = None
    label_category: Code | None = None
    declared_activity_mbq: Positive | None = None
    declared_at: Instant | None = None
    packed_at: Instant | None = None
    qualified_hours: Positive | None = None


class DoseCreate(Wire):
    """One patient-ready container."""

    reference: Code
    lot: Code | None = None
    subject_code: Code | None = None
    reference_kind: ReferenceKind = "calibration"
    calibrated_activity_mbq: Positive | None = None
    calibrated_at: Instant | None = None
    prescribed_activity_mbq: Positive | None = None
    prescribed_min_mbq: Positive | None = None
    prescribed_max_mbq: Positive | None = None
    administer_at: Instant | None = None
    expires_at: Instant | None = None
    volume_ml: Positive | None = None

    @model_validator(mode="after")
    def _prescription_is_one_form(self) -> Self:
        if (self.prescribed_min_mbq is None) != (self.prescribed_max_mbq is None):
            raise ValueError("`prescribed_min_mbq` and `prescribed_max_mbq` go together")
        if self.prescribed_min_mbq is not None and self.prescribed_activity_mbq is not None:
            raise ValueError("prescribe either one activity or a range, not both")
        low, high = self.prescribed_min_mbq, self.prescribed_max_mbq
        if low is not None and high is not None and low > high:
            raise ValueError("`prescribed_min_mbq` is above `prescribed_max_mbq`")
        return self


class DoseRead(DoseCreate):
    """A dose as it is kept."""

    id: Text


class LegCreate(Wire):
    """One movement under one carrier."""

    mode: Mode
    carrier: Code
    service: Code | None = None
    waybill: Code | None = None
    origin: Code
    destination: Code
    planned_departure_at: Instant
    planned_arrival_at: Instant


class LegRead(LegCreate):
    """A leg as it is kept."""

    number: int


class DeviceCreate(Wire):
    """A sensor that travels with the package; without `from`/`until` it counts from pickup to receipt."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)
    device_id: Annotated[Code, WireField(max_length=64)]
    sensor: Annotated[Code, WireField(max_length=32)] = "main"
    place: Literal["product", "ambient", "vehicle"] = "product"
    live: bool = True
    interval_s: Positive | None = None
    report_interval_s: Positive | None = None
    from_at: Instant | None = WireField(default=None, alias="from")
    until_at: Instant | None = WireField(default=None, alias="until")
    light_max_lux: NotNegative | None = None
    shock_max_g: NotNegative | None = None
    tilt_max_deg: NotNegative | None = None


class ShipmentFields(Wire):
    """What a shipment says about itself."""

    reference: Code
    study: Code | None = None
    consignment: Code | None = None
    product_id: Id
    site_id: Id
    origin: OriginShape
    package: PackageShape | None = None


class ShipmentCreate(ShipmentFields):
    """A new shipment: one package."""

    doses: Annotated[list[DoseCreate], WireField(min_length=1, max_length=200)]
    legs: Annotated[list[LegCreate], WireField(min_length=1, max_length=50)]
    devices: Annotated[list[DeviceCreate], WireField(max_length=50)] = WireField(default_factory=list)
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reference": "LU-2026-0142",
                    "study": "NET-301",
                    "product_id": "019b0000-0000-7000-8000-000000000001",
                    "site_id": "019b0000-0000-7000-8000-000000000002",
                    "origin": {"code": "SHA-PLANT", "name": "Plant", "lat": 31.2, "lon": 121.5},
                    "doses": [
                        {
                            "reference": "D1",
                            "lot": "L26-311",
                            "calibrated_activity_mbq": 7770.0,
                            "calibrated_at": "2026-03-02T06:00:00+08:00",
                            "prescribed_activity_mbq": 7400.0,
                            "administer_at": "2026-03-02T15:00:00+08:00",
                        }
                    ],
                    "legs": [
                        {
                            "mode": "road",
                            "carrier": "ACME",
                            "origin": "SHA-PLANT",
                            "destination": "SHA-HOSP",
                            "planned_departure_at": "2026-03-02T08:00:00+08:00",
                            "planned_arrival_at": "2026-03-02T10:00:00+08:00",
                        }
                    ],
                }
            ]
        }
    )


class SummaryEta(Wire):
    """When the shipment is expected, in a list: the median alone."""

    p50: Instant | None


class SummarySlack(Wire):
    """Latest useful arrival minus ETA, in a list: at the median alone; negative is late."""

    p50: float | None


class ShipmentSummary(Wire):
    """A shipment in a list, with what was last assessed."""

    id: Text
    reference: Text
    study: Text | None
    consignment: Text | None
    product_id: Text
    site_id: Text
    state: Text
    eta: SummaryEta
    slack_minutes: SummarySlack
    late_probability: float | None
    worst_severity: Text | None
    created_at: Instant


class ShipmentRead(ShipmentFields):
    """A shipment as it is kept: the plan in force; `package_remarks`: what about its papers does not fit together."""

    id: Text
    version: int
    plan_version: int
    product_version: int
    state: Text
    created_at: Instant
    baseline_at: Instant
    package_remarks: list[str]
    doses: list[DoseRead]
    legs: list[LegRead]
    devices: list[DeviceCreate]


class Cancellation(Wire):
    """Why a shipment is cancelled."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "patient unwell"}]})
    reason: Annotated[Code, WireField(max_length=500)]


class Shipment(SQLModel, table=True):
    """What a shipment is found and listed by; `state` to `worst_severity` are the last assessment's.

    `messages_numbered`: how many of its messages have a place in the order that some endpoint asked for.
    """

    __table_args__ = (
        sa.UniqueConstraint("organisation_id", "reference"),
        sa.Index("ix_shipment_organisation_id_id", "organisation_id", "id"),
        sa.Index("ix_shipment_site_id_id", "site_id", "id"),
    )
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    organisation_id: str = Field(sa_type=IdType, foreign_key="organisation.id")
    reference: str = Field(max_length=120)
    study: str | None = Field(default=None, max_length=120)
    consignment: str | None = Field(default=None, max_length=120)
    product_id: str = Field(sa_type=IdType, foreign_key="product.id")
    site_id: str = Field(sa_type=IdType, foreign_key="site.id")
    plan_version: int = 1
    baseline_at: datetime = Field(sa_type=UtcDateTime)
    first_instant_at: datetime = Field(sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    state: str = Field(default="planned", max_length=20)
    eta_p50_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    slack_p50_minutes: float | None = None
    late_probability: float | None = None
    worst_severity: str | None = Field(default=None, max_length=10)
    messages_numbered: int = 0


class ShipmentPlan(SQLModel, table=True):
    """One version of a plan, whole, as it was in force from `known_from`; never changed."""

    __tablename__ = "shipment_plan"
    shipment_id: str = Field(sa_type=IdType, primary_key=True, foreign_key="shipment.id")
    plan_version: int = Field(primary_key=True)
    organisation_id: str = Field(sa_type=IdType)
    known_from: datetime = Field(sa_type=UtcDateTime)
    plan: dict[str, Any] = Field(sa_type=JsonType)


class ShipmentTag(SQLModel, table=True):
    """What a shipment can be looked up by: its waybills, package code, carriers, lots and devices."""

    __tablename__ = "shipment_tag"
    __table_args__ = (sa.Index("ix_shipment_tag_shipment_id", "shipment_id"),)
    organisation_id: str = Field(sa_type=IdType, primary_key=True)
    kind: str = Field(max_length=20, primary_key=True)
    value: str = Field(max_length=120, primary_key=True)
    shipment_id: str = Field(sa_type=IdType, primary_key=True, foreign_key="shipment.id")


class ShipmentDue(SQLModel, table=True):
    """When a shipment must be looked at next; narrow, because it is read and written most.

    `version` grows with each observation; `assess_at` None: not before something is heard.
    """

    __tablename__ = "shipment_due"
    __table_args__ = (sa.Index("ix_shipment_due_assess_at", "assess_at", "urgent_at", "shipment_id"),)
    shipment_id: str = Field(sa_type=IdType, primary_key=True, foreign_key="shipment.id")
    organisation_id: str = Field(sa_type=IdType)
    version: int = 1
    assess_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    urgent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    latest_event_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    claim_id: str | None = Field(default=None, sa_type=IdType)
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ShipmentView(SQLModel, table=True):
    """The last assessment, ready to be told: true while the version stands and until `valid_until`."""

    __tablename__ = "shipment_view"
    shipment_id: str = Field(sa_type=IdType, primary_key=True, foreign_key="shipment.id")
    version: int
    assessed_at: datetime = Field(sa_type=UtcDateTime)
    valid_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lanes_version: str | None = Field(default=None, max_length=60)
    view: dict[str, Any] = Field(sa_type=JsonType)
