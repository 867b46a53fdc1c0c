"""Forecasts kept with their outcomes."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.calibration import Forecasted, Settled
from app.store.tables import kept_forecast

SETTLED_MAX = 100_000
_KEPT = tuple(Forecasted.__dataclass_fields__)
_SETTLED = tuple(Settled.__dataclass_fields__)


async def last_of(connection: AsyncConnection, ids: Collection[str]) -> dict[tuple[str, str], Forecasted]:
    """Return the last forecast kept of each shipment and horizon."""
    columns = [kept_forecast.c[name] for name in _KEPT]
    query = (
        sa.select(*columns).where(kept_forecast.c.shipment_id.in_(list(ids))).order_by(kept_forecast.c.number)
    )
    kept = (Forecasted(**dict(zip(_KEPT, row, strict=True))) for row in await connection.execute(query))
    return {(one.shipment_id, one.horizon): one for one in kept}


async def keep(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Write forecasts."""
    if rows:
        await connection.execute(sa.insert(kept_forecast), list(rows))


async def settle(connection: AsyncConnection, outcomes: Sequence[tuple[str, datetime | None]]) -> None:
    """Write what became of shipments; a correction may settle them anew."""
    rows = [{"b_id": shipment_id, "b_at": arrived_at} for shipment_id, arrived_at in outcomes]
    if rows:
        query = sa.update(kept_forecast).where(kept_forecast.c.shipment_id == sa.bindparam("b_id"))
        await connection.execute(query.values(settled=True, arrived_at=sa.bindparam("b_at")), rows)


async def settled(connection: AsyncConnection, organisation_id: str) -> list[Settled]:
    """Return the newest forecasts whose outcome is known."""
    query = (
        sa.select(*(kept_forecast.c[name] for name in _SETTLED))
        .where(kept_forecast.c.organisation_id == organisation_id, kept_forecast.c.settled)
        .order_by(kept_forecast.c.asked_at.desc())
        .limit(SETTLED_MAX)
    )
    return [Settled(**dict(zip(_SETTLED, row, strict=True))) for row in await connection.execute(query)]
