"""An alert's life: a condition holds, opens, climbs or steps down its ladder, and ends."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

Severity = Literal["info", "warning", "critical"]
Action = Literal["opened", "escalated", "deescalated", "resolved"]
AlertKey = tuple[str, str]
"""(kind, subject): what at most one alert of a shipment is open for."""

SHIPMENT = "shipment"
SEVERITY_RANK: Mapping[str, int] = {"info": 0, "warning": 1, "critical": 2}

LATE_AFTER = timedelta(minutes=15)
"""An alert told later than this after it became true says so.

Source: our convention; three times the median reporting delay of couriers (5 minutes)."""


def dose_subject(dose_id: str) -> str:
    """Return the subject of an alert about one dose."""
    return f"dose:{dose_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What lies behind an alert; alerts with equal causes can be shown as one."""

    kind: str
    leg: int | None = None
    service: str | None = None
    location: str | None = None
    lot: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is true now and that somebody should know.

    `since` None: the rule cannot read it off the facts, so the assessment searches for it. `act_by` None:
    nothing that anybody does about the way changes it.
    """

    kind: str
    subject: str
    severity: Severity
    cause: Cause
    summary: str
    since: datetime | None = None
    act_by: datetime | None = None
    evidence: dict[str, float] = field(default_factory=dict)
    what_would_help: tuple[str, ...] = ()

    @property
    def key(self) -> AlertKey:
        """What it is about."""
        return self.kind, self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAlert:
    """An alert as it stands in the store; `cause` None: nobody asks what it says."""

    id: str
    kind: str
    subject: str
    severity: Severity
    since: datetime
    cause: Cause | None = None
    act_by: datetime | None = None

    @property
    def key(self) -> AlertKey:
        """What it is about."""
        return self.kind, self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAlert:
    """An alert that has ended, and from when to when it was true."""

    kind: str
    subject: str
    since: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedAlert:
    """An alert that a person closed at `closed_at` although its condition still held."""

    id: str
    kind: str
    subject: str
    closed_at: datetime

    @property
    def key(self) -> AlertKey:
        """What it is about."""
        return self.kind, self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertChange:
    """One step of one alert.

    `alert_id` is None when it opens; `condition` is None when it ends, and then `reason` says why and
    `ended_at` since when it is no longer true. One that opens with an `ended_at` was over before it was known
    of: it opens and ends in one step.
    """

    action: Action
    kind: str
    subject: str
    severity: Severity
    since: datetime
    alert_id: str | None = None
    previous_severity: Severity | None = None
    condition: Condition | None = None
    reason: str | None = None
    ended_at: datetime | None = None
    detected_late: bool = False


def climb(
    value: float,
    *,
    open_severity: Severity | None,
    warning: float,
    critical: float,
    clear: float,
    critical_clear: float,
) -> Severity | None:
    """Return where `value` stands on the ladder, given where the alert stands now.

    A raise threshold is reached at its exact value; an open alert keeps its severity down to, and at, its
    clear threshold. A clear threshold above its raise threshold counts as equal to it, else one value would
    do both.
    """
    if value >= critical or (open_severity == "critical" and value >= min(critical_clear, critical)):
        return "critical"
    if value >= warning or (open_severity is not None and value >= min(clear, warning)):
        return "warning"
    return None


def next_rungs(
    severity: Severity | None, *, warning: float, critical: float, clear: float, critical_clear: float
) -> tuple[float | None, float | None]:
    """Return below and at which value `climb` leaves the severity it has found; None: there is no such way."""
    if severity is None:
        return None, min(warning, critical)
    if severity == "critical":
        return min(critical_clear, critical), None
    return min(clear, warning), critical


def changes_between(
    open_alerts: Iterable[OpenAlert],
    conditions: Iterable[Condition],
    *,
    at: datetime,
    judged: Collection[str],
    since: Callable[[Condition], datetime],
    ended: Callable[[OpenAlert], tuple[datetime, str]],
    closed: Iterable[ClosedAlert] = (),
) -> tuple[AlertChange, ...]:
    """Return the steps from the open alerts to the conditions that hold, endings first.

    Open alerts of kinds not in `judged` stay as they are. `since` is asked only for what opens and `ended`
    (when, and why) only for what ends. When two conditions share a key, the more severe counts. What a person
    closed does not open again while its condition goes on; one that is known to have begun after it was closed
    is another episode, and opens.
    """
    wanted = _by_key(conditions)
    standing = {alert.key: alert for alert in open_alerts}
    closed_at = _closed_at(closed)
    resolved = [
        _resolved(alert, *ended(alert))
        for key, alert in standing.items()
        if key not in wanted and alert.kind in judged
    ]
    opened = [
        _opened(condition, since=since(condition), at=at)
        for key, condition in wanted.items()
        if key not in standing and not _goes_on(condition, closed_at.get(key))
    ]
    moved = [
        _moved(alert, wanted[key])
        for key, alert in standing.items()
        if key in wanted and wanted[key].severity != alert.severity
    ]
    return (*resolved, *opened, *moved)


def revisions(
    open_alerts: Iterable[OpenAlert], conditions: Iterable[Condition]
) -> tuple[tuple[str, Condition], ...]:
    """Return (alert id, condition) of what stays as grave and has another cause, or another last chance to act."""
    wanted = _by_key(conditions)
    return tuple(
        (alert.id, own)
        for alert in open_alerts
        if (own := wanted.get(alert.key)) is not None
        and own.severity == alert.severity
        and alert.cause is not None
        and (own.cause, own.act_by) != (alert.cause, alert.act_by)
    )


def episodes_over(
    closed: Iterable[ClosedAlert], conditions: Iterable[Condition], *, judged: Collection[str]
) -> tuple[str, ...]:
    """Return the ids of those closed alerts whose condition has ended since, or begun anew."""
    wanted = _by_key(conditions)
    return tuple(
        alert.id
        for alert in closed
        if alert.kind in judged
        and (alert.key not in wanted or not _goes_on(wanted[alert.key], alert.closed_at))
    )


def _by_key(conditions: Iterable[Condition]) -> dict[AlertKey, Condition]:
    ranked = sorted(conditions, key=lambda one: SEVERITY_RANK[one.severity])
    return {condition.key: condition for condition in ranked}


def _closed_at(closed: Iterable[ClosedAlert]) -> dict[AlertKey, datetime]:
    ordered = sorted(closed, key=lambda one: one.closed_at)
    return {alert.key: alert.closed_at for alert in ordered}


def _goes_on(condition: Condition, closed_at: datetime | None) -> bool:
    """Say whether this is still the episode that a person closed."""
    return closed_at is not None and (condition.since is None or condition.since <= closed_at)


def over_before_known(condition: Condition, *, at: datetime, ended_at: datetime, reason: str) -> AlertChange:
    """Return the step of an alert that was true from `condition.since` to `ended_at`, and is told only now."""
    since = condition.since or ended_at
    opened = _opened(condition, since=since, at=at)
    return replace(opened, ended_at=ended_at, reason=reason)


def ending_of(change: AlertChange, *, alert_id: str) -> AlertChange:
    """Return the second step of an alert that was over before it was known of."""
    return replace(
        change, action="resolved", alert_id=alert_id, previous_severity=change.severity, condition=None
    )


def _opened(condition: Condition, *, since: datetime, at: datetime) -> AlertChange:
    return AlertChange(
        action="opened",
        kind=condition.kind,
        subject=condition.subject,
        severity=condition.severity,
        since=since,
        condition=condition,
        detected_late=at - since > LATE_AFTER,
    )


def _moved(alert: OpenAlert, condition: Condition) -> AlertChange:
    up = SEVERITY_RANK[condition.severity] > SEVERITY_RANK[alert.severity]
    return AlertChange(
        action="escalated" if up else "deescalated",
        kind=alert.kind,
        subject=alert.subject,
        severity=condition.severity,
        since=alert.since,
        alert_id=alert.id,
        previous_severity=alert.severity,
        condition=condition,
    )


def _resolved(alert: OpenAlert, ended_at: datetime, reason: str) -> AlertChange:
    return AlertChange(
        action="resolved",
        kind=alert.kind,
        subject=alert.subject,
        severity=alert.severity,
        since=alert.since,
        alert_id=alert.id,
        previous_severity=alert.severity,
        reason=reason,
        ended_at=max(ended_at, alert.since),
    )
