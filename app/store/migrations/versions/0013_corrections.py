"""Ranks of the outcomes of kept forecasts, and the corrections learned from them."""

import sqlalchemy as sa
from alembic import op

from app.models.base import UtcDateTime

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("kept_forecast", sa.Column("raw_minutes", sa.LargeBinary(), nullable=True))
    op.add_column("kept_forecast", sa.Column("rank", sa.Float(), nullable=True))
    op.add_column("kept_forecast", sa.Column("settled_at", UtcDateTime(), nullable=True))
    op.add_column("lane_statistics", sa.Column("correction", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("lane_statistics", "correction")
    op.drop_column("kept_forecast", "settled_at")
    op.drop_column("kept_forecast", "rank")
    op.drop_column("kept_forecast", "raw_minutes")
