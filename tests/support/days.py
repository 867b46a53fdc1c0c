"""What a day is told with: sites, products, ways and clocks, through HTTP only."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from tests.support.api import Api, product_body, site_body

MINUTE = timedelta(minutes=1)
ROAD = {"mode": "road", "carrier": "VAN"}


def utc(text: str) -> datetime:
    """Return an instant of March 2026: `2 08:00`."""
    day, time = text.split(" ")
    hour, minute = time.split(":")
    return datetime(2026, 3, int(day), int(hour), int(minute), tzinfo=UTC)


def wire(at: datetime | str) -> str:
    """Return an instant as the wire has it."""
    return (utc(at) if isinstance(at, str) else at).isoformat()


def answer(at: datetime | str) -> str:
    """Return an instant as the service writes it."""
    moment = utc(at) if isinstance(at, str) else at
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def site(api: Api, code: str, **changes: Any) -> dict[str, Any]:
    made = await api.post("/v1/sites", site_body(code=code, name=f"Clinic {code}", **changes))
    assert made.status_code == 201, made.text
    return cast(dict[str, Any], made.json())


async def product(api: Api, **changes: Any) -> dict[str, Any]:
    body = {name: value for name, value in product_body(**changes).items() if value is not None}
    made = await api.post("/v1/products", body | {"nuclide": changes.get("nuclide", "Lu-177")})
    assert made.status_code == 201, made.text
    return cast(dict[str, Any], made.json())


def leg(origin: str, destination: str, departs: str, arrives: str, **fields: Any) -> dict[str, Any]:
    times = {"planned_departure_at": wire(departs), "planned_arrival_at": wire(arrives)}
    return ROAD | {"origin": origin, "destination": destination} | times | fields


async def register(
    api: Api,
    reference: str,
    *,
    product: dict[str, Any],
    site: dict[str, Any],
    legs: list[dict[str, Any]],
    doses: list[dict[str, Any]],
    **fields: Any,
) -> dict[str, Any]:
    body = {
        "reference": reference,
        "product_id": product["id"],
        "site_id": site["id"],
        "origin": {"code": "PLANT", "lat": 45.0, "lon": 9.0},
        "legs": legs,
        "doses": doses,
    }
    made = await api.post("/v1/shipments", body | fields)
    assert made.status_code == 201, made.text
    return cast(dict[str, Any], made.json())


async def until(api: Api, at: datetime | str, *, step_minutes: float = 30) -> None:
    """Let time pass, with a tick at each step and one at the end."""
    end = utc(at) if isinstance(at, str) else at
    while api.clock.at < end:
        api.clock.set(min(api.clock.at + step_minutes * MINUTE, end))
        await api.assess()


async def say(
    api: Api,
    shipment: dict[str, Any],
    type_: str,
    at: str | None = None,
    *,
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Post an event that occurred at `at` (default now) and is heard now, and let a tick pass."""
    occurred_at = utc(at) if at else api.clock.at
    body = {
        "event_id": f"{shipment['reference']}-{type_}-{occurred_at.isoformat()}-{fields.get('dose', '')}",
        "shipment_id": shipment["id"],
        "type": type_,
        "occurred_at": occurred_at.isoformat(),
    }
    posted = await api.post("/v1/events", body | fields, headers=headers)
    assert posted.status_code == 201, posted.text
    await api.assess()
    return cast(dict[str, Any], posted.json())


async def doses(api: Api, shipment: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what the status says of each dose, by its reference."""
    status = await api.status(shipment)
    return {one["reference"]: one for one in status["doses"]}


async def alerts(api: Api, **filters: Any) -> list[dict[str, Any]]:
    told = await api.get("/v1/alerts", **filters)
    assert told.status_code == 200, told.text
    return cast(list[dict[str, Any]], told.json()["data"])


def kinds(of: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Return kind → severity."""
    return {one["kind"]: one["severity"] for one in of}
