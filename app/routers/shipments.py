"""Shipments: registered, listed, read, cancelled, and told."""

from typing import Annotated, Any

import orjson
import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query, Request, Response

from app.domain.access import Caller, hidden_fields
from app.domain.custody import State
from app.domain.package_remarks import package_remarks
from app.domain.shipment import Shipment
from app.models.base import Instant
from app.models.base import Text as StorableText
from app.models.shipment import (
    Cancellation,
    DeviceCreate,
    DoseRead,
    LegRead,
    ShipmentCreate,
    ShipmentRead,
    ShipmentSummary,
    SummaryEta,
    SummarySlack,
)
from app.pipeline.house import House
from app.routers.body import CheckedRoute
from app.routers.dependencies import HouseDep, Requires, RequiresObject, house_of, parse_id
from app.routers.paging import BadCursor, Cursor, Limit, page_answer, page_of
from app.store import shipments
from app.store.shipments import Brief, Sort
from app.store.tables import shipment as table

router = APIRouter(prefix="/v1/shipments", route_class=CheckedRoute, tags=["shipments"])

Reader = Annotated[Caller, Depends(Requires("read:shipment"))]


async def find_shipment(house: House, caller: Caller, shipment_id: str) -> object:
    """Find a shipment that the caller may see, or say that there is none."""
    return await house.register.read(caller, shipment_id)


may_read_status = Requires("read:status")
Text = Annotated[StorableText | None, Query(max_length=120)]


@router.post("", status_code=201, response_model=ShipmentRead)
async def register_shipment(
    body: ShipmentCreate, caller: Annotated[Caller, Depends(Requires("write:shipment"))], house: HouseDep
) -> Response:
    """Register one package with its doses and its way; it is assessed at once."""
    brief, plan = await house.register.create(caller, body)
    location = {"Location": f"/v1/shipments/{plan.id}"}
    return json_answer(shipment_answer(brief, plan, caller), status=201, headers=location)


