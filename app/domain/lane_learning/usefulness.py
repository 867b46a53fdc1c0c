"""What the probabilities are good for: warning of lost doses in time, and adding up a journey of several legs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.domain import lanes
from app.domain.lane_learning.backtest import SLACKS, Answers
from app.domain.lane_learning.history import Codes, Columns
from app.domain.lane_learning.spread import Spread
from app.domain.lanes import Array

FALSE_ALARMS: Final = (0.01, 0.02, 0.05, 0.10)
ALERT_SLACKS: Final = (45.0, 90.0)
LEAD_MIN_MINUTES: Final = 30.0
"""A warning counts when so much time is left to do something. Source: our convention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Of the doses that were lost: how many had a warning before, at one rate of false alarms.

    The mean lead is over all lost doses; one without a warning counts as none.
    """

    slack_minutes: float
    false_alarm_rate: float
    method: str
    warned: float
    mean_lead_minutes: float


def warnings(answers: Mapping[str, Answers], legs: Columns) -> list[Warned]:
    """Compare our probability with two trackers: one hears of a delay at departure, one also counts silence."""
    told = []
    for slack in ALERT_SLACKS:
        column = int(np.flatnonzero(slack == SLACKS)[0])
        methods = {
            "ours": [(one, one.late[:, column]) for one in answers.values()],
            "departure": [(one, one.known) for one in answers.values() if one.horizon.kind != "silence"],
            "silence": [(one, one.known) for one in answers.values()],
        }
        for name, scores in methods.items():
            told += _warned(name, scores, legs, slack) if all(methods.values()) else []
    return told


def _warned(name: str, scores: list[tuple[Answers, Array]], legs: Columns, slack: float) -> list[Warned]:
    lost_at = legs.planned_arrival + slack
    leg = np.concatenate([one.leg for one, _ in scores])
    at = np.concatenate([one.asked_at for one, _ in scores])
    score = np.concatenate([value for _, value in scores])
    in_time = at <= lost_at[leg] - LEAD_MIN_MINUTES
    leg, at, score = leg[in_time], at[in_time], score[in_time]
    highest = np.full(len(legs), -np.inf)
    np.maximum.at(highest, leg, score)
    asked = np.unique(np.concatenate([one.leg for one, _ in scores]))
    lost = ~(legs.arrived[asked] <= lost_at[asked])
    in_vain = highest[asked][~lost]
    told = []
    for rate in FALSE_ALARMS:
        threshold = np.quantile(in_vain, 1 - rate) if len(in_vain) else np.nan
        first = np.full(len(legs), np.inf)
        raised = score > threshold
        np.minimum.at(first, leg[raised], at[raised])
        lead = (lost_at - first)[asked][lost]
        warned = np.isfinite(lead)
        both = len(lead) > 0 and len(in_vain) > 0
        told.append(
            Warned(
                slack_minutes=slack,
                false_alarm_rate=rate,
                method=name,
                warned=float(warned.mean()) if both else float("nan"),
                mean_lead_minutes=float(np.where(warned, lead, 0.0).mean()) if both else float("nan"),
            )
        )
    return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Journeys:
    """Chains of three legs with handovers: how often they arrive by what each way of adding up calls its p90."""

    chains: int
    composed: float
    sum_of_p90s: float
    sum_of_p90s_width: float
    without_dwell: float


class JourneyTrial:
    """Makes up journeys of three real legs that were asked about on one day, and adds their forecasts up."""

    LEGS = 3
    CHAINS_PER_DAY = 60
    SIZE = 4096

    def __init__(self, legs: Columns, *, seed: int = 1) -> None:
        self._minutes = legs.arrived - legs.planned_arrival
        self._random = np.random.default_rng(seed)
        self._dwell = lanes.handover("road", 600.0)
        self._counts: list[tuple[bool, bool, bool, float]] = []

    def add(self, leg: Codes, spread: Spread) -> None:
        """Try chains of a day's forecasts; what never arrived has no place in a chain."""
        came = np.flatnonzero(~np.isnan(self._minutes[leg]))
        if len(came) < self.LEGS:
            return
        heights = spread.heights()
        p90 = spread.quantiles(np.asarray([0.9]), heights)[:, 0]
        for _ in range(self.CHAINS_PER_DAY):
            chain = self._random.choice(came, self.LEGS, replace=False)
            self._try(leg[chain], spread, p90, chain)

    def result(self) -> Journeys:
        """Return what came of it."""
        table = np.asarray(self._counts, dtype=np.float64).reshape(-1, 4)
        composed, summed, without, width = table.mean(axis=0) if len(table) else np.full(4, np.nan)
        return Journeys(
            chains=len(table),
            composed=float(composed),
            sum_of_p90s=float(summed),
            sum_of_p90s_width=float(width),
            without_dwell=float(without),
        )

    def _try(self, leg: Codes, spread: Spread, p90: Array, chain: Array) -> None:
        dwell = self._dwell.shares
        rest = self.LEGS - 1
        transform = np.fft.rfft(spread.shares[chain], self.SIZE).prod(axis=0)
        lowest = float(spread.offset[chain].sum())
        alone = self._quantile(transform, lowest)
        whole = self._quantile(transform * np.fft.rfft(dwell, self.SIZE) ** rest, lowest)
        stays = self._random.choice(len(dwell), rest, p=dwell).sum()
        came = float(self._minutes[leg].sum()) + float(stays)
        summed = float(p90[chain].sum()) + rest * self._dwell.quantile_minutes(0.9)
        self._counts.append((came <= whole, came <= summed, came <= alone, summed / max(whole, 1.0)))

    def _quantile(self, transform: Array, lowest: float) -> float:
        heights = np.cumsum(np.fft.irfft(transform, self.SIZE))
        return lowest + float(np.searchsorted(heights, 0.9 * heights[-1]))
