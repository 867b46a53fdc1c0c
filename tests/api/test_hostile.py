"""Every documented route against hostile bodies, values, queries and headers: a clear answer, never a 5xx, no echo."""

import gzip
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.support.api import Api, hours
from tests.support.openapi import Route, routes

ROUTES = routes()
WITH_BODY = [route for route in ROUTES if route.takes_body]
MARK = "DO-NOT-ECHO-ME"
BULK = {"POST /v1/events/batch", "POST /v1/readings", "POST /v1/lanes/history"}
BUSY = {"POST /v1/events", "POST /v1/sites", "GET /v1/shipments", "GET /v1/shipments/{shipment_id}/status"}
ABSENT = "019b0000-0000-7000-8000-000000000001"

RAW: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b'{"' + MARK.encode(),
    "two values": b"{} {}",
    "a comment": b"{} // " + MARK.encode(),
    "single quotes": b"{'a': 1}",
    "a trailing comma": b'{"a": 1,}',
    "invalid UTF-8": b'{"event_id": "\xff\xfe"}',
    "a surrogate in UTF-8": b'{"event_id": "\xed\xa0\x80"}',
    "UTF-16": '{"event_id": "a"}'.encode("utf-16"),
    "a hundred thousand deep": b"[" * 100_000 + b"]" * 100_000,
    "objects a hundred thousand deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a number of 200,000 digits": b'{"leg": ' + b"9" * 200_000 + b"}",
    "a float of 200,000 digits": b'{"leg": 0.' + b"9" * 200_000 + b"}",
    "NaN": b'{"event_id": NaN}',
    "Infinity": b'{"event_id": -Infinity}',
    "1e999": b'{"event_id": 1e999}',
    "a key twice": b'{"event_id": "a", "event_id": "b"}',
    "a key twice, one escaped": b'{"event_id": "a", "\\u0065vent_id": "b"}',
    "a key twice, inside": b'{"location": {"lat": 1, "lat": 2}}',
    "a list": b"[]",
    "a text": b'"' + MARK.encode() + b'"',
    "a number": b"1",
    "null": b"null",
    "true": b"true",
}
VALUES: list[Any] = [
    None, True, -1, 1.5, 2**63, 10**400, 1e308, "", MARK, f"{MARK}\x00", f"{MARK}\ud800", "x" * 3_000, "\u202e\x1b[31m",
    [None], {MARK: 1}, {"\ud800\x00": 1}, "9999-12-31T23:59:59Z", ABSENT,
]  # fmt: skip


@pytest.fixture
async def ids(api: Api) -> dict[str, str]:
    """One object of each kind that a path can name."""
    shipment = await api.ship()
    hook = await api.post("/v1/webhooks", {"url": "http://127.0.0.1:9/hook", "event_types": ["*"]})
    key = await api.post("/v1/api-keys", {"name": "k", "role": "operator"})
    api.clock.advance(hours=26)
    await api.assess()
    alert = (await api.get("/v1/alerts")).json()["data"][0]
    return defaultdict(lambda: ABSENT) | {
        "site_id": api.site["id"],
        "product_id": api.product["id"],
        "shipment_id": shipment["id"],
        "alert_id": alert["id"],
        "webhook_id": hook.json()["id"],
        "key_id": key.json()["id"],
        "delivery_id": ABSENT,
        "name": "Lu-177",
    }


def problems(answer: httpx.Response, what: str) -> Iterator[str]:
    """Say what is wrong with an answer to hostile input."""
    if answer.status_code >= 500:
        yield f"{what}: {answer.status_code}"
    elif answer.status_code >= 400:
        if answer.headers["content-type"] != "application/problem+json":
            yield f"{what}: no problem document"
        if MARK in answer.text.replace(f"/{MARK}", ""):  # a pointer must name an unknown key
            yield f"{what}: echoed"


async def send(api: Api, route: Route, ids: dict[str, str], content: bytes, **headers: str) -> httpx.Response:
    path = route.path.format_map(ids)
    sent = api.admin | {"content-type": "application/json"} | headers
    return await api.client.request(route.method, path, content=content, headers=sent)


async def test_no_hostile_body_is_taken_by_any_route(api: Api, ids: dict[str, str]) -> None:
    wrong: list[str] = []
    for route in WITH_BODY:
        for what, raw in RAW.items():
            answer = await send(api, route, ids, raw)
            wrong += problems(answer, f"{route.name} {what}")
            judged_alone = route.name in BULK and answer.status_code == 200
            if answer.status_code not in {400, 413, 422} and not judged_alone:
                wrong.append(f"{route.name} {what}: {answer.status_code}")

    assert wrong == []


