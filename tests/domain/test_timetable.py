"""Timetables: what leaves next, in local time, over the end of a week and a clock change."""

from dataclasses import replace
from datetime import UTC, datetime

from app.domain.timetable import Service, Timetable, is_own, timetable_of
from tests.domain.made import a_leg, at

SERVICE = Service(
    carrier="MU", service="MU5113", days=(1, 3), departs="09:40", timezone="Europe/Rome", minutes=140
)
LEG = a_leg()


def table(*services: Service) -> Timetable:
    return timetable_of(((LEG.mode, LEG.origin, LEG.destination), one) for one in services)


def test_the_next_departures_are_found_in_local_time_and_in_order() -> None:
    found = table(SERVICE).after(LEG, datetime(2026, 3, 25, 8, 40, tzinfo=UTC))  # 09:40 in Rome, on Wednesday

    # The clocks change on 29 March: the Monday's 09:40 is an hour earlier in UTC.
    assert [one.departs_at for one in found[:2]] == [
        datetime(2026, 3, 30, 7, 40, tzinfo=UTC),
        datetime(2026, 4, 1, 7, 40, tzinfo=UTC),
    ]
    assert found[0].arrives_at == datetime(2026, 3, 30, 10, 0, tzinfo=UTC)


def test_the_headway_is_the_time_to_the_next_service_of_the_lane() -> None:
    later = Service(
        carrier="XA", service="X2", days=(1, 2, 3, 4, 5, 6, 7), departs="16:00", timezone="UTC", minutes=60
    )

    assert table(later).headway_minutes(LEG) == (at("16:00") - LEG.planned_departure_at).total_seconds() / 60
    assert Timetable().headway_minutes(LEG) is None


def test_the_last_to_arrive_in_time_are_found_backwards_two_of_each_service() -> None:
    """Wednesdays and Mondays at 09:40 in Rome, 140 minutes; the clocks change on Sunday 29 March."""
    found = table(SERVICE).arriving_by(LEG, datetime(2026, 3, 30, 10, 0, tzinfo=UTC))
    a_minute_earlier = table(SERVICE).arriving_by(LEG, datetime(2026, 3, 30, 9, 59, tzinfo=UTC))

    assert [one.departs_at for one in found] == [
        datetime(2026, 3, 30, 7, 40, tzinfo=UTC),
        datetime(2026, 3, 25, 8, 40, tzinfo=UTC),
    ]
    assert a_minute_earlier[0].departs_at == datetime(2026, 3, 25, 8, 40, tzinfo=UTC)
    assert Timetable().arriving_by(LEG, at("16:00")) == []


def test_a_ship_that_sails_for_weeks_is_found_by_when_it_leaves() -> None:
    ship = Service(carrier="S", service="S1", days=(4,), departs="06:00", timezone="UTC", minutes=20 * 1440)

    found = table(ship).arriving_by(LEG, datetime(2026, 3, 30, tzinfo=UTC))

    assert found[0].departs_at == datetime(2026, 3, 5, 6, 0, tzinfo=UTC)


def test_the_plans_own_departure_is_known_by_its_service_or_by_its_hour_alone() -> None:
    (found, *_) = table(replace(SERVICE, days=(2,), departs="10:00", timezone="UTC")).after(LEG, at("09:00"))

    assert is_own(found, replace(LEG, service="MU5113"))
    assert is_own(found, replace(LEG, service=None))
    assert not is_own(found, LEG)
    assert not is_own(found, replace(LEG, service=None, planned_departure_at=at("10:01")))
