"""How good answers were: sharper than a tracker, honest about their spread, and true in their probabilities."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from app.domain.lane_learning.backtest import LEVELS, SLACKS, Answers
from app.domain.lane_learning.history import Columns
from app.domain.lanes import Array

WEEK_MINUTES: Final = 10_080.0
WEEK_CASES_MIN: Final = 200
DECILE_CASES_MIN: Final = 1_000
JUDGED_SLACKS: Final = (30.0, 60.0, 120.0, 180.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """One horizon. Ratios are to the tracker, below 1 is better; shares are 0 to 1."""

    name: str
    cases: int
    pinball_ratio: float
    error_ratio: float
    inside: float
    worst_week_inside: float | None
    weeks: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """One horizon and slack: is "30 % late" late in 30 % of cases, and is it a better number than the others'?"""

    name: str
    slack_minutes: float
    cases: int
    error: float
    worst_decile: float | None
    deciles: tuple[tuple[float, float, int], ...]
    """(said, came true, cases) for each tenth of the scale that was used."""
    brier: float
    brier_schedule: float
    brier_known: float
    brier_isotonic: float


def pinball(quantiles: Array, minutes: Array) -> Array:
    """Return each case's mean pinball loss over p10, p50 and p90."""
    losses = []
    for column, level in enumerate(LEVELS):
        error = minutes - quantiles[:, column]
        losses.append(np.maximum(level * error, (level - 1) * error))
    mean: Array = np.mean(losses, axis=0)
    return mean


def accuracy(answers: Answers, legs: Columns) -> Accuracy:
    """Judge the interval on the legs that arrived."""
    minutes = (legs.arrived - legs.planned_arrival)[answers.leg]
    came = ~np.isnan(minutes)
    minutes, quantiles, known = minutes[came], answers.quantiles[came], answers.known[came]
    inside = (minutes >= quantiles[:, 0]) & (minutes <= quantiles[:, 2])
    week = ((answers.asked_at - answers.asked_at.min()) // WEEK_MINUTES)[came]
    weeks = tuple(
        float(inside[week == one].mean()) for one in np.unique(week) if (week == one).sum() >= WEEK_CASES_MIN
    )
    tracker = np.repeat(known[:, None], len(LEVELS), axis=1)
    return Accuracy(
        name=answers.horizon.name,
        cases=len(minutes),
        pinball_ratio=_ratio(pinball(quantiles, minutes), pinball(tracker, minutes)),
        error_ratio=_ratio(np.abs(quantiles[:, 1] - minutes), np.abs(known - minutes)),
        inside=float(inside.mean()) if len(inside) else 0.0,
        worst_week_inside=min(weeks, default=None),
        weeks=weeks,
    )


def reliability(answers: Answers, legs: Columns, *, slack: float, learned_before: float) -> Reliability:
    """Judge P(late) of all cases; a leg that never arrives is late."""
    said = answers.late[:, int(np.flatnonzero(slack == SLACKS)[0])]
    late = _late(legs, slack)[answers.leg]
    tenth = np.minimum((said * 10).astype(np.int64), 9)
    deciles = tuple(
        (float(said[tenth == one].mean()), float(late[tenth == one].mean()), int((tenth == one).sum()))
        for one in np.unique(tenth)
    )
    wide = [abs(a - b) for a, b, count in deciles if count >= DECILE_CASES_MIN]
    isotonic = _isotonic_on_known(answers, legs, slack=slack, learned_before=learned_before)
    return Reliability(
        name=answers.horizon.name,
        slack_minutes=slack,
        cases=len(said),
        error=sum(abs(a - b) * count for a, b, count in deciles) / max(len(said), 1),
        worst_decile=max(wide, default=None),
        deciles=deciles,
        brier=_brier(said, late),
        brier_schedule=_brier(np.zeros(len(late)), late),
        brier_known=_brier((answers.known > slack).astype(np.float64), late),
        brier_isotonic=_brier(isotonic, late),
    )


def isotonic(known: Array, late: Array) -> tuple[Array, Array]:
    """Return the rising step function that fits best: the known delays where it is pinned, and its values there.

    Source: pool adjacent violators (Ayer and others, 1955).
    """
    values, index = np.unique(known, return_inverse=True)
    weights = np.bincount(index).astype(np.float64)
    means = np.bincount(index, weights=late) / weights
    blocks: list[list[float]] = []
    for mean, weight in zip(means, weights, strict=True):
        blocks.append([mean, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            last, before = blocks.pop(), blocks.pop()
            total = last[1] + before[1]
            pooled = (last[0] * last[1] + before[0] * before[1]) / total
            blocks.append([pooled, total, last[2] + before[2]])
    return values, np.repeat([block[0] for block in blocks], [int(block[2]) for block in blocks])


def known_delay(answers: Answers, legs: Columns) -> Array:
    """Return the delay that a tracker knows at the answers' horizon, for any legs."""
    horizon = answers.horizon
    if horizon.kind == "ahead":
        return np.zeros(len(legs))
    if horizon.kind == "silence":
        return np.full(len(legs), horizon.minutes)
    return np.maximum(legs.delay, horizon.minutes) if horizon.kind == "arrival" else legs.delay


def _isotonic_on_known(answers: Answers, legs: Columns, *, slack: float, learned_before: float) -> Array:
    at = answers.horizon.asked_at(legs)
    chosen = answers.horizon.asks(legs, at)
    chosen = chosen[at[chosen] < learned_before]
    if not len(chosen):
        return np.full(len(answers.leg), 0.5)
    learned = legs.take(chosen)
    values, heights = isotonic(known_delay(answers, learned), _late(learned, slack))
    return np.interp(answers.known, values, heights)


def _late(legs: Columns, slack: float) -> Array:
    return (~(legs.arrived - legs.planned_arrival <= slack)).astype(np.float64)


def _ratio(ours: Array, theirs: Array) -> float:
    return float(ours.sum() / theirs.sum()) if len(theirs) and theirs.sum() > 0 else float("nan")


def _brier(said: Array, late: Array) -> float:
    return float(((said - late) ** 2).mean()) if len(late) else float("nan")
