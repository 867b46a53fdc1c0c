"""The demonstration's course: set up, register, let the day pass, check, tell."""

import asyncio
import random
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.demo import checks
from app.demo.clients import Api, Domain, ServiceDied, UnexpectedAnswer, service
from app.demo.receiver import Receiver, receiving
from app.demo.report import Line, show
from app.demo.scenario import (
    BEGIN,
    CITIES,
    END,
    HANDLING,
    MINUTE,
    PRODUCTS,
    ROAD,
    Scan,
    Story,
    shipment_body,
    stories,
)

RATE = 1500.0
SEED = 20130715
POLL_EVERY = 30 * MINUTE
TABLE_WIDTH = 124
"""Columns that the table needs; a pipe tells 80, and a verdict cut short says nothing."""
Break = Literal["drop", "double", "forge", "mute"]


@dataclass
class Stage:
    """Who takes part, and what they have seen so far."""

    api: Api
    domain: Domain
    receiver: Receiver
    couriers: dict[str, Api] = field(default_factory=dict)
    sites: dict[str, Api] = field(default_factory=dict)
    subscriber: Api | None = None
    webhook_id: str = ""
    ids: dict[str, str] = field(default_factory=dict)
    acknowledged: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    forecasts: dict[str, dict[str, Any]] = field(default_factory=dict)
    polls: int = 0


def main(break_: Break | None) -> int:
    """Run the demonstration and return the exit status: 0 when everything held."""
    console = Console(width=max(Console().width, TABLE_WIDTH))
    try:
        return asyncio.run(_run(console, break_))
    except (ServiceDied, UnexpectedAnswer, httpx.TransportError) as error:
        console.print(f"[red]the demonstration broke off:[/] {error}", highlight=False)
        return 1
    except KeyboardInterrupt:
        return 130


async def _run(console: Console, break_: Break | None) -> int:
    told = stories(random.Random(SEED))
    with tempfile.TemporaryDirectory(prefix="dosetrail-demo-") as folder:
        async with (
            service(Path(folder), begin=BEGIN, rate=RATE) as (base, key),
            receiving() as receiver,
            httpx.AsyncClient(base_url=base, timeout=30) as http,
        ):
            console.print(f"service at {base} on SQLite, its clock {RATE:.0f} times as fast")
            now = datetime.fromisoformat((await http.get("/healthz")).json()["now"])
            stage = Stage(Api(http, key), Domain(now, rate=RATE), receiver)
            await _set_up(stage, http, told)
            if break_ == "mute" and stage.subscriber:
                await stage.subscriber.send("PATCH", f"/v1/webhooks/{stage.webhook_id}", {"enabled": False})
            await _day(console, stage, told, break_)
            await _drained(stage)
            return await _judge(console, stage, told)


async def _set_up(stage: Stage, http: httpx.AsyncClient, told: list[Story]) -> None:
    """Make sites, products, keys, the webhook, and register the shipments, all through the API."""
    operator = Api(http, await stage.api.key("plant", "operator"))
    site_ids: dict[str, str] = {}
    for city, (name, lat, lon, zone) in CITIES.items():
        body = {"name": name, "code": f"{city}-HOSP", "lat": lat, "lon": lon, "timezone": zone}
        made = await operator.make("/v1/sites", body | {"handling_minutes": HANDLING / MINUTE})
        site_ids[city] = made["id"]
        stage.sites[city] = Api(http, await stage.api.key(name, "site", site_id=made["id"]))
    storage = {
        "min_c": None,
        "max_c": 25,
        "do_not_freeze": True,
        "alarm_delay_minutes": 15,
        "budget_minutes": None,
    }
    product_ids = {}
    for nuclide, fields in PRODUCTS.items():
        body = {"name": f"{nuclide} agent", "nuclide": nuclide, "storage": storage} | fields
        product_ids[nuclide] = (await operator.make("/v1/products", body))["id"]
    for carrier in {ROAD} | {story.flight.carrier for story in told}:
        stage.couriers[carrier] = Api(http, await stage.api.key(carrier, "courier", carrier=carrier))
    stage.subscriber = Api(http, await stage.api.key("trial office", "subscriber", study="DEMO"))
    hook = await stage.subscriber.make(
        "/v1/webhooks", {"url": stage.receiver.url, "event_types": ["alert.*"]}
    )
    stage.receiver.secret, stage.webhook_id = hook["secret"], hook["id"]
    for story in told:
        ids = {"product_id": product_ids[story.nuclide], "site_id": site_ids[story.flight.destination]}
        made = await operator.make("/v1/shipments", shipment_body(story, **ids))
        stage.ids[story.reference] = made["id"]
        stage.acknowledged[story.reference] = []


