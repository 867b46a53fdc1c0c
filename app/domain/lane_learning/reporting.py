"""How late each carrier's scans are heard of, drawn towards the default where few are known."""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import numpy as np

from app.domain.lanes import REPORTING, Reporting

PRIOR_SCANS: Final = 30.0
"""The default counts as so many scans. Source: our convention."""

LEAST_MINUTES: Final = 0.25
_SPREADS: Final = (0.6, 2.2)
"""A carrier that reports at once is still believed to be late now and then. Source: our convention."""


def learned(delays: Iterable[tuple[str, float]]) -> dict[str, Reporting]:
    """Return how each carrier reports, from (carrier, minutes between what happened and hearing of it)."""
    by_carrier: dict[str, list[float]] = defaultdict(list)
    for carrier, minutes in delays:
        by_carrier[carrier].append(math.log(max(minutes, LEAST_MINUTES)))
    return {carrier: _reporting(np.asarray(logs)) for carrier, logs in sorted(by_carrier.items())}


def _reporting(logs: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Reporting:
    centre = math.log(REPORTING.median_minutes)
    weight = len(logs) / (len(logs) + PRIOR_SCANS)
    median = centre + weight * (float(np.median(logs)) - centre)
    square = weight * float(((logs - median) ** 2).mean()) + (1 - weight) * REPORTING.spread**2
    return Reporting(
        median_minutes=round(math.exp(median), 3),
        spread=round(min(max(math.sqrt(square), _SPREADS[0]), _SPREADS[1]), 3),
        estimate_weight=REPORTING.estimate_weight,
        estimate_spread_minutes=REPORTING.estimate_spread_minutes,
    )
