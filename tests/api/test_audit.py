"""The audit: who changed what, when, from what to what, and why; and the proof that nobody touched it since."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.domain.seals import SealKey
from app.models.base import new_id
from app.pipeline.seals import Proof, Seals
from app.store.tables import audit_entry, audit_seal
from tests.support.api import Api, hours, product_body

NOW = timedelta(0)


async def entries(api: Api, **params: Any) -> list[dict[str, Any]]:
    answer = await api.get("/v1/audit", **params)
    assert answer.status_code == 200, answer.text
    listed: list[dict[str, Any]] = answer.json()["data"]
    return listed


async def test_every_change_says_who_what_when_old_new_and_why(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=1)
    await api.patch(f"/v1/sites/{api.site['id']}", {"handling_minutes": 45})
    await api.patch(
        f"/v1/shipments/{shipment['id']}",
        {"reason": "patient moved", "doses": [{"reference": "D1", "administer_at": hours(21)}]},
    )
    await api.post(f"/v1/shipments/{shipment['id']}/cancel", {"reason": "patient unwell"})
    me = (await api.get("/v1/me")).json()

    site = await entries(api, object=api.site["id"])
    moved = await entries(api, object=shipment["id"])

    assert (site[0]["action"], site[0]["old"], site[0]["new"]) == (
        "change",
        {"handling_minutes": 60.0},
        {"handling_minutes": 45},
    )
    assert [(one["action"], one["reason"]) for one in moved] == [
        ("cancel", "patient unwell"),
        ("replan", "patient moved"),
        ("register", None),
    ]
    assert {(one["actor"], one["actor_name"]) for one in moved} == {(me["key_id"], "bootstrap")}
    assert moved[0]["at"] == "2026-03-02T01:00:00.000Z"


async def test_it_is_filtered_by_actor_and_half_open_span_and_paged(api: Api) -> None:
    await api.ship()
    operator = await api.headers("operator")
    api.clock.advance(hours=1)
    await api.post("/v1/products", product_body(name="Another"), headers=operator)
    actor = (await api.get("/v1/me", headers=operator)).json()["key_id"]

    own = await entries(api, actor=actor)
    before = await entries(api, until=hours(1))
    since = await entries(api, **{"from": hours(1)})
    first = (await api.get("/v1/audit", limit=2)).json()
    second = (await api.get("/v1/audit", limit=2, cursor=first["next_cursor"])).json()

    every = await entries(api)
    assert [one["object_kind"] for one in own] == ["product"]
    assert [one["id"] for one in since] == [own[0]["id"]]
    assert since + before == every
    assert first["data"] + second["data"] == every[:4]


@pytest.mark.parametrize(
    ("role", "bindings", "status"),
    [
        ("auditor", {}, 200),
        ("operator", {}, 403),
        ("quality", {}, 403),
        ("courier", {"carrier": "ACME"}, 403),
        ("subscriber", {}, 403),
        ("device", {}, 403),
    ],
)
async def test_only_admins_and_auditors_read_it(
    api: Api, role: str, bindings: dict[str, str], status: int
) -> None:
    headers = await api.headers(role, **bindings)

    assert (await api.get("/v1/audit", headers=headers)).status_code == status


async def busy(api: Api) -> list[str]:
    """Write a dozen entries under three seals, and return their ids, oldest first."""
    for number in range(3):
        await api.ship(reference=f"LU-{number}")
        for event in range(3):
            await api.post(
                "/v1/events",
                {
                    "event_id": f"{number}-{event}",
                    "reference": f"LU-{number}",
                    "type": "position",
                    "occurred_at": hours(0),
                },
            )
        await api.house.seals.seal(horizon=NOW)
    async with api.house.db.reading() as connection:
        return list(await connection.scalars(sa.select(audit_entry.c.id).order_by(audit_entry.c.id)))


async def test_an_untouched_audit_is_proved_and_the_youngest_entries_wait(api: Api) -> None:
    written = await busy(api)
    await api.ship(reference="young")

    held_back = await api.house.seals.seal()
    proof = await api.house.seals.verify(anchors=[await api.house.seals.anchor() or ""])

    assert held_back == 0
    assert proof == Proof(entries=len(written), seals=3, waiting=1, finding=None)


async def execute(api: Api, statement: sa.Executable) -> None:
    async with api.house.db.transaction() as connection:
        await connection.execute(statement)


async def edit(api: Api, victim: str) -> str:
    await execute(api, sa.update(audit_entry).where(audit_entry.c.id == victim).values(actor="somebody else"))
    return victim


async def delete(api: Api, victim: str) -> str:
    await execute(api, sa.delete(audit_entry).where(audit_entry.c.id == victim))
    return victim


async def insert_after(api: Api, victim: str) -> str:
    """Forge an entry whose id says that it was written just after another."""
    forged = victim[:-1] + ("0" if victim[-1] == "f" else format(int(victim[-1], 16) + 1, "x"))
    row = {
        "id": forged,
        "organisation_id": new_id(),
        "at": api.clock.at,
        "actor": "somebody",
        "action": "change",
        "object_kind": "site",
        "object_id": "x",
        "old": None,
        "new": None,
        "reason": None,
    }
    await execute(api, sa.insert(audit_entry).values(**row))
    return forged


async def edit_and_reseal(api: Api, victim: str) -> str:
    """Change an entry, and make every seal anew, as one can who has the database but not the key."""
    await edit(api, victim)
    await execute(api, sa.delete(audit_seal))
    forger = Seals(api.house.db, api.house.clock, [SealKey.of("a key of the forger's own")])
    await forger.seal(horizon=NOW)
    genuine = api.house.seals._keys[0].id
    await execute(api, sa.update(audit_seal).values(key_id=genuine))
    return ""


@pytest.mark.parametrize("tamper", [edit, delete, insert_after, edit_and_reseal])
async def test_a_touched_audit_is_found_and_the_first_bad_entry_named(
    api: Api, tamper: Callable[[Api, str], Awaitable[str]]
) -> None:
    written = await busy(api)

    named = await tamper(api, written[5])

    proof = await api.house.seals.verify()
    assert proof.finding is not None
    assert proof.finding.entry_id == (named or written[0])


async def test_a_seal_taken_out_is_missed(api: Api) -> None:
    await busy(api)
    await execute(api, sa.delete(audit_seal).where(audit_seal.c.sequence == 2))

    proof = await api.house.seals.verify()

    assert proof.finding is not None
    assert proof.finding.what == "seal 2 is missing"


async def test_a_dropped_tail_shows_against_an_anchor_kept_elsewhere(api: Api) -> None:
    written = await busy(api)
    anchor = await api.house.seals.anchor() or ""
    await execute(api, sa.delete(audit_seal).where(audit_seal.c.sequence == 3))
    await execute(api, sa.delete(audit_entry).where(audit_entry.c.id >= written[-2]))

    unseen = await api.house.seals.verify()
    seen = await api.house.seals.verify(anchors=[anchor])
    await api.house.seals.seal(horizon=NOW)
    resealed = await api.house.seals.verify(anchors=[anchor])

    assert unseen.finding is None
    assert seen.finding is not None
    assert resealed.finding is not None
    assert "anchor" in seen.finding.what
    assert "anchor" in resealed.finding.what


async def test_the_change_does_not_happen_when_its_entry_cannot_be_written(api: Api) -> None:
    await api.set_up()
    await execute(api, sa.text("DROP TABLE audit_entry"))

    answer = await api.patch(f"/v1/sites/{api.site['id']}", {"handling_minutes": 45})

    site = (await api.get(f"/v1/sites/{api.site['id']}")).json()
    assert answer.status_code >= 500
    assert site["handling_minutes"] == 60
