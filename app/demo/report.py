"""The table at the end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from app.demo.checks import first_warning_at
from app.demo.scenario import Story

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Line:
    """One shipment: its story, what was forecast before it left, how it ended, and what was told."""

    story: Story
    forecast: Mapping[str, Any] | None
    final: Mapping[str, Any]
    alerts: list[dict[str, Any]]


def show(console: Console, lines: Iterable[Line]) -> None:
    """Print one row per shipment, then how many actual arrivals the intervals held."""
    table = Table(
        title="40 doses on real flights (New York, July and August 2013, moved to one day)",
        box=box.SIMPLE_HEAD,
    )
    for name in (
        "shipment",
        "nuclide",
        "flight",
        "MBq at\narrival",
        "planned",
        "actual",
        "p50 error",
        "in\np10–p90",
        "verdict",
        "warned\nbefore loss",
    ):
        table.add_column(name, no_wrap=True)
    held = []
    for line in lines:
        error, inside = _judged(line)
        if inside is not None:
            held.append(inside)
        dose, actual_at = line.final["doses"][0], line.story.delivered_at
        table.add_row(
            line.story.reference,
            dose["nuclide"],
            line.story.flight.service,
            _activity(dose) if actual_at else "–",
            f"{line.story.planned_at:%H:%M}",
            f"{actual_at:%H:%M}" if actual_at else "never",
            error,
            {True: "yes", False: "no", None: "–"}[inside],
            dose["verdict"],
            _warned(line),
            style="red" if line.story.dies else None,
        )
    console.print(table)
    console.print(
        f"actual arrival inside the interval forecast before departure: {sum(held)} of {len(held)} delivered"
    )


def _judged(line: Line) -> tuple[str, bool | None]:
    eta, actual_at = (line.forecast or {}).get("eta"), line.story.delivered_at
    if not eta or actual_at is None or eta["p50"] is None:
        return "–", None
    error = (datetime.fromisoformat(eta["p50"]) - actual_at) / MINUTE
    above_low = datetime.fromisoformat(eta["p10"]) <= actual_at
    below_high = eta["p90"] is None or actual_at <= datetime.fromisoformat(eta["p90"])
    return f"{error:+.0f} min", above_low and below_high


def _activity(dose: Mapping[str, Any]) -> str:
    activity_mbq = dose["activity_mbq"]["at_eta_p50"]
    return "–" if activity_mbq is None else f"{activity_mbq:,.1f}"


def _warned(line: Line) -> str:
    warned_at = first_warning_at(line.alerts)
    if warned_at is None:
        return "–"
    lead = (line.story.lost_at - warned_at) / MINUTE
    return f"{lead:.0f} min" if line.story.dies else "(saved)"
