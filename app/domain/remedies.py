"""What would still help a dose, computed: by when it must arrive, how it could be given, which service saves it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from app.domain import lanes
from app.domain.custody import LegFacts
from app.domain.eta import Arrival, Forecast
from app.domain.odds import DoseOdds, leg_facts, minutes_between
from app.domain.ruling import Facts
from app.domain.shipment import Leg, Shipment
from app.domain.site_time import counted_arrival_at, site_text
from app.domain.timetable import Departure
from app.domain.window import draw_volume_ml

AT_STAKE: Final = 0.10
SAVED_BELOW: Final = 0.5
SAVED_SHARE: Final = 0.5
"""A service saves a dose at stake when that is then likelier in time than late, and its risk at most half of
what it is now. Source: our convention."""

BOOKING_MINUTES: Final = 60
"""How long before its departure a service can still be booked at all. Source: our convention."""

SERVICES_TRIED: Final = 3
HANDLING_LEAST_MINUTES: Final = 5.0
ROOM_LEAST_MINUTES: Final = 1.0  # instants are told by the minute: less would read as none


@dataclass(frozen=True, slots=True)
class _Rebooked:
    departure: Departure
    saved: int


def computed(facts: Facts, *, about: DoseOdds | None) -> tuple[str, ...]:
    """Return all that helps one dose, or the shipment as a whole; nothing where nobody is told."""
    if facts.forecast is None:
        return ()
    own = dose_remedies(about, facts.shipment, facts.arrival, at=facts.at) if about is not None else ()
    return (*rebooking(facts.forecast, facts.odds, at=facts.at), *own)


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


def rebooking(forecast: Forecast, odds: Sequence[DoseOdds], *, at: datetime) -> tuple[str, ...]:
    """Return the known service that saves the most doses, if one does: the earliest of equals."""
    at_stake = [one for one in odds if (one.late_probability or 0.0) >= AT_STAKE]
    leg = _rebookable(forecast)
    if leg is None or not at_stake:
        return ()
    earliest_at = at + timedelta(minutes=BOOKING_MINUTES)
    departures = [one for one in forecast.lanes.after(leg, earliest_at) if _is_other(one, leg)]
    tried = [
        _Rebooked(one, _saved(forecast, leg, one, at_stake, at=at)) for one in departures[:SERVICES_TRIED]
    ]
    best = max(tried, key=lambda one: (one.saved, -one.departure.departs_at.timestamp()), default=None)
    if best is None or best.saved == 0:
        return ()
    leaves = site_text(best.departure.departs_at, forecast.shipment.site)
    way = f"{best.departure.service.service} {leg.origin}–{leg.destination}"
    doses = f"{best.saved} of {len(at_stake)} dose{'s' if len(at_stake) > 1 else ''}"
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


def _rebookable(forecast: Forecast) -> Leg | None:
    """Return the first leg still to leave that goes by a timetable."""
    for leg in forecast.shipment.legs:
        facts = leg_facts(forecast.journey, leg.number)
        gone = facts is not None and (facts.departed_at is not None or facts.arrived_at is not None)
        if not gone and leg.mode in lanes.SCHEDULED:
            return leg
    return None


def _is_other(departure: Departure, leg: Leg) -> bool:
    return departure.departs_at != leg.planned_departure_at or departure.service.service != leg.service


def _saved(
    forecast: Forecast, leg: Leg, departure: Departure, odds: Sequence[DoseOdds], *, at: datetime
) -> int:
    arrival = _rebooked(forecast, leg, departure).at(at)
    return sum(_is_saved(one, arrival) for one in odds)


def _is_saved(odds: DoseOdds, arrival: Arrival) -> bool:
    late = arrival.probability_after(odds.plan.latest_at)
    return late < SAVED_BELOW and late <= SAVED_SHARE * (odds.late_probability or 0.0)


def _rebooked(forecast: Forecast, leg: Leg, departure: Departure) -> Forecast:
    """Return the forecast of the plan with this service in the leg's place, and all later legs moved with it."""
    later = departure.arrives_at - leg.planned_arrival_at
    legs = []
    for one in forecast.shipment.legs:
        if one.number == leg.number:
            one = replace(
                one,
                carrier=departure.service.carrier,
                service=departure.service.service,
                planned_departure_at=departure.departs_at,
                planned_arrival_at=departure.arrives_at,
            )
        elif one.number > leg.number:
            one = replace(
                one,
                planned_departure_at=one.planned_departure_at + later,
                planned_arrival_at=one.planned_arrival_at + later,
            )
        legs.append(one)
    facts = tuple(
        LegFacts(number=one.number) if one.number == leg.number else one for one in forecast.journey.legs
    )
    return Forecast(
        replace(forecast.shipment, legs=tuple(legs)), replace(forecast.journey, legs=facts), forecast.lanes
    )