@router.get("", response_model=None)
async def list_shipments(
    request: Request,
    caller: Reader,
    house: HouseDep,
    state: Annotated[State | None, Query()] = None,
    site_id: Text = None,
    carrier: Text = None,
    study: Text = None,
    lot: Text = None,
    reference: Text = None,
    consignment: Text = None,
    at_risk: Annotated[
        bool | None, Query(description="Under way, and a dose may be lost or an alert of warning stands.")
    ] = None,
    sort: Annotated[Sort, Query(description="`slack`: the least first.")] = "-created_at",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List shipments, newest or least slack first, with what was last assessed."""
    page = page_of(request, caller, limit=limit, cursor=cursor)
    equal = {
        table.c.state: state,
        table.c.site_id: parse_id(site_id) if site_id else None,
        table.c.study: study,
        table.c.reference: reference,
        table.c.consignment: consignment,
    }
    filters = [column == value for column, value in equal.items() if value is not None]
    filters += [
        shipments.tagged(kind, value) for kind, value in (("carrier", carrier), ("lot", lot)) if value
    ]
    if at_risk is not None:
        filters.append(shipments.at_risk() if at_risk else sa.not_(shipments.at_risk()))
    async with house.db.reading() as connection:
        rows = await shipments.page(
            connection,
            caller.organisation_id,
            filters=[*filters, *shipments.seen_by(caller)],
            sort=sort,
            after=_place(page.after) if page.after is not None else None,
            limit=page.wanted,
        )
    keys = [
        f"{row.id}.{'' if row.slack_p50_minutes is None else repr(row.slack_p50_minutes)}" for row in rows
    ]
    return page_answer(request, page, [_summary(row._mapping) for row in rows], keys=keys)


@router.get("/{shipment_id}", response_model=ShipmentRead)
async def read_shipment(shipment_id: str, caller: Reader, house: HouseDep) -> Response:
    """Return a shipment and the plan in force; couriers see no subject codes and no prescriptions."""
    brief, plan = await house.register.read(caller, parse_id(shipment_id))
    return json_answer(shipment_answer(brief, plan, caller))


@router.post("/{shipment_id}/cancel", response_model=ShipmentRead)
async def cancel_shipment(
    shipment_id: str,
    body: Cancellation,
    caller: Annotated[Caller, Depends(RequiresObject("cancel:shipment", "shipment_id", find_shipment))],
    house: HouseDep,
) -> Response:
    """Cancel a shipment that has not been delivered; doing so again changes nothing."""
    brief, plan = await house.register.cancel(caller, parse_id(shipment_id), reason=body.reason)
    return json_answer(shipment_answer(brief, plan, caller))


@router.get("/{shipment_id}/events", response_model=None)
async def list_events(
    shipment_id: str,
    request: Request,
    caller: Reader,
    house: HouseDep,
    begins_at: Annotated[Instant | None, Query(alias="from", description="First instant.")] = None,
    ends_at: Annotated[
        Instant | None, Query(alias="until", description="First instant no more listed.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List everything recorded of a shipment, newest first: as it was sent, and what it is worth now."""
    page = page_of(request, caller, limit=limit, cursor=cursor)
    rows = await house.record.page(
        caller,
        parse_id(shipment_id),
        begins_at=begins_at,
        ends_at=ends_at,
        before_id=page.before_id,
        limit=page.wanted,
    )
    return page_answer(request, page, rows)


@router.get("/{shipment_id}/status", response_model=None)
async def read_status(
    shipment_id: str,
    request: Request,
    caller: Annotated[Caller, Depends(may_read_status)],
    house: HouseDep,
    at: Annotated[Instant | None, Query(description="As of this instant, from what had occurred.")] = None,
    known_at: Annotated[
        Instant | None, Query(description="As of this instant, from what had been received.")
    ] = None,
) -> Response:
    """Say where the package is, when it will arrive, and what that means for each dose."""
    if at is None and known_at is None:
        return await read_status_now(request, shipment_id)
    id_, now = parse_id(shipment_id), house.clock.now()
    known = known_at or now
    told = await house.status.as_of(caller, id_, at=at or known, known_at=known)
    return json_answer(
        told.document, headers=_tag(caller, told.version, (at or known).isoformat() + known.isoformat())
    )


async def read_status_now(request: Request, shipment_id: str) -> Response:
    """Tell the status as of now, or that it is the one that the caller has."""
    caller, house = await may_read_status(request), house_of(request)
    # An ETag's minute is the one the answer is for, so one instant serves both.
    id_, now = parse_id(shipment_id), house.clock.now()
    minute = now.replace(second=0, microsecond=0).isoformat()
    if_none_match = request.headers.get("if-none-match")
    if if_none_match:
        headers = _tag(caller, await house.status.version(caller, id_), minute)
        if headers["ETag"] in {one.strip() for one in if_none_match.split(",")}:
            return Response(status_code=304, headers=headers)
    told = await house.status.now(caller, id_, at=now)
    return json_answer(told.document, headers=_tag(caller, told.version, minute))


def _tag(caller: Caller, version: int, minute: str) -> dict[str, str]:
    view = f"{caller.role}-{caller.carrier or caller.site_id or caller.study or ''}"
    digest = f"{version}-{minute}-{view}".encode().hex()
    return {"ETag": f'W/"{digest}"', "Vary": "Authorization", "Cache-Control": "private, no-cache"}


def _place(after: str) -> tuple[float | None, str]:
    """Return the slack and the id at which a page ended."""
    last_id, _, slack = after.partition(".")
    try:
        return float(slack) if slack else None, parse_id(last_id)
    except ValueError as error:
        raise BadCursor("the cursor does not belong to this list") from error


def _summary(row: Any) -> dict[str, Any]:
    own = {name: row[name] for name in ShipmentSummary.model_fields if name in row}
    eta, slack = SummaryEta(p50=row["eta_p50_at"]), SummarySlack(p50=row["slack_p50_minutes"])
    return ShipmentSummary(**own, eta=eta, slack_minutes=slack).model_dump(mode="json")


def shipment_answer(brief: Brief, plan: Shipment, caller: Caller) -> dict[str, Any]:
    """Return a shipment as the contract has it, as far as the caller may see it."""
    hidden = hidden_fields(caller.role)
    body = {
        "id": plan.id,
        "reference": plan.reference,
        "study": plan.study,
        "consignment": plan.consignment,
        "product_id": plan.product.id,
        "product_version": plan.product.version,
        "site_id": plan.site.id,
        "version": brief.version,
        "plan_version": plan.plan_version,
        "state": brief.state,
        "created_at": plan.registered_at,
        "baseline_at": brief.baseline_at,
        "origin": _fields(plan.origin),
        "package": _fields(plan.package) if plan.package else None,
        "package_remarks": list(package_remarks(plan)),
        "doses": [_dumped(DoseRead, dose, hidden) for dose in plan.doses],
        "legs": [_dumped(LegRead, leg) for leg in plan.legs],
        "devices": [_dumped(DeviceCreate, device) for device in plan.devices],
    }
    return ShipmentRead.model_validate(body).model_dump(mode="json")


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _dumped(shape: Any, value: Any, hidden: frozenset[str] = frozenset()) -> dict[str, Any]:
    return {name: None if name in hidden else getattr(value, name) for name in shape.model_fields}


def json_answer(
    body: dict[str, Any], *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Answer with JSON."""
    return Response(orjson.dumps(body), status_code=status, headers=headers, media_type="application/json")
