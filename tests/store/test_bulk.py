"""Many rows in one statement: what goes in comes out, whatever its type, and only what was named is changed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.models.base import new_id
from app.store import bulk
from app.store.tables import audit_entry, event, shipment_due
from tests.support.api import START, Api

AT = datetime(2026, 3, 2, 8, 4, 5, 123456, tzinfo=UTC)


def event_row(**changes: Any) -> dict[str, Any]:
    return {
        "id": new_id(),
        "organisation_id": new_id(),
        "shipment_id": None,
        "lot": 'L\'1; "x" é 放射',
        "source": "ACME",
        "event_id": "e1",
        "digest": "d",
        "type": "released",
        "occurred_at": AT,
        "occurred_text": "2026-03-02T09:04:05.123456+01:00",
        "sent_at": None,
        "effective_at": AT,
        "received_at": AT + timedelta(microseconds=1),
        "clock_suspect": False,
        "late": True,
        "placed": True,
        "leg": 2,
        "dose": None,
        "carrier": None,
        "location": {"code": None, "lat": 45.123456789012345, "lon": -9e-7},
        "reason": None,
        "details": {"scope": "final", "nested": {"list": [1, 2.5, None, True, "ü"]}},
        "actor": new_id(),
    } | changes


async def test_every_type_comes_back_as_it_went_in(api: Api) -> None:
    rows = [event_row(event_id=f"e{number}") for number in range(300)]
    rows[1] |= {"location": None, "details": {}, "leg": None, "lot": None}

    async with api.house.db.transaction() as connection:
        await bulk.insert(connection, event, rows)
    async with api.house.db.reading() as connection:
        stored = {row.id: dict(row._mapping) for row in await connection.execute(sa.select(event))}

    assert stored == {row["id"]: row for row in rows}


async def test_an_absent_json_value_is_null_and_no_text(api: Api) -> None:
    entry = {
        "id": new_id(), "organisation_id": new_id(), "at": AT, "actor": "a", "action": "b", "object_kind": "c",
        "object_id": "d", "old": None, "new": {"x": None}, "reason": None,
    }  # fmt: skip

    async with api.house.db.transaction() as connection:
        await bulk.insert(connection, audit_entry, [entry])
    async with api.house.db.reading() as connection:
        found = await connection.execute(
            sa.select(audit_entry.c.new).where(audit_entry.c.old.is_(None), audit_entry.c.id == entry["id"])
        )

    assert found.scalars().all() == [{"x": None}]


async def test_rows_are_found_by_all_that_is_named_of_them(api: Api) -> None:
    organisation_id = new_id()
    rows = [event_row(organisation_id=organisation_id, event_id=f"e{number}") for number in range(3)]
    like = [
        {"organisation_id": organisation_id, "event_id": "e1"},
        {"organisation_id": organisation_id, "event_id": "absent"},
        {"organisation_id": new_id(), "event_id": "e2"},
    ]

    async with api.house.db.transaction() as connection:
        await bulk.insert(connection, event, rows)
        found = await bulk.select(connection, event, ("id", "received_at", "late"), like)
        none = await bulk.select(connection, event, ("id",), [])
        among = await connection.scalars(
            sa.select(event.c.event_id).where(bulk.among(connection, event.c.id, [rows[0]["id"], new_id()]))
        )

    assert [tuple(row) for row in found] == [(rows[1]["id"], rows[1]["received_at"], True)]
    assert none == ()
    assert among.all() == ["e0"]


async def test_an_update_changes_the_named_rows_and_computes_from_the_old(api: Api) -> None:
    shipments = [(await api.ship(reference=name))["id"] for name in ("A", "B", "C")]
    rows = [
        {"shipment_id": one, "assess_at": AT, "latest_event_at": None, "version": 0} for one in shipments[:2]
    ]

    async with api.house.db.transaction() as connection:
        for _ in range(2):
            await bulk.update(
                connection,
                shipment_due,
                rows,
                key="shipment_id",
                computed=(("version", "old.version + 10"),),
            )
        stored = {row.shipment_id: row for row in await connection.execute(sa.select(shipment_due))}

    assert [(stored[one].version, stored[one].assess_at) for one in shipments] == [
        (21, AT),
        (21, AT),
        (1, START),
    ]
    assert all(row.organisation_id and row.latest_event_at is None for row in stored.values())


@pytest.mark.parametrize("hostile", ["'; DROP TABLE event; --", "\\", '"', "\u2028", "%s :rows $1 ?"])
async def test_no_text_gets_out_of_its_value(api: Api, hostile: str) -> None:
    row = event_row(lot=hostile, details={hostile: hostile})

    async with api.house.db.transaction() as connection:
        await bulk.insert(connection, event, [row])
        stored = (await connection.execute(sa.select(event.c.lot, event.c.details))).one()

    assert tuple(stored) == (hostile, {hostile: hostile})
