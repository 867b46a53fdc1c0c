"""Published statistics: whole or short they say the same, and what is rare leans on the defaults."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from app.domain.custody import LegFacts
from app.domain.lane_learning import frozen, reporting
from app.domain.lane_learning.dwell import Stay, gather, learned_median, stays_of
from app.domain.lane_learning.history import LaneLeg, minutes_of
from app.domain.lane_learning.published import Published
from app.domain.lanes import PRIORS, REPORTING, LegStatistics
from app.domain.observation import Event, Location
from tests.domain.lane_learning.made import FIRST_DAY, a_history
from tests.domain.made import a_journey, a_leg, a_shipment, at

UNTIL = FIRST_DAY + timedelta(days=12, hours=20)


def published(legs: list[LaneLeg], *, over: list[LaneLeg] | None = None) -> Published:
    until = minutes_of(UNTIL)
    body = frozen.whole(frozen.learn(legs, until=until), [], {})
    overlay = frozen.short(frozen.learn(over, until=until)) if over else None
    return frozen.restored(3, body, overlay)


def a_flight(**changes: Any) -> LegStatistics:
    flight: dict[str, Any] = {
        "carrier": "XA",
        "service": "X0",
        "origin": "HUB",
        "destination": "AAA",
        "planned_departure_at": UNTIL + timedelta(hours=14),
        "planned_arrival_at": UNTIL + timedelta(hours=15.5),
    }
    leg = replace(a_leg(), **flight | changes)
    return published(a_history(days=12)).of(leg)


def test_a_lane_with_history_is_told_by_it() -> None:
    known = a_flight()

    assert known.delay.basis == "lane history, n=192"
    assert known.delay.shares.sum() == pytest.approx(1.0)
    assert all(one.shares.sum() == pytest.approx(1.0) for one in known.residuals)
    assert len(known.residuals) == len(known.edges_minutes) + 1
    assert 0 < known.cancelled_share < 0.1


@pytest.mark.parametrize(
    ("changes", "basis"),
    [
        ({"origin": "ELSEWHERE"}, "history of the air carrier, n=288"),
        ({"origin": "ELSEWHERE", "carrier": "NEW"}, "air history, n=576"),
        ({"mode": "road"}, "default for road departures"),
    ],
)
def test_a_lane_without_history_falls_back(changes: dict[str, Any], basis: str) -> None:
    assert a_flight(**changes).delay.basis == basis


def test_a_history_too_small_to_learn_from_leaves_the_priors() -> None:
    leg = a_leg()

    assert published(a_history(days=2)).of(leg).delay is PRIORS.of(leg).delay


def test_a_short_set_brings_the_news_of_the_last_days_to_the_whole_one() -> None:
    old = a_history(days=12)
    news = [
        replace(leg, arrived_at=leg.arrived_at + timedelta(minutes=30))
        if leg.arrived_at and leg.planned_departure_at > FIRST_DAY + timedelta(days=10)
        else leg
        for leg in old
    ]
    leg = replace(a_leg(), carrier="XA", service=None, origin="HUB", destination="AAA")

    before, after, same = (one.of(leg) for one in (published(old), published(old, over=news), published(old, over=old)))  # fmt: skip  # noqa: E501

    def median(known: LegStatistics) -> float:
        return known.residuals[3].quantile_minutes(0.5)

    assert median(after) > median(before) + 5
    assert median(same) == pytest.approx(median(before), abs=1.0)


def test_a_place_with_long_stays_has_a_longer_median_but_leans_on_the_default() -> None:
    few = learned_median([(120.0, False)] * 2, 45.0, 0.35)
    many = learned_median([(120.0, False)] * 100, 45.0, 0.35)

    assert 45 < few < many < 120
    assert many == pytest.approx(112, abs=4)


def test_a_stay_that_ended_with_a_service_only_says_at_most() -> None:
    median = learned_median([(300.0, True)] * 50, 90.0, 0.35)

    assert median == pytest.approx(90.0, rel=0.05)


def test_a_stay_counts_where_and_for_what_it_was() -> None:
    stay = Stay(kind="handover", place="PVG", mode="air", leg=2, minutes=200.0, at_most=False)
    statistics = Published(1, {}, gather([stay] * 20), {})

    assert statistics.handover("air", "PVG", 600.0).basis == "handover at PVG, n=20"
    assert statistics.handover("air", "PEK", 600.0).basis == "default for handover to air"
    assert statistics.handover("air", "PVG", 600.0).quantile_minutes(0.5) > 120


def test_a_carrier_that_reports_late_is_known_to() -> None:
    learned = reporting.learned([("SLOW", 60.0)] * 300 + [("NEW", 60.0)])

    assert learned["SLOW"].median_minutes == pytest.approx(60 ** (300 / 330) * 5 ** (30 / 330), rel=0.01)
    assert REPORTING.median_minutes < learned["NEW"].median_minutes < 6


def test_the_same_history_gives_the_same_bytes() -> None:
    taught = [frozen.learn(a_history(days=6), until=minutes_of(UNTIL)) for _ in range(2)]

    one, other = (frozen.whole(each, [], {}) for each in taught)

    told = [frozen.restored(1, each).of(a_leg()) for each in (one, other)]
    assert told[0].delay.basis == told[1].delay.basis
    assert np.array_equal(told[0].delay.shares, told[1].delay.shares)


def test_a_carrier_whose_estimates_are_good_is_believed_more_than_one_whose_are_not() -> None:
    learned = reporting.learned([], [("GOOD", 2.0)] * 200 + [("POOR", 60.0)] * 200)

    assert learned["GOOD"].estimate_weight > REPORTING.estimate_weight > learned["POOR"].estimate_weight
    assert learned["GOOD"].estimate_spread_minutes < 5
    assert learned["POOR"].estimate_spread_minutes == pytest.approx(60 / 0.6745, rel=0.05)
    assert learned["GOOD"].median_minutes == REPORTING.median_minutes


def test_stays_in_customs_and_estimates_are_read_off_a_journey() -> None:
    def event(kind: str, when: str) -> Event:
        return Event(
            id=kind,
            event_id=kind,
            source="XA",
            type=kind,
            occurred_at=at(when),
            effective_at=at(when),
            received_at=at(when),
            location=Location(code="PVG"),
        )

    known = LegFacts(
        number=1, departed_at=at("10:00"), arrived_at=at("12:20"), estimated_arrival_at=at("12:00")
    )
    journey = a_journey(
        legs=(known,), effective=(event("customs_entered", "12:30"), event("customs_cleared", "15:00"))
    )

    stays = {one.kind: one for one in stays_of(a_shipment(), journey)}

    assert (stays["customs"].place, stays["customs"].minutes) == ("PVG", 150.0)
    assert (stays["estimate"].place, stays["estimate"].minutes) == ("ACME", 20.0)
    known_at = Published(1, {}, gather([stays["customs"]] * 30), {}).hold("PVG", customs=True)
    assert known_at.basis == "customs at PVG, n=30"
    assert 130 < known_at.quantile_minutes(0.5) < 150


def test_a_road_never_travelled_scatters_in_proportion_to_its_length() -> None:
    trips = [replace(leg, mode="road") for leg in a_history(days=12)]
    known = published(trips)
    leg = a_leg(mode="road", carrier="XA", origin="HUB", destination="AAA")
    far = replace(leg, destination="FAR", planned_arrival_at=leg.planned_departure_at + timedelta(hours=20))

    assert known.of(leg).residuals[0].basis == "lane history, n=192"
    assert known.of(far).residuals[0].basis == "default for road transit"
    assert known.of(far).delay.basis == "history of the road carrier, n=288"
