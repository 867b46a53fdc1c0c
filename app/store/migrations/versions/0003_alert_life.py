"""Alerts: who closed them, when they ended, and the indexes of their lists and wake-ups."""

import sqlalchemy as sa
from alembic import op

from app.models.base import UtcDateTime

revision = "0003"
down_revision = "0002"

IS_OPEN = sa.text("state = 'open'")
SNOOZED = sa.text("snoozed_until IS NOT NULL")


def upgrade() -> None:
    op.add_column("alert", sa.Column("acknowledged_role", sa.String(20), nullable=True))
    op.add_column("alert", sa.Column("resolved_by", sa.String(120), nullable=True))
    op.add_column("alert", sa.Column("ended_at", UtcDateTime(), nullable=True))
    op.add_column(
        "alert", sa.Column("closed_while_true", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.drop_index("ix_alert_organisation_id_id", table_name="alert")
    op.create_index("ix_alert_organisation_id_raised_at", "alert", ["organisation_id", "raised_at", "id"])
    for name, column in (("ix_alert_open_raised_at", "raised_at"), ("ix_alert_open_act_by", "act_by")):
        op.create_index(
            name,
            "alert",
            ["organisation_id", column, "id"],
            sqlite_where=IS_OPEN,
            postgresql_where=IS_OPEN,
        )
    op.create_index(
        "ix_alert_snoozed_until", "alert", ["snoozed_until"], sqlite_where=SNOOZED, postgresql_where=SNOOZED
    )


def downgrade() -> None:
    op.drop_index("ix_alert_snoozed_until", table_name="alert")
    op.drop_index("ix_alert_open_act_by", table_name="alert")
    op.drop_index("ix_alert_open_raised_at", table_name="alert")
    op.drop_index("ix_alert_organisation_id_raised_at", table_name="alert")
    op.create_index("ix_alert_organisation_id_id", "alert", ["organisation_id", "id"])
    for column in ("closed_while_true", "ended_at", "resolved_by", "acknowledged_role"):
        op.drop_column("alert", column)
