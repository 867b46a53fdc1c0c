"""The access table over HTTP: every role posts every type of event, and nobody is shown what is not theirs."""

from typing import Any

import pytest

from app.domain.access import ROLES, Role
from app.domain.observation import EVENT_TYPES
from tests.support.api import Api, hours, shipment_body, site_body

SUBJECT, PRESCRIBED = "S-014", 7407.25

# The contract's table, written out again: what it does not list is forbidden.
COURIER = {
    "picked_up", "departed", "arrived", "handed_over", "customs_entered", "customs_cleared", "held", "resumed",
    "offloaded", "refused", "out_for_delivery", "delivery_attempted", "delivered", "damaged", "lost", "position",
    "estimate", "leg_cancelled", "device_attached", "device_detached", "correction",
}  # fmt: skip
SITE = {
    "delivered", "received", "assayed", "administered", "not_administered", "returned", "damaged",
    "device_detached", "correction",
    "disposed",  # ours: the contract's outcome needs an event that says so
}  # fmt: skip
MAY: dict[Role, set[str]] = {
    "admin": set(EVENT_TYPES),
    "operator": set(EVENT_TYPES) - {"released", "disposition"},
    "quality": {"released", "disposition", "correction"},
    "courier": COURIER,
    "site": SITE,
    "device": set(),
    "subscriber": set(),
    "auditor": set(),
}
DETAILS: dict[str, dict[str, Any]] = {
    "estimate": {"estimated_arrival_at": hours(16)},
    "assayed": {"measured_activity_mbq": 7000.0, "measured_at": hours(1)},
    "not_administered": {"cause": "patient unwell"},
    "released": {"scope": "final"},
    "disposition": {"decision": "use_as_is", "person": "Dr A", "meaning": "reviewed"},
    "handed_over": {"to": "AZ"},
    "device_attached": {"device_id": "TMP-1"},
    "device_detached": {"device_id": "TMP-1"},
    "correction": {"corrects": "not-yet-heard"},
}


async def headers_of(api: Api, role: Role, *, own: bool = True) -> dict[str, str]:
    """Return the headers of a key of the role that is bound to the test's shipments, or to others."""
    if role == "admin":
        return api.admin
    site_id = api.site["id"]
    if role == "site" and not own:
        site_id = (await api.post("/v1/sites", site_body(code="OTHER"))).json()["id"]
    bindings: dict[str, dict[str, str]] = {
        "courier": {"carrier": "ACME" if own else "OTHER"},
        "site": {"site_id": site_id},
        "subscriber": {"study": "NET-301" if own else "OTHER"},
    }
    return await api.headers(role, **bindings.get(role, {}))


def event(shipment: dict[str, Any], type_: str) -> dict[str, Any]:
    return {
        "event_id": f"one-{type_}",
        "shipment_id": shipment["id"],
        "type": type_,
        "occurred_at": hours(0),
        "reason": "because",
        "details": DETAILS.get(type_, {}),
    }


async def posted(api: Api, shipment: dict[str, Any], headers: dict[str, str]) -> dict[str, int]:
    return {
        type_: (await api.post("/v1/events", event(shipment, type_), headers=headers)).status_code
        for type_ in sorted(EVENT_TYPES)
    }


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_posts_the_types_of_its_row_and_is_403_for_all_others(api: Api, role: Role) -> None:
    shipment = await api.ship()
    headers = await headers_of(api, role)

    answers = await posted(api, shipment, headers)

    assert answers == {type_: 201 if type_ in MAY[role] else 403 for type_ in EVENT_TYPES}


@pytest.mark.parametrize("role", ["courier", "site"])
async def test_outside_its_binding_a_shipment_is_not_there_for_any_type(api: Api, role: Role) -> None:
    shipment = await api.ship()
    headers = await headers_of(api, role, own=False)

    answers = await posted(api, shipment, headers)

    assert answers == {type_: 404 if type_ in MAY[role] else 403 for type_ in EVENT_TYPES}


@pytest.mark.parametrize("role", ROLES)
async def test_a_batch_judges_each_item_by_the_same_row(api: Api, role: Role) -> None:
    shipment = await api.ship()
    types = sorted(EVENT_TYPES)
    batch = {"events": [event(shipment, type_) for type_ in types]}

    answer = await api.post("/v1/events/batch", batch, headers=await headers_of(api, role))

    if not MAY[role]:
        assert answer.status_code == 403
        return
    results = [one["status"] for one in answer.json()["results"]]
    assert results == [201 if type_ in MAY[role] else 403 for type_ in types]


@pytest.mark.parametrize("type_", ["replanned", "cancelled"])
async def test_the_servers_own_types_are_nobodys_to_send(api: Api, type_: str) -> None:
    shipment = await api.ship()

    answer = await api.post("/v1/events", event(shipment, type_))

    assert answer.status_code == 422


