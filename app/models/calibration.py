"""Forecasts that were kept, with their outcomes."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models.base import IdType, UtcDateTime


class KeptForecast(SQLModel, table=True):
    """One forecast of one shipment; `settled` once it arrived, or never will.

    `raw_minutes` holds its quantiles before correction, `rank` at which of its levels the delivery fell.
    """

    __tablename__ = "kept_forecast"
    __table_args__ = (
        sa.Index("ix_kept_forecast_organisation_id_settled", "organisation_id", "settled", "asked_at"),
    )
    shipment_id: str = Field(sa_type=IdType, primary_key=True)
    horizon: str = Field(max_length=20, primary_key=True)
    number: int = Field(primary_key=True)
    organisation_id: str = Field(sa_type=IdType)
    asked_at: datetime = Field(sa_type=UtcDateTime)
    legs: int
    p10_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    p50_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    p90_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    late_probability: float | None = None
    latest_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lanes_version: str = Field(max_length=60)
    settled: bool = False
    arrived_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    raw_minutes: bytes | None = None
    rank: float | None = None
    settled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
