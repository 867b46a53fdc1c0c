"""What becomes of each dose: released or not by quality, measured and given or not at the bedside."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from app.domain.custody import Journey
from app.domain.legfacts import as_instant
from app.domain.observation import Event
from app.domain.shipment import Dose, Shipment

QualityStatus = Literal["pending", "released_conditionally", "released", "quarantined", "rejected"]
Outcome = Literal["open", "administered", "not_administered", "returned", "disposed", "lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assay:
    """What the site's meter read; it stands beside the decayed value and never replaces it."""

    measured_mbq: float
    measured_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A recorded disposition: who decided what and when, what the signature means, and why.

    `lot` None: it was about this shipment or dose alone.
    """

    decision: str
    person: str
    meaning: str
    reason: str | None
    decided_at: datetime
    lot: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What was taken out of a container for one patient; None: nobody said how much."""

    activity_mbq: float | None
    drawn_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseCare:
    """Quality and bedside facts of one dose.

    `decision` is the last disposition; `rejection` the last rejection, also when another decision has followed it.
    `quarantined_at`: since when a rule, and no decision, keeps it from use.
    """

    quality_status: QualityStatus = "pending"
    outcome: Outcome = "open"
    outcome_cause: str | None = None
    assay: Assay | None = None
    first_punctured_at: datetime | None = None
    draws: tuple[Draw, ...] = ()
    decision: Decision | None = None
    rejection: Decision | None = None
    quarantined_at: datetime | None = None

    @property
    def administered_mbq(self) -> float | None:
        """What the last patient was given, if anybody said."""
        return self.draws[-1].activity_mbq if self.draws else None

    @property
    def out_of_use(self) -> bool:
        """Whether nobody will be given it any more."""
        return self.outcome in {"not_administered", "returned", "disposed", "lost"}


@dataclass(frozen=True, slots=True)
class _SoFar:
    """The care so far, with the release kept apart from the decision that may stand over it."""

    care: DoseCare
    release: QualityStatus = "pending"
    ruling: QualityStatus | None = None


def fold_doses(shipment: Shipment, journey: Journey) -> dict[str, DoseCare]:
    """Return the care of every dose of the shipment, by dose id, from the events that count."""
    events = [event for event in journey.effective if event.type in _EFFECTS]
    return {dose.id: _fold_dose(dose, events) for dose in shipment.doses}


def concerns(event: Event, dose: Dose) -> bool:
    """Say whether an event is about this dose: by reference or id, by lot, or because it names none."""
    if event.dose is not None:
        return event.dose in {dose.id, dose.reference}
    return event.lot is None or event.lot == dose.lot


def _fold_dose(dose: Dose, events: list[Event]) -> DoseCare:
    so_far = _SoFar(DoseCare())
    for event in events:
        if concerns(event, dose):
            so_far = _EFFECTS[event.type](so_far, event)
    return replace(so_far.care, quality_status=so_far.ruling or so_far.release)


def _released(so_far: _SoFar, event: Event) -> _SoFar:
    """A conditional release does not take back a final one, and no release overrules a recorded decision."""
    if event.details.get("scope") == "final":
        return replace(so_far, release="released")
    return so_far if so_far.release == "released" else replace(so_far, release="released_conditionally")


def _disposition(so_far: _SoFar, event: Event) -> _SoFar:
    """The last decision stands; `use_as_is` leaves it to the releases, `return` keeps the dose from use."""
    rulings: dict[str, QualityStatus] = {"reject": "rejected", "return": "quarantined"}
    decision = Decision(
        decision=str(event.details.get("decision")),
        person=str(event.details.get("person")),
        meaning=str(event.details.get("meaning")),
        reason=event.reason,
        decided_at=event.effective_at,
        lot=event.lot,
    )
    care = replace(so_far.care, decision=decision)
    if decision.decision == "reject":
        care = replace(care, rejection=decision)
    return replace(so_far, care=care, ruling=rulings.get(decision.decision))


def _assayed(so_far: _SoFar, event: Event) -> _SoFar:
    """The last measurement stands."""
    assay = Assay(
        measured_mbq=float(event.details["measured_activity_mbq"]),
        measured_at=as_instant(event.details.get("measured_at")) or event.effective_at,
    )
    return replace(so_far, care=replace(so_far.care, assay=assay))


def _first_puncture(so_far: _SoFar, event: Event) -> _SoFar:
    first = so_far.care.first_punctured_at or event.effective_at
    return replace(so_far, care=replace(so_far.care, first_punctured_at=first))


def _administered(so_far: _SoFar, event: Event) -> _SoFar:
    """What is given was drawn first: a container is punctured by then, whether or not anybody said so."""
    given_mbq = event.details.get("administered_activity_mbq")
    draw = Draw(
        activity_mbq=None if given_mbq is None else float(given_mbq),
        drawn_at=event.effective_at,
    )
    care = replace(
        so_far.care,
        outcome="administered",
        outcome_cause=None,
        draws=(*so_far.care.draws, draw),
        first_punctured_at=so_far.care.first_punctured_at or event.effective_at,
    )
    return replace(so_far, care=care)


def _not_administered(so_far: _SoFar, event: Event) -> _SoFar:
    """The cause is kept even where the dose is already known to be lost or returned."""
    care = so_far.care
    if care.outcome == "administered":
        return so_far
    outcome: Outcome = "not_administered" if care.outcome == "open" else care.outcome
    return replace(so_far, care=replace(care, outcome=outcome, outcome_cause=event.details.get("cause")))


def _returned(so_far: _SoFar, _: Event) -> _SoFar:
    return _gone(so_far, "returned")


def _disposed(so_far: _SoFar, _: Event) -> _SoFar:
    return _gone(so_far, "disposed")


def _lost(so_far: _SoFar, _: Event) -> _SoFar:
    return _gone(so_far, "lost")


def _gone(so_far: _SoFar, outcome: Outcome) -> _SoFar:
    """What was given stays given: an empty vial may be returned or lost."""
    if so_far.care.outcome == "administered":
        return so_far
    return replace(so_far, care=replace(so_far.care, outcome=outcome))


_EFFECTS: Final[dict[str, Callable[[_SoFar, Event], _SoFar]]] = {
    "released": _released,
    "disposition": _disposition,
    "assayed": _assayed,
    "first_puncture": _first_puncture,
    "administered": _administered,
    "not_administered": _not_administered,
    "returned": _returned,
    "disposed": _disposed,
    "lost": _lost,
}
