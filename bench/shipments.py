"""What every benchmark works on: a site, a product, a courier's key and shipments, made through the API."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from app.clock import wall_now
from bench.servers import ADMIN_KEY, Served

CARRIER = "ACME"
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Made:
    """The courier's key, and the ids of the shipments it may scan."""

    courier_key: str
    ids: list[str]


async def make(
    served: Served,
    count: int,
    *,
    step: Callable[[int], None] = lambda _: None,
    leaves_in_hours: Callable[[int], float] = lambda _: 1.0,
) -> Made:
    """Register shipments that leave so many hours from now; `step` is told how many since it was last told."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    base = f"http://127.0.0.1:{served.port}"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60) as client:
        site = await _post(client, "/v1/sites", SITE)
        product = await _post(client, "/v1/products", PRODUCT)
        key = await _post(client, "/v1/api-keys", {"name": "courier", "role": "courier", "carrier": CARRIER})
        free = asyncio.Semaphore(AT_ONCE)

        async def register(number: int) -> str:
            async with free:
                plan = _shipment(number, site["id"], product["id"], leaves_in_hours(number))
                made = await _post(client, "/v1/shipments", plan)
            step(1)
            return str(made["id"])

        return Made(key["key"], list(await asyncio.gather(*map(register, range(count)))))


async def _post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    answer = await client.post(path, json=body)
    answer.raise_for_status()
    return answer.json()


SITE = {
    "name": "Ospedale Maggiore", "code": "BLQ-HOSP", "lat": 44.5, "lon": 11.3, "timezone": "Europe/Rome",
    "handling_minutes": 60,
}  # fmt: skip
PRODUCT = {
    "name": "Lu-177 agent", "nuclide": "Lu-177", "shelf_life_hours": 72,
    "storage": {"min_c": None, "max_c": 25, "do_not_freeze": True, "alarm_delay_minutes": 15, "budget_minutes": 60},
}  # fmt: skip


def _shipment(number: int, site_id: str, product_id: str, leaves_in_hours: float) -> dict[str, Any]:
    """Return road, air, road: seven hours from the departure to the hospital."""
    begins_at = wall_now().replace(second=0, microsecond=0) + timedelta(hours=leaves_in_hours - 1)

    def hours(count: float) -> str:
        return (begins_at + timedelta(hours=count)).isoformat()

    way = (("road", "PLANT", "MXP", 1, 2), ("air", "MXP", "BLQ", 5, 6), ("road", "BLQ", "BLQ-HOSP", 7, 8))
    return {
        "reference": f"LU-{number:06}",
        "product_id": product_id,
        "site_id": site_id,
        "origin": {"code": "PLANT", "lat": 45.0, "lon": 9.0},
        "doses": [
            {
                "reference": "D1",
                "calibrated_activity_mbq": 7770.0,
                "calibrated_at": hours(0),
                "prescribed_activity_mbq": 7400.0,
                "administer_at": hours(14),
                "expires_at": hours(20),
            }
        ],
        "legs": [
            {
                "mode": mode,
                "carrier": CARRIER,
                "origin": origin,
                "destination": destination,
                "planned_departure_at": hours(departs),
                "planned_arrival_at": hours(arrives),
            }
            for mode, origin, destination, departs, arrives in way
        ],
    }
