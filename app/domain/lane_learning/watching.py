"""Reading the day's signals off the legs known so far, as far as the feed that tells of them can be trusted."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from app.domain.lane_learning.history import Coder, Columns, Flags, LaneLeg, LegIdentity, minutes_of
from app.domain.lane_learning.published import LEGS_MIN, ModeStatistics
from app.domain.lane_learning.sameday import (
    DELAY_MINUTES,
    DESTINATION_MINUTES,
    ORIGIN_MINUTES,
    Arrivals,
    Departures,
)
from app.domain.lane_learning.signals import DaySignals, ModeSignals
from app.domain.shipment import Mode

WATCHED: Final = timedelta(hours=30)
"""How far back legs are looked at, by their plan: over a day of departures, and ways that ended in the last hours."""

SHARE_MIN: Final = 0.5
"""Of the departures known, so many must have been told while the leg was under way, or awaited before it left.
Source: our convention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A leg as far as it is known.

    `told`: its departure was heard of before its end; `awaited`: its plan before its departure; `ours`: a shipment of
    ours waits for it.
    """

    leg: LaneLeg
    told: bool = False
    awaited: bool = False
    ours: bool = False


def awaited_modes(seen: Iterable[Seen]) -> frozenset[Mode]:
    """Return the modes of which most legs are known to be planned before they leave."""
    left = [one for one in seen if one.leg.departed_at is not None]
    known, awaited = Counter[Mode](), Counter[Mode]()
    for one in left:
        known[one.leg.mode] += 1
        awaited[one.leg.mode] += one.awaited
    return frozenset(mode for mode, count in known.items() if awaited[mode] >= SHARE_MIN * count)


def signals_of(
    seen: Collection[Seen],
    statistics: Mapping[Mode, ModeStatistics],
    *,
    at: datetime,
    heard_at: datetime,
) -> DaySignals:
    """Return what these legs say at an instant; since `heard_at`, when the feed was heard last, silence is no news."""
    modes = {}
    for mode, known in statistics.items():
        own = [one for one in seen if one.leg.mode == mode]
        if known.legs < LEGS_MIN or not own:
            continue
        origins, waiting = _delays(
            own, awaited=known.awaited, at=minutes_of(at), heard=minutes_of(min(heard_at, at))
        )
        destinations, everywhere = _ways([one.leg for one in own], known, at=minutes_of(at))
        if origins or destinations:
            modes[mode] = ModeSignals(
                origins=origins, destinations=destinations, everywhere=everywhere, waiting=waiting
            )
    return DaySignals(at=at, modes=modes)


def _delays(
    seen: Sequence[Seen], *, awaited: bool, at: float, heard: float
) -> tuple[dict[str, tuple[float, int]], dict[LegIdentity, float]]:
    """Return delays added up and counted, for origins most of whose departures are told as they happen."""
    coder = Coder()
    legs = coder.columns([one.leg for one in seen])
    told = _told(legs, np.asarray([one.told for one in seen]))
    silent = (
        np.isnan(legs.departed) & np.asarray([one.awaited for one in seen]) & (legs.planned_departure < heard)
    )
    counted = np.flatnonzero((legs.departed <= at) | (silent & awaited))
    stood = replace(legs, departed=np.where(silent, heard, legs.departed)).take(counted)
    codes = np.arange(len(told))
    total, count = Departures(stood).summed(codes, np.full(len(codes), at))
    origins = {
        str(name): (float(total[code]), int(count[code]))
        for (name,), code in coder.known["origin"].items()
        if told[code] and count[code]
    }
    waiting = {
        seen[index].leg.identity: float(np.clip(heard - legs.planned_departure[index], *DELAY_MINUTES))
        for index in counted.tolist()
        if seen[index].ours and silent[index] and legs.planned_departure[index] >= at - ORIGIN_MINUTES
    }
    return origins, waiting


def _told(legs: Columns, told: Flags) -> list[bool]:
    """Return, by the origins' codes, whether most departures known are told as they happen."""
    left = ~np.isnan(legs.departed)
    origin, size = legs.codes["origin"], int(legs.codes["origin"].max()) + 1
    known = np.bincount(origin[left], minlength=size)
    live = np.bincount(origin[left & told], minlength=size)
    found: list[bool] = (live >= SHARE_MIN * known).tolist()
    return found


def _ways(legs: Sequence[LaneLeg], known: ModeStatistics, *, at: float) -> tuple[dict[str, float], float]:
    """Return by how much ways take longer than these statistics expect, by destination and everywhere else."""
    coder = Coder()
    own = coder.columns(legs)
    lately = np.flatnonzero(
        (own.arrived > at - DESTINATION_MINUTES) & (own.arrived <= at) & ~np.isnan(own.departed)
    )
    if not len(lately):
        return {}, 0.0
    surprise = known.model.blocks.surprise(
        known.coder.columns([legs[index] for index in lately.tolist()], learn=False)
    )
    arrivals = Arrivals.of(own.codes["destination"][lately], own.arrived[lately], surprise)
    places = {name: code for (name,), code in coder.known["destination"].items()}
    minutes = arrivals.correction(np.arange(len(places) + 1), np.full(len(places) + 1, at))
    seen = set(own.codes["destination"][lately].tolist())
    ways = {str(name): float(minutes[code]) for name, code in places.items() if code in seen}
    return ways, float(minutes[-1])
