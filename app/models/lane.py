"""Lanes on the wire and as rows: legs and dwells, and the statistics learned from them."""

from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import ConfigDict
from pydantic import Field as WireField
from sqlmodel import Field, SQLModel

from app.domain.shipment import Mode
from app.models.base import Code, IdType, Instant, JsonType, UtcDateTime, Wire
from app.models.site import TimeOfDay, Zone

HISTORY_MAX = 50_000
"""Rows a request. Source: the contract."""


class LaneHistory(Wire):
    """Legs that have ended, and legs of today as they are planned and leave; each row is judged alone.

    Columns beside these are ignored. `planned` and `departed` tell a leg before its end (three days around it); a later
    row with `arrived`, `cancelled` or `diverted` completes it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rows": [
                        {
                            "mode": "air",
                            "carrier": "MU",
                            "service": "MU5101",
                            "origin": "PVG",
                            "destination": "PEK",
                            "planned_departure_at": "2026-03-02T00:00:00Z",
                            "departed_at": "2026-03-02T00:12:00Z",
                            "planned_arrival_at": "2026-03-02T02:20:00Z",
                            "arrived_at": "2026-03-02T02:25:00Z",
                            "outcome": "arrived",
                        },
                        {
                            "mode": "air",
                            "carrier": "MU",
                            "service": "MU5103",
                            "origin": "PVG",
                            "destination": "PEK",
                            "planned_departure_at": "2026-03-02T01:00:00Z",
                            "departed_at": "2026-03-02T01:40:00Z",
                            "planned_arrival_at": "2026-03-02T03:20:00Z",
                            "arrived_at": None,
                            "outcome": "departed",
                        },
                    ]
                }
            ]
        }
    )
    rows: Annotated[list[Any], WireField(max_length=HISTORY_MAX)]


class RejectedLeg(Wire):
    """A row that was not taken, and why; `index` counts from 0, a header not among them."""

    index: int
    detail: str


class LaneHistoryReceipt(Wire):
    """What became of the rows; a row that is there already is a duplicate and changes nothing."""

    accepted: int
    duplicates: int
    rejected: list[RejectedLeg]


class LaneService(Wire):
    """A departure on some days of the week, in the local time of the zone."""

    carrier: Code
    service: Code
    days: Annotated[list[Annotated[int, WireField(ge=1, le=7)]], WireField(min_length=1, max_length=7)]
    departs: TimeOfDay
    timezone: Zone = "UTC"
    minutes: Annotated[int, WireField(ge=1, lt=14_400)]
    """From departure to arrival."""


class LaneTimetable(Wire):
    """All services of one lane; it replaces what was told of the lane before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "mode": "air",
                    "origin": "PVG",
                    "destination": "PEK",
                    "services": [
                        {
                            "carrier": "MU",
                            "service": "MU5113",
                            "days": [1, 2, 3, 4, 5],
                            "departs": "09:40",
                            "timezone": "Asia/Shanghai",
                            "minutes": 140,
                        }
                    ],
                }
            ]
        }
    )
    mode: Mode
    origin: Code
    destination: Code
    services: Annotated[list[LaneService], WireField(max_length=500)]


class LaneTimetableRead(LaneTimetable):
    """A lane's timetable as it is kept; versions count from 1."""

    version: int
    recorded_at: Instant


class LaneTimetableRow(SQLModel, table=True):
    """One version of one lane's timetable."""

    __tablename__ = "lane_timetable"
    organisation_id: str = Field(sa_type=IdType, primary_key=True)
    mode: str = Field(max_length=8, primary_key=True)
    origin: str = Field(max_length=120, primary_key=True)
    destination: str = Field(max_length=120, primary_key=True)
    version: int = Field(primary_key=True)
    services: list[dict[str, Any]] = Field(sa_type=JsonType)
    recorded_at: datetime = Field(sa_type=UtcDateTime)


class LaneLegRow(SQLModel, table=True):
    """A leg that has ended; `identity` is a digest of what it is, `content` of what became of it."""

    __tablename__ = "lane_leg"
    __table_args__ = (
        sa.Index(
            "ix_lane_leg_organisation_id_planned_departure_at", "organisation_id", "planned_departure_at"
        ),
    )
    organisation_id: str = Field(sa_type=IdType, primary_key=True)
    identity: str = Field(max_length=32, primary_key=True)
    content: str = Field(max_length=16)
    mode: str = Field(max_length=8)
    carrier: str = Field(max_length=120)
    service: str | None = Field(default=None, max_length=120)
    origin: str = Field(max_length=120)
    destination: str = Field(max_length=120)
    planned_departure_at: datetime = Field(sa_type=UtcDateTime)
    departed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    planned_arrival_at: datetime = Field(sa_type=UtcDateTime)
    arrived_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    outcome: str = Field(max_length=12)
    recorded_at: datetime = Field(sa_type=UtcDateTime)


class LaneSignalRow(SQLModel, table=True):
    """A leg told before its end: once as planned, once as departed; dropped when no day's signals can need it."""

    __tablename__ = "lane_signal"
    __table_args__ = (
        sa.Index(
            "ix_lane_signal_organisation_id_planned_departure_at", "organisation_id", "planned_departure_at"
        ),
        sa.Index("ix_lane_signal_planned_arrival_at", "planned_arrival_at"),
    )
    organisation_id: str = Field(sa_type=IdType, primary_key=True)
    identity: str = Field(max_length=32, primary_key=True)
    outcome: str = Field(max_length=12, primary_key=True)
    content: str = Field(max_length=16)
    mode: str = Field(max_length=8)
    carrier: str = Field(max_length=120)
    service: str | None = Field(default=None, max_length=120)
    origin: str = Field(max_length=120)
    destination: str = Field(max_length=120)
    planned_departure_at: datetime = Field(sa_type=UtcDateTime)
    departed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    planned_arrival_at: datetime = Field(sa_type=UtcDateTime)
    arrived_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ours: bool
    recorded_at: datetime = Field(sa_type=UtcDateTime)


class LaneDwellRow(SQLModel, table=True):
    """One stay of a shipment of ours at a place, once it has ended."""

    __tablename__ = "lane_dwell"
    organisation_id: str = Field(sa_type=IdType, primary_key=True)
    shipment_id: str = Field(sa_type=IdType, primary_key=True)
    kind: str = Field(max_length=16, primary_key=True)
    leg: int = Field(primary_key=True)
    place: str = Field(max_length=120)
    mode: str = Field(max_length=8)
    minutes: float
    at_most: bool
    """The stay ended when a service left at its own time: the package was ready at some time before."""
    recorded_at: datetime = Field(sa_type=UtcDateTime)


class LaneStatisticsRow(SQLModel, table=True):
    """One immutable, numbered set of statistics of a `kind`: whole, short (the last days) or day (the last hours).

    `body` of a short or day set holds what is laid over number `base`; `correction` of a whole or short one what past
    outcomes correct of forecasts; None: nothing.
    """

    __tablename__ = "lane_statistics"
    __table_args__ = (
        sa.Index(
            "ix_lane_statistics_organisation_id_published_at", "organisation_id", "published_at", "number"
        ),
        sa.Index("ix_lane_statistics_organisation_id_kind_number", "organisation_id", "kind", "number"),
    )
    organisation_id: str = Field(sa_type=IdType, primary_key=True)
    number: int = Field(primary_key=True)
    base: int
    kind: str = Field(max_length=8)
    published_at: datetime = Field(sa_type=UtcDateTime)
    legs: int
    dwells: int
    timetables: int = 0
    body: bytes
    correction: bytes | None = None
