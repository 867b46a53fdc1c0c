"""Taking readings: each judged alone, known ones counted, conflicts and impossible values refused one by one."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from app.clock import Clock
from app.domain.access import Caller
from app.models.reading import ReadingCreate, ReadingsReceipt, RejectedReading
from app.store import audit, due, readings, shipments
from app.store.db import Database

Key = tuple[Any, ...]


class Readings:
    """Writes what sensors report."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    async def take(self, caller: Caller, items: Sequence[dict[str, Any]]) -> ReadingsReceipt:
        """Store what is new, in one commit with its audit entry and the order to assess the shipments concerned."""
        received_at = self._clock.now()
        rows, rejected = _parsed(items)
        if not rows:
            return ReadingsReceipt(accepted=0, duplicates=0, rejected=rejected)
        async with self._db.transaction() as connection:
            known = await readings.stored(connection, caller.organisation_id, list(rows.values()))
            new, duplicates = [], 0
            for (device_id, sensor, at, index), row in rows.items():
                stored = known.get((device_id, sensor, at))
                if stored is None:
                    new.append(row | {"organisation_id": caller.organisation_id, "received_at": received_at})
                    known[device_id, sensor, at] = _values(row)
                elif stored == _values(row):
                    duplicates += 1
                else:
                    detail = "another value is stored for this device, sensor and instant"
                    rejected.append(RejectedReading(index=index, detail=detail))
            await readings.append(connection, new)
            devices = {row["device_id"] for row in new}
            carriers = await shipments.ids_with_tag(connection, caller.organisation_id, "device", devices)
            await due.mark(connection, dict.fromkeys(carriers), at=received_at)
            await audit.append(
                connection,
                organisation_id=caller.organisation_id,
                at=received_at,
                actor=caller.key_id,
                action="readings",
                object_kind="device",
                object_id=min(devices, default="-"),
                new={"accepted": len(new), "devices": sorted(devices)[:100]},
            )
        rejected.sort(key=lambda one: one.index)
        return ReadingsReceipt(accepted=len(new), duplicates=duplicates, rejected=rejected)


def _parsed(items: Sequence[dict[str, Any]]) -> tuple[dict[Key, dict[str, Any]], list[RejectedReading]]:
    rows: dict[Key, dict[str, Any]] = {}
    rejected: list[RejectedReading] = []
    for index, item in enumerate(items):
        try:
            row = ReadingCreate.model_validate(item).model_dump()
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            rejected.append(RejectedReading(index=index, detail=f"{place}: {first['msg']}".lstrip(": ")))
            continue
        rows[row["device_id"], row["sensor"], row["at"], index] = row
    return rows, rejected


def _values(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in readings.VALUES)
