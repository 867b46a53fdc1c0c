"""Lanes: the history that arrivals are learned from, and what is known of each lane."""

import asyncio
import io
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field as WireField
from pydantic import TypeAdapter, ValidationError

from app.domain.access import Caller
from app.domain.shipment import Mode
from app.formats import lane_history, strict_json
from app.formats.strict_json import UnparseableBody
from app.models.base import Code
from app.models.lane import (
    HISTORY_MAX,
    LaneHistory,
    LaneHistoryReceipt,
    LaneTimetable,
    LaneTimetableRead,
)
from app.routers.body import BULK_MAX, CheckedRoute, limited_body, media_type
from app.routers.dependencies import HouseDep, Requires
from app.routers.paging import BadCursor, Cursor, Limit, page_answer, page_of
from app.routers.problems import UnsupportedMediaType, invalid

router = APIRouter(prefix="/v1/lanes", route_class=CheckedRoute, tags=["lanes"])

_EXAMPLE = (
    "mode,carrier,service,origin,destination,planned_departure_at,departed_at,planned_arrival_at,arrived_at,outcome\n"
    "air,MU,MU5101,PVG,PEK,2026-03-02T00:00:00Z,2026-03-02T00:12:00Z,2026-03-02T02:20:00Z,"
    "2026-03-02T02:25:00Z,arrived\n"
)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": LaneHistory.model_json_schema()},
            "text/csv": {"schema": {"type": "string"}, "example": _EXAMPLE},
        },
    }
}
_TOLD: dict[str, Any] = {
    "data": [
        {
            "mode": "air", "origin": "PVG", "destination": "PEK", "carrier": "MU", "n": 412,
            "lanes_version": "lanes-12",
            "today": {"departures": 9, "departure_delay_minutes": 21.4, "residual_minutes": 1.8},
            "departure_delay_minutes": {"p10": -5.0, "p50": 3.0, "p90": 41.0},
            "residual_minutes": {"p10": -14.0, "p50": -4.0, "p90": 11.0},
            "cancelled_share": 0.0161, "diverted_share": 0.0022,
            "falls_back_to": [
                {"level": "lane", "n": 1130, "weight": 0.974}, {"level": "carrier", "n": 5210, "weight": 0.026},
                {"level": "mode", "n": 48211, "weight": 0.0}, {"level": "priors", "n": None, "weight": 0.0},
            ],
        }
    ],
    "next_cursor": "NGYwZjhiZDE4YjliYjQ2ZQ",
}  # fmt: skip
Filter = Annotated[Code | None, Query()]
_KEY: TypeAdapter[list[Code]] = TypeAdapter(Annotated[list[Code], WireField(min_length=4, max_length=4)])


@router.post("/history", openapi_extra=_BODY)
async def post_history(
    request: Request, caller: Annotated[Caller, Depends(Requires("write:lanes"))], house: HouseDep
) -> LaneHistoryReceipt:
    """Store legs, ours or others': how they ended, or as they are planned and leave.

    Each row is judged alone, and importing twice changes nothing. A leg told as `planned` or `departed`, within three
    days of its plan, counts among the day's signals within minutes; how it ended is told by another row.
    """
    kind = media_type(request)
    if kind not in {"", "application/json", "text/csv"}:
        raise UnsupportedMediaType("send application/json or text/csv")
    body = await limited_body(request, limit=BULK_MAX)
    rows = await asyncio.to_thread(_csv_rows if kind == "text/csv" else _json_rows, body)
    try:
        return await house.lanes.take(
            caller, LaneHistory(rows=rows).rows if len(rows) > HISTORY_MAX else rows
        )
    except ValidationError as error:
        raise invalid(error) from error


@router.get("", response_model=None, responses={200: {"content": {"application/json": {"example": _TOLD}}}})
async def list_lanes(
    request: Request,
    caller: Annotated[Caller, Depends(Requires("read:lanes"))],
    house: HouseDep,
    origin: Filter = None,
    destination: Filter = None,
    carrier: Filter = None,
    mode: Annotated[Mode | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List lanes by carrier: how many legs are known, what they teach, what today shows, what a lane falls back to."""
    page = page_of(request, caller, limit=limit, cursor=cursor)
    filters = {"origin": origin, "destination": destination, "carrier": carrier, "mode": mode}
    wanted = [(name, value) for name, value in filters.items() if value is not None]
    after = _lane_of(page.after) if page.after is not None else None
    told = await house.lanes.list(caller, wanted, after=after, limit=page.wanted)
    keys = [
        orjson.dumps([one["mode"], one["origin"], one["destination"], one["carrier"]]).decode()
        for one in told
    ]
    return page_answer(request, page, told, keys=keys)


@router.post("/timetable", status_code=201)
async def post_timetable(
    body: LaneTimetable, caller: Annotated[Caller, Depends(Requires("write:lanes"))], house: HouseDep
) -> LaneTimetableRead:
    """Tell a lane's weekly services: what a missed package takes next, and what could save a dose."""
    return await house.lanes.tell_timetable(caller, body)


def _lane_of(text: str) -> list[str]:
    """Return the lane after which a list goes on.

    Raises:
        BadCursor: the cursor names none.
    """
    try:
        return _KEY.validate_json(text)
    except ValidationError as error:
        raise BadCursor("the cursor does not belong to this list") from error


def _csv_rows(body: bytes) -> list[Any]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnparseableBody("the body is not UTF-8") from error
    return list(lane_history.rows(iter(io.StringIO(text, newline=""))))


def _json_rows(body: bytes) -> list[Any]:
    """Return the rows of a JSON body: an array, or an object that holds it as `rows`."""
    value = strict_json.parse(body)
    if isinstance(value, list):
        return value
    try:
        return list(LaneHistory.model_validate(value).rows)
    except ValidationError as error:
        raise invalid(error) from error
