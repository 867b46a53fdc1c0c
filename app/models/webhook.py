"""Webhook endpoints, their secrets, messages and deliveries."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

import sqlalchemy as sa
from pydantic import ConfigDict, field_validator, model_validator
from pydantic import Field as WireField
from sqlmodel import Field, SQLModel

from app.models.base import Code, Id, IdType, Instant, JsonType, Text, UtcDateTime, Wire, new_id, not_null

Ordering = Annotated[
    Literal["none", "per_shipment"],
    WireField(
        description="`per_shipment`: a message waits until the one before it about its shipment has ended."
    ),
]
ClockTime = Annotated[str, WireField(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["22:00"])]
Slots = Annotated[int, WireField(ge=1, le=64, description="How many deliveries may be in flight at once.")]
Envelope = Annotated[
    Literal["standard", "cloudevents"],
    WireField(description="`cloudevents`: a CloudEvents 1.0 document in structured mode."),
]
Signature = Annotated[
    Literal["v1", "v1a"],
    WireField(
        description="`v1`: HMAC-SHA256 with a shared secret; `v1a`: ed25519, verified with a public key."
    ),
]
PerMinute = Annotated[
    int,
    WireField(ge=1, le=6000, description="More alert messages a minute than this become one `alert.digest`."),
]
HeartbeatMinutes = Annotated[
    int, WireField(ge=1, le=1440, description="Send `heartbeat` so often: its absence is news of its own.")
]


class QuietHours(Wire):
    """When only critical alerts are sent; what else is due waits until the end. `from` after `until` spans midnight."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)
    from_local: ClockTime = WireField(alias="from")
    until_local: ClockTime = WireField(alias="until")
    timezone: Annotated[Code, WireField(examples=["Europe/Rome"])]

    @field_validator("timezone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("is no time zone of the IANA database")
        return name

    @model_validator(mode="after")
    def _some_hours_are_loud(self) -> Self:
        if self.from_local == self.until_local:
            raise ValueError("`from` and `until` are the same: nothing would ever be sent")
        return self


EventTypes = Annotated[
    list[Annotated[Code, WireField(pattern=r"^[a-z_.]+(\.\*)?$|^\*$")]], WireField(min_length=1)
]


class WebhookCreate(Wire):
    """Where to send what."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": "https://hooks.example.org/dosetrail", "event_types": ["alert.*"]}]
        }
    )
    url: Annotated[Text, WireField(min_length=8, max_length=2000)]
    event_types: EventTypes
    description: Annotated[Text, WireField(max_length=500)] | None = None
    min_severity: Literal["info", "warning", "critical"] | None = None
    site_id: Id | None = None
    study: Code | None = None
    product_id: Id | None = None
    ordering: Ordering = "none"
    max_inflight: Slots = 4
    digest_above_per_minute: PerMinute | None = None
    quiet_hours: QuietHours | None = None
    heartbeat_minutes: HeartbeatMinutes | None = None
    envelope: Envelope = "standard"
    handshake: Annotated[
        bool,
        WireField(description="Ask the endpoint with OPTIONS, once, whether it wants our webhooks at all."),
    ] = False
    signature: Signature = "v1"


class WebhookPatch(Wire):
    """What may change at an endpoint; `enabled` true takes its held deliveries up again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"min_severity": "warning", "enabled": True}]})
    url: Annotated[Text, WireField(min_length=8, max_length=2000)] | None = None
    event_types: EventTypes | None = None
    description: Annotated[Text, WireField(max_length=500)] | None = None
    min_severity: Literal["info", "warning", "critical"] | None = None
    ordering: Ordering | None = None
    max_inflight: Slots | None = None
    digest_above_per_minute: PerMinute | None = None
    quiet_hours: QuietHours | None = None
    heartbeat_minutes: HeartbeatMinutes | None = None
    envelope: Envelope | None = None
    handshake: bool | None = None
    enabled: bool | None = None

    _set_or_left_out = field_validator(
        "url", "event_types", "ordering", "max_inflight", "envelope", "handshake", "enabled", mode="before"
    )(not_null)


class WebhookRead(Wire):
    """An endpoint as it is listed: never its secret."""

    id: Text
    url: Text
    event_types: list[str]
    description: Text | None
    min_severity: Text | None
    site_id: Text | None
    study: Text | None
    product_id: Text | None
    ordering: Text
    max_inflight: int
    digest_above_per_minute: int | None
    quiet_hours: QuietHours | None
    heartbeat_minutes: int | None
    envelope: Text
    handshake: bool
    handshaken_at: Instant | None
    signature: Text
    enabled: bool
    disabled_reason: Text | None
    paused_until: Instant | None
    failing_since: Instant | None
    created_at: Instant


