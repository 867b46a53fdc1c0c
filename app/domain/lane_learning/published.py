"""Statistics as they are published: immutable, numbered, and asked one leg at a time."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import numpy as np

from app.domain import lanes
from app.domain.correction import Correction
from app.domain.lane_learning import blocks, departures
from app.domain.lane_learning.blocks import DELAY_EDGES
from app.domain.lane_learning.departures import WHENS
from app.domain.lane_learning.dwell import DwellStatistics, Kind
from app.domain.lane_learning.history import FEATURES, Coder, CodesByFeature, Columns, as_planned
from app.domain.lane_learning.model import (
    RUNNING_TAIL,
    RUNNING_TAIL_MINUTES,
    WAITING_TAIL,
    WAITING_TAIL_MINUTES,
    LaneModel,
)
from app.domain.lane_learning.signals import NOTHING, Bearing, DaySignals
from app.domain.lanes import PRIORS, Array, Distribution, LegStatistics, Reporting
from app.domain.shipment import Leg, Mode
from app.domain.timetable import Departure, Timetable

LEGS_MIN: Final = 100
"""A mode with fewer legs keeps its priors. Source: our convention."""

_KEPT: Final = 20_000


class ModeStatistics:
    """What one mode's model says of a leg, as distributions; nothing in here changes after it was made."""

    def __init__(
        self, model: LaneModel, coder: Coder, *, seen: Mapping[str, Array], legs: int, awaited: bool
    ) -> None:
        self.model, self.coder, self.seen, self.legs, self.awaited = model, coder, seen, legs, awaited
        self._delays = {when: model.departures.delays(when) for when in WHENS}
        self._cancelled = {when: model.departures.cancelled(when) for when in WHENS}

    def of(self, leg: Leg, today: Bearing = NOTHING) -> LegStatistics:
        """Return the distributions of a leg, with what other legs show of its day."""
        return self._of(self._columns(leg).codes, self.basis(leg), today)

    def typical(self, lane: tuple[str, str], carrier: str) -> LegStatistics:
        """Return the distributions of a lane under a carrier, at no particular hour, day or flight."""
        keys = {"all": (), "destination": lane[1:], "lane": lane, "lane_carrier": (*lane, carrier)}
        found = {
            name: np.full(1, self.coder.known[name].get(keys[name], -1) if name in keys else -1)
            for name in FEATURES
        }
        return self._of(found, "typical", NOTHING)

    def _of(self, codes: CodesByFeature, basis: str, today: Bearing) -> LegStatistics:
        crowd = np.full(1, np.nan if today.congestion is None else today.congestion)
        when = today.when
        score_bin = int(self.model.departures.bin_of(codes, crowd, when)[0])
        delay = _with_tail(
            departures.LOW,
            self._delays[when][score_bin],
            WAITING_TAIL,
            WAITING_TAIL_MINUTES,
            basis=basis if when == "alone" else f"{basis}, with the day's departures",
        )
        return LegStatistics(
            delay=delay,
            residuals=self._residuals(codes, basis, today.way_minutes),
            edges_minutes=tuple(DELAY_EDGES.tolist()),
            cancelled_share=float(self._cancelled[when][score_bin]),
            diverted_share=float(self.model.blocks.diverted(codes)[0]),
        )

    def basis(self, leg: Leg) -> str:
        """Say in words what the statistics of a leg rest on: the narrowest group that has been seen."""
        lane = self.count("lane", (leg.origin, leg.destination))
        if lane:
            return f"lane history, n={lane:,}"
        carrier = self.count("carrier", (leg.carrier,))
        if carrier:
            return f"history of the {leg.mode} carrier, n={carrier:,}"
        return f"{leg.mode} history, n={self.legs:,}"

    def count(self, feature: str, key: tuple[object, ...]) -> int:
        """Return how many legs of a lane or carrier have been seen."""
        code = self.coder.known[feature].get(key, -1)
        return int(self.seen[feature][code]) if code >= 0 else 0

    def _columns(self, leg: Leg) -> Columns:
        return self.coder.columns([as_planned(leg)], learn=False)

    def _residuals(
        self, codes: Mapping[str, Any], basis: str, way_minutes: float
    ) -> tuple[Distribution, ...]:
        buckets = np.arange(len(DELAY_EDGES) + 1)
        rows = {name: np.repeat(one, len(buckets)) for name, one in codes.items()}
        shift = self.model.blocks.shift(rows, np.full(len(buckets), way_minutes), buckets)
        errors = self.model.errors(rows["lane"], self.model.blocks.scale_bin(rows, buckets))
        return tuple(_shifted(row, float(by), basis=basis) for row, by in zip(errors, shift, strict=True))


