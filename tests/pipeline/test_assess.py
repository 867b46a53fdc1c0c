"""The assessor: many shipments at once, and never in the way of those who ask."""

import asyncio
import threading
from typing import Any

import pytest
import sqlalchemy as sa

from app.domain.assessment import assessing
from app.store.tables import shipment, shipment_view
from tests.support.api import Api


async def test_requests_are_answered_while_shipments_are_judged(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.ship()
    begun, let = threading.Event(), threading.Event()

    def slow(*given: Any, **named: Any) -> Any:
        begun.set()
        assert let.wait(timeout=30)
        return assessing(*given, **named)

    monkeypatch.setattr("app.pipeline.assess.assessing", slow)
    under_way = asyncio.create_task(api.assess())
    await asyncio.to_thread(begun.wait, 30)

    answer = await api.get("/healthz")
    still_judging = not under_way.done()
    let.set()
    await under_way

    assert (answer.status_code, still_judging) == (200, True)


async def test_each_of_a_batch_gets_its_own_view_and_listed_columns_again_and_again(api: Api) -> None:
    ids = {(await api.ship(reference=name))["id"] for name in ("A", "B", "C")}

    for _ in range(2):
        await api.assess()
        api.clock.advance(hours=10)
    await api.assess()

    async with api.house.db.reading() as connection:
        views = {row.shipment_id: row for row in await connection.execute(sa.select(shipment_view))}
        listed = {row.id: row for row in await connection.execute(sa.select(shipment))}
    assert views.keys() == listed.keys() == ids
    assert all(view.view["document"]["shipment_id"] == id_ for id_, view in views.items())
    assert {listed[id_].reference: views[id_].view["document"]["reference"] for id_ in ids} == {
        name: name for name in ("A", "B", "C")
    }
    assert all(one.eta_p50_at is not None and one.worst_severity == "critical" for one in listed.values())
