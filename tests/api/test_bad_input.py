"""Bad input: the contract's 4xx with a pointer to the field; nothing stored, nothing echoed, never a 5xx."""

from typing import Any

import pytest

from tests.support.api import Api, hours, shipment_body, site_body

SECRET = "do-not-echo-me"
EVENT = {"event_id": "e1", "type": "departed", "occurred_at": hours(0), "reference": "LU-1"}

SHAPES: list[tuple[str, Any, str]] = [
    ("naive time", EVENT | {"occurred_at": "2026-03-02T00:00:00"}, "/occurred_at"),
    ("date only", EVENT | {"occurred_at": "2026-03-02"}, "/occurred_at"),
    ("epoch seconds", EVENT | {"occurred_at": 1_772_400_000}, "/occurred_at"),
    ("leap of the imagination", EVENT | {"occurred_at": "2026-02-30T00:00:00Z"}, "/occurred_at"),
    ("offset that is none", EVENT | {"occurred_at": "2026-03-02T00:00:00+25:00"}, "/occurred_at"),
    ("year one", EVENT | {"occurred_at": "0001-01-01T00:00:00+14:00"}, "/occurred_at"),
    ("far future", EVENT | {"occurred_at": "9999-12-31T23:59:59Z"}, "/occurred_at"),
    ("more than a day ahead", EVENT | {"occurred_at": hours(30)}, "/occurred_at"),
    ("a year ago", EVENT | {"occurred_at": "2025-01-01T00:00:00Z"}, "/occurred_at"),
    ("unknown field", EVENT | {SECRET: 1}, f"/{SECRET}"),
    ("unknown type", EVENT | {"type": SECRET}, "/type"),
    ("true for a number", EVENT | {"leg": True}, "/leg"),
    ("text for a number", EVENT | {"leg": "1"}, "/leg"),
    ("too large a number", EVENT | {"leg": 2**63}, "/leg"),
    ("unknown leg", EVENT | {"leg": 9}, "/leg"),
    ("unknown dose", EVENT | {"dose": "D9"}, "/dose"),
    ("no shipment named", {name: value for name, value in EVENT.items() if name != "reference"}, ""),
    ("two names", EVENT | {"waybill": "784-1"}, ""),
    ("NUL in a text", EVENT | {"reason": "a\x00b"}, "/reason"),
    ("latitude off the globe", EVENT | {"location": {"lat": 91}}, "/location/lat"),
    ("details of another type", EVENT | {"details": {"cause": "x"}}, "/details/cause"),
    ("details missing", EVENT | {"type": "handed_over"}, "/details/to"),
    ("empty id", EVENT | {"event_id": ""}, "/event_id"),
    ("no object", [EVENT], ""),
]


