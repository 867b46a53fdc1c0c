"""What a message's frozen bytes are sent in. Each envelope is a function of those bytes alone: repeats are equal."""

from typing import Any

import orjson

from app.store.tables import Record


def wrap(one: Record) -> tuple[bytes, str]:
    """Return the body of a delivery and its content type, in the envelope that its endpoint wants."""
    if one.envelope == "standard":
        return bytes(one.body), "application/json"
    document = cloud_event(
        bytes(one.body), id_=one.message_id, organisation_id=one.organisation_id, subject=one.shipment_id
    )
    return orjson.dumps(document), "application/cloudevents+json"


def cloud_event(body: bytes, *, id_: str, organisation_id: str, subject: str | None) -> dict[str, Any]:
    """Return a message as a CloudEvents 1.0 document in structured mode; its subject is the shipment, if it has one.

    Source: CloudEvents 1.0.2, JSON event format.
    """
    told = orjson.loads(body)
    event = {
        "specversion": "1.0",
        "id": id_,
        "source": f"/dosetrail/organisations/{organisation_id}",
        "type": f"dosetrail.{told['type']}",
        "time": told["timestamp"],
        "datacontenttype": "application/json",
        "data": told["data"],
    }
    return event | ({"subject": subject} if subject else {})
