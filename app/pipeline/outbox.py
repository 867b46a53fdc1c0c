"""Writing news, and one delivery per endpoint that wants it, in the transaction that made it news."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.delivery import is_gated, wants
from app.domain.status import instant_text
from app.models.base import new_id
from app.store import deliveries, hints, webhooks
from app.store.tables import Record

LATEST_ONLY: Final = "shipment.eta_changed"
"""The one type of which only the newest matters; alerts are never superseded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """News that is not written yet; `deliver_by` (domain time) None: it never expires."""

    type: str
    data: dict[str, Any]
    severity: str | None = None
    shipment_id: str | None = None
    site_id: str | None = None
    study: str | None = None
    product_id: str | None = None
    deliver_by: datetime | None = None
    ladder: Literal["standard", "critical"] = "standard"


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
    written = [
        (
            one,
            endpoint,
            delivery_row(row["id"], endpoint.id, one, wall_at=wall_at) | _gate(endpoint, one, at=at),
        )
        for one, row in zip(messages, rows, strict=True)
        for endpoint in known
        if reaches(endpoint, one)
    ]
    latest = [row for row in rows if row["type"] == LATEST_ONLY and row["shipment_id"]]
    if latest:
        ids = {row["shipment_id"] for row in latest}
        await deliveries.supersede(connection, LATEST_ONLY, ids, newest=[row["id"] for row in latest])
    await _put_in_order(connection, [(one, row) for one, endpoint, row in written if _ordered(endpoint, one)])
    await webhooks.insert(connection, webhooks.delivery, [row for _, _, row in written])
    if written:
        await hints.give(connection)


async def _put_in_order(
    connection: AsyncConnection, ordered: Sequence[tuple[NewMessage, dict[str, Any]]]
) -> None:
    """Number the messages that some endpoint wants in the order of its shipment; all but the first wait."""
    if not ordered:
        return
    about = {row["message_id"]: str(one.shipment_id) for one, row in ordered}
    numbers = await deliveries.take_numbers(connection, Counter(about.values()))
    place = {}
    for message_id, shipment_id in about.items():
        numbers[shipment_id] += 1
        place[message_id] = numbers[shipment_id]
    busy = await deliveries.under_way(connection, set(about.values()))
    for one, row in ordered:
        pair = (row["endpoint_id"], str(one.shipment_id))
        row |= {"ordered_by": one.shipment_id, "sequence": place[row["message_id"]]}
        row["state"] = "waiting" if pair in busy else "pending"
        busy.add(pair)


def _gate(endpoint: Record, one: NewMessage, *, at: datetime) -> dict[str, Any]:
    """Return what keeps a delivery at its endpoint's gate, if anything does."""
    hours, digest_above = endpoint.quiet_hours, endpoint.digest_above_per_minute
    gated = is_gated(one.type, one.severity, hours=hours, digest_above=digest_above, at=at)
    return {"state": "gated"} if gated else {}


def _ordered(endpoint: Record, one: NewMessage) -> bool:
    return endpoint.ordering == "per_shipment" and one.shipment_id is not None


async def enqueue_for(
    connection: AsyncConnection, endpoint: Record, one: NewMessage, *, at: datetime, wall_at: datetime
) -> None:
    """Write a message for one endpoint alone, whatever it subscribes to; its gate holds it like any other."""
    await send_to(connection, endpoint, one, at=at, wall_at=wall_at, **_gate(endpoint, one, at=at))


async def send_to(
    connection: AsyncConnection,
    endpoint: Record,
    one: NewMessage,
    *,
    at: datetime,
    wall_at: datetime,
    **values: Any,
) -> dict[str, Any]:
    """Write a message for one endpoint alone, past its gate, and return the ids of message and delivery."""
    row = _row(one, endpoint.organisation_id, at=at, wall_at=wall_at) | {"endpoint_id": endpoint.id}
    delivery = delivery_row(row["id"], endpoint.id, one, wall_at=wall_at) | values
    await webhooks.insert(connection, webhooks.message, [row])
    await webhooks.insert(connection, webhooks.delivery, [delivery])
    await hints.give(connection)
    return {"delivery_id": delivery["id"], "message_id": row["id"]}


def may_reach(endpoint: Record, one: NewMessage) -> bool:
    """Say whether an endpoint's owner may see a message."""
    bounds = ((endpoint.owner_site_id, one.site_id), (endpoint.owner_study, one.study))
    return all(bound is None or bound == value for bound, value in bounds)


def reaches(endpoint: Record, one: NewMessage | Record) -> bool:
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


def delivery_row(message_id: str, endpoint_id: str, one: NewMessage, *, wall_at: datetime) -> dict[str, Any]:
    """Return a delivery that is due at once."""
    return {
        "id": new_id(),
        "message_id": message_id,
        "endpoint_id": endpoint_id,
        "state": "pending",
        "single_shot": False,
        "ladder": one.ladder,
        "attempts": 0,
        "next_attempt_at": wall_at,
        "deliver_by": one.deliver_by,
        "resume_at": None,
        "ordered_by": None,
        "sequence": None,
        "stale": False,
        "claim_id": None,
        "lease_until": None,
        "created_at": wall_at,
    }


def body_of(one: NewMessage, *, at: datetime) -> bytes:
    """Return a message's bytes, which never change afterwards."""
    return orjson.dumps({"type": one.type, "timestamp": instant_text(at), "data": one.data})


def _row(one: NewMessage, organisation_id: str, *, at: datetime, wall_at: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "organisation_id": organisation_id,
        "type": one.type,
        "severity": one.severity,
        "shipment_id": one.shipment_id,
        "site_id": one.site_id,
        "study": one.study,
        "product_id": one.product_id,
        "endpoint_id": None,
        "body": body_of(one, at=at),
        "told_at": at,
        "created_at": wall_at,
    }
