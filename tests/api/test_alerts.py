"""Lists of alerts, and what people do to them."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.scheduler.jobs import attend_due
from app.store.tables import audit_entry
from tests.support.alerts import Sensor, act, listed, look, told, walk, with_rule
from tests.support.api import START, Api, hours, site_body


async def cancelled_flight(api: Api, **changes: Any) -> dict[str, Any]:
    """Register a shipment whose flight is cancelled: one alert about it, one about its dose."""
    shipment = await api.ship(**changes)
    await api.scan(shipment, "leg_cancelled", leg=2, event_id=f"cancelled-{shipment['reference']}")
    await api.assess()
    return shipment


@pytest.fixture
def sensor(monkeypatch: pytest.MonkeyPatch) -> Sensor:
    sensor = Sensor("warning")
    with_rule(monkeypatch, sensor.judge)
    return sensor


async def every(api: Api, **params: Any) -> list[dict[str, Any]]:
    """Walk a list page by page, each of one item."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        page = (await api.get("/v1/alerts", limit=1, **params, **cursor)).json()
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


@pytest.mark.usefixtures("sensor")
async def test_both_sorts_page_without_gap_or_repeat_and_no_act_by_comes_last(api: Api) -> None:
    for number in range(3):
        await cancelled_flight(api, reference=f"R-{number}")
        api.clock.advance(minutes=1)

    newest = await every(api)
    pressing = await every(api, sort="act_by")

    raised = [one["raised_at"] for one in newest]
    bounds = [one["act_by"] or "9999" for one in pressing]
    assert len({one["id"] for one in newest}) == len(newest) == len(pressing) == 9
    assert raised == sorted(raised, reverse=True)
    assert bounds == sorted(bounds)
    assert bounds[-3:] == ["9999"] * 3


async def test_filters_narrow_the_list_and_times_are_half_open(api: Api) -> None:
    first = await cancelled_flight(api, reference="R-1", study="NET-301")
    api.clock.advance(hours=1)
    await cancelled_flight(api, reference="R-2", study="OTHER")

    hour: dict[str, Any] = {"from": hours(0), "until": hours(1)}
    next_hour: dict[str, Any] = {"from": hours(1), "until": hours(2)}
    assert {one["reference"] for one in await listed(api, **hour)} == {"R-1"}
    assert {one["reference"] for one in await listed(api, **next_hour)} == {"R-2"}
    assert {one["reference"] for one in await listed(api, study="NET-301")} == {"R-1"}
    assert {one["kind"] for one in await listed(api, kind="missed_connection")} == {"missed_connection"}
    assert {one["shipment_id"] for one in await listed(api, shipment_id=first["id"])} == {first["id"]}
    assert await listed(api, state="resolved") == []
    assert {one["severity"] for one in await listed(api, severity="warning")} == {"warning"}


async def test_each_role_sees_the_alerts_of_its_own_shipments_and_no_subject_code(api: Api) -> None:
    await cancelled_flight(api)
    site = (await api.post("/v1/sites", site_body(code="OTHER"))).json()
    seeing = [
        await api.headers("site", site_id=api.site["id"]),
        await api.headers("courier", carrier="AZ"),
        await api.headers("subscriber", study="NET-301"),
        await api.headers("auditor"),
    ]
    blind = [
        await api.headers("site", site_id=site["id"]),
        await api.headers("courier", carrier="OTHER"),
        await api.headers("subscriber", study="OTHER"),
    ]
    (one, *_) = await listed(api)

    for headers in seeing:
        found = await api.get("/v1/alerts", headers=headers)
        assert len(found.json()["data"]) == 2
        assert "S-014" not in found.text
        assert (await api.get(f"/v1/alerts/{one['id']}", headers=headers)).status_code == 200
    for headers in blind:
        assert await listed(api, headers=headers) == []
        assert (await api.get(f"/v1/alerts/{one['id']}", headers=headers)).status_code == 404
    device = await api.headers("device")
    assert (await api.get("/v1/alerts", headers=device)).status_code == 403


async def test_an_alert_links_the_status_as_it_was_known_when_it_was_raised(api: Api) -> None:
    shipment = await api.ship()
    await walk(api, 12)
    (alert,) = await listed(api, kind="arrival_after_expiry")
    api.clock.advance(seconds=1)
    await api.scan(shipment, "departed", leg=1, occurred_at=hours(8))

    then = (await api.client.get(alert["status_when_raised"], headers=api.admin)).json()

    assert then["state"] == "planned"
    assert then["at"] == alert["raised_at"]
    life = (await api.get(f"/v1/alerts/{alert['id']}")).json()["history"]
    assert then["late_probability"] == pytest.approx(life[0]["evidence"]["late_probability"])
    assert (await api.status(shipment))["state"] == "in_transit"


