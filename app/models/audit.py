"""The audit: who changed what, when, from what to what, and why."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models.base import IdType, JsonType, UtcDateTime, new_id


class AuditEntry(SQLModel, table=True):
    """One change, written in the transaction that made it."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        sa.Index("ix_audit_entry_organisation_id_object_id", "organisation_id", "object_id", "id"),
    )
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    organisation_id: str = Field(sa_type=IdType)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str = Field(max_length=120)
    action: str = Field(max_length=60)
    object_kind: str = Field(max_length=30)
    object_id: str = Field(max_length=120)
    old: dict[str, Any] | None = Field(default=None, sa_type=JsonType)
    new: dict[str, Any] | None = Field(default=None, sa_type=JsonType)
    reason: str | None = Field(default=None, max_length=500)
