"""How long silence may last: what bounds every probability while nothing is heard."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np

from app.domain import grids, lanes
from app.domain.drift import Drift
from app.domain.grids import COUNT, Grid, Spectra
from app.domain.lanes import Array, Reporting

CLOSE = 0.02
"""How far now's share may be from what the whole way says, and still count as exact. Source: our convention."""

DEEP = 0.01
"""Where fewer outcomes than this are so silent, what is unlikely decides, as a missed service and the next one, and
no share is exact. Source: our convention."""

TRUSTED = 0.1
"""The least share of now's silence that the bound is drawn to: events beyond the next two tell more and more.
Source: our convention."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """How likely it is that nothing will have been heard by the beginning of each bin: `shares`, of now's `share`.

    Since P(late and silent until t) ≤ P(late), that bounds what silence alone can make of any probability. It looks
    no further ahead than the next event and the one after it; `until` is when another could be heard of. Where that
    is not the whole story, as after a missed connection or a day of silence, it is not `exact`, and no bound.
    """

    grid: Grid
    shares: Array
    share: float
    until: datetime | None = None
    exact: bool = True

    def reached_at(self, drift: Drift) -> datetime | None:
        """Return the first instant at which silence may have moved a probability so far; None: it cannot.

        P(late | silent until t) lies between 1 − (1 − p)/S and p/S, where S is the share of silence that is left
        at t: the answer is never later than the probability gets there, and often earlier.
        """
        left = 0.0
        if drift.up is not None and drift.probability < drift.up:
            left = drift.probability / drift.up
        if drift.down is not None and drift.probability >= drift.down:
            left = max(left, (1.0 - drift.probability) / (1.0 - drift.down))
        if left <= 0.0:
            return None
        left = max(left * (1.0 + CLOSE), TRUSTED)
        index = int((-self.shares).searchsorted(-left * self.share, side="right"))
        # What is first too small at the beginning of a bin became so in the bin before.
        return self.grid.instant(float(max(index - 1, 0))) if index < COUNT else None


def quiet_shares(
    happens: Array,
    never: Array,
    *,
    steps_minutes: Sequence[int],
    first: Sequence[Reporting],
    then: Sequence[Reporting],
    durations: Spectra,
) -> Array:
    """Return, row by row, the share of outcomes of which nothing has been heard by the beginning of each bin.

    The next event `happens` in each bin, or `never`; its carrier reports as `first` says. The event after it comes
    so much later as the spectra of `durations` say (all zero: it does not come), and is reported as `then` says.
    """
    told = np.array([_reported(*one) for one in zip(first, steps_minutes, strict=True)])
    told_then = np.array([_reported_spectrum(*one) for one in zip(then, steps_minutes, strict=True)])
    told_after = grids.inverse(durations * told_then)
    heard = told + told_after - told * told_after
    broken = grids.inverse(grids.transform(happens) * grids.transform(heard))
    left = happens.sum(axis=1)[:, None] + never[:, None] - broken
    silent: Array = np.minimum.accumulate(np.maximum(left, 0.0), axis=1)
    return silent


@lru_cache(maxsize=256)
def _reported(by: Reporting, step_minutes: int) -> Array:
    """Return how likely what happened so many bins before has been heard of at the beginning of a bin."""
    since: Array = (np.arange(COUNT, dtype=np.float64) - 0.5) * step_minutes
    return 1.0 - lanes.unreported_share(since, by.median_minutes, by.spread)


@lru_cache(maxsize=256)
def _reported_spectrum(by: Reporting, step_minutes: int) -> Spectra:
    return grids.transform(_reported(by, step_minutes))
