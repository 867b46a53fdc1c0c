"""Sensor readings on the wire and as rows."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict
from pydantic import Field as WireField
from sqlmodel import Field, SQLModel

from app.models.base import Code, IdType, Instant, UtcDateTime, Wire
from app.models.product import NotNegative
from app.models.site import Latitude, Longitude


class ReadingCreate(Wire):
    """One sample of one sensor."""

    device_id: Annotated[Code, WireField(max_length=64)]
    sensor: Annotated[Code, WireField(max_length=32)] = "main"
    at: Instant
    temperature_c: Annotated[float, WireField(ge=-273.15, le=200)] | None = None
    humidity_pct: Annotated[float, WireField(ge=0, le=100)] | None = None
    lat: Latitude | None = None
    lon: Longitude | None = None
    shock_g: NotNegative | None = None
    tilt_deg: Annotated[float, WireField(ge=-360, le=360)] | None = None
    light_lux: NotNegative | None = None
    battery_pct: Annotated[float, WireField(ge=0, le=100)] | None = None
    dose_rate_usv_h: NotNegative | None = None


class ReadingBatch(Wire):
    """Up to 10,000 readings; each is judged alone."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "readings": [
                        {"device_id": "TMP-8841", "at": "2026-03-02T08:10:00+08:00", "temperature_c": 5.1}
                    ]
                }
            ]
        }
    )
    readings: Annotated[list[dict[str, object]], WireField(min_length=1, max_length=10_000)]


class RejectedReading(Wire):
    """A reading that was not taken, and why; `index` counts from 0."""

    index: int
    detail: str


class ReadingsReceipt(Wire):
    """What became of a batch of readings."""

    accepted: int
    duplicates: int
    rejected: list[RejectedReading]


class Reading(SQLModel, table=True):
    """A sample's row; a sample sent twice is one row."""

    organisation_id: str = Field(sa_type=IdType, primary_key=True)
    device_id: str = Field(max_length=64, primary_key=True)
    sensor: str = Field(max_length=32, primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime, primary_key=True)
    received_at: datetime = Field(sa_type=UtcDateTime)
    temperature_c: float | None = None
    humidity_pct: float | None = None
    lat: float | None = None
    lon: float | None = None
    shock_g: float | None = None
    tilt_deg: float | None = None
    light_lux: float | None = None
    battery_pct: float | None = None
    dose_rate_usv_h: float | None = None
