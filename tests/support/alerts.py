"""Rules, shipments and lists that tests of alerts share."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

import orjson
import pytest

from app.domain.alerts import Cause, Condition, Severity
from app.domain.assessment import assessing
from app.domain.rules import RULES
from app.domain.ruling import Facts, OpenSeverity, Rule
from app.pipeline import assess as assessor
from app.store.webhooks import message
from tests.support.api import START, Api

SILENT = "device_silent"


@dataclass
class Sensor:
    """A made-up sensor whose silence a test begins, worsens and ends."""

    severity: Severity | None = None
    since: datetime | None = None
    kind: str = SILENT

    def judge(self, _facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
        if self.severity is not None:
            yield Condition(
                kind=self.kind,
                subject="device:TMP-1",
                severity=self.severity,
                since=self.since,
                cause=Cause(kind=self.kind),
                summary="Sensor TMP-1 is silent.",
            )


def with_rule(monkeypatch: pytest.MonkeyPatch, rule: Any, *, kind: str = SILENT) -> None:
    """Let the assessor run one more rule."""
    more = Rule(kind=kind, judge=rule, silent_in=frozenset())
    others = tuple(one for one in RULES if one.kind != kind)
    monkeypatch.setattr(assessor, "assessing", partial(assessing, rules=(*others, more)))


async def walk(api: Api, until_h: float, *, step_minutes: float = 10) -> None:
    """Let time pass in steps, with a tick at each."""
    while api.clock.at < START + timedelta(hours=until_h):
        api.clock.advance(minutes=step_minutes)
        await api.assess()


async def look(api: Api, shipment: dict[str, Any]) -> None:
    """Let something be heard of the shipment, so that it is assessed now."""
    await api.scan(shipment, "position", location={"code": "PLANT", "lat": 45.0, "lon": 9.0})
    await api.assess()


async def listed(api: Api, *, headers: dict[str, str] | None = None, **params: Any) -> list[dict[str, Any]]:
    """Return the alerts of a list's first page."""
    told = await api.get("/v1/alerts", headers=headers, **params)
    assert told.status_code == 200, told.text
    return cast(list[dict[str, Any]], told.json()["data"])


async def act(
    api: Api, alert: dict[str, Any], action: str, *, headers: dict[str, str] | None = None, **body: Any
) -> dict[str, Any]:
    """Do something to an alert and return how it then stands."""
    done = await api.post(f"/v1/alerts/{alert['id']}/{action}", body, headers=headers)
    assert done.status_code == 200, done.text
    return cast(dict[str, Any], done.json())


async def told(api: Api, kind: str | None = None) -> list[str]:
    """Return the types of all messages about alerts, oldest first."""
    async with api.house.db.reading() as connection:
        rows = (await connection.execute(message.select().order_by(message.c.id))).all()
    bodies = [orjson.loads(row.body) for row in rows if row.type.startswith("alert.")]
    return [body["type"] for body in bodies if kind in (None, body["data"].get("kind"))]