def mutants(body: Any) -> Iterator[tuple[str, Any]]:
    """Yield the body with each of its parts replaced by each hostile value in turn."""
    if isinstance(body, dict):
        parts: list[Any] = list(body)
    else:
        parts = list(range(len(body))) if isinstance(body, list) else []
    for part in parts:
        for value in VALUES:
            changed = dict(body) if isinstance(body, dict) else list(body)
            changed[part] = value
            yield f"/{part}={str(value)[:30]!r}", changed
        for where, inner in mutants(body[part]):
            changed = dict(body) if isinstance(body, dict) else list(body)
            changed[part] = inner
            yield f"/{part}{where}", changed


async def test_no_hostile_value_in_any_field_is_a_5xx_or_echoed(api: Api, ids: dict[str, str]) -> None:
    wrong: list[str] = []
    for route in WITH_BODY:
        for what, body in mutants(route.example()):
            # Escaped, so that a lone surrogate reaches the service as a client would send it.
            answer = await send(api, route, ids, json.dumps(body).encode())
            if not (route.name == "POST /v1/events/batch" and answer.status_code == 200):
                wrong += problems(answer, f"{route.name} {what}")

    assert wrong == []


QUERIES = [
    "%00", "%ED%A0%80", "x" * 5_000, "NaN", "-1", "1e3", "%F0%9F%92%89", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "2026-03-02", "1772400000", "", MARK, ABSENT,
]  # fmt: skip


async def test_no_hostile_query_or_path_is_a_5xx_or_echoed(api: Api, ids: dict[str, str]) -> None:
    wrong: list[str] = []
    for route in (one for one in ROUTES if one.method == "GET"):
        names = [one["name"] for one in route.operation.get("parameters", []) if one["in"] == "query"]
        for value in QUERIES:
            for name in names:
                url = f"{route.path.format_map(ids)}?{name}={value}"
                answer = await api.client.get(url, headers=api.admin)
                wrong += problems(answer, f"{route.name}?{name}={value[:20]}")
            if route.parameters and value:
                hostile = dict.fromkeys(route.parameters, value[:2_000])
                answer = await api.client.get(route.path.format_map(hostile), headers=api.admin)
                wrong += problems(answer, f"{route.name} path {value[:20]}")
                if answer.status_code not in {404, 422}:
                    wrong.append(f"{route.name} path {value[:20]}: {answer.status_code}")

    assert wrong == []


HEADERS = [
    {"authorization": "Bearer " + "x" * 10_000},
    {"authorization": "Bearer \x7f"},
    {"authorization": "Bearer"},
    {"authorization": "bearer  "},
    {"authorization": "Basic eDp5"},
    {"content-encoding": "br"},
    {"content-encoding": "gzip, gzip"},
    {"content-encoding": "gzip"},
    {"content-type": "application/xml"},
    {"content-type": "text/plain; charset=utf-8"},
    {"content-type": "application/json; charset=\x7f"},
    {"content-type": "/"},
    {"x-request-id": "a" * 10_000},
    {"x-request-id": MARK + " with blanks"},
    {"if-none-match": '"' * 1_000},
    {"host": "evil.example.org"},
    {"x-forwarded-for": "1.2.3.4', '"},
    {"accept": "text/x-unknown"},
    {"range": "bytes=0-1"},
    {"expect": "42"},
    {"transfer-encoding": "identity"},
]


async def test_no_odd_header_is_a_5xx(api: Api, ids: dict[str, str]) -> None:
    wrong: list[str] = []
    for route in (one for one in ROUTES if one.name in BUSY):
        content = json.dumps(route.example()).encode() if route.takes_body else b""
        for headers in HEADERS:
            answer = await send(api, route, ids, content, **headers)
            wrong += problems(answer, f"{route.name} {str(headers)[:50]}")
            if len(answer.headers["x-request-id"]) > 128:
                wrong.append(f"{route.name}: a request id without end")

    assert wrong == []


async def test_bytes_that_are_no_text_in_the_key_are_401(api: Api) -> None:
    request = api.client.build_request("GET", "/v1/me")
    request.headers.raw.append((b"authorization", b"Bearer \xff\xfe"))

    assert (await api.client.send(request)).status_code == 401


