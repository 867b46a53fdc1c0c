"""Timetables: what leaves next, in local time, over the end of a week and a clock change."""

from datetime import UTC, datetime

from app.domain.timetable import Service, Timetable, timetable_of
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