async def test_the_history_reads_as_the_alerts_life(api: Api) -> None:
    shipment = await api.ship()
    await walk(api, 16.5)
    (alert,) = await listed(api, kind="arrival_after_expiry")
    await act(api, alert, "acknowledge", comment="Calling.")
    await act(api, alert, "assign", to="night dispatcher")
    for hour, type_, leg in ((8, "departed", 1), (9, "arrived", 1), (12, "departed", 2), (13, "arrived", 2)):
        await api.scan(shipment, type_, leg=leg, occurred_at=hours(hour), event_id=f"{type_}-{leg}")
    delivered_at = api.clock.at
    await api.scan(shipment, "delivered")
    api.clock.advance(minutes=2)
    await api.assess()

    life = (await api.get(f"/v1/alerts/{alert['id']}")).json()

    changes = [step["change"] for step in life["history"]]
    assert changes == ["opened", "escalated", "acknowledged", "assigned", "resolved"]
    assert [step["at"] for step in life["history"]] == sorted(step["at"] for step in life["history"])
    assert life["history"][2]["comment"] == "Calling."
    assert life["history"][4]["comment"].startswith("delivered in time")
    assert life["ended_at"].startswith(f"{delivered_at:%Y-%m-%dT%H:%M}")
    assert life["resolved_at"] > life["ended_at"]
    assert (life["acknowledged_by"], life["assigned_to"]) == ("bootstrap", "night dispatcher")


@pytest.mark.usefixtures("sensor")
async def test_every_action_may_be_repeated_and_is_told_and_audited_once(api: Api) -> None:
    await api.ship()
    await api.assess()
    (alert,) = await listed(api, kind="device_silent")
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("acknowledge", {"comment": "Seen."}),
        ("assign", {"to": "Ada"}),
        ("snooze", {"until": hours(2)}),
        ("resolve", {"comment": "The courier lost it."}),
    ]

    for action, body in bodies:
        first, second = await act(api, alert, action, **body), await act(api, alert, action, **body)
        assert first == second

    async with api.house.db.reading() as connection:
        query = sa.select(audit_entry.c.action).where(audit_entry.c.object_id == alert["id"])
        audited = list(await connection.scalars(query.order_by(audit_entry.c.id)))
    assert audited == ["alert_acknowledged", "alert_assigned", "alert_snoozed", "alert_resolved"]
    assert await told(api) == [
        "alert.opened",
        "alert.acknowledged",
        "alert.assigned",
        "alert.snoozed",
        "alert.resolved",
    ]
    assert second["history"][-1]["comment"] == "sensor lost: The courier lost it."


async def test_a_snoozed_alert_is_quiet_and_says_so_when_it_wakes(api: Api, sensor: Sensor) -> None:
    shipment = await api.ship()
    await api.assess()
    (alert,) = await listed(api, kind="device_silent")
    await act(api, alert, "snooze", until=hours(2))
    sensor.severity = "info"
    await look(api, shipment)
    await act(api, alert, "acknowledge", comment="Seen.")
    before = await told(api, "device_silent")

    api.clock.set(START + timedelta(hours=2, seconds=-1))
    early = await attend_due(api.house)
    api.clock.advance(seconds=1)
    await attend_due(api.house)
    await attend_due(api.house)

    (woken,) = await listed(api, kind="device_silent")
    assert early == 0
    assert before == ["alert.opened", "alert.snoozed"]
    assert await told(api, "device_silent") == [*before, "alert.woken"]
    assert (woken["snoozed_until"], woken["severity"]) == (None, "info")


async def test_becoming_critical_breaks_the_snooze(api: Api, sensor: Sensor) -> None:
    shipment = await api.ship()
    await api.assess()
    (alert,) = await listed(api, kind="device_silent")
    await act(api, alert, "snooze", until=hours(2))

    sensor.severity = "critical"
    await look(api, shipment)

    (critical,) = await listed(api, kind="device_silent")
    assert critical["snoozed_until"] is None
    assert await told(api, "device_silent") == ["alert.opened", "alert.snoozed", "alert.escalated"]


async def test_what_ends_in_its_sleep_is_told_as_resolved_on_waking(api: Api, sensor: Sensor) -> None:
    shipment = await api.ship()
    await api.assess()
    (alert,) = await listed(api, kind="device_silent")
    await act(api, alert, "snooze", until=hours(2))
    sensor.severity = None
    await look(api, shipment)
    asleep = await told(api, "device_silent")

    api.clock.advance(hours=2)
    await attend_due(api.house)

    assert asleep == ["alert.opened", "alert.snoozed"]
    assert await told(api, "device_silent") == [*asleep, "alert.resolved"]


@pytest.mark.usefixtures("sensor")
async def test_a_snooze_into_the_past_or_of_what_is_over_is_refused(api: Api) -> None:
    await api.ship()
    await api.assess()
    (alert,) = await listed(api, kind="device_silent")
    path = f"/v1/alerts/{alert['id']}/snooze"
    past = await api.post(path, {"until": hours(0)})
    await act(api, alert, "resolve", comment="Lost.")

    over = await api.post(path, {"until": hours(5)})

    assert (past.status_code, past.json()["errors"][0]["pointer"]) == (422, "/until")
    assert (over.status_code, over.json()["code"]) == (409, "alert_over")


