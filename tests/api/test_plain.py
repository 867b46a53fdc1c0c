"""Plain routes: the framework's way round is shorter for them, and every answer is the same."""

from typing import Any

import httpx
import pytest

from app.pipeline.status import Status
from app.telemetry import request_id
from tests.support.api import Api, hours

EVENT = {"event_id": "e1", "type": "departed", "leg": 1, "occurred_at": hours(0), "reference": "LU-1"}
POSTS: list[tuple[str, dict[str, Any]]] = [
    ("known", {"json": EVENT}),
    ("conflict", {"json": EVENT | {"leg": 2}}),
    ("foreign", {"json": EVENT | {"event_id": "e2", "reference": "LU-2"}}),
    ("malformed", {"json": EVENT | {"leg": "1"}}),
    ("no JSON", {"content": b"{"}),
    ("another media type", {"content": b"{}", "headers": {"content-type": "text/plain"}}),
    ("too large", {"content": b" " * 70_000}),
]


def seen(answer: httpx.Response) -> tuple[int, Any, dict[str, str]]:
    """Return all of an answer but its request id."""
    body = answer.json() if answer.content else None
    if isinstance(body, dict):
        body.pop("request_id", None)
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    headers.pop("content-length", None)
    return answer.status_code, body, headers


@pytest.mark.parametrize("request_", [row[1] for row in POSTS], ids=[row[0] for row in POSTS])
async def test_an_event_is_answered_alike_on_the_plain_and_on_the_documented_route(
    api: Api, request_: dict[str, Any]
) -> None:
    await api.ship()
    await api.post("/v1/events", EVENT)
    given = request_ | {"headers": api.admin | request_.get("headers", {})}

    plain = await api.client.post("/v1/events", **given)
    documented = await api.client.post("/v1/events?documented", **given)
    anonymous = [await api.client.post(path, json=EVENT) for path in ("/v1/events", "/v1/events?documented")]

    assert seen(plain) == seen(documented)
    assert seen(anonymous[0]) == seen(anonymous[1])
    assert {one.headers["x-request-id"] for one in (plain, *anonymous)}.isdisjoint({"", None})


async def test_a_status_is_told_alike_on_the_plain_and_on_the_documented_route(api: Api) -> None:
    shipment = await api.ship()
    await api.assess()
    path = f"/v1/shipments/{shipment['id']}/status"
    etag = (await api.get(path)).headers["etag"]
    device = await api.headers("device")

    for headers in (api.admin, api.admin | {"if-none-match": etag}, device, {"x-request-id": "mine"}):
        answers = [await api.client.get(path + query, headers=headers) for query in ("", "?&")]
        assert seen(answers[0]) == seen(answers[1])
    assert answers[0].headers["x-request-id"] == "mine"


async def test_other_methods_and_paths_pass_on(api: Api) -> None:
    assert (await api.client.get("/v1/events")).status_code == 405
    assert (await api.client.post("/v1/events/", json=EVENT)).status_code in {307, 404, 405}
    assert (await api.get("/v1/shipments/1/status")).status_code == 404


async def test_what_nobody_knew_of_is_a_500_under_the_request_id_that_log_lines_bear(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipment = await api.ship()
    bound: list[str | None] = []

    async def fail(*_: object, **__: object) -> None:
        bound.append(request_id.get())
        raise RuntimeError("the unexpected")

    monkeypatch.setattr(Status, "now", fail)
    for query in ("", "?&"):
        answer = await api.client.get(f"/v1/shipments/{shipment['id']}/status{query}", headers=api.admin)

        assert (answer.status_code, answer.json()["code"]) == (500, "internal")
        assert {answer.json()["request_id"], bound.pop()} == {answer.headers["x-request-id"]}
