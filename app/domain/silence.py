"""What changes if nothing is heard: when to look again, and since when something has been true."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from app.domain.alerts import AlertKey, Severity
from app.domain.custody import Journey
from app.domain.drift import Drift
from app.domain.eta import Arrival, Asked, Forecast
from app.domain.lanes import PRIORS
from app.domain.odds import DosePlan, odds_of
from app.domain.quiet import Quiet
from app.domain.risk import NO_ARRIVAL
from app.domain.rules import RULES
from app.domain.rules_arrival import windows_end_at
from app.domain.ruling import NONE_OPEN, Facts, Rule, by_kind, run_rules
from app.domain.shipment import Shipment
from app.domain.side_by_side import Asking
from app.domain.spans import MINUTE
from app.domain.thermal import NO_THERMAL, Thermal

AT_LEAST_EVERY = timedelta(hours=6)
"""While silence tells, a shipment is looked at so often whatever the bound: the grid of its odds moves with the clock.
Source: our convention."""

SOON_BINS = 3
"""A bound within so many bins of the grid is not waited for: near a threshold it would be drawn anew every minute.
Source: our convention."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
Standing = Mapping[AlertKey, Severity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """One shipment seen from `at`, and what it will look like later if nothing is heard.

    `forecast` and `arrival` are None where no arrival is expected.
    """

    shipment: Shipment
    journey: Journey
    plans: tuple[DosePlan, ...]
    forecast: Forecast | None
    arrival: Arrival | None
    steady_until: datetime
    at: datetime
    rules: tuple[Rule, ...] = RULES
    thermal: Thermal = NO_THERMAL
    _stood: dict[tuple[datetime, str], dict[AlertKey, Severity]] = field(default_factory=dict)
    """What has been looked up already: many doses ask of the same instants."""

    def stood_at(self, at: datetime, *, kind: str) -> Asking[dict[AlertKey, Severity]]:
        """Return what of a kind was true at another instant, hearing nothing in between, with nothing open."""
        if (at, kind) not in self._stood:
            rules = tuple(rule for rule in self.rules if rule.kind == kind)
            self._stood[at, kind] = _found(rules, (yield from self.facts_at(at)), {})
        return self._stood[at, kind]

    def facts_at(self, at: datetime) -> Asking[Facts]:
        """Return what the rules would judge at another instant, hearing nothing in between; it tells no remedies."""
        arrival = self.arrival
        if self.forecast is not None and not self.at <= at <= max(self.steady_until, self.at):
            arrival = yield Asked(self.forecast, at)
        return self._facts(arrival, at=at)

    def today(self) -> Facts:
        """Return what the rules judge now, with all that is told to people."""
        return replace(self._facts(self.arrival, at=self.at), forecast=self.forecast)

    def _facts(self, arrival: Arrival | None, *, at: datetime) -> Facts:
        return Facts(
            shipment=self.shipment,
            journey=self.journey,
            arrival=arrival,
            odds=tuple(odds_of(plan, self.shipment, arrival) for plan in self.plans),
            at=at,
            thermal=self.thermal,
            lanes=self.forecast.lanes if self.forecast else PRIORS,
        )


def next_change_at(outlook: Outlook, today: Facts, standing: Standing) -> Asking[datetime | None]:
    """Return the next instant at which other alerts may stand if nothing is heard; None: never.

    Rules that read a clock change at instants that they name. Rules that read the odds change no sooner than the
    silence that is left allows (`Quiet`): the answer may be too early, which costs a look, and is never too late.
    """
    if outlook.journey.state in NO_ARRIVAL:
        return None
    own = by_kind(standing)
    looks = list(_at_least(outlook, today))
    drifts, drifting = list[Drift](), list[datetime]()
    named: list[tuple[datetime, int]] = []
    for number, rule in enumerate(outlook.rules):
        if outlook.journey.state in rule.silent_in:
            continue
        try:
            wakes = [at for at in rule.wakes_at(today) if at > today.at]
            if rule.drifts is not None:
                looks += wakes
                read = list(rule.drifts(today, own.get(rule.kind, NONE_OPEN)))
                drifting += _drifts_at(read, today)
                drifts += read
            else:
                named += [(at, number) for at in wakes]
        except Exception:  # noqa: BLE001 - it cannot judge then either, and that is told as `rule_error`
            looks.append(today.at + MINUTE)
    look_at = yield from _look_at(outlook, standing, today, drifts, looks=looks, drifting=drifting)
    for at, number in sorted(named):
        if look_at is not None and at >= look_at:
            break
        if _changes(outlook.rules[number], at, today, standing):
            return at
    return look_at


def since_when(outlook: Outlook, key: AlertKey) -> Asking[datetime]:
    """Return the first whole minute since the last event at which this was true, at most `outlook.at`.

    The whole minute makes the answer the same whenever it is asked. It goes back in growing strides, for most of what
    opens has been true for minutes.
    """
    last = outlook.journey.last_event
    heard_at = min(last.effective_at if last else outlook.shipment.registered_at, outlook.at)

    def holds(at: datetime) -> Asking[bool]:
        return key in (yield from outlook.stood_at(at, kind=key[0]))

    first, after, stride = _minute_of(heard_at), _minute_of(outlook.at), 1
    if after <= first or not (yield from holds(_instant(after))):
        return heard_at if (yield from holds(heard_at)) else outlook.at
    while after - stride > first and (yield from holds(_instant(after - stride))):
        after, stride = after - stride, 2 * stride
    before = max(after - stride, first)
    if before == first and (yield from holds(heard_at)):
        return heard_at
    while after - before > 1:
        middle = (before + after) // 2
        held = yield from holds(_instant(middle))
        before, after = (before, middle) if held else (middle, after)
    return _instant(after)


def ended_when(outlook: Outlook, key: AlertKey) -> Asking[datetime]:
    """Return when this ceased to be true: with the last event if it is what ended it, else now.

    An event that is heard late ends an alert at the instant it happened, not when it was told.
    """
    last = outlook.journey.last_event
    if last is None or last.effective_at > outlook.at:
        return outlook.at
    held = yield from outlook.stood_at(last.effective_at, kind=key[0])
    return outlook.at if key in held else last.effective_at


def _changes(rule: Rule, at: datetime, today: Facts, standing: Standing) -> bool:
    own = {key: severity for key, severity in standing.items() if key[0] == rule.kind}
    return _found((rule,), replace(today, at=at), standing) != own


def _drifts_at(drifts: Iterable[Drift], today: Facts) -> Iterator[datetime]:
    arrival = today.arrival
    if arrival is None or arrival.quiet is None:
        return
    for drift in drifts:
        for at in _reached(arrival, arrival.quiet, drift):
            if at is not None:
                yield max(at, _instant(_minute_of(today.at) + 1))


def _look_at(
    outlook: Outlook,
    standing: Standing,
    today: Facts,
    drifts: Sequence[Drift],
    *,
    looks: Sequence[datetime],
    drifting: Sequence[datetime],
) -> Asking[datetime | None]:
    """Return when odds are to be looked at again, by what is named and by how far silence lets them drift.

    Where silence has no exact bound, or one that is near, later instants are forecast; so they are where rising maps
    and silence move a probability together.
    """
    by, drifts_at = min(looks, default=None), min(drifting, default=None)
    arrival = today.arrival
    if arrival is None or arrival.quiet is None:
        return by
    soon = today.at + SOON_BINS * arrival.quiet.grid.step_minutes * MINUTE
    if drifts_at is not None:
        by = min(max(drifts_at, soon), by or datetime.max.replace(tzinfo=UTC))
    exact = arrival.quiet.exact and arrival.corrected is None
    if by is None or (exact and (drifts_at is None or drifts_at >= soon)):
        return by
    return (yield from _first_change(outlook, standing, drifts, by=by))


def _first_change(
    outlook: Outlook, standing: Standing, drifts_now: Sequence[Drift], *, by: datetime
) -> Asking[datetime]:
    """Return the minute in which some rule's odds first pass one of today's thresholds, at most `by`.

    Thresholds, not answers: an alert may open and be handed over to another one before `by`.
    """
    before, after = _minute_of(outlook.at), _minute_of(by)
    if after - before <= 1:
        return by
    rungs = [(one.up, one.down) for one in drifts_now]

    def passed(at: datetime) -> Asking[bool]:
        try:
            drifts = _drifts(outlook, (yield from outlook.facts_at(at)), standing)
        except Exception:  # noqa: BLE001 - it cannot judge then, and that is told as `rule_error`
            return True
        return [(one.up, one.down) for one in drifts] != rungs or any(
            (one.up is not None and one.probability >= one.up)
            or (one.down is not None and one.probability < one.down)
            for one in drifts
        )

    if not (yield from passed(by)):
        return by
    while after - before > 1:
        middle = (before + after) // 2
        changed = yield from passed(_instant(middle))
        before, after = (before, middle) if changed else (middle, after)
    return min(_instant(after), by)


def _drifts(outlook: Outlook, facts: Facts, standing: Standing) -> list[Drift]:
    own, state = by_kind(standing), outlook.journey.state
    return [
        drift
        for rule in outlook.rules
        if rule.drifts is not None and state not in rule.silent_in
        for drift in rule.drifts(facts, own.get(rule.kind, NONE_OPEN))
    ]


def _reached(arrival: Arrival, quiet: Quiet, drift: Drift) -> Iterator[datetime | None]:
    """Yield when silence, and when the correction alone, may have moved a probability that is told so far."""
    corrected, unknown = arrival.corrected, arrival.unknown_probability
    if corrected is None:
        yield quiet.reached_at(drift)
    else:
        for one in corrected.uncorrected(drift, unknown):
            yield quiet.reached_at(one)
        yield corrected.raises_at(drift, unknown)


def _at_least(outlook: Outlook, today: Facts) -> Iterator[datetime]:
    """Yield when the bound of silence itself is to be drawn anew, as long as a dose can still be lost."""
    quiet = today.arrival.quiet if today.arrival else None
    if quiet is not None and any(end > outlook.at for end in _bounds_of(today)):
        yield max(outlook.steady_until, outlook.at) + AT_LEAST_EVERY
        corrected = today.arrival.corrected if today.arrival else None
        for until in (quiet.until, corrected.until if corrected else None):
            if until is not None and until > outlook.at:
                yield until


def _bounds_of(today: Facts) -> Iterator[datetime]:
    """Yield until when an arrival still decides something: about a dose, its slot, the cold or a battery."""
    yield from windows_end_at(today)
    for odds in today.odds:
        if odds.plan.required_at is not None:
            yield odds.plan.required_at
    package = today.shipment.package
    if package is not None and package.cold_until is not None:
        yield package.cold_until
    for series in today.thermal.series:
        if series.battery is not None and series.battery.empty_at is not None:
            yield series.battery.empty_at


def _found(rules: tuple[Rule, ...], facts: Facts, standing: Standing) -> dict[AlertKey, Severity]:
    return {one.key: one.severity for one in run_rules(rules, facts, standing).conditions}


def _minute_of(at: datetime) -> int:
    return (at - _EPOCH) // MINUTE


def _instant(minute: int) -> datetime:
    return _EPOCH + minute * MINUTE
