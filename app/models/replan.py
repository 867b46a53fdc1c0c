"""Plans that change: what a re-planning may say."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, model_validator
from pydantic import Field as WireField

from app.models.base import Code, Instant, Wire
from app.models.product import Positive
from app.models.shipment import DeviceCreate, LegCreate, PackageShape


class LegPatch(LegCreate):
    """A leg of the new way; with its `number` it is a leg of the plan in force, at other times or as it was."""

    number: int | None = WireField(default=None, ge=1, le=1_000_000)


class DosePatch(Wire):
    """What may change about a dose; null takes an appointment, a prescription or a label's expiry away."""

    reference: Code
    administer_at: Instant | None = None
    prescribed_activity_mbq: Positive | None = None
    calibrated_activity_mbq: Positive | None = None
    calibrated_at: Instant | None = None
    expires_at: Instant | None = None
    subject_code: Code | None = None

    def changes(self) -> dict[str, object]:
        """Return the fields that were sent, besides the name."""
        return self.model_dump(exclude_unset=True, exclude={"reference"})


class ShipmentPatch(Wire):
    """A re-planning: `legs` are all that follow the legs already departed, `devices` all that travel along.

    Of the `package` only what is sent changes: re-iced, it has another `packed_at`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reason": "MU5101 cancelled; rebooked for the next morning, patient moved by a day",
                    "legs": [
                        {
                            "mode": "air",
                            "carrier": "MU",
                            "service": "MU5113",
                            "waybill": "784-12345675",
                            "origin": "PVG",
                            "destination": "PEK",
                            "planned_departure_at": "2026-03-03T08:00:00+08:00",
                            "planned_arrival_at": "2026-03-03T10:15:00+08:00",
                        }
                    ],
                    "doses": [{"reference": "D1", "administer_at": "2026-03-04T09:00:00+08:00"}],
                    "expected_version": 12,
                }
            ]
        }
    )
    reason: Annotated[Code, WireField(max_length=500)]
    legs: Annotated[list[LegPatch], WireField(min_length=1, max_length=50)] | None = None
    devices: Annotated[list[DeviceCreate], WireField(max_length=50)] | None = None
    doses: Annotated[list[DosePatch], WireField(min_length=1, max_length=100)] | None = None
    package: PackageShape | None = None
    expected_version: int | None = WireField(default=None, ge=1)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.package_changes() and all(one is None for one in (self.legs, self.devices, self.doses)):
            raise ValueError("say what changes: `legs`, `devices`, `doses` or `package`")
        for dose in self.doses or []:
            if not dose.changes():
                raise ValueError("say what changes about each dose, besides its reference")
        references = [dose.reference for dose in self.doses or []]
        if len(set(references)) != len(references):
            raise ValueError("name each dose once")
        return self

    def moves_appointments_only(self) -> bool:
        """Say whether nothing but `administer_at` changes."""
        names = {name for dose in self.doses or [] for name in dose.changes()}
        others = (self.legs, self.devices, self.package)
        return all(one is None for one in others) and names <= {"administer_at"}

    def package_changes(self) -> dict[str, Any]:
        """Return what was sent about the package."""
        return self.package.model_dump(exclude_unset=True) if self.package else {}


class WhatIf(Wire):
    """A plan to try out; appointment and prescription are every dose's. Nothing is stored."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"administer_at": "2026-03-04T09:00:00+08:00"}]}
    )
    legs: Annotated[list[LegPatch], WireField(min_length=1, max_length=50)] | None = None
    administer_at: Instant | None = None
    prescribed_activity_mbq: Positive | None = None

    @model_validator(mode="after")
    def _supposes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("suppose something: `legs`, `administer_at` or `prescribed_activity_mbq`")
        return self
