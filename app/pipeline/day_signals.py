"""The day's signals: published every few minutes as sets of their own, and those whom they bear on looked at again."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain.lane_learning import signals, watching
from app.domain.lane_learning.history import ENDED, STAGE, as_planned
from app.domain.lane_learning.signals import AHEAD_MINUTES, OVERDUE_MINUTES, DaySignals
from app.domain.lane_learning.watching import Seen
from app.domain.shipment import Leg
from app.pipeline import lane_feed
from app.pipeline.lane_feed import TOLD_AROUND, row_of
from app.pipeline.lanes import base_of, published
from app.store import access, due, lane_signals, lanes, shipments
from app.store.db import Database
from app.store.shipments import Plans
from app.store.tables import Record

EVERY: Final = timedelta(minutes=5)
AT_LEAST_EVERY: Final = timedelta(minutes=30)
"""While there are signals, because what is near moves on with the clock. Source: our convention."""

READ_AT_ONCE: Final = 200
"""Plans, so that reading many for the first time holds up nobody else."""

_JOURNEY: Final = timedelta(days=30)
"""A shipment that began longer ago and is still under way has no leg that leaves now. Source: our convention."""

OwnLegs = Mapping[str, tuple[Leg, frozenset[str]]]
"""Legs of our shipments that are near, by identity, with the ids of the shipments."""


class Day:
    """Publishes what the last hours' legs show."""

    def __init__(self, db: Database, clock: Clock, plans: Plans) -> None:
        self._db, self._clock, self._plans = db, clock, plans
        self._looked: dict[str, datetime] = {}

    async def publish_due(self) -> int:
        """Publish the signals of each organisation whose last ones are out of date; return how many sets."""
        made = 0
        async with self._db.transaction() as connection:
            await lane_signals.drop(connection, planned_before=self._clock.now() - TOLD_AROUND)
        async with self._db.reading() as connection:
            organisations = await access.organisations(connection)
        for organisation_id in organisations:
            async with self._db.reading() as connection:
                newest = await lanes.newest(connection, organisation_id)
                due_now = bool(newest) and await self._is_due(connection, organisation_id, newest)
            if due_now:
                made += await self._publish(organisation_id, newest)
        return made

    async def _is_due(
        self, connection: AsyncConnection, organisation_id: str, newest: Mapping[str, Record]
    ) -> bool:
        """Say whether to look; at once when a new base has put the last signals out of force.

        What has been heard is looked at when the last signals are five minutes old, and what fades every five minutes.
        """
        at, looked_at = self._clock.now(), self._looked.get(organisation_id)
        if _stands(newest, EVERY, at=at):
            return False
        if looked_at is None or base_of(newest).published_at > looked_at or at - looked_at >= EVERY:
            return True
        return await lane_signals.heard_since(
            connection, organisation_id, looked_at, planned_since=at - watching.WATCHED
        )

    async def _publish(self, organisation_id: str, newest: Mapping[str, Record]) -> int:
        at, base = self._clock.now(), base_of(newest)
        async with self._db.reading() as connection:
            under = await published(connection, organisation_id, base.number)
            before = await _said(connection, organisation_id, newest, at=at)
            seen, heard_at = await lane_feed.seen(connection, organisation_id, at=at)
            near = await self._near(connection, organisation_id, at=at)
        legs = _with_ours(seen, near, at=at)
        now = await asyncio.to_thread(watching.signals_of, legs, under.modes, at=at, heard_at=heard_at or at)
        self._looked[organisation_id] = at
        if now.says_as(before) and (not now or _stands(newest, AT_LEAST_EVERY, at=at)):
            return 0
        row = {
            "organisation_id": organisation_id,
            "number": max(one.number for one in newest.values()) + 1,
            "base": base.number,
            "kind": "day",
            "published_at": at,
            "legs": base.legs,
            "dwells": base.dwells,
            "timetables": base.timetables,
            "body": signals.as_bytes(now),
        }
        ended = {identity for identity, one in seen.items() if STAGE[one.leg.outcome] == ENDED}
        woken = _whom_it_bears_on(near, ended, before, now)
        try:
            async with self._db.transaction() as connection:
                await lanes.publish(connection, row)
                await due.mark(connection, dict.fromkeys(sorted(woken)), at=at)
        except IntegrityError:
            return 0  # another scheduler was first; its set is as good
        return 1

    async def _near(self, connection: AsyncConnection, organisation_id: str, *, at: datetime) -> OwnLegs:
        until = at + timedelta(minutes=AHEAD_MINUTES)
        ids = await lane_signals.under_way(connection, organisation_id, since=at - _JOURNEY, until=until)
        since = at - timedelta(minutes=OVERDUE_MINUTES)
        found: dict[str, tuple[Leg, frozenset[str]]] = {}
        for begin in range(0, len(ids), READ_AT_ONCE):
            briefs = await shipments.briefs(connection, ids[begin : begin + READ_AT_ONCE])
            for plan in (await self._plans.load(connection, briefs)).values():
                for leg in plan.legs:
                    if leg.planned_departure_at <= until and leg.planned_arrival_at >= since:
                        identity = row_of(as_planned(leg))["identity"]
                        _, others = found.get(identity, (leg, frozenset[str]()))
                        found[identity] = (leg, others | {plan.id})
        return found


async def _said(
    connection: AsyncConnection, organisation_id: str, newest: Mapping[str, Record], *, at: datetime
) -> DaySignals:
    if "day" not in newest:
        return DaySignals(at=at, modes={})
    row = await lanes.statistics(connection, organisation_id, newest["day"].number)
    return signals.of_bytes(row.body)


def _stands(newest: Mapping[str, Record], age: timedelta, *, at: datetime) -> bool:
    """Return whether the last signals are in force, and younger than that."""
    day = newest.get("day")
    return day is not None and day.number > base_of(newest).number and at - day.published_at < age


def _with_ours(seen: Mapping[str, Seen], near: OwnLegs, *, at: datetime) -> list[Seen]:
    """Return what is seen, and the legs of ours that should have left and of which nothing was heard."""
    silent = {
        identity: Seen(leg=as_planned(leg), awaited=True, ours=True)
        for identity, (leg, _) in near.items()
        if leg.planned_departure_at < at and (identity not in seen or seen[identity].leg.outcome == "planned")
    }
    return list((dict(seen) | silent).values())


def _whom_it_bears_on(
    near: OwnLegs, ended: Collection[str], before: DaySignals, now: DaySignals
) -> frozenset[str]:
    """Return the shipments of which a leg that has not ended is told something else than before."""
    return frozenset[str]().union(
        *(
            ids
            for identity, (leg, ids) in near.items()
            if identity not in ended and before.on(leg).felt != now.on(leg).felt
        )
    )
