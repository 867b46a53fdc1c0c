"""Events on the wire, each type's details closed, and their row."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

import sqlalchemy as sa
from pydantic import ConfigDict, ValidationError, model_validator
from pydantic import Field as WireField
from pydantic_core import InitErrorDetails, PydanticCustomError
from sqlmodel import Field, SQLModel

from app.domain.observation import EventType
from app.models.base import Code, IdType, Instant, JsonType, Text, UtcDateTime, Wire, new_id
from app.models.product import NotNegative, Positive
from app.models.site import Latitude, Longitude


class LocationShape(Wire):
    """Where the sender says it is: a code, coordinates, or both."""

    code: Code | None = None
    lat: Latitude | None = None
    lon: Longitude | None = None


class NoDetails(Wire):
    """Most types have none."""


class EstimateDetails(Wire):
    """The carrier's own estimate."""

    estimated_departure_at: Instant | None = None
    estimated_arrival_at: Instant | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.estimated_departure_at is None and self.estimated_arrival_at is None:
            raise ValueError("give `estimated_departure_at` or `estimated_arrival_at`")
        return self


class AssayedDetails(Wire):
    """A measurement at the site."""

    measured_activity_mbq: Positive
    measured_at: Instant


class AdministeredDetails(Wire):
    """What was given."""

    administered_activity_mbq: NotNegative | None = None


class NotAdministeredDetails(Wire):
    """Why nothing was given."""

    cause: Code


class ReleasedDetails(Wire):
    """How far the release goes."""

    scope: Literal["conditional", "final"]


class DispositionDetails(Wire):
    """A recorded decision: who decided what, and what the signature means."""

    decision: Literal["use_as_is", "reject", "return"]
    person: Code
    meaning: Code


class HandedOverDetails(Wire):
    """Who took over."""

    to: Code


class DeviceDetails(Wire):
    """Which sensor was put in or taken out."""

    device_id: Annotated[Code, WireField(max_length=64)]
    sensor: Annotated[Code, WireField(max_length=32)] | None = None
    place: Literal["product", "ambient", "vehicle"] | None = None
    interval_s: Positive | None = None


class Replacement(Wire):
    """What the voided event should have said; what is absent stays as it was."""

    type: EventType | None = None
    occurred_at: Instant | None = None
    leg: int | None = WireField(default=None, ge=1)
    dose: Code | None = None
    location: LocationShape | None = None
    reason: Annotated[Text, WireField(max_length=500)] | None = None
    details: dict[Code, Any] | None = None


class CorrectionDetails(Wire):
    """Which record is voided, and by what it is replaced, if by anything."""

    corrects: Code
    replacement: Replacement | None = None


DETAILS_OF: dict[str, type[Wire]] = {
    "estimate": EstimateDetails,
    "assayed": AssayedDetails,
    "administered": AdministeredDetails,
    "not_administered": NotAdministeredDetails,
    "released": ReleasedDetails,
    "disposition": DispositionDetails,
    "handed_over": HandedOverDetails,
    "device_attached": DeviceDetails,
    "device_detached": DeviceDetails,
    "correction": CorrectionDetails,
}


def checked_details(event_type: str, details: dict[str, Any]) -> dict[str, Any]:
    """Return the details in their type's closed shape, as plain JSON values without the absent ones.

    Raises:
        ValidationError: a field is missing, unknown or wrong; places are relative to `details`.
    """
    if not details and event_type not in DETAILS_OF:
        return details
    shape = DETAILS_OF.get(event_type, NoDetails).model_validate(details)
    return shape.model_dump(mode="json", exclude_none=True)


