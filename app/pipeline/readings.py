"""Taking readings: each judged alone, known ones counted, conflicts and impossible values refused one by one.

The row of a series is locked before its buckets are read, so that of two requests with the same readings one
finds them stored: at once or one after the other, each reading is accepted once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain.access import Caller
from app.domain.readings import (
    CHANNELS,
    Absorbed,
    ReadingColumns,
    absorb,
    bucket_of,
    buckets,
    instant,
)
from app.formats.readings import Item
from app.models.reading import ReadingsReceipt, RejectedReading
from app.pipeline.arrivals import Arrivals, arrivals_of
from app.pipeline.reading_marks import mark
from app.store import audit, readings
from app.store.db import Database, SerializationFailed
from app.store.readings import Series
from app.store.shipments import Plans

TRIES = 3
_TEMPERATURE = CHANNELS.index("temperature_c")


class Readings:
    """Writes what sensors report."""

    def __init__(self, db: Database, clock: Clock, plans: Plans) -> None:
        self._db, self._clock, self._plans = db, clock, plans

    async def take(self, caller: Caller, items: Sequence[Item]) -> ReadingsReceipt:
        """Store what is new, in one commit with its audit entry and the order to assess the shipments concerned."""
        received_at = self._clock.now()
        arrivals = arrivals_of(items, received_at=received_at)
        if not len(arrivals.readings):
            return _receipt(arrivals, None)
        for remaining in reversed(range(TRIES)):
            try:
                async with self._db.transaction() as connection:
                    absorbed = await self._store(connection, caller, arrivals, received_at)
                break
            except SerializationFailed:
                if not remaining:
                    raise
        return _receipt(arrivals, absorbed)

    async def _store(
        self, connection: AsyncConnection, caller: Caller, arrivals: Arrivals, received_at: datetime
    ) -> Absorbed:
        organisation_id, new = caller.organisation_id, arrivals.readings
        series = await readings.lock(connection, organisation_id, arrivals.names)
        absorbed = absorb(await self._known(connection, series, new), new)
        fresh = new.where(absorbed.accepted)
        touched = _pairs(fresh)
        changed = [one for one in buckets(absorbed.together) if (one.series, one.at_us) in touched]
        await readings.write(connection, organisation_id, series, absorbed.together, changed)
        await readings.move_on(connection, _newest(series, fresh))
        await mark(connection, self._plans, organisation_id, series, fresh, at=received_at)
        await audit.append(
            connection,
            organisation_id=organisation_id,
            at=received_at,
            actor=caller.key_id,
            action="readings",
            object_kind="device",
            object_id=arrivals.names[0][0],
            new=_summary(arrivals, absorbed),
        )
        return absorbed

    async def _known(
        self, connection: AsyncConnection, series: Sequence[Series], new: ReadingColumns
    ) -> ReadingColumns:
        """Return what is stored in the buckets that the new readings fall in, with their numbers of the series."""
        wanted = {(series[number].id, instant(at_us)) for number, at_us in _pairs(new)}
        found = await readings.stored(connection, wanted)
        place = {one.id: number for number, one in enumerate(series)}
        numbers = np.array([place[id_] for id_ in sorted({id_ for id_, _ in wanted})], np.int64)
        return ReadingColumns(
            series=numbers[found.series],
            at_us=found.at_us,
            received_us=found.received_us,
            values=found.values,
        )


def _pairs(new: ReadingColumns) -> set[tuple[int, int]]:
    """Return the (series number, hour) of every bucket that readings fall in."""
    return set(zip(new.series.tolist(), bucket_of(new.at_us).tolist(), strict=True))


def _newest(series: Sequence[Series], fresh: ReadingColumns) -> dict[str, tuple[datetime, float | None]]:
    """Return the newest of the new readings for each series that had none newer."""
    found: dict[str, tuple[datetime, float | None]] = {}
    order = np.argsort(fresh.at_us, kind="stable")
    newest: dict[int, int] = dict(zip(fresh.series[order].tolist(), order.tolist(), strict=True))
    for number, row in newest.items():
        at, last = instant(fresh.at_us[row]), series[number].last_at
        if last is None or at > last:
            value = float(fresh.values[row, _TEMPERATURE])
            found[series[number].id] = at, None if np.isnan(value) else value
    return found


def _summary(arrivals: Arrivals, absorbed: Absorbed) -> dict[str, Any]:
    devices = sorted({device_id for device_id, _ in arrivals.names})
    return {
        "accepted": int(absorbed.accepted.sum()),
        "duplicates": int(absorbed.duplicate.sum()),
        "rejected": len(arrivals.rejected) + int(absorbed.conflict.sum()),
        "devices": devices[:100],
        "device_count": len(devices),
    }


def _receipt(arrivals: Arrivals, absorbed: Absorbed | None) -> ReadingsReceipt:
    rejected = list(arrivals.rejected)
    if absorbed is not None:
        detail = "another value is stored for this device, sensor and instant"
        clashing: NDArray[np.int64] = arrivals.places[absorbed.conflict]
        rejected += [RejectedReading(index=index, detail=detail) for index in clashing.tolist()]
    return ReadingsReceipt(
        accepted=int(absorbed.accepted.sum()) if absorbed else 0,
        duplicates=int(absorbed.duplicate.sum()) if absorbed else 0,
        rejected=sorted(rejected, key=lambda one: one.index),
    )
