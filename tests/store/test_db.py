"""The engine's own promises: no update is lost, no instant is bent, and a database that is away is said to be."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app.models.base import UtcDateTime
from app.store import db as store_db
from app.store import schema
from app.store.db import Database
from tests.support.api import ADMIN_KEY, START, Api, hours, serving
from tests.support.postgres import PostgresServer
from tests.support.sabotage import database

WORKERS, TIMES_EACH = 40, 10


TALLY = sa.table("tally", sa.column("count", sa.Integer))


async def add_one(connection: AsyncConnection, *, have_read: asyncio.Barrier | None = None) -> None:
    """Read, then write what was read and one more; on PostgreSQL a writer locks what it reads."""
    found = (await connection.execute(sa.select(TALLY.c.count).with_for_update())).scalar_one()
    if have_read is not None:
        await have_read.wait()
    await connection.execute(sa.update(TALLY).values(count=found + 1))


@pytest.fixture
async def beside(database_url: str) -> AsyncIterator[Database]:
    async with database(database_url) as db:
        yield db


async def test_four_hundred_read_modify_writes_all_survive(beside: Database) -> None:
    async with beside.transaction() as connection:
        await connection.exec_driver_sql("CREATE TABLE tally (count integer)")
        await connection.exec_driver_sql("INSERT INTO tally VALUES (0)")

    async def count() -> None:
        for _ in range(TIMES_EACH):
            async with beside.transaction() as connection:
                await add_one(connection)

    await asyncio.gather(*(count() for _ in range(WORKERS)))

    async with beside.reading() as connection:
        assert (await connection.exec_driver_sql("SELECT count FROM tally")).scalar_one() == 400


async def test_who_freezes_within_a_transaction_loses_his_locks_and_writes_nothing(
    postgres_server: PostgresServer, postgres_template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.create_database("frozen", template=postgres_template)
    monkeypatch.setattr(store_db, "IDLE_IN_TRANSACTION_S", 1)
    async with database(url) as frozen, database(url) as other:
        async with other.transaction() as connection:
            await connection.exec_driver_sql("CREATE TABLE tally (count integer)")
            await connection.exec_driver_sql("INSERT INTO tally VALUES (0)")

        async def freeze() -> None:
            async with frozen.transaction() as connection:
                await add_one(connection)
                # Meanwhile another waits for the lock, and gets it although this transaction has not ended.
                async with asyncio.timeout(10), other.transaction() as second:
                    await add_one(second)
                await add_one(connection)

        with pytest.raises(store_db.DatabaseUnavailable):
            await freeze()
        async with frozen.transaction() as connection:  # what comes next has a sound connection
            await add_one(connection)
        async with other.reading() as connection:
            assert (await connection.execute(sa.select(TALLY.c.count))).scalar_one() == 2
    postgres_server.drop_database("frozen")


async def test_two_processes_on_one_sqlite_file_lose_no_update_either(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'two.db'}"
    async with database(url) as one, database(url) as other:
        async with one.transaction() as connection:
            await connection.exec_driver_sql("CREATE TABLE tally (count integer)")
            await connection.exec_driver_sql("INSERT INTO tally VALUES (0)")

        async def count(db: Database) -> None:
            for _ in range(20):
                async with db.transaction() as connection:
                    await add_one(connection)

        await asyncio.gather(count(one), count(other))

        async with one.reading() as connection:
            assert (await connection.exec_driver_sql("SELECT count FROM tally")).scalar_one() == 40


async def test_without_our_settings_sqlite_loses_updates_without_a_word(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'stock.db'}")
    async with engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE tally (count integer)")
        await connection.exec_driver_sql("INSERT INTO tally VALUES (0)")
    have_read = asyncio.Barrier(2)

    async def count() -> None:
        async with engine.begin() as connection:
            await add_one(connection, have_read=have_read)

    await asyncio.gather(count(), count())

    async with engine.connect() as connection:
        assert (await connection.exec_driver_sql("SELECT count FROM tally")).scalar_one() == 1
    await engine.dispose()


async def test_sqlite_flushes_each_commit_and_holds_its_foreign_keys(tmp_path: Path) -> None:
    async with database(f"sqlite+aiosqlite:///{tmp_path / 'set.db'}") as db, db.transaction() as connection:
        told = [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]

    assert told[:3] == ["wal", 2, 1]
    assert told[3] > 0


async def test_a_transaction_that_raises_leaves_nothing(beside: Database) -> None:
    async with beside.transaction() as connection:
        await connection.exec_driver_sql("CREATE TABLE tally (count integer)")

    async def fail() -> None:
        async with beside.transaction() as connection:
            await connection.exec_driver_sql("INSERT INTO tally VALUES (1)")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()

    async with beside.reading() as connection:
        assert (await connection.exec_driver_sql("SELECT count(*) FROM tally")).scalar_one() == 0


async def test_a_reader_sees_one_state_until_its_block_ends(beside: Database) -> None:
    async with beside.transaction() as connection:
        await connection.exec_driver_sql("CREATE TABLE tally (count integer)")
    query = "SELECT count(*) FROM tally"

    async with beside.reading() as reader:
        before = (await reader.exec_driver_sql(query)).scalar_one()
        async with beside.transaction() as writer:
            await writer.exec_driver_sql("INSERT INTO tally VALUES (1)")
        during = (await reader.exec_driver_sql(query)).scalar_one()
    async with beside.reading() as reader:
        after = (await reader.exec_driver_sql(query)).scalar_one()

    assert (before, during, after) == (0, 0, 1)


INSTANTS = [
    datetime(2026, 3, 2, 8, 4, 0, 123_456, tzinfo=UTC),
    datetime(1900, 12, 31, tzinfo=timezone(timedelta(hours=14))),
    datetime(2999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=1))),
    datetime(2026, 3, 2, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    datetime(2026, 3, 2, tzinfo=timezone(timedelta(hours=-12))),
]
MOMENT = sa.Table("moment", sa.MetaData(), sa.Column("at", UtcDateTime()))


@pytest.mark.parametrize("instant", INSTANTS, ids=str)
async def test_an_instant_comes_back_as_it_was_in_utc(beside: Database, instant: datetime) -> None:
    async with beside.transaction() as connection:
        await connection.run_sync(MOMENT.metadata.create_all)
        await connection.execute(sa.insert(MOMENT).values(at=instant))

    async with beside.reading() as connection:
        back = await connection.scalar(sa.select(MOMENT.c.at).where(MOMENT.c.at == instant))

    assert back == instant
    assert back.utcoffset() == timedelta(0)


async def test_instants_are_ordered_as_they_passed_whatever_their_offsets(beside: Database) -> None:
    async with beside.transaction() as connection:
        await connection.run_sync(MOMENT.metadata.create_all)
        await connection.execute(sa.insert(MOMENT), [{"at": one} for one in INSTANTS])

    async with beside.reading() as connection:
        back = list(await connection.scalars(sa.select(MOMENT.c.at).order_by(MOMENT.c.at)))

    assert back == sorted(INSTANTS)


async def test_a_naive_instant_is_refused(beside: Database) -> None:
    async with beside.transaction() as connection:
        await connection.run_sync(MOMENT.metadata.create_all)
        statement = sa.insert(MOMENT).values(at=START.replace(tzinfo=None))

        with pytest.raises(StatementError, match="has no time zone"):
            await connection.execute(statement)


async def test_no_connection_coming_free_is_a_503_and_it_recovers(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool: Any = api.house.db.engine.pool
    monkeypatch.setattr(pool, "_timeout", 0.1)
    room = pool.size() + pool._max_overflow
    held = [await api.house.db.engine.connect() for _ in range(room)]

    away = await api.get("/v1/sites")
    unready = await api.get("/readyz")
    for one in held:
        await one.close()
    back = await api.get("/v1/sites")

    assert (away.status_code, away.json()["code"]) == (503, "database_unavailable")
    assert int(away.headers["retry-after"]) >= 1
    assert (unready.status_code, back.status_code) == (503, 200)


async def test_a_sqlite_file_that_another_process_holds_is_a_503_and_it_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_db, "BUSY_TIMEOUT_MS", 50)
    url = f"sqlite+aiosqlite:///{tmp_path / 'held.db'}"
    async with serving(url, secret_key=Fernet.generate_key().decode(), admin_key=ADMIN_KEY) as api:
        shipment = await api.ship()
        async with database(url) as other, other.transaction():
            away = await api.scan(shipment, "picked_up", leg=1)
            read = await api.get("/v1/shipments")
        back = await api.scan(shipment, "picked_up", leg=1)

    assert (away.status_code, away.json()["code"]) == (503, "database_unavailable")
    assert "retry-after" in away.headers
    assert (read.status_code, back.status_code) == (200, 201)


@pytest.fixture
async def fragile() -> AsyncIterator[tuple[PostgresServer, Api]]:
    """A service on a PostgreSQL of its own, which the test may stop."""
    with PostgresServer() as server:
        url = server.create_database("fragile")
        async with database(url) as db:
            await schema.migrate(db)
        async with serving(url, secret_key=Fernet.generate_key().decode(), admin_key=ADMIN_KEY) as api:
            yield server, api


@pytest.mark.parametrize("how", ["stop", "crash"])
async def test_a_postgresql_that_is_stopped_and_started_is_503_between_and_needs_no_restart(
    fragile: tuple[PostgresServer, Api], how: str
) -> None:
    server, api = fragile
    shipment = await api.ship()
    first = await api.scan(shipment, "picked_up", leg=1)

    await asyncio.to_thread(getattr(server, how))
    away = [
        await api.scan(shipment, "departed", leg=1),
        await api.get(f"/v1/shipments/{shipment['id']}/status"),
        await api.post("/v1/sites", {}),
        await api.get("/readyz"),
    ]
    alive = await api.get("/healthz")
    await asyncio.to_thread(server.restart)
    back = await api.scan(shipment, "departed", leg=1)
    again = await api.scan(shipment, "picked_up", leg=1)

    assert first.status_code == 201
    assert [one.status_code for one in away] == [503, 503, 422, 503]
    assert all(int(one.headers["retry-after"]) >= 1 for one in away[:2])
    assert alive.status_code == 200
    assert (back.status_code, again.status_code) == (201, 200)
    assert (await api.status(shipment))["last_event"]["type"] == "departed"


async def test_posts_in_flight_when_postgresql_dies_are_answered_503_and_safe_to_repeat(
    fragile: tuple[PostgresServer, Api],
) -> None:
    server, api = fragile
    shipment = await api.ship()
    scans = [
        {"event_id": f"s{number}", "shipment_id": shipment["id"], "type": "position", "occurred_at": hours(0)}
        for number in range(300)
    ]

    posts = [asyncio.create_task(api.post("/v1/events", scan)) for scan in scans]
    await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.to_thread(server.crash)
    first = await asyncio.gather(*posts)
    await asyncio.to_thread(server.restart)
    second = await asyncio.gather(*(_insistently(api, scan) for scan in scans))

    assert {one.status_code for one in first} <= {201, 503}
    assert {one.status_code for one in second} <= {200, 201}
    kept = {one.json()["event_id"]: one.json()["id"] for one in first if one.status_code == 201}
    assert kept.items() <= {one.json()["event_id"]: one.json()["id"] for one in second}.items()


async def _insistently(api: Api, scan: dict[str, Any]) -> httpx.Response:
    """Post as couriers do: a 503 is repeated, for a connection from before the crash may still be found dead."""
    for _ in range(5):
        answer = await api.post("/v1/events", scan)
        if answer.status_code != 503:
            break
    return answer
