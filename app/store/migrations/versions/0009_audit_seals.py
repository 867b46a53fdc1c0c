"""The audit's seals; answers kept for repeated POSTs; what each key has spent of its rate."""

import sqlalchemy as sa
from alembic import op

from app.models.base import IdType, UtcDateTime

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "audit_seal",
        sa.Column("sequence", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("sealed_at", UtcDateTime(), nullable=False),
        sa.Column("last_entry_id", IdType, nullable=False),
        sa.Column("entries", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit_seal"),
    )
    op.create_index("ix_audit_entry_organisation_id_id", "audit_entry", ["organisation_id", "id"])
    op.create_table(
        "kept_answer",
        sa.Column("key_id", IdType, nullable=False),
        sa.Column("path", sa.String(200), nullable=False),
        sa.Column("idempotency_key", sa.String(255), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("location", sa.String(200), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key_id", "path", "idempotency_key", name="pk_kept_answer"),
    )
    op.create_index("ix_kept_answer_created_at", "kept_answer", ["created_at"])
    op.create_table(
        "rate_bucket",
        sa.Column("key_id", IdType, nullable=False),
        sa.Column("spent_until_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_rate_bucket"),
    )
    op.add_column("api_key", sa.Column("rate_limit_per_minute", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("api_key", "rate_limit_per_minute")
    op.drop_table("rate_bucket")
    op.drop_table("kept_answer")
    op.drop_index("ix_audit_entry_organisation_id_id", table_name="audit_entry")
    op.drop_table("audit_seal")
