"""Which changes of an assessment are news, given what was last told about the shipment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain.assessment import Assessment
from app.domain.status import instant_text

Interval = tuple[str | None, str | None, str | None]
"""p10, p50 and p90 as the contract writes instants; texts of one form sort as their instants do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the world has been told: the ETA last announced (None: none is awaited), and where each dose stands."""

    eta: Interval | None = None
    verdicts: Mapping[str, str] = field(default_factory=dict)
    qualities: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell, as the contract writes it."""

    type: str
    data: dict[str, Any]


def standing_of(assessment: Assessment) -> Told:
    """Return where things stand now; an ETA that has come true is no forecast any more."""
    arrival = assessment.arrival
    awaited = arrival is not None and arrival.arrived_at is None
    return Told(
        eta=(_text(arrival.p10_at), _text(arrival.p50_at), _text(arrival.p90_at))
        if awaited and arrival
        else None,
        verdicts={one.odds.plan.dose.id: one.verdict for one in assessment.doses},
        qualities={dose_id: care.quality_status for dose_id, care in assessment.care.items()},
    )


def news_of(told: Told | None, assessment: Assessment) -> tuple[tuple[News, ...], Told]:
    """Return what has become news, and what the world knows after it.

    The first assessment is told by nobody: it is the plan that was registered. An ETA is news when its median
    leaves the interval last announced; until then that interval stands, however the forecast moves within it.
    """
    now = standing_of(assessment)
    if told is None:
        return (), now
    moved = eta_left(told.eta, now.eta)
    news = [News("shipment.eta_changed", _eta_data(told.eta, now.eta, assessment))] if moved else []
    for risk in assessment.doses:
        dose = risk.odds.plan.dose
        named = {"dose": {"id": dose.id, "reference": dose.reference}}
        before = told.verdicts.get(dose.id)
        if before is not None and before != risk.verdict:
            verdict = {
                "verdict": risk.verdict,
                "previous_verdict": before,
                "verdict_reasons": list(risk.verdict_reasons),
                "late_probability": risk.odds.late_probability,
                "usable_until": _text(risk.odds.plan.window.usable_until),
                "latest_useful_arrival_at": _text(risk.odds.plan.window.latest_useful_arrival_at),
            }
            news.append(News("dose.verdict_changed", named | verdict))
        was, quality = told.qualities.get(dose.id), now.qualities[dose.id]
        if was is not None and was != quality:
            changed = {"quality_status": quality, "previous_quality_status": was}
            news.append(News("dose.quality_changed", named | changed))
    stands = now.eta is not None and not moved and told.eta is not None
    known = Told(eta=told.eta if stands else now.eta, verdicts=now.verdicts, qualities=now.qualities)
    return tuple(news), known


def eta_left(told: Interval | None, now: Interval | None) -> bool:
    """Say whether the median has left the interval last announced; no known arrival lies after every instant."""
    if told is None or now is None:
        return False
    (low, middle, high), median = told, now[1]
    if median is None or middle is None:
        return median is not middle
    return (low is not None and median < low) or (high is not None and median > high)


def _eta_data(told: Interval | None, now: Interval | None, assessment: Assessment) -> dict[str, Any]:
    names = ("p10", "p50", "p90")
    planned_at = assessment.arrival.planned_at if assessment.arrival else None
    return {
        "eta": dict(zip(names, now or (None,) * 3, strict=True)) | {"planned_at": _text(planned_at)},
        "previous_eta": dict(zip(names, told or (None,) * 3, strict=True)),
    }


def _text(at: datetime | None) -> str | None:
    return instant_text(at) if at else None
