"""Keys: shown once, listed for ever, ended when told, and their source outlives their rotation."""

import httpx

from tests.support.api import Api, hours


def bearer(made: httpx.Response) -> dict[str, str]:
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['key']}"}


async def test_a_revoked_key_stays_listed_with_the_instant_and_never_with_its_text(api: Api) -> None:
    made = await api.post("/v1/api-keys", {"name": "gone", "role": "operator"})
    api.clock.advance(hours=1)

    for _ in range(2):
        await api.client.delete(f"/v1/api-keys/{made.json()['id']}", headers=api.admin)
        api.clock.advance(hours=1)

    listed = {one["id"]: one for one in (await api.get("/v1/api-keys")).json()["data"]}
    assert listed[made.json()["id"]]["revoked_at"] == "2026-03-02T01:00:00.000Z"
    assert made.json()["key"] not in str(listed)
    assert all("key" not in one and "hash" not in one for one in listed.values())


async def test_the_source_is_the_carrier_the_sites_code_or_the_name_unless_it_is_given(api: Api) -> None:
    await api.set_up()
    keys = [
        {"name": "van", "role": "courier", "carrier": "ACME"},
        {"name": "ward", "role": "site", "site_id": api.site["id"]},
        {"name": "desk", "role": "operator"},
        {"name": "desk 2", "role": "operator", "source": "desk"},
    ]

    sources = [(await api.post("/v1/api-keys", one)).json()["source"] for one in keys]

    assert sources == ["ACME", "BLQ-HOSP", "desk", "desk"]


async def test_a_rotated_key_keeps_its_source_so_a_repeat_is_known(api: Api) -> None:
    shipment = await api.ship()
    made = await api.post(
        "/v1/api-keys", {"name": "van", "role": "courier", "carrier": "ACME", "source": "v7"}
    )
    scan = {"event_id": "e1", "leg": 1, "occurred_at": hours(0)}
    first = await api.scan(shipment, "picked_up", headers=bearer(made), **scan)

    rotated = await api.post(f"/v1/api-keys/{made.json()['id']}/rotate", {"overlap_seconds": 3600})
    again = await api.scan(shipment, "picked_up", headers=bearer(rotated), **scan)
    during = (await api.get("/v1/me", headers=bearer(made))).status_code
    api.clock.advance(hours=1)
    after = (await api.get("/v1/me", headers=bearer(made))).status_code

    new = rotated.json()
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert (new["source"], new["role"], new["carrier"]) == ("v7", "courier", "ACME")
    assert new["id"] != made.json()["id"]
    assert (during, after) == (200, 401)
    assert (await api.get("/v1/me", headers=bearer(rotated))).status_code == 200


async def test_a_foreign_or_revoked_key_is_not_rotated(api: Api) -> None:
    made = await api.post("/v1/api-keys", {"name": "gone", "role": "operator"})
    await api.client.delete(f"/v1/api-keys/{made.json()['id']}", headers=api.admin)
    operator = await api.headers("operator")

    answers = [
        await api.post(f"/v1/api-keys/{made.json()['id']}/rotate", {}),
        await api.post("/v1/api-keys/019b0000-0000-7000-8000-000000000001/rotate", {}),
        await api.post(f"/v1/api-keys/{made.json()['id']}/rotate", {}, headers=operator),
    ]

    assert [one.status_code for one in answers] == [404, 404, 403]
