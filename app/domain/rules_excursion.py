"""Rule of temperatures outside limits: what holds now, and what held and is over before anybody was told.

An excursion's condition ends when the temperature is back; its assessment stays open until a recorded decision,
unless the product has a budget and it is not used up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.alerts import (
    SEVERITY_RANK,
    AlertChange,
    Cause,
    Condition,
    OpenAlert,
    PastAlert,
    Severity,
    over_before_known,
)
from app.domain.devices import act_by_of, device_subject
from app.domain.ruling import Facts, OpenSeverity
from app.domain.spans import MINUTE
from app.domain.thermal import SeriesThermal
from app.domain.thermal_episodes import Episode
from app.domain.thermal_silence import decided_since

TOLD_APART = 3
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Reason:
    """One thing that keeps an alert open, and since when."""

    severity: Severity
    since: datetime
    words: str


def temperature_excursion(facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each sensor with the product that shows the dose too warm, too cold or frozen, and undecided."""
    for series in facts.thermal.series:
        reasons = list(_reasons(facts, series)) if series.judges else []
        if reasons:
            worst = max((one.severity for one in reasons), key=lambda one: SEVERITY_RANK[one])
            words = "; ".join(dict.fromkeys(one.words for one in reasons))
            yield _condition(facts, series, worst, min(one.since for one in reasons), words)


def passed_excursions(
    facts: Facts, *, open_alerts: Sequence[OpenAlert], past_alerts: Sequence[PastAlert]
) -> tuple[AlertChange, ...]:
    """Return the alerts that a live sensor would have opened and closed again, of which nobody was told yet.

    More than a few of one sensor are told as one, from the first to the last: an import makes no storm.
    """
    if facts.thermal.storage.budget_minutes is None:
        return ()  # each of them waits for a decision, and is still open
    found: list[AlertChange] = []
    for series in facts.thermal.series:
        untold = [
            one
            for one in (series.episodes if series.judges else ())
            if _is_passed(facts, one) and not _is_told(facts, series, one, open_alerts, past_alerts)
        ]
        groups = [untold] if len(untold) > TOLD_APART else [[one] for one in untold]
        found += [_passed(facts, series, group) for group in groups if group]
    return tuple(found)


def _is_passed(facts: Facts, episode: Episode) -> bool:
    used_up_at = facts.thermal.budget_used_up_at
    within_budget = used_up_at is None or episode.until_at < used_up_at
    return within_budget and not episode.lasts and _is_long(facts, episode)


def _is_told(
    facts: Facts,
    series: SeriesThermal,
    episode: Episode,
    open_alerts: Sequence[OpenAlert],
    past_alerts: Sequence[PastAlert],
) -> bool:
    key = ("temperature_excursion", device_subject(series.device.device_id))
    spans = [(one.since, facts.at) for one in open_alerts if one.key == key]
    spans += [(one.since, one.ended_at) for one in past_alerts if (one.kind, one.subject) == key]
    alarmed_at = _alarmed_at(facts, episode)
    return any(since <= episode.until_at and alarmed_at <= ended_at for since, ended_at in spans)


def _passed(facts: Facts, series: SeriesThermal, episodes: Sequence[Episode]) -> AlertChange:
    words = _words(facts, episodes[0])
    if len(episodes) > 1:
        words += f", and {len(episodes) - 1} times more until {facts.say(episodes[-1].until_at)}"
    condition = _condition(facts, series, "warning", _alarmed_at(facts, episodes[0]), words)
    return over_before_known(
        condition,
        at=facts.at,
        ended_at=episodes[-1].until_at,
        reason="the temperature is back within limits, and the budget is not used up",
    )


def excursion_wakes_at(facts: Facts) -> Iterator[datetime]:
    """Yield when an excursion that lasts becomes an alert, if nothing is heard."""
    for series in facts.thermal.series:
        for episode in series.episodes:
            if episode.lasts and series.judges and series.device.live:
                yield _presumed_at(facts, series, episode) + _MICROSECOND


