"""Distributions of many arrivals at once, in minutes around the planned arrival."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from app.domain.lanes import Array


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """One row a leg: `shares` of arriving per minute, given that it arrives; `unknown` is the chance that it does not.

    Bin i of row r stands for `offset[r] + i` minutes after the planned arrival, half a minute either way.
    """

    offset: Array
    shares: Array
    unknown: Array

    def heights(self) -> Array:
        """Return the running sums of the shares."""
        heights: Array = np.cumsum(self.shares, axis=1)
        return heights

    def quantiles(self, levels: Array, heights: Array) -> Array:
        """Return one quantile a level and row, linear inside a bin."""
        found = np.empty((len(self.offset), len(levels)))
        rows = np.arange(len(self.offset))
        for column, level in enumerate(levels):
            index = np.minimum((heights < level).sum(axis=1), heights.shape[1] - 1)
            below = np.where(index > 0, heights[rows, index - 1], 0.0)
            part = (level - below) / np.maximum(heights[rows, index] - below, 1e-12)
            found[:, column] = self.offset + index - 0.5 + np.clip(part, 0.0, 1.0)
        return found

    def by(self, minutes: Array, heights: Array) -> Array:
        """Return, for each row, the share that has arrived by a minute of its own, given that it arrives."""
        position = minutes - self.offset + 0.5
        index = np.clip(np.floor(position), 0, heights.shape[1] - 1).astype(np.int64)
        rows = np.arange(len(self.offset))
        below = np.where(index > 0, heights[rows, index - 1], 0.0)
        inside = np.clip(position - index, 0.0, 1.0)
        share: Array = np.where(position <= 0, 0.0, below + inside * (heights[rows, index] - below))
        return np.minimum(share, 1.0)


FLOOR: Final = 1e-300


def grown(unknown: Array, left: Array) -> Array:
    """Return the chance of never arriving once a share `left` of those that do is all that has not come."""
    chance: Array = unknown / np.maximum(unknown + (1 - unknown) * left, FLOOR)
    return chance
