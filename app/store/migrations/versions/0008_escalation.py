"""Escalation: policies, and their steps that wait for an alert."""

import sqlalchemy as sa
from alembic import op

from app.models.base import IdType, JsonType, UtcDateTime

revision = "0008"
down_revision = "0007"

WAITING = sa.text("told_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "escalation_policy",
        sa.Column("id", IdType, nullable=False),
        sa.Column(
            "organisation_id",
            IdType,
            sa.ForeignKey("organisation.id", name="fk_escalation_policy_organisation_id_organisation"),
            nullable=False,
        ),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("min_severity", sa.String(10), nullable=False),
        sa.Column("kinds", JsonType, nullable=True),
        sa.Column("site_id", IdType, nullable=True),
        sa.Column("study", sa.String(120), nullable=True),
        sa.Column("steps", JsonType, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_escalation_policy"),
    )
    op.create_index("ix_escalation_policy_organisation_id_id", "escalation_policy", ["organisation_id", "id"])
    op.create_table(
        "escalation",
        sa.Column(
            "alert_id",
            IdType,
            sa.ForeignKey("alert.id", name="fk_escalation_alert_id_alert"),
            nullable=False,
        ),
        sa.Column(
            "policy_id",
            IdType,
            sa.ForeignKey("escalation_policy.id", name="fk_escalation_policy_id_escalation_policy"),
            nullable=False,
        ),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("alert_id", "policy_id", "step", name="pk_escalation"),
    )
    op.create_index(
        "ix_escalation_due_at", "escalation", ["due_at"], sqlite_where=WAITING, postgresql_where=WAITING
    )
    op.create_index("ix_escalation_policy_id", "escalation", ["policy_id"])


def downgrade() -> None:
    op.drop_table("escalation")
    op.drop_table("escalation_policy")
