"""How long packages stay at a place: a lognormal whose median is learned, drawn towards the documented default."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from app.domain.custody import Journey
from app.domain.lanes import Distribution, lognormal, normal_cdf
from app.domain.observation import Event
from app.domain.shipment import Shipment
from app.domain.spans import MINUTE

Kind = Literal["handover", "receipt", "customs", "hold"]

ESTIMATE: Final = "estimate"

PRIOR_STAYS: Final = 8.0
"""A default counts as so many stays. Source: our convention."""

_STEPS: Final = 121
_RANGE: Final = math.log(8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One stay that has ended; `at_most`: the package was ready some time before, nobody saw when."""

    kind: str
    place: str
    mode: str
    leg: int
    minutes: float
    at_most: bool


@dataclass(frozen=True, slots=True)
class DwellStatistics:
    """The stays of every kind and place."""

    stays: Mapping[tuple[str, str, str], tuple[tuple[float, bool], ...]]

    def learned(
        self, kind: Kind, place: str, mode: str, default: Distribution, spread: float
    ) -> Distribution:
        """Return the default moved by what was seen at the place."""
        seen = self.stays.get((kind, place, mode), ())
        if not seen:
            return default
        median = learned_median(seen, default.quantile_minutes(0.5), spread)
        return lognormal(round(median, 1), spread, f"{kind} at {place}, n={len(seen)}")


def gather(stays: Iterable[Stay]) -> DwellStatistics:
    """Return stays by kind, place and, for handovers, the next leg's mode."""
    by: dict[tuple[str, str, str], list[tuple[float, bool]]] = defaultdict(list)
    for one in stays:
        mode = one.mode if one.kind == "handover" else ""
        by[one.kind, one.place, mode].append((one.minutes, one.at_most))
    return DwellStatistics({key: tuple(values) for key, values in by.items()})


def learned_median(seen: Iterable[tuple[float, bool]], default_minutes: float, spread: float) -> float:
    """Return the likeliest median given the stays, where a default counts as `PRIOR_STAYS` of them.

    A stay of which only "at most" is known says that the median is hardly much longer.
    """
    centre = math.log(max(default_minutes, 1.0))
    medians = centre + np.linspace(-_RANGE, _RANGE, _STEPS)
    likelihood = -PRIOR_STAYS * (medians - centre) ** 2 / (2 * spread**2)
    for minutes, at_most in seen:
        z = (math.log(max(minutes, 0.5)) - medians) / spread
        likelihood += np.log(np.maximum(normal_cdf(z), 1e-12)) if at_most else -(np.clip(z, -4, 4) ** 2) / 2
    weights = np.exp(likelihood - likelihood.max())
    return float(np.exp((weights * medians).sum() / weights.sum()))


def stays_of(shipment: Shipment, journey: Journey) -> list[Stay]:
    """Return the stays of a journey that have ended: between its legs, at its end, in customs and on hold.

    How far off a carrier's last estimate was is kept with them, under the carrier's name.
    """
    return [*_between_legs(shipment, journey), *_stopped(journey), *_estimates(shipment, journey)]


def _stopped(journey: Journey) -> list[Stay]:
    """Return stays in customs and holds, the first of each leg."""
    ends = {"customs_cleared": "customs", "resumed": "hold"}
    begins = {"customs_entered": "customs", "held": "hold"}
    since: dict[str, Event] = {}
    found: dict[tuple[str, int], Stay] = {}
    for event in journey.effective:
        if event.type in begins:
            since.setdefault(begins[event.type], event)
        kind = ends.get(event.type, "")
        began = since.pop(kind, None)
        if began is None or event.effective_at <= began.effective_at:
            continue
        place = (began.location and began.location.code) or ""
        leg = journey.leg_by_event.get(began.id) or 0
        minutes = (event.effective_at - began.effective_at) / MINUTE
        stay = Stay(kind=kind, place=place, mode="", leg=leg, minutes=minutes, at_most=False)
        found.setdefault((kind, leg), stay)
    return list(found.values())


def _estimates(shipment: Shipment, journey: Journey) -> list[Stay]:
    """Return by how much the last estimates of arrival were off, either way."""
    facts = {one.number: one for one in journey.legs}
    found = []
    for leg in shipment.legs:
        known = facts.get(leg.number)
        if known and known.arrived_at and known.estimated_arrival_at:
            off = abs((known.arrived_at - known.estimated_arrival_at) / MINUTE)
            found.append(
                Stay(
                    kind=ESTIMATE,
                    place=leg.carrier,
                    mode=leg.mode,
                    leg=leg.number,
                    minutes=off,
                    at_most=False,
                )
            )
    return found


def _between_legs(shipment: Shipment, journey: Journey) -> list[Stay]:
    facts = {one.number: one for one in journey.legs}
    found = []
    for before, leg in zip(shipment.legs, shipment.legs[1:], strict=False):
        arrived = facts.get(before.number)
        left = facts.get(leg.number)
        if not (arrived and arrived.arrived_at and left and left.departed_at):
            continue
        minutes = (left.departed_at - arrived.arrived_at) / MINUTE
        if minutes > 0:
            waited = left.departed_at <= leg.planned_departure_at + 5 * MINUTE or leg.mode != "road"
            found.append(
                Stay(
                    kind="handover",
                    place=leg.origin,
                    mode=leg.mode,
                    leg=leg.number,
                    minutes=minutes,
                    at_most=waited,
                )
            )
    last = facts.get(shipment.legs[-1].number)
    if last and last.arrived_at and journey.delivered_at and journey.delivered_at > last.arrived_at:
        minutes = (journey.delivered_at - last.arrived_at) / MINUTE
        place = shipment.legs[-1].destination
        found.append(
            Stay(kind="receipt", place=place, mode="", leg=last.number, minutes=minutes, at_most=False)
        )
    return found
