"""How far a probability is from changing the answer of a rule that reads it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Drift:
    """A probability that a rule reads, and where its answer changes: at `up` and above, or below `down`."""

    probability: float
    up: float | None = None
    down: float | None = None
