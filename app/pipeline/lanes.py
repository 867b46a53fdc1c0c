"""Lanes: what a history brings is written down once, and a job makes numbered statistics of it."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain.access import Caller
from app.domain.custody import Journey
from app.domain.lane_learning import conformal, dwell, frozen, lane_summary, reporting, signals
from app.domain.lane_learning.dwell import Stay
from app.domain.lane_learning.history import LaneLeg, ended_legs, minutes_of, under_way
from app.domain.lane_learning.published import Published
from app.domain.lane_learning.watching import awaited_modes
from app.domain.lanes import PRIORS, LaneStatistics, Reporting
from app.domain.shipment import Mode, Shipment
from app.domain.timetable import Lane, Service
from app.models.lane import LaneHistoryReceipt, LaneTimetable, LaneTimetableRead
from app.pipeline import lane_feed
from app.pipeline.lane_feed import TOLD_AROUND, row_of
from app.store import access, audit, calibration, lane_signals, lanes
from app.store.db import Database
from app.store.lanes import NOTHING, Counts
from app.store.tables import Record

REMEMBERED: Final = timedelta(days=400)
REPORTS_REMEMBERED: Final = timedelta(days=90)
WHOLE_EVERY: Final = timedelta(hours=24)
SHORT_EVERY: Final = timedelta(hours=1)
GROWN_BY: Final = 0.1
"""A history that has grown by a tenth, and by 100 legs, is learned at once. Source: our convention."""

_KEPT: Final = 16
_published: OrderedDict[tuple[str, int], Published] = OrderedDict()


async def statistics_at(
    connection: AsyncConnection, organisation_id: str, known_at: datetime
) -> LaneStatistics:
    """Return the statistics in force at an instant: what was published by then, else the priors."""
    number = await lanes.in_force(connection, organisation_id, at=known_at)
    return PRIORS if number is None else await published(connection, organisation_id, number)


async def published(connection: AsyncConnection, organisation_id: str, number: int) -> Published:
    """Return a numbered set; what a day set lies over is unpacked once and shared by all that lie over it."""
    key = (organisation_id, number)
    if key not in _published:
        row = await lanes.statistics(connection, organisation_id, number)
        if row.kind == "day":
            base = await published(connection, organisation_id, row.base)
            _published[key] = base.under(number, signals.of_bytes(row.body))
        else:
            whole = (
                row if row.kind == "whole" else await lanes.statistics(connection, organisation_id, row.base)
            )
            overlay = None if row.kind == "whole" else row.body
            _published[key] = await asyncio.to_thread(
                frozen.restored, number, whole.body, overlay, row.correction
            )
        while len(_published) > _KEPT:
            _published.popitem(last=False)
    _published.move_to_end(key)
    return _published[key]


async def remember(
    connection: AsyncConnection, journeys: Iterable[tuple[Shipment, Journey]], *, at: datetime
) -> None:
    """Append the legs and stays of our own shipments to the same history: as they leave, and once they have ended."""
    legs: list[dict[str, Any]] = []
    left: list[dict[str, Any]] = []
    stays: list[dict[str, Any]] = []
    for shipment, journey in journeys:
        own = {"organisation_id": shipment.organisation_id, "recorded_at": at}
        legs += [row_of(leg) | own for leg in ended_legs(shipment, journey, at=at)]
        timely = (leg for leg in under_way(shipment, journey) if at <= leg.planned_arrival_at + TOLD_AROUND)
        left += [row_of(leg) | own | {"ours": True} for leg in timely]
        found = dwell.stays_of(shipment, journey)
        stays += [asdict(stay) | own | {"shipment_id": shipment.id} for stay in found]
    await lanes.append_legs(connection, legs)
    await lane_signals.append(connection, left)
    await lanes.append_dwells(connection, stays)


class Lanes:
    """Writes lane history, publishes what it teaches, and tells what is known of lanes."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._corrections: dict[str, tuple[datetime, bytes | None]] = {}

    async def take(self, caller: Caller, rows: Sequence[Any]) -> LaneHistoryReceipt:
        """Store the legs that are new, in one commit with an audit entry; each row is judged alone."""
        at = self._clock.now()
        found, rejected = await asyncio.to_thread(lane_feed.judged, rows, at)
        own = {"organisation_id": caller.organisation_id, "recorded_at": at}
        async with self._db.transaction() as connection:
            identities = [row["identity"] for _, row in found]
            known = await lane_feed.known_of(connection, caller.organisation_id, identities)
            ended, early, duplicates = lane_feed.parted(found, known, rejected)
            await lane_feed.append(connection, ended, early, **own)
            accepted = len(ended) + len(early)
            await audit.append(
                connection,
                organisation_id=caller.organisation_id,
                at=at,
                actor=caller.key_id,
                action="lane_history",
                object_kind="lanes",
                object_id="history",
                new={"accepted": accepted, "duplicates": duplicates, "rejected": len(rejected)},
            )
        rejected.sort(key=lambda one: one.index)
        return LaneHistoryReceipt(accepted=accepted, duplicates=duplicates, rejected=rejected)

    async def tell_timetable(self, caller: Caller, body: LaneTimetable) -> LaneTimetableRead:
        """Store a lane's services; they count from the next statistics on."""
        at = self._clock.now()
        row = body.model_dump(mode="json")
        async with self._db.transaction() as connection:
            own = {"organisation_id": caller.organisation_id, "recorded_at": at}
            version = await lanes.append_timetable(connection, row | own)
            await audit.append(
                connection,
                organisation_id=caller.organisation_id,
                at=at,
                actor=caller.key_id,
                action="lane_timetable",
                object_kind="lanes",
                object_id=f"{body.mode} {body.origin}–{body.destination}"[:120],
                new={"version": version, "services": len(body.services)},
            )
        return LaneTimetableRead(**row, version=version, recorded_at=at)

    async def list(
        self, caller: Caller, filters: Sequence[tuple[str, str]], *, after: Sequence[str] | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return what is known of each lane and carrier, in alphabetical order, after the one named."""
        async with self._db.reading() as connection:
            rows = await lanes.lanes(connection, caller.organisation_id, filters, after=after, limit=limit)
            statistics = await statistics_at(connection, caller.organisation_id, self._clock.now())
        return [lane_summary.told(**row._mapping, statistics=statistics) for row in rows]

    async def publish_due(self) -> int:
        """Publish the statistics of each organisation that is due for it; return how many were."""
        async with self._db.reading() as connection:
            counts = await lanes.counts(connection)
            organisations = await access.organisations(connection)
        published = 0
        for organisation_id in organisations:
            at, recorded = self._clock.now(), counts.get(organisation_id, NOTHING)
            correction = await self._correction(organisation_id, at=at)
            async with self._db.reading() as connection:
                newest = await lanes.newest(connection, organisation_id)
            kind = _due(newest, recorded, correction, at=at)
            if kind is not None:
                published += await self._publish(organisation_id, newest, correction, kind, at=at)
        return published

    async def _correction(self, organisation_id: str, *, at: datetime) -> bytes | None:
        """Return what the outcomes known by the last morning correct; it is learned once for the day."""
        morning_at = conformal.morning_of(at)
        kept = self._corrections.get(organisation_id)
        if kept is None or kept[0] != morning_at:
            async with self._db.reading() as connection:
                ranked = await calibration.ranked(
                    connection, organisation_id, since=morning_at - conformal.WINDOW, until=morning_at
                )
            learned = await asyncio.to_thread(conformal.learned, ranked, at=morning_at)
            kept = self._corrections[organisation_id] = morning_at, learned
        return kept[1]

    async def _publish(
        self,
        organisation_id: str,
        newest: Mapping[str, Record],
        correction: bytes | None,
        kind: str,
        *,
        at: datetime,
    ) -> int:
        async with self._db.reading() as connection:
            legs = await _remembered(connection, organisation_id, at=at)
            stays = await lanes.dwells(connection, organisation_id, since=at - REMEMBERED, until=at)
            scans = await lanes.reports(connection, organisation_id, since=at - REPORTS_REMEMBERED)
            services = await lanes.timetables(connection, organisation_id, until=at)
            counts = (await lanes.counts(connection)).get(organisation_id, NOTHING)
            lately, _ = await lane_feed.seen(connection, organisation_id, at=at)
        estimates = [(row.place, row.minutes) for row in stays if row.kind == dwell.ESTIMATE]
        reports = reporting.learned(_delays(scans), estimates)
        learned = (legs, [_stay(row) for row in stays], reports, _services(services))
        awaited = awaited_modes(lately.values())
        body = await asyncio.to_thread(_body, *learned, kind, minutes_of(at), awaited)
        number = max((row.number for row in newest.values()), default=0) + 1
        row = {
            "organisation_id": organisation_id,
            "number": number,
            "base": number if kind == "whole" else newest["whole"].number,
            "kind": kind,
            "published_at": at,
            **counts._asdict(),
            "body": body,
            "correction": correction,
        }
        try:
            async with self._db.transaction() as connection:
                await lanes.publish(connection, row)
        except IntegrityError:
            return 0  # another scheduler was first; its set is as good
        return 1


def _due(
    newest: Mapping[str, Record], recorded: Counts, correction: bytes | None, *, at: datetime
) -> str | None:
    """Say which set to publish; None: no news.

    A whole one once a day or after much news, a short one once an hour, and on mornings that correct anew.
    """
    if not newest:
        return "whole" if any(recorded) or correction else None
    last, whole = base_of(newest), newest["whole"]
    corrects = correction != last.correction and last.published_at < conformal.morning_of(at)
    if recorded == (last.legs, last.dwells, last.timetables) and not corrects:
        return None
    grown = recorded.legs - whole.legs >= max(GROWN_BY * whole.legs, 100)
    if grown or recorded.timetables != whole.timetables or at - whole.published_at >= WHOLE_EVERY:
        return "whole"
    return "short" if corrects or at - last.published_at >= SHORT_EVERY else None


def base_of(newest: Mapping[str, Record]) -> Record:
    """Return the newest set that is whole, or short and laid over the newest whole one."""
    return max(
        (newest[kind] for kind in ("whole", "short") if kind in newest), key=lambda row: int(row.number)
    )


async def _remembered(connection: AsyncConnection, organisation_id: str, *, at: datetime) -> list[LaneLeg]:
    latest_at = await lanes.latest(connection, organisation_id)
    since = min(latest_at or at, at) - REMEMBERED
    return await lanes.legs(connection, organisation_id, since=since, until=at)


def _body(
    legs: Sequence[LaneLeg],
    stays: Sequence[Stay],
    reports: dict[str, Reporting],
    services: Sequence[tuple[Lane, Service]],
    kind: str,
    until: float,
    awaited: Collection[Mode],
) -> bytes:
    taught = frozen.learn(legs, until=until, awaited=awaited)
    return frozen.whole(taught, stays, reports, services) if kind == "whole" else frozen.short(taught)


def _services(rows: Iterable[Record]) -> list[tuple[Lane, Service]]:
    return [
        ((row.mode, row.origin, row.destination), Service(**one | {"days": tuple(one["days"])}))
        for row in rows
        for one in row.services
    ]


def _delays(scans: Iterable[Record]) -> Iterable[tuple[str, float]]:
    return ((row.carrier, (row.received_at - row.effective_at) / timedelta(minutes=1)) for row in scans)


def _stay(row: Record) -> Stay:
    return Stay(
        kind=row.kind,
        place=row.place,
        mode=row.mode,
        leg=row.leg,
        minutes=row.minutes,
        at_most=row.at_most,
    )
