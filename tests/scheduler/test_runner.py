"""The scheduler as it runs in the service: by ticks, and at once when something is heard."""

import asyncio

import httpx
import pytest

from app.clock import Anchor, Clock, wall_now
from app.main import create_app
from app.settings import Settings
from tests.support.api import ADMIN_KEY, START, Remote


async def test_what_is_heard_is_assessed_at_once_and_not_at_the_next_tick(database_url: str) -> None:
    settings = Settings.model_validate(
        {
            "database_url": database_url,
            "secret_key": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
            "bootstrap_admin_key": ADMIN_KEY,
            "log_level": "error",
            "scheduler": {"tick_seconds": 60},
        }
    )
    clock = Clock(Anchor(wall_at=wall_now(), domain_at=START, rate=1.0))
    app = create_app(settings, clock=clock, dispatcher=False)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            remote = Remote(client=client)
            remote.clock.set(START)
            shipment = await remote.ship()

            assert (await remote.scan(shipment, "departed", leg=1)).status_code == 201

            for _ in range(500):
                if await listed_state(remote) == "in_transit":
                    return
                await asyncio.sleep(0.01)
            pytest.fail("it waits for the next tick, a minute from now")


async def listed_state(remote: Remote) -> str:
    """Return the state that lists show: the one last assessed."""
    (one,) = (await remote.get("/v1/shipments")).json()["data"]
    return str(one["state"])
