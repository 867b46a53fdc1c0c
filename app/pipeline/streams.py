"""Following one shipment: its status whenever it changes, each event as it is heard, each step of its alerts.

A stream looks once a second and holds no connection in between. It remembers nothing but a place, the last event and
the last step told, which its reader gives back to go on.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from app.clock import Clock
from app.domain.access import Caller, may
from app.errors import DosetrailError, Invalid, Unavailable
from app.pipeline.announcements import alert_body
from app.pipeline.record import Record
from app.pipeline.status import Status
from app.store import alerts, events, feed, shipments
from app.store.db import Database
from app.store.shipments import Plans
from app.store.tables import Record as Row
from app.telemetry import log

LOOK_EVERY_S = 1.0
KEY_ASKED_EVERY = 5
"""Looks between two questions whether the key still counts."""
STREAMS_MAX = 1_000
AT_ONCE = 200


class BadPlace(Invalid):
    """`Last-Event-ID` is none of a stream's ids."""

    code = "bad_last_event_id"


class TooManyStreams(Unavailable):
    """This process follows as many shipments as it can."""

    code = "too_many_streams"


@dataclass(frozen=True, slots=True)
class Place:
    """How far a reader has come: the last event and the last step of an alert that it was told."""

    event_id: str | None
    step_id: str | None

    def __str__(self) -> str:
        """Return it as a stream writes it."""
        return f"{self.event_id or ''}.{self.step_id or ''}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read it back.

        Raises:
            BadPlace: no stream has written this.
        """
        event_id, dot, step_id = text.strip().partition(".")
        try:
            ids = [str(UUID(one)) if one else None for one in (event_id, step_id)]
        except ValueError as error:
            raise BadPlace("send the id of the last message received, or leave Last-Event-ID out") from error
        if not dot:
            raise BadPlace("send the id of the last message received, or leave Last-Event-ID out")
        return cls(*ids)


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of a stream, and the place that its reader has then come to."""

    kind: Literal["status", "event", "alert"]
    data: dict[str, Any]
    place: Place


class Streams:
    """Follows shipments for readers, until they leave or the service stops."""

    def __init__(self, db: Database, clock: Clock, plans: Plans, *, status: Status, record: Record) -> None:
        self._db, self._clock, self._plans = db, clock, plans
        self._status, self._record = status, record
        self._stopping = False
        self.open = 0

    def stop(self) -> None:
        """Let every stream end within a second; safe to call from a signal handler."""
        self._stopping = True

    async def begin(self, caller: Caller, shipment_id: str, last_id: str | None) -> Place:
        """Return where a stream starts: after what its reader was told, else now.

        Raises:
            UnknownShipment: there is none for this caller.
            BadPlace: the reader's place is none.
            TooManyStreams: no more can be followed here.
        """
        await self._status.version(caller, shipment_id)
        if self.open >= STREAMS_MAX:
            raise TooManyStreams("too many streams are open here; poll the status, or try again")
        if last_id:
            return Place.parse(last_id)
        async with self._db.reading() as connection:
            found = await shipments.briefs(connection, [shipment_id])
            plan = (await self._plans.load(connection, found))[shipment_id]
            newest = await events.page(connection, found[shipment_id], plan.lots, (), before_id=None, limit=1)
            step_id = await feed.last_step_id(connection, shipment_id)
        return Place(newest[0].id if newest else None, step_id)

    async def follow(
        self, caller: Caller, shipment_id: str, place: Place, *, still: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[Frame | None]:
        """Yield what the reader missed, the status, and then whatever is new; None when there is nothing.

        It ends when `still` says so (the key was revoked), and when the service stops or cannot read.
        """
        self.open += 1
        mark: tuple[object, ...] | None = None
        try:
            for look in itertools.count():
                if self._stopping or (look % KEY_ASKED_EVERY == 0 and not await still()):
                    return
                now, steps, rows = await self._look(shipment_id, place)
                if now != mark:
                    async for frame in self._events(caller, shipment_id, place):
                        place = frame.place
                        yield frame
                for step in steps:
                    place = Place(place.event_id, step.id)
                    told = {"change": step.change} | alert_body(rows[step.alert_id]._mapping)
                    yield Frame("alert", told, place)
                if now != mark:
                    mark = now
                    status = await self._status.now(caller, shipment_id, at=self._clock.now())
                    yield Frame("status", status.document, place)
                yield None
                await asyncio.sleep(LOOK_EVERY_S)
        except DosetrailError as error:
            log.warning("stream ended", shipment_id=shipment_id, code=error.code)
        finally:
            self.open -= 1

    async def _look(
        self, shipment_id: str, place: Place
    ) -> tuple[tuple[object, ...] | None, Sequence[Row], Mapping[str, Row]]:
        """Return what would differ if the status did, the alerts' steps since, and those alerts."""
        async with self._db.reading() as connection:
            mark = await feed.mark_of(connection, shipment_id)
            steps = await feed.steps_after(connection, shipment_id, after_id=place.step_id, limit=AT_ONCE)
            rows = await alerts.read(connection, {step.alert_id for step in steps}) if steps else {}
        return mark, steps, rows

    async def _events(self, caller: Caller, shipment_id: str, place: Place) -> AsyncIterator[Frame]:
        """Yield events to those who may read the shipment; a subscriber hears of states and alerts alone."""
        if not may(caller, "read:shipment"):
            return
        while found := await self._record.after(caller, shipment_id, after_id=place.event_id, limit=AT_ONCE):
            for one in found:
                place = Place(one["id"], place.step_id)
                yield Frame("event", one, place)
