"""What a shipment's sensors measured, to be drawn."""

from bisect import bisect_right
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from app.domain.access import Caller
from app.domain.thermal_curve import Resolution
from app.models.base import Instant
from app.models.base import Text as StorableText
from app.routers.dependencies import HouseDep, Requires, parse_id
from app.routers.paging import Cursor, page_answer, page_of

router = APIRouter(prefix="/v1/shipments", tags=["readings"])

POINTS_MAX = 50_000
"""Points in one answer: a month of minutes of one sensor. Source: our convention."""
_EXAMPLE = {
    "data": [
        {
            "device_id": "TMP-8841", "sensor": "main", "place": "product", "at": "2026-03-02T08:00:00.000Z",
            "count": 60, "min_c": 4.2, "max_c": 6.0, "mean_c": 5.1,
        }
    ],
    "next_cursor": None,
}  # fmt: skip


@router.get(
    "/{shipment_id}/readings",
    response_model=None,
    responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}},
)
async def read_curve(
    shipment_id: str,
    request: Request,
    caller: Annotated[Caller, Depends(Requires("read:shipment"))],
    house: HouseDep,
    from_: Annotated[Instant | None, Query(alias="from", description="The first instant.")] = None,
    until: Annotated[Instant | None, Query(description="The first instant left out.")] = None,
    device_id: Annotated[StorableText | None, Query(max_length=64)] = None,
    resolution: Annotated[
        Resolution, Query(description="Each reading, or count, extremes and mean by stretches of UTC time.")
    ] = "raw",
    limit: Annotated[int, Query(ge=1, le=POINTS_MAX, description="How many points at most.")] = POINTS_MAX,
    cursor: Cursor = None,
) -> Response:
    """Return the readings that count for the shipment, in order of time, then device and sensor."""
    id_ = parse_id(shipment_id)
    page = page_of(request, caller, limit=limit, cursor=cursor)
    points = await house.curves.points(
        caller,
        id_,
        from_at=from_,
        until_at=until,
        device_id=device_id,
        resolution=resolution,
    )
    keys = _keys(points)
    begin = bisect_right(keys, page.after) if page.after else 0
    end = begin + page.wanted
    return page_answer(request, page, points[begin:end], keys=keys[begin:end])


def _keys(points: list[dict[str, Any]]) -> list[str]:
    """Return what points are sorted by: their instant, then their number among those of the same one."""
    keys: list[str] = []
    same, number = "", 0
    for point in points:
        number = number + 1 if point["at"] == same else 0
        same = point["at"]
        keys.append(f"{same} {number:06}")
    return keys
