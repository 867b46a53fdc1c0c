"""The life of alerts under concurrency, failure and flood."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from app.domain.alerts import Cause, Condition
from app.domain.ruling import Facts, OpenSeverity
from app.pipeline.assess import Assessor
from tests.support.alerts import Sensor, listed, look, told, walk, with_rule
from tests.support.api import START, Api, hours


def assessor(api: Api) -> Assessor:
    house = api.house
    return Assessor(
        house.db, house.clock, house.assessor._plans, metrics=house.metrics, announced=lambda: None
    )


async def test_four_assessors_over_the_same_work_open_each_alert_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_rule(monkeypatch, Sensor("warning").judge)
    for number in range(8):
        await api.ship(reference=f"R-{number}")

    for _ in range(3):
        await asyncio.gather(*(assessor(api).run_due(limit=3) for _ in range(4)))

    found = await listed(api, kind="device_silent")
    assert len(found) == len({one["shipment_id"] for one in found}) == 8
    assert await told(api, "device_silent") == ["alert.opened"] * 8


async def test_each_step_up_and_down_is_told_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    sensor = Sensor("warning")
    with_rule(monkeypatch, sensor.judge)
    shipment = await api.ship()
    await api.assess()

    for severity in ("warning", "critical", "critical", "warning", "warning", None, None, "warning"):
        sensor.severity = severity
        api.clock.advance(minutes=1)
        await look(api, shipment)

    rows = await listed(api, kind="device_silent")
    assert await told(api, "device_silent") == [
        "alert.opened",
        "alert.escalated",
        "alert.deescalated",
        "alert.resolved",
        "alert.opened",
    ]
    assert [row["state"] for row in rows] == ["open", "resolved"]


async def test_news_heard_late_opens_in_event_time_and_says_so(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=11)

    await api.scan(shipment, "held", leg=1, occurred_at=hours(9.5))
    await api.assess()
    (alert,) = await listed(api, kind="hold", state="open")
    api.clock.advance(hours=1)
    await api.scan(shipment, "resumed", leg=1, occurred_at=hours(11.5))
    await api.assess()

    (ended,) = await listed(api, kind="hold")
    assert (alert["since"], alert["raised_at"]) == ("2026-03-02T09:30:00.000Z", "2026-03-02T11:00:00.000Z")
    assert alert["detected_late"] is True
    assert (ended["ended_at"], ended["resolved_at"]) == (
        "2026-03-02T11:30:00.000Z",
        "2026-03-02T12:00:00.000Z",
    )


async def test_a_status_of_the_past_shows_the_alerts_that_were_open_then_as_far_as_known(api: Api) -> None:
    shipment = await api.ship()
    api.clock.advance(hours=10)
    await api.scan(shipment, "held", leg=1)
    await api.assess()
    api.clock.advance(hours=3)
    await api.scan(shipment, "resumed", leg=1, occurred_at=hours(11))
    await api.assess()

    async def holds(**params: str) -> bool:
        status = await api.status(shipment, **params)
        return any(one["kind"] == "hold" for one in status["open_alerts"])

    assert await holds(at=hours(10.5)) is True
    assert await holds(at=hours(11.5)) is False
    assert await holds(at=hours(11.5), known_at=hours(12)) is True
    assert await holds(at=hours(9.5)) is False


async def test_a_status_of_the_past_shows_the_severity_of_then(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor = Sensor("warning", since=START)
    with_rule(monkeypatch, sensor.judge)
    shipment = await api.ship()
    await api.assess()
    sensor.severity = "critical"
    api.clock.advance(hours=2)
    await look(api, shipment)

    then = await api.status(shipment, at=hours(1))
    known_then = await api.status(shipment, at=hours(1), known_at=hours(1))

    for status in (then, known_then):
        assert [one["severity"] for one in status["open_alerts"]] == ["warning"]


async def test_a_rule_that_breaks_is_told_counted_and_stops_nobody(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
        if facts.shipment.reference == "R-0":
            raise ZeroDivisionError("no sensor")
        yield Condition(
            kind="device_silent",
            subject="device:TMP-1",
            severity="warning",
            cause=Cause(kind="device_silent"),
            summary="Sensor TMP-1 is silent.",
        )

    with_rule(monkeypatch, broken)
    for number in range(2):
        await api.ship(reference=f"R-{number}")
    await walk(api, 12, step_minutes=60)

    by_reference = {
        reference: {one["kind"] for one in await listed(api, state="open") if one["reference"] == reference}
        for reference in ("R-0", "R-1")
    }
    metrics = (await api.client.get("/metrics")).text
    assert by_reference["R-0"] >= {"rule_error", "arrival_after_expiry"}
    assert by_reference["R-1"] >= {"device_silent", "arrival_after_expiry"}
    assert "rule_error" not in by_reference["R-1"]
    assert 'dosetrail_assess_failures_total{kind="device_silent"}' in metrics
    assert await told(api, "rule_error") == ["alert.opened"]

    with_rule(monkeypatch, Sensor().judge)
    await walk(api, 13, step_minutes=60)

    assert await listed(api, kind="rule_error", state="open") == []


async def test_an_outage_gives_one_alert_a_subject_however_often_it_is_looked_at(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
        for number in range(20):
            yield Condition(
                kind="device_silent",
                subject=f"device:TMP-{number}",
                severity="warning",
                cause=Cause(kind="device_silent"),
                summary=f"Sensor TMP-{number} is silent.",
            )

    with_rule(monkeypatch, silent)
    shipments = [await api.ship(reference=f"R-{number}") for number in range(5)]
    for _ in range(3):
        api.clock.advance(minutes=1)
        for shipment in shipments:
            await look(api, shipment)

    found = await listed(api, kind="device_silent", limit=500)
    assert Counter(one["subject"] for one in found) == {f"device:TMP-{number}": 5 for number in range(20)}
    assert await told(api, "device_silent") == ["alert.opened"] * 100


async def test_a_standing_alert_says_what_news_made_of_it_without_being_told_again(api: Api) -> None:
    """Silence made it critical; then the flight is cancelled, which is no graver and something else to act on."""
    shipment = await api.ship()
    await walk(api, 16)
    (silent,) = await listed(api, kind="arrival_after_expiry")
    told_before = await told(api, "arrival_after_expiry")

    await api.scan(shipment, "leg_cancelled", leg=2)
    await api.assess()

    (cancelled,) = await listed(api, kind="arrival_after_expiry")
    assert (silent["severity"], cancelled["severity"]) == ("critical", "critical")
    assert silent["cause"]["kind"] != "leg_cancelled"
    assert (cancelled["cause"]["kind"], cancelled["cause"]["leg"]) == ("leg_cancelled", 2)
    assert "was cancelled" in cancelled["summary"]
    assert (cancelled["id"], cancelled["since"]) == (silent["id"], silent["since"])
    assert await told(api, "arrival_after_expiry") == told_before
