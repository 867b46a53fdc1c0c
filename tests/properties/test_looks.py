"""When to look again: with the real forecast, no alert changes before the look that was asked for."""

import warnings
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.alerts import OpenAlert
from app.domain.assessment import Assessment, Snapshot, assess, assessing
from app.domain.lanes import PRIORS
from app.domain.shipment import Dose, Leg
from app.domain.side_by_side import side_by_side
from tests.domain.made import DAY, HOUR, MINUTE, a_dose, a_leg, a_shipment, after, an_event
from tests.properties.voyages import a_voyage, looked_from

ABOUT = 10 * MINUTE
"""How late a look may be. It is a couple of minutes; where a bin of the grid is half an hour, a few more."""
LOOKS_MAX = 200


def decides_until(given_: Snapshot) -> datetime:
    """Return the last instant by which an arrival decides anything."""
    shipment = given_.shipment
    handling = shipment.site.handling_minutes * MINUTE
    ends = [dose.expires_at for dose in shipment.doses]
    ends += [dose.administer_at and dose.administer_at - handling for dose in shipment.doses]
    package = shipment.package
    if package is not None and package.packed_at and package.qualified_hours:
        ends.append(package.packed_at + package.qualified_hours * HOUR)
    return max((end for end in ends if end is not None), default=DAY)


def followed(first: Snapshot, when: datetime | None, random: Random) -> int:
    """Follow the looks and return their number; before each, nothing may have changed."""
    until, looks, open_alerts = decides_until(first), 0, tuple[OpenAlert, ...]()
    while when is not None and when < until:
        answer = assess(replace(first, open_alerts=open_alerts), at=when)
        assert not answer.failures
        open_alerts, next_at = after(open_alerts, answer.changes), answer.next_change_at
        held = replace(first, open_alerts=open_alerts)
        last = min(next_at or until, until) - ABOUT
        assert next_at is None or next_at > when
        for before in (last, when + random.random() * (last - when)):
            if before > when:
                assert not assess(held, at=before).changes, (when, before, next_at)
        when, looks = next_at, looks + 1
    return looks


# Each of these was once too late: events beyond the next two, bounds other than windows, maps and unknown shares that
# rise together, a hold that begins anew or ends, an alert handed over to another, the service after a missed one.
@example(2)
@example(5)
@example(23)
@example(70)
@example(93)
@example(99)
@example(185)
@example(194)
@example(2000123)
@example(2000169)
@example(2000257)
@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 10**6))
def test_nothing_changes_before_the_next_look(seed: int) -> None:
    random = Random(seed)
    voyage = a_voyage(random)

    looks = followed(voyage, looked_from(random, voyage), random)

    assert looks <= LOOKS_MAX


SILENT = {
    "a service that may be missed": (
        a_leg(1, mode="road", destination="HUB", planned_arrival_at=DAY + 11 * HOUR),
        a_leg(2, mode="rail", origin="HUB", planned_departure_at=DAY + 11.25 * HOUR),
    ),
    "short legs in a row": (
        a_leg(1, mode="road", destination="HUB", planned_arrival_at=DAY + 10.25 * HOUR),
        a_leg(2, mode="road", origin="HUB", planned_departure_at=DAY + 10.5 * HOUR),
    ),
    "weeks at sea": (a_leg(mode="sea", planned_arrival_at=DAY + 9 * 24 * HOUR),),
}


@pytest.mark.parametrize("name", SILENT)
@pytest.mark.parametrize("slack_hours", [3, 20])
def test_nothing_changes_minute_by_minute_before_the_next_look(name: str, slack_hours: int) -> None:
    """What lies beyond the next two events tells more, the longer the silence: then later instants are forecast."""
    legs = SILENT[name]
    dose = a_dose(expires_at=legs[-1].planned_arrival_at + slack_hours * HOUR)
    voyage = _planned(legs, dose)
    when: datetime | None = legs[0].planned_departure_at
    until, open_alerts = decides_until(voyage), tuple[OpenAlert, ...]()

    while when is not None and when < until:
        answer = assess(replace(voyage, open_alerts=open_alerts), at=when)
        open_alerts, next_at = after(open_alerts, answer.changes), answer.next_change_at
        held, step = (
            replace(voyage, open_alerts=open_alerts),
            max(((next_at or until) - when) / 12, 2 * MINUTE),
        )
        before = when + step
        while before < min(next_at or until, until) - 3 * MINUTE:
            assert not assess(held, at=before).changes, (when, before, next_at)
            before += step
        when = next_at