class WebhookCreated(WebhookRead):
    """A new endpoint with its secret, which is shown this once; with `v1a` the public key, and no secret."""

    secret: str | None
    public_key: str | None = None


class Rotation(Wire):
    """How long the old secret goes on signing beside the new one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_seconds": 86_400}]})
    overlap_seconds: Annotated[int, WireField(ge=0, le=604_800)] = 86_400


class ReplayCreate(Wire):
    """Which messages to send again: those written from `from` on and before `until` (default now)."""

    model_config = ConfigDict(
        validate_by_name=True,
        validate_by_alias=True,
        json_schema_extra={"examples": [{"from": "2026-03-02T00:00:00Z", "only": "missing"}]},
    )
    from_at: Instant = WireField(alias="from")
    until_at: Instant | None = WireField(default=None, alias="until")
    only: Annotated[
        Literal["failed", "missing"] | None,
        WireField(description="`failed`: given up; `missing`: never queued for this endpoint. Absent: both."),
    ] = None


class ReplayRead(Wire):
    """A replay as it stands; `queued` counts the deliveries that it has set going."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)
    id: Text
    from_at: Instant = WireField(alias="from")
    until_at: Instant = WireField(alias="until")
    only: Text | None
    state: Text
    queued: int
    created_at: Instant
    finished_at: Instant | None


class AttemptRead(Wire):
    """One attempt: what came back, or why nothing did."""

    at: Instant
    status: int | None
    error: Text | None
    duration_ms: int
    response: Text


class DeliveryRead(Wire):
    """One message on its way to one endpoint, with every attempt."""

    id: Text
    message_id: Text
    type: Text
    state: Text
    attempts: int
    next_attempt_at: Instant | None
    created_at: Instant
    log: list[AttemptRead]


def _partial(name: str, where: str, *columns: str) -> sa.Index:
    condition = sa.text(where)
    return sa.Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


class WebhookEndpoint(SQLModel, table=True):
    """An endpoint's row. `owner_…` are the bindings of the key that made it: messages outside never reach it.

    `digest_minute_at` (wall) begins the minute in which `digest_sent` alert messages were let through.
    """

    __tablename__ = "webhook_endpoint"
    __table_args__ = (sa.Index("ix_webhook_endpoint_organisation_id_id", "organisation_id", "id"),)
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    organisation_id: str = Field(sa_type=IdType, foreign_key="organisation.id")
    owner_key_id: str = Field(sa_type=IdType)
    owner_site_id: str | None = Field(default=None, sa_type=IdType)
    owner_study: str | None = Field(default=None, max_length=120)
    url: str = Field(max_length=2000)
    event_types: list[str] = Field(sa_type=JsonType)
    description: str | None = Field(default=None, max_length=500)
    min_severity: str | None = Field(default=None, max_length=10)
    site_id: str | None = Field(default=None, sa_type=IdType)
    study: str | None = Field(default=None, max_length=120)
    product_id: str | None = Field(default=None, sa_type=IdType)
    ordering: str = Field(default="none", max_length=12)
    max_inflight: int = 4
    digest_above_per_minute: int | None = None
    digest_minute_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    digest_sent: int = 0
    quiet_hours: dict[str, Any] | None = Field(default=None, sa_type=JsonType)
    heartbeat_minutes: int | None = None
    heartbeat_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    envelope: str = Field(default="standard", max_length=12)
    handshake: bool = False
    handshaken_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    signature: str = Field(default="v1", max_length=4)
    enabled: bool = True
    disabled_reason: str | None = Field(default=None, max_length=200)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    paused_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    failing_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    failures: int = 0
    created_at: datetime = Field(sa_type=UtcDateTime)


class WebhookSecret(SQLModel, table=True):
    """One signing secret, encrypted; `valid_until` (wall) None: the current one."""

    __tablename__ = "webhook_secret"
    __table_args__ = (sa.Index("ix_webhook_secret_endpoint_id", "endpoint_id"),)
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    endpoint_id: str = Field(sa_type=IdType, foreign_key="webhook_endpoint.id")
    encrypted: str = Field(max_length=500)
    valid_until: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Message(SQLModel, table=True):
    """One piece of news; `body` is what is signed and sent, byte for byte, at every attempt.

    `told_at` is the domain's instant, as in the body; `created_at` is the wall's. `endpoint_id`: for this one alone.
    """

    __table_args__ = (
        sa.Index("ix_message_organisation_id_id", "organisation_id", "id"),
        sa.Index("ix_message_organisation_id_told_at", "organisation_id", "told_at", "id"),
        sa.Index("ix_message_shipment_id_type", "shipment_id", "type"),
    )
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    organisation_id: str = Field(sa_type=IdType)
    type: str = Field(max_length=60)
    severity: str | None = Field(default=None, max_length=10)
    shipment_id: str | None = Field(default=None, sa_type=IdType)
    site_id: str | None = Field(default=None, sa_type=IdType)
    study: str | None = Field(default=None, max_length=120)
    product_id: str | None = Field(default=None, sa_type=IdType)
    endpoint_id: str | None = Field(default=None, sa_type=IdType)
    body: bytes
    told_at: datetime = Field(sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)


