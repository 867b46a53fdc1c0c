"""What a history tells of legs: judged row by row, and parted into what is new and what is known already."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.lane_learning.history import ENDED, STAGE, LaneLeg
from app.domain.lane_learning.watching import WATCHED, Seen
from app.formats.lane_history import BadLeg, leg_of
from app.models.lane import RejectedLeg
from app.store import lane_signals, lanes
from app.store.tables import Record

TOLD_AROUND: Final = timedelta(days=3)
"""How long before its planned departure and after its planned arrival a leg may be told before its end: signals of
the day need a few hours. Source: our convention, so that what is kept stays small."""

_ACCOUNTS: Final = ("plan", "departure", "outcome")
_LEG: Final = (
    "mode", "carrier", "service", "origin", "destination", "planned_departure_at", "departed_at",
    "planned_arrival_at", "arrived_at", "outcome",
)  # fmt: skip

Found = tuple[int, dict[str, Any]]
Known = dict[str, dict[int, str]]
"""Digests of what is stored, by a leg's identity and how far it had come."""


def judged(rows: Sequence[Any], at: datetime) -> tuple[list[Found], list[RejectedLeg]]:
    """Return the rows that can be, as they are stored and with their place, and what is wrong with the others."""
    found, rejected = [], []
    for index, row in enumerate(rows):
        try:
            leg = _timely(leg_of(row), at)
        except BadLeg as error:
            rejected.append(RejectedLeg(index=index, detail=str(error)))
            continue
        found.append((index, row_of(leg)))
    return found, rejected


def _timely(leg: LaneLeg, at: datetime) -> LaneLeg:
    if any(one is not None and one > at for one in (leg.departed_at, leg.arrived_at)):
        raise BadLeg("departed_at or arrived_at lies in the future")
    around = leg.planned_departure_at - TOLD_AROUND <= at <= leg.planned_arrival_at + TOLD_AROUND
    if STAGE[leg.outcome] < ENDED and not around:
        raise BadLeg(
            f"a leg is told as {leg.outcome} within three days of its plan, and after that how it ended"
        )
    return leg


def row_of(leg: LaneLeg) -> dict[str, Any]:
    """Return a leg's row without its owner: what it is and what became of it, each with a digest."""
    at = leg.planned_departure_at
    identity = (leg.mode, leg.carrier, leg.service, leg.origin, leg.destination, at.timestamp())
    ends = [one and one.timestamp() for one in (leg.departed_at, leg.arrived_at)]
    content = (leg.planned_arrival_at.timestamp(), *ends, leg.outcome)
    told = {"identity": _digest(identity, 16), "content": _digest(content, 8)}
    return told | {name: getattr(leg, name) for name in _LEG}


def _digest(values: Sequence[Any], size: int) -> str:
    return hashlib.blake2b(orjson.dumps(values), digest_size=size).hexdigest()


async def known_of(connection: AsyncConnection, organisation_id: str, identities: Sequence[str]) -> Known:
    """Return what is stored of legs."""
    known: Known = defaultdict(dict)
    for identity, content in (await lanes.contents(connection, organisation_id, identities)).items():
        known[identity][ENDED] = content
    for row in await lane_signals.contents(connection, organisation_id, identities):
        known[row.identity][STAGE[row.outcome]] = row.content
    return known


def parted(
    found: Iterable[Found], known: Known, rejected: list[RejectedLeg]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """Part what is new, of ended legs and of others, from what is known, which is counted.

    The first of two accounts of one outcome, departure or plan stands. What comes after a later one is no news.
    """
    ended, early, duplicates = list[dict[str, Any]](), list[dict[str, Any]](), 0
    for index, row in found:
        stage, stored = STAGE[row["outcome"]], known[row["identity"]]
        if stored.get(stage, row["content"]) != row["content"]:
            detail = f"another {_ACCOUNTS[stage]} is stored for this leg"
            rejected.append(RejectedLeg(index=index, detail=detail))
        elif stored and max(stored) >= stage:
            duplicates += 1
        else:
            stored[stage] = row["content"]
            (ended if stage == ENDED else early).append(row)
    return ended, early, duplicates


async def append(
    connection: AsyncConnection, ended: Sequence[dict[str, Any]], early: Sequence[dict[str, Any]], **own: Any
) -> None:
    """Write ended legs and what is told of others; `own` says whose they are and when that was."""
    await lanes.append_legs(connection, [row | own for row in ended])
    await lane_signals.append(connection, [{"ours": False} | row | own for row in early])


async def seen(
    connection: AsyncConnection, organisation_id: str, *, at: datetime
) -> tuple[dict[str, Seen], datetime | None]:
    """Return the legs of the last day as they are known at an instant, by identity, and when one was heard of last."""
    early, ended = await lane_signals.recent(
        connection, organisation_id, since=at - WATCHED, until=at, known_at=at
    )
    told = {row.identity for row in early if row.outcome == "departed"}
    awaited = {row.identity for row in early if row.outcome == "planned" or row.ours}
    furthest = sorted([*early, *ended], key=lambda row: STAGE[row.outcome])
    found = {
        row.identity: Seen(leg=_leg(row), told=row.identity in told, awaited=row.identity in awaited)
        for row in furthest
    }
    return found, max((row.recorded_at for row in furthest), default=None)


def _leg(row: Record) -> LaneLeg:
    return LaneLeg(**{name: getattr(row, name) for name in _LEG})
