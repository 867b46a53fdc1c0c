"""Until when another way can be chosen: every instant here is reckoned by hand from the plan below.

06:00 road to the airport 07:00, 09:00 flight AZ1 10:00, 11:00 road to the clinic 11:30. A package is ready 60 minutes
after it came to the flight (half of the two hours that the plan gives), 30 after it came to the last road leg, 45
after somebody ordered the first one, and received 5 minutes after it came. To be there by 14:00 it must have come by
13:55, be on the road by 13:25, land by 12:55.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.choices import choices_of
from app.domain.custody import Journey, LegFacts
from app.domain.eta import Forecast
from app.domain.lane_learning.dwell import Stay, gather
from app.domain.lane_learning.published import Published
from app.domain.lanes import PRIORS, LaneStatistics
from app.domain.odds import DoseOdds, DosePlan, dose_plans
from app.domain.remedies import rebooking
from app.domain.shipment import Opening, Shipment
from app.domain.timetable import Service, timetable_of
from tests.domain.made import DAY, MINUTE, a_dose, a_journey, a_leg, a_shipment, at, care, two_legs

BOUND = at("14:00")
ROAD_OUT = a_leg(
    1, mode="road", destination="MXP", planned_departure_at=at("06:00"), planned_arrival_at=at("07:00")
)
FLIGHT = a_leg(
    2,
    service="AZ1",
    origin="MXP",
    destination="BLQ",
    planned_departure_at=at("09:00"),
    planned_arrival_at=at("10:00"),
)
ROAD_IN = a_leg(
    3, mode="road", origin="BLQ", planned_departure_at=at("11:00"), planned_arrival_at=at("11:30")
)
WAY = a_shipment(legs=(ROAD_OUT, FLIGHT, ROAD_IN))
LEFT = LegFacts(number=1, departed_at=at("06:00"), arrived_at=at("07:00"))


def flights(**departs: str) -> Published:
    """A daily timetable of flights of an hour from MXP to BLQ, in UTC."""
    lane = ("air", "MXP", "BLQ")
    return Published(
        1, {}, gather([]), {}, timetable_of((lane, daily(name, text)) for name, text in departs.items())
    )


def daily(name: str, departs: str, minutes: int = 60) -> Service:
    return Service(
        carrier="AZ",
        service=name,
        days=(1, 2, 3, 4, 5, 6, 7),
        departs=departs,
        timezone="UTC",
        minutes=minutes,
    )


def known(*facts: LegFacts) -> Journey:
    """A journey of which these legs are known, and nothing of the others."""
    told = {one.number: one for one in facts}
    return a_journey(legs=tuple(told.get(number, LegFacts(number=number)) for number in (1, 2, 3)))


def cancelled(text: str) -> LegFacts:
    return LegFacts(number=2, failed="leg_cancelled", failed_at=at(text))


def last_at(
    journey: Journey,
    lanes: LaneStatistics = PRIORS,
    *,
    bound: datetime | None = BOUND,
    shipment: Shipment = WAY,
) -> datetime | None:
    return choices_of(shipment, journey, lanes).last_at(bound)


def test_while_all_goes_well_the_last_road_leg_can_be_ordered_anew_longest() -> None:
    """Landed at 10:00: a car ordered by 12:55 leaves at 13:25."""
    assert last_at(known()) == last_at(known(LEFT)) == at("12:55")


def test_a_cancelled_flight_must_be_replaced_in_time_for_the_last_known_service_that_helps() -> None:
    """AZ5 lands at 11:30, AZ7 at 13:30; the package has to be accepted an hour before."""
    lanes = flights(AZ1="09:00", AZ5="10:30", AZ7="12:30")

    assert last_at(known(LEFT, cancelled("08:00")), lanes) == at("09:30")


@pytest.mark.parametrize(("bound", "decide_by"), [("14:00", "09:30"), ("16:00", "11:30")])
def test_of_two_later_services_the_second_is_in_time_for_the_later_dose_only(
    bound: str, decide_by: str
) -> None:
    """For a dose needed by 16:00 the flight at 12:30 still does: it must land by 14:55."""
    lanes = flights(AZ1="09:00", AZ5="10:30", AZ7="12:30")

    assert last_at(known(LEFT, cancelled("08:00")), lanes, bound=at(bound)) == at(decide_by)


def test_a_cancelled_flight_that_no_known_service_replaces_ended_the_choice() -> None:
    """AZ7 lands too late; that yesterday's would have done helps nobody, nor does AZ1, which accepts until 08:00."""
    assert last_at(known(LEFT, cancelled("07:30")), flights(AZ1="09:00", AZ7="12:30")) == at("07:30")


def test_without_a_timetable_a_replacement_as_fast_as_the_plan_bounds_what_may_be_found() -> None:
    """Landing by 12:55 is leaving by 11:55, accepted an hour before."""
    assert last_at(known(LEFT, cancelled("08:00"))) == at("10:55")


