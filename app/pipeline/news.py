"""What assessments change in what the world was told: ETA, verdicts, quality."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.announcing import News, Told, news_of
from app.domain.assessment import Assessment
from app.pipeline.outbox import NewMessage
from app.store import told as store
from app.store.shipments import Brief

_TOLD: Final[TypeAdapter[Told]] = TypeAdapter(Told)


async def changes(
    connection: AsyncConnection, judged: Mapping[str, tuple[Brief, Assessment]]
) -> dict[str, list[NewMessage]]:
    """Return what is news about each shipment, and note that it is told in this transaction."""
    before = await store.read(connection, judged)
    messages: dict[str, list[NewMessage]] = {}
    after: dict[str, dict[str, Any]] = {}
    for shipment_id, (brief, assessment) in judged.items():
        stored = before.get(shipment_id)
        told = None if stored is None else _TOLD.validate_python(stored)
        news, known = news_of(told, assessment)
        messages[shipment_id] = [message_of(one, _bindings(brief, assessment)) for one in news]
        if known != told:
            after[shipment_id] = _TOLD.dump_python(known, mode="json")
    await store.store(connection, after)
    return messages


def message_of(one: News, bindings: Mapping[str, Any]) -> NewMessage:
    """Return the message; news about quality is urgent and never expires."""
    names = {"id": "shipment_id", "reference": "reference", "state": "shipment_state"}
    return NewMessage(
        type=one.type,
        data={"shipment": {name: bindings[source] for name, source in names.items()}} | one.data,
        shipment_id=bindings["shipment_id"],
        site_id=bindings["site_id"],
        study=bindings["study"],
        product_id=bindings["product_id"],
        ladder="critical" if one.type == "dose.quality_changed" else "standard",
    )


def _bindings(brief: Brief, assessment: Assessment) -> dict[str, Any]:
    return {
        "shipment_id": brief.id,
        "reference": brief.reference,
        "shipment_state": assessment.journey.state,
        "site_id": brief.site_id,
        "study": brief.study,
        "product_id": brief.product_id,
    }
