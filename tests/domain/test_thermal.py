"""One shipment's temperatures: windows, crossings, budgets, freezing, gaps, what was known when."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.domain.custody import Journey, LegFacts
from app.domain.readings import ReadingColumns
from app.domain.shipment import DeviceAssignment, Shipment, Storage
from app.domain.thermal import SeriesThermal, Thermal, thermal_of
from app.domain.thermal_kinetic import mean_kinetic_c
from app.domain.thermal_pieces import exceeded_at_us, length_minutes, merged, without
from app.domain.thermal_silence import (
    Unmonitored,
    excused_until,
    limit_passed_at,
    unmonitored_of,
    with_quarantine,
)
from app.domain.thermal_windows import windows_of
from tests.domain import made
from tests.domain.made import MINUTE, a_journey, a_leg, a_product, a_shipment, a_track, an_event, at, care

TEN_MINUTES = DeviceAssignment(device_id="T", interval_s=600, report_interval_s=600, from_at=at("08:00"))
Samples = tuple[tuple[str, float], ...]


def carrying(*devices: DeviceAssignment, **storage: Any) -> Shipment:
    limits = {"max_c": 25.0, "budget_minutes": 60.0} | storage
    return a_shipment(product=a_product(storage=Storage(**limits)), devices=devices or (TEN_MINUTES,))


def every_ten(start: str, *values: float) -> Samples:
    begin = at(start)
    return tuple(
        ((begin + 10 * number * MINUTE).strftime("%H:%M"), value) for number, value in enumerate(values)
    )


def judged(
    shipment: Shipment,
    *samples: tuple[str, float],
    when: str = "12:00",
    journey: Journey | None = None,
    **tracks: ReadingColumns,
) -> Thermal:
    named = {("T", "main"): a_track(*samples)} if samples else {}
    named |= {(device, "main"): track for device, track in tracks.items()}
    return thermal_of(shipment, journey or a_journey(), named, at=at(when))


def unseen(shipment: Shipment, thermal: Thermal, *, when: str, journey: Journey | None = None) -> Unmonitored:
    return unmonitored_of(thermal, shipment, journey or a_journey(), at=at(when))


def only(thermal: Thermal) -> SeriesThermal:
    (series,) = thermal.series
    return series


def test_exactly_at_a_limit_is_inside_and_beyond_it_is_not() -> None:
    at_limit = judged(carrying(), *every_ten("08:00", 25.0, 25.0, 25.0))
    beyond = judged(carrying(), *every_ten("08:00", 25.0, 25.0000001, 25.0))

    assert only(at_limit).episodes == ()
    assert only(beyond).episodes[0].side == "above"
    assert length_minutes(only(beyond).above) == pytest.approx(20)


def test_a_series_is_summed_up_between_its_assignments_bounds_alone() -> None:
    device = replace(TEN_MINUTES, until_at=at("08:40"))
    samples = [("07:50", 40.0), *every_ten("08:00", 4.0, 6.0, 8.0, 6.0), ("08:40", -20.0)]

    series = only(judged(carrying(device), *samples))

    assert (series.min_c, series.max_c, series.last_c, series.last_at) == (4.0, 8.0, 6.0, at("08:30"))
    assert series.mean_c == pytest.approx((5 + 7 + 7) / 3)
    assert series.above == ()


def test_one_reading_is_its_own_mean() -> None:
    series = only(judged(carrying(), ("08:00", 5.0)))

    assert series.mean_c == 5.0
    assert series.mkt_c == pytest.approx(5.0)


def test_the_kinetic_mean_survives_dry_ice() -> None:
    series = only(judged(carrying(min_c=None, max_c=-60.0), *every_ten("08:00", -80.0, -80.0, -80.0)))

    assert series.mkt_c == pytest.approx(-80.0)
    assert mean_kinetic_c(np.full(1000, -195.0)) == pytest.approx(-195.0)


def test_the_budget_is_spent_by_all_excursions_together_and_shared_by_replaced_loggers() -> None:
    first = replace(TEN_MINUTES, until_at=at("09:00"))
    second = replace(TEN_MINUTES, device_id="U", from_at=at("09:00"))
    shipment = carrying(first, second, budget_minutes=30)

    thermal = judged(
        shipment,
        T=a_track(*every_ten("08:00", 24, 26, 26, 24, 24, 24)),
        U=a_track(*every_ten("09:00", 24, 26, 24, 24)),
    )

    assert [length_minutes(one.above) for one in thermal.series] == [20, 10]
    assert thermal.budget_remaining_minutes == 0
    assert thermal.budget_used_up_at is None  # exactly used up is not more than the budget


def test_the_budget_is_used_up_at_the_instant_it_runs_out() -> None:
    thermal = judged(carrying(budget_minutes=15), *every_ten("08:00", 24, 26, 26, 26, 24))

    assert thermal.budget_used_up_at == at("08:20")


def test_two_sensors_warm_at_the_same_time_spend_the_budget_once() -> None:
    shipment = carrying(TEN_MINUTES, replace(TEN_MINUTES, device_id="U"))
    warm = a_track(*every_ten("08:00", 24, 26, 26, 24))

    thermal = judged(shipment, T=warm, U=warm)

    assert thermal.budget_remaining_minutes == 40


@pytest.mark.parametrize("place", ["ambient", "vehicle"])
def test_a_sensor_beside_the_product_informs_and_judges_nothing(place: Any) -> None:
    thermal = judged(carrying(replace(TEN_MINUTES, place=place)), *every_ten("08:00", 40, 40))

    assert length_minutes(only(thermal).above) == 10
    assert not only(thermal).in_excursion
    assert thermal.budget_remaining_minutes == 60


@pytest.mark.parametrize(
    ("values", "frozen_at"),
    [
        ((5.0, -0.5, 5.0), []),
        ((5.0, -0.51, 5.0), ["08:10"]),
        ((5.0, -0.1, 0.0, -0.1), []),
        ((5.0, -0.1, -0.1, 5.0), ["08:20"]),
    ],
)
def test_freezing_is_half_a_degree_once_or_anything_below_zero_twice(
    values: tuple[float, ...], frozen_at: list[str]
) -> None:
    series = only(judged(carrying(do_not_freeze=True), *every_ten("08:00", *values)))
    kept_cold = only(judged(carrying(do_not_freeze=False), *every_ten("08:00", *values)))

    assert [one.at for one in series.freezes] == [at(text) for text in frozen_at]
    assert kept_cold.freezes == ()


@pytest.mark.parametrize(("until", "minutes"), [("08:30", 0.0), ("08:31", 21.0)])
def test_three_intervals_are_no_gap_and_more_is(until: str, minutes: float) -> None:
    shipment = carrying()
    thermal = judged(shipment, ("08:00", 5.0), (until, 5.0), when="08:40")

    assert unseen(shipment, thermal, when="08:40").minutes(only(thermal)) == minutes


def test_without_a_sampling_interval_no_gap_can_be_told() -> None:
    shipment = carrying(replace(TEN_MINUTES, interval_s=None))
    thermal = judged(shipment, ("08:00", 5.0), ("11:00", 5.0))

    assert unseen(shipment, thermal, when="11:10").minutes(only(thermal)) == 0


def test_a_gap_is_neither_in_nor_out_of_range_but_for_its_first_interval() -> None:
    thermal = judged(carrying(), *every_ten("08:00", 24, 26), ("10:00", 26.0), ("10:10", 24.0))

    assert length_minutes(only(thermal).above) == 5 + 10 + 5


def test_a_dead_live_sensor_leaves_the_dose_unmonitored_from_one_interval_after_its_last_word() -> None:
    shipment = carrying(max_unmonitored_minutes=60)
    thermal = judged(shipment, ("08:00", 5.0), when="12:00")

    hopeful, silent = (unseen(shipment, thermal, when=when) for when in ("08:50", "08:51"))
    long = unseen(shipment, thermal, when="09:11")

    assert hopeful.minutes(only(thermal)) == 0
    assert silent.minutes(only(thermal)) == 41
    assert limit_passed_at(thermal, unseen(shipment, thermal, when="09:10")) is None
    assert limit_passed_at(thermal, long) == at("09:10")


def test_a_logger_read_later_is_not_silent_and_its_early_death_shows_when_it_is_read() -> None:
    logger = replace(TEN_MINUTES, live=False)
    shipment = carrying(logger)
    received = a_journey(state="received", received_at=at("11:00"))

    under_way = judged(shipment, ("08:00", 5.0), when="10:00")
    read = judged(shipment, ("08:00", 5.0), journey=received)
    never = judged(shipment, journey=received)

    assert unseen(shipment, under_way, when="10:00").minutes(only(under_way)) == 0
    assert unseen(shipment, read, when="12:00", journey=received).minutes(only(read)) == 170
    assert unseen(shipment, never, when="12:00", journey=received).minutes(only(never)) == 0


def test_one_sensor_that_measures_is_enough_for_the_dose() -> None:
    shipment = carrying(TEN_MINUTES, replace(TEN_MINUTES, device_id="U"), max_unmonitored_minutes=30)
    steady = a_track(*every_ten("08:00", *[5.0] * 24))

    thermal = judged(shipment, T=a_track(("08:00", 5.0)), U=steady)
    seen = unseen(shipment, thermal, when="11:59")

    assert seen.minutes(thermal.series[0]) == 229
    assert seen.of_doses == ()


def test_a_logger_vouches_for_the_dose_only_as_far_as_it_was_read() -> None:
    logger = replace(TEN_MINUTES, device_id="U", live=False)
    shipment = carrying(TEN_MINUTES, logger, max_unmonitored_minutes=60)
    dead = a_track(("08:00", 5.0))

    unread = judged(shipment, T=dead)
    half_read = judged(shipment, T=dead, U=a_track(*every_ten("08:00", *[5.0] * 13)))
    alone = judged(carrying(logger, max_unmonitored_minutes=60))

    assert limit_passed_at(unread, unseen(shipment, unread, when="12:00")) == at("09:10")
    assert limit_passed_at(half_read, unseen(shipment, half_read, when="12:00")) == at("11:10")
    assert unseen(carrying(logger), alone, when="12:00").of_doses == ()


def test_too_much_unmonitored_quarantines_until_a_decision_that_knew_of_it() -> None:
    shipment = carrying(max_unmonitored_minutes=60)
    late = a_track(("08:00", 5.0), ("10:00", 5.0), received=at("12:00"))
    early, knowing = (
        an_event("disposition", at(when), details={"decision": "use_as_is"}) for when in ("09:30", "12:30")
    )

    def status(*events: Any) -> str:
        journey = a_journey(effective=events)
        thermal = thermal_of(shipment, journey, {("T", "main"): late}, at=at("10:10"))
        seen = unmonitored_of(thermal, shipment, journey, at=at("10:10"))
        given = with_quarantine({"d1": care(quality_status="released")}, thermal, seen, shipment, journey)
        return given["d1"].quality_status

    assert [status(), status(early), status(early, knowing)] == ["quarantined", "quarantined", "released"]


def test_silence_is_excused_in_the_air_and_for_an_hour_after() -> None:
    shipment = carrying()
    flying = a_journey(legs=(LegFacts(number=1, departed_at=at("10:00")),))
    landed = a_journey(legs=(LegFacts(number=1, departed_at=at("10:00"), arrived_at=at("12:30")),))
    by_road = replace(shipment, legs=(a_leg(mode="road"),))

    assert excused_until(shipment, flying, at=at("09:59")) is None
    assert excused_until(shipment, flying, at=at("11:00")) == at("13:00")  # as long as planned, and an hour
    assert excused_until(shipment, landed, at=at("13:29")) == at("13:30")
    assert excused_until(shipment, landed, at=at("13:30")) is None
    assert excused_until(by_road, flying, at=at("11:00")) is None


def test_windows_follow_the_plan_then_what_was_attached_and_detached() -> None:
    shipment = a_shipment(devices=(DeviceAssignment(device_id="T", interval_s=600),))
    events = (
        an_event("device_detached", at("11:00"), details={"device_id": "T"}),
        an_event("device_attached", at("11:05"), details={"device_id": "U", "interval_s": 300.0}),
        an_event("device_attached", at("13:00"), details={"device_id": "T"}),
    )
    journey = a_journey(picked_up_at=at("09:30"), received_at=at("15:00"), effective=events)

    windows = [
        (one.device.device_id, one.from_at, one.until_at, one.device.interval_s)
        for one in windows_of(shipment, journey)
    ]

    assert windows == [
        ("T", at("09:30"), at("11:00"), 600),
        ("U", at("11:05"), at("15:00"), 300),
        ("T", at("13:00"), at("15:00"), 600),
    ]
    assert windows_of(shipment, a_journey())[0].from_at == made.DEPARTURE


def test_an_attached_sensor_counts_from_then_unless_the_plan_says_from_when() -> None:
    attached = an_event("device_attached", at("09:00"), details={"device_id": "T"})
    journey = a_journey(picked_up_at=at("09:30"), effective=(attached,))

    open_start = windows_of(a_shipment(devices=(DeviceAssignment(device_id="T"),)), journey)
    fixed = windows_of(a_shipment(devices=(DeviceAssignment(device_id="T", from_at=at("08:00")),)), journey)

    assert [one.from_at for one in open_start] == [at("09:00")]
    assert [one.from_at for one in fixed] == [at("08:00")]


def test_readings_after_the_instant_judged_do_not_count_yet() -> None:
    thermal = judged(carrying(), *every_ten("08:00", 5.0, 6.0, 30.0), when="08:15")

    assert (only(thermal).last_c, only(thermal).max_c) == (6.0, 6.0)


def test_spans_are_joined_and_cut() -> None:
    assert merged([(5, 9), (1, 3), (3, 4), (8, 8)]) == [(1, 4), (5, 9)]
    assert without([(0, 10)], [(2, 3), (5, 12), (-4, 0)]) == [(0, 2), (3, 5)]
    assert exceeded_at_us([(0, 4), (10, 20)], 7) == 13
    assert exceeded_at_us([(0, 4), (10, 13)], 7) is None
