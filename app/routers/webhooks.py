"""Webhook endpoints, their deliveries, and the polling feed."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from app.domain.access import Caller
from app.models.webhook import (
    ReplayCreate,
    ReplayRead,
    Rotation,
    WebhookCreate,
    WebhookCreated,
    WebhookPatch,
    WebhookRead,
)
from app.pipeline.signing import shown
from app.pipeline.webhooks import endpoint_read
from app.routers.body import CheckedRoute
from app.routers.dependencies import HouseDep, Requires, parse_id
from app.routers.paging import Cursor, Limit, page_answer, page_of

router = APIRouter(prefix="/v1", route_class=CheckedRoute, tags=["webhooks"])

Reader = Annotated[Caller, Depends(Requires("read:webhook"))]
Writer = Annotated[Caller, Depends(Requires("write:webhook"))]


@router.post("/webhooks", status_code=201)
async def create_webhook(
    body: WebhookCreate, caller: Writer, house: HouseDep, response: Response
) -> WebhookCreated:
    """Register an endpoint. Its signing secret is in this answer and nowhere else."""
    row, secret = await house.webhooks.create(caller, body)
    response.headers["Location"] = f"/v1/webhooks/{row['id']}"
    return _created(row, secret)


@router.get("/webhooks", response_model=None)
async def list_webhooks(
    request: Request, caller: Reader, house: HouseDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """List endpoints, newest first."""
    page = page_of(request, caller, limit=limit, cursor=cursor)
    rows = await house.webhooks.page(caller, before_id=page.before_id, limit=page.wanted)
    return page_answer(request, page, rows)


@router.get("/webhooks/{webhook_id}")
async def read_webhook(webhook_id: str, caller: Reader, house: HouseDep) -> WebhookRead:
    """Return one endpoint."""
    return endpoint_read((await house.webhooks.read(caller, parse_id(webhook_id)))._mapping)


@router.patch("/webhooks/{webhook_id}")
async def change_webhook(webhook_id: str, body: WebhookPatch, caller: Writer, house: HouseDep) -> WebhookRead:
    """Change an endpoint, switch it off (its deliveries are held) or on again."""
    return await house.webhooks.change(caller, parse_id(webhook_id), body)


@router.delete("/webhooks/{webhook_id}", status_code=204)
async def delete_webhook(webhook_id: str, caller: Writer, house: HouseDep) -> None:
    """Take an endpoint away."""
    await house.webhooks.delete(caller, parse_id(webhook_id))


@router.post("/webhooks/{webhook_id}/rotate-secret")
async def rotate_secret(webhook_id: str, body: Rotation, caller: Writer, house: HouseDep) -> WebhookCreated:
    """Make a new secret; the old one signs beside it for the overlap."""
    row, secret = await house.webhooks.rotate(caller, parse_id(webhook_id), overlap_s=body.overlap_seconds)
    return _created(row._mapping, secret)


@router.post("/webhooks/{webhook_id}/test", status_code=202)
async def test_webhook(webhook_id: str, caller: Writer, house: HouseDep) -> dict[str, Any]:
    """Send `webhook.test` once."""
    queued = await house.webhooks.test(caller, parse_id(webhook_id))
    house.dispatch.wake()
    return queued


@router.get("/webhooks/{webhook_id}/deliveries", response_model=None)
async def list_deliveries(
    webhook_id: str,
    request: Request,
    caller: Reader,
    house: HouseDep,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List an endpoint's deliveries, newest first, with every attempt."""
    page = page_of(request, caller, limit=limit, cursor=cursor)
    rows = await house.deliveries.page(
        caller, parse_id(webhook_id), before_id=page.before_id, limit=page.wanted
    )
    return page_answer(request, page, rows)


@router.post("/webhooks/{webhook_id}/replay", status_code=202)
async def replay_messages(webhook_id: str, body: ReplayCreate, caller: Writer, house: HouseDep) -> ReplayRead:
    """Send again what this endpoint was given up on, or never got; what is under way or arrived is left alone."""
    ordered = await house.deliveries.replay(caller, parse_id(webhook_id), body)
    house.dispatch.wake()
    return ordered


@router.get("/webhooks/{webhook_id}/replays", response_model=None)
async def list_replays(
    webhook_id: str,
    request: Request,
    caller: Reader,
    house: HouseDep,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List an endpoint's replays, newest first, and how far each has come."""
    page = page_of(request, caller, limit=limit, cursor=cursor)
    rows = await house.deliveries.replays(
        caller, parse_id(webhook_id), before_id=page.before_id, limit=page.wanted
    )
    return page_answer(request, page, rows)


@router.post("/deliveries/{delivery_id}/retry")
async def retry_delivery(delivery_id: str, caller: Writer, house: HouseDep) -> dict[str, Any]:
    """Try a delivery again now, under the same `webhook-id`."""
    told = await house.deliveries.retry(caller, parse_id(delivery_id))
    house.dispatch.wake()
    return told


@router.get("/messages")
async def list_messages(
    caller: Annotated[Caller, Depends(Requires("read:messages"))],
    house: HouseDep,
    after: Annotated[str | None, Query(description="Id of the last message seen.")] = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """Poll messages in order, oldest first; `body` holds the very bytes that webhooks carry."""
    after_id = parse_id(after) if after else None
    found = await house.deliveries.messages(caller, after_id=after_id, limit=limit)
    return {"data": found, "next_cursor": found[-1]["id"] if len(found) == limit else None}


def _created(row: Any, secret: str) -> WebhookCreated:
    shared, public_key = shown(secret)
    return WebhookCreated(
        secret=shared, public_key=public_key, **endpoint_read(row).model_dump(by_alias=True)
    )
