"""Many alerts as few causes: what one person at night has to decide, by when, for how many doses and patients."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain.alerts import SEVERITY_RANK, Cause, Severity, dose_subject
from app.domain.cause_words import cause_words
from app.domain.shipment import Dose, Shipment
from app.domain.site_time import site_text

STEPS_AT_MOST = 3
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stake:
    """One alert, as far as its cause is concerned."""

    shipment_id: str
    subject: str
    kind: str
    severity: Severity
    raised_at: datetime
    act_by: datetime | None
    acknowledged: bool
    cause: Cause
    what_would_help: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseLine:
    """One cause and all that hangs on it.

    `decide_by` is the earliest `act_by` still to come; None: none is, or nothing about the way would help.
    `shipment_ids` begin with the most pressing. `cause.leg` is None where
    the same service is another leg in another plan.
    """

    cause: Cause
    severity: Severity
    kinds: tuple[str, ...]
    alerts: int
    unacknowledged: int
    shipment_ids: tuple[str, ...]
    doses: int
    patients: int
    decide_by: datetime | None
    raised_at: datetime
    what_would_help: tuple[str, ...]
    summary: str


def cause_lines(
    stakes: Iterable[Stake], shipments: Mapping[str, Shipment], *, at: datetime
) -> list[CauseLine]:
    """Return one line a cause; the same service at the same place is one cause, whichever leg it is of a plan."""
    grouped: dict[tuple[object, ...], list[Stake]] = defaultdict(list)
    for stake in stakes:
        cause = stake.cause
        # What names neither a service, a place nor a lot concerns its own shipment alone.
        shared = cause.service or cause.location or cause.lot
        leg = cause.leg if cause.service is None else None
        alone = None if shared else stake.shipment_id
        grouped[cause.kind, leg, cause.service, cause.location, cause.lot, alone].append(stake)
    return [_line(group, shipments, at=at) for group in grouped.values()]


def _line(group: list[Stake], shipments: Mapping[str, Shipment], *, at: datetime) -> CauseLine:
    def presses(stake: Stake) -> tuple[bool, datetime, str, str]:
        over = stake.act_by is not None and stake.act_by < at
        return over, stake.act_by or _LAST, stake.shipment_id, stake.subject

    group = sorted(group, key=presses)
    first = group[0]
    legs = {one.cause.leg for one in group}
    ids = tuple(dict.fromkeys(one.shipment_id for one in group))
    doses = _doses(group, shipments)
    patients = len({_patient(shipments[one], dose) for one, dose in doses} - {None})
    return CauseLine(
        cause=Cause(
            kind=first.cause.kind,
            leg=first.cause.leg if len(legs) == 1 else None,
            service=first.cause.service,
            location=first.cause.location,
            lot=first.cause.lot,
        ),
        severity=max((one.severity for one in group), key=lambda one: SEVERITY_RANK[one]),
        kinds=tuple(sorted({one.kind for one in group})),
        alerts=len(group),
        unacknowledged=sum(not one.acknowledged for one in group),
        shipment_ids=ids,
        doses=len(doses),
        patients=patients,
        decide_by=None if presses(first)[0] else first.act_by,
        raised_at=max(one.raised_at for one in group),
        what_would_help=_helping_most(group),
        summary=_summary(
            first, shipments[first.shipment_id], (len(ids), len(doses), patients), over=presses(first)[0]
        ),
    )


def _helping_most(group: list[Stake]) -> tuple[str, ...]:
    """Return what would help the most of them: one step for all comes before each dose's own."""
    steps = Counter(step for one in group for step in one.what_would_help)
    return tuple(step for step, _ in steps.most_common(STEPS_AT_MOST))


def _doses(group: list[Stake], shipments: Mapping[str, Shipment]) -> list[tuple[str, Dose]]:
    """Return the doses at stake: those the alerts are about, and all of a shipment that has one about itself."""
    found: dict[tuple[str, str], tuple[str, Dose]] = {}
    for stake in group:
        for dose in shipments[stake.shipment_id].doses:
            if stake.subject == dose_subject(dose.id) or not stake.subject.startswith("dose:"):
                found[stake.shipment_id, dose.id] = (stake.shipment_id, dose)
    return list(found.values())


def _patient(shipment: Shipment, dose: Dose) -> tuple[str | None, str] | None:
    """Return whose dose this is; None: a spare is nobody's. Without a code each prescription is a patient."""
    if dose.subject_code is not None:
        return shipment.study, dose.subject_code
    prescribed = dose.prescribed_activity_mbq is not None or dose.prescribed_min_mbq is not None
    return (None, dose.id) if prescribed or dose.administer_at is not None else None


def _summary(first: Stake, shipment: Shipment, counts: tuple[int, int, int], *, over: bool) -> str:
    what = cause_words(first.cause, shipment)
    words = ", ".join(
        _count(number, word) for number, word in zip(counts, ("shipment", "dose", "patient"), strict=True)
    )
    by = f"; decide by {site_text(first.act_by, shipment.site)}" if first.act_by else ""
    by = "; too late to act on the way" if over else by
    return f"{what[0].upper()}{what[1:]}: {words}{by}."


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
