"""What would help is computed: the instants, volumes and services come out of the same numbers as the risk."""

from dataclasses import replace

import pytest

from app.domain.custody import LegFacts
from app.domain.eta import Forecast
from app.domain.lane_learning.dwell import gather
from app.domain.lane_learning.published import Published
from app.domain.odds import dose_plans, odds_of
from app.domain.remedies import dose_remedies, rebooking
from app.domain.shipment import Dose, Leg
from app.domain.timetable import Service, timetable_of
from tests.domain.made import (
    a_dose,
    a_journey,
    a_leg,
    a_product,
    a_shipment,
    arriving,
    arriving_late_with,
    at,
    care,
    odds,
    two_legs,
)

DAILY = (1, 2, 3, 4, 5, 6, 7)


def test_a_dose_is_usable_if_it_arrives_by_the_bound_of_its_window() -> None:
    shipment = a_shipment()
    told = dose_remedies(odds(shipment, None), shipment, None, at=at("09:00"))

    assert told == ("Usable if it arrives by Tue 06 Jan 15:00 CET (14:00Z).",)


def test_past_its_bound_nothing_is_promised() -> None:
    shipment = a_shipment()

    assert dose_remedies(odds(shipment, None), shipment, None, at=at("14:01")) == ()


@pytest.mark.parametrize(
    ("first", "last", "remedy"),
    [
        ("13:00", "14:00", "Usable if administered after Tue 06 Jan 15:30 CET (14:30Z)"),
        ("14:10", "14:30", "Usable if handling takes at most 40 minutes."),
    ],
)
def test_a_late_dose_may_still_be_given_later_or_made_ready_faster(
    first: str, last: str, remedy: str
) -> None:
    """The window ends at 15:00 and handling takes an hour; the appointment was at 13:30."""
    dose = a_dose(administer_at=at("13:30"))
    shipment = a_shipment(doses=(dose,))
    arrival = arriving(first, last)

    told = dose_remedies(odds(shipment, arrival), shipment, arrival, at=at("12:00"))

    assert any(one.startswith(remedy) for one in told), told


def test_a_vial_that_is_drawn_from_tells_the_volume() -> None:
    product = a_product(draw="by_volume", concentration_mbq_per_ml=370.0)
    dose = a_dose(calibrated_at=at("12:00"), prescribed_activity_mbq=7400.0, volume_ml=25.0)
    shipment = a_shipment(product=product, doses=(dose,))
    arrival = arriving("12:00", "12:02")

    told = dose_remedies(odds(shipment, arrival), shipment, arrival, at=at("10:00"))

    # 7400 MBq at 370 MBq/mL are 20 mL at 12:00; at 13:01 Lu-177 (6.6443 d) has decayed to 0.99559 of it.
    assert "Usable with 20.1 mL." in told


def test_a_service_that_saves_doses_is_named_with_how_many() -> None:
    """The flight at 10:00 is cancelled; one at 11:00 arrives in time, one at 20:00 does not."""
    flight = a_leg()
    lane = (flight.mode, flight.origin, flight.destination)
    services = [
        (lane, Service(carrier="MU", service=name, days=DAILY, departs=departs, timezone="UTC", minutes=60))
        for name, departs in (("MU5113", "11:00"), ("MU5121", "20:00"))
    ]
    doses: tuple[Dose, ...] = tuple(a_dose(id=name, reference=name) for name in ("one", "two"))
    shipment = a_shipment(legs=(flight,), doses=doses)
    journey = a_journey(legs=(LegFacts(number=1, failed="leg_cancelled", failed_at=at("08:00")),))
    forecast = Forecast(shipment, journey, Published(1, {}, gather([]), {}, timetable_of(services)))
    plans = dose_plans(shipment, {dose.id: care() for dose in doses}, journey, forecast.lanes)
    known = [odds_of(one, shipment, forecast.at(at("08:30"))) for one in plans]

    told = rebooking(forecast, known, at=at("08:30"))
    too_late = rebooking(forecast, known, at=at("10:30"))
    nothing_known = rebooking(
        replace(forecast, lanes=Published(1, {}, gather([]), {})), known, at=at("08:30")
    )

    way = f"{flight.origin}–{flight.destination}"
    assert told == (f"MU5113 {way} at Tue 06 Jan 12:00 CET (11:00Z) saves 2 of 2 doses.",)
    assert too_late == nothing_known == ()


def test_a_service_that_is_hardly_better_than_waiting_saves_nothing() -> None:
    """A dose with 20 % of risk is not saved by a service that leaves it 12 %."""
    flight = a_leg()
    lane = (flight.mode, flight.origin, flight.destination)
    service = Service(carrier="MU", service="MU1", days=DAILY, departs="12:20", timezone="UTC", minutes=60)
    shipment = a_shipment(legs=(flight,))
    journey = a_journey(legs=(LegFacts(number=1),))
    forecast = Forecast(shipment, journey, Published(1, {}, gather([]), {}, timetable_of([(lane, service)])))
    risky = odds(shipment, arriving_late_with(0.2))
    lost = odds(shipment, arriving_late_with(1.0))

    assert rebooking(forecast, [risky], at=at("10:30")) == ()
    assert rebooking(forecast, [lost], at=at("10:30")) != ()


