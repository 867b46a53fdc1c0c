"""Lists: every filter, both sorts, cursors that neither skip nor repeat, spans that are half-open."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.api import START, Api, hours, product_body, shipment_body, site_body


async def listed(api: Api, **params: Any) -> list[str]:
    answer = await api.get("/v1/shipments", **params)
    assert answer.status_code == 200, answer.text
    return [one["reference"] for one in answer.json()["data"]]


async def ship(api: Api, reference: str, **changes: Any) -> dict[str, Any]:
    return await api.ship(reference=reference, **changes)


def with_lot(api: Api, lot: str) -> list[dict[str, Any]]:
    return [one | {"lot": lot} for one in shipment_body(api)["doses"]]


async def test_each_filter_narrows_to_what_it_names(api: Api) -> None:
    await api.set_up()
    one = await ship(api, "A", study="S-1", consignment="C-1")
    other_site = (await api.post("/v1/sites", site_body(code="OTHER"))).json()
    legs = shipment_body(api)["legs"]
    legs[-1] |= {"destination": "OTHER", "carrier": "SOLO"}
    await ship(api, "B", study="S-2", site_id=other_site["id"], legs=legs, doses=with_lot(api, "L9"))
    await api.post(f"/v1/shipments/{one['id']}/cancel", {"reason": "patient unwell"})

    filters: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["B", "A"]),
        ({"state": "cancelled"}, ["A"]),
        ({"state": "planned"}, ["B"]),
        ({"site_id": other_site["id"]}, ["B"]),
        ({"carrier": "SOLO"}, ["B"]),
        ({"carrier": "AZ"}, ["B", "A"]),
        ({"study": "S-1"}, ["A"]),
        ({"lot": "L9"}, ["B"]),
        ({"reference": "A"}, ["A"]),
        ({"consignment": "C-1"}, ["A"]),
        ({"carrier": "AZ", "study": "S-1"}, ["A"]),
        ({"reference": "nowhere"}, []),
    ]
    for params, expected in filters:
        assert await listed(api, **params) == expected, params


@pytest.mark.parametrize(
    "params", [{"state": "lots"}, {"sort": "slak"}, {"at_risk": "perhaps"}, {"carier": "AZ"}]
)
async def test_a_filter_that_is_none_is_422_and_never_lists_everything(
    api: Api, params: dict[str, Any]
) -> None:
    await ship(api, "A")

    answer = await api.get("/v1/shipments", **params)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"?{next(iter(params))}"


async def shipments_of_every_slack(api: Api) -> list[str]:
    """Register seven shipments; two share their slack, one has none because nothing ends its window."""
    await api.set_up()
    kit = (
        await api.post("/v1/products", product_body(form="kit", nuclide=None, shelf_life_hours=None))
    ).json()
    for number, expires in enumerate([22, 18, 30, 18, 26, 20]):
        doses = [one | {"expires_at": hours(expires)} for one in shipment_body(api)["doses"]]
        await ship(api, f"S{number}", doses=doses)
    await ship(api, "kit", product_id=kit["id"], doses=[{"reference": "K1"}])
    await api.assess()
    return ["S1", "S3", "S5", "S0", "S4", "S2", "kit"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_by_slack_neither_skip_nor_repeat(api: Api, limit: int) -> None:
    expected = await shipments_of_every_slack(api)

    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = (await api.get("/v1/shipments", sort="slack", limit=limit, **cursor)).json()
        seen += [one["reference"] for one in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert seen == expected


async def test_items_carry_what_was_last_assessed(api: Api) -> None:
    shipment = await ship(api, "A")
    api.clock.advance(hours=9)
    await api.scan(shipment, "leg_cancelled", leg=2)
    await api.assess()

    item = (await api.get("/v1/shipments")).json()["data"][0]

    status = await api.status(shipment)
    assert item["state"] == status["state"]
    assert item["eta"]["p50"] == status["eta"]["p50"]
    assert item["slack_minutes"]["p50"] == status["slack_minutes"]["p50"]
    assert item["late_probability"] == status["late_probability"]
    assert item["worst_severity"] == "critical"


async def test_at_risk_lists_what_may_be_lost_and_nothing_that_is_over(api: Api) -> None:
    risky, calm, over = [await ship(api, name) for name in ("risky", "calm", "over")]
    api.clock.advance(hours=9)
    for one in (risky, over):
        await api.scan(one, "leg_cancelled", leg=2, event_id=f"x-{one['id']}")
    for type_, hour in (("departed", 8), ("arrived", 8.9)):
        await api.scan(calm, type_, leg=1, occurred_at=hours(hour), event_id=f"{type_}-calm")
    await api.post(f"/v1/shipments/{over['id']}/cancel", {"reason": "patient unwell"})
    await api.assess()

    assert await listed(api, at_risk="true") == ["risky"]
    assert await listed(api, at_risk="false") == ["over", "calm"]


async def test_events_are_listed_by_when_they_happened_half_open(api: Api) -> None:
    shipment = await ship(api, "A")
    api.clock.set(START + timedelta(hours=10))
    for hour in (7, 8, 9):
        await api.scan(shipment, "position", occurred_at=hours(hour), event_id=f"p{hour}")
    path = f"/v1/shipments/{shipment['id']}/events"
    bounds: dict[str, Any] = {"from": hours(8), "until": hours(9)}

    span = (await api.get(path, **bounds)).json()["data"]

    assert [one["event_id"] for one in span] == ["p8"]


async def test_a_product_keeps_its_versions_apart_and_a_site_changes_at_once(api: Api) -> None:
    old = await ship(api, "old")
    changed = await api.patch(f"/v1/products/{api.product['id']}", {"shelf_life_hours": 100})
    new = await ship(api, "new")
    await api.patch(f"/v1/sites/{api.site['id']}", {"name": "Ospedale Nuovo"})

    assert changed.json()["version"] == 2
    assert (old["product_version"], new["product_version"]) == (1, 2)
    assert (await api.get(f"/v1/sites/{api.site['id']}")).json()["name"] == "Ospedale Nuovo"


@pytest.mark.parametrize(
    ("room", "body"),
    [
        ("sites", {}),
        ("sites", {"name": None}),
        ("sites", {"code": "NEW"}),
        ("sites", {"lat": 91}),
        ("sites", {"timezone": "Mars/Olympus"}),
        ("products", {"version": 7}),
        ("products", {"nuclide": "Xx-1"}),
        ("products", {"lower_tolerance": 2}),
        ("products", {"form": "kit"}),
    ],
    ids=str,
)
async def test_a_bad_change_of_reference_data_is_422(api: Api, room: str, body: dict[str, Any]) -> None:
    await api.set_up()
    one = api.site if room == "sites" else api.product

    answer = await api.patch(f"/v1/{room}/{one['id']}", body)

    assert answer.status_code == 422
    assert (await api.get(f"/v1/{room}/{one['id']}")).json() == one


async def test_nuclides_tell_half_life_uncertainty_source_and_progeny(api: Api) -> None:
    every = (await api.get("/v1/nuclides")).json()["data"]
    actinium = (await api.get("/v1/nuclides/Ac-225")).json()

    assert {"Lu-177", "F-18", "Ga-68", "I-131"} <= {one["name"] for one in every}
    assert actinium["half_life_s"] == pytest.approx(10.0 * 86_400)  # ENSDF: 10.0 d
    assert actinium["half_life_uncertainty_s"] > 0
    assert actinium["source"].startswith("ENSDF")
    assert "Fr-221" in {one["nuclide"] for one in actinium["progeny"]}
