"""Forecasts kept with their outcomes."""

import sqlalchemy as sa
from alembic import op

from app.models.base import IdType, UtcDateTime

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "kept_forecast",
        sa.Column("shipment_id", IdType, nullable=False),
        sa.Column("horizon", sa.String(20), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("legs", sa.Integer(), nullable=False),
        sa.Column("p10_at", UtcDateTime(), nullable=True),
        sa.Column("p50_at", UtcDateTime(), nullable=True),
        sa.Column("p90_at", UtcDateTime(), nullable=True),
        sa.Column("late_probability", sa.Float(), nullable=True),
        sa.Column("latest_at", UtcDateTime(), nullable=True),
        sa.Column("lanes_version", sa.String(60), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("arrived_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("shipment_id", "horizon", "number", name="pk_kept_forecast"),
    )
    op.create_index(
        "ix_kept_forecast_organisation_id_settled",
        "kept_forecast",
        ["organisation_id", "settled", "asked_at"],
    )


def downgrade() -> None:
    op.drop_index("ix_kept_forecast_organisation_id_settled", table_name="kept_forecast")
    op.drop_table("kept_forecast")
