"""Events: one, or a batch in which each is judged alone."""

import asyncio
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from app.auth import permit
from app.domain.access import EVENTS_OF, Caller
from app.domain.observation import EVENT_TYPES
from app.errors import DosetrailError, Forbidden
from app.models.event import EventBatch, EventCreate, EventReceipt
from app.pipeline.house import House
from app.pipeline.ingest import Receipt, Submission
from app.routers.body import BODY_MAX, BULK_MAX, body_schema, json_body
from app.routers.dependencies import Requires, house_of
from app.routers.problems import body_of, invalid, request_id_of, status_of

router = APIRouter(prefix="/v1/events", tags=["events"])


class CallerMayPost(Requires):
    """The role posts events of some type; which, the event itself must say."""

    def __init__(self) -> None:
        super().__init__("read:me")

    async def __call__(self, request: Request) -> Caller:
        """Return who calls, or answer 401 or 403."""
        caller = await super().__call__(request)
        if not EVENTS_OF[caller.role]:
            raise Forbidden(f"a {caller.role} key posts no events")
        return caller


may_post = CallerMayPost()
Sender = Annotated[Caller, Depends(may_post)]
_ONE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": body_schema(EventCreate)}},
    }
}
_MANY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": EventBatch.model_json_schema(),
                "examples": {
                    "one scan": {
                        "value": {
                            "events": [
                                {
                                    "event_id": "scan-000124",
                                    "reference": "LU-2026-0142",
                                    "type": "arrived",
                                    "occurred_at": "2026-03-02T10:02:00+08:00",
                                    "leg": 1,
                                }
                            ],
                            "sent_at": "2026-03-02T10:05:00+08:00",
                        }
                    }
                },
            }
        },
    }
}


@router.post(
    "",
    status_code=201,
    response_model=EventReceipt,
    openapi_extra=_ONE,
    responses={200: {"model": EventReceipt, "description": "It was known: the first answer again."}},
)
async def post_event(request: Request) -> Response:
    """Record one observation: 201 when it is new and committed, 200 when it was known."""
    house = house_of(request)
    caller = await may_post(request)
    try:
        receipt = await _record(house, caller, await json_body(request, limit=BODY_MAX))
    except DosetrailError as error:
        house.metrics.count_event(error.code)
        raise
    house.metrics.count_event("duplicate" if receipt["duplicate"] else "stored")
    status = 200 if receipt["duplicate"] else 201
    return Response(orjson.dumps(receipt), status_code=status, media_type="application/json")


@router.post("/batch", response_model=None, openapi_extra=_MANY)
async def post_events(request: Request, caller: Sender) -> Response:
    """Record up to 1,000 observations; each gets its own status, in order."""
    house = house_of(request)
    body = await json_body(request, limit=BULK_MAX)
    try:
        batch = EventBatch.model_validate(body)
    except ValidationError as error:
        raise invalid(error) from error
    shared = {"sent_at": body["sent_at"]} if batch.sent_at is not None else {}
    answers = await asyncio.gather(
        *(_record(house, caller, shared | item) for item in batch.events), return_exceptions=True
    )
    results = [
        _result(index, item, answer, request_id=request_id_of(request))
        for index, (item, answer) in enumerate(zip(batch.events, answers, strict=True))
    ]
    return Response(orjson.dumps({"results": results}), media_type="application/json")


async def _record(house: House, caller: Caller, item: Any) -> Receipt:
    """Judge the type before the shape: what a role may not say is refused whatever it looks like."""
    type_ = item.get("type") if isinstance(item, dict) else None
    if isinstance(type_, str) and type_ in EVENT_TYPES:
        permit(caller, f"event:{type_}")
    try:
        event = EventCreate.model_validate(item)
    except ValidationError as error:
        raise invalid(error) from error
    return await house.intake.submit(Submission(caller, event, item["occurred_at"], house.clock.now()))


def _result(
    index: int, item: dict[str, Any], answer: Receipt | BaseException, *, request_id: str
) -> dict[str, Any]:
    if not isinstance(answer, BaseException):
        told = {name: value for name, value in answer.items() if name != "received_at"}
        return {"index": index, "status": 200 if answer["duplicate"] else 201, "problem": None} | told
    if not isinstance(answer, DosetrailError):
        raise answer
    event_id = item.get("event_id")
    return {
        "index": index,
        "status": status_of(answer)[0],
        "id": None,
        "event_id": event_id
        if isinstance(event_id, str) and len(event_id) <= 120 and event_id.isprintable()
        else None,
        "shipment_id": None,
        "duplicate": False,
        "late": False,
        "placed": False,
        "problem": body_of(answer, request_id=request_id),
    }
