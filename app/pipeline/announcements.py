"""What the world is told: alerts and states, as the contract writes them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from app.domain.escalation import EscalationPolicy, EscalationStep
from app.domain.status import instant_text
from app.models.alert import AlertRead
from app.pipeline.outbox import NewMessage

STILL_NEWS: Final = timedelta(hours=24)
QUALITY: Final = frozenset({"temperature_excursion", "do_not_administer", "delivered_unusable"})
"""Alerts about what a dose has become: they stay true after its window, so they never expire."""


def alert_body(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return an alert as the contract has it, JSON-ready; `row` also holds its shipment's `reference`."""
    fields = {name: row[name] for name in AlertRead.model_fields if name != "status_when_raised"}
    return AlertRead(status_when_raised=_status_path(row), **fields).model_dump(mode="json")


def _status_path(row: Mapping[Any, Any]) -> str:
    """Return where the status is told as it was known when the alert was raised, to the microsecond."""
    raised_at = row["raised_at"].isoformat().replace("+00:00", "Z")
    return f"/v1/shipments/{row['shipment_id']}/status?at={raised_at}&known_at={raised_at}"


def alert_message(
    change: str, row: Mapping[str, Any], *, at: datetime, usable_until: datetime | None
) -> NewMessage:
    """Return the news of an alert's change; `row` also holds its shipment's reference, state and bindings."""
    urgent = row["severity"] in {"warning", "critical"}
    expires = urgent and row["kind"] not in QUALITY
    data = alert_body(row) | {
        "shipment": {"id": row["shipment_id"], "reference": row["reference"], "state": row["shipment_state"]}
    }
    return NewMessage(
        type=f"alert.{change}",
        data=data,
        severity=row["severity"],
        shipment_id=row["shipment_id"],
        site_id=row["site_id"],
        study=row["study"],
        product_id=row["product_id"],
        deliver_by=max(at + STILL_NEWS, usable_until or at) if expires else None,
        ladder="critical" if urgent else "standard",
    )


def unanswered_message(
    row: Mapping[str, Any], policy: EscalationPolicy, step: EscalationStep, *, at: datetime
) -> NewMessage:
    """Return the news that nobody has acknowledged an alert in the minutes of a policy's step."""
    news = alert_message("unacknowledged", row, at=at, usable_until=None)
    escalation = {
        "policy_id": policy.id,
        "policy": policy.name,
        "step": step.number,
        "after_minutes": step.after_minutes,
    }
    return replace(news, data=news.data | {"escalation": escalation})


def state_message(
    type_: str, row: Mapping[str, Any], *, state: str, previous: str, at: datetime
) -> NewMessage:
    """Return the news that a shipment has come to another state."""
    data = {
        "shipment": {"id": row["shipment_id"], "reference": row["reference"], "state": state},
        "previous_state": previous,
        "at": instant_text(at),
    }
    return NewMessage(
        type=type_,
        data=data,
        shipment_id=row["shipment_id"],
        site_id=row["site_id"],
        study=row["study"],
        product_id=row["product_id"],
    )
