"""Where an accelerated clock began, so that a restart goes on where it would be."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from app.models.base import UtcDateTime


class ClockAnchor(SQLModel, table=True):
    """The anchor of one clock setting."""

    __tablename__ = "clock_anchor"
    setting: str = Field(max_length=80, primary_key=True)
    wall_at: datetime = Field(sa_type=UtcDateTime)
    domain_at: datetime = Field(sa_type=UtcDateTime)
    rate: float
