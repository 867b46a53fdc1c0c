"""Readings in hourly buckets: a row for each series, a row for each of its hours, no row for a single reading."""

import sqlalchemy as sa
from alembic import op

from app.models.base import IdType, UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.drop_table("reading")
    op.create_table(
        "reading_series",
        sa.Column("id", IdType, nullable=False),
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("sensor", sa.String(32), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=True),
        sa.Column("last_c", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_reading_series"),
        sa.UniqueConstraint(
            "organisation_id",
            "device_id",
            "sensor",
            name="uq_reading_series_organisation_id_device_id_sensor",
        ),
    )
    op.create_table(
        "reading_bucket",
        sa.Column(
            "series_id",
            IdType,
            sa.ForeignKey("reading_series.id", name="fk_reading_bucket_series_id_reading_series"),
            nullable=False,
        ),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("measured", sa.Integer(), nullable=False),
        sa.Column("min_c", sa.Float(), nullable=True),
        sa.Column("max_c", sa.Float(), nullable=True),
        sa.Column("sum_c", sa.Float(), nullable=True),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("series_id", "at", name="pk_reading_bucket"),
    )


def downgrade() -> None:
    op.drop_table("reading_bucket")
    op.drop_table("reading_series")
    op.create_table(
        "reading",
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("sensor", sa.String(32), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("temperature_c", sa.Float(), nullable=True),
        sa.Column("humidity_pct", sa.Float(), nullable=True),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("shock_g", sa.Float(), nullable=True),
        sa.Column("tilt_deg", sa.Float(), nullable=True),
        sa.Column("light_lux", sa.Float(), nullable=True),
        sa.Column("battery_pct", sa.Float(), nullable=True),
        sa.Column("dose_rate_usv_h", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("organisation_id", "device_id", "sensor", "at", name="pk_reading"),
    )
