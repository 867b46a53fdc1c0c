"""Events: written once, whoever resends them, in whatever order they come."""

import asyncio
import random
from typing import Any

import pytest
import sqlalchemy as sa

from app.store.tables import audit_entry, event, shipment_due
from tests.support.api import START, Api, hours

JOURNEY = [
    ("picked_up", 1, 7.8),
    ("departed", 1, 8.1),
    ("arrived", 1, 9.0),
    ("departed", 2, 12.1),
    ("arrived", 2, 13.0),
    ("departed", 3, 14.0),
    ("delivered", 3, 15.1),
]


def body(shipment: dict[str, Any], type_: str, leg: int, hour: float) -> dict[str, Any]:
    return {
        "event_id": f"{type_}-{leg}",
        "shipment_id": shipment["id"],
        "type": type_,
        "leg": leg,
        "occurred_at": hours(hour),
    }


async def test_fifty_at_once_are_one_201_and_49_times_the_same_answer(api: Api) -> None:
    shipment = await api.ship()
    one = body(shipment, "picked_up", 1, 0)

    answers = await asyncio.gather(*(api.post("/v1/events", one) for _ in range(50)))

    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_the_same_content_is_known_however_it_is_written(api: Api) -> None:
    shipment = await api.ship()
    first = body(shipment, "picked_up", 1, 0) | {"location": {"lat": 45, "lon": 9}}
    again = dict(reversed(first.items())) | {
        "location": {"lon": 9.0, "lat": 45.0},
        "occurred_at": "2026-03-02T01:00:00+01:00",
        "sent_at": hours(0),
    }

    answers = [(await api.post("/v1/events", one)).status_code for one in (first, again)]
    conflict = await api.post("/v1/events", first | {"leg": 2})

    assert answers == [201, 200]
    assert conflict.status_code == 409


async def test_each_event_has_its_audit_entry_and_its_shipment_is_due_in_the_same_commit(api: Api) -> None:
    shipment = await api.ship()
    await api.assess()

    await api.post("/v1/events", body(shipment, "picked_up", 1, 0))

    async with api.house.db.reading() as connection:
        events = await connection.scalar(sa.select(sa.func.count()).select_from(event))
        entries = await connection.scalar(
            sa.select(sa.func.count()).where(audit_entry.c.action == "event:picked_up")
        )
        due = (await connection.execute(sa.select(shipment_due))).one()
    assert (events, entries) == (1, 1)
    assert (due.version, due.assess_at) == (2, START)


@pytest.mark.parametrize("seed", range(3))
async def test_any_order_of_arrival_gives_the_same_status(api: Api, seed: int) -> None:
    shuffled = list(JOURNEY)
    random.Random(seed).shuffle(shuffled)
    one, other = await api.ship(reference="A"), await api.ship(reference="B")
    api.clock.advance(hours=16)

    for item in JOURNEY:
        await api.post("/v1/events", body(one, *item))
    for item in shuffled * 2:
        await api.post("/v1/events", body(other, *item) | {"event_id": f"B-{item[0]}-{item[1]}"})

    first, second = await api.status(one), await api.status(other)
    for name in ("state", "custodian", "position", "eta", "late_probability"):
        assert first[name] == second[name]
    assert first["last_event"]["type"] == second["last_event"]["type"] == "delivered"


async def test_a_fast_handheld_is_set_right_by_sent_at_and_a_clock_ahead_counts_when_heard(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=9)
    fast = body(shipment, "departed", 1, 8.5) | {"sent_at": hours(9.5)}
    ahead = body(shipment, "arrived", 1, 20)

    late = [(await api.post("/v1/events", one)).json() for one in (ahead, fast)]

    rows = {
        one["type"]: one for one in (await api.get(f"/v1/shipments/{shipment['id']}/events")).json()["data"]
    }
    assert rows["departed"]["effective_at"] == "2026-03-02T08:00:00.000Z"
    assert rows["departed"]["occurred_text"] == hours(8.5)
    assert (rows["arrived"]["clock_suspect"], rows["arrived"]["effective_at"]) == (
        True,
        "2026-03-02T09:00:00.000Z",
    )
    assert [one["late"] for one in late] == [False, True]


