"""A service in this process, spoken to over HTTP, with a clock that stands until it is moved."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx

from app.clock import Anchor, Clock
from app.main import create_app
from app.pipeline.house import House
from app.scheduler.jobs import assess_due
from app.settings import Settings

ADMIN_KEY = "dtk_test_admin_key_of_more_than_32_characters"
START = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)  # a Monday


@dataclass
class ManualWall:
    """A wall clock that stands until it is moved."""

    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **span: float) -> None:
        self.at += timedelta(**span)

    def set(self, at: datetime) -> None:
        self.at = at


@dataclass(kw_only=True)
class Remote:
    """A service under test, wherever it runs, and shorthands for what tests do with it all the time."""

    client: httpx.AsyncClient
    clock: ManualWall = field(default_factory=ManualWall)
    site: dict[str, Any] = field(default_factory=dict)
    product: dict[str, Any] = field(default_factory=dict)

    @property
    def admin(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {ADMIN_KEY}"}

    async def headers(self, role: str, **bindings: str) -> dict[str, str]:
        """Make a key of a role and return the headers that carry it."""
        body = {"name": f"{role} key", "role": role} | bindings
        made = await self.client.post("/v1/api-keys", json=body, headers=self.admin)
        assert made.status_code == 201, made.text
        return {"Authorization": f"Bearer {made.json()['key']}"}

    async def get(self, path: str, *, headers: dict[str, str] | None = None, **params: Any) -> httpx.Response:
        return await self.client.get(path, headers=headers or self.admin, params=params)

    async def post(self, path: str, body: Any, *, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.client.post(path, json=body, headers=headers or self.admin)

    async def patch(self, path: str, body: Any, *, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.client.patch(path, json=body, headers=headers or self.admin)

    async def set_up(self) -> None:
        """Make a site and a product, once."""
        if not self.site:
            self.site = (await self.post("/v1/sites", site_body())).json()
            self.product = (await self.post("/v1/products", product_body())).json()

    async def ship(self, **changes: Any) -> dict[str, Any]:
        """Register a shipment and return it."""
        await self.set_up()
        made = await self.post("/v1/shipments", shipment_body(self, **changes))
        assert made.status_code == 201, made.text
        return cast(dict[str, Any], made.json())

    async def scan(
        self, shipment: dict[str, Any], type_: str, *, headers: dict[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        """Post an event that occurs now."""
        body = {
            "event_id": f"{type_}-{self.clock.at.isoformat()}",
            "shipment_id": shipment["id"],
            "type": type_,
            "occurred_at": self.clock.at.isoformat(),
        }
        return await self.post("/v1/events", body | fields, headers=headers)

    async def status(self, shipment: dict[str, Any], **params: Any) -> dict[str, Any]:
        """Return a shipment's status."""
        told = await self.get(f"/v1/shipments/{shipment['id']}/status", **params)
        assert told.status_code == 200, told.text
        return cast(dict[str, Any], told.json())


@dataclass(kw_only=True)
class Api(Remote):
    """A service in this process, whose rooms the test can enter."""

    house: House

    async def assess(self) -> None:
        """Let a tick pass."""
        await assess_due(self.house)


def hours(count: float) -> str:
    """Return an instant so many hours after the tests' start, as the wire has it."""
    return (START + timedelta(hours=count)).isoformat()


def site_body(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Ospedale Maggiore",
        "code": "BLQ-HOSP",
        "lat": 44.5,
        "lon": 11.3,
        "timezone": "Europe/Rome",
        "handling_minutes": 60,
    } | changes


def product_body(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Lu-177 agent",
        "nuclide": "Lu-177",
        "shelf_life_hours": 72,
        "usual_activity_mbq": {"min": 5000, "max": 12000},
        "storage": {
            "min_c": None,
            "max_c": 25,
            "do_not_freeze": True,
            "alarm_delay_minutes": 15,
            "budget_minutes": 60,
        },
    } | changes


def shipment_body(api: Remote, **changes: Any) -> dict[str, Any]:
    """Plant 08:00 by road to the airport 09:00, by air 12:00 to 13:00, by road 14:00 to the hospital 15:00."""
    road = {"mode": "road", "carrier": "ACME"}
    return {
        "reference": "LU-1",
        "study": "NET-301",
        "product_id": api.product["id"],
        "site_id": api.site["id"],
        "origin": {"code": "PLANT", "lat": 45.0, "lon": 9.0},
        "doses": [
            {
                "reference": "D1",
                "lot": "L1",
                "subject_code": "S-014",
                "calibrated_activity_mbq": 7770.0,
                "calibrated_at": hours(6),
                "prescribed_activity_mbq": 7400.0,
                "administer_at": hours(20),
                "expires_at": hours(22),
            }
        ],
        "legs": [
            road
            | {
                "origin": "PLANT",
                "destination": "MXP",
                "planned_departure_at": hours(8),
                "planned_arrival_at": hours(9),
            },
            {
                "mode": "air",
                "carrier": "AZ",
                "service": "AZ1",
                "waybill": "784-1",
                "origin": "MXP",
                "destination": "BLQ",
                "planned_departure_at": hours(12),
                "planned_arrival_at": hours(13),
            },
            road
            | {
                "origin": "BLQ",
                "destination": "BLQ-HOSP",
                "planned_departure_at": hours(14),
                "planned_arrival_at": hours(15),
            },
        ],
    } | changes


@asynccontextmanager
async def serving(
    database_url: str, *, secret_key: str | None, admin_key: str, anchor: Anchor | None = None
) -> AsyncIterator[Api]:
    """Run the service on a database until the block ends, on the wall's time or, from `anchor` on, on another."""
    settings = Settings.model_validate(
        {
            "database_url": database_url,
            "secret_key": secret_key,
            "bootstrap_admin_key": admin_key,
            "log_level": "error",
            "webhooks": {"allowed_networks": ["127.0.0.0/8"]},
        }
    )
    wall = ManualWall(anchor.wall_at) if anchor else ManualWall()
    app = create_app(settings, clock=Clock(anchor, wall), scheduler=False, dispatcher=False)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield Api(client=client, house=app.state.house, clock=wall)
