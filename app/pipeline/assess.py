"""Due shipments → snapshots → domain → alert changes, messages, view, next look. One commit for many."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.domain.alerts import SEVERITY_RANK, AlertChange, Condition, OpenAlert, ending_of
from app.domain.assessment import Assessment, Snapshot, assessing
from app.domain.handling import is_snoozed, is_told
from app.domain.side_by_side import side_by_side
from app.domain.status import status_document, stored_view
from app.models.base import new_id
from app.pipeline import calibration, escalation, lanes, news, outbox, snapshots
from app.pipeline.announcements import alert_message, state_message
from app.pipeline.outbox import NewMessage
from app.store import alerts, due, shipments, views
from app.store.db import Database
from app.store.shipments import Brief, Plans
from app.telemetry import Metrics, log

CLAIMED_AT_ONCE = 100
LEASE = timedelta(seconds=60)
AFTER_A_FAILURE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Judged:
    """One shipment's snapshot and what it means."""

    snapshot: Snapshot
    assessment: Assessment


class Assessor:
    """Looks at what is due; many may run, for a claim is a lease and a stale one writes nothing."""

    def __init__(
        self, db: Database, clock: Clock, plans: Plans, *, metrics: Metrics, announced: Callable[[], None]
    ) -> None:
        self._db, self._clock, self._plans = db, clock, plans
        self._metrics, self._announced = metrics, announced

    async def run_due(self, *, limit: int = CLAIMED_AT_ONCE) -> int:
        """Assess up to `limit` due shipments, the most urgent first, and return how many were due."""
        at, wall_at, claim_id = self._clock.now(), self._clock.wall(), new_id()
        async with self._db.transaction() as connection:
            ids = await due.claim(
                connection,
                at=at,
                wall_at=wall_at,
                claim_id=claim_id,
                lease_until=wall_at + LEASE,
                limit=limit,
            )
        if not ids:
            return 0
        async with self._db.reading() as connection:
            gathered = await snapshots.load(connection, self._plans, ids, at=at)
        # In a thread: requests are answered in between, where a hundred assessments would hold all of them up.
        judged = await asyncio.to_thread(self._judge_all, tuple(gathered.values()), at)
        async with self._db.transaction() as connection:
            await self._store(connection, ids, judged, claim_id=claim_id, at=at)
        self._announced()
        return len(ids)

    def _judge_all(self, gathered: Sequence[Snapshot], at: datetime) -> list[Judged]:
        """Assess many side by side; one that cannot be is logged, counted and tried again, and stops nobody else."""
        found = side_by_side([assessing(snapshot, at=at) for snapshot in gathered])
        judged = []
        for snapshot, own in zip(gathered, found, strict=True):
            if isinstance(own, Exception):
                log.error("assessment failed", shipment_id=snapshot.shipment.id, exc_info=own)
                self._metrics.assess_failures.labels(kind="assessment").inc()
            else:
                judged.append(self._counted(snapshot, own))
        return judged

    def _counted(self, snapshot: Snapshot, assessment: Assessment) -> Judged:
        for failure in assessment.failures:
            log.error("rule failed", shipment_id=snapshot.shipment.id, rule=failure.kind)
            self._metrics.assess_failures.labels(kind=failure.kind).inc()
        self._metrics.assessed.inc()
        return Judged(snapshot, assessment)

    async def _store(
        self,
        connection: AsyncConnection,
        ids: Sequence[str],
        judged: Sequence[Judged],
        *,
        claim_id: str,
        at: datetime,
    ) -> None:
        versions = await due.still_claimed(connection, ids, claim_id=claim_id)
        fresh = [one for one in judged if versions.get(one.snapshot.shipment.id) == one.snapshot.version]
        briefs = await shipments.briefs(connection, [one.snapshot.shipment.id for one in fresh])
        told = await news.changes(
            connection,
            {one.snapshot.shipment.id: (briefs[one.snapshot.shipment.id], one.assessment) for one in fresh},
        )
        standing = {}
        for one in fresh:
            id_ = one.snapshot.shipment.id
            standing[id_] = await self._store_changes(connection, one, briefs[id_], told=told[id_], at=at)
        await _store_views(connection, fresh, standing, at=at)
        journeys = [(one.snapshot.shipment, one.assessment.journey) for one in fresh]
        await lanes.remember(connection, journeys, at=at)
        assessments = [(one.snapshot.shipment, one.assessment) for one in fresh]
        await calibration.keep(connection, assessments, at=at)
        assessed = {one.snapshot.shipment.id for one in judged}
        settled = [_next_look(one) for one in fresh]
        # What failed is tried again; what was heard of meanwhile stays due as it is.
        failed = [one for one in ids if one in versions and one not in assessed]
        settled += [_look(one, assess_at=at + AFTER_A_FAILURE, urgent_at=None) for one in failed]
        await due.settle(connection, settled)
        await due.release(connection, ids, claim_id=claim_id)

    async def _store_changes(
        self,
        connection: AsyncConnection,
        one: Judged,
        brief: Brief,
        *,
        told: Sequence[NewMessage],
        at: datetime,
    ) -> tuple[OpenAlert, ...]:
        """Write what is new about one shipment, and return the alerts that are open after it."""
        state = one.assessment.journey.state
        bindings = {
            "shipment_id": brief.id,
            "reference": brief.reference,
            "site_id": brief.site_id,
            "study": brief.study,
            "product_id": brief.product_id,
            "shipment_state": state,
        }
        messages = [*_state_messages(bindings, state=state, previous=brief.state, at=at), *told]
        standing = {alert.id: alert for alert in one.snapshot.open_alerts}
        usable_until = _usable_until(one.assessment)
        raised: list[tuple[dict[str, Any], str | None]] = []
        steps = deque(one.assessment.changes)
        while steps:
            change = steps.popleft()
            row = await _apply(connection, change, brief, at=at)
            standing = _stands(standing, change, row)
            if change.action in {"opened", "escalated"}:
                raised.append((bindings | row, change.previous_severity))
            if change.action == "opened" and change.ended_at is not None:
                steps.appendleft(ending_of(change, alert_id=row["id"]))
            self._metrics.alert_changes.labels(kind=change.kind, change=change.action).inc()
            until = usable_until.get(change.subject)
            if is_told(change.action, row["severity"], snoozed=is_snoozed(row["snoozed_until"], at=at)):
                messages.append(alert_message(change.action, bindings | row, at=at, usable_until=until))
        for alert_id, condition in one.assessment.revisions:
            await alerts.update(connection, alert_id, **_said(condition))
        await alerts.end_episodes(connection, one.assessment.episodes_over)
        await escalation.follow(connection, raised, organisation_id=brief.organisation_id, at=at)
        await outbox.enqueue(
            connection,
            organisation_id=brief.organisation_id,
            messages=messages,
            at=at,
            wall_at=self._clock.wall(),
        )
        return tuple(standing.values())


