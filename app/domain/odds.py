"""The odds of each dose's arrival: chance of being late, slack, and the last instants that count."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from app.domain.bedside import DoseCare
from app.domain.choices import choices_of
from app.domain.custody import Journey, LegFacts
from app.domain.eta import Arrival
from app.domain.lanes import PRIORS, LaneStatistics
from app.domain.shipment import Dose, Shipment
from app.domain.site_time import counted_arrival_at, last_receivable_at
from app.domain.spans import MINUTE
from app.domain.window import UsableWindow, usable_window


@dataclass(frozen=True, slots=True, kw_only=True)
class DosePlan:
    """What time alone does not change about a dose: its window, and the last arrivals and decisions that count.

    `latest_at` and `required_at` are the window's own bounds drawn back to the site's last opening before
    them. `act_by` and `appointment_act_by` are the last instants at which changing the way still meets them; None:
    there is no such bound.
    """

    dose: Dose
    care: DoseCare
    window: UsableWindow
    handling: timedelta
    latest_at: datetime | None
    required_at: datetime | None
    act_by: datetime | None
    appointment_act_by: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseOdds:
    """What is known of one dose's arrival at one instant.

    The probabilities are None where no arrival is expected any more; that for the appointment also where
    there is none. The slack is `latest_useful_arrival_at` minus the arrival as the site counts it;
    negative is late.
    """

    plan: DosePlan
    late_probability: float | None
    appointment_late_probability: float | None
    slack_p50_minutes: float | None
    slack_p90_minutes: float | None

    @property
    def act_by(self) -> datetime | None:
        """The last instant at which changing the way can still help."""
        return self.plan.act_by


def dose_plans(
    shipment: Shipment, care: Mapping[str, DoseCare], journey: Journey, lanes: LaneStatistics = PRIORS
) -> tuple[DosePlan, ...]:
    """Return each dose's window with the bounds of an arrival and of a decision, in the shipment's order."""
    act_by = cache(choices_of(shipment, journey, lanes).last_at)  # many doses share few bounds
    return tuple(_plan_of(shipment, dose, care[dose.id], act_by) for dose in shipment.doses)


def odds_of(plan: DosePlan, shipment: Shipment, arrival: Arrival | None) -> DoseOdds:
    """Return the odds of one dose; `arrival` None where none is expected (cancelled, lost, returned)."""
    return DoseOdds(
        plan=plan,
        late_probability=_probability_late(arrival, plan.latest_at, plan.window.latest_useful_arrival_at),
        appointment_late_probability=None
        if plan.required_at is None
        else _probability_late(arrival, plan.required_at, plan.window.required_arrival_at),
        slack_p50_minutes=_slack_minutes(plan, shipment, arrival, arrival.p50_at if arrival else None),
        slack_p90_minutes=_slack_minutes(plan, shipment, arrival, arrival.p90_at if arrival else None),
    )


def worst_of(odds: tuple[DoseOdds, ...]) -> DoseOdds | None:
    """Return the dose likeliest to be lost; among equals the one with the earliest bound, then the first."""

    def dread(one: DoseOdds) -> tuple[float, float]:
        bound_at = one.plan.latest_at
        return one.late_probability or 0.0, -bound_at.timestamp() if bound_at else float("-inf")

    return max(odds, key=dread, default=None)


def leg_facts(journey: Journey, number: int) -> LegFacts | None:
    """Return what is known of the leg with this number."""
    for facts in journey.legs:  # a loop, for this is asked some sixty times an assessment
        if facts.number == number:
            return facts
    return None


def minutes_between(earlier_at: datetime, later_at: datetime) -> float:
    """Return the minutes from the first instant to the second; negative when they are the other way round."""
    return (later_at - earlier_at) / MINUTE


def _plan_of(
    shipment: Shipment, dose: Dose, care: DoseCare, act_by: Callable[[datetime | None], datetime | None]
) -> DosePlan:
    window = usable_window(
        dose,
        shipment.product,
        site_handling_minutes=shipment.site.handling_minutes,
        first_punctured_at=care.first_punctured_at,
    )
    own = shipment.product.handling_minutes
    latest_at = _receivable(window.latest_useful_arrival_at, shipment)
    required_at = _receivable(window.required_arrival_at, shipment)
    return DosePlan(
        dose=dose,
        care=care,
        window=window,
        handling=(shipment.site.handling_minutes if own is None else own) * MINUTE,
        latest_at=latest_at,
        required_at=required_at,
        act_by=act_by(latest_at),
        appointment_act_by=act_by(required_at),
    )


def _receivable(bound_at: datetime | None, shipment: Shipment) -> datetime | None:
    return last_receivable_at(bound_at, shipment.site) if bound_at else None


def _probability_late(
    arrival: Arrival | None, receivable_at: datetime | None, bound_at: datetime | None
) -> float | None:
    """Return P(arrival after the bound); a delivery that happened counts when it happened."""
    if arrival is None:
        return None
    if receivable_at is None or bound_at is None:
        return 0.0
    if arrival.arrived_at is not None:
        return 1.0 if arrival.arrived_at > bound_at else 0.0
    return arrival.probability_after(receivable_at)


def _slack_minutes(
    plan: DosePlan, shipment: Shipment, arrival: Arrival | None, expected_at: datetime | None
) -> float | None:
    bound_at = plan.window.latest_useful_arrival_at
    if arrival is None or bound_at is None or expected_at is None:
        return None
    arrived = arrival.arrived_at is not None
    counted_at = expected_at if arrived else counted_arrival_at(expected_at, shipment.site)
    return minutes_between(counted_at, bound_at)
