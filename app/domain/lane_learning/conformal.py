"""Levels corrected by what happened: if 14 % fell below last month's p10, ask for a lower one."""

from collections import deque
from typing import Final

import numpy as np

from app.domain.lane_learning.history import DAY_MINUTES
from app.domain.lanes import Array

WINDOW_DAYS, ENOUGH, SHRINK = 21.0, 300, 400.0
"""Source: tried on real flights, docs/eta.md."""

LEVELS: Final = np.linspace(0.0, 1.0, 101)


class Conformal:
    """One horizon's correction. A forecast teaches only once its outcome is known, and never its own day."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Array, Array]] = deque()
        self.map = LEVELS.copy()

    def keep(self, asked_at: float, ranks: Array, finished: Array) -> None:
        """Keep forecasts by the rank of what happened in them (0 to 1), and when that became known."""
        self._kept.append((asked_at, ranks, finished))

    def refresh(self, at: float) -> None:
        """Learn the correction that holds until the next refresh."""
        while self._kept and self._kept[0][0] < at - (WINDOW_DAYS + 2.0) * DAY_MINUTES:
            self._kept.popleft()
        since = at - WINDOW_DAYS * DAY_MINUTES
        known = [ranks[finished <= at] for asked_at, ranks, finished in self._kept if asked_at >= since]
        ranks = np.concatenate(known) if known else np.zeros(0)
        if len(ranks) <= ENOUGH:
            self.map = LEVELS.copy()
            return
        weight = len(ranks) / (len(ranks) + SHRINK)
        self.map = weight * np.quantile(ranks, LEVELS) + (1 - weight) * LEVELS
        self.map[0], self.map[-1] = 0.0, 1.0

    def level(self, share: float) -> float:
        """Return which level of the raw forecast is the true `share`."""
        return float(np.interp(share, LEVELS, self.map))

    def share(self, level: Array) -> Array:
        """Return the true share of a raw level; the inverse of `level`."""
        corrected: Array = np.interp(level, self.map, LEVELS)
        return corrected
