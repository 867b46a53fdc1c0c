"""The audit: who changed what, when, and why."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app.domain.access import Caller
from app.models.audit import AuditRead
from app.models.base import Instant
from app.models.base import Text as StorableText
from app.routers.body import CheckedRoute
from app.routers.dependencies import HouseDep, Requires
from app.routers.paging import Cursor, Limit, page_answer, page_of
from app.store import access, audit
from app.store.tables import audit_entry

router = APIRouter(prefix="/v1/audit", route_class=CheckedRoute, tags=["access"])


@router.get("", response_model=None)
async def list_audit(
    request: Request,
    caller: Annotated[Caller, Depends(Requires("read:audit"))],
    house: HouseDep,
    object_id: Annotated[
        StorableText | None, Query(alias="object", max_length=120, description="An object's id.")
    ] = None,
    actor: Annotated[StorableText | None, Query(max_length=120, description="A key's id.")] = None,
    begins_at: Annotated[Instant | None, Query(alias="from", description="First instant.")] = None,
    ends_at: Annotated[
        Instant | None, Query(alias="until", description="First instant no more listed.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List changes, newest first, each with its old and new value and its reason."""
    page = page_of(request, caller, limit=limit, cursor=cursor)
    entry = audit_entry.c
    filters = [entry.object_id == object_id] if object_id is not None else []
    filters += [entry.actor == actor] if actor is not None else []
    filters += [entry.at >= begins_at] if begins_at is not None else []
    filters += [entry.at < ends_at] if ends_at is not None else []
    async with house.db.reading() as connection:
        rows = await audit.page(
            connection, caller.organisation_id, filters=filters, before_id=page.before_id, limit=page.wanted
        )
        actors = {row.actor for row in rows if _is_id(row.actor)}
        names = await access.key_names(connection, caller.organisation_id, actors)
    return page_answer(request, page, [_read(row._mapping, names.get(row.actor)) for row in rows])


def _read(row: Any, actor_name: str | None) -> dict[str, Any]:
    fields = {name: row[name] for name in AuditRead.model_fields if name != "actor_name"}
    return AuditRead(**fields, actor_name=actor_name).model_dump(mode="json")


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
