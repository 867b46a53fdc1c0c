"""How an alert is put: the name of a dose, the numbers behind it, and conditions with what they share filled in."""

from datetime import datetime

from app.domain.alerts import SHIPMENT, Cause, Condition, Severity, dose_subject
from app.domain.causes import help_for
from app.domain.odds import DoseOdds, worst_of
from app.domain.remedies import computed
from app.domain.ruling import Facts


def name_of(facts: Facts, odds: DoseOdds) -> str:
    """Return a dose as a courier or pharmacist would call it: `Dose D1 (Lu-177)`."""
    nuclide = facts.shipment.product.nuclide
    return f"Dose {odds.plan.dose.reference}" + (f" ({nuclide})" if nuclide else "")


def numbers(**evidence: float | None) -> dict[str, float]:
    """Return the evidence that there is."""
    return {name: value for name, value in evidence.items() if value is not None}


def too_late(facts: Facts, act_by: datetime | None, what: str) -> str | None:
    """Return, once the last instant to act has passed, that re-planning cannot do `what` any more."""
    return f"Re-planning can no longer {what}." if act_by is not None and facts.at > act_by else None


def about_shipment(
    facts: Facts, kind: str, cause: Cause, since: datetime, summary: str, **evidence: float | None
) -> Condition:
    """Return a warning about the whole shipment, with what its worst dose has at stake."""
    worst = worst_of(facts.odds)
    last_at = max((one.act_by for one in facts.odds if one.act_by is not None), default=None)
    return Condition(
        kind=kind,
        subject=SHIPMENT,
        severity="warning",
        since=since,
        act_by=worst.act_by if worst else None,
        cause=cause,
        summary=summary,
        evidence=numbers(
            late_probability=worst.late_probability if worst else None,
            slack_p50_minutes=worst.slack_p50_minutes if worst else None,
            **evidence,
        ),
        what_would_help=help_for(
            cause,
            facts.shipment,
            too_late=too_late(facts, last_at, "save any of the doses"),
            computed=computed(facts, about=None),
        ),
    )


def about_dose(
    facts: Facts,
    odds: DoseOdds,
    kind: str,
    severity: Severity,
    *,
    since: datetime,
    says: str,
    would_help: str,
    act_by: datetime | None = None,
    cause: Cause | None = None,
    **evidence: float | None,
) -> Condition:
    """Return a condition of one dose that no change of the way would cure; `says` follows the dose's name."""
    dose = odds.plan.dose
    return Condition(
        kind=kind,
        subject=dose_subject(dose.id),
        severity=severity,
        since=since,
        act_by=act_by,
        cause=cause or Cause(kind=kind),
        summary=f"{name_of(facts, odds)} {says}.",
        evidence=numbers(**evidence),
        what_would_help=(would_help,),
    )
