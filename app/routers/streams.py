"""One shipment as server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from app.auth import Unauthorized, authenticate
from app.domain.access import Caller
from app.pipeline.streams import Frame
from app.routers.body import CheckedRoute
from app.routers.dependencies import HouseDep, Requires, parse_id

router = APIRouter(prefix="/v1/shipments", route_class=CheckedRoute, tags=["shipments"])

QUIET_LOOKS = 15
RETRY_MS = 2_000


@router.get(
    "/{shipment_id}/stream",
    response_model=None,
    responses={
        200: {
            "description": "Messages `status`, `event`, `alert`, each with an id to go on from.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def stream_shipment(
    shipment_id: str,
    request: Request,
    caller: Annotated[Caller, Depends(Requires("read:status"))],
    house: HouseDep,
    last_event_id: Annotated[
        str | None, Header(description="The id of the last message received: what came since is told first.")
    ] = None,
) -> EventSourceResponse:
    """Follow a shipment: its status now and whenever it changes, its events, and each step of its alerts."""
    id_ = parse_id(shipment_id)
    place = await house.streams.begin(caller, id_, last_event_id)

    async def still() -> bool:
        try:
            return await authenticate(house.keys, request.headers.get("authorization", "")) == caller
        except Unauthorized:
            return False

    frames = house.streams.follow(caller, id_, place, still=still)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Authorization"}
    return EventSourceResponse(_written(frames), headers=headers)


async def _written(frames: AsyncIterator[Frame | None]) -> AsyncIterator[bytes]:
    """Write frames as the protocol has them, and a comment now and then, so that no proxy hangs up."""
    yield format_sse_event(retry=RETRY_MS)
    quiet = 0
    async for frame in frames:
        if frame is not None:
            quiet = 0
            data = orjson.dumps(frame.data).decode()
            yield format_sse_event(event=frame.kind, data_str=data, id=str(frame.place))
        elif (quiet := quiet + 1) % QUIET_LOOKS == 0:
            yield KEEPALIVE_COMMENT
