"""The spine: organisations and keys, reference data, shipments, events, readings, alerts, audit."""

import sqlalchemy as sa
from alembic import op

from app.models.base import IdType, JsonType, UtcDateTime

revision = "0001"
down_revision = None

TABLES = (
    "audit_entry",
    "clock_anchor",
    "organisation",
    "reading",
    "api_key",
    "product",
    "site",
    "shipment",
    "alert",
    "event",
    "shipment_due",
    "shipment_plan",
    "shipment_tag",
    "shipment_view",
    "alert_history",
)


def upgrade() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", IdType, nullable=False),
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.String(120), nullable=False),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("object_kind", sa.String(30), nullable=False),
        sa.Column("object_id", sa.String(120), nullable=False),
        sa.Column("old", JsonType, nullable=True),
        sa.Column("new", JsonType, nullable=True),
        sa.Column("reason", sa.String(500), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entry"),
    )
    op.create_index(
        "ix_audit_entry_organisation_id_object_id", "audit_entry", ["organisation_id", "object_id", "id"]
    )
    op.create_table(
        "clock_anchor",
        sa.Column("setting", sa.String(80), nullable=False),
        sa.Column("wall_at", UtcDateTime(), nullable=False),
        sa.Column("domain_at", UtcDateTime(), nullable=False),
        sa.Column("rate", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("setting", name="pk_clock_anchor"),
    )
    op.create_table(
        "organisation",
        sa.Column("id", IdType, nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organisation"),
        sa.UniqueConstraint("name", name="uq_organisation_name"),
    )
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
    op.create_table(
        "api_key",
        sa.Column("id", IdType, nullable=False),
        sa.Column(
            "organisation_id",
            IdType,
            sa.ForeignKey("organisation.id", name="fk_api_key_organisation_id_organisation"),
            nullable=False,
        ),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("source", sa.String(120), nullable=False),
        sa.Column("site_id", IdType, nullable=True),
        sa.Column("carrier", sa.String(120), nullable=True),
        sa.Column("study", sa.String(120), nullable=True),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("hash", name="uq_api_key_hash"),
    )
    op.create_index("ix_api_key_organisation_id_id", "api_key", ["organisation_id", "id"])
    op.create_table(
        "product",
        sa.Column("id", IdType, nullable=False),
        sa.Column(
            "organisation_id",
            IdType,
            sa.ForeignKey("organisation.id", name="fk_product_organisation_id_organisation"),
            nullable=False,
        ),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("fields", JsonType, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_product"),
    )
    op.create_index("ix_product_organisation_id_id", "product", ["organisation_id", "id"])
    op.create_table(
        "site",
        sa.Column("id", IdType, nullable=False),
        sa.Column(
            "organisation_id",
            IdType,
            sa.ForeignKey("organisation.id", name="fk_site_organisation_id_organisation"),
            nullable=False,
        ),
        sa.Column("code", sa.String(120), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("handling_minutes", sa.Float(), nullable=False),
        sa.Column("receiving_hours", JsonType, nullable=False),
        sa.Column("contacts", JsonType, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_site"),
        sa.UniqueConstraint("organisation_id", "code", name="uq_site_organisation_id_code"),
    )
    op.create_index("ix_site_organisation_id_id", "site", ["organisation_id", "id"])
    op.create_table(
        "shipment",
        sa.Column("id", IdType, nullable=False),
        sa.Column(
            "organisation_id",
            IdType,
            sa.ForeignKey("organisation.id", name="fk_shipment_organisation_id_organisation"),
            nullable=False,
        ),
        sa.Column("reference", sa.String(120), nullable=False),
        sa.Column("study", sa.String(120), nullable=True),
        sa.Column("consignment", sa.String(120), nullable=True),
        sa.Column(
            "product_id",
            IdType,
            sa.ForeignKey("product.id", name="fk_shipment_product_id_product"),
            nullable=False,
        ),
        sa.Column(
            "site_id", IdType, sa.ForeignKey("site.id", name="fk_shipment_site_id_site"), nullable=False
        ),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("baseline_at", UtcDateTime(), nullable=False),
        sa.Column("first_instant_at", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("eta_p50_at", UtcDateTime(), nullable=True),
        sa.Column("slack_p50_minutes", sa.Float(), nullable=True),
        sa.Column("late_probability", sa.Float(), nullable=True),
        sa.Column("worst_severity", sa.String(10), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_shipment"),
        sa.UniqueConstraint("organisation_id", "reference", name="uq_shipment_organisation_id_reference"),
    )
    op.create_index("ix_shipment_organisation_id_id", "shipment", ["organisation_id", "id"])
    op.create_index("ix_shipment_site_id_id", "shipment", ["site_id", "id"])
    op.create_table(
        "alert",
        sa.Column("id", IdType, nullable=False),
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column(
            "shipment_id",
            IdType,
            sa.ForeignKey("shipment.id", name="fk_alert_shipment_id_shipment"),
            nullable=False,
        ),
        sa.Column("subject", sa.String(160), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("severity", sa.String(10), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("raised_at", UtcDateTime(), nullable=False),
        sa.Column("act_by", UtcDateTime(), nullable=True),
        sa.Column("cause", JsonType, nullable=False),
        sa.Column("what_would_help", JsonType, nullable=False),
        sa.Column("acknowledged_at", UtcDateTime(), nullable=True),
        sa.Column("acknowledged_by", sa.String(120), nullable=True),
        sa.Column("assigned_to", sa.String(120), nullable=True),
        sa.Column("snoozed_until", UtcDateTime(), nullable=True),
        sa.Column("resolved_at", UtcDateTime(), nullable=True),
        sa.Column("detected_late", sa.Boolean(), nullable=False),
        sa.Column("summary", sa.String(2000), nullable=False),
        sa.Column("evidence", JsonType, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
    )
    op.create_index("ix_alert_organisation_id_id", "alert", ["organisation_id", "id"])
    op.create_index("ix_alert_shipment_id", "alert", ["shipment_id"])
    op.create_index(
        "uq_alert_open",
        "alert",
        ["shipment_id", "subject", "kind"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "event",
        sa.Column("id", IdType, nullable=False),
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column(
            "shipment_id",
            IdType,
            sa.ForeignKey("shipment.id", name="fk_event_shipment_id_shipment"),
            nullable=True,
        ),
        sa.Column("lot", sa.String(120), nullable=True),
        sa.Column("source", sa.String(120), nullable=False),
        sa.Column("event_id", sa.String(120), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("type", sa.String(30), nullable=False),
        sa.Column("occurred_at", UtcDateTime(), nullable=False),
        sa.Column("occurred_text", sa.String(64), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("effective_at", UtcDateTime(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("clock_suspect", sa.Boolean(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("placed", sa.Boolean(), nullable=False),
        sa.Column("leg", sa.Integer(), nullable=True),
        sa.Column("dose", sa.String(120), nullable=True),
        sa.Column("carrier", sa.String(120), nullable=True),
        sa.Column("location", JsonType, nullable=True),
        sa.Column("reason", sa.String(500), nullable=True),
        sa.Column("details", JsonType, nullable=False),
        sa.Column("actor", IdType, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.UniqueConstraint(
            "organisation_id", "source", "event_id", name="uq_event_organisation_id_source_event_id"
        ),
    )
    op.create_index("ix_event_organisation_id_lot", "event", ["organisation_id", "lot"])
    op.create_index("ix_event_shipment_id_id", "event", ["shipment_id", "id"])
    op.create_table(
        "shipment_due",
        sa.Column(
            "shipment_id",
            IdType,
            sa.ForeignKey("shipment.id", name="fk_shipment_due_shipment_id_shipment"),
            nullable=False,
        ),
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("assess_at", UtcDateTime(), nullable=True),
        sa.Column("urgent_at", UtcDateTime(), nullable=True),
        sa.Column("latest_event_at", UtcDateTime(), nullable=True),
        sa.Column("claim_id", IdType, nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("shipment_id", name="pk_shipment_due"),
    )
    op.create_index("ix_shipment_due_assess_at", "shipment_due", ["assess_at", "urgent_at", "shipment_id"])
    op.create_table(
        "shipment_plan",
        sa.Column(
            "shipment_id",
            IdType,
            sa.ForeignKey("shipment.id", name="fk_shipment_plan_shipment_id_shipment"),
            nullable=False,
        ),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column("known_from", UtcDateTime(), nullable=False),
        sa.Column("plan", JsonType, nullable=False),
        sa.PrimaryKeyConstraint("shipment_id", "plan_version", name="pk_shipment_plan"),
    )
    op.create_table(
        "shipment_tag",
        sa.Column("organisation_id", IdType, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("value", sa.String(120), nullable=False),
        sa.Column(
            "shipment_id",
            IdType,
            sa.ForeignKey("shipment.id", name="fk_shipment_tag_shipment_id_shipment"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("organisation_id", "kind", "value", "shipment_id", name="pk_shipment_tag"),
    )
    op.create_index("ix_shipment_tag_shipment_id", "shipment_tag", ["shipment_id"])
    op.create_table(
        "shipment_view",
        sa.Column(
            "shipment_id",
            IdType,
            sa.ForeignKey("shipment.id", name="fk_shipment_view_shipment_id_shipment"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("assessed_at", UtcDateTime(), nullable=False),
        sa.Column("valid_until", UtcDateTime(), nullable=True),
        sa.Column("lanes_version", sa.String(60), nullable=True),
        sa.Column("view", JsonType, nullable=False),
        sa.PrimaryKeyConstraint("shipment_id", name="pk_shipment_view"),
    )
    op.create_table(
        "alert_history",
        sa.Column("id", IdType, nullable=False),
        sa.Column(
            "alert_id",
            IdType,
            sa.ForeignKey("alert.id", name="fk_alert_history_alert_id_alert"),
            nullable=False,
        ),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("change", sa.String(20), nullable=False),
        sa.Column("severity", sa.String(10), nullable=False),
        sa.Column("actor", sa.String(120), nullable=True),
        sa.Column("comment", sa.String(500), nullable=True),
        sa.Column("evidence", JsonType, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert_history"),
    )
    op.create_index("ix_alert_history_alert_id_id", "alert_history", ["alert_id", "id"])


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