async def test_an_event_that_fits_no_leg_is_kept_and_not_counted(api: Api) -> None:
    shipment = await api.ship()
    stray = {name: value for name, value in body(shipment, "departed", 1, 0).items() if name != "leg"}

    answer = await api.post("/v1/events", stray | {"location": {"code": "NOWHERE"}})

    assert (answer.status_code, answer.json()["placed"]) == (201, False)
    assert (await api.status(shipment))["state"] == "planned"


async def test_one_bad_item_sinks_no_other_in_a_batch(api: Api) -> None:
    shipment = await api.ship()
    items = [body(shipment, "picked_up", 1, 0), {"event_id": "x"}, body(shipment, "departed", 1, 0)]

    answer = await api.post("/v1/events/batch", {"events": items})

    results = answer.json()["results"]
    assert [one["status"] for one in results] == [201, 422, 201]
    assert [one["index"] for one in results] == [0, 1, 2]
    assert results[1]["problem"]["errors"]


async def test_a_correction_voids_its_target_and_the_old_stays_readable(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=9)
    await api.post("/v1/events", body(shipment, "departed", 1, 8))
    void = {
        "event_id": "c1",
        "shipment_id": shipment["id"],
        "type": "correction",
        "occurred_at": hours(9),
        "reason": "wrong box",
        "details": {"corrects": "departed-1"},
    }

    answer = await api.post("/v1/events", void)

    listed = (await api.get(f"/v1/shipments/{shipment['id']}/events")).json()["data"]
    assert answer.status_code == 201
    assert (await api.status(shipment))["state"] == "planned"
    assert {one["type"] for one in listed} == {"departed", "correction"}


async def test_a_lots_release_reaches_every_shipment_of_it(api: Api) -> None:
    shipments = [await api.ship(reference=name) for name in ("A", "B")]
    quality = await api.headers("quality")
    release = {
        "event_id": "r1",
        "type": "released",
        "lot": "L1",
        "occurred_at": hours(0),
        "details": {"scope": "final"},
    }

    answer = await api.post("/v1/events", release, headers=quality)

    assert (answer.status_code, answer.json()["shipment_id"]) == (201, None)
    for shipment in shipments:
        assert (await api.status(shipment))["doses"][0]["quality_status"] == "released"


ROLES = [
    ("operator", {}, "departed", 201),
    ("operator", {}, "released", 403),
    ("courier", {"carrier": "ACME"}, "departed", 201),
    ("courier", {"carrier": "OTHER"}, "departed", 404),
    ("courier", {"carrier": "ACME"}, "received", 403),
    ("quality", {}, "departed", 403),
    ("device", {}, "departed", 403),
    ("subscriber", {}, "departed", 403),
    ("auditor", {}, "departed", 403),
]


@pytest.mark.parametrize(("role", "bindings", "type_", "status"), ROLES, ids=lambda value: str(value))
async def test_who_may_say_what_is_judged_before_the_shape(
    api: Api, role: str, bindings: dict[str, str], type_: str, status: int
) -> None:
    shipment = await api.ship()
    headers = await api.headers(role, **bindings)
    wrong = {"details": {"nonsense": 1}} if status == 403 else {}

    answer = await api.post("/v1/events", body(shipment, type_, 1, 0) | wrong, headers=headers)

    assert answer.status_code == status


async def test_without_a_valid_key_everything_is_401(api: Api) -> None:
    for headers in ({}, {"Authorization": "Bearer dtk_wrong"}, {"Authorization": "Basic eDp5"}):
        answer = await api.client.post("/v1/events", content=b"{", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_revoked_and_an_expired_key_are_401(api: Api) -> None:
    made = (await api.post("/v1/api-keys", {"name": "gone", "role": "operator"})).json()
    short = (
        await api.post("/v1/api-keys", {"name": "short", "role": "operator", "expires_at": hours(1)})
    ).json()
    keys = [{"Authorization": f"Bearer {one['key']}"} for one in (made, short)]
    before = [(await api.get("/v1/me", headers=one)).status_code for one in keys]

    await api.client.delete(f"/v1/api-keys/{made['id']}", headers=api.admin)
    api.clock.advance(hours=1)

    assert before == [200, 200]
    assert [(await api.get("/v1/me", headers=one)).status_code for one in keys] == [401, 401]
