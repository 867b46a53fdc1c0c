"""Every forecast worth keeping is kept with its outcome, so that anybody can see whether they are true."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain import calibration as calibrations
from app.domain.access import Caller
from app.domain.assessment import Assessment
from app.domain.calibration import Forecasted, is_news, rank_of, raw_minutes
from app.domain.horizons import horizon_of
from app.domain.shipment import Shipment
from app.pipeline.lanes import statistics_at
from app.store import calibration
from app.store.db import Database
from app.store.packed import pack_row, unpack_row
from app.store.tables import Record

LOST = "lost"
NEVER_COMING = frozenset({"cancelled", "returned"})
"""Called off by people: no forecast was about that."""


async def keep(
    connection: AsyncConnection, judged: Sequence[tuple[Shipment, Assessment]], *, at: datetime
) -> None:
    """Keep the forecasts that are news, and settle those whose outcome is now known."""
    ended = {
        shipment.id: one.journey.delivered_at
        for shipment, one in judged
        if one.journey.delivered_at is not None or one.journey.state == LOST
    }
    last = await calibration.last_of(connection, [one.id for one, _ in judged if one.id not in ended])
    # An arrival that was taken back teaches nothing: whoever is still on the way is so again.
    await calibration.reopen(connection, {one.shipment_id for one in last.values() if one.settled})
    rows = [row for shipment, one in judged if _is_open(one) and (row := _row(shipment, one, last, at=at))]
    await calibration.keep(connection, rows)
    if ended:
        news = await calibration.open_of(connection, ended)
        await calibration.settle(connection, [_settled(row, ended[row.shipment_id]) for row in news], at=at)


class Calibration:
    """Tells how true the forecasts were."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    async def report(self, caller: Caller) -> dict[str, Any]:
        """Return coverage by week, horizon and number of legs, reliability, and the correction in force."""
        async with self._db.reading() as connection:
            settled = await calibration.settled(connection, caller.organisation_id)
            statistics = await statistics_at(connection, caller.organisation_id, self._clock.now())
        return {
            "forecasts": len(settled),
            "target_inside": 0.8,
            "coverage": calibrations.coverage(settled),
            "reliability": calibrations.reliability(settled),
            "correction": {
                "lanes_version": statistics.version,
                "horizons": calibrations.levels_asked(statistics.correction),
            },
        }


def _is_open(one: Assessment) -> bool:
    return (
        one.arrival is not None and one.arrival.arrived_at is None and one.journey.state not in NEVER_COMING
    )


def _row(
    shipment: Shipment, one: Assessment, last: dict[tuple[str, str], Forecasted], *, at: datetime
) -> dict[str, Any] | None:
    arrival = one.arrival
    if arrival is None:
        return None
    horizon = horizon_of(arrival.planned_at, at)
    before = last.get((shipment.id, horizon))
    if not is_news(before, arrival):
        return None
    worst = one.worst.odds if one.worst else None
    forecasted = Forecasted(
        shipment_id=shipment.id,
        horizon=horizon,
        number=before.number + 1 if before else 0,
        asked_at=at,
        legs=len(shipment.legs),
        p10_at=arrival.p10_at,
        p50_at=arrival.p50_at,
        p90_at=arrival.p90_at,
        late_probability=worst.late_probability if worst else None,
        latest_at=worst.plan.window.latest_useful_arrival_at if worst else None,
        lanes_version=arrival.lanes_version,
    )
    raw = raw_minutes(arrival, at)
    own = {
        "organisation_id": shipment.organisation_id,
        "arrived_at": None,
        "raw_minutes": None if raw is None else pack_row(raw),
    }
    return asdict(forecasted) | own


def _settled(row: Record, arrived_at: datetime | None) -> dict[str, Any]:
    """Return a kept forecast's key and what became of it; what was lost has no rank."""
    rank = None
    if arrived_at is not None and row.raw_minutes is not None:
        rank = rank_of(arrived_at, row.asked_at, unpack_row(row.raw_minutes))
    return {
        "b_shipment_id": row.shipment_id,
        "b_horizon": row.horizon,
        "b_number": row.number,
        "new_arrived_at": arrived_at,
        "new_rank": rank,
    }
