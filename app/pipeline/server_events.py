"""Events that the service itself records: a plan was changed, a shipment was cancelled."""

from datetime import datetime
from typing import Any

from app.domain.access import Caller
from app.domain.observation import ServerEventType
from app.models.base import new_id

SOURCE = "dosetrail"


def server_event(
    caller: Caller,
    type_: ServerEventType,
    shipment_id: str,
    *,
    reason: str,
    at: datetime,
    details: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the row of an event that occurs, and is heard, at `at`."""
    id_ = new_id()
    return {
        "id": id_,
        "organisation_id": caller.organisation_id,
        "shipment_id": shipment_id,
        "lot": None,
        "source": SOURCE,
        "event_id": id_,
        "digest": "",
        "type": type_,
        "occurred_at": at,
        "occurred_text": at.isoformat(),
        "sent_at": None,
        "effective_at": at,
        "received_at": at,
        "clock_suspect": False,
        "late": False,
        "placed": True,
        "leg": None,
        "dose": None,
        "carrier": None,
        "location": None,
        "reason": reason,
        "details": details or {},
        "actor": caller.key_id,
    }
