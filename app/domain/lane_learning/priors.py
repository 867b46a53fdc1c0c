"""What a mode's model believes before it has seen a leg: the priors that ship with the service."""

import numpy as np
from numpy.typing import NDArray

from app.domain.lane_learning import blocks, departures
from app.domain.lane_learning.model import LaneModel
from app.domain.lanes import PRIORS, Array, Distribution
from app.domain.shipment import Mode

TYPICAL_ROAD_MINUTES = 120.0
"""For which planned duration the prior of a mode off the air is taken. Source: our convention."""


def new_model(mode: Mode) -> LaneModel:
    """Return a model that has learned nothing yet."""
    delay = PRIORS.departure_delay[mode]
    residual = PRIORS.transit_residuals(mode, TYPICAL_ROAD_MINUTES)[0]
    return LaneModel(
        delay_prior=_on(delay, departures.LOW, departures.HIGH),
        residual_prior=_on(residual, blocks.LOW, blocks.HIGH),
    )


def _on(distribution: Distribution, low: int, high: int) -> Array:
    """Return a distribution on a model's grid, the ends holding what lies beyond them."""
    minutes: NDArray[np.int64] = np.arange(len(distribution.shares)) + distribution.low_minutes
    bins = np.clip(minutes, low, high) - low
    counts = np.bincount(bins, weights=distribution.shares, minlength=high - low + 1)
    shares: Array = counts / counts.sum()
    return shares
