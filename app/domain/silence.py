"""What changes if nothing is heard: when to look again, and since when something has been true."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from app.domain.alerts import AlertKey, Severity
from app.domain.custody import Journey
from app.domain.eta import Arrival, Forecast
from app.domain.lanes import PRIORS
from app.domain.odds import DosePlan, leg_facts, odds_of
from app.domain.risk import NO_ARRIVAL
from app.domain.rules import RULES
from app.domain.rules_arrival import NEAR, PLAN_PHASE_ENDS
from app.domain.ruling import JUST_AFTER, Facts, Rule, run_rules
from app.domain.shipment import Shipment
from app.domain.thermal import NO_THERMAL, Thermal

STRIDE = 8
FAR = 4
EVALUATIONS_MAX = 16
"""A search that would need more forecasts stops early and says the last instant known to be quiet: looking
again too soon costs one assessment, looking too late costs a dose."""

_MINUTE = timedelta(minutes=1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
Standing = Mapping[AlertKey, Severity]


@dataclass(slots=True, kw_only=True)
class Outlook:
    """One shipment seen from `at`, and what it will look like later if nothing is heard.

    `forecast` and `arrival` are None where no arrival is expected. `evaluations` counts the forecasts made.
    """

    shipment: Shipment
    journey: Journey
    plans: tuple[DosePlan, ...]
    forecast: Forecast | None
    arrival: Arrival | None
    steady_until: datetime
    at: datetime
    rules: tuple[Rule, ...] = RULES
    evaluations: int = 0
    thermal: Thermal = NO_THERMAL

    def facts_at(self, at: datetime, *, told: bool = False) -> Facts:
        """Return what the rules would judge at another instant, hearing nothing in between.

        What is `told` to people comes with remedies, which a search over many instants does without.
        """
        arrival = self.arrival
        if self.forecast is not None and not self.at <= at <= max(self.steady_until, self.at):
            self.evaluations += 1
            arrival = self.forecast.at(at, explained=False)
        odds = tuple(odds_of(plan, self.shipment, self.journey, arrival, at=at) for plan in self.plans)
        return Facts(
            shipment=self.shipment,
            journey=self.journey,
            arrival=arrival,
            odds=odds,
            at=at,
            thermal=self.thermal,
            lanes=self.forecast.lanes if self.forecast else PRIORS,
            forecast=self.forecast if told else None,
        )


def next_change_at(outlook: Outlook, standing: Standing) -> datetime | None:
    """Return the next instant at which other alerts would stand if nothing is heard; None: never.

    Rules that read a clock change at instants that can be named. Rules that read the odds drift: they are
    looked at in growing strides, and a change found between two looks is bisected to the whole minute. A
    change that stays is never missed; one that comes and goes between two looks may be.
    """
    if outlook.journey.state in NO_ARRIVAL:
        return None
    named_at = _next_named(outlook, standing)
    drift_at = _next_drift(outlook, standing, until=named_at)
    return min((one for one in (named_at, drift_at) if one is not None), default=None)


def since_when(outlook: Outlook, key: AlertKey) -> datetime:
    """Return the first whole minute since the last event at which this was true, at most `outlook.at`.

    The whole minute makes the answer the same whenever it is asked.
    """
    last = outlook.journey.last_event
    heard_at = min(last.effective_at if last else outlook.shipment.registered_at, outlook.at)

    def holds(at: datetime) -> bool:
        return key in _standing_at(outlook, at, {}, reads_odds=True)

    if holds(heard_at):
        return heard_at
    before, after = _minute_of(heard_at), _minute_of(outlook.at)
    if after <= before or not holds(_instant(after)):
        return outlook.at
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (before, middle) if holds(_instant(middle)) else (middle, after)
    return _instant(after)


def ended_when(outlook: Outlook, key: AlertKey) -> datetime:
    """Return when this ceased to be true: with the last event if it is what ended it, else now.

    An event that is heard late ends an alert at the instant it happened, not when it was told.
    """
    last = outlook.journey.last_event
    if last is None or last.effective_at > outlook.at:
        return outlook.at
    at = last.effective_at
    held = {
        **_standing_at(outlook, at, {}, reads_odds=True),
        **_standing_at(outlook, at, {}, reads_odds=False),
    }
    return outlook.at if key in held else at


def window_ends(outlook: Outlook) -> Iterator[datetime]:
    """Yield the instants just after each dose's usable window."""
    for plan in outlook.plans:
        if plan.window.usable_until is not None:
            yield plan.window.usable_until + JUST_AFTER