class Delivery(SQLModel, table=True):
    """One message to one endpoint. Instants of attempts are the wall's, `deliver_by` is the domain's.

    `state`: gated (quiet hours, or more than a digest's rate), pending, inflight, waiting (for an earlier one of its
    shipment); and at the end delivered, failed, expired, superseded, or digested (told in an `alert.digest`).
    `attempts` counts steps of the ladder: what a person sends by hand is no step. `resume_at`: when the ladder goes
    on after a single shot. `ordered_by`: the shipment whose messages this endpoint gets in `sequence`.
    `stale`: newer news makes another attempt pointless.
    """

    __table_args__ = (
        sa.Index("ix_delivery_endpoint_id_id", "endpoint_id", "id"),
        sa.Index("ix_delivery_message_id", "message_id"),
        _partial("ix_delivery_pending", "state = 'pending'", "endpoint_id", "next_attempt_at", "id"),
        _partial(
            "ix_delivery_single_shot", "state = 'pending' AND single_shot", "endpoint_id", "next_attempt_at"
        ),
        _partial("ix_delivery_gated", "state = 'gated'", "endpoint_id", "id"),
        _partial("ix_delivery_inflight", "state = 'inflight'", "endpoint_id", "lease_until"),
        _partial(
            "ix_delivery_ordered", "ordered_by IS NOT NULL", "ordered_by", "endpoint_id", "state", "sequence"
        ),
    )
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    message_id: str = Field(sa_type=IdType, foreign_key="message.id")
    endpoint_id: str = Field(sa_type=IdType, foreign_key="webhook_endpoint.id")
    state: str = Field(default="pending", max_length=12)
    single_shot: bool = False
    ladder: str = Field(max_length=10)
    attempts: int = 0
    next_attempt_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    deliver_by: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resume_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ordered_by: str | None = Field(default=None, sa_type=IdType)
    sequence: int | None = None
    stale: bool = False
    claim_id: str | None = Field(default=None, sa_type=IdType)
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)


class DeliveryAttempt(SQLModel, table=True):
    """One attempt of a delivery."""

    __tablename__ = "delivery_attempt"
    __table_args__ = (sa.Index("ix_delivery_attempt_delivery_id", "delivery_id", "id"),)
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    delivery_id: str = Field(sa_type=IdType, foreign_key="delivery.id")
    at: datetime = Field(sa_type=UtcDateTime)
    status: int | None = None
    error: str | None = Field(default=None, max_length=200)
    duration_ms: int
    response: str = Field(max_length=16384)


class ShipmentTold(SQLModel, table=True):
    """What the world was last told about a shipment: the ETA last announced, each dose's verdict and quality."""

    __tablename__ = "shipment_told"
    shipment_id: str = Field(sa_type=IdType, primary_key=True, foreign_key="shipment.id")
    told: dict[str, Any] = Field(sa_type=JsonType)


class WebhookReplay(SQLModel, table=True):
    """A replay on its way through the messages; `after_at` and `after_id` name the last one it has looked at."""

    __tablename__ = "webhook_replay"
    __table_args__ = (
        sa.Index("ix_webhook_replay_endpoint_id_id", "endpoint_id", "id"),
        _partial("ix_webhook_replay_running", "state = 'running'", "id"),
    )
    id: str = Field(default_factory=new_id, sa_type=IdType, primary_key=True)
    organisation_id: str = Field(sa_type=IdType)
    endpoint_id: str = Field(sa_type=IdType, foreign_key="webhook_endpoint.id")
    from_at: datetime = Field(sa_type=UtcDateTime)
    until_at: datetime = Field(sa_type=UtcDateTime)
    only: str | None = Field(default=None, max_length=10)
    state: str = Field(default="running", max_length=10)
    after_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    after_id: str | None = Field(default=None, sa_type=IdType)
    queued: int = 0
    created_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
