"""Legs told before their end, and the day's signals as a kind of published set."""

import sqlalchemy as sa
from alembic import op

from app.models.base import IdType, UtcDateTime

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "lane_signal",
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column("identity", sa.String(32), nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("content", sa.String(16), nullable=False),
        sa.Column("mode", sa.String(8), nullable=False),
        sa.Column("carrier", sa.String(120), nullable=False),
        sa.Column("service", sa.String(120), nullable=True),
        sa.Column("origin", sa.String(120), nullable=False),
        sa.Column("destination", sa.String(120), nullable=False),
        sa.Column("planned_departure_at", UtcDateTime(), nullable=False),
        sa.Column("departed_at", UtcDateTime(), nullable=True),
        sa.Column("planned_arrival_at", UtcDateTime(), nullable=False),
        sa.Column("arrived_at", UtcDateTime(), nullable=True),
        sa.Column("ours", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "identity", "outcome", name="pk_lane_signal"),
    )
    op.create_index(
        "ix_lane_signal_organisation_id_planned_departure_at",
        "lane_signal",
        ["organisation_id", "planned_departure_at"],
    )
    op.create_index("ix_lane_signal_planned_arrival_at", "lane_signal", ["planned_arrival_at"])
    op.add_column("lane_statistics", sa.Column("kind", sa.String(8), nullable=False, server_default="whole"))
    op.execute("UPDATE lane_statistics SET kind = 'short' WHERE base <> number")
    op.create_index(
        "ix_lane_statistics_organisation_id_published_at",
        "lane_statistics",
        ["organisation_id", "published_at", "number"],
    )
    op.create_index(
        "ix_lane_statistics_organisation_id_kind_number",
        "lane_statistics",
        ["organisation_id", "kind", "number"],
    )


def downgrade() -> None:
    op.drop_index("ix_lane_statistics_organisation_id_kind_number", table_name="lane_statistics")
    op.drop_index("ix_lane_statistics_organisation_id_published_at", table_name="lane_statistics")
    op.execute("DELETE FROM lane_statistics WHERE kind = 'day'")
    op.drop_column("lane_statistics", "kind")
    op.drop_index("ix_lane_signal_planned_arrival_at", table_name="lane_signal")
    op.drop_index("ix_lane_signal_organisation_id_planned_departure_at", table_name="lane_signal")
    op.drop_table("lane_signal")
