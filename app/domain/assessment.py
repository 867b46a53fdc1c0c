"""What one shipment's observations mean now: the domain's whole answer, and when to ask again.

Read it as a recipe: fold the events, forecast the arrival, judge each dose, run the rules, compare with the
alerts that are open, and solve for the next instant at which the answer would differ if nothing is heard. Where it
needs an arrival it asks for it (`yield`), so that many shipments are assessed side by side.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain import eta
from app.domain.alerts import (
    AlertChange,
    AlertKey,
    ClosedAlert,
    Condition,
    OpenAlert,
    PastAlert,
    Severity,
    changes_between,
    episodes_over,
    revisions,
)
from app.domain.bedside import DoseCare, fold_doses
from app.domain.custody import Journey, fold
from app.domain.eta import Arrival, Asked
from app.domain.handling import ENDED_BY_PEOPLE
from app.domain.lanes import LaneStatistics
from app.domain.observation import Event
from app.domain.odds import dose_plans, worst_of
from app.domain.readings import ReadingColumns
from app.domain.resolutions import reason_for
from app.domain.risk import NO_ARRIVAL, DoseRisk, dose_risk
from app.domain.rules import RULES
from app.domain.rules_arrival import windows_end_at
from app.domain.rules_device import device_ended_at
from app.domain.rules_excursion import passed_excursions
from app.domain.ruling import Facts, Failure, Findings, Rule, run_rules
from app.domain.shipment import Shipment
from app.domain.side_by_side import Asking, alone
from app.domain.silence import Outlook, ended_when, next_change_at, since_when
from app.domain.thermal import NO_THERMAL, Name, Thermal, thermal_of
from app.domain.thermal_silence import (
    ALL_MONITORED,
    Unmonitored,
    quarantine_at,
    unmonitored_of,
    with_quarantine,
)

RUNNING_VIEW = timedelta(seconds=60)
"""How long a view of a running segment is true enough. Source: our convention (ETags count minutes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that is stored about one shipment and bears on its assessment, as known at one instant.

    `baseline_at` is the planned arrival of the plan as first registered. `version` grows with each
    observation. `closed_alerts` are those that a person closed and whose episode goes on.
    `past_alerts` are the excursions that were told and are over.
    `tracks` holds the readings of every device that the plan or an event names.
    """

    shipment: Shipment
    events: tuple[Event, ...]
    open_alerts: tuple[OpenAlert, ...]
    version: int
    lanes: LaneStatistics
    baseline_at: datetime
    closed_alerts: tuple[ClosedAlert, ...] = ()
    past_alerts: tuple[PastAlert, ...] = ()
    tracks: Mapping[Name, ReadingColumns] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The answer; `arrival` is None where none is expected (cancelled, lost, returned).

    `next_change_at` None: nothing changes by time alone. `valid_until` None: the stored view stays true
    until an observation comes. Both are only solved for an assessment of the present, not for one of the
    past.
    """

    at: datetime
    version: int
    journey: Journey
    care: dict[str, DoseCare]
    arrival: Arrival | None
    doses: tuple[DoseRisk, ...]
    worst: DoseRisk | None
    conditions: tuple[Condition, ...]
    changes: tuple[AlertChange, ...]
    revisions: tuple[tuple[str, Condition], ...]
    """(alert id, condition) of open alerts that say something else now, and are no more and no less grave."""
    episodes_over: tuple[str, ...]
    failures: tuple[Failure, ...]
    next_change_at: datetime | None
    valid_until: datetime | None
    thermal: Thermal = NO_THERMAL
    unmonitored: Unmonitored = ALL_MONITORED


def assess(
    snapshot: Snapshot, *, at: datetime, known_at: datetime | None = None, rules: tuple[Rule, ...] = RULES
) -> Assessment:
    """Judge one shipment at `at`; `known_at` (default `at`) is where the judge stands in time."""
    return alone(assessing(snapshot, at=at, known_at=known_at, rules=rules))


def assessing(
    snapshot: Snapshot, *, at: datetime, known_at: datetime | None = None, rules: tuple[Rule, ...] = RULES
) -> Asking[Assessment]:
    """Judge one shipment beside others, as `assess` does alone."""
    shipment = snapshot.shipment
    journey = fold(shipment, snapshot.events, at=at)
    thermal = thermal_of(shipment, journey, snapshot.tracks, at=at)
    unseen = unmonitored_of(thermal, shipment, journey, at=at)
    care = with_quarantine(fold_doses(shipment, journey), thermal, unseen, shipment, journey)
    outlook = yield from _outlook(snapshot, journey, care, thermal, at=at, known_at=known_at, rules=rules)
    facts = outlook.today()
    open_severity = {alert.key: alert.severity for alert in snapshot.open_alerts}
    findings = run_rules(rules, facts, open_severity)
    doses = tuple(dose_risk(odds, shipment, journey, outlook.arrival, at=at) for odds in facts.odds)
    next_at, valid_until = None, None
    if known_at is None:
        next_at, valid_until = yield from _horizons(outlook, facts, snapshot, findings, unseen)
    return Assessment(
        at=at,
        version=snapshot.version,
        journey=journey,
        care=care,
        arrival=outlook.arrival,
        doses=doses,
        worst=_worst(facts, doses),
        conditions=findings.conditions,
        changes=(yield from _changes(snapshot, outlook, facts, findings)),
        revisions=revisions(snapshot.open_alerts, findings.conditions),
        episodes_over=episodes_over(
            snapshot.closed_alerts, findings.conditions, judged=_judged(outlook, findings)
        ),
        failures=findings.failures,
        next_change_at=next_at,
        valid_until=valid_until,
        thermal=thermal,
        unmonitored=unseen,
    )


def _outlook(
    snapshot: Snapshot,
    journey: Journey,
    care: dict[str, DoseCare],
    thermal: Thermal,
    *,
    at: datetime,
    known_at: datetime | None,
    rules: tuple[Rule, ...],
) -> Asking[Outlook]:
    shipment, forecast, arrival = snapshot.shipment, None, None
    if journey.state not in NO_ARRIVAL:
        forecast = eta.forecast(shipment, journey, snapshot.lanes)
        arrival = yield Asked(forecast, at, known_at)
    return Outlook(
        shipment=shipment,
        journey=journey,
        plans=dose_plans(shipment, care, journey, snapshot.lanes),
        forecast=forecast,
        arrival=arrival,
        steady_until=forecast.steady_until(at) if forecast else at,
        at=at,
        rules=rules,
        thermal=thermal,
    )


def _worst(facts: Facts, doses: tuple[DoseRisk, ...]) -> DoseRisk | None:
    worst = worst_of(facts.odds)
    return next((dose for dose in doses if dose.odds is worst), None)


def _changes(
    snapshot: Snapshot, outlook: Outlook, facts: Facts, findings: Findings
) -> Asking[tuple[AlertChange, ...]]:
    """Compare with what is open; kinds that failed, and kinds no rule here judges, stay as they are."""
    standing = {condition.key: condition for condition in findings.conditions}
    judged = _judged(outlook, findings)
    known = {alert.key for alert in snapshot.open_alerts} | {alert.key for alert in snapshot.closed_alerts}
    since, ended = dict[AlertKey, datetime](), dict[str, datetime]()
    for condition in findings.conditions:
        if condition.since is None and condition.key not in known:
            since[condition.key] = yield from since_when(outlook, condition.key)
    for alert in snapshot.open_alerts:
        if alert.key not in standing and alert.kind in judged:
            told_at = device_ended_at(facts, alert)
            ended[alert.id] = told_at or (yield from ended_when(outlook, alert.key))
    passed = passed_excursions(facts, open_alerts=snapshot.open_alerts, past_alerts=snapshot.past_alerts)
    return passed + changes_between(
        snapshot.open_alerts,
        findings.conditions,
        at=outlook.at,
        judged=judged,
        since=lambda condition: condition.since or since[condition.key],
        ended=lambda alert: (ended[alert.id], reason_for(alert, facts, standing)),
        closed=snapshot.closed_alerts,
    )


def _judged(outlook: Outlook, findings: Findings) -> frozenset[str]:
    failed = {failure.kind for failure in findings.failures}
    return frozenset({rule.kind for rule in outlook.rules} - failed - ENDED_BY_PEOPLE | {"rule_error"})


def _horizons(
    outlook: Outlook, facts: Facts, snapshot: Snapshot, findings: Findings, unseen: Unmonitored
) -> Asking[tuple[datetime | None, datetime | None]]:
    """Return when to look again, and until when the view renders truthfully, if nothing is heard.

    What is dated ahead of `at` (a clock a little fast) does not count yet: both end when it comes to.
    """
    standing: dict[AlertKey, Severity] = {one.key: one.severity for one in findings.conditions}
    dated_ahead = [event.effective_at for event in snapshot.events if event.effective_at > outlook.at]
    dated_ahead += [ahead for track in snapshot.tracks.values() if (ahead := track.first_after(outlook.at))]
    change_at = yield from next_change_at(outlook, facts, standing)
    named = (change_at, quarantine_at(outlook.thermal, unseen, at=outlook.at))
    next_at = min((*dated_ahead, *(one for one in named if one)), default=None)
    bounds = [*dated_ahead, *([next_at] if next_at else [])]
    if outlook.forecast is not None and outlook.journey.state != "received":
        bounds += [end for end in windows_end_at(facts) if end > outlook.at]
        if outlook.journey.state != "delivered":
            bounds.append(max(outlook.steady_until, outlook.at + RUNNING_VIEW))
    if unseen.lasts_at(outlook.at):
        bounds.append(outlook.at + RUNNING_VIEW)
    return next_at, min(bounds, default=None)
