"""Alerts: what is open, who has seen it, and how it came about."""

from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import ConfigDict
from pydantic import Field as WireField
from sqlmodel import Field, SQLModel

from app.models.base import Code, IdType, Instant, JsonType, Text, UtcDateTime, Wire, new_id
from app.models.site import Contact

Remark = Annotated[Text, WireField(min_length=1, max_length=480)]
"""What a person says; a history of 500 characters also holds what the alert was closed as."""


class Comment(Wire):
    """What a person says about an alert."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"comment": "Calling the airline."}]})
    comment: Remark


class Assignment(Wire):
    """Who takes care of an alert."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "night dispatcher"}]})
    to: Code


class Snooze(Wire):
    """Until when an alert shall be quiet."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"until": "2026-03-02T07:00:00Z"}]})
    until: Instant


class AlertRead(Wire):
    """An alert, as the contract has it.

    `ended_at` is when it ceased to be true, `resolved_at` when we said so. `status_when_raised` is the path of the
    shipment's status as it was known when the alert was raised.
    """

    id: Text
    shipment_id: Text
    reference: Text
    subject: Text
    kind: Text
    severity: Text
    state: Text
    since: Instant
    raised_at: Instant
    act_by: Instant | None
    cause: dict[str, Any]
    what_would_help: list[str]
    acknowledged_at: Instant | None
    acknowledged_by: Text | None
    assigned_to: Text | None
    snoozed_until: Instant | None
    resolved_at: Instant | None
    resolved_by: Text | None
    ended_at: Instant | None
    detected_late: bool
    summary: Text
    evidence: dict[str, Any]
    status_when_raised: Text


class AlertStep(Wire):
    """One step in an alert's history; `actor` null: the service itself. `evidence`: its numbers then."""

    at: Instant
    change: Text
    severity: Text
    actor: Text | None
    comment: Text | None
    evidence: dict[str, Any]


class AlertDetail(AlertRead):
    """An alert with its history, oldest first."""

    history: list[AlertStep]


class AffectedShipment(Wire):
    """A shipment that hangs on a cause."""

    shipment_id: Text
    reference: Text


class SiteToCall(Wire):
    """A site that hangs on a cause, what time it is there, and whom to call."""

    site_id: Text
    code: Text
    name: Text
    local_time: Text
    contacts: list[Contact]


class CauseRead(Wire):
    """One cause, and all that hangs on it: a line of the view of the night.

    `decide_by` is the earliest `act_by` of its alerts still to come. `affected` names up to 100 shipments, the most
    pressing first.
    """

    cause: dict[str, Any]
    severity: Text
    summary: Text
    decide_by: Instant | None
    raised_at: Instant
    shipments: int
    doses: int
    patients: int
    alerts: int
    unacknowledged: int
    kinds: list[str]
    what_would_help: list[str]
    sites: list[SiteToCall]
    affected: list[AffectedShipment]


def _open_index(name: str, *columns: str, unique: bool = False) -> sa.Index:
    """Return an index of the open alerts alone: the closed ones outnumber them by far."""
    is_open = sa.text("state = 'open'")
    return sa.Index(name, *columns, unique=unique, sqlite_where=is_open, postgresql_where=is_open)


class Alert(SQLModel, table=True):
    """An alert's row; at most one open per shipment, subject and kind, by a partial unique index.

    `closed_while_true`: a person closed it and its condition goes on, so it must not open again.
    """

    __table_args__ = (
        _open_index("uq_alert_open", "shipment_id", "subject", "kind", unique=True),
        sa.Index("ix_alert_organisation_id_raised_at", "organisation_id", "raised_at", "id"),
        _open_index("ix_alert_open_raised_at", "organisation_id", "raised_at", "id"),
        _open_index("ix_alert_open_act_by", "organisation_id", "act_by", "id"),
        sa.Index(
            "ix_alert_snoozed_until",
            "snoozed_until",
            sqlite_where=sa.text("snoozed_until IS NOT NULL"),
            postgresql_where=sa.text("snoozed_until IS NOT NULL"),
        ),
        sa.Index("ix_alert_shipment_id", "shipment_id"),
    )
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    organisation_id: str = Field(sa_type=IdType)
    shipment_id: str = Field(sa_type=IdType, foreign_key="shipment.id")
    subject: str = Field(max_length=160)
    kind: str = Field(max_length=40)
    severity: str = Field(max_length=10)
    state: str = Field(default="open", max_length=10)
    since: datetime = Field(sa_type=UtcDateTime)
    raised_at: datetime = Field(sa_type=UtcDateTime)
    act_by: datetime | None = Field(default=None, sa_type=UtcDateTime)
    cause: dict[str, Any] = Field(sa_type=JsonType)
    what_would_help: list[str] = Field(sa_type=JsonType)
    acknowledged_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    acknowledged_by: str | None = Field(default=None, max_length=120)
    acknowledged_role: str | None = Field(default=None, max_length=20)
    assigned_to: str | None = Field(default=None, max_length=120)
    snoozed_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolved_by: str | None = Field(default=None, max_length=120)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    closed_while_true: bool = False
    detected_late: bool = False
    summary: str = Field(max_length=2000)
    evidence: dict[str, Any] = Field(sa_type=JsonType)


class AlertHistory(SQLModel, table=True):
    """One step of an alert."""

    __tablename__ = "alert_history"
    __table_args__ = (sa.Index("ix_alert_history_alert_id_id", "alert_id", "id"),)
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    alert_id: str = Field(sa_type=IdType, foreign_key="alert.id")
    at: datetime = Field(sa_type=UtcDateTime)
    change: str = Field(max_length=20)
    severity: str = Field(max_length=10)
    actor: str | None = Field(default=None, max_length=120)
    comment: str | None = Field(default=None, max_length=500)
    evidence: dict[str, Any] = Field(default_factory=dict, sa_type=JsonType)
