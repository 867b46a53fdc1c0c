"""Deliveries: slots and order per endpoint, and indexes that keep the queue flat however long it grows."""

import sqlalchemy as sa
from alembic import op

from app.models.base import IdType, UtcDateTime

revision = "0005"
down_revision = "0004"

PARTIAL = (
    ("ix_delivery_pending", "state = 'pending'", ["endpoint_id", "next_attempt_at", "id"]),
    ("ix_delivery_single_shot", "state = 'pending' AND single_shot", ["endpoint_id", "next_attempt_at"]),
    ("ix_delivery_inflight", "state = 'inflight'", ["endpoint_id", "lease_until"]),
    ("ix_delivery_ordered", "ordered_by IS NOT NULL", ["ordered_by", "endpoint_id", "state", "sequence"]),
)


def columns() -> tuple[tuple[str, sa.Column[object]], ...]:
    return (
        ("webhook_endpoint", sa.Column("ordering", sa.String(12), nullable=False, server_default="none")),
        ("webhook_endpoint", sa.Column("max_inflight", sa.Integer(), nullable=False, server_default="4")),
        ("message", sa.Column("severity", sa.String(10), nullable=True)),
        ("message", sa.Column("product_id", IdType, nullable=True)),
        ("shipment", sa.Column("messages_numbered", sa.Integer(), nullable=False, server_default="0")),
        ("delivery", sa.Column("resume_at", UtcDateTime(), nullable=True)),
        ("delivery", sa.Column("ordered_by", IdType, nullable=True)),
        ("delivery", sa.Column("sequence", sa.Integer(), nullable=True)),
        ("delivery", sa.Column("stale", sa.Boolean(), nullable=False, server_default=sa.false())),
    )


def upgrade() -> None:
    for table, column in columns():
        op.add_column(table, column)
    op.drop_index("ix_delivery_endpoint_id_state", "delivery")
    op.drop_index("ix_delivery_state_next_attempt_at", "delivery")
    op.create_index("ix_message_shipment_id_type", "message", ["shipment_id", "type"])
    op.create_index("ix_delivery_endpoint_id_id", "delivery", ["endpoint_id", "id"])
    op.create_index("ix_delivery_message_id", "delivery", ["message_id"])
    for name, where, keys in PARTIAL:
        condition = sa.text(where)
        op.create_index(name, "delivery", keys, sqlite_where=condition, postgresql_where=condition)


def downgrade() -> None:
    for name, _, _ in PARTIAL:
        op.drop_index(name, "delivery")
    op.drop_index("ix_delivery_message_id", "delivery")
    op.drop_index("ix_delivery_endpoint_id_id", "delivery")
    op.drop_index("ix_message_shipment_id_type", "message")
    op.create_index("ix_delivery_state_next_attempt_at", "delivery", ["state", "next_attempt_at"])
    op.create_index("ix_delivery_endpoint_id_state", "delivery", ["endpoint_id", "state", "next_attempt_at"])
    for table, column in reversed(columns()):
        op.drop_column(table, column.name)