def test_less_than_a_minute_is_no_room_to_give_it_later() -> None:
    """Ready at 14:59:30 of a window that ends at 15:00: in minutes that would read “after 15:00 and by 15:00”."""
    dose = a_dose(administer_at=at("13:30"))
    shipment = a_shipment(doses=(dose,))
    arrival = arriving("13:59", "14:00")

    told = dose_remedies(odds(shipment, arrival), shipment, arrival, at=at("12:00"))

    assert told == ("Usable if it arrives by Tue 06 Jan 15:00 CET (14:00Z).",)


def services(*told: tuple[Leg, str, str]) -> Published:
    """A daily timetable of an hour's flights on these legs' lanes."""
    table = [
        (
            (leg.mode, leg.origin, leg.destination),
            Service(carrier="MU", service=name, days=DAILY, departs=departs, timezone="UTC", minutes=60),
        )
        for leg, name, departs in told
    ]
    return Published(1, {}, gather([]), {}, timetable_of(table))


def named(legs: tuple[Leg, ...], lanes: Published, *, about: str = "one", failed: int = 1) -> tuple[str, ...]:
    """What helps at 08:30, half an hour after a flight was cancelled; `two` can wait, `one` only to 14:00."""
    doses = (a_dose(id="one"), a_dose(id="two", expires_at=at("30:00")))
    shipment = a_shipment(legs=legs, doses=doses)
    journey = a_journey(legs=(LegFacts(number=failed, failed="leg_cancelled", failed_at=at("08:00")),))
    forecast = Forecast(shipment, journey, lanes)
    plans = dose_plans(shipment, {dose.id: care() for dose in doses}, journey, lanes)
    known = [odds_of(one, shipment, arriving_late_with(1.0)) for one in plans]
    known = [replace(one, late_probability=1.0) for one in known]
    return rebooking(
        forecast, known, at=at("08:30"), about=next(one for one in known if one.plan.dose.id == about)
    )


def test_a_dose_is_told_only_of_a_service_that_saves_itself() -> None:
    """At 18:00 a flight comes too late for the dose needed by 14:00, and in time for the other."""
    flight = a_leg()
    late, early = (
        services((flight, "MU7", "18:00")),
        services((flight, "MU5", "11:00"), (flight, "MU7", "18:00")),
    )

    assert named((flight,), late) == ()
    assert named((flight,), late, about="two")[0].startswith("MU7 PLANT–CLINIC at Tue 06 Jan 19:00 CET")
    assert named((flight,), late, about="two")[0].endswith("saves 1 of 2 doses.")
    assert named((flight,), early)[0].endswith("saves 2 of 2 doses.")


def test_a_service_that_misses_the_flight_onward_saves_nothing() -> None:
    """The next flight to the hub lands at 13:00; the one onward at 11:30 is the only one known, until another is."""
    first, second = two_legs()
    later = services((first, "MU5", "12:00"))
    onward = services((first, "MU5", "12:00"), (second, "MU9", "15:00"))

    assert named((first, second), later, about="two") == ()
    assert named((first, second), onward, about="two")[0].startswith("MU5 PLANT–HUB at Tue 06 Jan 13:00 CET")


def test_the_leg_that_failed_is_replaced_though_an_earlier_one_has_not_left_yet() -> None:
    first, second = two_legs()
    lanes = services((first, "MU5", "12:00"), (second, "MU9", "12:30"))

    assert named((first, second), lanes, failed=2)[0].startswith("MU9 HUB–CLINIC at Tue 06 Jan 13:30 CET")


def test_the_van_after_a_service_is_not_kept_waiting_as_long_as_the_plan_would_have_had_it() -> None:
    """Landed at 13:00 instead of 09:00, it is on the road at 13:45 and there at 14:15; the plan gave it until 13:00.

    With these four hours it would come at 17:30, for a dose needed by 15:30; `act_by` is 90 minutes before 12:00.
    """
    flight = a_leg(1, destination="BLQ", planned_departure_at=at("08:00"), planned_arrival_at=at("09:00"))
    van = a_leg(
        2, mode="road", origin="BLQ", planned_departure_at=at("13:00"), planned_arrival_at=at("13:30")
    )
    doses = (a_dose(expires_at=at("16:30")),)
    shipment = a_shipment(legs=(flight, van), doses=doses)
    journey = a_journey(legs=(LegFacts(number=1, failed="leg_cancelled", failed_at=at("08:00")),))
    forecast = Forecast(shipment, journey, services((flight, "AZ5", "12:00")))
    (plan,) = dose_plans(shipment, {"d1": care()}, journey, forecast.lanes)
    known = odds_of(plan, shipment, forecast.at(at("08:30")))

    told = rebooking(forecast, [known], at=at("08:30"))

    assert plan.act_by == at("10:30")
    assert told == ("AZ5 PLANT–BLQ at Tue 06 Jan 13:00 CET (12:00Z) saves 1 of 1 dose.",)
