"""Who may use which route on whose objects: every route of the OpenAPI document against every role."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.domain.access import ROLES, ROLES_FOR
from tests.support.api import Api, hours, product_body, shipment_body, site_body
from tests.support.openapi import Route, declared_actions, routes

ROUTES = routes()

PUBLIC = {
    "GET /healthz": "an orchestrator asks without a key, and learns no more than the time",
    "GET /readyz": "an orchestrator asks without a key, and learns no more than what is not ready",
}

_OFFICE = "admin operator quality auditor"
_ALL = " ".join(ROLES)
_REFERENCE = " ".join(role for role in ROLES if role != "device")
ALLOWED: dict[str, str] = {
    "POST /v1/api-keys": "admin",
    "GET /v1/api-keys": "admin auditor",
    "DELETE /v1/api-keys/{key_id}": "admin",
    "GET /v1/me": _ALL,
    "POST /v1/sites": "admin operator",
    "GET /v1/sites": _REFERENCE,
    "GET /v1/sites/{site_id}": _REFERENCE,
    "PATCH /v1/sites/{site_id}": "admin operator",
    "POST /v1/products": "admin operator",
    "GET /v1/products": _REFERENCE,
    "GET /v1/products/{product_id}": _REFERENCE,
    "PATCH /v1/products/{product_id}": "admin operator",
    "GET /v1/nuclides": _REFERENCE,
    "GET /v1/nuclides/{name}": _REFERENCE,
    "POST /v1/shipments": "admin operator",
    "GET /v1/shipments": f"{_OFFICE} courier site",
    "GET /v1/shipments/{shipment_id}": f"{_OFFICE} courier site",
    "PATCH /v1/shipments/{shipment_id}": "admin operator site",
    "POST /v1/shipments/{shipment_id}/cancel": "admin operator",
    "GET /v1/shipments/{shipment_id}/events": f"{_OFFICE} courier site",
    "GET /v1/shipments/{shipment_id}/status": f"{_OFFICE} courier site subscriber",
    "POST /v1/events": "admin operator quality courier site",
    "POST /v1/events/batch": "admin operator quality courier site",
    "POST /v1/readings": "admin operator courier device site",
    "GET /v1/alerts": f"{_OFFICE} courier site subscriber",
    "GET /v1/alerts/{alert_id}": f"{_OFFICE} courier site subscriber",
    "POST /v1/alerts/{alert_id}/acknowledge": "admin operator quality site",
    "POST /v1/alerts/{alert_id}/assign": "admin operator",
    "POST /v1/alerts/{alert_id}/snooze": "admin operator",
    "POST /v1/alerts/{alert_id}/resolve": "admin",
    "POST /v1/webhooks": "admin operator subscriber",
    "GET /v1/webhooks": f"{_OFFICE} subscriber",
    "GET /v1/webhooks/{webhook_id}": f"{_OFFICE} subscriber",
    "PATCH /v1/webhooks/{webhook_id}": "admin operator subscriber",
    "DELETE /v1/webhooks/{webhook_id}": "admin operator subscriber",
    "POST /v1/webhooks/{webhook_id}/rotate-secret": "admin operator subscriber",
    "POST /v1/webhooks/{webhook_id}/test": "admin operator subscriber",
    "GET /v1/webhooks/{webhook_id}/deliveries": f"{_OFFICE} subscriber",
    "POST /v1/deliveries/{delivery_id}/retry": "admin operator subscriber",
    "GET /v1/messages": f"{_OFFICE} subscriber",
}
"""Route → roles. Source: the contract's table of roles. A route that is absent here is held to what it declares."""

BINDINGS: dict[str, dict[str, str]] = {"courier": {"carrier": "ACME"}}
SERVER_OWNED = (
    "id", "organisation_id", "created_at", "received_at", "effective_at", "raised_at", "resolved_at", "revoked_at",
    "hash", "digest", "actor", "version", "plan_version", "state", "late", "placed", "owner_key_id", "secret",
)  # fmt: skip
ABSENT = str(uuid4())


@dataclass
class World:
    """One organisation with one object of each kind, and a key of each role."""

    admin: dict[str, str]
    ids: dict[str, str]
    headers: dict[str, dict[str, str]]

    def secrets(self) -> Iterator[str]:
        """What nobody outside may ever read."""
        yield from (id_ for name, id_ in self.ids.items() if name != "name")