async def telling_shipment(api: Api) -> dict[str, Any]:
    """Register a shipment with a subject and an unusual prescription, and let everything be said of it."""
    await api.set_up()
    dose = shipment_body(api)["doses"][0] | {
        "subject_code": SUBJECT,
        "prescribed_activity_mbq": PRESCRIBED,
        "administer_at": hours(21.9),
    }
    shipment = await api.ship(doses=[dose], devices=[{"device_id": "TMP-1", "from": hours(0)}])
    api.clock.advance(hours=10)
    await api.scan(shipment, "departed", leg=1, occurred_at=hours(8))
    await api.scan(shipment, "leg_cancelled", leg=2, occurred_at=hours(9))
    await api.post(
        "/v1/readings", {"readings": [{"device_id": "TMP-1", "at": hours(9), "temperature_c": 30}]}
    )
    await api.patch(
        f"/v1/shipments/{shipment['id']}",
        {
            "reason": "re-dosed",
            "doses": [{"reference": "D1", "prescribed_activity_mbq": PRESCRIBED, "subject_code": SUBJECT}],
        },
    )
    given = await api.scan(shipment, "administered", details={"administered_activity_mbq": PRESCRIBED})
    await api.scan(
        shipment,
        "correction",
        reason="misread",
        details={
            "corrects": given.json()["id"],
            "replacement": {"details": {"administered_activity_mbq": PRESCRIBED}},
        },
    )
    await api.assess()
    return shipment


async def every_answer(api: Api, shipment: dict[str, Any], headers: dict[str, str]) -> dict[str, str]:
    """Return what each documented GET tells, by path; ids are the shipment's own and its first alert's."""
    schema = (await api.get("/openapi.json")).json()
    alerts = (await api.get("/v1/alerts", shipment_id=shipment["id"])).json()["data"]
    ids = {
        "shipment_id": shipment["id"],
        "alert_id": alerts[0]["id"],
        "site_id": api.site["id"],
        "product_id": api.product["id"],
        "name": "Lu-177",
    }
    told = {}
    for path, methods in schema["paths"].items():
        if "get" not in methods or path.endswith("/stream") or not path.startswith("/v1/"):
            continue
        answer = await api.get(path.format_map(_Known(ids)), headers=headers)
        assert answer.status_code in {200, 403, 404, 422}, (path, answer.text)
        told[path] = answer.text if answer.status_code == 200 else ""
    body: dict[str, Any] = {"administer_at": hours(21)}
    what_if = await api.post(f"/v1/shipments/{shipment['id']}/what-if", body, headers=headers)
    told["what-if"] = what_if.text if what_if.status_code == 200 else ""
    return told


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "019b0000-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("role", "hidden", "seen"),
    [
        ("courier", (SUBJECT, str(PRESCRIBED)), "/v1/shipments/{shipment_id}/events"),
        ("subscriber", (SUBJECT,), "/v1/shipments/{shipment_id}/status"),
        ("device", (SUBJECT, str(PRESCRIBED)), "/v1/me"),
    ],
)
async def test_no_answer_shows_a_subject_or_to_couriers_a_prescription(
    api: Api, role: Role, hidden: tuple[str, ...], seen: str
) -> None:
    shipment = await telling_shipment(api)
    headers = await headers_of(api, role)

    told = await every_answer(api, shipment, headers)
    office = await every_answer(api, shipment, api.admin)

    leaks = [(path, word) for path, text in told.items() for word in hidden if word in text]
    assert leaks == []
    assert told[seen]
    # The same walk as admin finds both: the test looks where they are.
    assert SUBJECT in office["/v1/shipments/{shipment_id}"]
    assert str(PRESCRIBED) in office["/v1/shipments/{shipment_id}/events"]


async def test_messages_and_webhook_bodies_hold_neither(api: Api) -> None:
    await telling_shipment(api)
    api.clock.advance(minutes=5)  # the feed keeps back what is younger than its safe horizon

    messages = (await api.get("/v1/messages")).text

    assert SUBJECT not in messages
    assert str(PRESCRIBED) not in messages
    assert "alert.opened" in messages


@pytest.mark.parametrize("role", ["courier", "site", "subscriber"])
async def test_another_binding_finds_nothing_in_any_list_or_room(api: Api, role: Role) -> None:
    shipment = await telling_shipment(api)
    headers = await headers_of(api, role, own=False)

    told = await every_answer(api, shipment, headers)

    rooms = {path: text for path, text in told.items() if "{shipment_id}" in path or "{alert_id}" in path}
    assert set(rooms.values()) == {""}
    assert shipment["id"] not in "".join(told.values())
    assert shipment["reference"] not in "".join(told.values())
