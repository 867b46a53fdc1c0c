"""What to say about each dose: verdict, reasons in plain words, and the activities behind them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.domain.custody import Journey
from app.domain.deviation import remark_on
from app.domain.draws import fraction_left, volume_left_ml
from app.domain.eta import Arrival
from app.domain.nuclides import half_life_of
from app.domain.odds import DoseOdds, minutes_between
from app.domain.shipment import Shipment
from app.domain.site_time import counted_arrival_at, site_text
from app.domain.window import activity_of, draw_volume_ml, in_activity_window
from app.domain.wording import chance

Verdict = Literal[
    "ok", "at_risk", "will_miss", "expired", "activity_above_range", "quarantined", "received_usable",
    "received_unusable",
]  # fmt: skip

AT_RISK = 0.10
WILL_MISS = 0.50
"""Source: our convention (verdicts): at risk from one chance in ten, lost from even odds."""

NO_ARRIVAL = frozenset({"cancelled", "lost", "returned"})

UNMONITORED = "its temperature was unmonitored for longer than the product allows"

LIMIT_WORDS = {
    "activity_floor": "its activity falls below the prescribed range",
    "shelf_life": "its shelf life ends",
    "label_expiry": "it passes the expiry on its label",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseRisk:
    """One dose, judged at one instant. Activities are MBq, None for a kit or where no instant is known."""

    odds: DoseOdds
    verdict: Verdict
    verdict_reasons: tuple[str, ...]
    half_life_s: float | None
    half_life_source: str | None
    activity_at_eta_p50_mbq: float | None
    activity_at_administration_mbq: float | None
    draw_volume_ml: float | None
    volume_left_ml: float | None
    fraction_left: float


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything a verdict is judged from."""

    odds: DoseOdds
    shipment: Shipment
    journey: Journey
    arrival: Arrival | None
    administered_at: datetime | None
    at: datetime

    def say(self, at: datetime) -> str:
        return site_text(at, self.shipment.site)


Judgement = tuple[Verdict, tuple[str, ...]]


def dose_risk(
    odds: DoseOdds, shipment: Shipment, journey: Journey, arrival: Arrival | None, *, at: datetime
) -> DoseRisk:
    """Return the verdict on one dose, with reasons and activities; `arrival` None: none is expected."""
    dose, product = odds.plan.dose, shipment.product
    half_life = half_life_of(product)
    administered_at = _administration_at(odds, shipment, arrival)
    case = _Case(odds, shipment, journey, arrival, administered_at, at)
    verdict, reasons = next(judged for judge in _JUDGES if (judged := judge(case)) is not None)
    eta_at = arrival.p50_at if arrival else None
    return DoseRisk(
        odds=odds,
        verdict=verdict,
        verdict_reasons=(*reasons, *_remarks(case, verdict)),
        half_life_s=half_life.value_s if half_life else None,
        half_life_source=half_life.source if half_life else None,
        activity_at_eta_p50_mbq=activity_of(dose, product, at=eta_at) if eta_at else None,
        activity_at_administration_mbq=activity_of(dose, product, at=administered_at)
        if administered_at
        else None,
        draw_volume_ml=draw_volume_ml(dose, product, at=administered_at) if administered_at else None,
        volume_left_ml=volume_left_ml(dose, product, odds.plan.care.draws),
        fraction_left=fraction_left(dose, product, odds.plan.care.draws),
    )


def is_received(odds: DoseOdds, journey: Journey) -> bool:
    """Return whether the site has this dose: by its scan, or by what was done at the bedside."""
    return journey.received_at is not None or odds.plan.care.outcome in {"administered", "not_administered"}


def is_settled(odds: DoseOdds, journey: Journey) -> bool:
    """Return whether no arrival decides about this dose any more: the site has it, or it met another end."""
    return is_received(odds, journey) or odds.plan.care.outcome != "open"