def _next_named(outlook: Outlook, standing: Standing) -> datetime | None:
    today = outlook.facts_at(outlook.at)
    wanted = _standing_at(outlook, outlook.at, standing, reads_odds=False)
    wakes = [_wakes(rule, today) for rule in outlook.rules]
    soon = outlook.at + _MINUTE if None in wakes else None
    named = {*_named(outlook, today), *(at for several in wakes if several for at in several)}
    for at in sorted(at for at in named if at > outlook.at):
        if soon is not None and at >= soon:
            break
        if _found(outlook, replace(today, at=at), standing, reads_odds=False) != wanted:
            return at
    return soon


def _wakes(rule: Rule, today: Facts) -> tuple[datetime, ...] | None:
    """Return the instants that a rule names; None where it cannot: it is looked at again in a minute, not skipped."""
    try:
        return tuple(rule.wakes_at(today))
    except Exception:  # noqa: BLE001 - what the rule cannot name it cannot judge either, and that is told as `rule_error`
        return None


def _named(outlook: Outlook, today: Facts) -> Iterator[datetime]:
    yield from window_ends(outlook)
    if outlook.journey.customs_since is not None:
        yield outlook.journey.customs_since + today.hours("hold.customs_hours") + JUST_AFTER
    for leg in outlook.shipment.legs:
        facts = leg_facts(outlook.journey, leg.number)
        estimate = facts.estimated_departure_at if facts else None
        yield (estimate or leg.planned_departure_at) + JUST_AFTER


def _next_drift(outlook: Outlook, standing: Standing, *, until: datetime | None) -> datetime | None:
    wanted = _standing_at(outlook, outlook.at, standing, reads_odds=True)
    outlook.evaluations = 0

    def changed(at: datetime) -> bool:
        return _standing_at(outlook, at, standing, reads_odds=True) != wanted

    quiet_at = outlook.at
    for at in _looks(outlook, until=until):
        if changed(at):
            return _bisect(outlook, changed, quiet_at=quiet_at, changed_at=at)
        quiet_at = at
    return None


def _looks(outlook: Outlook, *, until: datetime | None) -> list[datetime]:
    """Return when to look: where the phase or the thresholds change, in growing strides, and at the end."""
    phase_at = outlook.shipment.legs[0].planned_departure_at - PLAN_PHASE_ENDS
    end_at = until or max((phase_at, *window_ends(outlook)))
    near = [odds.act_by - NEAR for odds in outlook.facts_at(outlook.at).odds if odds.act_by]
    looks = {phase_at, end_at, min((at for at in near if at > outlook.at), default=end_at)}
    start_at = max(outlook.steady_until, outlook.at)
    stride = max(2 * _MINUTE, (start_at - outlook.at) / STRIDE)
    while start_at + stride < end_at:
        looks.add(start_at + stride)
        stride *= STRIDE
    return sorted(at for at in looks if outlook.at < at <= end_at)


def _bisect(
    outlook: Outlook, changed: Callable[[datetime], bool], *, quiet_at: datetime, changed_at: datetime
) -> datetime:
    """Return the first whole minute at which it has changed, or an earlier one when that is far off.

    What is hours away is known well enough to the quarter of it: whoever looks again then sees it closer.
    """
    now, quiet, after = _minute_of(outlook.at), _minute_of(quiet_at), -((_EPOCH - changed_at) // _MINUTE)
    while after - quiet > 1:
        if after - quiet <= (quiet - now) // FAR:
            return _instant(quiet)
        if outlook.evaluations >= EVALUATIONS_MAX:
            return max(_instant(quiet), outlook.at + _MINUTE)
        middle = (quiet + after) // 2
        quiet, after = (quiet, middle) if changed(_instant(middle)) else (middle, after)
    return min(_instant(after), changed_at)


def _standing_at(
    outlook: Outlook, at: datetime, standing: Standing, *, reads_odds: bool
) -> dict[AlertKey, Severity]:
    return _found(outlook, outlook.facts_at(at), standing, reads_odds=reads_odds)


def _found(
    outlook: Outlook, facts: Facts, standing: Standing, *, reads_odds: bool
) -> dict[AlertKey, Severity]:
    rules = tuple(rule for rule in outlook.rules if rule.reads_odds is reads_odds)
    return {one.key: one.severity for one in run_rules(rules, facts, standing).conditions}


def _minute_of(at: datetime) -> int:
    return (at - _EPOCH) // _MINUTE


def _instant(minute: int) -> datetime:
    return _EPOCH + minute * _MINUTE