def test_a_package_that_comes_too_late_for_its_flight_needs_another_as_if_it_were_cancelled() -> None:
    late = LegFacts(number=1, departed_at=at("07:30"), arrived_at=at("08:30"))

    assert last_at(known(late), flights(AZ1="09:00", AZ5="10:30", AZ7="12:30")) == at("09:30")
    assert last_at(known(late)) == at("10:55")


def test_what_comes_late_leaves_late_by_road_and_may_miss_the_flight_after() -> None:
    """At the depot at 08:00 instead of 07:00, on the road at 08:15, at the airport at 09:15: accepted at 10:00."""
    depot = replace(ROAD_OUT, destination="DEPOT")
    onward = a_leg(
        2,
        mode="road",
        origin="DEPOT",
        destination="MXP",
        planned_departure_at=at("07:30"),
        planned_arrival_at=at("08:30"),
    )
    flight = replace(FLIGHT, number=3, planned_departure_at=at("10:00"), planned_arrival_at=at("11:00"))
    shipment = a_shipment(legs=(depot, onward, replace(flight, destination="CLINIC")))
    late = LegFacts(number=1, departed_at=at("07:00"), arrived_at=at("08:00"))
    later = LegFacts(number=1, departed_at=at("07:00"), arrived_at=at("08:01"))

    assert last_at(known(late), shipment=shipment) == at("09:15")
    assert last_at(known(later), shipment=shipment) == at(
        "12:10"
    )  # by 13:55 is leaving by 12:55, 45 minutes before


def test_what_the_plan_gives_for_a_connection_is_enough() -> None:
    """Planned to land at 11:00 and fly on at once, it has not missed that flight; accepted is when it lands."""
    first, second = two_legs()
    at_once = replace(second, planned_departure_at=at("11:00"))

    assert last_at(a_journey(), shipment=a_shipment(legs=(first, at_once))) == at("11:00")


def test_a_package_can_be_on_no_service_before_it_came_and_was_accepted() -> None:
    lanes = flights(AZ1="09:00", AZ3="07:30", AZ5="08:00", AZ7="12:30")
    choices = choices_of(WAY, known(LEFT, cancelled("05:00")), lanes)

    early, late = (
        choices.others(choices.stretches[1], decided_at=at(text))[0].service.service
        for text in ("05:00", "07:01")
    )

    assert (early, late) == ("AZ5", "AZ7")


def test_a_first_leg_that_is_cancelled_counts_the_acceptance_of_another_mode_in_full() -> None:
    """A flight alone, 10:00 to 12:00; by 13:55 a service of 90 minutes must leave by 12:25."""
    lane = ("air", "PLANT", "CLINIC")
    services = [(lane, daily("AC5", "12:00", 90)), (lane, daily("AC7", "12:40", 90))]
    lanes = Published(1, {}, gather([]), {}, timetable_of(services))
    journey = a_journey(legs=(LegFacts(number=1, failed="offloaded", failed_at=at("10:00")),))

    assert last_at(journey, lanes, shipment=a_shipment()) == at("10:30")


def test_of_a_flight_that_is_to_go_as_planned_nothing_later_is_assumed() -> None:
    """A flight alone, 10:00 to 12:00, accepted 90 minutes before; it would have to leave by 11:55 at the latest."""
    alone, journey = a_shipment(), a_journey()

    assert last_at(journey, shipment=alone) == at("08:30")
    assert last_at(journey, shipment=alone, bound=at("11:30")) == at("07:55")


def test_once_the_last_leg_has_left_nothing_can_be_chosen_any_more() -> None:
    gone = a_journey(legs=(LegFacts(number=1, departed_at=at("10:20")),))
    delivered = a_journey(state="delivered", delivered_at=at("11:25"))

    assert last_at(gone, shipment=a_shipment()) == at("10:20")
    assert last_at(delivered) == at("11:00")


def test_what_lands_too_late_for_any_car_was_decided_when_it_took_off() -> None:
    taken_off = LegFacts(number=2, departed_at=at("12:10"))

    assert last_at(known(LEFT, taken_off)) == at("12:10")


def test_a_carriers_own_estimate_counts_as_it_stands() -> None:
    """A delay to 11:00 leaves the flight in time; one to 12:30 lands at 13:30, as late as a cancelled one."""
    one, other = (LegFacts(number=2, estimated_departure_at=at(text)) for text in ("11:00", "12:30"))

    assert last_at(known(LEFT, one)) == at("12:55")
    assert last_at(known(LEFT, other)) == at("10:55")


def test_a_dose_that_nothing_ends_has_no_last_instant() -> None:
    assert last_at(known(), bound=None) is None


def test_the_site_must_still_receive() -> None:
    """Until 13:00 in Vienna, 12:00 UTC: on the road by 11:25, ordered by 10:55."""
    hours = (Opening(days=(2,), opens="08:00", closes="13:00"),)
    site = replace(WAY.site, receiving_hours=hours)
    (plan,) = dose_plans(replace(WAY, site=site), {"d1": care()}, known(LEFT))

    assert (plan.latest_at, plan.act_by) == (at("12:00"), at("10:55"))


