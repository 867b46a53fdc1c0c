"""Readings from gateways and loggers, in three dialects."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from app.domain.access import Caller
from app.errors import FieldError, Invalid
from app.formats import readings
from app.formats.readings import Item
from app.models.reading import READINGS_MAX, ReadingBatch, ReadingCreate, ReadingsReceipt
from app.routers.body import BULK_MAX, limited_body, media_type
from app.routers.dependencies import HouseDep, Requires
from app.routers.problems import UnsupportedMediaType

router = APIRouter(prefix="/v1/readings", tags=["readings"])
_FIELDS = tuple(ReadingCreate.model_fields)
_LINE = '{"device_id": "TMP-8841", "at": "2026-03-02T08:10:00+08:00", "temperature_c": 5.1}\n'
_TABLE = "device_id,at,temperature_c\nTMP-8841,2026-03-02T08:10:00+08:00,5.1\n"


def _batch_schema() -> dict[str, Any]:
    schema = ReadingBatch.model_json_schema()
    schema["properties"]["readings"]["items"] = schema.pop("$defs")["ReadingCreate"]
    return schema


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _batch_schema()},
            "application/x-ndjson": {"schema": {"type": "string"}, "example": _LINE},
            "text/csv": {"schema": {"type": "string"}, "example": _TABLE},
        },
    }
}


@router.post("", openapi_extra=_BODY)
async def post_readings(
    request: Request,
    caller: Annotated[Caller, Depends(Requires("write:readings"))],
    house: HouseDep,
    utc_offset: Annotated[
        str | None,
        Query(
            pattern=r"^[-+ ](0\d|1[0-4]):[0-5]\d$",
            description="For CSV whose times carry no offset: that of the logger, such as +08:00 (`%2B08:00`).",
        ),
    ] = None,
) -> ReadingsReceipt:
    """Store readings; known ones are counted, conflicting and impossible ones refused one by one."""
    items = _items(media_type(request), await limited_body(request, limit=BULK_MAX), utc_offset)
    if not 0 < len(items) <= READINGS_MAX:
        error = FieldError("/readings", f"send from 1 to {READINGS_MAX} readings")
        raise Invalid("the request holds no readings, or too many", errors=(error,))
    return await house.readings.take(caller, items)


def _items(media: str, body: bytes, utc_offset: str | None) -> list[Item]:
    if media == "text/csv":
        return readings.from_csv(body, columns=_FIELDS, utc_offset=_checked(utc_offset))
    if utc_offset is not None:
        raise _bad_offset("only text/csv takes it")
    if media == "application/x-ndjson":
        return readings.from_ndjson(body)
    if media in {"", "application/json"}:
        return _batch(readings.from_json(body))
    raise UnsupportedMediaType("send application/json, application/x-ndjson or text/csv")


def _batch(value: Any) -> list[Item]:
    if isinstance(value, dict) and list(value) == ["readings"] and isinstance(value["readings"], list):
        return [item if isinstance(item, dict) else readings.NO_OBJECT for item in value["readings"]]
    error = FieldError("/readings", 'send one object with nothing but "readings", a list')
    raise Invalid("the request is not of this form; each error says where and why", errors=(error,))


def _checked(utc_offset: str | None) -> str | None:
    """Return the offset; the plus sign of a query arrives as a blank from senders that do not escape it."""
    return utc_offset and utc_offset.replace(" ", "+")


def _bad_offset(detail: str) -> Invalid:
    return Invalid("the offset cannot be used", errors=(FieldError("?utc_offset", detail),))