def limit_words(limit: str | None) -> str:
    """Return what ends the usable window, as the end of a sentence that begins "when"."""
    if limit is None:
        return "nothing ends its window"
    if limit.startswith("clock:"):
        return f"the product's clock “{limit.removeprefix('clock:')}” runs out"
    return LIMIT_WORDS.get(limit, limit)


def _administration_at(odds: DoseOdds, shipment: Shipment, arrival: Arrival | None) -> datetime | None:
    """Return when the dose is meant to be given: its appointment, else as soon as it can be."""
    if odds.plan.dose.administer_at is not None:
        return odds.plan.dose.administer_at
    if arrival is None or arrival.p50_at is None:
        return None
    if arrival.arrived_at is not None:
        return arrival.arrived_at + odds.plan.handling
    return counted_arrival_at(arrival.p50_at, shipment.site) + odds.plan.handling


def _received(case: _Case) -> Judgement | None:
    if not is_received(case.odds, case.journey):
        return None
    window, care = case.odds.plan.window, case.odds.plan.care
    faults = []
    received_at = case.journey.received_at
    if received_at and window.usable_until and received_at > window.usable_until:
        faults.append(
            f"received {case.say(received_at)}, after {case.say(window.usable_until)}, "
            f"when {limit_words(window.binding_limit)}"
        )
    if case.journey.damaged_at:
        faults.append(f"reported damaged {case.say(case.journey.damaged_at)}")
    if care.quality_status == "rejected":
        faults.append("rejected by a recorded quality decision")
    if faults:
        return "received_unusable", tuple(faults)
    if care.quality_status == "quarantined":
        return "quarantined", (f"received, and {_waiting(case)}",)
    return "received_usable", (_room_left(case, received_at),)


def _room_left(case: _Case, received_at: datetime | None) -> str:
    until = case.odds.plan.window.usable_until
    if received_at is None:
        return f"at the site: {case.odds.plan.care.outcome}"
    if until is None:
        return f"received {case.say(received_at)}; nothing ends its window"
    left = minutes_between(received_at, until)
    planned = case.odds.plan.handling.total_seconds() / 60
    short = f", less than the {planned:.0f} planned for handling" if left < planned else ""
    return f"received with {left:.0f} minutes left until {case.say(until)}{short}"


def _gone(case: _Case) -> Judgement | None:
    """Judge a dose that met another end on the way than the rest of its package."""
    if not case.odds.plan.care.out_of_use:
        return None
    return "will_miss", (f"the dose is {case.odds.plan.care.outcome}: it will not be given",)


def _expired(case: _Case) -> Judgement | None:
    window = case.odds.plan.window
    if window.usable_until is None or case.at <= window.usable_until:
        return None
    return "expired", (
        f"not received by {case.say(window.usable_until)}, when {limit_words(window.binding_limit)}",
    )


def _quarantined(case: _Case) -> Judgement | None:
    status = case.odds.plan.care.quality_status
    if status == "rejected":
        return "quarantined", ("rejected by a recorded quality decision",)
    return ("quarantined", (_waiting(case),)) if status == "quarantined" else None


def _waiting(case: _Case) -> str:
    """Return what a dose in quarantine waits for, and why where a rule and no decision put it there."""
    since = case.odds.plan.care.quarantined_at
    why = "" if since is None else f" since {case.say(since)}: {UNMONITORED}"
    return f"waiting for a recorded quality decision{why}"


def _no_arrival(case: _Case) -> Judgement | None:
    if case.arrival is not None and case.journey.state not in NO_ARRIVAL:
        return None
    return "will_miss", (f"the shipment is {case.journey.state}: no arrival is expected",)


def _lost(case: _Case) -> Judgement | None:
    odds, bound_at = case.odds, case.odds.plan.window.latest_useful_arrival_at
    late = odds.late_probability or 0.0
    past_bound = odds.slack_p50_minutes is not None and odds.slack_p50_minutes < 0
    if bound_at is None or not (late >= WILL_MISS or past_bound):
        return None
    return "will_miss", (_chance(case, late, bound_at),)


