"""Shipments whose plan changes."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from app.domain.access import Caller
from app.models.replan import ShipmentPatch
from app.models.shipment import ShipmentRead
from app.routers.body import CheckedRoute
from app.routers.dependencies import HouseDep, RequiresObject, parse_id
from app.routers.shipments import find_shipment, json_answer, shipment_answer

router = APIRouter(prefix="/v1/shipments", route_class=CheckedRoute, tags=["shipments"])


@router.patch("/{shipment_id}", response_model=ShipmentRead)
async def replan_shipment(
    shipment_id: str,
    body: ShipmentPatch,
    caller: Annotated[Caller, Depends(RequiresObject("reschedule:dose", "shipment_id", find_shipment))],
    house: HouseDep,
) -> Response:
    """Change the legs not yet departed, the devices or the doses; a site may move its appointments only."""
    brief, plan = await house.replan.change(caller, parse_id(shipment_id), body)
    return json_answer(shipment_answer(brief, plan, caller))
