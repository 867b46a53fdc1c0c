"""What makes alerts fire: the house's thresholds, a product's, and with a reason one shipment's own."""

from typing import Any

import pytest
import sqlalchemy as sa

from app.store.tables import audit_entry
from tests.support.alerts import listed
from tests.support.api import Api, product_body

SHY = {"hold.customs_hours": 1.0}


async def set_own(api: Api, shipment: dict[str, Any], thresholds: Any, **kwargs: Any) -> Any:
    body = {"reason": "last dose of the cohort", "thresholds": thresholds}
    path = f"/v1/shipments/{shipment['id']}/thresholds"
    return await api.client.put(path, json=body, headers=kwargs.get("headers", api.admin))


async def two_hours_in_customs(api: Api, shipment: dict[str, Any]) -> list[dict[str, Any]]:
    await api.scan(shipment, "customs_entered", leg=2)
    api.clock.advance(hours=2)
    await api.assess()
    return await listed(api, kind="hold", state="open")


async def test_a_shipments_own_threshold_counts_over_the_products(api: Api) -> None:
    shipment = await api.ship()
    before = await two_hours_in_customs(api, shipment)

    first = await set_own(api, shipment, SHY)
    again = await set_own(api, shipment, SHY)
    await api.assess()
    raised = await listed(api, kind="hold", state="open")
    await set_own(api, shipment, {})
    await api.assess()

    async with api.house.db.reading() as connection:
        query = sa.select(audit_entry).where(audit_entry.c.action == "set_thresholds")
        audited = (await connection.execute(query.order_by(audit_entry.c.id))).all()
    assert before == []
    assert len(raised) == 1
    assert await listed(api, kind="hold", state="open") == []
    assert first.json() == again.json()
    assert first.json()["own"] == SHY
    assert first.json()["thresholds"]["plan_risk.info"] == 0.1
    assert [(row.new["thresholds"], row.reason) for row in audited] == [
        (SHY, "last dose of the cohort"),
        ({}, "last dose of the cohort"),
    ]


async def test_a_products_threshold_counts_for_its_shipments(api: Api) -> None:
    await api.set_up()
    api.product = (await api.post("/v1/products", product_body(thresholds=SHY))).json()

    assert len(await two_hours_in_customs(api, await api.ship())) == 1


@pytest.mark.parametrize(
    ("thresholds", "pointer"),
    [
        ({"arrival_after_expiry.warnin": 0.2}, "/thresholds/arrival_after_expiry.warnin"),
        ({"arrival_after_expiry.warning": 1.1}, "/thresholds/arrival_after_expiry.warning"),
        ({"hold.customs_hours": -1}, "/thresholds/hold.customs_hours"),
        ({"hold.customs_hours": 9_000}, "/thresholds/hold.customs_hours"),
        ({"hold.customs_hours": "4"}, "/thresholds/hold.customs_hours"),
        ({"a/b~\u00e9" + "x" * 100: 1}, "/thresholds/a~1b~0?" + "x" * 73),
    ],
)
async def test_an_unknown_threshold_or_one_out_of_range_is_refused_where_it_stands(
    api: Api, thresholds: dict[str, Any], pointer: str
) -> None:
    shipment = await api.ship()

    answers = [
        await set_own(api, shipment, thresholds),
        await api.post("/v1/products", product_body(thresholds=thresholds)),
    ]

    for answer in answers:
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == pointer


async def test_who_may_not_plan_may_not_set_thresholds(api: Api) -> None:
    shipment = await api.ship()
    courier = await api.headers("courier", carrier="AZ")

    assert (await set_own(api, shipment, SHY, headers=courier)).status_code == 403
    assert (await api.get(f"/v1/shipments/{shipment['id']}/thresholds", headers=courier)).status_code == 200
    assert (await set_own(api, {"id": "019b0000-0000-7000-8000-000000000001"}, SHY)).status_code == 404
