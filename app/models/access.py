"""Organisations and API keys."""

from datetime import datetime
from typing import Self

import sqlalchemy as sa
from pydantic import ConfigDict, model_validator
from pydantic import Field as WireField
from sqlmodel import Field, SQLModel

from app.domain.access import Role
from app.models.base import Code, Id, IdType, Instant, UtcDateTime, Wire, new_id


class Organisation(SQLModel, table=True):
    """One tenant; every other row names its organisation."""

    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    name: str = Field(max_length=120, unique=True)
    created_at: datetime = Field(sa_type=UtcDateTime)


class ApiKeyCreate(Wire):
    """What an admin says about a new key."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Van 7 handheld", "role": "courier", "carrier": "ACME"}]}
    )
    name: Code
    role: Role
    source: Code | None = None
    site_id: Id | None = None
    carrier: Code | None = None
    study: Code | None = None
    expires_at: Instant | None = None
    rate_limit_per_minute: int | None = WireField(default=None, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _bindings_fit_the_role(self) -> Self:
        if (self.role == "courier") != (self.carrier is not None):
            raise ValueError("a courier key, and only that, names its `carrier`")
        if self.role == "site" and self.site_id is None:
            raise ValueError("a site key names its `site_id`")
        if self.site_id is not None and self.role not in {"site", "subscriber"}:
            raise ValueError("only site and subscriber keys are bound to a `site_id`")
        if self.study is not None and self.role != "subscriber":
            raise ValueError("only subscriber keys are bound to a `study`")
        return self


class KeyRotation(Wire):
    """How long the old key goes on beside the new one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_seconds": 3600}]})
    overlap_seconds: int = WireField(default=86_400, ge=0, le=604_800)


class ApiKeyRead(Wire):
    """A key as it is listed: never the key itself."""

    id: str
    name: str
    role: Role
    source: str
    site_id: str | None
    carrier: str | None
    study: str | None
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None
    rate_limit_per_minute: int | None


class ApiKeyCreated(ApiKeyRead):
    """A new key, with its text, which is shown this once."""

    key: str


class ApiKey(SQLModel, table=True):
    """A key's row: `hash` is the SHA-256 of its text, which is 256 bits of chance."""

    __tablename__ = "api_key"
    __table_args__ = (
        sa.Index("ix_api_key_organisation_id_id", "organisation_id", "id"),
        sa.UniqueConstraint("hash"),
    )
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    organisation_id: str = Field(sa_type=IdType, foreign_key="organisation.id")
    name: str = Field(max_length=120)
    role: str = Field(max_length=20)
    source: str = Field(max_length=120)
    site_id: str | None = Field(default=None, sa_type=IdType)
    carrier: str | None = Field(default=None, max_length=120)
    study: str | None = Field(default=None, max_length=120)
    hash: str = Field(max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    rate_limit_per_minute: int | None = None


class RateBucket(SQLModel, table=True):
    """What a key has spent of its rate: its requests are paid for up to this instant (wall, µs since 1970)."""

    __tablename__ = "rate_bucket"
    key_id: str = Field(sa_type=IdType, primary_key=True)
    spent_until_us: int = Field(sa_type=sa.BigInteger)
