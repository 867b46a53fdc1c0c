"""Escalation policies: who else is told when nobody acknowledges an alert."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from app.domain.access import Caller
from app.models.policy import PolicyCreate, PolicyPatch, PolicyRead
from app.routers.body import CheckedRoute
from app.routers.dependencies import HouseDep, Requires, parse_id
from app.routers.paging import Cursor, Limit, page_answer, page_of

router = APIRouter(prefix="/v1/escalation-policies", route_class=CheckedRoute, tags=["alerts"])

Reader = Annotated[Caller, Depends(Requires("read:policy"))]
Writer = Annotated[Caller, Depends(Requires("write:policy"))]


@router.post("", status_code=201)
async def create_policy(
    body: PolicyCreate, caller: Writer, house: HouseDep, response: Response
) -> PolicyRead:
    """Say who else is told when an alert is not acknowledged in so many minutes."""
    made = await house.escalations.create(caller, body)
    response.headers["Location"] = f"/v1/escalation-policies/{made.id}"
    return made


@router.get("", response_model=None)
async def list_policies(
    request: Request, caller: Reader, house: HouseDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """List policies, newest first."""
    page = page_of(request, caller, limit=limit, cursor=cursor)
    rows = await house.escalations.page(caller, before_id=page.before_id, limit=page.wanted)
    return page_answer(request, page, rows)


@router.get("/{policy_id}")
async def read_policy(policy_id: str, caller: Reader, house: HouseDep) -> PolicyRead:
    """Return one policy."""
    return await house.escalations.read(caller, parse_id(policy_id))


@router.patch("/{policy_id}")
async def change_policy(policy_id: str, body: PolicyPatch, caller: Writer, house: HouseDep) -> PolicyRead:
    """Change a policy; what waits is planned anew from now, what was told stays told."""
    return await house.escalations.change(caller, parse_id(policy_id), body)


@router.delete("/{policy_id}", status_code=204)
async def delete_policy(policy_id: str, caller: Writer, house: HouseDep) -> None:
    """Take a policy away; nothing of it waits any more."""
    await house.escalations.delete(caller, parse_id(policy_id))
