"""How much longer than planned a leg takes once it has left, and how sure that is."""

from collections import deque
from typing import Final

import numpy as np

from app.domain.lane_learning.history import DAY_MINUTES, Codes, CodesByFeature, Columns
from app.domain.lane_learning.tables import FAST_DAYS, RESIDUAL_DAYS, SLOW_DAYS, Histograms, Means, Stages
from app.domain.lanes import Array

LOW, HIGH = -120, 220
DELAY_EDGES: Final = np.asarray([-8.0, -3.0, 1.0, 15.0, 30.0, 50.0, 80.0, 140.0])
RECENT_EDGES: Final = np.asarray([-5.0, -1.5, 1.5, 5.0, 10.0])
SCALES: Final = 8
REFRESH_DAYS, WINDOW_DAYS, KEPT_DAYS = 14.0, 60.0, 180.0
TOTAL_WEIGHT, LANE_SHRINK, DIVERTED_SHRINK = 100.0, 80.0, 300.0
"""Source: tried on real flights, docs/eta.md."""

_RECENT = len(RECENT_EDGES) + 1


class BlockModel:
    """Learns block times: a slow memory of lanes, a fast one of the last days, and the spread that is left."""

    def __init__(self, prior: Array) -> None:
        self._prior = prior
        self._slow = Stages(
            ("all", 0.0), ("lane", 20.0), ("lane_carrier", 20.0), ("flight", 15.0), ("origin_hour", 30.0),
            half_life_days=SLOW_DAYS,
        )  # fmt: skip
        self._fast = Stages(("all", 30.0), ("destination", 12.0), ("lane", 12.0), half_life_days=FAST_DAYS)
        self._correction = Means(half_life_days=SLOW_DAYS, shrink=40.0)
        self._squares = [
            (name, Means(half_life_days=SLOW_DAYS, shrink=k))
            for name, k in (("all", 10.0), ("origin_hour", 100.0), ("lane_carrier", 40.0))
        ]
        self._factor = Means(half_life_days=SLOW_DAYS, shrink=100.0)
        self.edges = np.zeros(0)
        self.by_scale = Histograms(low=LOW, high=HIGH, half_life_days=RESIDUAL_DAYS, count=SCALES)
        self.by_lane = Histograms(low=LOW, high=HIGH, half_life_days=RESIDUAL_DAYS)
        self._diverted_lane = Means(half_life_days=SLOW_DAYS, shrink=DIVERTED_SHRINK)
        self._diverted_all = Means(half_life_days=SLOW_DAYS, shrink=100.0)
        self._kept: deque[tuple[float, Array, Array]] = deque()
        self._refreshed_at = -np.inf

    def age(self, days: float) -> None:
        """Let so many days pass."""
        self._slow.age(days)
        self._fast.age(days)
        self.by_scale.age(days)
        self.by_lane.age(days)
        squares = [means for _, means in self._squares]
        for means in (self._correction, self._factor, self._diverted_lane, self._diverted_all, *squares):
            means.age(days)

    def learn(self, legs: Columns, same_day: Array, *, at: float) -> None:
        """Add legs that have ended, with the same-day correction as it stood when they left."""
        left = ~np.isnan(legs.departed)
        gone = legs.diverted[left].astype(np.float64)
        self._diverted_lane.learn(legs.codes["lane"][left], gone)
        self._diverted_all.learn(legs.codes["all"][left], gone)
        chosen = np.flatnonzero(left & ~np.isnan(legs.arrived))
        legs, same_day = legs.take(chosen), same_day[chosen]
        if not len(legs):
            return
        took = np.clip(legs.residual, LOW, HIGH)
        slow, fast = self._slow.mean(legs.codes), self._fast.mean(legs.codes)
        recent = fast + same_day
        bucket = np.searchsorted(DELAY_EDGES, legs.delay)
        cell = _cell(bucket, recent)
        error = took - slow - recent - self._correction.mean(cell)
        scale = self._scale(legs.codes, bucket)
        self._learn_spread(legs, bucket, error)
        self.by_scale.learn(np.searchsorted(self.edges, scale), error)
        self.by_lane.learn(legs.codes["lane"], error)
        self._correction.learn(cell, took - slow - recent)
        self._fast.learn(legs.codes, took - slow)
        self._slow.learn(legs.codes, took)
        self._kept.append((at, scale, error))

    def refresh(self, at: float) -> None:
        """Move the edges of the scale bins once a fortnight, and sort what is kept into them anew."""
        while self._kept and self._kept[0][0] < at - KEPT_DAYS * DAY_MINUTES:
            self._kept.popleft()
        if not self._kept or at < self._refreshed_at + REFRESH_DAYS * DAY_MINUTES:
            return
        recent = [scale for kept_at, scale, _ in self._kept if kept_at >= at - WINDOW_DAYS * DAY_MINUTES]
        if not recent:
            return
        self._refreshed_at = at
        self.edges = np.quantile(np.concatenate(recent), np.arange(1, SCALES) / SCALES)
        self.by_scale = Histograms(low=LOW, high=HIGH, half_life_days=RESIDUAL_DAYS, count=SCALES)
        for kept_at, scale, error in self._kept:
            fade = 0.5 ** ((at - kept_at) / DAY_MINUTES / RESIDUAL_DAYS)
            self.by_scale.learn(np.searchsorted(self.edges, scale), error, np.full(len(error), fade))

    def tables(self) -> dict[str, Means | Histograms]:
        """Return everything a forecast needs besides the edges, by name."""
        named: dict[str, Means | Histograms] = {f"slow.{name}": one for name, one in self._slow.named()}
        named |= {f"fast.{name}": one for name, one in self._fast.named()}
        named |= {f"square.{name}": one for name, one in self._squares}
        return named | {
            "correction": self._correction,
            "factor": self._factor,
            "by_scale": self.by_scale,
            "by_lane": self.by_lane,
            "diverted.lane": self._diverted_lane,
            "diverted.all": self._diverted_all,
        }

    def expected(self, codes: CodesByFeature) -> Array:
        """Return the residual that the tables alone expect, before the same day speaks."""
        return self._slow.mean(codes) + self._fast.mean(codes)

    def surprise(self, legs: Columns) -> Array:
        """Return by how much longer than that the way of legs that have arrived took."""
        surprise: Array = np.clip(legs.residual, LOW, HIGH) - self.expected(legs.codes)
        return surprise

    def shift(self, codes: CodesByFeature, same_day: Array, bucket: Codes) -> Array:
        """Return the whole expected residual of legs that leave in a bucket of delay."""
        recent = self._fast.mean(codes) + same_day
        moved: Array = self._slow.mean(codes) + recent + self._correction.mean(_cell(bucket, recent))
        return moved

    def scale_bin(self, codes: CodesByFeature, bucket: Codes) -> Codes:
        """Return how widely such legs scatter, as a bin."""
        found: Codes = np.searchsorted(self.edges, self._scale(codes, bucket))
        return found

    def errors_by_scale(self) -> Array:
        """Return the distribution around the shift for every scale bin."""
        counts = self.by_scale.counts
        whole = counts.sum(axis=0) + TOTAL_WEIGHT * self._prior
        smooth = counts + TOTAL_WEIGHT * whole / whole.sum()
        shares: Array = smooth / smooth.sum(axis=1, keepdims=True)
        return shares

    def lane_weight(self, lanes: Codes) -> Array:
        """Return how much a lane's own distribution counts, 0 to 1."""
        known = (lanes >= 0) & (lanes < len(self.by_lane.counts))
        count = np.where(known, self.by_lane.counts[np.where(known, lanes, 0)].sum(axis=1), 0.0)
        weight: Array = count / (count + LANE_SHRINK)
        return weight

    def diverted(self, codes: CodesByFeature) -> Array:
        """Return the share of legs that left and never arrive."""
        return self._diverted_lane.mean_towards(codes["lane"], self._diverted_all.mean(codes["all"]))

    def _scale(self, codes: CodesByFeature, bucket: Codes) -> Array:
        square = self._square(codes) * self._factor.mean_towards(bucket, np.ones(len(bucket)))
        scale: Array = np.sqrt(np.maximum(square, 1.0))
        return scale

    def _square(self, codes: CodesByFeature) -> Array:
        square = np.full(len(codes["all"]), 200.0)
        for name, means in self._squares:
            square = means.mean_towards(codes[name], square)
        return square

    def _learn_spread(self, legs: Columns, bucket: Codes, error: Array) -> None:
        squared = np.clip(error, -120.0, 120.0) ** 2
        self._factor.learn(bucket, np.minimum(squared / np.maximum(self._square(legs.codes), 1.0), 25.0))
        for name, means in self._squares:
            means.learn(legs.codes[name], squared)


def _cell(bucket: Codes, recent: Array) -> Codes:
    return bucket * _RECENT + np.searchsorted(RECENT_EDGES, recent)
