"""`dosetrail backtest`: a leg history replayed in order of time, each forecast made as on the day, then judged."""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO, cast

import numpy as np

from app.domain.lane_learning import scores, usefulness
from app.domain.lane_learning.backtest import Answers, Backtest
from app.domain.lane_learning.history import (
    DAY_MINUTES,
    ENDED,
    STAGE,
    Coder,
    Codes,
    Columns,
    LaneLeg,
    minutes_of,
)
from app.domain.lane_learning.priors import new_model
from app.domain.lane_learning.questions import AHEAD, Horizon
from app.domain.lane_learning.replay import Replay
from app.domain.lane_learning.spread import Spread
from app.domain.shipment import Mode
from app.formats import backtest_report, lane_history
from app.formats.lane_history import BadLeg, NoLegHistory, NothingToTest

Progress = Callable[[float, str], None]

TOLD: Final = (
    "2 h before departure", "silence 15 min", "silence 30 min", "silence 60 min", "at departure",
    "planned arrival +0", "planned arrival +15", "planned arrival +30",
)  # fmt: skip
DRAWN_SLACK: Final = 60.0
EARLIER_MINUTES: Final = 0.05
"""Two medians that differ by less are the same: they are read off a grid of minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came out; `refused` counts rows by reason."""

    text: str
    curves: dict[str, str]
    refused: dict[str, int]


def run(path: Path, *, mode: Mode, count_from: datetime | None, same_day: bool, progress: Progress) -> Report:
    """Replay a file; without `count_from` the last quarter of its time counts, and all before only teaches.

    Raises:
        NothingToTest, NoLegHistory.
    """
    progress(0.0, "reading")
    legs, refused = _read(path, mode)
    columns = Coder().columns(legs)
    if len(columns) < 2:
        raise NothingToTest(f"the history holds no {mode} legs to learn from and test on")
    first, last = float(columns.planned_departure.min()), float(columns.planned_departure.max())
    begins = first + 0.75 * (last - first) if count_from is None else minutes_of(count_from)
    journeys = usefulness.JourneyTrial(columns)
    tested = Backtest(columns, Replay(columns, new_model(mode), same_day), begins, _only_ahead(journeys))
    for morning in tested.days():
        progress(min(max((morning - first) / max(last - first, DAY_MINUTES), 0.0), 1.0), "replaying")
    answers = tested.answers()
    if not answers:
        raise NothingToTest("no leg is planned after the day from which forecasts count")
    progress(1.0, "judging")
    return _report(columns, answers, journeys, begins, refused)


def _only_ahead(journeys: usefulness.JourneyTrial) -> Callable[[Horizon, Codes, Spread], None]:
    def keep(horizon: Horizon, leg: Codes, spread: Spread) -> None:
        if horizon is AHEAD:
            journeys.add(leg, spread)

    return keep


def _read(path: Path, mode: Mode) -> tuple[list[LaneLeg], dict[str, int]]:
    try:
        with _opened(path) as text:
            return _legs_of(text, mode)
    except UnicodeDecodeError as error:
        raise NoLegHistory("the file is not UTF-8 text; a compressed one is named `….gz`") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise NoLegHistory("the file is named `….gz` and is no sound gzip") from error
    except EOFError as error:
        raise NoLegHistory("the compressed file breaks off") from error


def _legs_of(text: TextIO, mode: Mode) -> tuple[list[LaneLeg], dict[str, int]]:
    legs, refused = [], dict[str, int]()
    for row in lane_history.rows(iter(text)):
        try:
            leg = lane_history.leg_of(row)
        except BadLeg as error:
            refused[str(error)] = refused.get(str(error), 0) + 1
            continue
        if leg.mode == mode and STAGE[leg.outcome] == ENDED:
            legs.append(leg)
    return legs, refused


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8", newline=""))
    return path.open(encoding="utf-8", newline="")


def _report(
    legs: Columns,
    answers: dict[str, Answers],
    journeys: usefulness.JourneyTrial,
    begins: float,
    refused: dict[str, int],
) -> Report:
    told = [answers[name] for name in TOLD if name in answers]
    accuracies = [scores.accuracy(one, legs) for one in told]
    reliabilities = [
        scores.reliability(one, legs, slack=slack, learned_before=begins)
        for one in told
        for slack in scores.JUDGED_SLACKS
    ]
    head = (
        f"{len(legs):,} legs; forecasts count from "
        f"{datetime.fromtimestamp(begins * 60, UTC):%Y-%m-%d %H:%M}Z.\n\n"
    )
    text = backtest_report.tables(
        accuracies,
        reliabilities,
        usefulness.warnings(answers, legs),
        journeys.result(),
        _earlier_medians(answers),
    )
    drawn = [one for one in reliabilities if one.slack_minutes == DRAWN_SLACK]
    return Report(text=head + text, curves=dict(backtest_report.curves(accuracies, drawn)), refused=refused)


def _earlier_medians(answers: dict[str, Answers]) -> int:
    """Count how often a silent leg's median moved earlier from one quarter of an hour to the next."""
    last = dict[int, float]()
    earlier = 0
    silent = [one for one in answers.values() if one.horizon.kind == "silence"]
    for one in sorted(silent, key=lambda answer: answer.horizon.minutes):
        for leg, median in zip(one.leg.tolist(), one.quantiles[:, 1].tolist(), strict=True):
            earlier += median < last.get(leg, -np.inf) - EARLIER_MINUTES
            last[leg] = median
    return earlier
