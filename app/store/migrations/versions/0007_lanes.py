"""Lanes: legs and dwells that have ended, and the numbered statistics learned from them."""

import sqlalchemy as sa
from alembic import op

from app.models.base import IdType, UtcDateTime

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "lane_leg",
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column("identity", sa.String(32), nullable=False),
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
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "identity", name="pk_lane_leg"),
    )
    op.create_index(
        "ix_lane_leg_organisation_id_planned_departure_at",
        "lane_leg",
        ["organisation_id", "planned_departure_at"],
    )
    op.create_table(
        "lane_dwell",
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column("shipment_id", IdType, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("leg", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(120), nullable=False),
        sa.Column("mode", sa.String(8), nullable=False),
        sa.Column("minutes", sa.Float(), nullable=False),
        sa.Column("at_most", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "shipment_id", "kind", "leg", name="pk_lane_dwell"),
    )
    op.create_table(
        "lane_statistics",
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("published_at", UtcDateTime(), nullable=False),
        sa.Column("legs", sa.Integer(), nullable=False),
        sa.Column("dwells", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "number", name="pk_lane_statistics"),
    )


def downgrade() -> None:
    op.drop_table("lane_statistics")
    op.drop_table("lane_dwell")
    op.drop_index("ix_lane_leg_organisation_id_planned_departure_at", table_name="lane_leg")
    op.drop_table("lane_leg")