async def _store_views(
    connection: AsyncConnection,
    fresh: Sequence[Judged],
    standing: Mapping[str, tuple[OpenAlert, ...]],
    *,
    at: datetime,
) -> None:
    """Write what polls and lists tell of each shipment."""
    own = [(one, standing[one.snapshot.shipment.id]) for one in fresh]
    await views.store(connection, [_view(one, alerts, at=at) for one, alerts in own])
    await shipments.store_assessed(connection, [_listed(one, alerts) for one, alerts in own])


def _view(one: Judged, standing: tuple[OpenAlert, ...], *, at: datetime) -> dict[str, Any]:
    assessment, shipment = one.assessment, one.snapshot.shipment
    document = status_document(assessment, one.snapshot, at=at, open_alerts=standing)
    return {
        "shipment_id": shipment.id,
        "version": assessment.version,
        "assessed_at": at,
        "valid_until": assessment.valid_until,
        "lanes_version": assessment.arrival.lanes_version if assessment.arrival else None,
        "view": stored_view(document, shipment, assessment),
    }


def _listed(one: Judged, standing: tuple[OpenAlert, ...]) -> dict[str, Any]:
    assessment, worst = one.assessment, one.assessment.worst
    severities = (alert.severity for alert in standing)
    return {
        "id": one.snapshot.shipment.id,
        "state": assessment.journey.state,
        "eta_p50_at": assessment.arrival.p50_at if assessment.arrival else None,
        "slack_p50_minutes": worst.odds.slack_p50_minutes if worst else None,
        "late_probability": worst.odds.late_probability if worst else None,
        "worst_severity": max(severities, key=lambda severity: SEVERITY_RANK[severity], default=None),
    }


