"""Sites and products: created and changed, each change with its audit entry."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from app.clock import Clock
from app.domain.access import Caller
from app.errors import Conflict, NotFound
from app.models.base import new_id
from app.models.product import ProductCreate, ProductRead
from app.models.site import SiteCreate, SitePatch, SiteRead
from app.pipeline.thresholds import check_thresholds
from app.store import audit, reference
from app.store.db import Database
from app.store.tables import Record, product, site


class CodeTaken(Conflict):
    """Another site of the organisation has this code."""

    code = "code_taken"


class UnknownReference(NotFound):
    """No such site or product in this organisation."""

    code = "not_found"


class Reference:
    """Writes and reads reference data."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    async def create_site(self, caller: Caller, body: SiteCreate) -> SiteRead:
        """Write a new site.

        Raises:
            CodeTaken: its code is in use.
        """
        row = body.model_dump() | self._own(caller)
        try:
            await self._insert(caller, site, row, kind="site")
        except IntegrityError as error:
            async with self._db.reading() as connection:
                existing = await connection.scalar(
                    sa.select(site.c.id).where(
                        site.c.organisation_id == caller.organisation_id, site.c.code == body.code
                    )
                )
            raise CodeTaken("another site has this code", existing_id=existing) from error
        return site_read(row)

    async def create_product(self, caller: Caller, body: ProductCreate) -> ProductRead:
        """Write a new product.

        Raises:
            BadThresholds: one is unknown or out of range.
        """
        check_thresholds(body.thresholds)
        row = {"name": body.name, "fields": body.model_dump(mode="json")} | self._own(caller)
        await self._insert(caller, product, row, kind="product")
        return product_read(row)

    async def change_site(self, caller: Caller, site_id: str, body: SitePatch) -> SiteRead:
        """Change what the body names.

        Raises:
            UnknownReference: there is no such site.
        """
        changes = body.model_dump(exclude_unset=True)
        return site_read(await self._change(caller, site, site_id, lambda _: changes, kind="site"))

    async def change_product(self, caller: Caller, product_id: str, changes: dict[str, Any]) -> ProductRead:
        """Change what `changes` name, and judge the product whole.

        Raises:
            BadThresholds: one is unknown or out of range.
            UnknownReference: there is no such product.
            ValidationError: the product would not hold together.
        """

        def merged(row: Record) -> dict[str, Any]:
            body = ProductCreate.model_validate(row.fields | changes)
            check_thresholds(body.thresholds)
            return {"name": body.name, "fields": body.model_dump(mode="json")}

        return product_read(await self._change(caller, product, product_id, merged, kind="product"))

    async def read(self, caller: Caller, table: sa.Table, id_: str) -> dict[str, Any]:
        """Return one row.

        Raises:
            UnknownReference: the organisation has none of that id.
        """
        async with self._db.reading() as connection:
            row = await reference.row(connection, table, caller.organisation_id, id_)
        if row is None:
            raise UnknownReference("no such object")
        return dict(row._mapping)

    def _own(self, caller: Caller) -> dict[str, Any]:
        return {
            "id": new_id(),
            "organisation_id": caller.organisation_id,
            "version": 1,
            "created_at": self._clock.now(),
        }

    async def _insert(self, caller: Caller, table: sa.Table, row: dict[str, Any], *, kind: str) -> None:
        async with self._db.transaction() as connection:
            await connection.execute(sa.insert(table).values(**row))
            await audit.append(
                connection,
                organisation_id=caller.organisation_id,
                at=row["created_at"],
                actor=caller.key_id,
                action="create",
                object_kind=kind,
                object_id=row["id"],
                new={"name": row["name"]},
            )

    async def _change(
        self,
        caller: Caller,
        table: sa.Table,
        id_: str,
        values_of: Callable[[Record], dict[str, Any]],
        *,
        kind: str,
    ) -> dict[str, Any]:
        """Change a row to what `values_of` makes of it, while nobody else does."""
        async with self._db.transaction() as connection:
            row = await reference.row(connection, table, caller.organisation_id, id_, for_update=True)
            if row is None:
                raise UnknownReference("no such object")
            values = values_of(row)
            changed = values | {"version": row.version + 1}
            await connection.execute(sa.update(table).where(table.c.id == id_).values(**changed))
            await audit.append(
                connection,
                organisation_id=caller.organisation_id,
                at=self._clock.now(),
                actor=caller.key_id,
                action="change",
                object_kind=kind,
                object_id=id_,
                old={name: row._mapping[name] for name in values},
                new=values,
            )
        return dict(row._mapping) | changed


def site_read(row: dict[str, Any]) -> SiteRead:
    """Return a site as the contract has it."""
    return SiteRead.model_validate({name: row[name] for name in SiteRead.model_fields})


def product_read(row: dict[str, Any]) -> ProductRead:
    """Return a product as the contract has it."""
    own = {name: row[name] for name in ("id", "version", "created_at")}
    return ProductRead.model_validate(row["fields"] | own)
