"""What would still help a dose, computed: by when it must arrive, how it could be given, which service saves it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from app.domain.choices import Choices, Stretch, choices_of
from app.domain.custody import LegFacts
from app.domain.eta import Arrival, Forecast
from app.domain.lanes import SCHEDULED
from app.domain.odds import DoseOdds, minutes_between
from app.domain.ruling import Facts
from app.domain.shipment import Leg, Shipment
from app.domain.site_time import counted_arrival_at, site_text
from app.domain.timetable import Departure
from app.domain.window import draw_volume_ml

AT_STAKE: Final = 0.10
SAVED_BELOW: Final = 0.5
SAVED_SHARE: Final = 0.5
"""A service saves a dose at stake when by the timetable it brings it in time (`choices`, as for `act_by`), and the
dose is then likelier in time than late, and its risk at most half of what it is now. Source: our convention."""

SERVICES_TRIED: Final = 3
HANDLING_LEAST_MINUTES: Final = 5.0
ROOM_LEAST_MINUTES: Final = 1.0  # instants are told by the minute: less would read as none


@dataclass(frozen=True, slots=True)
class _Rebooked:
    departure: Departure
    saved: tuple[DoseOdds, ...]


def computed(facts: Facts, *, about: DoseOdds | None) -> tuple[str, ...]:
    """Return all that helps one dose, or the shipment as a whole; nothing where nobody is told."""
    if facts.forecast is None:
        return ()
    own = dose_remedies(about, facts.shipment, facts.arrival, at=facts.at) if about is not None else ()
    return (*rebooking(facts.forecast, facts.odds, at=facts.at, about=about), *own)


def dose_remedies(
    odds: DoseOdds, shipment: Shipment, arrival: Arrival | None, *, at: datetime
) -> tuple[str, ...]:
    """Return, in words for the site, what makes this dose usable; the likeliest to be done first."""
    plan = odds.plan
    found = []
    if plan.latest_at is not None and at <= plan.latest_at:
        found.append(f"Usable if it arrives by {site_text(plan.latest_at, shipment.site)}.")
    expected_at = arrival.p50_at if arrival else None
    if expected_at is not None:
        found += _at_the_site(odds, shipment, counted_arrival_at(expected_at, shipment.site))
    return tuple(found)


def rebooking(
    forecast: Forecast, odds: Sequence[DoseOdds], *, at: datetime, about: DoseOdds | None = None
) -> tuple[str, ...]:
    """Return the known service that saves the most doses, this one among them: the earliest of equals."""
    at_stake = [one for one in odds if (one.late_probability or 0.0) >= AT_STAKE]
    if not at_stake:
        return ()
    choices = choices_of(forecast.shipment, forecast.journey, forecast.lanes)
    stretch = _to_rebook(choices)
    if stretch is None:
        return ()
    leg = stretch.leg
    helped = [
        (one, choices.deadlines(one.plan.latest_at)[leg.number].arrive_at)
        for one in at_stake
        if one.plan.latest_at is not None
    ]
    notices = {one.leg.number: one.notice for one in choices.stretches}
    tried = [
        _Rebooked(one, _saved(forecast, leg, one, helped, notices, at=at))
        for one in choices.others(stretch, decided_at=at)[:SERVICES_TRIED]
    ]
    saving = [one for one in tried if (about in one.saved if about else one.saved)]
    if not saving:
        return ()
    best = max(saving, key=lambda one: (len(one.saved), -one.departure.departs_at.timestamp()))
    leaves = site_text(best.departure.departs_at, forecast.shipment.site)
    way = f"{best.departure.service.service} {leg.origin}–{leg.destination}"
    doses = f"{len(best.saved)} of {len(at_stake)} dose{'s' if len(at_stake) > 1 else ''}"
    return (f"{way} at {leaves} saves {doses}.",)


def _at_the_site(odds: DoseOdds, shipment: Shipment, there_at: datetime) -> list[str]:
    """Return what the site could do with a dose that arrives at `there_at`."""
    plan, window = odds.plan, odds.plan.window
    ready_at = max(there_at + plan.handling, window.usable_from or there_at)
    until = window.usable_until
    found = []
    in_time = until is None or ready_at <= until
    appointment_at = plan.dose.administer_at
    room = until is None or minutes_between(ready_at, until) >= ROOM_LEAST_MINUTES
    if room and appointment_at is not None and appointment_at < ready_at:
        end = "" if until is None else f" and by {site_text(until, shipment.site)}"
        found.append(f"Usable if administered after {site_text(ready_at, shipment.site)}{end}.")
    volume_ml = draw_volume_ml(plan.dose, shipment.product, at=max(ready_at, appointment_at or ready_at))
    if in_time and volume_ml is not None and volume_ml <= (plan.dose.volume_ml or volume_ml):
        found.append(f"Usable with {volume_ml:.1f} mL.")
    if not in_time and until is not None:
        left = minutes_between(there_at, until)
        if left >= HANDLING_LEAST_MINUTES:
            found.append(f"Usable if handling takes at most {left:.0f} minutes.")
    return found


def _to_rebook(choices: Choices) -> Stretch | None:
    """Return the leg that cannot go as planned, else the first still to leave, of those that go by a timetable."""
    ahead = [one for one in choices.stretches if not one.gone and one.leg.mode in SCHEDULED]
    return next((one for one in ahead if one.fails), ahead[0] if ahead else None)


def _saved(
    forecast: Forecast,
    leg: Leg,
    departure: Departure,
    helped: Iterable[tuple[DoseOdds, datetime]],
    notices: Mapping[int, timedelta],
    *,
    at: datetime,
) -> tuple[DoseOdds, ...]:
    """Return the doses that this departure saves, each given with the last arrival at the leg's end that helps it."""
    in_time = [one for one, last_at in helped if departure.arrives_at <= last_at]
    if not in_time:
        return ()
    arrival = _rebooked(forecast, leg, departure, notices).at(at)
    return tuple(one for one in in_time if _is_saved(one, arrival))


def _is_saved(odds: DoseOdds, arrival: Arrival) -> bool:
    late = arrival.probability_after(odds.plan.latest_at)
    return late < SAVED_BELOW and late <= SAVED_SHARE * (odds.late_probability or 0.0)


def _rebooked(
    forecast: Forecast, leg: Leg, departure: Departure, notices: Mapping[int, timedelta]
) -> Forecast:
    """Return the forecast of the plan with this service in the leg's place, and all later legs moved with it.

    A road leg without a timetable waits no longer than its handover takes, as in `choices`, whatever the plan gave it.
    """
    legs = list[Leg]()
    for before, one in zip((None, *forecast.shipment.legs), forecast.shipment.legs, strict=False):
        if one.number == leg.number:
            one = replace(
                one,
                carrier=departure.service.carrier,
                service=departure.service.service,
                planned_departure_at=departure.departs_at,
                planned_arrival_at=departure.arrives_at,
            )
        elif one.number > leg.number and before is not None:
            gap = one.planned_departure_at - before.planned_arrival_at
            here_at = legs[-1].planned_arrival_at
            if one.mode not in SCHEDULED and not forecast.lanes.after(one, here_at):
                gap = min(gap, notices[one.number])
            one = replace(
                one,
                planned_departure_at=here_at + gap,
                planned_arrival_at=here_at + gap + (one.planned_arrival_at - one.planned_departure_at),
            )
        legs.append(one)
    facts = tuple(
        LegFacts(number=one.number) if one.number == leg.number else one for one in forecast.journey.legs
    )
    return Forecast(
        replace(forecast.shipment, legs=tuple(legs)), replace(forecast.journey, legs=facts), forecast.lanes
    )
