"""Calibration through HTTP: forecasts are kept while a dose travels, and judged once it is there."""

from xml.etree import ElementTree

from tests.support.api import Api, hours


async def test_a_delivered_shipment_settles_the_forecasts_made_on_its_way(api: Api) -> None:
    shipment = await api.ship()
    await api.assess()
    for hour, kind, leg in ((8, "departed", 1), (9, "arrived", 1), (12, "departed", 2), (13, "arrived", 2)):
        api.clock.advance(hours=hour - (api.clock.at.hour + api.clock.at.minute / 60))
        await api.scan(shipment, kind, leg=leg)
        await api.assess()
    before = (await api.get("/v1/calibration")).json()

    api.clock.advance(hours=2)
    await api.scan(shipment, "delivered")
    await api.assess()
    told = (await api.get("/v1/calibration")).json()

    assert before == {"forecasts": 0, "target_inside": 0.8, "coverage": [], "reliability": []}
    assert told["forecasts"] == sum(cell["cases"] for cell in told["coverage"]) >= 3
    assert {cell["week"] for cell in told["coverage"]} == {hours(0)[:10]}
    assert {cell["legs"] for cell in told["coverage"]} == {3}
    assert {cell["came_true"] for cell in told["reliability"]} == {0.0}


async def test_the_curves_are_a_picture_and_empty_ones_too(api: Api) -> None:
    told = await api.get("/v1/calibration.svg")

    assert told.headers["content-type"].startswith("image/svg+xml")
    assert ElementTree.fromstring(told.text).tag.endswith("svg")  # noqa: S314 - our own


async def test_a_cancelled_shipment_teaches_nothing(api: Api) -> None:
    shipment = await api.ship()
    await api.assess()
    await api.post(f"/v1/shipments/{shipment['id']}/cancel", {"reason": "trial stopped"})
    await api.assess()

    assert (await api.get("/v1/calibration")).json()["forecasts"] == 0


async def test_calibration_is_for_the_office(api: Api) -> None:
    courier = await api.headers("courier", carrier="XA")

    assert (await api.get("/v1/calibration", headers=courier)).status_code == 403
    assert (await api.get("/v1/calibration.svg", headers=courier)).status_code == 403
