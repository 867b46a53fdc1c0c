"""Questions about one shipment that change nothing: what if, and how its doses decay."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from app.domain.access import Caller
from app.models.activity import ActivityRead
from app.models.base import Instant
from app.models.replan import WhatIf
from app.routers.body import CheckedRoute
from app.routers.dependencies import HouseDep, Requires, RequiresObject, parse_id
from app.routers.shipments import find_shipment, json_answer

router = APIRouter(prefix="/v1/shipments", route_class=CheckedRoute, tags=["shipments"])

Reader = Annotated[Caller, Depends(Requires("read:shipment"))]


@router.post("/{shipment_id}/what-if")
async def what_if(
    shipment_id: str,
    body: WhatIf,
    caller: Annotated[Caller, Depends(RequiresObject("read:shipment", "shipment_id", find_shipment))],
    house: HouseDep,
) -> dict[str, Any]:
    """Tell the status that another way, appointment or prescription would give now; nothing is stored."""
    return await house.questions.what_if(caller, parse_id(shipment_id), body)


@router.get("/{shipment_id}/activity", response_model=ActivityRead)
async def read_activity(
    shipment_id: str,
    caller: Reader,
    house: HouseDep,
    begins_at: Annotated[Instant | None, Query(alias="from", description="First instant.")] = None,
    ends_at: Annotated[Instant | None, Query(alias="until", description="Last instant.")] = None,
    points: Annotated[int, Query(ge=2, le=500, description="How many points, at equal steps.")] = 100,
) -> Response:
    """Draw each dose's decay, at equal steps from one instant to another; both are among the points."""
    told = await house.questions.activity(
        caller, parse_id(shipment_id), begins_at=begins_at, ends_at=ends_at, points=points
    )
    return json_answer(told)
