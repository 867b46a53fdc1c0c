"""Every question of a history answered as it would have been answered on the day."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from app.domain.lane_learning.conformal import Conformal
from app.domain.lane_learning.history import DAY_MINUTES, Codes, Columns
from app.domain.lane_learning.model import LaneModel
from app.domain.lane_learning.questions import Horizon, horizons
from app.domain.lane_learning.replay import Replay
from app.domain.lane_learning.spread import Spread
from app.domain.lanes import Array

SLACKS: Final = np.asarray([30.0, 45.0, 60.0, 90.0, 120.0, 180.0])
LEVELS: Final = (0.1, 0.5, 0.9)
WARM_UP_DAYS: Final = 24.0
"""Forecasts begin so long before the first one that counts, because the conformal corrections learn from them."""

SILENCE_UNTIL: Final = 720


@dataclass(slots=True, eq=False)
class Answers:
    """All answers at one horizon: `quantiles` and `late` have a row a case; minutes count from the planned arrival."""

    horizon: Horizon
    leg: Codes
    asked_at: Array
    quantiles: Array
    late: Array
    known: Array
    """The tracker's answer: the delay known, where silence that has lasted counts as delay."""


@dataclass(slots=True)
class Backtest:
    """One pass through a history; `days` does the work and tells how far it is."""

    legs: Columns
    replay: Replay
    count_from: float
    keep: Callable[[Horizon, Codes, Spread], None] | None = None
    _parts: dict[str, list[Answers]] = field(default_factory=dict)
    _conformal: dict[str, Conformal] = field(default_factory=dict)

    def days(self) -> Iterator[float]:
        """Go through the days; yield each morning once its day is answered."""
        asked = [(one, one.asked_at(self.legs)) for one in horizons(silence_until=SILENCE_UNTIL)]
        fitting = [(one, at, one.asks(self.legs, at)) for one, at in asked]
        ordered = [(one, at, fit[np.argsort(at[fit], kind="stable")]) for one, at, fit in fitting]
        for morning, evening in self.replay.days():
            if morning >= self.count_from - WARM_UP_DAYS * DAY_MINUTES:
                for correction in self._conformal.values():
                    correction.refresh(morning)
                for horizon, at, fit in ordered:
                    first, last = np.searchsorted(at[fit], (morning, evening))
                    if last > first:
                        self._answer(horizon, fit[first:last], at[fit[first:last]])
            yield morning

    def answers(self) -> dict[str, Answers]:
        """Return the answers that count, by the horizon's name."""
        return {name: _joined(parts) for name, parts in self._parts.items()}

    def _answer(self, horizon: Horizon, chosen: Codes, at: Array) -> None:
        legs = self.legs.take(chosen)
        spread = self._forecast(horizon, legs, at)
        heights = spread.heights()
        correction = self._conformal.setdefault(horizon.group, Conformal())
        counts = at >= self.count_from
        if counts.any():
            part = self._corrected(horizon, chosen, at, spread, heights, correction)
            self._parts.setdefault(horizon.name, []).append(part)
            if self.keep is not None:
                self.keep(horizon, chosen, spread)
        came = ~np.isnan(legs.arrived)
        rank = spread.by(np.where(came, legs.arrived - legs.planned_arrival, 0.0), heights)
        correction.keep(float(at.min()), rank[came], legs.finished[came])

    def _forecast(self, horizon: Horizon, legs: Columns, at: Array) -> Spread:
        model: LaneModel = self.replay.model
        same_day = self.replay.correction(legs, at)
        if horizon.kind == "ahead":
            crowd = self.replay.congestion(legs, at)
            return model.before_departure(legs, crowd, same_day, silent_minutes=None, when="ahead")
        if horizon.kind == "silence":
            waited = at - legs.planned_departure
            crowd = self.replay.congestion(legs, at, waited=waited)
            return model.before_departure(legs, crowd, same_day, silent_minutes=horizon.minutes, when="due")
        past = horizon.minutes if horizon.kind == "arrival" else None
        return model.running(legs, same_day, past_plan_minutes=past)

    def _corrected(
        self, horizon: Horizon, chosen: Codes, at: Array, spread: Spread, heights: Array, by: Conformal
    ) -> Answers:
        levels = np.asarray([by.level(share) for share in LEVELS])
        rows = len(chosen)
        in_time = np.stack([by.share(spread.by(np.full(rows, slack), heights)) for slack in SLACKS], axis=1)
        unknown = spread.unknown[:, None]
        counts = at >= self.count_from
        return Answers(
            horizon,
            chosen[counts],
            at[counts],
            spread.quantiles(levels, heights)[counts],
            (unknown + (1 - unknown) * (1 - in_time))[counts],
            _known(horizon, self.legs.take(chosen))[counts],
        )


def _known(horizon: Horizon, legs: Columns) -> Array:
    if horizon.kind == "ahead":
        return np.zeros(len(legs))
    if horizon.kind == "silence":
        return np.full(len(legs), horizon.minutes)
    return np.maximum(legs.delay, horizon.minutes) if horizon.kind == "arrival" else legs.delay


def _joined(parts: list[Answers]) -> Answers:
    return Answers(
        parts[0].horizon,
        *(
            np.concatenate([getattr(one, name) for one in parts])
            for name in ("leg", "asked_at", "quantiles", "late", "known")
        ),
    )
