"""Alerts: listed, read, and handled by people."""

from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query, Request, Response

from app.domain.access import Caller
from app.models.alert import AlertDetail, Assignment, Comment, Snooze
from app.models.base import Instant
from app.models.base import Text as StorableText
from app.pipeline.alerts import SortKey
from app.pipeline.house import House
from app.pipeline.triage import LineKey
from app.routers.body import CheckedRoute
from app.routers.dependencies import HouseDep, Requires, parse_id
from app.routers.paging import BadCursor, Cursor, Limit, Page, page_answer, page_of
from app.store.alerts import Sort
from app.store.tables import alert, shipment

router = APIRouter(prefix="/v1/alerts", route_class=CheckedRoute, tags=["alerts"])

Reader = Annotated[Caller, Depends(Requires("read:alerts"))]
Text = Annotated[StorableText | None, Query(max_length=120)]


def filters_of(
    state: Annotated[Literal["open", "resolved"] | None, Query()] = None,
    kind: Text = None,
    severity: Annotated[Literal["info", "warning", "critical"] | None, Query()] = None,
    shipment_id: Text = None,
    study: Text = None,
    acknowledged: Annotated[bool | None, Query()] = None,
    from_at: Annotated[Instant | None, Query(alias="from", description="Raised at or after.")] = None,
    until_at: Annotated[Instant | None, Query(alias="until", description="Raised before.")] = None,
) -> list[sa.ColumnElement[bool]]:
    equal = {
        alert.c.state: state,
        alert.c.kind: kind,
        alert.c.severity: severity,
        alert.c.shipment_id: parse_id(shipment_id) if shipment_id else None,
        shipment.c.study: study,
    }
    filters = [column == value for column, value in equal.items() if value is not None]
    if acknowledged is not None:
        seen = alert.c.acknowledged_at
        filters.append(seen.is_not(None) if acknowledged else seen.is_(None))
    filters += [alert.c.raised_at >= from_at] if from_at else []
    filters += [alert.c.raised_at < until_at] if until_at else []
    return filters


@router.get("", response_model=None)
async def list_alerts(
    request: Request,
    caller: Reader,
    house: HouseDep,
    filters: Annotated[list[Any], Depends(filters_of)],
    sort: Annotated[Sort, Query(description="Newest first, or the most pressing first.")] = "-raised_at",
    group: Annotated[Literal["cause"] | None, Query(description="One line a cause.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List alerts: newest first, or by the instant after which acting is useless, those without one last.

    `group=cause` answers with one line a cause instead: what hangs on it, decide-by, and whom to call; of the open
    alerts, unless `state` says otherwise.
    """
    page = page_of(request, caller, limit=limit, cursor=cursor)
    if group == "cause":
        return await _causes(request, caller, house, page, filters, sort)
    after = _sort_key(page.after) if page.after is not None else None
    found = await house.alerts.page(caller, filters=filters, sort=sort, after=after, limit=page.wanted)
    return page_answer(request, page, [body for body, _ in found], keys=[_key_text(key) for _, key in found])


@router.get("/{alert_id}")
async def read_alert(alert_id: str, caller: Reader, house: HouseDep) -> AlertDetail:
    """Return an alert with its history."""
    return AlertDetail.model_validate(await house.alerts.read(caller, parse_id(alert_id)))


@router.post("/{alert_id}/acknowledge")
async def acknowledge_alert(
    alert_id: str,
    body: Comment,
    caller: Annotated[Caller, Depends(Requires("acknowledge:alert"))],
    house: HouseDep,
) -> AlertDetail:
    """Record that someone has seen the alert; it stays open until its cause ends."""
    told = await house.handling.acknowledge(caller, parse_id(alert_id), comment=body.comment)
    return AlertDetail.model_validate(told)


@router.post("/{alert_id}/assign")
async def assign_alert(
    alert_id: str,
    body: Assignment,
    caller: Annotated[Caller, Depends(Requires("assign:alert"))],
    house: HouseDep,
) -> AlertDetail:
    """Say who takes care of the alert."""
    return AlertDetail.model_validate(await house.handling.assign(caller, parse_id(alert_id), to=body.to))


@router.post("/{alert_id}/snooze")
async def snooze_alert(
    alert_id: str,
    body: Snooze,
    caller: Annotated[Caller, Depends(Requires("snooze:alert"))],
    house: HouseDep,
) -> AlertDetail:
    """Keep the alert quiet until a time to come; that it becomes critical is told all the same."""
    told = await house.handling.snooze(caller, parse_id(alert_id), until=body.until)
    return AlertDetail.model_validate(told)


@router.post("/{alert_id}/resolve")
async def resolve_alert(
    alert_id: str,
    body: Comment,
    caller: Annotated[Caller, Depends(Requires("resolve:alert"))],
    house: HouseDep,
) -> AlertDetail:
    """Close an alert of a kind that a person may close; others answer 409 and say how they end."""
    told = await house.handling.resolve(caller, parse_id(alert_id), comment=body.comment)
    return AlertDetail.model_validate(told)


async def _causes(
    request: Request, caller: Caller, house: House, page: Page, filters: list[Any], sort: Sort
) -> Response:
    if "state" not in request.query_params:
        filters = [*filters, alert.c.state == "open"]
    after = _line_key(page.after) if page.after is not None else None
    found = await house.triage.page(caller, filters=filters, sort=sort, after=after, limit=page.wanted)
    keys = [orjson.dumps(key).decode() for _, key in found]
    return page_answer(request, page, [line for line, _ in found], keys=keys)


def _line_key(text: str) -> LineKey:
    try:
        last, instant, name = orjson.loads(text)
        return bool(last), float(instant), str(name)
    except (ValueError, TypeError) as error:
        raise BadCursor("the cursor does not belong to this list") from error


def _key_text(key: SortKey) -> str:
    at, id_ = key
    return f"{at.isoformat() if at else ''}~{id_}"


def _sort_key(text: str) -> SortKey:
    at, _, id_ = text.partition("~")
    try:
        return (datetime.fromisoformat(at) if at else None), parse_id(id_)
    except ValueError as error:
        raise BadCursor("the cursor does not belong to this list") from error
