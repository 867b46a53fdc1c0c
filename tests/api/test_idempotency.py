"""Creating POSTs that are repeated, and keys that ask too often."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from app.pipeline.idempotency import Idempotency
from app.pipeline.rates import RateLimited, Rates
from app.store.db import Database
from app.store.tables import api_key, kept_answer, shipment
from tests.support.api import Api, product_body, shipment_body, site_body


def keyed(api: Api, key: str = "once-1") -> dict[str, str]:
    return api.admin | {"Idempotency-Key": key}


CREATING: list[tuple[str, dict[str, Any]]] = [
    ("/v1/sites", site_body(code="NEW")),
    ("/v1/products", product_body(name="New")),
    ("/v1/api-keys", {"name": "handheld", "role": "operator"}),
    ("/v1/webhooks", {"url": "http://127.0.0.1:9/hook", "event_types": ["alert.*"]}),
]


@pytest.mark.parametrize(("path", "body"), CREATING, ids=[row[0] for row in CREATING])
async def test_a_repeat_creates_nothing_and_replays_the_answer_without_secrets(
    api: Api, path: str, body: dict[str, Any]
) -> None:
    before = len((await api.get(path)).json()["data"])

    first = await api.post(path, body, headers=keyed(api))
    again = await api.post(path, dict(reversed(body.items())), headers=keyed(api))

    secret = {"/v1/api-keys": "key", "/v1/webhooks": "secret"}.get(path)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json() | ({secret: None} if secret else {})
    assert again.headers.get("location") == first.headers.get("location")
    assert len((await api.get(path)).json()["data"]) == before + 1
    if secret:
        async with api.house.db.reading() as connection:
            kept = str((await connection.execute(sa.select(kept_answer))).one())
        assert first.json()[secret] not in kept


async def test_a_shipment_is_registered_once_by_twenty_senders_at_once(api: Api) -> None:
    await api.set_up()
    body = shipment_body(api)

    answers = await asyncio.gather(*(api.post("/v1/shipments", body, headers=keyed(api)) for _ in range(20)))

    async with api.house.db.reading() as connection:
        count = await connection.scalar(sa.select(sa.func.count()).select_from(shipment))
    assert {one.status_code for one in answers} == {201}
    assert len({one.text for one in answers}) == 1
    assert count == 1


async def test_another_body_is_409_and_another_key_or_path_is_another_request(api: Api) -> None:
    operator = (await api.headers("operator")) | {"Idempotency-Key": "once-1"}
    await api.post("/v1/sites", site_body(code="A"), headers=keyed(api))

    other_body = await api.post("/v1/sites", site_body(code="B"), headers=keyed(api))
    other_key = await api.post("/v1/sites", site_body(code="B"), headers=operator)
    other_path = await api.post("/v1/products", product_body(), headers=keyed(api))

    assert (other_body.status_code, other_body.json()["code"]) == (409, "idempotency_conflict")
    assert (other_key.status_code, other_path.status_code) == (201, 201)


async def test_what_failed_may_be_repeated_and_a_day_later_it_is_forgotten(api: Api) -> None:
    bad = await api.post("/v1/sites", site_body(lat=91), headers=keyed(api))
    good = await api.post("/v1/sites", site_body(code="A"), headers=keyed(api))
    api.clock.advance(hours=25)
    await api.house.idempotency.forget()

    later = await api.post("/v1/sites", site_body(code="B"), headers=keyed(api))

    assert (bad.status_code, good.status_code, later.status_code) == (422, 201, 201)


async def test_what_was_done_and_not_answered_is_never_done_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: Any, **__: Any) -> None:
        raise RuntimeError("the process dies between the commit and the answer")

    monkeypatch.setattr(Idempotency, "keep", dies)
    monkeypatch.setattr("app.pipeline.idempotency.LOOK_EVERY_S", 0.0)
    body = {"name": "handheld", "role": "operator"}
    first = await api.post("/v1/api-keys", body, headers=keyed(api))

    again = await api.post("/v1/api-keys", body, headers=keyed(api))

    async with api.house.db.reading() as connection:
        count = await connection.scalar(
            sa.select(sa.func.count()).select_from(api_key).where(api_key.c.name == "handheld")
        )
    assert first.status_code == 500
    assert (again.status_code, again.json()["code"]) == (409, "done_unanswered")
    assert count == 1


@pytest.mark.parametrize("key", ["", "with space", "x" * 256])
async def test_a_key_that_is_none_is_422(api: Api, key: str) -> None:
    answer = await api.post("/v1/sites", site_body(), headers=keyed(api, key))

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_idempotency_key")


async def test_a_limited_key_is_told_when_to_come_back_and_others_are_not_held_up(api: Api) -> None:
    limited = await api.headers("operator", rate_limit_per_minute=6)  # type: ignore[arg-type]

    answers = [await api.get("/v1/me", headers=limited) for _ in range(8)]
    other = await api.get("/v1/me")
    api.clock.advance(seconds=10)
    paid_again = [(await api.get("/v1/me", headers=limited)).status_code for _ in range(2)]

    assert [one.status_code for one in answers] == [200] * 6 + [429] * 2
    assert answers[6].headers["retry-after"] == "10"
    assert answers[6].json()["code"] == "rate_limited"
    assert other.status_code == 200
    assert paid_again == [200, 429]


async def test_a_limit_is_counted_once_however_many_ask_at_once(api: Api) -> None:
    limited = await api.headers("operator", rate_limit_per_minute=5)  # type: ignore[arg-type]

    answers = await asyncio.gather(*(api.get("/v1/me", headers=limited) for _ in range(20)))

    assert sorted(one.status_code for one in answers) == [200] * 5 + [429] * 15


async def test_several_processes_spend_from_the_same_bucket(api: Api) -> None:
    limited = await api.headers("operator", rate_limit_per_minute=6)  # type: ignore[arg-type]
    caller = await api.house.keys.caller(limited["Authorization"].removeprefix("Bearer "))
    assert caller is not None
    other_db = Database(api.house.settings.database_url)
    processes = [api.house.rates, Rates(other_db, api.house.clock)]

    spent = await asyncio.gather(
        *(processes[number % 2].spend(caller) for number in range(12)), return_exceptions=True
    )
    await other_db.close()

    assert [type(one) for one in spent].count(RateLimited) == 6
    assert spent.count(None) == 6


async def test_the_plain_routes_count_and_refuse_alike(api: Api) -> None:
    shipment = await api.ship()
    limited = await api.headers("operator", rate_limit_per_minute=2)  # type: ignore[arg-type]
    path = f"/v1/shipments/{shipment['id']}/status"

    answers = [await api.client.get(path, headers=limited) for _ in range(3)]
    event = await api.scan(shipment, "picked_up", headers=limited)

    assert [one.status_code for one in answers] == [200, 200, 429]
    assert (event.status_code, event.headers["retry-after"]) == (429, "30")
