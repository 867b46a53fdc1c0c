"""A leg history as CSV: a header, one leg a line, other columns ignored."""

import csv
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, get_args

from app.domain.lane_learning.history import LaneLeg, Outcome
from app.domain.shipment import Mode
from app.errors import Invalid

REQUIRED: Final = (
    "mode", "carrier", "origin", "destination", "planned_departure_at", "planned_arrival_at", "outcome",
)  # fmt: skip
OPTIONAL: Final = ("service", "departed_at", "arrived_at")
TEXT_MAX: Final = 120
LONGEST_DAYS: Final = 10

_MODES: Final = frozenset(get_args(Mode))
_OUTCOMES: Final = frozenset(get_args(Outcome))
_DAY_S: Final = 86_400.0
_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d")
"""How date and time begin; `fromisoformat` reads weeks and days of the year, too."""


class NoLegHistory(Invalid):
    """The text is no leg history: it cannot be read, or its header lacks a column or has one twice."""

    code = "no_leg_history"


class NothingToTest(Invalid):
    """The history is too short, or holds no leg of the mode."""

    code = "nothing_to_test"


class BadLeg(ValueError):
    """This row is no leg; the message says why and echoes nothing."""


def rows(text: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CSV text by column; empty fields are None.

    A `flight` column stands in for a missing `service`, because public flight records call it so.

    Raises:
        NoLegHistory: the header lacks a required column or has one twice, or a line is no CSV.
    """
    reader = csv.reader(text)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in REQUIRED if name not in header]
        if missing:
            raise NoLegHistory(f"the header lacks {', '.join(missing)}")
        twice = [name for name in (*REQUIRED, *OPTIONAL) if header.count(name) > 1]
        if twice:
            raise NoLegHistory(f"the header has {', '.join(twice)} more than once")
        columns = {name: header.index(name) for name in (*REQUIRED, *OPTIONAL) if name in header}
        if "service" not in columns and "flight" in header:
            columns["service"] = header.index("flight")
        for line in reader:
            if line:
                yield {name: (line[at] or None) if at < len(line) else None for name, at in columns.items()}
    except csv.Error as error:
        raise NoLegHistory(f"line {reader.line_num} is no CSV") from error


def leg_of(row: Any) -> LaneLeg:
    """Return the leg of a row, from CSV or JSON; unknown columns are ignored.

    Raises:
        BadLeg: it cannot have happened like this.
    """
    if not isinstance(row, dict):
        raise BadLeg("a row is an object")
    mode, outcome = _text(row, "mode"), _text(row, "outcome")
    if mode not in _MODES:
        raise BadLeg(f"mode must be one of {', '.join(sorted(_MODES))}")
    if outcome not in _OUTCOMES:
        raise BadLeg(f"outcome must be one of {', '.join(sorted(_OUTCOMES))}")
    leg = LaneLeg(
        mode=mode,  # type: ignore[arg-type]
        carrier=_text(row, "carrier"),
        service=_text(row, "service") if row.get("service") is not None else None,
        origin=_text(row, "origin"),
        destination=_text(row, "destination"),
        planned_departure_at=_instant(row, "planned_departure_at"),
        departed_at=_instant(row, "departed_at") if row.get("departed_at") is not None else None,
        planned_arrival_at=_instant(row, "planned_arrival_at"),
        arrived_at=_instant(row, "arrived_at") if row.get("arrived_at") is not None else None,
        outcome=outcome,  # type: ignore[arg-type]
    )
    _check(leg)
    return leg


def _check(leg: LaneLeg) -> None:
    if leg.planned_arrival_at <= leg.planned_departure_at:
        raise BadLeg("planned_arrival_at must be later than planned_departure_at")
    if leg.outcome == "arrived" and (leg.departed_at is None or leg.arrived_at is None):
        raise BadLeg("a leg that arrived needs departed_at and arrived_at")
    if leg.outcome == "departed" and leg.departed_at is None:
        raise BadLeg("a leg that departed needs departed_at")
    if leg.outcome != "arrived" and leg.arrived_at is not None:
        raise BadLeg(f"a leg that was told as {leg.outcome} has no arrived_at")
    if leg.outcome in {"planned", "cancelled"} and leg.departed_at is not None:
        raise BadLeg(f"a leg that was told as {leg.outcome} has no departed_at")
    if leg.arrived_at is not None and leg.departed_at is not None and leg.arrived_at <= leg.departed_at:
        raise BadLeg("arrived_at must be later than departed_at")
    instants = [leg.planned_departure_at, leg.planned_arrival_at, leg.departed_at, leg.arrived_at]
    known = [at for at in instants if at is not None]
    if (max(known) - min(known)).total_seconds() >= LONGEST_DAYS * _DAY_S:
        raise BadLeg(f"the leg spans {LONGEST_DAYS} days or more")


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadLeg(f"{name} must be a text")
    if len(value) > TEXT_MAX or not value.isprintable():
        raise BadLeg(f"{name} must be printable and at most {TEXT_MAX} characters long")
    return value.strip()


def _instant(row: dict[str, Any], name: str) -> datetime:
    value = row.get(name)
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) and _RFC_3339.match(value) else None
    except ValueError:
        at = None
    if at is None:
        raise BadLeg(f"{name} must be date and time as RFC 3339 text with an offset")
    if at.tzinfo is None:
        raise BadLeg(f"{name} has no offset")
    if not 1900 <= at.year <= 2200:
        raise BadLeg(f"{name} lies outside of the years 1900 to 2200")
    return at
