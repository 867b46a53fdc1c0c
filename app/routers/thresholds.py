"""Thresholds of alerts that one shipment sets for itself."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.domain.access import Caller
from app.models.thresholds import ShipmentThresholds, ThresholdsRead
from app.pipeline.thresholds import thresholds_read
from app.routers.body import CheckedRoute
from app.routers.dependencies import HouseDep, Requires, parse_id

router = APIRouter(prefix="/v1/shipments", route_class=CheckedRoute, tags=["alerts"])


@router.put("/{shipment_id}/thresholds")
async def put_thresholds(
    shipment_id: str,
    body: ShipmentThresholds,
    caller: Annotated[Caller, Depends(Requires("write:shipment"))],
    house: HouseDep,
) -> ThresholdsRead:
    """Set what makes this shipment's alerts fire, over its product's thresholds; with a reason."""
    return await house.thresholds.put(caller, parse_id(shipment_id), body)


@router.get("/{shipment_id}/thresholds")
async def read_thresholds(
    shipment_id: str, caller: Annotated[Caller, Depends(Requires("read:shipment"))], house: HouseDep
) -> ThresholdsRead:
    """Return what makes this shipment's alerts fire: its own thresholds, else its product's, else the house's."""
    _, plan = await house.register.read(caller, parse_id(shipment_id))
    return thresholds_read(plan)
