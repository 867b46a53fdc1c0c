"""Sensor readings on the wire and as rows."""

from datetime import datetime
from typing import Annotated

import sqlalchemy as sa
from pydantic import ConfigDict
from pydantic import Field as WireField
from sqlmodel import Field, SQLModel

from app.models.base import Code, IdType, Instant, UtcDateTime, Wire, new_id
from app.models.product import NotNegative
from app.models.site import Latitude, Longitude

READINGS_MAX = 10_000


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
    readings: Annotated[list[ReadingCreate], WireField(min_length=1, max_length=READINGS_MAX)]


class RejectedReading(Wire):
    """A reading that was not taken, and why; `index` counts from 0."""

    index: int
    detail: str


class ReadingsReceipt(Wire):
    """What became of a batch of readings."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "accepted": 498,
                    "duplicates": 1,
                    "rejected": [
                        {"index": 7, "detail": "at: lies before the year 2000; check the device's clock"}
                    ],
                }
            ]
        }
    )
    accepted: int
    duplicates: int
    rejected: list[RejectedReading]


class ReadingSeries(SQLModel, table=True):
    """One sensor of one device; its row is the lock under which readings of the series are taken in.

    `last_at` is its newest reading's instant, `last_c` its newest temperature.
    """

    __tablename__ = "reading_series"
    __table_args__ = (sa.UniqueConstraint("organisation_id", "device_id", "sensor"),)
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    organisation_id: str = Field(sa_type=IdType)
    device_id: str = Field(max_length=64)
    sensor: str = Field(max_length=32)
    last_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_c: float | None = None


class ReadingBucket(SQLModel, table=True):
    """An hour of a series: its readings, packed, and what their temperatures add up to."""

    __tablename__ = "reading_bucket"
    series_id: str = Field(sa_type=IdType, primary_key=True, foreign_key="reading_series.id")
    at: datetime = Field(sa_type=UtcDateTime, primary_key=True)
    organisation_id: str = Field(sa_type=IdType)
    samples: int
    measured: int
    min_c: float | None = None
    max_c: float | None = None
    sum_c: float | None = None
    channels: int
    packed: bytes