def _reasons(facts: Facts, series: SeriesThermal) -> Iterator[_Reason]:
    for episode in series.episodes:
        if _is_alarm(facts, series, episode) and (episode.lasts or _is_for_people(facts, episode)):
            yield _Reason("warning", _alarmed_at(facts, episode), _words(facts, episode))
    used_up_at = facts.thermal.budget_used_up_at
    own = [one for one in series.episodes if used_up_at and one.since_at <= used_up_at]
    if used_up_at and own and not _is_decided(facts, max(one.known_at for one in own)):
        yield _Reason("critical", _since_used_up(facts, own, used_up_at), _budget_words(facts, used_up_at))
    frozen = [one for one in series.freezes if not _is_decided(facts, one.known_at)]
    if frozen:
        words = f"at {frozen[0].temperature_c:.1f} °C the product counts as frozen, {facts.say(frozen[0].at)}"
        yield _Reason("critical", frozen[0].at, words)


def _is_long(facts: Facts, episode: Episode) -> bool:
    """Say whether it was seen outside for longer than the alarm delay; without a delay one reading is enough."""
    return not _delay(facts) or episode.until_at - episode.since_at > _delay(facts)


def _is_alarm(facts: Facts, series: SeriesThermal, episode: Episode) -> bool:
    """Say whether it was outside for longer than the alarm delay, or must be taken to be.

    A live sensor whose last word was "outside" is taken to stay so once its next report is overdue.
    """
    presumed = episode.lasts and series.device.live and facts.at > _presumed_at(facts, series, episode)
    return presumed or _is_long(facts, episode)


def _presumed_at(facts: Facts, series: SeriesThermal, episode: Episode) -> datetime:
    device = series.device
    overdue = timedelta(seconds=(device.report_interval_s or 0.0) + (device.interval_s or 0.0))
    return max(_alarmed_at(facts, episode), episode.until_at + overdue)


def _alarmed_at(facts: Facts, episode: Episode) -> datetime:
    return episode.since_at + _delay(facts)


def _delay(facts: Facts) -> timedelta:
    return timedelta(minutes=facts.thermal.storage.alarm_delay_minutes)


def _is_for_people(facts: Facts, episode: Episode) -> bool:
    """Say whether an excursion that is over waits for a decision; with a budget, only its end does."""
    return facts.thermal.storage.budget_minutes is None and not _is_decided(facts, episode.known_at)


def _is_decided(facts: Facts, known_at: datetime) -> bool:
    return all(decided_since(facts.journey, dose, known_at) for dose in facts.shipment.doses)


def _since_used_up(facts: Facts, episodes: Sequence[Episode], used_up_at: datetime) -> datetime:
    """Return since when the alert is open that saw the budget end: the alarm of that episode, if it came before."""
    last = max(episodes, key=lambda one: one.since_at)
    return min(used_up_at, _alarmed_at(facts, last)) if _is_long(facts, last) else used_up_at


def _words(facts: Facts, episode: Episode) -> str:
    storage = facts.thermal.storage
    limit_c = storage.max_c if episode.side == "above" else storage.min_c
    seen = max((episode.until_at - episode.since_at) / MINUTE, 0.0)
    span = f"since {facts.say(episode.since_at)}, {seen:.0f} minutes" + (" so far" if episode.lasts else "")
    extreme = "at most" if episode.side == "above" else "at least"
    return f"{episode.side} {limit_c:g} °C {span}, {extreme} {episode.extreme_c:.1f} °C"


def _budget_words(facts: Facts, used_up_at: datetime) -> str:
    budget = facts.thermal.storage.budget_minutes
    return f"the budget of {budget:g} minutes outside the limits was used up {facts.say(used_up_at)}"


def _condition(
    facts: Facts, series: SeriesThermal, severity: Severity, since: datetime, words: str
) -> Condition:
    device, storage = series.device, facts.thermal.storage
    numbers = {
        "last_c": series.last_c, "min_c": series.min_c, "max_c": series.max_c,
        "limit_min_c": storage.min_c, "limit_max_c": storage.max_c,
        "alarm_delay_minutes": storage.alarm_delay_minutes, "budget_minutes": storage.budget_minutes,
        "budget_remaining_minutes": facts.thermal.budget_remaining_minutes,
    }  # fmt: skip
    return Condition(
        kind="temperature_excursion",
        subject=device_subject(device.device_id),
        severity=severity,
        since=since,
        act_by=act_by_of(facts, since=since),
        cause=Cause(kind="temperature", location=facts.journey.position.code),
        summary=f"Sensor {device.device_id} ({device.sensor}): {words}.",
        evidence={name: value for name, value in numbers.items() if value is not None},
        what_would_help=(
            "Have whoever holds the package cool it, warm it or re-ice it.",
            "Let quality decide whether the doses may be used.",
        ),
    )
