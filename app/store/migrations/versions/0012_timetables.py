"""Weekly timetables of lanes."""

import sqlalchemy as sa
from alembic import op

from app.models.base import IdType, JsonType, UtcDateTime

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "lane_timetable",
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column("mode", sa.String(8), nullable=False),
        sa.Column("origin", sa.String(120), nullable=False),
        sa.Column("destination", sa.String(120), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("services", JsonType, nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint(
            "organisation_id", "mode", "origin", "destination", "version", name="pk_lane_timetable"
        ),
    )
    op.add_column(
        "lane_statistics", sa.Column("timetables", sa.Integer(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    op.drop_column("lane_statistics", "timetables")
    op.drop_table("lane_timetable")