class Published:
    """One numbered set; modes, places and carriers that have too little history keep the priors."""

    def __init__(
        self,
        number: int,
        modes: Mapping[Mode, ModeStatistics],
        dwell: DwellStatistics,
        reporting: Mapping[str, Reporting],
        timetable: Timetable | None = None,
        correction: Correction | None = None,
        signals: DaySignals | None = None,
    ) -> None:
        self.number, self.modes, self.dwell, self.signals = number, modes, dwell, signals
        self._timetable = timetable or Timetable()
        self.correction = correction
        self._reporting = reporting
        self._known: dict[tuple[object, ...], LegStatistics] = {}
        self._today: dict[tuple[object, ...], LegStatistics] = {}

    def under(self, number: int, signals: DaySignals) -> "Published":
        """Return this set with the day's signals laid over it; all but those is shared."""
        laid = Published(
            number, self.modes, self.dwell, self._reporting, self._timetable, self.correction, signals
        )
        laid._known = self._known  # what is known without signals is the same
        return laid

    @property
    def version(self) -> str:
        """The name that assessments carry."""
        return f"lanes-{self.number}"

    def of(self, leg: Leg) -> LegStatistics:
        """Return what is known of legs like this one; kept, because a leg is asked about again and again."""
        mode = self.modes.get(leg.mode)
        if mode is None or mode.legs < LEGS_MIN:
            return PRIORS.of(leg)
        key = (
            leg.mode, leg.carrier, leg.service, leg.origin, leg.destination, leg.planned_departure_at,
            leg.planned_arrival_at,
        )  # fmt: skip
        today = self.signals.on(leg) if self.signals is not None else NOTHING
        kept = self._known if today == NOTHING else self._today
        if key not in kept:
            if len(kept) >= _KEPT:
                kept.clear()
            kept[key] = _in_proportion(mode.of(leg, today), leg, mode)
        return kept[key]

    def handover(self, mode: Mode, place: str, planned_minutes: float) -> Distribution:
        """Return how long a package takes at a place from arriving to being ready for a leg of `mode`."""
        default = PRIORS.handover(mode, place, planned_minutes)
        return self.dwell.learned("handover", place, mode, default, lanes.HANDOVER_SPREAD)

    def receipt(self, place: str) -> Distribution:
        """Return how long it takes from the last leg's arrival to the delivery."""
        return self.dwell.learned("receipt", place, "", PRIORS.receipt(place), lanes.RECEIPT_SPREAD)

    def hold(self, place: str | None, *, customs: bool) -> Distribution:
        """Return how long a hold or a stay in customs lasts."""
        kind: Kind = "customs" if customs else "hold"
        default = PRIORS.hold(place, customs=customs)
        return self.dwell.learned(kind, place or "", "", default, lanes.HOLD_SPREAD)

    def reporting(self, carrier: str) -> Reporting:
        """Return how a carrier reports."""
        return self._reporting.get(carrier, lanes.REPORTING)

    def after(self, leg: Leg, at: datetime) -> list[Departure]:
        """Return the known services that leave on the leg's lane after an instant, the earliest first."""
        return self._timetable.after(leg, at)

    def arriving_by(self, leg: Leg, at: datetime) -> list[Departure]:
        """Return the last known services that arrive by an instant, the latest to leave first; none: no timetable."""
        return self._timetable.arriving_by(leg, at)

    def headway_minutes(self, leg: Leg) -> float:
        """Return how long after the leg's planned departure the next service leaves."""
        known = self._timetable.headway_minutes(leg)
        return PRIORS.headway_minutes(leg) if known is None else known


def _in_proportion(known: LegStatistics, leg: Leg, mode: ModeStatistics) -> LegStatistics:
    """Return the defaults for the way of a lane never seen on the ground, where what is lost grows with the way.

    In the air it hardly does: an unseen lane is told by all others.
    """
    if leg.mode == "air" or mode.count("lane", (leg.origin, leg.destination)):
        return known
    prior = PRIORS.of(leg)
    return replace(known, residuals=prior.residuals, edges_minutes=prior.edges_minutes)


def _shifted(errors: Array, by_minutes: float, *, basis: str) -> Distribution:
    """Return errors around a shift that is no whole number of minutes: split between the two next to it."""
    whole = int(np.floor(by_minutes))
    part = by_minutes - whole
    shares = np.zeros(len(errors) + 1)
    shares[:-1] += (1 - part) * errors
    shares[1:] += part * errors
    return _with_tail(blocks.LOW + whole, shares, RUNNING_TAIL, RUNNING_TAIL_MINUTES, basis=basis)


def _with_tail(low: int, shares: Array, tail: float, tail_minutes: float, *, basis: str) -> Distribution:
    slope = np.exp(-np.arange(len(shares)) / tail_minutes)
    slope[: max(-low, 0)] = 0.0
    total = slope.sum()
    if total <= 0:
        slope[-1] = total = 1.0
    return Distribution(low, (1 - tail) * shares / shares.sum() + tail * slope / total, basis)
