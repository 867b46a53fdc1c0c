"""Webhooks: endpoints, secrets, messages, deliveries and their attempts."""

import sqlalchemy as sa
from alembic import op

from app.models.base import IdType, JsonType, UtcDateTime

revision = "0002"
down_revision = "0001"

TABLES = (
    "message",
    "webhook_endpoint",
    "delivery",
    "webhook_secret",
    "delivery_attempt",
)


def upgrade() -> None:
    op.create_table(
        "message",
        sa.Column("id", IdType, nullable=False),
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column("type", sa.String(60), nullable=False),
        sa.Column("shipment_id", IdType, nullable=True),
        sa.Column("site_id", IdType, nullable=True),
        sa.Column("study", sa.String(120), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
    )
    op.create_index("ix_message_organisation_id_id", "message", ["organisation_id", "id"])
    op.create_table(
        "webhook_endpoint",
        sa.Column("id", IdType, nullable=False),
        sa.Column(
            "organisation_id",
            IdType,
            sa.ForeignKey("organisation.id", name="fk_webhook_endpoint_organisation_id_organisation"),
            nullable=False,
        ),
        sa.Column("owner_key_id", IdType, nullable=False),
        sa.Column("owner_site_id", IdType, nullable=True),
        sa.Column("owner_study", sa.String(120), nullable=True),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("event_types", JsonType, nullable=False),
        sa.Column("description", sa.String(500), nullable=True),
        sa.Column("min_severity", sa.String(10), nullable=True),
        sa.Column("site_id", IdType, nullable=True),
        sa.Column("study", sa.String(120), nullable=True),
        sa.Column("product_id", IdType, nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.String(200), nullable=True),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
        sa.Column("paused_until", UtcDateTime(), nullable=True),
        sa.Column("failing_since", UtcDateTime(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_endpoint"),
    )
    op.create_index("ix_webhook_endpoint_organisation_id_id", "webhook_endpoint", ["organisation_id", "id"])
    op.create_table(
        "delivery",
        sa.Column("id", IdType, nullable=False),
        sa.Column(
            "message_id",
            IdType,
            sa.ForeignKey("message.id", name="fk_delivery_message_id_message"),
            nullable=False,
        ),
        sa.Column(
            "endpoint_id",
            IdType,
            sa.ForeignKey("webhook_endpoint.id", name="fk_delivery_endpoint_id_webhook_endpoint"),
            nullable=False,
        ),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("single_shot", sa.Boolean(), nullable=False),
        sa.Column("ladder", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=True),
        sa.Column("deliver_by", UtcDateTime(), nullable=True),
        sa.Column("claim_id", IdType, nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
    )
    op.create_index("ix_delivery_endpoint_id_state", "delivery", ["endpoint_id", "state", "next_attempt_at"])
    op.create_index("ix_delivery_state_next_attempt_at", "delivery", ["state", "next_attempt_at"])
    op.create_table(
        "webhook_secret",
        sa.Column("id", IdType, nullable=False),
        sa.Column(
            "endpoint_id",
            IdType,
            sa.ForeignKey("webhook_endpoint.id", name="fk_webhook_secret_endpoint_id_webhook_endpoint"),
            nullable=False,
        ),
        sa.Column("encrypted", sa.String(500), nullable=False),
        sa.Column("valid_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_secret"),
    )
    op.create_index("ix_webhook_secret_endpoint_id", "webhook_secret", ["endpoint_id"])
    op.create_table(
        "delivery_attempt",
        sa.Column("id", IdType, nullable=False),
        sa.Column(
            "delivery_id",
            IdType,
            sa.ForeignKey("delivery.id", name="fk_delivery_attempt_delivery_id_delivery"),
            nullable=False,
        ),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(200), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("response", sa.String(16384), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delivery_attempt"),
    )
    op.create_index("ix_delivery_attempt_delivery_id", "delivery_attempt", ["delivery_id", "id"])


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
