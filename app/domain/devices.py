"""What the rules about devices share: the devices' series, the way's beginning, and an alert's common part."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from app.domain.alerts import Cause, Condition, Severity
from app.domain.custody import Journey
from app.domain.odds import worst_of
from app.domain.ruling import Facts
from app.domain.thermal import SeriesThermal

AFTER_ARRIVAL = frozenset({"delivered", "received"})


def device_subject(device_id: str) -> str:
    """Return the subject of an alert about one device."""
    return f"device:{device_id}"


def left_plant_at(journey: Journey) -> datetime | None:
    """Return when the package was picked up, else when it first departed; None: it has not left."""
    departed = [facts.departed_at for facts in journey.legs if facts.departed_at]
    return journey.picked_up_at or min(departed, default=None)


def by_device(facts: Facts) -> Mapping[str, Sequence[SeriesThermal]]:
    """Return the series of each device."""
    found: dict[str, list[SeriesThermal]] = defaultdict(list)
    for one in facts.thermal.series:
        found[one.device.device_id].append(one)
    return found


def act_by_of(facts: Facts, *, since: datetime) -> datetime | None:
    """Return until when there is something to decide about what began at `since`, which no change of the way cures.

    That is as long as the worst dose can still come another way. What began later is for the site to weigh, before
    the first of the doses that it still has to give; None: there is none.
    Source: our convention (decision 18).
    """
    worst = worst_of(facts.odds)
    if worst is not None and worst.act_by is not None and worst.act_by >= since:
        return worst.act_by
    given_at = [
        odds.plan.dose.administer_at
        for odds in facts.odds
        if odds.plan.care.outcome == "open" and odds.plan.dose.administer_at is not None
    ]
    return min((at for at in given_at if at >= since), default=None)


def about_device(
    facts: Facts,
    kind: str,
    device_id: str,
    severity: Severity,
    *,
    since: datetime,
    summary: str,
    evidence: dict[str, float],
    help_: tuple[str, ...],
) -> Condition:
    """Return a condition of one device, with what is the same for all of them."""
    return Condition(
        kind=kind,
        subject=device_subject(device_id),
        severity=severity,
        since=since,
        act_by=act_by_of(facts, since=since),
        cause=Cause(kind=kind, location=facts.journey.position.code),
        summary=summary,
        evidence=evidence,
        what_would_help=help_,
    )
