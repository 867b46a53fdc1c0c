"""The answer to a poll: the stored view while it is true, else computed once for all who wait."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from app.clock import Clock
from app.domain.access import Caller, ShipmentScope, hidden_fields, may
from app.domain.assessment import assess
from app.domain.shipment import Shipment
from app.domain.status import render_at, status_document, stored_view, without
from app.errors import FieldError, Invalid
from app.pipeline import snapshots
from app.pipeline.gathering import Gathering
from app.pipeline.register import UnknownShipment
from app.store import shipments, views
from app.store.db import Database
from app.store.shipments import Plans
from app.store.tables import Record


class BadInstant(Invalid):
    """`at` and `known_at` look back, never ahead, and nothing occurs after it is known."""

    code = "bad_instant"


@dataclass(frozen=True, slots=True)
class Told:
    """A status and the version it was made from."""

    document: dict[str, Any]
    version: int


class Status:
    """Tells the status of one shipment, now or as of an instant."""

    def __init__(self, db: Database, clock: Clock, plans: Plans) -> None:
        self._db, self._clock, self._plans = db, clock, plans
        self._computing: dict[tuple[str, int], asyncio.Task[dict[str, Any]]] = {}
        self._heads = Gathering[str, Record](partial(self._read, whole=False))
        self._views = Gathering[str, Record](partial(self._read, whole=True))

    async def version(self, caller: Caller, shipment_id: str) -> int:
        """Return the version that a status told now is made from.

        Raises:
            UnknownShipment: there is none for this caller.
        """
        return int((await self._poll(caller, shipment_id, self._heads)).version)

    async def now(self, caller: Caller, shipment_id: str, *, at: datetime) -> Told:
        """Return the status as of now.

        Raises:
            UnknownShipment: there is none for this caller.
        """
        row = await self._poll(caller, shipment_id, self._views)
        true = row.view is not None and row.view_version == row.version
        if true and (row.valid_until is None or at < row.valid_until):
            view = row.view
        else:
            view = await self._shared(shipment_id, row.version, at=at)
        return Told(without(render_at(view, at=at), hidden_fields(caller.role)), row.version)

    async def as_of(self, caller: Caller, shipment_id: str, *, at: datetime, known_at: datetime) -> Told:
        """Return the status at `at` from what had been received by `known_at`.

        Raises:
            BadInstant: one of them lies ahead, or `at` after `known_at`.
            UnknownShipment: there is none for this caller.
        """
        row = await self._poll(caller, shipment_id, self._heads)
        now = self._clock.now()
        if at > now or known_at > now or at > known_at:
            error = FieldError("?at", "must not be later than known_at, nor either of them than now")
            raise BadInstant("a status can only be told of the past", errors=(error,))
        async with self._db.reading() as connection:
            past = (await snapshots.load(connection, self._plans, [shipment_id], at=at, known_at=known_at))[
                shipment_id
            ]
        assessment = assess(past, at=at, known_at=known_at)
        document = status_document(assessment, past, at=at)
        view = stored_view(document, past.shipment, assessment)
        return Told(without(view["document"], hidden_fields(caller.role)), row.version)

    async def _read(self, ids: Collection[str], *, whole: bool) -> dict[str, Record]:
        async with self._db.reading() as connection:
            return await views.read(connection, ids, whole=whole)

    async def _poll(self, caller: Caller, shipment_id: str, gathering: Gathering[str, Record]) -> Record:
        row = await gathering.get(shipment_id)
        if row is None or row.organisation_id != caller.organisation_id:
            raise UnknownShipment("no such shipment")
        carriers: frozenset[str] = frozenset()
        if caller.role == "courier":
            carriers = (await self._plan(row)).carriers
        scope = ShipmentScope(
            organisation_id=row.organisation_id, carriers=carriers, site_id=row.site_id, study=row.study
        )
        if not may(caller, "read:status", scope):
            raise UnknownShipment("no such shipment")
        return row

    async def _plan(self, row: Record) -> Shipment:
        kept = self._plans.kept(row.id, row.plan_version)
        if kept is not None:
            return kept
        async with self._db.reading() as connection:
            found = await shipments.briefs(connection, [row.id])
            return (await self._plans.load(connection, found))[row.id]

    async def _shared(self, shipment_id: str, version: int, *, at: datetime) -> dict[str, Any]:
        """Compute a view once, however many wait for it."""
        key = (shipment_id, version)
        task = self._computing.get(key)
        if task is None:
            task = asyncio.create_task(self._compute(shipment_id, at=at))
            self._computing[key] = task
            task.add_done_callback(lambda _: self._computing.pop(key, None))
        return await asyncio.shield(task)

    async def _compute(self, shipment_id: str, *, at: datetime) -> dict[str, Any]:
        async with self._db.reading() as connection:
            snapshot = (await snapshots.load(connection, self._plans, [shipment_id], at=at))[shipment_id]
        assessment = assess(snapshot, at=at)
        return stored_view(status_document(assessment, snapshot, at=at), snapshot.shipment, assessment)
