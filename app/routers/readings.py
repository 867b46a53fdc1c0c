"""Readings from gateways and loggers."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError

from app.domain.access import Caller
from app.models.reading import ReadingBatch, ReadingsReceipt
from app.routers.body import BULK_MAX, json_body
from app.routers.dependencies import HouseDep, Requires
from app.routers.problems import invalid

router = APIRouter(prefix="/v1/readings", tags=["readings"])
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": ReadingBatch.model_json_schema()}},
    }
}


@router.post("", openapi_extra=_BODY)
async def post_readings(
    request: Request, caller: Annotated[Caller, Depends(Requires("write:readings"))], house: HouseDep
) -> ReadingsReceipt:
    """Store readings; known ones are counted, conflicting and impossible ones refused one by one."""
    try:
        batch = ReadingBatch.model_validate(await json_body(request, limit=BULK_MAX))
    except ValidationError as error:
        raise invalid(error) from error
    return await house.readings.take(caller, batch.readings)
