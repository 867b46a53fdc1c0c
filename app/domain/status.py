"""The status document: one assessment in the words of the contract, and how to tell it again later."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from app.domain.alerts import SEVERITY_RANK, OpenAlert
from app.domain.assays import compare
from app.domain.assessment import Assessment, Snapshot
from app.domain.bedside import Decision
from app.domain.custody import Position
from app.domain.decay import activity_at
from app.domain.eta import Arrival
from app.domain.odds import DoseOdds
from app.domain.risk import DoseRisk
from app.domain.shipment import Shipment
from app.domain.thermal import SeriesThermal
from app.domain.thermal_pieces import length_minutes
from app.domain.window import activity_of

Document = dict[str, Any]


def status_document(
    assessment: Assessment,
    snapshot: Snapshot,
    *,
    at: datetime,
    open_alerts: Iterable[OpenAlert] | None = None,
) -> Document:
    """Return the status as the contract has it, with `datetime` values.

    `at` is when it is told, as long as the assessment is valid. `open_alerts` None: those of the snapshot, as
    they stood before the assessment's changes.
    """
    journey, worst = assessment.journey, assessment.worst
    alerts = snapshot.open_alerts if open_alerts is None else open_alerts
    return {
        "shipment_id": snapshot.shipment.id,
        "reference": snapshot.shipment.reference,
        "at": at,
        "version": assessment.version,
        "state": journey.state,
        "custodian": journey.custodian,
        "position": _position(journey.position),
        "last_event": _last_event(assessment),
        "eta": _eta(assessment.arrival, baseline_at=snapshot.baseline_at),
        "late_probability": worst.odds.late_probability if worst else None,
        "latest_useful_arrival_at": worst.odds.plan.window.latest_useful_arrival_at if worst else None,
        "slack_minutes": _slack(worst.odds if worst else None),
        "doses": [_dose(risk, snapshot.shipment, at=at) for risk in assessment.doses],
        "thermal": [_thermal(series, assessment) for series in assessment.thermal.series],
        "open_alerts": [_alert(alert) for alert in sorted(alerts, key=_worst_first)],
    }


def stored_view(document: Document, shipment: Shipment, assessment: Assessment) -> Document:
    """Return the document as plain JSON values, with what `render_at` needs to tell it at another instant."""
    terms = [
        {
            "activity_mbq": dose.calibrated_activity_mbq * risk.fraction_left
            if dose.calibrated_activity_mbq is not None
            else None,
            "calibrated_at": instant_text(dose.calibrated_at) if dose.calibrated_at else None,
            "half_life_s": risk.half_life_s,
        }
        for dose, risk in zip(shipment.doses, assessment.doses, strict=True)
    ]
    return {"document": _plain(document), "decay": terms}


def render_at(view: Document, *, at: datetime) -> Document:
    """Return the stored document as of `at`: its instant and each dose's activity now; the rest is as stored.

    The caller sees to it that `at` is before the view's `valid_until`.
    Source: A(t) = A0 * 2 ** (-t / T), as in `decay`.
    """
    document: Document = view["document"]
    doses = [
        dose | {"activity_mbq": dose["activity_mbq"] | {"now": _activity_now(terms, at=at)}}
        for dose, terms in zip(document["doses"], view["decay"], strict=True)
    ]
    return document | {"at": instant_text(at), "doses": doses}


def instant_text(at: datetime) -> str:
    """Return an instant as the contract writes it: UTC, milliseconds, `Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def without(document: Document, hidden: frozenset[str]) -> Document:
    """Return the document with the hidden fields of its doses emptied, for callers who may not see them."""
    doses = [
        {name: None if name in hidden else value for name, value in dose.items()}
        for dose in document["doses"]
    ]
    return document | {"doses": doses}


def without_fields(value: Any, hidden: frozenset[str]) -> Any:
    """Return plain JSON values with every field of a hidden name emptied, however deep it stands."""
    if isinstance(value, dict):
        return {
            name: None if name in hidden else without_fields(inner, hidden) for name, inner in value.items()
        }
    return [without_fields(inner, hidden) for inner in value] if isinstance(value, list) else value


def _activity_now(terms: Document, *, at: datetime) -> float | None:
    if terms["activity_mbq"] is None or terms["calibrated_at"] is None or terms["half_life_s"] is None:
        return None
    activity_mbq = activity_at(
        terms["activity_mbq"],
        half_life_s=terms["half_life_s"],
        reference_at=datetime.fromisoformat(terms["calibrated_at"]),
        at=at,
    )
    return activity_mbq if math.isfinite(activity_mbq) else None


def _plain(document: Document) -> Any:
    return orjson.loads(orjson.dumps(document, default=instant_text, option=orjson.OPT_PASSTHROUGH_DATETIME))


def _position(position: Position) -> Document:
    return {
        "code": position.code,
        "lat": position.lat,
        "lon": position.lon,
        "observed_at": position.observed_at,
        "source": position.source,
    }


def _last_event(assessment: Assessment) -> Document | None:
    event = assessment.journey.last_event
    if event is None:
        return None
    return {
        "id": event.id,
        "event_id": event.event_id,
        "type": event.type,
        "leg": assessment.journey.last_event_leg,
        "occurred_at": event.occurred_at,
    }


def _eta(arrival: Arrival | None, *, baseline_at: datetime) -> Document | None:
    if arrival is None:
        return None
    return {
        "p10": arrival.p10_at,
        "p50": arrival.p50_at,
        "p90": arrival.p90_at,
        "planned_at": arrival.planned_at,
        "baseline_at": baseline_at,
        "arrived_at": arrival.arrived_at,
        "contributions": [
            {"leg": one.leg, "segment": one.segment, "minutes_p50": one.minutes_p50, "basis": one.basis}
            for one in arrival.contributions
        ],
        "lanes_version": arrival.lanes_version,
    }


def _slack(odds: DoseOdds | None) -> Document:
    return {
        "p50": odds.slack_p50_minutes if odds else None,
        "p90": odds.slack_p90_minutes if odds else None,
    }


def _dose(risk: DoseRisk, shipment: Shipment, *, at: datetime) -> Document:
    odds, window, care = risk.odds, risk.odds.plan.window, risk.odds.plan.care
    dose = odds.plan.dose
    return {
        "dose_id": dose.id,
        "reference": dose.reference,
        "nuclide": shipment.product.nuclide,
        "half_life_s": risk.half_life_s,
        "half_life_source": risk.half_life_source,
        "activity_mbq": {
            "now": _left(activity_of(dose, shipment.product, at=at), risk.fraction_left),
            "at_eta_p50": risk.activity_at_eta_p50_mbq,
            "at_administration": risk.activity_at_administration_mbq,
        },
        "usable_from": window.usable_from,
        "usable_until": window.usable_until,
        "opening_limit": window.opening_limit,
        "binding_limit": window.binding_limit,
        "latest_useful_arrival_at": window.latest_useful_arrival_at,
        "required_arrival_at": window.required_arrival_at,
        "late_probability": odds.late_probability,
        "appointment_late_probability": odds.appointment_late_probability,
        "slack_minutes": _slack(odds),
        "draw_volume_ml": risk.draw_volume_ml,
        "volume_left_ml": risk.volume_left_ml,
        "verdict": risk.verdict,
        "verdict_reasons": list(risk.verdict_reasons),
        "quality_status": care.quality_status,
        "disposition": _disposition(care.decision),
        "outcome": care.outcome,
        "outcome_cause": care.outcome_cause,
        "administered_activity_mbq": care.administered_mbq,
        "assay": _assay(risk, shipment),
    }


def _left(activity_mbq: float | None, fraction: float) -> float | None:
    return None if activity_mbq is None else activity_mbq * fraction


def _disposition(decision: Decision | None) -> Document | None:
    if decision is None:
        return None
    return {
        "decision": decision.decision,
        "person": decision.person,
        "meaning": decision.meaning,
        "reason": decision.reason,
        "decided_at": decision.decided_at,
        "lot": decision.lot,
    }


def _assay(risk: DoseRisk, shipment: Shipment) -> Document | None:
    """Tell the site's measurement beside what decay predicts for its instant: it never replaces that."""
    assay = risk.odds.plan.care.assay
    if assay is None:
        return None
    found = compare(risk.odds.plan.dose, shipment.product, assay)
    return {
        "measured_mbq": assay.measured_mbq,
        "measured_at": assay.measured_at,
        "predicted_mbq": found.predicted_mbq if found else None,
        "ratio": found.ratio if found else None,
    }


def _thermal(series: SeriesThermal, assessment: Assessment) -> Document:
    """Tell a series; temperatures are null before its first reading, the budget where none applies."""
    product_budget = assessment.thermal.budget_remaining_minutes
    return {
        "device_id": series.device.device_id,
        "sensor": series.device.sensor,
        "place": series.device.place,
        "last_c": series.last_c,
        "last_at": series.last_at,
        "min_c": series.min_c,
        "max_c": series.max_c,
        "mean_c": series.mean_c,
        "mkt_c": series.mkt_c,
        "above_minutes": length_minutes(series.above),
        "below_minutes": length_minutes(series.below),
        "unmonitored_minutes": assessment.unmonitored.minutes(series),
        "budget_remaining_minutes": product_budget if series.judges else None,
        "in_excursion": series.in_excursion,
    }


def _worst_first(alert: OpenAlert) -> tuple[int, str, str]:
    """Order by what is true, not by when it was said: that depends on when who was heard."""
    return -SEVERITY_RANK[alert.severity], alert.kind, alert.subject


def _alert(alert: OpenAlert) -> Document:
    return {
        "id": alert.id,
        "kind": alert.kind,
        "subject": alert.subject,
        "severity": alert.severity,
        "since": alert.since,
    }
