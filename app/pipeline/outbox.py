"""Writing news, and one delivery per endpoint that wants it, in the transaction that made it news."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.delivery import wants
from app.domain.status import instant_text
from app.models.base import new_id
from app.store import webhooks
from app.store.tables import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """News that is not written yet; `deliver_by` (domain time) None: it never expires."""

    type: str
    data: dict[str, Any]
    severity: str | None
    shipment_id: str | None
    site_id: str | None
    study: str | None
    product_id: str | None
    deliver_by: datetime | None
    ladder: Literal["standard", "critical"]


async def enqueue(
    connection: AsyncConnection,
    *,
    organisation_id: str,
    messages: Sequence[NewMessage],
    at: datetime,
    wall_at: datetime,
) -> None:
    """Write the messages, their bytes frozen, and their deliveries."""
    if not messages:
        return
    known = await webhooks.endpoints(connection, organisation_id)
    rows = [_row(one, organisation_id, at=at, wall_at=wall_at) for one in messages]
    await webhooks.insert(connection, webhooks.message, rows)
    deliveries = [
        delivery_row(row["id"], endpoint.id, ladder=one.ladder, deliver_by=one.deliver_by, wall_at=wall_at)
        for one, row in zip(messages, rows, strict=True)
        for endpoint in known
        if reaches(endpoint, one)
    ]
    await webhooks.insert(connection, webhooks.delivery, deliveries)


async def send_once(
    connection: AsyncConnection, endpoint: Record, one: NewMessage, *, at: datetime, wall_at: datetime
) -> dict[str, Any]:
    """Write a message for one endpoint alone, whatever it subscribes to; a single attempt is made."""
    row = _row(one, endpoint.organisation_id, at=at, wall_at=wall_at)
    await webhooks.insert(connection, webhooks.message, [row])
    delivery = delivery_row(
        row["id"], endpoint.id, ladder=one.ladder, deliver_by=None, wall_at=wall_at, single_shot=True
    )
    await webhooks.insert(connection, webhooks.delivery, [delivery])
    return {"delivery_id": delivery["id"], "message_id": row["id"]}


def reaches(endpoint: Record, one: NewMessage) -> bool:
    """Say whether a message is for an endpoint: by its filters, and by what its owner may see."""
    wanted = wants(endpoint.event_types, one.type, min_severity=endpoint.min_severity, severity=one.severity)
    bounds = (
        (endpoint.site_id, one.site_id),
        (endpoint.owner_site_id, one.site_id),
        (endpoint.study, one.study),
        (endpoint.owner_study, one.study),
        (endpoint.product_id, one.product_id),
    )
    return wanted and all(bound is None or bound == value for bound, value in bounds)


def delivery_row(
    message_id: str,
    endpoint_id: str,
    *,
    ladder: str,
    deliver_by: datetime | None,
    wall_at: datetime,
    single_shot: bool = False,
) -> dict[str, Any]:
    """Return a delivery that is due at once."""
    return {
        "id": new_id(),
        "message_id": message_id,
        "endpoint_id": endpoint_id,
        "state": "pending",
        "single_shot": single_shot,
        "ladder": ladder,
        "attempts": 0,
        "next_attempt_at": wall_at,
        "deliver_by": deliver_by,
        "claim_id": None,
        "lease_until": None,
        "created_at": wall_at,
    }


def _row(one: NewMessage, organisation_id: str, *, at: datetime, wall_at: datetime) -> dict[str, Any]:
    body = orjson.dumps({"type": one.type, "timestamp": instant_text(at), "data": one.data})
    return {
        "id": new_id(),
        "organisation_id": organisation_id,
        "type": one.type,
        "shipment_id": one.shipment_id,
        "site_id": one.site_id,
        "study": one.study,
        "body": body,
        "created_at": wall_at,
    }
