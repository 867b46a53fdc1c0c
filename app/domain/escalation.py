"""Who else is told when nobody answers: policies, what they apply to, and what a step that is due does."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from app.domain.alerts import SEVERITY_RANK, Severity
from app.domain.handling import is_snoozed

Verdict = Literal["tell", "wait", "drop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationStep:
    """After so many minutes without acknowledgement, this endpoint is told; steps count from 1."""

    number: int
    after_minutes: float
    endpoint_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationPolicy:
    """What it applies to (None: no narrowing), and its steps."""

    id: str
    name: str
    min_severity: Severity
    kinds: tuple[str, ...] | None
    site_id: str | None
    study: str | None
    steps: tuple[EscalationStep, ...]

    def covers(self, *, kind: str, severity: str, site_id: str, study: str | None) -> bool:
        """Say whether an alert of this severity is the policy's."""
        return (
            SEVERITY_RANK[severity] >= SEVERITY_RANK[self.min_severity]
            and (self.kinds is None or kind in self.kinds)
            and self.site_id in (None, site_id)
            and self.study in (None, study)
        )

    def begins(self, *, severity: str, previous: str | None) -> bool:
        """Say whether this step of an alert's life is the one from which the minutes count."""
        least = SEVERITY_RANK[self.min_severity]
        return SEVERITY_RANK[severity] >= least and (previous is None or SEVERITY_RANK[previous] < least)

    def due_from(self, at: datetime) -> Iterator[tuple[EscalationStep, datetime]]:
        """Yield each step and when it is due, counted from `at`."""
        for step in self.steps:
            yield step, at + timedelta(minutes=step.after_minutes)


def verdict(
    *,
    covered: bool,
    is_open: bool,
    acknowledged: bool,
    snoozed_until: datetime | None,
    at: datetime,
) -> Verdict:
    """Say what a step that is due does: an alert put off waits with it, one answered or over needs nobody else."""
    if not covered or not is_open or acknowledged:
        return "drop"
    return "wait" if is_snoozed(snoozed_until, at=at) else "tell"