def test_an_appointment_has_a_last_instant_of_its_own() -> None:
    """At 13:00, prepared from 12:00 on."""
    (plan,) = dose_plans(
        replace(WAY, doses=(a_dose(administer_at=at("13:00")),)), {"d1": care()}, known(LEFT)
    )

    assert (plan.act_by, plan.appointment_act_by) == (at("12:55"), at("10:55"))


def test_learned_handovers_and_receipts_move_it() -> None:
    """Five hundred packages waited 30 minutes to be received, which leaves little of the default of 5."""
    slow = gather(
        Stay(kind="receipt", place="CLINIC", mode="", leg=3, minutes=30, at_most=False) for _ in range(500)
    )

    told = last_at(known(LEFT), Published(1, {}, slow, {}))

    assert told is not None
    assert at("12:30") <= told <= at("12:31")


def test_the_answer_is_the_same_whenever_it_is_asked_as_long_as_nothing_is_heard() -> None:
    """Nothing here takes an instant: what was known at 08:00 is all that counts, however late it gets."""
    lanes = flights(AZ1="09:00", AZ5="10:30")
    plans = [dose_plans(WAY, {"d1": care()}, known(LEFT, cancelled("08:00")), lanes) for _ in range(2)]

    assert {plan.act_by for (plan,) in plans} == {at("09:30")}


def lost(plan: DosePlan) -> DoseOdds:
    """A dose that comes too late for certain as things stand."""
    return DoseOdds(
        plan=plan,
        late_probability=1.0,
        appointment_late_probability=None,
        slack_p50_minutes=None,
        slack_p90_minutes=None,
    )


QUARTERS = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02d}:{quarter % 4 * 15:02d}")


@given(
    departs=st.lists(QUARTERS, min_size=1, max_size=4, unique=True),
    minutes=st.sampled_from([40, 60, 95]),
    bound_minutes=st.integers(0, 24 * 60),
    fails=st.booleans(),
)
def test_it_is_the_last_instant_at_which_any_service_still_helps(
    departs: list[str], minutes: int, bound_minutes: int, fails: bool
) -> None:
    """Beside it stands the search minute by minute: decided now, ready an hour later, on the next flights."""
    table = [(("air", "MXP", "BLQ"), daily(f"X{text}", text, minutes)) for text in departs]
    lanes = Published(1, {}, gather([]), {}, timetable_of(table))
    bound = DAY + bound_minutes * MINUTE
    journey = known(LEFT, cancelled("08:00")) if fails else known(LEFT)
    told = last_at(journey, lanes, bound=bound)

    lands_by = bound - 65 * MINUTE
    taken = [
        DAY + day * timedelta(days=1) + (at(text) - DAY) - 60 * MINUTE
        for text in departs
        for day in range(2)
        if DAY + day * timedelta(days=1) + (at(text) - DAY) + minutes * MINUTE <= lands_by
    ]
    helps = [decided for decided in taken if decided >= at("07:00")]
    if fails:
        assert told == max([*helps, at("08:00")])
    elif (
        at("10:00") <= lands_by
    ):  # the plan's own flight is in time, and a car then does until it has to leave
        assert told == lands_by
    else:
        assert told == max(helps, default=at("06:00"))


@given(
    departs=st.lists(QUARTERS, min_size=1, max_size=4, unique=True),
    usable_minutes=st.lists(st.integers(11 * 60, 22 * 60), min_size=1, max_size=2),
    later_minutes=st.integers(1, 12 * 60),
)
def test_after_it_no_service_is_named_for_the_dose_and_at_it_one_can_be_had(
    departs: list[str], usable_minutes: list[int], later_minutes: int
) -> None:
    table = [(("air", "MXP", "BLQ"), daily(f"X{text}", text)) for text in departs]
    lanes = Published(1, {}, gather([]), {}, timetable_of(table))
    doses = tuple(
        a_dose(id=f"d{number}", reference=f"D{number}", expires_at=DAY + minutes * MINUTE)
        for number, minutes in enumerate(usable_minutes)
    )
    shipment, journey = replace(WAY, doses=doses), known(LEFT, cancelled("08:00"))
    plans = dose_plans(shipment, {dose.id: care() for dose in doses}, journey, lanes)
    odds = [lost(plan) for plan in plans]
    forecast = Forecast(shipment, journey, lanes)
    for one in odds:
        assert one.act_by is not None
        after = max(one.act_by, at("08:00")) + later_minutes * MINUTE

        assert rebooking(forecast, odds, at=after, about=one) == ()
        assert one.act_by == at("08:00") or is_open(lanes, journey, one.act_by)


def is_open(lanes: LaneStatistics, journey: Journey, decided_at: datetime) -> bool:
    """Say whether a service is known for which somebody can decide at this very instant, and not later."""
    choices = choices_of(WAY, journey, lanes)
    others = choices.others(choices.stretches[1], decided_at=decided_at)
    return others[0].departs_at == decided_at + 60 * MINUTE