def _above_range(case: _Case) -> Judgement | None:
    """Judge the ceiling at the appointment; without one, only when waiting would not help either."""
    window, moment = case.odds.plan.window, case.administered_at
    if moment is None:
        return None
    if in_activity_window(case.odds.plan.dose, case.shipment.product, at=moment) != "above":
        return None
    can_wait = window.usable_until is None or (
        window.usable_from is not None and max(window.usable_from, moment) <= window.usable_until
    )
    if case.odds.plan.dose.administer_at is None and can_wait:
        return None
    return "activity_above_range", (
        f"still above the prescribed range at {case.say(moment)}"
        + (f"; in range from {case.say(window.usable_from)}" if window.usable_from else ""),
    )


def _at_risk(case: _Case) -> Judgement | None:
    window, late = case.odds.plan.window, case.odds.late_probability or 0.0
    reasons = []
    if window.latest_useful_arrival_at and late >= AT_RISK:
        reasons.append(_chance(case, late, window.latest_useful_arrival_at))
    reasons.extend(_appointed_too_late(case))
    return ("at_risk", tuple(reasons)) if reasons else None


def _appointed_too_late(case: _Case) -> Iterator[str]:
    """Yield that the appointment lies after the window, if it does."""
    window, administer_at = case.odds.plan.window, case.odds.plan.dose.administer_at
    if administer_at and window.usable_until and administer_at > window.usable_until:
        yield (
            f"the appointment at {case.say(administer_at)} lies after {case.say(window.usable_until)}, "
            f"when {limit_words(window.binding_limit)}"
        )


def _ok(case: _Case) -> Judgement:
    bound_at = case.odds.plan.window.latest_useful_arrival_at
    if bound_at is None:
        return "ok", ("nothing ends its usable window",)
    return "ok", (_chance(case, case.odds.late_probability or 0.0, bound_at),)


def _remarks(case: _Case, verdict: Verdict) -> Iterator[str]:
    """Yield what the verdict does not judge and a reader must know: the patient's slot, and shaky bounds."""
    late, required_at = case.odds.appointment_late_probability, case.odds.plan.window.required_arrival_at
    if verdict in {"ok", "at_risk"} and late is not None and late >= AT_RISK and required_at is not None:
        arrived = case.arrival is not None and case.arrival.arrived_at is not None
        slot = f"its appointment needs it by {case.say(required_at)}"
        yield f"{slot}: missed" if arrived else f"{slot}: {chance(late)} chance of missing that"
    if verdict == "received_usable" and case.odds.plan.care.outcome == "open":
        yield from _appointed_too_late(case)
        until = case.odds.plan.window.usable_until
        if until is not None and case.at > until:
            yield f"not given by {case.say(until)}, when {limit_words(case.odds.plan.window.binding_limit)}"
    prescribed, given = case.odds.plan.dose.prescribed_activity_mbq, case.odds.plan.care.administered_mbq
    if prescribed is not None and given is not None and (remark := remark_on(prescribed, given)):
        yield remark
    yield from case.odds.plan.window.caveats


def _chance(case: _Case, late: float, bound_at: datetime) -> str:
    arrived_at = case.arrival.arrived_at if case.arrival else None
    if arrived_at is not None:
        gap = minutes_between(arrived_at, bound_at)
        side = "before" if gap >= 0 else "after"
        return f"delivered {abs(gap):.0f} minutes {side} the latest useful arrival, {case.say(bound_at)}"
    slack = case.odds.slack_p50_minutes
    side = "after" if slack is not None and slack < 0 else "before"
    expected = (
        "; expected arrival unknown" if slack is None else f"; expected {abs(slack):.0f} minutes {side} it"
    )
    return (
        f"{chance(late)} chance of arriving after {case.say(bound_at)}, the latest useful arrival{expected}"
    )


_JUDGES: tuple[Callable[[_Case], Judgement | None], ...] = (
    _received, _no_arrival, _gone, _expired, _quarantined, _lost, _above_range, _at_risk, _ok,
)  # fmt: skip
"""In order, the first that answers decides: what is settled, then what is lost, then what may be."""
