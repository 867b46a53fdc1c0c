"""Sites, products and nuclides."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request, Response
from pydantic import ValidationError

from app.domain.access import Caller
from app.domain.nuclides import NUCLIDES, Nuclide
from app.errors import NotFound
from app.models.product import ProductCreate, ProductRead
from app.models.site import SiteCreate, SitePatch, SiteRead
from app.pipeline.house import House
from app.pipeline.reference import product_read, site_read
from app.routers.body import CheckedRoute
from app.routers.dependencies import HouseDep, Requires, RequiresObject, parse_id
from app.routers.paging import Cursor, Limit, page_answer, page_of
from app.routers.problems import invalid
from app.store import reference, tables

router = APIRouter(prefix="/v1", route_class=CheckedRoute, tags=["reference data"])

Reader = Annotated[Caller, Depends(Requires("read:reference"))]
Writer = Annotated[Caller, Depends(Requires("write:reference"))]


async def _find_site(house: House, caller: Caller, id_: str) -> object:
    return await house.reference.read(caller, tables.site, id_)


async def _find_product(house: House, caller: Caller, id_: str) -> object:
    return await house.reference.read(caller, tables.product, id_)


class NoSuchNuclide(NotFound):
    """The table has no such nuclide."""

    code = "not_found"


@router.post("/sites", status_code=201)
async def create_site(body: SiteCreate, caller: Writer, house: HouseDep, response: Response) -> SiteRead:
    """Register a hospital; its `code` is where plans end."""
    site = await house.reference.create_site(caller, body)
    response.headers["Location"] = f"/v1/sites/{site.id}"
    return site


@router.get("/sites", response_model=None)
async def list_sites(
    request: Request, caller: Reader, house: HouseDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """List sites, newest first."""
    page = page_of(request, caller, limit=limit, cursor=cursor)
    async with house.db.reading() as connection:
        rows = await reference.page(
            connection, tables.site, caller.organisation_id, before_id=page.before_id, limit=page.wanted
        )
    return page_answer(request, page, [site_read(dict(row._mapping)).model_dump(mode="json") for row in rows])


@router.get("/sites/{site_id}")
async def read_site(site_id: str, caller: Reader, house: HouseDep) -> SiteRead:
    """Return one site."""
    return site_read(await house.reference.read(caller, tables.site, parse_id(site_id)))


@router.patch("/sites/{site_id}")
async def change_site(
    site_id: str,
    body: SitePatch,
    caller: Annotated[Caller, Depends(RequiresObject("write:reference", "site_id", _find_site))],
    house: HouseDep,
) -> SiteRead:
    """Change a site; shipments already registered keep the site as it was."""
    return await house.reference.change_site(caller, parse_id(site_id), body)


@router.post("/products", status_code=201)
async def create_product(
    body: ProductCreate, caller: Writer, house: HouseDep, response: Response
) -> ProductRead:
    """Register a product: its nuclide, tolerances, clocks and temperature limits."""
    product = await house.reference.create_product(caller, body)
    response.headers["Location"] = f"/v1/products/{product.id}"
    return product


@router.get("/products", response_model=None)
async def list_products(
    request: Request, caller: Reader, house: HouseDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """List products, newest first."""
    page = page_of(request, caller, limit=limit, cursor=cursor)
    async with house.db.reading() as connection:
        rows = await reference.page(
            connection, tables.product, caller.organisation_id, before_id=page.before_id, limit=page.wanted
        )
    return page_answer(
        request, page, [product_read(dict(row._mapping)).model_dump(mode="json") for row in rows]
    )


@router.get("/products/{product_id}")
async def read_product(product_id: str, caller: Reader, house: HouseDep) -> ProductRead:
    """Return one product, in its newest version."""
    return product_read(await house.reference.read(caller, tables.product, parse_id(product_id)))


@router.patch("/products/{product_id}")
async def change_product(
    product_id: str,
    body: Annotated[dict[str, Any], Body(examples=[{"shelf_life_hours": 96}])],
    caller: Annotated[Caller, Depends(RequiresObject("write:reference", "product_id", _find_product))],
    house: HouseDep,
) -> ProductRead:
    """Make a new version; shipments keep the one they were registered with."""
    try:
        return await house.reference.change_product(caller, parse_id(product_id), body)
    except ValidationError as error:
        raise invalid(error) from error


@router.get("/nuclides", response_model=None)
async def list_nuclides(caller: Reader) -> dict[str, Any]:  # noqa: ARG001 - the caller is asked, then not needed
    """List the nuclides known, with half-life, uncertainty, source and progeny."""
    return {"data": [_nuclide(one) for one in NUCLIDES.values()], "next_cursor": None}


@router.get("/nuclides/{name}", response_model=None)
async def read_nuclide(name: str, caller: Reader) -> dict[str, Any]:  # noqa: ARG001 - as above
    """Return one nuclide."""
    if name not in NUCLIDES:
        raise NoSuchNuclide("no such nuclide; GET /v1/nuclides lists those known")
    return _nuclide(NUCLIDES[name])


def _nuclide(one: Nuclide) -> dict[str, Any]:
    return asdict(one)
