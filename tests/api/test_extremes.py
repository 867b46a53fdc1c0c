"""Numbers and instants at the edge of what the wire allows: a clear 4xx, or an answer; never a 5xx."""

from typing import Any

import pytest

from tests.support.api import Api, hours, shipment_body

FAR = "2200-12-31T23:59:00Z"
PRODUCTS: list[dict[str, Any]] = [
    {"half_life_s": 1.0, "half_life_source": "label", "usual_activity_mbq": None},
    {"half_life_s": 1e12, "half_life_source": "label"},
    {"handling_minutes": 10_080, "administration_minutes": 10_080, "bound_applies": "end"},
    {"shelf_life_hours": 876_600, "clocks": [{"name": "c", "hours": 876_600, "starts": "calibration"}]},
    {"thresholds": {"hold.customs_hours": 8760, "custody_gap.hours": 8760, "outcome_missing.hours": 8760}},
    {"thresholds": {"stalled.surface_minutes": 525_600, "stalled.air_minutes": 0}},
    {"upper_tolerance": None, "lower_tolerance": 0.999999, "assay_tolerance": 0},
]
DOSES: list[dict[str, Any]] = [
    {},
    {"calibrated_at": FAR, "administer_at": FAR, "expires_at": FAR},
    {"calibrated_at": "1900-01-02T00:00:00Z", "administer_at": "1900-01-02T00:00:00Z"},
    {"calibrated_activity_mbq": 1e-9, "prescribed_activity_mbq": 1e12},
]


async def answers(api: Api, product: dict[str, Any], dose: dict[str, Any]) -> list[int]:
    await api.set_up()
    stored = {name: api.product[name] for name in ("name", "nuclide", "shelf_life_hours", "storage")}
    made = await api.post("/v1/products", stored | {one: value for one, value in product.items() if value})
    assert made.status_code == 201, made.text
    api.product = made.json()
    body = shipment_body(api)
    body["doses"][0] |= dose
    shipment = await api.post("/v1/shipments", body)
    if shipment.status_code != 201:
        return [shipment.status_code]
    api.clock.advance(hours=15)
    told = [await api.scan(shipment.json(), "departed", leg=1), await api.scan(shipment.json(), "received")]
    details = {"measured_activity_mbq": 7000.0, "measured_at": hours(15)}
    told.append(await api.scan(shipment.json(), "assayed", details=details))
    told.append(await api.scan(shipment.json(), "administered", details={"administered_activity_mbq": 0}))
    path = f"/v1/shipments/{shipment.json()['id']}/status"
    told.append(await api.get(path))
    await api.assess()
    api.clock.advance(seconds=20)
    told += [await api.get(path), await api.get("/v1/alerts")]
    assert [one for one in told[-1].json()["data"] if one["kind"] == "rule_error"] == []
    return [one.status_code for one in told]


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda one: next(iter(one)))
async def test_an_extreme_product_is_answered(api: Api, product: dict[str, Any]) -> None:
    assert all(status < 500 for status in await answers(api, product, {}))


@pytest.mark.parametrize("dose", DOSES, ids=lambda one: next(iter(one.values()), "usual"))
async def test_an_extreme_dose_is_answered(api: Api, dose: dict[str, Any]) -> None:
    assert all(status < 500 for status in await answers(api, {}, dose))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("handling_minutes", 1e11),
        ("shelf_life_hours", 1e12),
        ("half_life_s", 1e-300),
        ("thresholds", {"hold.customs_hours": 1e12}),
        ("thresholds", {"hold.custom_hours": 4}),
        ("clocks", [{"name": "c", "hours": 1, "starts": "calibration"}] * 2),
        (
            "storage",
            {"min_c": 8, "max_c": 2, "do_not_freeze": True, "alarm_delay_minutes": 0, "budget_minutes": None},
        ),
    ],
)
async def test_a_product_beyond_the_edge_is_refused(api: Api, field: str, value: Any) -> None:
    await api.set_up()
    body = {name: api.product[name] for name in ("name", "nuclide", "storage")} | {field: value}
    source = {"half_life_source": "label"} if field == "half_life_s" else {}

    refused = await api.post("/v1/products", body | source)

    assert refused.status_code == 422
    assert refused.json()["errors"]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2201-01-01T00:00:00Z"])
async def test_a_year_that_nobody_means_is_refused(api: Api, at: str) -> None:
    await api.set_up()
    body = shipment_body(api)
    body["doses"][0]["administer_at"] = at

    refused = await api.post("/v1/shipments", body)

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/doses/0/administer_at"
