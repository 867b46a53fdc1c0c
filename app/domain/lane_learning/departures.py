"""When a leg leaves: a score of how late its like usually are, and what happened to legs of such a score."""

from collections import deque
from typing import Final, Literal

import numpy as np

from app.domain.lane_learning.history import DAY_MINUTES, Codes, CodesByFeature, Columns, Flags
from app.domain.lane_learning.sameday import DELAY_MINUTES
from app.domain.lane_learning.tables import CANCELLED_DAYS, SLOW_DAYS, Histograms, Means, Stages
from app.domain.lanes import Array

When = Literal["alone", "ahead", "due"]
"""Whether nothing is known of the day's other departures, or how late they are two hours before the planned
departure or from then on. What is asked without a signal is so told by tables that were taught without one."""

WHENS: Final[tuple[When, ...]] = ("alone", "ahead", "due")
LOW, HIGH = -45, 600
BINS: Final = 24
BANDS: Final = 8
REFRESH_DAYS, WINDOW_DAYS, KEPT_DAYS = 14.0, 60.0, 180.0
TOTAL_WEIGHT, CANCELLED_SHRINK, RARE = 50.0, 100.0, 20.0
"""Source: tried on real flights, docs/eta.md."""

_CONGESTION_EDGES = np.asarray([-4.0, -1.0, 2.0, 5.0, 9.0, 14.0, 20.0, 28.0, 40.0])
_UNKNOWN = len(_CONGESTION_EDGES) + 1
_LEVEL_MINUTES = np.asarray([-6.0, -2.5, 0.5, 3.5, 7.0, 11.5, 17.0, 24.0, 34.0, 48.0, -np.inf])
"""The middle of each level, by which one that was hardly ever seen is judged."""


class _Kept:
    """One day's legs, kept to sort them anew when the bins move."""

    __slots__ = ("at", "cancelled", "delay", "score")

    def __init__(self, at: float, score: dict[When, Array], delay: Array, cancelled: Flags) -> None:
        self.at, self.score, self.delay, self.cancelled = at, score, delay, cancelled


class _Bins:
    """Legs by score: how late they left, and how many never did."""

    def __init__(self) -> None:
        self.edges = np.zeros(0)
        self.histograms = Histograms(low=LOW, high=HIGH, half_life_days=SLOW_DAYS, count=BINS)
        self.cancelled = Means(half_life_days=CANCELLED_DAYS, shrink=CANCELLED_SHRINK)

    @classmethod
    def of(cls, kept: "deque[_Kept]", when: When, edges: Array, *, at: float) -> "_Bins":
        """Sort kept days into bins with these edges, each as faded as it is by `at`."""
        bins, before = cls(), kept[0].at
        bins.edges = edges
        for one in kept:
            bins.age((one.at - before) / DAY_MINUTES)
            bins.learn(one.score[when], one.delay, one.cancelled)
            before = one.at
        bins.age((at - before) / DAY_MINUTES)
        return bins

    def age(self, days: float) -> None:
        self.histograms.age(days)
        self.cancelled.age(days)

    def learn(self, score: Array, delay: Array, cancelled: Flags) -> None:
        bins, left = self.bin_of(score), ~np.isnan(delay)
        self.histograms.learn(bins[left], delay[left])
        self.cancelled.learn(bins, cancelled.astype(np.float64))

    def bin_of(self, score: Array) -> Codes:
        found: Codes = np.searchsorted(self.edges, score)
        return found


