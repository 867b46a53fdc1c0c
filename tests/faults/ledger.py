"""The database held against what clients were told: what is lost, double, unaudited, or was not marked due."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from app.store.db import Database
from app.store.tables import Record, audit_entry, event, shipment_due, shipment_view


async def findings(db: Database, acknowledged: Mapping[str, set[str]], *, at: datetime) -> list[str]:
    """Return what is wrong at `at`, in short; `acknowledged` holds the ids answered for each event_id."""
    async with db.reading() as connection:
        rows = (await connection.execute(sa.select(event))).all()
        entries = (await connection.scalars(sa.select(audit_entry.c.new).where(_IS_EVENT))).all()
        due = (await connection.execute(_DUE)).all()
    stored: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        stored[row.event_id].append(row)
    audited = Counter(entry["id"] for entry in entries)
    return [
        *_lost_or_double(acknowledged, stored),
        *(f"{row.event_id}: {audited[row.id]} audit entries" for row in rows if audited[row.id] != 1),
        *_unmarked(rows, due, at=at),
    ]


_DUE = sa.select(shipment_due, shipment_view.c.version.label("judged_version")).join_from(
    shipment_due, shipment_view, shipment_due.c.shipment_id == shipment_view.c.shipment_id, isouter=True
)
_IS_EVENT = audit_entry.c.action.like("event:%")


def _lost_or_double(acknowledged: Mapping[str, set[str]], stored: Mapping[str, list[Record]]) -> list[str]:
    found = []
    for event_id, told in acknowledged.items():
        kept = {row.id for row in stored.get(event_id, [])}
        # An acknowledged row that was lost and written anew by a repeat bears another id.
        if told - kept:
            found.append(f"{event_id}: acknowledged and lost")
        if len(stored.get(event_id, [])) > 1 or len(told) > 1:
            found.append(f"{event_id}: there more than once")
    return found


def _unmarked(rows: Sequence[Record], due: Sequence[Record], *, at: datetime) -> list[str]:
    """Each commit of events moves its shipments' version: until that is judged, the shipment must be due."""
    latest: dict[str, datetime] = {}
    for row in rows:
        latest[row.shipment_id] = max(row.effective_at, latest.get(row.shipment_id, row.effective_at))
    return [
        f"{row.shipment_id}: not marked due"
        for row in due
        if row.latest_event_at != latest.get(row.shipment_id)
        or (row.judged_version != row.version and (row.assess_at is None or row.assess_at > at))
    ]
