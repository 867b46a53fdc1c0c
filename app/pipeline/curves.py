"""A shipment's readings, to be drawn."""

from datetime import datetime
from typing import Any

from app.clock import Clock
from app.domain.access import Caller, may
from app.domain.custody import fold
from app.domain.thermal import thermal_of
from app.domain.thermal_curve import Resolution, curve
from app.pipeline import snapshots
from app.pipeline.register import UnknownShipment
from app.store import shipments
from app.store.db import Database
from app.store.shipments import Plans


class Curves:
    """Reads what the sensors of a shipment measured, within their assignments."""

    def __init__(self, db: Database, clock: Clock, plans: Plans) -> None:
        self._db, self._clock, self._plans = db, clock, plans

    async def points(
        self,
        caller: Caller,
        shipment_id: str,
        *,
        from_at: datetime | None,
        until_at: datetime | None,
        device_id: str | None,
        resolution: Resolution,
    ) -> list[dict[str, Any]]:
        """Return the points of its series, or of those of one device, in order of time.

        Raises:
            UnknownShipment: there is none for this caller.
        """
        at = self._clock.now()
        async with self._db.reading() as connection:
            found = await shipments.briefs(connection, [shipment_id])
            plans = await self._plans.load(connection, found)
            brief = found.get(shipment_id)
            if brief is None or not may(caller, "read:shipment", shipments.scope_of(brief, plans[brief.id])):
                raise UnknownShipment("no such shipment")
            snapshot = (await snapshots.load(connection, self._plans, [shipment_id], at=at))[shipment_id]
        journey = fold(snapshot.shipment, snapshot.events, at=at)
        series = thermal_of(snapshot.shipment, journey, snapshot.tracks, at=at).series
        wanted = tuple(one for one in series if device_id in (None, one.device.device_id))
        return curve(wanted, from_at=from_at, until_at=until_at, resolution=resolution)