class EventCreate(Wire):
    """One observation, as its sender makes it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "event_id": "scan-000123",
                    "reference": "LU-2026-0142",
                    "type": "departed",
                    "occurred_at": "2026-03-02T08:04:00+08:00",
                    "leg": 1,
                    "location": {"code": "SHA-PLANT"},
                }
            ]
        }
    )
    event_id: Code
    type: EventType
    occurred_at: Instant
    sent_at: Instant | None = None
    shipment_id: Text | None = None
    reference: Code | None = None
    waybill: Code | None = None
    package_code: Code | None = None
    lot: Code | None = None
    leg: int | None = WireField(default=None, ge=1, le=1_000_000)
    dose: Code | None = None
    location: LocationShape | None = None
    reason: Annotated[Text, WireField(max_length=500)] | None = None
    details: dict[str, Any] = WireField(default_factory=dict)

    @model_validator(mode="after")
    def _details_and_names_fit_the_type(self) -> Self:
        self._check_details()
        named = [self.shipment_id, self.reference, self.waybill, self.package_code]
        if self.type in {"released", "disposition"}:
            named.append(self.lot)
        elif self.lot is not None:
            raise ValueError("only `released` and `disposition` may name a `lot`")
        if self.lot is not None and self.dose is not None:
            raise ValueError("a `lot` means all its doses everywhere; leave `dose` out, or name the shipment")
        if sum(name is not None for name in named) != 1:
            raise ValueError(
                "name the shipment by exactly one of shipment_id, reference, waybill, package_code"
            )
        if self.type in {"disposition", "correction"} and not self.reason:
            raise ValueError(f"`reason` is required for {self.type}")
        return self

    def _check_details(self) -> None:
        try:
            self.details = checked_details(self.type, self.details)
            replacement = self.details.get("replacement")
            if replacement and replacement.get("details") is not None:
                replaced_type = replacement.get("type")
                if replaced_type is not None:
                    replacement["details"] = checked_details(replaced_type, replacement["details"])
        except ValidationError as error:
            raise ValidationError.from_exception_data("EventCreate", _below_details(error)) from None


def _below_details(error: ValidationError) -> list[InitErrorDetails]:
    return [
        InitErrorDetails(
            type=PydanticCustomError("details", "{message}", {"message": one["msg"]}),
            loc=("details", *one["loc"]),
            input=None,
        )
        for one in error.errors(include_input=False, include_url=False, include_context=False)
    ]


class EventBatch(Wire):
    """Up to 1,000 events; each is judged alone."""

    events: Annotated[list[dict[str, Any]], WireField(min_length=1, max_length=1000)]
    sent_at: Instant | None = None


class EventReceipt(Wire):
    """What became of an event. `late`: a later one of the shipment was already stored."""

    id: Text
    event_id: Text
    shipment_id: Text | None
    duplicate: bool
    received_at: Instant
    late: bool
    placed: bool


class EventAsCorrected(Wire):
    """What stands of an event once its corrections are applied."""

    type: Text
    occurred_at: Instant
    leg: int | None
    dose: Text | None
    location: LocationShape | None
    reason: Text | None
    details: dict[str, Any]


class EventRead(Wire):
    """An event as it was sent, for ever, and what it is worth now.

    `standing`: `counts`, `corrected` (it counts as `as_corrected` says), `voided`, or `unplaced` (it fits no leg, or
    several).
    """

    id: Text
    event_id: Text
    source: Text
    type: Text
    occurred_at: Instant
    occurred_text: Text
    effective_at: Instant
    sent_at: Instant | None
    received_at: Instant
    clock_suspect: bool
    late: bool
    leg: int | None
    dose: Text | None
    lot: Text | None
    location: LocationShape | None
    reason: Text | None
    details: dict[str, Any]
    actor: Text
    standing: Literal["counts", "corrected", "voided", "unplaced"]
    placed: bool
    counts_for_leg: int | None
    corrected_by: list[Text]
    as_corrected: EventAsCorrected | None


class Event(SQLModel, table=True):
    """An event's row; append-only. `shipment_id` is None for an event about a lot."""

    __table_args__ = (
        sa.UniqueConstraint("organisation_id", "source", "event_id"),
        sa.Index("ix_event_shipment_id_id", "shipment_id", "id"),
        sa.Index("ix_event_organisation_id_lot", "organisation_id", "lot"),
    )
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    organisation_id: str = Field(sa_type=IdType)
    shipment_id: str | None = Field(default=None, sa_type=IdType, foreign_key="shipment.id")
    lot: str | None = Field(default=None, max_length=120)
    source: str = Field(max_length=120)
    event_id: str = Field(max_length=120)
    digest: str = Field(max_length=64)
    type: str = Field(max_length=30)
    occurred_at: datetime = Field(sa_type=UtcDateTime)
    occurred_text: str = Field(max_length=64)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    effective_at: datetime = Field(sa_type=UtcDateTime)
    received_at: datetime = Field(sa_type=UtcDateTime)
    clock_suspect: bool = False
    late: bool = False
    placed: bool = True
    leg: int | None = None
    dose: str | None = Field(default=None, max_length=120)
    carrier: str | None = Field(default=None, max_length=120)
    location: dict[str, Any] | None = Field(default=None, sa_type=JsonType)
    reason: str | None = Field(default=None, max_length=500)
    details: dict[str, Any] = Field(sa_type=JsonType)
    actor: str = Field(sa_type=IdType)