async def world(api: Api, admin: dict[str, str], *, name: str) -> World:
    """Fill an organisation through the API, and let a day pass without a scan: its dose dies, its webhook is told."""

    async def made(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await api.post(path, body, headers=admin)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    site = await made("/v1/sites", site_body(name=f"{name} hospital"))
    product = await made("/v1/products", product_body(name=f"{name} agent"))
    await made("/v1/webhooks", {"url": "http://127.0.0.1:9/hook", "event_types": ["*"]})
    api.site, api.product = site, product
    package = {"code": f"PACK-{name}", "un_number": "UN2915"}
    shipment = await made("/v1/shipments", shipment_body(api, reference=f"REF-{name}", package=package))
    keys = {
        role: await made(
            "/v1/api-keys",
            {"name": f"{name} {role}", "role": role}
            | BINDINGS.get(role, {})
            | ({"site_id": site["id"]} if role == "site" else {}),
        )
        for role in ROLES
    }
    headers: dict[str, dict[str, str]] = {
        role: {"Authorization": f"Bearer {key['key']}"} for role, key in keys.items()
    }
    api.clock.advance(hours=26)
    await api.assess()
    hook = (await api.get("/v1/webhooks", headers=admin)).json()["data"][0]
    deliveries = (await api.get(f"/v1/webhooks/{hook['id']}/deliveries", headers=admin)).json()["data"]
    alert = (await api.get("/v1/alerts", headers=admin)).json()["data"][0]
    ids = {
        "site_id": site["id"],
        "product_id": product["id"],
        "shipment_id": shipment["id"],
        "alert_id": alert["id"],
        "webhook_id": hook["id"],
        "delivery_id": deliveries[0]["id"],
        "key_id": keys["operator"]["id"],
        "name": "Xx-1",
    }
    return World(admin, ids, headers)


@pytest.fixture
async def ours(api: Api) -> World:
    return await world(api, api.admin, name="OURS")


@pytest.fixture
async def theirs(api: Api) -> World:
    key = await api.house.keys.create_for("Another plant", "admin")
    return await world(api, {"Authorization": f"Bearer {key}"}, name="THEIRS")


async def call(
    api: Api, route: Route, ids: dict[str, str], headers: dict[str, str] | None, *, body: Any = None
) -> httpx.Response:
    """Call a route with the document's own example as its body, unless another is given."""
    sent = body if body is not None else example(route)
    path = route.path.format_map(defaultdict(lambda: ABSENT, ids))
    return await api.client.request(route.method, path, json=sent, headers=headers or {})


def example(route: Route) -> Any:
    if route.name == "PATCH /v1/shipments/{shipment_id}":
        # The document's example moves legs too, which a site may not.
        return {"reason": "patient unwell", "doses": [{"reference": "D1", "administer_at": hours(21)}]}
    return route.example() if route.takes_body else None


def telling(answer: httpx.Response) -> tuple[int, Any]:
    """Return all that an answer says, without its request's id."""
    body = answer.json() if answer.content else None
    return answer.status_code, {k: v for k, v in body.items() if k != "request_id"} if body else None


def nowhere(route: Route) -> dict[str, str]:
    return dict.fromkeys(route.parameters, ABSENT)


def roles_of(route: Route) -> list[str]:
    """Return the roles that may use a route: the contract's, else those of the actions that its code names."""
    if route.name in ALLOWED:
        return ALLOWED[route.name].split()
    wanted = declared_actions()[route.name]
    return [role for role in ROLES if all(role in ROLES_FOR[action] for action in wanted)]


def test_every_route_is_the_contracts_or_names_its_action_or_is_public_with_a_reason() -> None:
    unguarded = {route.name for route in ROUTES if not declared_actions()[route.name]}

    assert unguarded - set(ALLOWED) == set(PUBLIC)


def test_the_contracts_routes_are_all_there() -> None:
    assert set(ALLOWED) <= {route.name for route in ROUTES}


@pytest.mark.parametrize("route", [r for r in ROUTES if r.takes_body], ids=lambda r: r.name)
def test_each_documented_body_has_an_example(route: Route) -> None:
    assert route.example() is not None


async def test_no_route_answers_without_a_key_save_the_public_ones(api: Api) -> None:
    codes = {}
    for route in ROUTES:
        answers = [
            await call(api, route, nowhere(route), headers)
            for headers in (None, {"Authorization": "Bearer dtk_wrong"})
        ]
        codes[route.name] = {answer.status_code for answer in answers}

    assert codes == {route.name: {200} if route.name in PUBLIC else {401} for route in ROUTES}


async def test_each_role_may_do_what_the_contract_gives_it_and_is_refused_all_else(
    api: Api, ours: World
) -> None:
    wrong = []
    for route in (one for one in ROUTES if one.name not in PUBLIC):
        for role in ROLES:
            # What is asked for does not exist: access is judged before that, and before the body.
            body = {"nonsense": True} if route.takes_body else None
            answer = await call(api, route, nowhere(route), ours.headers[role], body=body)
            allowed = role in roles_of(route)
            if (answer.status_code in {401, 403}) == allowed:
                wrong.append((route.name, role, answer.status_code))

    assert wrong == []


async def test_another_organisations_object_is_as_absent_as_one_that_never_was(
    api: Api, ours: World, theirs: World
) -> None:
    wrong = []
    for route in (one for one in ROUTES if one.parameters):
        for role in roles_of(route):
            foreign = await call(api, route, theirs.ids, ours.headers[role])
            absent = await call(api, route, nowhere(route), ours.headers[role])
            if foreign.status_code != 404 or telling(foreign) != telling(absent):
                wrong.append((route.name, role, foreign.status_code, absent.status_code))

    assert wrong == []


async def test_no_list_and_no_answer_tells_of_another_organisation(
    api: Api, ours: World, theirs: World
) -> None:
    told = {}
    for route in (one for one in ROUTES if one.method == "GET" and not one.parameters):
        for role in [] if route.name in PUBLIC else roles_of(route):
            answer = await call(api, route, {}, ours.headers[role])
            leaked = [secret for secret in (*theirs.secrets(), "THEIRS") if secret in answer.text]
            if answer.status_code != 200 or leaked:
                told[route.name, role] = (answer.status_code, leaked)

    assert told == {}


FOREIGN_FILTERS = [("/v1/shipments", "site_id"), ("/v1/alerts", "shipment_id")]


@pytest.mark.parametrize(("path", "name"), FOREIGN_FILTERS)
async def test_a_filter_by_a_foreign_id_finds_nothing(
    api: Api, ours: World, theirs: World, path: str, name: str
) -> None:
    answer = await api.get(path, headers=ours.admin, **{name: theirs.ids[name]})

    assert answer.json()["data"] == []


async def test_a_foreign_id_in_a_body_is_answered_as_one_that_never_was(
    api: Api, ours: World, theirs: World
) -> None:
    api.site, api.product = {"id": ours.ids["site_id"]}, {"id": ours.ids["product_id"]}
    own = shipment_body(api, reference="NEW")
    scan = {"event_id": "e", "type": "departed", "leg": 1, "occurred_at": hours(26)}
    hook = {"url": "http://127.0.0.1:9/hook", "event_types": ["*"]}
    attempts: list[tuple[str, dict[str, Any], str, str, str]] = [
        ("/v1/shipments", own, "site_id", theirs.ids["site_id"], ABSENT),
        ("/v1/shipments", own, "product_id", theirs.ids["product_id"], ABSENT),
        ("/v1/events", scan, "shipment_id", theirs.ids["shipment_id"], ABSENT),
        ("/v1/events", scan, "reference", "REF-THEIRS", "REF-NOBODYS"),
        ("/v1/events", scan, "package_code", "PACK-THEIRS", "PACK-NOBODYS"),
        ("/v1/api-keys", {"name": "k", "role": "site"}, "site_id", theirs.ids["site_id"], ABSENT),
        ("/v1/webhooks", hook, "site_id", theirs.ids["site_id"], ABSENT),
        ("/v1/webhooks", hook, "product_id", theirs.ids["product_id"], ABSENT),
    ]
    for path, body, field, foreign, absent in attempts:
        answers = [await api.post(path, body | {field: id_}, headers=ours.admin) for id_ in (foreign, absent)]

        assert telling(answers[0]) == telling(answers[1]), (path, field)
        assert answers[0].status_code in {404, 422}, (path, field)


BOUND_ELSEWHERE = [
    ("courier", {"carrier": "OTHER"}),
    ("site", {"site_id": "other"}),
    ("subscriber", {"site_id": "other"}),
    ("subscriber", {"study": "OTHER-1"}),
]


@pytest.mark.parametrize(("role", "bindings"), BOUND_ELSEWHERE, ids=str)
async def test_a_key_bound_elsewhere_sees_and_touches_nothing_of_a_shipment(
    api: Api, ours: World, role: str, bindings: dict[str, str]
) -> None:
    if "site_id" in bindings:
        other = await api.post("/v1/sites", site_body(code="OTHER-HOSP"))
        bindings = {"site_id": other.json()["id"]}
    headers = await api.headers(role, **bindings)
    hanging = {"shipment_id", "alert_id", "webhook_id", "delivery_id"}
    wrong = []
    for route in (one for one in ROUTES if hanging & set(one.parameters)):
        # Webhooks are their maker's; a site or courier has none.
        if role not in roles_of(route):
            continue
        answer = await call(api, route, ours.ids, headers)
        absent = await call(api, route, nowhere(route), headers)
        if answer.status_code != 404 or telling(answer) != telling(absent):
            wrong.append((route.name, answer.status_code))
    for path in ("/v1/shipments", "/v1/alerts", "/v1/webhooks", "/v1/messages"):
        answer = await api.get(path, headers=headers)
        if answer.status_code != 403 and answer.json()["data"] != []:
            wrong.append((path, answer.status_code))

    assert wrong == []


async def test_what_the_server_owns_nobody_may_send(api: Api, ours: World) -> None:
    wrong = []
    for route in (one for one in ROUTES if one.takes_body):
        schema = route.body_schema
        for name in SERVER_OWNED:
            if name in schema.get("properties", {}):
                continue
            body = example(route) | {name: ABSENT}
            answer = await call(api, route, ours.ids, ours.admin, body=body)
            pointers = {one["pointer"] for one in answer.json().get("errors", [])}
            if answer.status_code != 422 or not pointers:
                wrong.append((route.name, name, answer.status_code, sorted(pointers)))

    assert wrong == []
