"""Keys and who one is."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from app.domain.access import Caller
from app.models.access import ApiKeyCreate, ApiKeyCreated, ApiKeyRead, KeyRotation
from app.routers.body import CheckedRoute
from app.routers.dependencies import HouseDep, Requires, parse_id
from app.routers.paging import Cursor, Limit, page_answer, page_of
from app.store import access

router = APIRouter(prefix="/v1", route_class=CheckedRoute, tags=["access"])

Manager = Annotated[Caller, Depends(Requires("manage:keys"))]


def _read(row: Any) -> dict[str, Any]:
    return ApiKeyRead(**{name: row[name] for name in ApiKeyRead.model_fields}).model_dump(mode="json")


@router.post("/api-keys", status_code=201)
async def create_key(body: ApiKeyCreate, caller: Manager, house: HouseDep) -> ApiKeyCreated:
    """Make a key. Its text is in this answer and nowhere else."""
    row, text = await house.keys.create(caller, body)
    return ApiKeyCreated(key=text, **{name: row[name] for name in ApiKeyRead.model_fields})


@router.get("/api-keys", response_model=None)
async def list_keys(
    request: Request,
    caller: Annotated[Caller, Depends(Requires("read:keys"))],
    house: HouseDep,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """List keys, newest first; revoked ones stay, with `revoked_at`."""
    page = page_of(request, caller, limit=limit, cursor=cursor)
    async with house.db.reading() as connection:
        rows = await access.keys_page(
            connection, caller.organisation_id, before_id=page.before_id, limit=page.wanted
        )
    return page_answer(request, page, [_read(row._mapping) for row in rows])


@router.post("/api-keys/{key_id}/rotate", status_code=201)
async def rotate_key(key_id: str, body: KeyRotation, caller: Manager, house: HouseDep) -> ApiKeyCreated:
    """Make a key's successor: same role, bindings and source; the old one ends after the overlap."""
    row, text = await house.keys.rotate(caller, parse_id(key_id), overlap_s=body.overlap_seconds)
    return ApiKeyCreated(key=text, **{name: row[name] for name in ApiKeyRead.model_fields})


@router.delete("/api-keys/{key_id}", status_code=204)
async def revoke_key(key_id: str, caller: Manager, house: HouseDep) -> None:
    """Revoke a key: at once here, within two seconds in other processes."""
    await house.keys.revoke(caller, parse_id(key_id))


@router.get("/me")
async def me(caller: Annotated[Caller, Depends(Requires("read:me"))]) -> dict[str, str | None]:
    """Say what this key is: its role and what it is bound to."""
    return {
        "key_id": caller.key_id,
        "organisation_id": caller.organisation_id,
        "name": caller.name,
        "role": caller.role,
        "source": caller.source,
        "site_id": caller.site_id,
        "carrier": caller.carrier,
        "study": caller.study,
    }
