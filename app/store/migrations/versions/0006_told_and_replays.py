"""What the world was told about each shipment, replays, and messages that can be found by their time."""

import sqlalchemy as sa
from alembic import op

from app.models.base import IdType, JsonType, UtcDateTime

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "shipment_told",
        sa.Column(
            "shipment_id",
            IdType,
            sa.ForeignKey("shipment.id", name="fk_shipment_told_shipment_id_shipment"),
            nullable=False,
        ),
        sa.Column("told", JsonType, nullable=False),
        sa.PrimaryKeyConstraint("shipment_id", name="pk_shipment_told"),
    )
    op.create_table(
        "webhook_replay",
        sa.Column("id", IdType, nullable=False),
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column(
            "endpoint_id",
            IdType,
            sa.ForeignKey("webhook_endpoint.id", name="fk_webhook_replay_endpoint_id_webhook_endpoint"),
            nullable=False,
        ),
        sa.Column("from_at", UtcDateTime(), nullable=False),
        sa.Column("until_at", UtcDateTime(), nullable=False),
        sa.Column("only", sa.String(10), nullable=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("after_at", UtcDateTime(), nullable=True),
        sa.Column("after_id", IdType, nullable=True),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_replay"),
    )
    op.create_index("ix_webhook_replay_endpoint_id_id", "webhook_replay", ["endpoint_id", "id"])
    running = sa.text("state = 'running'")
    op.create_index(
        "ix_webhook_replay_running", "webhook_replay", ["id"], sqlite_where=running, postgresql_where=running
    )
    op.add_column("message", sa.Column("endpoint_id", IdType, nullable=True))
    with op.batch_alter_table("message") as table:
        table.add_column(sa.Column("told_at", UtcDateTime(), nullable=True))
    op.execute("UPDATE message SET told_at = created_at")
    with op.batch_alter_table("message") as table:
        table.alter_column("told_at", existing_type=UtcDateTime(), nullable=False)
    op.create_index("ix_message_organisation_id_told_at", "message", ["organisation_id", "told_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_message_organisation_id_told_at", "message")
    op.drop_column("message", "told_at")
    op.drop_column("message", "endpoint_id")
    op.drop_table("webhook_replay")
    op.drop_table("shipment_told")