@pytest.mark.parametrize("days", [0.6, 2, 20])
def test_a_hold_beyond_all_that_is_known_is_looked_at_as_it_slips(days: float) -> None:
    """It counts as one that begins now, so that every forecast is later than the one before."""
    dose = a_dose(expires_at=DAY + days * 24 * HOUR + 20 * HOUR)
    events = (an_event("departed", DAY + 10 * HOUR, leg=1), an_event("held", DAY + 11 * HOUR, leg=1))
    voyage = replace(_planned((a_leg(mode="road"),), dose), events=events)

    assert followed(voyage, DAY + days * 24 * HOUR, Random(1)) < LOOKS_MAX


def test_cold_that_outlasts_the_doses_is_looked_at_too() -> None:
    """Bounds other than the doses' windows count: here the slot of a dose that nothing else bounds."""
    dose = a_dose(expires_at=None, calibrated_at=None, administer_at=DAY + 30 * HOUR)
    voyage = _planned((a_leg(mode="road"),), dose)

    assert followed(voyage, DAY + 8 * HOUR, Random(2)) > 3


def test_many_are_assessed_side_by_side_and_judged_as_if_alone() -> None:
    voyages = [a_voyage(Random(seed)) for seed in range(120)]
    at = DAY + 20 * HOUR

    for voyage, together in zip(
        voyages, side_by_side([assessing(one, at=at) for one in voyages]), strict=True
    ):
        assert isinstance(together, Assessment)
        alone = assess(voyage, at=at)
        assert together.changes == alone.changes
        assert (together.next_change_at, together.valid_until) == (alone.next_change_at, alone.valid_until)
        if together.arrival is None or alone.arrival is None:
            assert together.arrival is alone.arrival
            continue
        assert np.array_equal(together.arrival.heights, alone.arrival.heights)  # type: ignore[arg-type]
        assert together.arrival.contributions == alone.arrival.contributions


DEGENERATE = {
    "a leg of one minute": ((a_leg(planned_arrival_at=DAY + 10 * HOUR + MINUTE),), DAY + 10 * HOUR),
    "a year ahead": ((a_leg(),), DAY - timedelta(days=365)),
    "a year past": ((a_leg(),), DAY + timedelta(days=365)),
    "nine days at sea": (SILENT["weeks at sea"], DAY + timedelta(days=12)),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("type_", [None, "leg_cancelled", "offloaded", "held"])
def test_no_plan_is_too_odd(name: str, type_: str | None) -> None:
    legs, at = DEGENERATE[name]
    events = () if type_ is None else (an_event(type_, at, leg=1),)
    voyage = replace(_planned(legs, a_dose(expires_at=legs[-1].planned_arrival_at + HOUR)), events=events)

    with warnings.catch_warnings(), np.errstate(divide="raise", invalid="raise", over="raise"):
        warnings.simplefilter("error")
        answer = assess(voyage, at=at + MINUTE)

    assert not answer.failures
    assert answer.next_change_at is None or answer.next_change_at > at
    assert answer.arrival is not None
    assert answer.arrival.heights is not None
    assert np.isfinite(answer.arrival.heights).all()


def _planned(legs: tuple[Leg, ...], dose: Dose) -> Snapshot:
    return Snapshot(
        shipment=a_shipment(legs=legs, doses=(dose,)),
        events=(),
        open_alerts=(),
        version=1,
        lanes=PRIORS,
        baseline_at=legs[-1].planned_arrival_at,
    )