@pytest.mark.parametrize(("body", "pointer"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
async def test_a_wrong_event_is_422_with_a_pointer_and_leaves_nothing(
    api: Api, body: Any, pointer: str
) -> None:
    shipment = await api.ship()

    answer = await api.post("/v1/events", body)

    problem = answer.json()
    stored = (await api.get(f"/v1/shipments/{shipment['id']}/events")).json()["data"]
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert pointer in {one["pointer"] for one in problem["errors"]}
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert stored == []


async def test_an_absent_content_type_counts_as_json_and_another_is_415(api: Api) -> None:
    await api.ship()
    raw = (
        b'{"event_id": "e1", "type": "departed", "occurred_at": "2026-03-02T00:00:00Z", "reference": "LU-1"}'
    )

    plain = await api.client.post("/v1/events", content=raw, headers=api.admin)
    form = await api.client.post(
        "/v1/events", content=raw, headers=api.admin | {"content-type": "text/plain"}
    )

    assert (plain.status_code, form.status_code) == (201, 415)


async def test_a_plan_that_does_not_hold_together_is_refused_field_by_field(api: Api) -> None:
    await api.set_up()
    body = shipment_body(api)
    body["legs"][1]["origin"] = "LIN"
    body["legs"][2]["planned_arrival_at"] = hours(13.5)
    body["doses"][0]["calibrated_activity_mbq"] = 7.77

    answer = await api.post("/v1/shipments", body)

    errors = {one["pointer"]: one["detail"] for one in answer.json()["errors"]}
    assert answer.status_code == 422
    assert set(errors) == {
        "/legs/1/origin",
        "/legs/2/planned_arrival_at",
        "/doses/0/calibrated_activity_mbq",
    }
    assert "GBq written as MBq" in errors["/doses/0/calibrated_activity_mbq"]


async def test_a_reference_and_a_sites_code_are_taken_once(api: Api) -> None:
    shipment = await api.ship()

    again = await api.post("/v1/shipments", shipment_body(api))
    site = await api.post("/v1/sites", site_body())

    assert (again.status_code, again.json()["existing_id"]) == (409, shipment["id"])
    assert (site.status_code, site.json()["existing_id"]) == (409, api.site["id"])


async def test_a_malformed_or_foreign_id_is_404_in_every_room(api: Api) -> None:
    for id_ in ("1", "not-an-id", "019b0000-0000-7000-8000-000000000001"):
        for room in ("sites", "products", "shipments", "alerts", "webhooks"):
            assert (await api.get(f"/v1/{room}/{id_}")).status_code == 404
    assert (await api.get("/v1/nuclides/Xx-999")).status_code == 404
    assert (await api.get("/nowhere")).json()["status"] == 404


async def test_a_malformed_id_in_a_body_is_a_clear_4xx_on_every_database(api: Api) -> None:
    shipment = await api.ship()
    event = {"event_id": "e", "shipment_id": "nobody", "type": "departed", "occurred_at": hours(0)}
    hook = {"url": "http://127.0.0.1:9/", "event_types": ["*"]}

    answers = [
        await api.post("/v1/shipments", shipment_body(api, reference="R-2", product_id="nothing")),
        await api.post("/v1/webhooks", hook | {"site_id": "nowhere"}),
        await api.post("/v1/webhooks", hook | {"product_id": "nothing"}),
        await api.post("/v1/api-keys", {"name": "k", "role": "site", "site_id": "nowhere"}),
        await api.post("/v1/events", event),
        await api.post("/v1/events/batch", {"events": [event, event | {"shipment_id": shipment["id"]}]}),
    ]

    assert [one.status_code for one in answers] == [422, 422, 422, 422, 404, 200]
    assert [one["status"] for one in answers[-1].json()["results"]] == [404, 201]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 501}, {"limit": "x"}, {"cursor": "nonsense"}])
async def test_a_bad_page_is_422(api: Api, query: dict[str, Any]) -> None:
    assert (await api.get("/v1/shipments", **query)).status_code == 422


async def test_a_cursor_belongs_to_its_filters_and_its_key(api: Api) -> None:
    for number in range(3):
        await api.ship(reference=f"LU-{number}")
    first = (await api.get("/v1/shipments", limit=2)).json()
    rest = (await api.get("/v1/shipments", limit=2, cursor=first["next_cursor"])).json()

    other = await api.get("/v1/shipments", limit=2, cursor=first["next_cursor"], state="planned")

    assert [one["reference"] for one in first["data"] + rest["data"]] == ["LU-2", "LU-1", "LU-0"]
    assert rest["next_cursor"] is None
    assert other.status_code == 422


async def test_what_is_not_there_for_the_caller_is_404_whatever_the_body(api: Api) -> None:
    shipment = await api.ship()
    other = (await api.post("/v1/sites", site_body(code="OTHER"))).json()
    foreign = await api.headers("site", site_id=other["id"])
    nowhere = "019b0000-0000-7000-8000-000000000001"

    answers = [
        await api.patch(f"/v1/shipments/{shipment['id']}", {"nonsense": 1}, headers=foreign),
        await api.post(f"/v1/shipments/{shipment['id']}/what-if", {"nonsense": 1}, headers=foreign),
        await api.post(f"/v1/shipments/{nowhere}/cancel", {}),
        await api.patch(f"/v1/sites/{nowhere}", {"nonsense": 1}),
        await api.patch("/v1/products/not-an-id", {"nonsense": 1}),
    ]

    assert [one.status_code for one in answers] == [404] * 5


async def test_what_is_wrong_is_said_in_the_words_of_the_api(api: Api) -> None:
    answers = [
        await api.post("/v1/lanes/history", 5),
        await api.post("/v1/sites", []),
        await api.post("/v1/sites", site_body(code="MARS", timezone="Mars/Olympus")),
    ]

    assert [one.json()["errors"][0]["detail"] for one in answers] == [
        "Input should be an object",
        "Input should be an object",
        "no such IANA time zone; write for example Europe/Rome",
    ]
