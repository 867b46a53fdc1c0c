"""Escalation policies: who else is told when nobody acknowledges, and the steps that are waiting."""

from datetime import datetime
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import ConfigDict
from pydantic import Field as WireField
from sqlmodel import Field, SQLModel

from app.models.base import Code, Id, IdType, Instant, JsonType, Text, UtcDateTime, Wire, new_id

WEEK_MINUTES = 10_080
Kinds = Annotated[list[Code], WireField(min_length=1, max_length=50)]
LeastSeverity = Literal["info", "warning", "critical"]


class PolicyStep(Wire):
    """After so many minutes without acknowledgement (domain time), tell this endpoint."""

    after_minutes: Annotated[float, WireField(ge=0, le=WEEK_MINUTES)]
    endpoint_id: Id


Steps = Annotated[list[PolicyStep], WireField(min_length=1, max_length=10)]


class PolicyCreate(Wire):
    """A new policy; `kinds`, `site_id` and `study` narrow it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "wake the head of radiopharmacy",
                    "min_severity": "critical",
                    "steps": [{"after_minutes": 10, "endpoint_id": "0195b2f0-5c1e-7c3a-9b1d-2f6f3a7c9e10"}],
                }
            ]
        }
    )
    name: Code
    min_severity: LeastSeverity = "critical"
    kinds: Kinds | None = None
    site_id: Id | None = None
    study: Code | None = None
    steps: Steps


class PolicyPatch(Wire):
    """What may change; what is waiting is planned anew from now. Null takes a narrowing away, and nothing else."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": False}]})
    name: Code = WireField(default="")
    min_severity: LeastSeverity = "critical"
    kinds: Kinds | None = None
    site_id: Id | None = None
    study: Code | None = None
    steps: Steps = WireField(default_factory=list)
    enabled: bool = True


class PolicyRead(PolicyCreate):
    """A policy as it is kept."""

    id: Text
    enabled: bool
    created_at: Instant


class EscalationPolicy(SQLModel, table=True):
    """A policy's row."""

    __tablename__ = "escalation_policy"
    __table_args__ = (sa.Index("ix_escalation_policy_organisation_id_id", "organisation_id", "id"),)
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    organisation_id: str = Field(sa_type=IdType, foreign_key="organisation.id")
    name: str = Field(max_length=120)
    min_severity: str = Field(max_length=10)
    kinds: list[str] | None = Field(default=None, sa_type=JsonType)
    site_id: str | None = Field(default=None, sa_type=IdType)
    study: str | None = Field(default=None, max_length=120)
    steps: list[dict[str, Any]] = Field(sa_type=JsonType)
    enabled: bool = True
    deleted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)


class Escalation(SQLModel, table=True):
    """One step of one policy for one alert: waiting until `due_at` (domain time), or told, and then never again."""

    __table_args__ = (
        sa.PrimaryKeyConstraint("alert_id", "policy_id", "step"),
        sa.Index(
            "ix_escalation_due_at",
            "due_at",
            sqlite_where=sa.text("told_at IS NULL"),
            postgresql_where=sa.text("told_at IS NULL"),
        ),
        sa.Index("ix_escalation_policy_id", "policy_id"),
    )
    alert_id: str = Field(sa_type=IdType, foreign_key="alert.id")
    policy_id: str = Field(sa_type=IdType, foreign_key="escalation_policy.id")
    step: int
    due_at: datetime = Field(sa_type=UtcDateTime)
    told_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
