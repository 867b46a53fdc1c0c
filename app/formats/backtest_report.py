"""A backtest told in Markdown tables and curves."""

import math
from collections.abc import Mapping, Sequence

from app.domain.lane_learning.scores import Accuracy, Reliability
from app.domain.lane_learning.usefulness import Journeys, Warned
from app.formats.svg import Axis, Series, line_chart


def tables(
    accuracies: Sequence[Accuracy],
    reliabilities: Sequence[Reliability],
    warned: Sequence[Warned],
    journeys: Journeys,
    earlier_medians: int,
) -> str:
    """Return everything as text, ready for a document."""
    parts = [
        "### Arrival against a tracker",
        "Before departure the tracker is the schedule; from then on schedule + known delay, silence counting as "
        "delay. Ratios below 1 are better; p10–p90 should hold 80 %.",
        _table(
            ("horizon", "cases", "pinball ratio", "absolute error ratio", "inside p10–p90", "worst week"),
            [_accuracy(one) for one in accuracies],
        ),
        f"While silent, p50 moved earlier {earlier_medians:,} times, each on news: other legs' delays, or the "
        "morning's new tables.",
        "### Is the probability of being late true?",
        _table(
            ("horizon", "slack", "error", "worst tenth", "Brier", "schedule", "known delay", "isotonic"),
            [_reliability(one) for one in reliabilities],
        ),
        "### Lost doses warned of, at the same rate of false alarms",
        _table(
            ("slack", "false alarms", "ours", "lead", "told at departure", "lead", "counts silence", "lead"),
            _warned(warned),
        ),
        "### Journeys of three legs: how many arrive by p90",
        _table(
            ("journeys", "composed", "sum of p90s", "its width", "without dwell"),
            [_journeys(journeys)],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def curves(accuracies: Sequence[Accuracy], reliabilities: Sequence[Reliability]) -> Mapping[str, str]:
    """Return SVG texts by file name."""
    return {
        "coverage.svg": coverage_curve([(one.name, one.weeks) for one in accuracies]),
        "reliability.svg": reliability_curve(
            [(f"{one.name}, {one.slack_minutes:g} min", one.deciles) for one in reliabilities]
        ),
    }


def coverage_curve(weeks: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Draw the share inside p10–p90 week by week."""
    longest = max((len(values) for _, values in weeks), default=1)
    target = Series("80 %", [(1, 0.8), (max(longest, 2), 0.8)], dashed=True)
    lines = [
        Series(name, [(week, value) for week, value in enumerate(values, start=1)], dots=True)
        for name, values in weeks
        if values
    ]
    return line_chart(
        "Inside p10–p90, week by week",
        Axis(label="week", low=1, high=max(longest, 2), whole=True),
        Axis(label="share of arrivals", low=0.5, high=1.0, percent=True),
        [target, *lines],
    )


def reliability_curve(
    cells: Sequence[tuple[str, Sequence[tuple[float, float, int]]]], *, cases_min: int = 50
) -> str:
    """Draw what came true against what was said."""
    lines = [
        Series(name, [(said, true) for said, true, count in deciles if count >= cases_min], dots=True)
        for name, deciles in cells
    ]
    return line_chart(
        "Probability of being late: said and come true",
        Axis(label="said", low=0.0, high=1.0, percent=True),
        Axis(label="came true", low=0.0, high=1.0, percent=True),
        [Series("perfect", [(0.0, 0.0), (1.0, 1.0)], dashed=True), *lines],
    )


def _accuracy(one: Accuracy) -> tuple[str, ...]:
    ratios = (_ratio(one.pinball_ratio), _ratio(one.error_ratio))
    return one.name, f"{one.cases:,}", *ratios, _percent(one.inside), _percent(one.worst_week_inside)


def _journeys(one: Journeys) -> tuple[str, ...]:
    shares = (_percent(one.composed), _percent(one.sum_of_p90s))
    return f"{one.chains:,}", *shares, _times(one.sum_of_p90s_width), _percent(one.without_dwell)


def _reliability(one: Reliability) -> tuple[str, ...]:
    briers = (one.brier, one.brier_schedule, one.brier_known, one.brier_isotonic)
    return (
        one.name,
        f"{one.slack_minutes:g} min",
        f"{100 * one.error:.1f}",
        "–" if one.worst_decile is None else f"{100 * one.worst_decile:.1f}",
        *(f"{value:.4f}" for value in briers),
    )


def _warned(warned: Sequence[Warned]) -> list[tuple[str, ...]]:
    found = {(one.slack_minutes, one.false_alarm_rate, one.method): one for one in warned}
    rows = []
    for slack, rate in dict.fromkeys((one.slack_minutes, one.false_alarm_rate) for one in warned):
        three = [found[slack, rate, method] for method in ("ours", "departure", "silence")]
        told = [text for one in three for text in (_percent(one.warned), _minutes(one.mean_lead_minutes))]
        rows.append((f"{slack:g} min", f"{rate:.0%}", *told))
    return rows


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["-"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ratio(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _times(value: float) -> str:
    return "–" if math.isnan(value) else f"× {value:.2f}"


def _minutes(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0f} min"


def _percent(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{100 * value:.1f} %"
