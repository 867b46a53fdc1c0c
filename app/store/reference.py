"""Sites and products."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.shipment import Opening, Product, ProductClock, Site, Storage
from app.store import tables
from app.store.tables import Record


async def row(
    connection: AsyncConnection, table: sa.Table, organisation_id: str, id_: str, *, for_update: bool = False
) -> Record | None:
    """Return one row of the organisation's, or None."""
    query = sa.select(table).where(table.c.id == id_, table.c.organisation_id == organisation_id)
    if for_update:
        query = query.with_for_update()
    return (await connection.execute(query)).first()


async def page(
    connection: AsyncConnection, table: sa.Table, organisation_id: str, *, before_id: str | None, limit: int
) -> Sequence[Record]:
    """Return the organisation's rows, newest first, after the one named in the list."""
    query = sa.select(table).where(table.c.organisation_id == organisation_id)
    if before_id is not None:
        query = query.where(table.c.id < before_id)
    return (await connection.execute(query.order_by(table.c.id.desc()).limit(limit))).all()


async def product(connection: AsyncConnection, organisation_id: str, product_id: str) -> Product | None:
    """Return a product's newest version, or None."""
    found = await row(connection, tables.product, organisation_id, product_id)
    return product_of(found.fields, id_=found.id, version=found.version) if found else None


async def site(connection: AsyncConnection, organisation_id: str, site_id: str) -> Site | None:
    """Return a site, or None."""
    found = await row(connection, tables.site, organisation_id, site_id)
    return site_of(found) if found else None


async def sites(connection: AsyncConnection, organisation_id: str, ids: Collection[str]) -> dict[str, Site]:
    """Return sites as they are today."""
    query = sa.select(tables.site).where(
        tables.site.c.organisation_id == organisation_id, tables.site.c.id.in_(list(ids))
    )
    return {found.id: site_of(found) for found in await connection.execute(query)}


def product_of(fields: dict[str, Any], *, id_: str, version: int) -> Product:
    """Return the domain's product from its stored wire shape."""
    usual = fields.get("usual_activity_mbq") or {}
    plain = {name: value for name, value in fields.items() if name != "usual_activity_mbq"}
    return Product(
        **plain
        | {
            "id": id_,
            "version": version,
            "usual_activity_min_mbq": usual.get("min"),
            "usual_activity_max_mbq": usual.get("max"),
            "clocks": tuple(ProductClock(**clock) for clock in fields["clocks"]),
            "storage": Storage(**fields["storage"]),
        }
    )


def site_of(found: Record) -> Site:
    """Return the domain's site from its row."""
    return Site(
        id=found.id,
        code=found.code,
        name=found.name,
        lat=found.lat,
        lon=found.lon,
        timezone=found.timezone,
        handling_minutes=found.handling_minutes,
        receiving_hours=tuple(
            Opening(days=tuple(hours["days"]), opens=hours["opens"], closes=hours["closes"])
            for hours in found.receiving_hours
        ),
        contacts=tuple(found.contacts),
    )
