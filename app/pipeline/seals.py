"""Sealing the audit below the safe horizon, and proving that nothing below it was touched."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain.seals import GENESIS, Finding, Seal, SealKey, first_fault, sealed
from app.errors import Invalid
from app.models.base import new_id
from app.store import seals
from app.store.db import Database
from app.store.tables import Record
from app.telemetry import log

HORIZON = timedelta(seconds=60)
"""Entries this young are not sealed yet: a transaction that is still open may add one between them.

No transaction lives that long: a statement ends after 30 seconds, a submission is answered within 20."""
SEALED_AT_ONCE = 1_000
COLUMNS = ("organisation_id", "at", "actor", "action", "object_kind", "object_id", "old", "new", "reason")


class BadAnchor(Invalid):
    """An anchor is `SEQUENCE:CODE`, as `dosetrail audit anchor` prints it."""

    code = "bad_anchor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What verifying found: how much is sealed, what is not yet, and the first thing wrong, if any."""

    entries: int
    seals: int
    waiting: int
    finding: Finding | None


class Seals:
    """Seals the audit, and verifies it."""

    def __init__(self, db: Database, clock: Clock, keys: Sequence[SealKey]) -> None:
        self._db, self._clock, self._keys = db, clock, keys

    async def seal(self, *, horizon: timedelta = HORIZON) -> int:
        """Seal the next run of entries; return how many they were. Several sealers are harmless.

        The run is read before the transaction: below the horizon nothing changes, and nobody waits for the reading.
        """
        until_id = _id_before(horizon)
        async with self._db.reading() as connection:
            newest = await seals.newest(connection)
            rows = await seals.entries(
                connection,
                after_id=newest.last_entry_id if newest else None,
                until_id=until_id,
                limit=SEALED_AT_ONCE,
            )
        if not rows:
            return 0
        made = sealed(
            [(row.id, canonical(row)) for row in rows],
            sequence=newest.sequence + 1 if newest else 1,
            previous_mac=newest.mac if newest else GENESIS,
            key=self._keys[0],
        )
        try:
            async with self._db.transaction() as connection:
                await seals.insert(connection, asdict(made) | {"sealed_at": self._clock.now()})
        except IntegrityError:
            return 0  # another process sealed this run first
        # The log leaves the machine: a tail dropped from the database is still named there.
        log.info("audit sealed", anchor=f"{made.sequence}:{made.mac}", entries=len(rows))
        return len(rows)

    async def anchor(self) -> str | None:
        """Return what to keep elsewhere, so that a dropped tail shows: the last seal's sequence and code."""
        async with self._db.reading() as connection:
            newest = await seals.newest(connection)
        return f"{newest.sequence}:{newest.mac}" if newest else None

    async def verify(self, *, anchors: Sequence[str] = ()) -> Proof:
        """Read the whole audit against its seals, oldest first, and stop at the first thing wrong.

        Raises:
            BadAnchor: an anchor is not of its form.
        """
        wanted = dict(_anchor(text) for text in anchors)
        entries, sequence, last_id, mac = 0, 0, None, GENESIS
        async with self._db.reading() as connection:
            while page := await seals.after(connection, sequence, limit=20):
                for row in page:
                    found = await _pairs(connection, after_id=last_id, until_id=row.last_entry_id)
                    finding = self._fault(row, found, sequence=sequence + 1, mac=mac, wanted=wanted)
                    if finding is not None:
                        return Proof(entries=entries, seals=sequence, waiting=0, finding=finding)
                    entries += len(found)
                    sequence, last_id, mac = row.sequence, row.last_entry_id, row.mac
            waiting = await seals.waiting(connection, after_id=last_id)
        dropped = [number for number in wanted if number > sequence]
        finding = (
            Finding(
                entry_id=None, what=f"seal {sequence + 1} is missing: the anchor names seal {max(dropped)}"
            )
            if dropped
            else None
        )
        return Proof(entries=entries, seals=sequence, waiting=waiting, finding=finding)

    def _fault(
        self,
        row: Record,
        found: Sequence[tuple[str, bytes]],
        *,
        sequence: int,
        mac: str,
        wanted: dict[int, str],
    ) -> Finding | None:
        seal = Seal(**{name: getattr(row, name) for name in Seal.__dataclass_fields__})
        keys = {key.id: key for key in self._keys}
        fault = first_fault(seal, found, sequence=sequence, previous_mac=mac, keys=keys)
        if fault is None and wanted.get(sequence, seal.mac) != seal.mac:
            first_id = found[0][0] if found else None
            return Finding(
                entry_id=first_id, what=f"seal {sequence}, which begins here, is not the one of the anchor"
            )
        return fault


def canonical(row: Record) -> bytes:
    """Return an entry's content in the one form that is sealed."""
    content: dict[str, Any] = {name: getattr(row, name) for name in COLUMNS}
    content["at"] = content["at"].astimezone(UTC).isoformat(timespec="microseconds")
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


async def _pairs(
    connection: AsyncConnection, *, after_id: str | None, until_id: str
) -> list[tuple[str, bytes]]:
    rows = await seals.entries(connection, after_id=after_id, until_id=until_id)
    return [(row.id, canonical(row)) for row in rows]


def _id_before(span: timedelta) -> str:
    """Return the id that an entry made so long ago would have at most; ids carry the wall clock's milliseconds."""
    now_ms = UUID(new_id()).int >> 80
    return str(UUID(int=(now_ms - span // timedelta(milliseconds=1) + 1) << 80))


def _anchor(text: str) -> tuple[int, str]:
    sequence, _, mac = text.strip().partition(":")
    if not sequence.isdecimal() or len(mac) != len(GENESIS):
        raise BadAnchor("an anchor is SEQUENCE:CODE, as `dosetrail audit anchor` prints it")
    return int(sequence), mac
