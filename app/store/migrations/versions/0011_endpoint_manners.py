"""Endpoints: digests, quiet hours, heartbeats, envelopes, handshakes and the kind of signature."""

import sqlalchemy as sa
from alembic import op

from app.models.base import JsonType, UtcDateTime

revision = "0011"
down_revision = "0010"


def columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("digest_above_per_minute", sa.Integer(), nullable=True),
        sa.Column("digest_minute_at", UtcDateTime(), nullable=True),
        sa.Column("digest_sent", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("quiet_hours", JsonType, nullable=True),
        sa.Column("heartbeat_minutes", sa.Integer(), nullable=True),
        sa.Column("heartbeat_at", UtcDateTime(), nullable=True),
        sa.Column("envelope", sa.String(12), nullable=False, server_default="standard"),
        sa.Column("handshake", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("handshaken_at", UtcDateTime(), nullable=True),
        sa.Column("signature", sa.String(4), nullable=False, server_default="v1"),
    )


def upgrade() -> None:
    for column in columns():
        op.add_column("webhook_endpoint", column)
    gated = sa.text("state = 'gated'")
    op.create_index(
        "ix_delivery_gated", "delivery", ["endpoint_id", "id"], sqlite_where=gated, postgresql_where=gated
    )


def downgrade() -> None:
    op.drop_index("ix_delivery_gated", "delivery")
    for column in reversed(columns()):
        op.drop_column("webhook_endpoint", column.name)
