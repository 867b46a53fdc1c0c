"""Were the forecasts true? Which are kept, and what their outcomes say about them all."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np

from app.domain.correction import LEVELS, Correction, raw_level
from app.domain.eta import Arrival
from app.domain.horizons import HORIZONS, Horizon
from app.domain.lanes import Array
from app.domain.spans import MINUTE

CHANGED: Final = timedelta(minutes=15)
KEPT_MAX: Final = 6
"""Of one shipment and horizon, a forecast is kept when its interval moved by so much, and at most so many."""

TENTHS: Final = 10

_TAIL = (0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075)
RANK_LEVELS: Final = np.asarray([*_TAIL, *np.arange(2, 19) / 20, *(1 - tail for tail in reversed(_TAIL))])
"""Of which levels the quantiles are kept, to find the rank of what happens: dense where the tails are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecasted:
    """One forecast that was kept; quantiles are None where so large a share had no known arrival."""

    shipment_id: str
    horizon: Horizon
    number: int
    asked_at: datetime
    legs: int
    p10_at: datetime | None
    p50_at: datetime | None
    p90_at: datetime | None
    late_probability: float | None
    latest_at: datetime | None
    lanes_version: str
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A kept forecast and what became of it; `arrived_at` None: it was lost."""

    horizon: Horizon
    legs: int
    p10_at: datetime | None
    p90_at: datetime | None
    late_probability: float | None
    latest_at: datetime | None
    arrived_at: datetime | None


def is_news(last: Forecasted | None, arrival: Arrival) -> bool:
    """Say whether a forecast differs from the last one kept of its horizon so much that it is kept as well."""
    if last is None:
        return True
    if last.number + 1 >= KEPT_MAX:
        return False
    pairs = ((last.p10_at, arrival.p10_at), (last.p50_at, arrival.p50_at), (last.p90_at, arrival.p90_at))
    return any(_moved(before, after) for before, after in pairs)


def raw_minutes(arrival: Arrival, asked_at: datetime) -> Array | None:
    """Return the quantiles at RANK_LEVELS of a forecast as it was computed, given that it arrives.

    They are minutes after `asked_at`. None: it has no known arrival at all.
    """
    heights = arrival.uncorrected
    if arrival.grid is None or heights is None or heights[-1] <= 0.0:
        return None
    positions = np.interp(RANK_LEVELS * heights[-1], heights, np.arange(1.0, len(heights) + 1))
    start_minutes = (arrival.grid.start_at - asked_at) / MINUTE
    found: Array = start_minutes + positions * arrival.grid.step_minutes
    return found


def rank_of(arrived_at: datetime, asked_at: datetime, raw: Array) -> float:
    """Return at which level of a kept forecast the delivery fell, 0 to 1."""
    return float(np.interp((arrived_at - asked_at) / MINUTE, raw, RANK_LEVELS, left=0.0, right=1.0))


def coverage(settled: Iterable[Settled]) -> list[dict[str, Any]]:
    """Return, by week of arrival, horizon and number of legs, the shares below p10, inside and above p90."""
    cells: dict[tuple[date, str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for one in settled:
        if one.arrived_at is None or one.p10_at is None:
            continue
        # Without a p90 more than a tenth was given no arrival at all: what did arrive is inside.
        above = one.p90_at is not None and one.arrived_at > one.p90_at
        side = 0 if one.arrived_at < one.p10_at else 2 if above else 1
        cells[_week(one.arrived_at), one.horizon, one.legs][side] += 1
    return [
        {
            "week": week.isoformat(),
            "horizon": horizon,
            "legs": legs,
            "cases": sum(counts),
            "below_p10": round(counts[0] / sum(counts), 4),
            "inside": round(counts[1] / sum(counts), 4),
            "above_p90": round(counts[2] / sum(counts), 4),
        }
        for (week, horizon, legs), counts in sorted(cells.items(), key=_by_week)
    ]


def reliability(settled: Iterable[Settled]) -> list[dict[str, Any]]:
    """Return, by horizon and tenth of the scale, how likely being late was said to be and how often it came true."""
    cells: dict[tuple[str, int], list[tuple[float, bool]]] = defaultdict(list)
    for one in settled:
        if one.late_probability is None or one.latest_at is None:
            continue
        late = one.arrived_at is None or one.arrived_at > one.latest_at
        tenth = min(int(one.late_probability * TENTHS), TENTHS - 1)
        cells[one.horizon, tenth].append((one.late_probability, late))
    return [
        {
            "horizon": horizon,
            "from": tenth / TENTHS,
            "until": (tenth + 1) / TENTHS,
            "cases": len(cases),
            "said": round(sum(said for said, _ in cases) / len(cases), 4),
            "came_true": round(sum(late for _, late in cases) / len(cases), 4),
        }
        for (horizon, tenth), cases in sorted(
            cells.items(), key=lambda cell: (HORIZONS.index(cell[0][0]), cell[0][1])
        )
    ]


def levels_asked(by: Correction | None) -> list[dict[str, Any]]:
    """Return, by horizon, which level of the forecast as computed is told as p10, p50 and p90."""
    cases = by.cases if by else (0,) * len(HORIZONS)
    rows = by.table if by else [LEVELS] * len(HORIZONS)
    return [
        {"horizon": horizon, "cases": count}
        | {f"p{share}": round(raw_level(share / 100, levels), 4) for share in (10, 50, 90)}
        for horizon, count, levels in zip(HORIZONS, cases, rows, strict=True)
    ]


def weekly(cells: Sequence[dict[str, Any]]) -> list[tuple[str, list[float]]]:
    """Return the share inside p10–p90 week by week, by horizon, over all numbers of legs."""
    weeks = sorted({cell["week"] for cell in cells})
    lines = []
    for horizon in HORIZONS:
        values = []
        for week in weeks:
            own = [cell for cell in cells if cell["week"] == week and cell["horizon"] == horizon]
            cases = sum(cell["cases"] for cell in own)
            if cases:
                values.append(sum(cell["inside"] * cell["cases"] for cell in own) / cases)
        lines.append((horizon, values))
    return lines


def _by_week(cell: tuple[tuple[date, str, int], list[int]]) -> tuple[date, int, int]:
    week, horizon, legs = cell[0]
    return week, HORIZONS.index(horizon), legs


def _week(at: datetime) -> date:
    return at.date() - timedelta(days=at.weekday())


def _moved(before: datetime | None, after: datetime | None) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(after - before) >= CHANGED
