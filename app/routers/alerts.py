"""Alerts: listed, read, acknowledged."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from app.domain.access import Caller
from app.models.alert import AlertDetail, Comment
from app.pipeline.announcements import alert_body
from app.routers.body import CheckedRoute
from app.routers.dependencies import HouseDep, Requires, parse_id
from app.routers.paging import Cursor, Limit, page_answer, page_of
from app.store import alerts, shipments
from app.store.tables import alert, shipment

router = APIRouter(prefix="/v1/alerts", route_class=CheckedRoute, tags=["alerts"])

Reader = Annotated[Caller, Depends(Requires("read:alerts"))]
Text = Annotated[str | None, Query(max_length=120)]


@router.get("", response_model=None)
async def list_alerts(
    request: Request,
    caller: Reader,
    house: HouseDep,
    state: Annotated[Literal["open", "resolved"] | None, Query()] = None,
    kind: Text = None,
    severity: Annotated[Literal["info", "warning", "critical"] | None, Query()] = None,
    shipment_id: Text = None,
    study: Text = None,
    acknowledged: Annotated[bool | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List alerts, newest first."""
    page = page_of(request, caller, limit=limit, cursor=cursor)
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
    async with house.db.reading() as connection:
        rows = await alerts.page(
            connection,
            caller.organisation_id,
            filters=[*filters, *shipments.seen_by(caller)],
            before_id=page.before_id,
            limit=page.wanted,
        )
    return page_answer(request, page, [alert_body(row._mapping) for row in rows])


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
    told: dict[str, Any] = await house.alerts.acknowledge(caller, parse_id(alert_id), comment=body.comment)
    return AlertDetail.model_validate(told)