def _next_look(one: Judged) -> dict[str, Any]:
    worst = one.assessment.worst
    urgent_at = worst.odds.plan.window.latest_useful_arrival_at if worst else None
    return _look(one.snapshot.shipment.id, assess_at=one.assessment.next_change_at, urgent_at=urgent_at)


def _look(shipment_id: str, *, assess_at: datetime | None, urgent_at: datetime | None) -> dict[str, Any]:
    return {"shipment_id": shipment_id, "assess_at": assess_at, "urgent_at": urgent_at}


def _usable_until(assessment: Assessment) -> dict[str, datetime | None]:
    """Return the end of each dose's window, by the alert subject that names it."""
    return {f"dose:{one.odds.plan.dose.id}": one.odds.plan.window.usable_until for one in assessment.doses}


def _state_messages(bindings: dict[str, Any], *, state: str, previous: str, at: datetime) -> list[NewMessage]:
    if state == previous:
        return []
    types = ["shipment.state_changed"] + (["shipment.delivered"] if state == "delivered" else [])
    return [state_message(one, bindings, state=state, previous=previous, at=at) for one in types]


async def _apply(
    connection: AsyncConnection, change: AlertChange, brief: Brief, *, at: datetime
) -> dict[str, Any]:
    """Write one step of one alert and its history; return the alert's row as it now stands."""
    told = {} if change.condition is None else _said(change.condition)
    if change.alert_id is None:
        row = _opened(change, brief, at=at) | told
        if change.ended_at is not None:  # never open: it must not meet the open alert of its kind
            row |= {"state": "resolved", "resolved_at": at, "ended_at": change.ended_at}
        await alerts.insert(connection, [row])
    else:
        values = told | {"severity": change.severity}
        if change.action == "escalated" and change.severity == "critical":
            values["snoozed_until"] = None  # the quiet was asked for while it was less
        if change.action == "resolved":
            values = {"state": "resolved", "resolved_at": at, "ended_at": change.ended_at}
        await alerts.update(connection, change.alert_id, **values)
        row = dict((await alerts.read(connection, [change.alert_id]))[change.alert_id]._mapping)
    step = {
        "id": new_id(),
        "alert_id": row["id"],
        "at": at,
        "change": change.action,
        "severity": change.severity,
        "actor": None,
        "comment": change.reason if change.action == "resolved" else None,
        "evidence": row["evidence"],
    }
    await alerts.record(connection, [step])
    return row


def _said(condition: Condition) -> dict[str, Any]:
    """Return what the condition says, as columns."""
    return {
        "act_by": condition.act_by,
        "cause": asdict(condition.cause),
        "what_would_help": list(condition.what_would_help),
        "summary": condition.summary,
        "evidence": condition.evidence,
    }


def _opened(change: AlertChange, brief: Brief, *, at: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "organisation_id": brief.organisation_id,
        "shipment_id": brief.id,
        "subject": change.subject,
        "kind": change.kind,
        "severity": change.severity,
        "state": "open",
        "since": change.since,
        "raised_at": at,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "acknowledged_role": None,
        "assigned_to": None,
        "snoozed_until": None,
        "resolved_at": None,
        "resolved_by": None,
        "ended_at": None,
        "closed_while_true": False,
        "detected_late": change.detected_late,
    }


def _stands(standing: dict[str, OpenAlert], change: AlertChange, row: dict[str, Any]) -> dict[str, OpenAlert]:
    if change.action == "resolved":
        return {alert_id: alert for alert_id, alert in standing.items() if alert_id != change.alert_id}
    alert = OpenAlert(
        id=row["id"], kind=change.kind, subject=change.subject, severity=change.severity, since=change.since
    )
    return standing | {alert.id: alert}
