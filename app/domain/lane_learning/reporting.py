"""How late each carrier's scans are heard of, and how good its estimates are; few are drawn towards the default."""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import numpy as np

from app.domain.lanes import REPORTING, Array, Reporting

PRIOR_SCANS: Final = 30.0
"""The default counts as so many scans. Source: our convention."""

PRIOR_ESTIMATES: Final = 10.0
ESTIMATE_LEAST_MINUTES: Final = 3.0
LEAST_MINUTES: Final = 0.25
_SPREADS: Final = (0.6, 2.2)
"""A carrier that reports at once is still believed to be late now and then. Source: our convention."""


def learned(
    delays: Iterable[tuple[str, float]], estimates: Iterable[tuple[str, float]] = ()
) -> dict[str, Reporting]:
    """Return how each carrier reports.

    `delays` are (carrier, minutes between what happened and hearing of it), `estimates` (carrier, minutes by which
    its estimate of an arrival was off).
    """
    logs, off = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for carrier, minutes in delays:
        logs[carrier].append(math.log(max(minutes, LEAST_MINUTES)))
    for carrier, minutes in estimates:
        off[carrier].append(minutes)
    return {
        carrier: _reporting(np.asarray(logs[carrier]), np.asarray(off[carrier]))
        for carrier in sorted({*logs, *off})
    }


def _reporting(logs: Array, off: Array) -> Reporting:
    centre = math.log(REPORTING.median_minutes)
    weight = len(logs) / (len(logs) + PRIOR_SCANS)
    median = centre + weight * (float(np.median(logs)) - centre) if len(logs) else centre
    seen = float(((logs - median) ** 2).mean()) if len(logs) else 0.0
    square = weight * seen + (1 - weight) * REPORTING.spread**2
    spread_minutes, trust = _estimating(off)
    return Reporting(
        median_minutes=round(math.exp(median), 3),
        spread=round(min(max(math.sqrt(square), _SPREADS[0]), _SPREADS[1]), 3),
        estimate_weight=trust,
        estimate_spread_minutes=spread_minutes,
    )


def _estimating(off: Array) -> tuple[float, float]:
    """Return how closely and how far a carrier's estimates are believed: the less, the further off they were."""
    usual = REPORTING.estimate_spread_minutes
    if not len(off):
        return usual, REPORTING.estimate_weight
    weight = len(off) / (len(off) + PRIOR_ESTIMATES)
    # The median of a normal error's size is 0.6745 of its spread.
    spread = weight * float(np.median(off)) / 0.6745 + (1 - weight) * usual
    trust = REPORTING.estimate_weight * min(4 / (3 + spread / usual), 1.2)
    return round(max(spread, ESTIMATE_LEAST_MINUTES), 1), round(trust, 3)