@pytest.mark.usefixtures("sensor")
async def test_the_longest_comment_is_kept_whole_and_a_longer_one_refused(api: Api) -> None:
    await api.ship()
    await api.assess()
    (alert,) = await listed(api, kind="device_silent")
    path = f"/v1/alerts/{alert['id']}/resolve"

    too_long = await api.post(path, {"comment": "ü" * 481})
    longest = await act(api, alert, "resolve", comment="ü" * 480)

    assert (too_long.status_code, too_long.json()["errors"][0]["pointer"]) == (422, "/comment")
    assert longest["history"][-1]["comment"] == "sensor lost: " + "ü" * 480


async def test_only_kinds_that_a_person_may_close_are_closed(api: Api) -> None:
    await cancelled_flight(api)

    refused = [
        await api.post(f"/v1/alerts/{one['id']}/resolve", {"comment": "x"}) for one in await listed(api)
    ]

    assert [one.status_code for one in refused] == [409, 409]
    assert {one.json()["code"] for one in refused} == {"not_closable"}


@pytest.mark.usefixtures("sensor")
@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("operator", {"acknowledge", "assign", "snooze"}),
        ("quality", {"acknowledge"}),
        ("site", {"acknowledge"}),
        ("courier", set()),
        ("subscriber", set()),
        ("auditor", set()),
    ],
)
async def test_each_role_does_to_alerts_what_the_contract_says(
    api: Api, role: str, allowed: set[str]
) -> None:
    await api.ship()
    await api.assess()
    (alert,) = await listed(api, kind="device_silent")
    bindings = {"courier": {"carrier": "AZ"}, "site": {"site_id": api.site["id"]}}
    headers = await api.headers(role, **bindings.get(role, {}))
    bodies = {
        "acknowledge": {"comment": "x"},
        "assign": {"to": "x"},
        "snooze": {"until": hours(9)},
        "resolve": {"comment": "x"},
    }

    statuses = {
        action: (await api.post(f"/v1/alerts/{alert['id']}/{action}", body, headers=headers)).status_code
        for action, body in bodies.items()
    }

    assert {action for action, status in statuses.items() if status == 200} == allowed
    assert {status for action, status in statuses.items() if action not in allowed} <= {403}


async def test_a_closed_alert_stays_closed_while_its_episode_goes_on(api: Api, sensor: Sensor) -> None:
    shipment = await api.ship()
    await api.assess()
    (alert,) = await listed(api, kind="device_silent")
    await act(api, alert, "resolve", comment="Lost.")
    for severity in ("warning", "critical"):
        sensor.severity = severity
        api.clock.advance(hours=1)
        await look(api, shipment)
    still = await listed(api, kind="device_silent", state="open")

    sensor.severity = None
    api.clock.advance(hours=1)
    await look(api, shipment)
    sensor.severity = "warning"
    api.clock.advance(hours=1)
    await look(api, shipment)

    (again,) = await listed(api, kind="device_silent", state="open")
    assert still == []
    assert again["id"] != alert["id"]
    assert again["raised_at"].startswith("2026-03-02T04:00")


async def test_what_begins_after_it_was_closed_is_another_episode(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor = Sensor("warning", since=START, kind="tamper")
    with_rule(monkeypatch, sensor.judge, kind="tamper")
    shipment = await api.ship()
    await api.assess()
    (alert,) = await listed(api, kind="tamper")
    await act(api, alert, "resolve", comment="The lid was checked.")
    api.clock.advance(hours=1)
    await look(api, shipment)
    same = await listed(api, kind="tamper", state="open")

    sensor.since = api.clock.at
    api.clock.advance(minutes=1)
    await look(api, shipment)
    (struck_again,) = await listed(api, kind="tamper", state="open")
    await act(api, struck_again, "resolve", comment="Checked again.")
    api.clock.advance(minutes=1)
    await look(api, shipment)

    assert same == []
    assert await listed(api, kind="tamper", state="open") == []
    assert len(await listed(api, kind="tamper")) == 2


async def test_the_sites_acknowledgement_of_a_dose_not_to_be_given_counts_over_the_offices(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor = Sensor("critical", kind="do_not_administer")
    with_rule(monkeypatch, sensor.judge, kind="do_not_administer")
    await api.ship()
    await api.assess()
    (alert,) = await listed(api, kind="do_not_administer")
    site = {"name": "Dr Rossi", "role": "site", "site_id": api.site["id"]}
    key = (await api.post("/v1/api-keys", site)).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}

    office = await act(api, alert, "acknowledge", comment="Told the site.")
    there = await act(api, alert, "acknowledge", headers=headers, comment="Locked away.")
    again = await act(api, alert, "acknowledge", headers=headers, comment="Locked away.")

    assert (office["acknowledged_by"], there["acknowledged_by"]) == ("bootstrap", "Dr Rossi")
    assert again == there
    assert [step["actor"] for step in there["history"]] == [None, "bootstrap", "Dr Rossi"]
