"""What must hold at the end of the demonstration; each check speaks a sentence when it does not."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from app.demo.scenario import Story

DEATHS_MIN = 6
LOUD = frozenset({"warning", "critical"})


def lost_or_doubled(
    reference: str, sent: Iterable[Mapping[str, Any]], stored: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    """Compare what couriers hold an acknowledgement for with what the service lists: each exactly once.

    A scan is what happened: the same type, leg and instant under another id is a double.
    """
    held = Counter((one["type"], one.get("leg") or 0, _instant(one["occurred_at"])) for one in stored)
    told = {(one["type"], one.get("leg") or 0, _instant(one["occurred_at"])) for one in sent}
    for scan in sorted(told - held.keys()):
        yield f"{reference}: {scan[0]} of leg {scan[1]} was acknowledged and is lost"
    for scan, count in sorted(held.items()):
        if count > 1 or scan not in told:
            yield f"{reference}: {scan[0]} of leg {scan[1]} is stored {count} times, sent {int(scan in told)}"


def first_warning_at(alerts: Iterable[Mapping[str, Any]]) -> datetime | None:
    """Return when it was first said aloud, in a message received, that a dose may be lost."""
    raised = [
        _instant(one["raised_at"])
        for one in alerts
        if one["kind"] in {"arrival_after_expiry", "missed_connection"} and one["severity"] in LOUD
    ]
    return min(raised, default=None)


def unwarned(story: Story, alerts: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Require a warning before a dose is lost."""
    if not story.dies:
        return
    warned_at = first_warning_at(alerts)
    if warned_at is None or warned_at >= story.lost_at:
        said = "none came" if warned_at is None else f"the first came at {warned_at:%H:%M}Z"
        yield f"{story.reference}: the dose was lost at {story.lost_at:%H:%M}Z without an alert before ({said})"


def signatures(*, forged: int) -> Iterator[str]:
    """Require that every message received was signed."""
    if forged:
        yield f"{forged} webhook message(s) carried a false signature"


def deaths(stories: Iterable[Story]) -> Iterator[str]:
    """Require that the demonstration shows what it is for."""
    count = sum(story.dies for story in stories)
    if count < DEATHS_MIN:
        yield f"only {count} doses died; the demonstration needs {DEATHS_MIN}"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
