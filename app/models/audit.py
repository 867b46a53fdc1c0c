"""The audit: who changed what, when, from what to what, and why."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models.base import IdType, Instant, JsonType, Text, UtcDateTime, Wire, new_id


class AuditRead(Wire):
    """One change: who (`actor` is a key's id, `actor_name` its name), what, when, from what to what, and why."""

    id: Text
    at: Instant
    actor: Text
    actor_name: Text | None
    action: Text
    object_kind: Text
    object_id: Text
    old: dict[str, Any] | None
    new: dict[str, Any] | None
    reason: Text | None


class AuditEntry(SQLModel, table=True):
    """One change, written in the transaction that made it."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        sa.Index("ix_audit_entry_organisation_id_object_id", "organisation_id", "object_id", "id"),
        sa.Index("ix_audit_entry_organisation_id_id", "organisation_id", "id"),
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


class AuditSeal(SQLModel, table=True):
    """A run of entries, each with its own authentication code, chained to the seal before.

    `entries` holds 48 bytes an entry: its id and its code. `key_id` names the key that the codes were made with.
    """

    __tablename__ = "audit_seal"
    sequence: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    sealed_at: datetime = Field(sa_type=UtcDateTime)
    last_entry_id: str = Field(sa_type=IdType)
    entries: bytes
    mac: str = Field(max_length=64)
    key_id: str = Field(max_length=16)