class DepartureModel:
    """Learns when legs leave, with the delays of the day's other legs and without."""

    def __init__(self, prior: Array) -> None:
        self._prior = prior
        self._score = Stages(
            ("all", 0.0), ("origin_hour", 10.0), ("carrier_hour", 20.0), ("lane", 30.0), ("flight", 8.0),
            ("weekday", 200.0), half_life_days=SLOW_DAYS,
        )  # fmt: skip
        self._congestion = {when: Means(half_life_days=SLOW_DAYS, shrink=20.0) for when in WHENS}
        self._bins = {when: _Bins() for when in WHENS}
        self._kept: deque[_Kept] = deque()
        self._refreshed_at = -np.inf

    def age(self, days: float) -> None:
        """Let so many days pass."""
        self._score.age(days)
        for when in WHENS:
            self._congestion[when].age(days)
            self._bins[when].age(days)

    def learn(self, legs: Columns, congestion: dict[When, Array], *, at: float) -> None:
        """Add legs that have ended, with the same day's delays as they stood then."""
        own, left = self._score.mean(legs.codes), ~np.isnan(legs.delay)
        counted = np.clip(legs.delay, *DELAY_MINUTES)
        score = {}
        for when in WHENS:
            crowd = _crowd(congestion[when], legs.codes["band"])
            score[when] = own + self._crowding(crowd, when)
            self._congestion[when].learn(crowd[left], (counted - own)[left])
            self._bins[when].learn(score[when], legs.delay, legs.cancelled)
        self._score.learn(legs.take(left).codes, counted[left])
        self._kept.append(_Kept(at, score, legs.delay, legs.cancelled))

    def refresh(self, at: float) -> None:
        """Move the bins' edges once a fortnight, and sort what is kept into them anew."""
        while self._kept and self._kept[0].at < at - KEPT_DAYS * DAY_MINUTES:
            self._kept.popleft()
        if not self._kept or at < self._refreshed_at + REFRESH_DAYS * DAY_MINUTES:
            return
        self._refreshed_at = at
        for when in WHENS:
            recent = [one.score[when] for one in self._kept if one.at >= at - WINDOW_DAYS * DAY_MINUTES]
            if recent:
                edges = np.quantile(np.concatenate(recent), np.arange(1, BINS) / BINS)
                self._bins[when] = _Bins.of(self._kept, when, edges, at=at)

    def tables(self) -> dict[str, Means | Histograms]:
        """Return everything a forecast needs besides the edges, by name."""
        named: dict[str, Means | Histograms] = {f"score.{name}": one for name, one in self._score.named()}
        for when in WHENS:
            named[f"{when}.congestion"] = self._congestion[when]
            named[f"{when}.delays"] = self._bins[when].histograms
            named[f"{when}.cancelled"] = self._bins[when].cancelled
        return named

    @property
    def edges(self) -> dict[When, Array]:
        """The bins' edges."""
        return {when: self._bins[when].edges for when in WHENS}

    @edges.setter
    def edges(self, edges: dict[When, Array]) -> None:
        for when in WHENS:
            self._bins[when].edges = edges[when]

    def bin_of(self, codes: CodesByFeature, congestion: Array, when: When) -> Codes:
        """Return each leg's score bin."""
        crowd = _crowd(congestion, codes["band"])
        return self._bins[when].bin_of(self._score.mean(codes) + self._crowding(crowd, when))

    def _crowding(self, crowd: Codes, when: When) -> Array:
        """Return what the day's delays add to the score.

        A level at an hour that has hardly seen it counts as at all hours; one hardly ever seen, as late as the others,
        and no less than a lower one.
        """
        means, count = self._congestion[when], len(_LEVEL_MINUTES)
        levels = np.arange(len(means.weights)) // BANDS
        known, added = (
            np.bincount(levels, weights=one, minlength=count)[:count] for one in (means.weights, means.sums)
        )
        usual = self._score.named()[0][1].mean(np.zeros(1, np.int64))
        whole = (added + RARE * np.maximum(_LEVEL_MINUTES - usual, 0.0)) / (known + RARE)
        whole[:_UNKNOWN] = np.maximum.accumulate(whole[:_UNKNOWN])
        return means.mean_towards(crowd, whole[crowd // BANDS])

    def delays(self, when: When) -> Array:
        """Return the distribution of the delay for every bin, smoothed by its neighbours and the whole."""
        counts = self._bins[when].histograms.counts
        total = counts.sum(axis=0)
        whole = total + TOTAL_WEIGHT * self._prior
        smooth = counts + TOTAL_WEIGHT * whole / whole.sum()
        smooth[1:] += 0.5 * counts[:-1]
        smooth[:-1] += 0.5 * counts[1:]
        shares: Array = smooth / smooth.sum(axis=1, keepdims=True)
        return shares

    def cancelled(self, when: When) -> Array:
        """Return every bin's share of legs that are cancelled."""
        means = self._bins[when].cancelled
        total = means.sums.sum() / max(means.weights.sum(), 1e-9)
        return means.mean_towards(np.arange(BINS), np.full(BINS, total))


def crowd_level(congestion: Array) -> Codes:
    """Return how crowded origins are in steps: all that a forecast sees of their delays."""
    return np.where(np.isnan(congestion), _UNKNOWN, np.searchsorted(_CONGESTION_EDGES, congestion))


def _crowd(congestion: Array, band: Codes) -> Codes:
    """Return one code for how crowded the origin is and the time of day; an hour never seen counts as the first."""
    return (crowd_level(congestion) * BANDS + np.maximum(band, 0)).astype(np.int64)
