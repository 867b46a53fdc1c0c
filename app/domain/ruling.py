"""How rules are run: what they see, what they answer, and what happens when one breaks."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from app.domain.alerts import SHIPMENT, AlertKey, Cause, Condition, Severity
from app.domain.custody import Journey
from app.domain.drift import Drift
from app.domain.eta import Arrival, Forecast
from app.domain.lanes import PRIORS, LaneStatistics
from app.domain.odds import DoseOdds
from app.domain.risk import NO_ARRIVAL
from app.domain.shipment import Shipment
from app.domain.site_time import site_text
from app.domain.thermal import NO_THERMAL, Thermal

THRESHOLDS: Mapping[str, float] = {
    "plan_risk.info": 0.10,
    "plan_risk.clear": 0.05,
    "arrival_after_expiry.warning": 0.20,
    "arrival_after_expiry.warning_near": 0.10,
    "arrival_after_expiry.critical": 0.50,
    "arrival_after_expiry.clear": 0.10,
    "arrival_after_expiry.critical_clear": 0.35,
    "appointment_at_risk.warning": 0.30,
    "appointment_at_risk.critical": 0.70,
    "appointment_at_risk.clear": 0.15,
    "appointment_at_risk.critical_clear": 0.50,
    "hold.customs_hours": 4.0,
    "stalled.surface_minutes": 60.0,
    "stalled.air_minutes": 120.0,
    "custody_gap.hours": 12.0,
    "outcome_missing.hours": 0.0,
    "battery_low.percent": 15.0,
    "tamper.light_lux": 20.0,
    "tamper.shock_g": 10.0,
    "tamper.tilt_deg": 80.0,
}
"""What a product, and with a reason one shipment, may override by the same keys.

`outcome_missing.hours` 0 means never, for it is opt-in. Source: our convention (the table of alerts)."""

JUST_AFTER = timedelta(milliseconds=1)
"""A bound belongs to the inside, so what it ends is seen just after it."""


def thresholds_of(shipment: Shipment) -> dict[str, float]:
    """Return every threshold that counts for a shipment."""
    return {**THRESHOLDS, **shipment.product.thresholds, **shipment.thresholds}


def threshold_of(shipment: Shipment, key: str) -> float:
    """Return the shipment's own threshold, else the product's, else the default."""
    if key in shipment.thresholds:
        return shipment.thresholds[key]
    return shipment.product.thresholds.get(key, THRESHOLDS[key])


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the rules judge: one shipment at one instant; `arrival` None where none is expected."""

    shipment: Shipment
    journey: Journey
    arrival: Arrival | None
    odds: tuple[DoseOdds, ...]
    at: datetime
    thermal: Thermal = NO_THERMAL
    lanes: LaneStatistics = PRIORS
    forecast: Forecast | None = None
    """Only of the instant that is told about: a search over other instants computes no remedies."""

    @property
    def planned_since(self) -> datetime:
        """When the plan became what it is: the last re-planning, else the registration."""
        replanned = [one.effective_at for one in self.journey.effective if one.type == "replanned"]
        return max(replanned, default=self.shipment.registered_at)

    def hours(self, key: str) -> timedelta:
        """Return a threshold that is a number of hours."""
        return timedelta(hours=self.threshold(key))

    def threshold(self, key: str) -> float:
        """Return the shipment's own threshold, else the product's, else the default."""
        return threshold_of(self.shipment, key)

    def say(self, at: datetime) -> str:
        """Return an instant in the words of the site."""
        return site_text(at, self.shipment.site)


OpenSeverity = Mapping[str, Severity]
"""Subject → the severity now open for the rule's kind: what hysteresis needs to know."""

NONE_OPEN: OpenSeverity = MappingProxyType({})


def _never(_facts: Facts) -> Iterable[datetime]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One kind of alert: how it is judged, in which states it is silent, and how time alone changes its answer.

    `wakes_at` names the instants at which it may. A rule that reads the odds has `drifts`, which say how far which
    probability is from changing it, given what now stands; the rule is looked at again at each of its instants.
    A rule that `speaks_always` runs in states where the shipment has ended elsewhere, too.
    """

    kind: str
    judge: Callable[[Facts, OpenSeverity], Iterable[Condition]]
    silent_in: frozenset[str]
    wakes_at: Callable[[Facts], Iterable[datetime]] = _never
    drifts: Callable[[Facts, OpenSeverity], Iterable[Drift]] | None = None
    speaks_always: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A rule that could not be evaluated, and what it said."""

    kind: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What holds now, and which rules could not say."""

    conditions: tuple[Condition, ...]
    failures: tuple[Failure, ...] = ()


def run_rules(rules: tuple[Rule, ...], facts: Facts, open_severity: Mapping[AlertKey, Severity]) -> Findings:
    """Run every rule that speaks in this state; one that raises becomes `rule_error` and stops no other."""
    over, standing = facts.journey.state in NO_ARRIVAL, by_kind(open_severity)
    conditions: list[Condition] = []
    failures: list[Failure] = []
    for rule in rules:
        if facts.journey.state in rule.silent_in or (over and not rule.speaks_always):
            continue
        try:
            conditions.extend(list(rule.judge(facts, standing.get(rule.kind, NONE_OPEN))))
        except Exception as error:  # noqa: BLE001 - the loop's edge: told as an alert, reported by the caller
            failures.append(Failure(kind=rule.kind, error=f"{type(error).__name__}: {error}"))
    if failures:
        conditions.append(_rule_error(failures))
    return Findings(conditions=tuple(conditions), failures=tuple(failures))


def by_kind(open_severity: Mapping[AlertKey, Severity]) -> dict[str, OpenSeverity]:
    """Return the severities of each kind, by subject."""
    found: dict[str, dict[str, Severity]] = {}
    for (kind, subject), severity in open_severity.items():
        found.setdefault(kind, {})[subject] = severity
    return dict(found)


def _rule_error(failures: list[Failure]) -> Condition:
    kinds = ", ".join(failure.kind for failure in failures)
    return Condition(
        kind="rule_error",
        subject=SHIPMENT,
        severity="warning",
        cause=Cause(kind="rule_error"),
        summary=f"Could not be judged: {kinds}. Alerts of these kinds stay as they were.",
        evidence={"rules_failed": float(len(failures))},
        what_would_help=("Watch this shipment by hand, and report the error.",),
    )
