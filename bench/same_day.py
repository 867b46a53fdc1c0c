"""Measure what the service's published statistics gain from a live feed: `python -m bench.same_day HISTORY.csv[.gz]`.

At seeded instants of the history's last quarter it does what the service does: learns a whole set by the full hour,
reads the day's signals off the legs known by then, and forecasts every leg planned to leave in the next four hours with
and without them. Told are pinball losses over p10, p50 and p90 of the arrival, in minutes, by hours ahead.
"""

import sys
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from app.domain.lane_learning import frozen, signals, watching
from app.domain.lane_learning.history import GIVEN_UP, LaneLeg, minutes_of
from app.domain.lane_learning.published import Published
from app.domain.lane_learning.watching import WATCHED, Seen
from app.domain.lanes import Array, LegStatistics
from app.domain.shipment import Leg, Mode
from app.pipeline.backtest import _read

INSTANTS = 24
LEVELS = np.asarray([0.1, 0.5, 0.9])
FEEDS = {
    "no signals": (),
    "ended legs": ("arrived",),
    "departures, too": ("departed", "arrived"),
    "plans, too": ("planned", "departed", "arrived"),
}
Losses = dict[tuple[str, int], list[float]]


def main() -> None:
    """Print the losses of each kind of feed."""
    legs, _ = _read(Path(sys.argv[1]), "air")
    legs.sort(key=lambda leg: leg.planned_departure_at)
    first, last = legs[0].planned_departure_at, legs[-1].planned_departure_at
    random = np.random.default_rng(1)
    losses: Losses = defaultdict(list)
    sizes = []
    for share in sorted(random.uniform(0.75, 1.0, INSTANTS)):
        at = first + share * (last - first)
        at = at.replace(hour=int(random.integers(12, 24)), minute=int(random.integers(60)))
        sizes += _ask(legs, at, losses)
    print(f"{INSTANTS} instants; a day set takes {np.mean(sizes):.0f} bytes on average\n")
    for hour in range(4):
        told = {feed: np.mean(losses[feed, hour]) for feed in FEEDS}
        print(f"{hour}–{hour + 1} h ahead, n={len(losses['no signals', hour]):,}:", end=" ")
        print("; ".join(f"{feed} {loss:.3f}" for feed, loss in told.items()))


def _ask(legs: Sequence[LaneLeg], at: datetime, losses: Losses) -> list[int]:
    hour = at.replace(minute=0, second=0, microsecond=0)
    ended = [leg for leg in legs if (leg.arrived_at or leg.planned_arrival_at + GIVEN_UP) <= hour]
    near = [leg for leg in legs if timedelta(0) < leg.planned_departure_at - at <= timedelta(hours=4)]
    sizes = []
    for feed, told in FEEDS.items():
        awaited = frozenset[Mode]({"air"} if "planned" in told else ())
        taught = frozen.learn(ended, until=minutes_of(hour), awaited=awaited)
        base = frozen.restored(1, frozen.whole(taught, [], {}))
        if told:
            day = watching.signals_of(_seen(legs, at, told), base.modes, at=at, heard_at=at)
            body = signals.as_bytes(day)
            sizes.append(len(body))
            base = base.under(2, signals.of_bytes(body))
        for leg in near:
            if leg.arrived_at is not None:
                ahead = int((leg.planned_departure_at - at) / timedelta(hours=1))
                losses[feed, min(ahead, 3)].append(_loss(base, leg))
    return sizes


def _seen(legs: Sequence[LaneLeg], at: datetime, told: Collection[str]) -> list[Seen]:
    """Return the legs of the last day as a feed without delay tells them."""
    found = []
    for leg in legs:
        if at - WATCHED <= leg.planned_departure_at <= at:
            left = leg.departed_at is not None and leg.departed_at <= at
            there = leg.arrived_at is not None and leg.arrived_at <= at
            known = replace(
                leg,
                departed_at=leg.departed_at if left else None,
                arrived_at=leg.arrived_at if there else None,
                outcome="arrived" if there else "departed" if left else "planned",
            )
            if known.outcome in told:
                early = left and "departed" in told
                found.append(Seen(leg=known, told=early, awaited="planned" in told))
    return found


def _loss(published: Published, leg: LaneLeg) -> float:
    plan = Leg(
        number=1,
        mode=leg.mode,
        carrier=leg.carrier,
        service=leg.service,
        waybill=None,
        origin=leg.origin,
        destination=leg.destination,
        planned_departure_at=leg.planned_departure_at,
        planned_arrival_at=leg.planned_arrival_at,
    )
    assert leg.arrived_at is not None
    low, shares = _arrival(published.of(plan))
    quantiles = low + np.searchsorted(np.cumsum(shares), LEVELS)
    error = (leg.arrived_at - leg.planned_arrival_at) / timedelta(minutes=1) - quantiles
    return float(np.maximum(LEVELS * error, (LEVELS - 1) * error).mean())


def _arrival(known: LegStatistics) -> tuple[int, Array]:
    """Return the arrival's lateness: the delay's distribution and, by its bucket, the residual's."""
    delays = known.delay.low_minutes + np.arange(len(known.delay.shares))
    bucket = np.searchsorted(known.edges_minutes, delays)
    low = known.delay.low_minutes + min(one.low_minutes for one in known.residuals)
    total = np.zeros(3_000)
    for index, residual in enumerate(known.residuals):
        part = np.convolve(np.where(bucket == index, known.delay.shares, 0.0), residual.shares)
        start = known.delay.low_minutes + residual.low_minutes - low
        total[start : start + len(part)] += part
    return low, total / total.sum()


if __name__ == "__main__":
    main()
