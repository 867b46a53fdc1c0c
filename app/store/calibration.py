"""Forecasts kept with their outcomes."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.calibration import Forecasted, Settled
from app.domain.lane_learning.conformal import Ranked
from app.store.tables import Record, kept_forecast

SETTLED_MAX = 100_000
_KEPT = tuple(Forecasted.__dataclass_fields__)
_SETTLED = tuple(Settled.__dataclass_fields__)
_RANKED = tuple(Ranked.__dataclass_fields__)


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


async def open_of(connection: AsyncConnection, outcomes: Mapping[str, datetime | None]) -> Sequence[Record]:
    """Return the forecasts of shipments that are not settled, or by another arrival than this one."""
    table = kept_forecast.c
    columns = (table.shipment_id, table.horizon, table.number, table.asked_at, table.raw_minutes)
    query = sa.select(*columns, table.settled, table.arrived_at).where(table.shipment_id.in_(list(outcomes)))
    rows = (await connection.execute(query.order_by(*columns[:3]))).all()
    return [row for row in rows if not (row.settled and row.arrived_at == outcomes[row.shipment_id])]


async def settle(connection: AsyncConnection, rows: Sequence[dict[str, Any]], *, at: datetime) -> None:
    """Write what became of forecasts: rows of their key, `new_arrived_at` and `new_rank`."""
    if rows:
        table = kept_forecast.c
        own = [table[name] == sa.bindparam(f"b_{name}") for name in ("shipment_id", "horizon", "number")]
        query = sa.update(kept_forecast).where(*own)
        query = query.values(settled=True, settled_at=at)
        query = query.values(arrived_at=sa.bindparam("new_arrived_at"), rank=sa.bindparam("new_rank"))
        await connection.execute(query, list(rows))


async def reopen(connection: AsyncConnection, ids: Collection[str]) -> None:
    """Take back what was written to have become of shipments."""
    if ids:
        query = sa.update(kept_forecast).where(kept_forecast.c.shipment_id.in_(sorted(ids)))
        await connection.execute(query.values(settled=False, settled_at=None, arrived_at=None, rank=None))


async def ranked(
    connection: AsyncConnection, organisation_id: str, *, since: datetime, until: datetime
) -> list[Ranked]:
    """Return the newest forecasts asked since an instant of which the outcome was known by another."""
    table = kept_forecast.c
    query = (
        sa.select(*(table[name] for name in _RANKED))
        .where(
            table.organisation_id == organisation_id,
            table.settled,
            table.asked_at >= since,
            table.settled_at <= until,
            table.rank.is_not(None),
        )
        .order_by(table.asked_at.desc(), table.shipment_id, table.number)
        .limit(SETTLED_MAX)
    )
    return [Ranked(**dict(zip(_RANKED, row, strict=True))) for row in await connection.execute(query)]


async def settled(connection: AsyncConnection, organisation_id: str) -> list[Settled]:
    """Return the newest forecasts whose outcome is known."""
    query = (
        sa.select(*(kept_forecast.c[name] for name in _SETTLED))
        .where(kept_forecast.c.organisation_id == organisation_id, kept_forecast.c.settled)
        .order_by(kept_forecast.c.asked_at.desc())
        .limit(SETTLED_MAX)
    )
    return [Settled(**dict(zip(_SETTLED, row, strict=True))) for row in await connection.execute(query)]