async def test_a_body_without_end_is_413_and_not_read_to_its_end(api: Api, ids: dict[str, str]) -> None:
    async def endless(sent: list[int]) -> AsyncIterator[bytes]:
        yield b'{"a": "'
        while len(sent) < 1_000:
            sent.append(65_536)
            yield b"x" * 65_536

    headers = api.admin | {"content-type": "application/json"}
    for route in WITH_BODY:
        sent: list[int] = []
        path = route.path.format_map(ids)
        answer = await api.client.request(route.method, path, content=endless(sent), headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large"), route.name
        assert sum(sent) <= (8 * 1024 * 1024 if route.name in BULK else 64 * 1024) + 131_072, route.name


async def test_a_gzip_bomb_is_413_and_a_broken_gzip_415(api: Api, ids: dict[str, str]) -> None:
    bomb = gzip.compress(b" " * 20_000_000, 1)
    bombs = gzip.compress(b" " * 60_000) * 200
    cut_off = gzip.compress(b'{"event_id": "e1"}')[:-9]
    for route in WITH_BODY:
        answers = [
            await send(api, route, ids, packed, **{"content-encoding": "gzip"})
            for packed in (bomb, bombs, cut_off, b"no gzip")
        ]

        assert [answer.status_code for answer in answers] == [413, 413, 415, 415], route.name


async def test_a_gzip_file_of_several_members_is_one_body(api: Api) -> None:
    await api.ship()
    body = json.dumps(
        {"event_id": "e1", "type": "departed", "occurred_at": hours(0), "reference": "LU-1"}
    ).encode()
    packed = gzip.compress(body[:20]) + gzip.compress(body[20:])
    headers = api.admin | {"content-encoding": "gzip"}

    answer = await api.client.post("/v1/events", content=packed, headers=headers)

    assert answer.status_code == 201


TIMES_REFUSED = [
    "2026-03-02T00:00:00", "2026-03-02", "2026-03-02 00:00:00+00:00", "2026-03-02T00:00:00 +00:00", "20260302T000000Z",
    "2026-W10-1T00:00:00Z", "2026-061T00:00:00Z", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z",
    "2026-03-02T24:00:00Z", "2026-03-02T00:60:00Z", "2026-03-01T23:59:60Z", "2026-03-02T00:00:00+25:00",
    "2026-03-02T00:00:00+24:00",
    "2026-03-02T00:00:00Z Z", "2026-03-02T00:00:00ZZ", "-2026-03-02T00:00:00Z", "+12026-03-02T00:00:00Z",
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1899-12-31T00:00:00Z", "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00", "2026-03-02T00:00:00[Europe/Rome]", "Mon, 02 Mar 2026 00:00:00 GMT", "now", "",
    "1772400000", "1772400000000", 1_772_400_000, 1_772_400_000_000, 1.7724e9, True, None, [], {},
    "\uff12\uff10\uff12\uff16-03-02T00:00:00Z", "2026-03-02T00:00:00.Z",
]  # fmt: skip
TIMES_TAKEN = [
    "2026-03-02T00:00:00Z", "2026-03-02t00:00:00z", "2026-03-02T00:00:00-00:00", "2026-03-02T05:45:00+05:45",
    "2026-03-02T14:00:00+14:00", "2026-03-01T12:00:00-12:00", "2026-03-02T00:00:00.123456789Z",
    "2026-03-02T00:00:00.1Z",
]  # fmt: skip


async def test_an_odd_time_is_422_where_it_stands_and_nothing_is_stored(api: Api) -> None:
    shipment = await api.ship()
    scan = {"event_id": "e1", "reference": "LU-1", "type": "departed", "occurred_at": hours(0)}
    wrong = []
    for text in TIMES_REFUSED:
        for field in ("occurred_at", "sent_at") if text is not None else ("occurred_at",):
            answer = await api.post("/v1/events", scan | {field: text})
            pointers = [one["pointer"] for one in answer.json().get("errors", [])]
            if (answer.status_code, pointers) != (422, [f"/{field}"]):
                wrong.append((text, field, answer.status_code, pointers))

    assert wrong == []
    assert (await api.get(f"/v1/shipments/{shipment['id']}/events")).json()["data"] == []


async def test_a_time_that_rfc_3339_allows_is_taken_and_kept_as_written(api: Api) -> None:
    shipment = await api.ship()

    answers = [await api.scan(shipment, "position", occurred_at=text, event_id=text) for text in TIMES_TAKEN]

    kept = (await api.get(f"/v1/shipments/{shipment['id']}/events")).json()["data"]
    assert {answer.status_code for answer in answers} == {201}
    assert {one["event_id"]: one["occurred_text"] for one in kept} == {text: text for text in TIMES_TAKEN}
