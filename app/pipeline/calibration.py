"""Every forecast worth keeping is kept with its outcome, so that anybody can see whether they are true."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import calibration as calibrations
from app.domain.access import Caller
from app.domain.assessment import Assessment
from app.domain.calibration import Forecasted, is_news
from app.domain.horizons import horizon_of
from app.domain.shipment import Shipment
from app.store import calibration
from app.store.db import Database

LOST = "lost"
NEVER_COMING = frozenset({"cancelled", "returned"})
"""Called off by people: no forecast was about that."""


async def keep(
    connection: AsyncConnection, judged: Sequence[tuple[Shipment, Assessment]], *, at: datetime
) -> None:
    """Keep the forecasts that are news, and settle those whose outcome is now known."""
    open_still = [pair for pair in judged if _is_open(pair[1])]
    last = await calibration.last_of(connection, [shipment.id for shipment, _ in open_still])
    rows = [row for shipment, one in open_still if (row := _row(shipment, one, last, at=at))]
    await calibration.keep(connection, rows)
    ended = [
        (shipment.id, one.journey.delivered_at)
        for shipment, one in judged
        if one.journey.delivered_at is not None or one.journey.state == LOST
    ]
    await calibration.settle(connection, sorted(ended, key=lambda pair: pair[0]))


class Calibration:
    """Tells how true the forecasts were."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def report(self, caller: Caller) -> dict[str, Any]:
        """Return coverage by week, horizon and number of legs, and the reliability of `late_probability`."""
        async with self._db.reading() as connection:
            settled = await calibration.settled(connection, caller.organisation_id)
        return {
            "forecasts": len(settled),
            "target_inside": 0.8,
            "coverage": calibrations.coverage(settled),
            "reliability": calibrations.reliability(settled),
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
    own = {"organisation_id": shipment.organisation_id, "settled": False, "arrived_at": None}
    return asdict(forecasted) | own