async def _day(console: Console, stage: Stage, told: list[Story], break_: Break | None) -> None:
    """Let couriers scan and sites poll while the clock runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[clock]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("the day passes", total=(END - BEGIN) / MINUTE, clock="")
        scans = [(scan, story) for story in told for scan in story.scans]
        broken = next(scan for scan, story in scans if scan.body["type"] == "arrived" and scan.times == 1)
        work = [_scan(stage, story, scan, break_ if scan is broken else None) for scan, story in scans]
        work += [_poll(stage, story) for story in told]
        running = asyncio.gather(*work)
        while not running.done() and stage.domain.now() < END:
            clock = f"{stage.domain.now():%H:%M}Z, {len(stage.receiver.messages)} alerts told, {stage.polls} polls"
            progress.update(task, completed=(stage.domain.now() - BEGIN) / MINUTE, clock=clock)
            await asyncio.wait([running], timeout=0.5)
        progress.update(task, completed=(END - BEGIN) / MINUTE)
        await running
    if break_ == "forge":
        forged = {"webhook-id": "msg_forged", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
        async with httpx.AsyncClient() as http:
            await http.post(stage.receiver.url, content=b"{}", headers=forged)


async def _scan(stage: Stage, story: Story, scan: Scan, planted: Break | None) -> None:
    """Send one scan when its hour comes, as often as the handheld resends it."""
    await stage.domain.reach(scan.post_at)
    sender = stage.couriers.get(scan.sender) or stage.sites[scan.sender]
    bodies = [dict(scan.body) for _ in range(scan.times)]
    if planted == "drop":
        bodies = []
    if planted == "double":
        bodies.append(scan.body | {"event_id": f"{scan.body['event_id']}-again"})
    for index, body in enumerate(bodies):
        if scan.skew is not None:
            body["sent_at"] = (stage.domain.now() + scan.skew).isoformat()
        answer = await sender.send("POST", "/v1/events", body)
        if answer.json()["duplicate"] != (index > 0 and planted is None):
            raise UnexpectedAnswer(f"{body['event_id']}: sent {index + 1} times, answered {answer.text}")
    stage.acknowledged[story.reference].append(scan.body)


async def _poll(stage: Stage, story: Story) -> None:
    """Ask for the status again and again, as the hospital does; keep the last forecast before departure."""
    site, path = stage.sites[story.flight.destination], f"/v1/shipments/{stage.ids[story.reference]}/status"
    departure: datetime = story.legs[0]["planned_departure_at"]
    at = max(stage.domain.now(), BEGIN) + (departure.minute % 30) * MINUTE
    while at < END:
        await stage.domain.reach(at)
        answer = await site.send("GET", path)
        stage.polls += 1
        if at < departure or story.reference not in stage.forecasts:
            stage.forecasts[story.reference] = answer.json()
        at = max(at + POLL_EVERY, stage.domain.now())


async def _drained(stage: Stage) -> None:
    """Give the last messages five seconds to arrive."""
    for _ in range(50):
        page = await stage.api.send("GET", f"/v1/webhooks/{stage.webhook_id}/deliveries?limit=500")
        if all(one["state"] == "delivered" for one in page.json()["data"]):
            return
        await asyncio.sleep(0.1)


async def _judge(console: Console, stage: Stage, told: list[Story]) -> int:
    """Check everything, print the table, and return the exit status."""
    failures = [*checks.deaths(told), *checks.signatures(forged=stage.receiver.forged)]
    lines = []
    for story in told:
        shipment_id = stage.ids[story.reference]
        stored = await stage.api.all(f"/v1/shipments/{shipment_id}/events")
        final = (await stage.api.send("GET", f"/v1/shipments/{shipment_id}/status")).json()
        alerts = stage.receiver.alerts(shipment_id)
        lines.append(Line(story, stage.forecasts.get(story.reference), final, alerts))
        failures += checks.lost_or_doubled(story.reference, stage.acknowledged[story.reference], stored)
        failures += checks.unwarned(story, alerts)
    show(console, lines)
    sent = sum(len(one) for one in stage.acknowledged.values())
    console.print(
        f"{sent} scans acknowledged; {stage.polls} polls; "
        f"{len(stage.receiver.messages)} signed messages, {stage.receiver.repeated} repeated; "
        f"{sum(story.dies for story in told)} of {len(told)} doses died"
    )
    for failure in failures:
        console.print(f"[red]failed:[/] {failure}", highlight=False)
    console.print("[green]everything held[/]" if not failures else f"[red]{len(failures)} check(s) failed[/]")
    return 1 if failures else 0
