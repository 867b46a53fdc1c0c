"""What waits together is committed together, each answered for itself, and never before the commit."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from app.pipeline import intake
from app.store.tables import event
from tests.support.api import ADMIN_KEY, Api, hours, serving
from tests.support.postgres import PostgresServer
from tests.support.sabotage import (
    cross_events,
    database,
    fail_commits_of_events,
    heal_commits,
    nobody_writes,
    refuse_event,
)

WHILE_S = 0.3
"""For how long nothing must happen."""


def scans(count: int) -> list[dict[str, Any]]:
    return [
        {"event_id": f"scan-{number}", "reference": "LU-1", "type": "position", "occurred_at": hours(0)}
        for number in range(count)
    ]


async def stored(url: str) -> list[str]:
    async with database(url) as db, db.reading() as connection:
        return sorted(await connection.scalars(sa.select(event.c.event_id)))


async def posted(api: Api, bodies: list[dict[str, Any]]) -> list[httpx.Response]:
    return list(await asyncio.gather(*(api.post("/v1/events", one) for one in bodies)))


def sent(api: Api, bodies: list[dict[str, Any]]) -> "list[asyncio.Task[httpx.Response]]":
    return [asyncio.create_task(api.post("/v1/events", one)) for one in bodies]


def names(bodies: list[dict[str, Any]]) -> list[str]:
    return sorted(one["event_id"] for one in bodies)


async def test_a_poisoned_submission_is_answered_alone_and_its_neighbours_are_written(
    api: Api, database_url: str
) -> None:
    await api.ship()
    await refuse_event(database_url, "scan-13")
    bodies = scans(40)

    answers = await posted(api, bodies)

    codes = {one["event_id"]: answer.status_code for one, answer in zip(bodies, answers, strict=True)}
    assert codes.pop("scan-13") == 422
    assert set(codes.values()) == {201}
    assert answers[13].json()["code"] == "unstorable"
    assert await stored(database_url) == sorted(codes)


async def test_what_is_wrong_with_one_is_no_matter_of_the_others(api: Api, database_url: str) -> None:
    await api.ship()
    good = scans(20)
    wrong = [
        good[0] | {"event_id": "absent", "reference": "LU-404"},
        good[0] | {"event_id": "legless", "leg": 9},
        good[0] | {"event_id": "early", "occurred_at": hours(-2_000)},
    ]

    answers = await posted(api, [*good[:10], *wrong, *good[10:]])

    assert [answer.status_code for answer in answers] == [201] * 10 + [404, 422, 422] + [201] * 10
    assert await stored(database_url) == names(good)


async def test_two_that_say_different_things_under_one_id_at_once_are_one_201_and_one_409(api: Api) -> None:
    await api.ship()
    one, other = scans(1)[0], scans(1)[0] | {"type": "departed", "leg": 1}

    answers = await posted(api, [one, other] * 5)

    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [201] + [409] * 5


async def test_no_answer_is_a_success_when_the_commit_fails(api: Api, database_url: str) -> None:
    await api.ship()
    await fail_commits_of_events(database_url)
    bodies = scans(3)

    failed = await posted(api, bodies)
    between = await stored(database_url)
    await heal_commits(database_url)
    again = await posted(api, bodies)

    assert all(answer.status_code >= 400 for answer in failed)
    assert between == []
    assert [answer.status_code for answer in again] == [201] * 3


async def test_each_answer_leaves_after_its_commit(api: Api, database_url: str) -> None:
    await api.ship()

    async def seen_when_answered(body: dict[str, Any]) -> bool:
        answer = await api.post("/v1/events", body)
        async with beside.reading() as connection:
            found = await connection.scalar(sa.select(event.c.id).where(event.c.id == answer.json()["id"]))
        return found is not None

    async with database(database_url) as beside:
        assert all(await asyncio.gather(*(seen_when_answered(body) for body in scans(15))))


async def test_while_nothing_can_be_written_nothing_is_answered_and_then_all_is(
    api: Api, database_url: str
) -> None:
    await api.ship()

    async with nobody_writes(database_url):
        waiting = sent(api, scans(10))
        done, _ = await asyncio.wait(waiting, timeout=WHILE_S)
        assert done == set()
    answers = await asyncio.gather(*waiting)

    assert [answer.status_code for answer in answers] == [201] * 10


async def test_a_full_intake_says_when_to_come_back(
    api: Api, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.ship()
    monkeypatch.setattr(intake, "WAITING_MAX", 3)
    bodies = scans(12)

    async with nobody_writes(database_url):
        tasks = sent(api, bodies)
        done, waiting = await asyncio.wait(tasks, timeout=WHILE_S)
    refused = [task.result() for task in done]
    taken = await asyncio.gather(*waiting)
    monkeypatch.undo()
    again = await posted(api, bodies)

    assert refused
    assert {(one.status_code, one.json()["code"]) for one in refused} == {(503, "intake_full")}
    assert all(int(one.headers["retry-after"]) >= 1 for one in refused)
    assert {one.status_code for one in taken} == {201}
    assert sorted(one.status_code for one in again) == [200] * len(taken) + [201] * len(refused)
    assert await stored(database_url) == names(bodies)


async def test_what_is_not_written_in_time_is_unknown_and_safe_to_repeat(
    api: Api, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.ship()
    monkeypatch.setattr(intake, "ANSWER_WITHIN_S", 0.1)
    bodies = scans(5)

    async with nobody_writes(database_url):
        late = await posted(api, bodies)
    monkeypatch.undo()
    again = await posted(api, bodies)

    assert {(one.status_code, one.json()["code"]) for one in late} == {(503, "intake_timeout")}
    assert all("retry-after" in one.headers for one in late)
    assert {one.status_code for one in again} <= {200, 201}
    assert await stored(database_url) == names(bodies)


async def test_clients_that_hang_up_leave_nothing_behind_and_stop_nobody(api: Api, database_url: str) -> None:
    await api.ship()
    bodies = scans(200)

    async with nobody_writes(database_url):
        impatient = sent(api, bodies)
        await asyncio.wait(impatient, timeout=WHILE_S)
        for task in impatient:
            task.cancel()
        await asyncio.wait(impatient)
    again = await posted(api, bodies)

    assert {one.status_code for one in again} <= {200, 201}
    assert await stored(database_url) == names(bodies)
    pool = api.house.db.engine.pool
    assert isinstance(pool, sa.pool.QueuePool)
    assert pool.checkedout() == 0


async def test_a_shutdown_writes_what_waits(database_url: str) -> None:
    service = serving(database_url, secret_key=Fernet.generate_key().decode(), admin_key=ADMIN_KEY)
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(service)
        await api.ship()
        async with nobody_writes(database_url):
            waiting = sent(api, scans(30))
            await asyncio.wait(waiting, timeout=WHILE_S)
            leaving = asyncio.create_task(stack.pop_all().aclose())
            gone, _ = await asyncio.wait([leaving], timeout=WHILE_S)
            assert gone == set()
        answers = await asyncio.gather(*waiting)
        await leaving

    assert [answer.status_code for answer in answers] == [201] * 30
    assert await stored(database_url) == names(scans(30))


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_template: str) -> Iterator[str]:
    """A database where transactions can cross; SQLite has one writer."""
    yield postgres_server.create_database("crossing", template=postgres_template)
    postgres_server.drop_database("crossing")


async def test_transactions_that_cross_are_repeated_and_nobody_notices(postgres_url: str) -> None:
    async with serving(postgres_url, secret_key=Fernet.generate_key().decode(), admin_key=ADMIN_KEY) as api:
        await api.ship()
        await cross_events(postgres_url, times=2)

        answers = await posted(api, scans(5))

    assert [answer.status_code for answer in answers] == [201] * 5
    assert await stored(postgres_url) == names(scans(5))


async def test_transactions_that_go_on_crossing_are_a_503_that_may_be_repeated(postgres_url: str) -> None:
    async with serving(postgres_url, secret_key=Fernet.generate_key().decode(), admin_key=ADMIN_KEY) as api:
        await api.ship()
        await cross_events(postgres_url, times=3)

        answer, again = [await api.post("/v1/events", scans(1)[0]) for _ in range(2)]

    assert (answer.status_code, answer.json()["code"]) == (503, "serialization_failed")
    assert "retry-after" in answer.headers
    assert again.status_code == 201


async def test_two_replicas_that_hear_the_same_at_once_write_it_once(postgres_url: str) -> None:
    secret_key = Fernet.generate_key().decode()
    async with (
        serving(postgres_url, secret_key=secret_key, admin_key=ADMIN_KEY) as one,
        serving(postgres_url, secret_key=secret_key, admin_key=ADMIN_KEY) as other,
    ):
        await one.ship()
        bodies = scans(40)

        answers = await asyncio.gather(posted(one, bodies), posted(other, list(reversed(bodies))))

    receipts = [answer.json() for each in answers for answer in each]
    codes = [answer.status_code for each in answers for answer in each]
    assert sorted(codes) == [200] * 40 + [201] * 40
    assert len({receipt["id"] for receipt in receipts}) == 40
    assert await stored(postgres_url) == names(bodies)
