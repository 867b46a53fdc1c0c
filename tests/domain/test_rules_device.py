"""The device rules, one table of thresholds each; exactly at a bound is tested on both sides."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from app.domain.alerts import AlertChange, AlertKey, Condition, OpenAlert, PastAlert, Severity
from app.domain.assessment import Snapshot, assess
from app.domain.custody import Journey, LegFacts
from app.domain.lanes import PRIORS
from app.domain.observation import Event
from app.domain.readings import CHANNELS, ReadingColumns, microseconds
from app.domain.rules import RULES
from app.domain.ruling import Facts, run_rules
from app.domain.shipment import DeviceAssignment, Package, Shipment, Storage
from app.domain.thermal import thermal_of
from app.domain.thermal_news import is_news
from tests.domain import made
from tests.domain.made import HOUR, MINUTE, a_journey, a_leg, a_product, a_shipment, a_track, an_event, at

SECOND = timedelta(seconds=1)
LIVE = DeviceAssignment(device_id="T", interval_s=600, report_interval_s=600, from_at=at("08:00"))
LOGGER = replace(LIVE, live=False)
BY_ROAD = (a_leg(mode="road"),)
PICKED_UP = a_journey(state="in_transit", picked_up_at=at("08:00"))
Series = tuple[tuple[str, float], ...]


def shipment(device: DeviceAssignment = LIVE, **storage: Any) -> Shipment:
    limits: dict[str, Any] = {"max_c": 25.0, "alarm_delay_minutes": 15.0} | storage
    return a_shipment(product=a_product(storage=Storage(**limits)), devices=(device,), legs=BY_ROAD)


def every_ten(start: str, *values: float) -> Series:
    begin = at(start)
    return tuple(((begin + 10 * n * MINUTE).strftime("%H:%M"), value) for n, value in enumerate(values))


def channel(name: str, *samples: tuple[str, float]) -> ReadingColumns:
    track = a_track(*samples)
    values = np.full((len(track), len(CHANNELS)), np.nan)
    values[:, CHANNELS.index(name)] = track.values[:, 0]
    return replace(track, values=values)


def facts(
    given: Shipment,
    track: ReadingColumns | None,
    *,
    when: datetime,
    journey: Journey = PICKED_UP,
    arrival: Any = None,
) -> Facts:
    arrival = arrival or made.arriving("12:00", "13:00")
    odds = made.odds(given, arrival, journey=journey)
    tracks = {} if track is None else {("T", "main"): track}
    thermal = thermal_of(given, journey, tracks, at=when)
    return Facts(shipment=given, journey=journey, arrival=arrival, odds=(odds,), at=when, thermal=thermal)


def found(given: Facts, standing: dict[AlertKey, Severity] | None = None) -> dict[str, Condition]:
    return {one.kind: one for one in run_rules(RULES, given, standing or {}).conditions}


def told(given: Facts, standing: dict[AlertKey, Severity] | None = None) -> dict[str, str]:
    return {kind: one.severity for kind, one in found(given, standing).items()}


# A warm spell of half an hour: it crosses 25 °C at 08:15 and at 08:45.
WARM = every_ten("08:00", 24, 24, 26, 26, 26, 24)


@pytest.mark.parametrize(
    ("delay", "when", "expected"),
    [
        (24.0, "08:51", {"temperature_excursion": "warning"}),
        (30.0, "08:51", {}),
        (24.0, "08:35", {}),
    ],
)
def test_an_excursion_is_told_when_it_lasts_longer_than_the_alarm_delay(
    delay: float, when: str, expected: dict[str, str]
) -> None:
    given = facts(shipment(alarm_delay_minutes=delay), a_track(*WARM), when=at(when))

    assert told(given) == expected


def test_exactly_the_alarm_delay_is_not_longer() -> None:
    crossing = every_ten("08:00", 24, 26, 26, 24)  # from 08:05 to 08:25
    track = a_track(*crossing)

    assert told(facts(shipment(alarm_delay_minutes=20), track, when=at("09:00"))) == {}
    assert told(facts(shipment(alarm_delay_minutes=19.9), track, when=at("09:00"))) != {}


def test_without_an_alarm_delay_the_first_reading_outside_is_told_at_once() -> None:
    one = a_track(("08:10", 26.0))

    assert told(facts(shipment(alarm_delay_minutes=0), one, when=at("08:10"))) != {}
    assert told(facts(shipment(alarm_delay_minutes=1), one, when=at("08:11"))) == {}


def test_since_is_when_the_alarm_delay_was_over_and_the_words_say_when_it_began() -> None:
    condition = found(facts(shipment(), a_track(*WARM), when=at("08:51")))["temperature_excursion"]

    assert condition.since == at("08:30")
    assert condition.subject == "device:T"
    assert "above 25 °C" in condition.summary
    assert "26.0 °C" in condition.summary


def test_without_a_budget_it_waits_for_a_decision_that_knew_of_it() -> None:
    known = a_track(*WARM, received=at("11:00"))

    def after(*events: Event) -> dict[str, str]:
        journey = replace(PICKED_UP, effective=events)
        return told(facts(shipment(), known, when=at("12:30"), journey=journey))

    too_early = an_event("disposition", at("10:00"), details={"decision": "use_as_is"})
    knowing = an_event("disposition", at("11:30"), details={"decision": "use_as_is"})
    assert after() == after(too_early) == {"device_silent": "critical", "temperature_excursion": "warning"}
    assert after(knowing) == {"device_silent": "critical"}


def test_with_a_budget_left_it_ends_with_the_warmth_and_a_budget_used_up_is_critical_until_decided() -> None:
    warm = a_track(*WARM)

    left = told(facts(shipment(budget_minutes=30), warm, when=at("08:51")))
    used_up = found(facts(shipment(budget_minutes=20), warm, when=at("08:51")))["temperature_excursion"]
    decided = replace(PICKED_UP, effective=(an_event("disposition", at("09:00")),))

    assert left == {}
    assert used_up.severity == "critical"
    assert used_up.since == at("08:30")
    assert used_up.evidence["budget_remaining_minutes"] == 0
    assert told(facts(shipment(budget_minutes=20), warm, when=at("09:01"), journey=decided)) == {}


def test_a_budget_used_up_within_the_alarm_delay_is_told_at_once() -> None:
    given = facts(shipment(budget_minutes=5), a_track(*every_ten("08:00", 24, 26, 24)), when=at("08:21"))

    assert found(given)["temperature_excursion"].since == at("08:10")


@pytest.mark.parametrize(
    ("values", "since"), [((5.0, -0.6), "08:10"), ((5.0, -0.1, -0.2), "08:20"), ((5.0, -0.4, 5.0), None)]
)
def test_a_frozen_product_is_critical_whatever_the_delay_until_decided(
    values: tuple[float, ...], since: str | None
) -> None:
    given = shipment(do_not_freeze=True, alarm_delay_minutes=600, budget_minutes=600)
    now = at("08:31")

    condition = found(facts(given, a_track(*every_ten("08:00", *values)), when=now)).get(
        "temperature_excursion"
    )

    assert (condition.since if condition else None) == (at(since) if since else None)
    assert condition is None or condition.severity == "critical"


@pytest.mark.parametrize("place", ["ambient", "vehicle"])
def test_a_warm_vehicle_is_no_warm_product(place: Any) -> None:
    assert told(facts(shipment(replace(LIVE, place=place)), a_track(*WARM), when=at("08:51"))) == {}


def test_a_live_sensor_whose_last_word_was_too_warm_is_taken_to_stay_so_once_it_is_overdue() -> None:
    last_word = a_track(("08:00", 24.0), ("08:10", 26.0))  # warm from 08:05, next report due 08:20
    overdue = at("08:30")

    assert told(facts(shipment(), last_word, when=overdue)) == {}
    assert told(facts(shipment(), last_word, when=overdue + SECOND)) == {"temperature_excursion": "warning"}
    assert told(facts(shipment(LOGGER), last_word, when=at("12:00"))) == {}


@pytest.mark.parametrize(
    ("silent_minutes", "expected"),
    [
        (50, {}),
        (50.1, {"device_silent": "warning"}),
        (70, {"device_silent": "warning"}),
        (70.1, {"device_silent": "critical"}),
    ],
)
def test_two_missed_reports_and_half_an_hour_are_a_warning_and_four_are_critical(
    silent_minutes: float, expected: dict[str, str]
) -> None:
    when = at("08:20") + silent_minutes * MINUTE

    assert told(facts(shipment(), a_track(("08:10", 5.0), ("08:20", 5.0)), when=when)) == expected


def test_silence_counts_from_pickup_to_delivery_and_not_in_the_air() -> None:
    heard = a_track(("08:00", 5.0))
    waiting, delivered = a_journey(), replace(PICKED_UP, state="delivered", delivered_at=at("09:00"))
    picked_up_late = replace(PICKED_UP, picked_up_at=at("09:30"))
    flown = replace(PICKED_UP, legs=(LegFacts(number=1, departed_at=at("08:30"), arrived_at=at("10:30")),))
    by_air = replace(shipment(), legs=(a_leg(mode="air"),))

    assert told(facts(shipment(), heard, when=at("11:00"), journey=waiting)) == {}
    assert told(facts(shipment(), heard, when=at("11:00"), journey=delivered)) == {}
    assert told(facts(shipment(), heard, when=at("10:20"), journey=picked_up_late)) == {}
    assert told(facts(by_air, heard, when=at("11:29"), journey=flown)) == {}
    late = found(facts(by_air, heard, when=at("11:30"), journey=flown))["device_silent"]
    assert (late.severity, late.since) == ("critical", at("11:30"))


def test_a_live_device_never_heard_is_silent_and_a_logger_is_not() -> None:
    assert told(facts(shipment(), None, when=at("08:51"))) == {"device_silent": "warning"}
    assert "device_silent" not in told(facts(shipment(LOGGER), None, when=at("14:00")))


def test_a_device_that_never_said_how_often_it_reports_is_taken_to_do_so_hourly() -> None:
    quiet = shipment(replace(LIVE, interval_s=None, report_interval_s=None))

    assert told(facts(quiet, None, when=at("10:30"))) == {}
    assert told(facts(quiet, None, when=at("10:30") + SECOND)) == {"device_silent": "warning"}


def test_a_logger_not_read_a_day_after_the_receipt_is_news_until_its_readings_come() -> None:
    received = replace(PICKED_UP, state="received", delivered_at=at("11:00"), received_at=at("11:00"))
    day = at("11:00") + 24 * HOUR

    assert told(facts(shipment(LOGGER), None, when=day, journey=received)) == {}
    assert told(facts(shipment(LOGGER), None, when=day + SECOND, journey=received)) == {
        "logger_not_read": "info"
    }
    assert told(facts(shipment(), None, when=day + SECOND, journey=received)) == {}
    read = facts(shipment(LOGGER), a_track(("09:00", 5.0)), when=day + SECOND, journey=received)
    assert told(read) == {}


@pytest.mark.parametrize(
    ("qualified_hours", "standing", "expected"),
    [
        (12.9, False, {}),
        (12.89, False, {"packaging_expiring": "warning"}),
        (13.8, True, {"packaging_expiring": "warning"}),
        (13.9, True, {}),
    ],
)
def test_packaging_that_one_arrival_in_ten_outlasts(
    qualified_hours: float, standing: bool, expected: dict[str, str]
) -> None:
    """Nine arrivals in ten come by 12:54; the package was packed at midnight."""
    packed = replace(
        shipment(), devices=(), package=Package(packed_at=made.DAY, qualified_hours=qualified_hours)
    )
    open_now: dict[AlertKey, Severity] = {("packaging_expiring", "shipment"): "warning"} if standing else {}

    assert told(facts(packed, None, when=at("09:00")), open_now) == expected


def test_the_packaging_can_be_iced_anew_until_its_cold_runs_out() -> None:
    packed = replace(shipment(), package=Package(packed_at=made.DAY, qualified_hours=12.5))

    assert found(facts(packed, None, when=at("09:00")))["packaging_expiring"].act_by == at("12:30")


# A car may leave until 11:55 to be there by 14:00 (2 hours, and 5 minutes for the receipt), ordered by 11:10.
@pytest.mark.parametrize(
    ("lit_at", "appointed", "act_by"),
    [
        ("10:30", "13:30", "11:10"),
        ("11:10", "13:30", "11:10"),
        ("11:20", "13:30", "13:30"),
        ("11:20", None, None),
        ("13:40", "13:30", None),
    ],
)
def test_what_a_device_tells_too_late_for_the_way_is_for_the_site_to_weigh(
    lit_at: str, appointed: str | None, act_by: str | None
) -> None:
    dose = made.a_dose(administer_at=at(appointed) if appointed else None)
    given = replace(shipment(), doses=(dose,))
    lit = channel("light_lux", (lit_at, 90.0))

    tampered = found(facts(given, lit, when=at("13:50")))["tamper"]

    assert tampered.since == at(lit_at)
    assert tampered.act_by == (at(act_by) if act_by else None)


def test_an_excursion_is_never_to_be_decided_before_it_began() -> None:
    """The car left at 08:00, so nothing about the way can be chosen; the alarm is of 08:30."""
    gone = replace(PICKED_UP, legs=(LegFacts(number=1, departed_at=at("08:00")),))
    given = replace(shipment(), doses=(made.a_dose(administer_at=at("13:30")),))

    condition = found(facts(given, a_track(*WARM), when=at("08:51"), journey=gone))["temperature_excursion"]

    assert (condition.since, condition.act_by) == (at("08:30"), at("13:30"))


@pytest.mark.parametrize(("name", "bound"), [("light_lux", 20.0), ("shock_g", 10.0), ("tilt_deg", 80.0)])
def test_light_shock_and_tilt_above_the_limits_are_tampering(name: str, bound: float) -> None:
    def judged(value: float, device: DeviceAssignment = LIVE, when: str = "08:10") -> dict[str, str]:
        return told(facts(shipment(device), channel(name, (when, value)), when=at("08:30")))

    strict = replace(LIVE, light_max_lux=5.0, shock_max_g=5.0, tilt_max_deg=5.0)
    assert judged(bound) == {}
    assert judged(bound + 0.1) == {"tamper": "warning"}
    assert judged(5.1, strict) == {"tamper": "warning"}
    assert judged(bound + 1, replace(LIVE, from_at=at("07:00")), when="07:30") == {}  # before the pickup


def test_tampering_is_as_old_as_its_newest_run_of_readings() -> None:
    lit = channel("light_lux", ("08:10", 90.0), ("08:20", 0.0), ("08:30", 90.0), ("08:40", 120.0))

    condition = found(facts(shipment(), lit, when=at("08:50")))["tamper"]

    assert condition.since == at("08:30")
    assert condition.evidence == {"light_lux": 120.0}


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ((("08:10", 15.0),), {}),
        ((("08:10", 14.9),), {"battery_low": "info"}),
        # 60 % at 08:00 and 55 % at 09:00 last 11 hours more, and a day after 12:54 is further.
        ((("08:00", 60.0), ("09:00", 55.0)), {"battery_low": "info"}),
        ((("08:00", 90.0), ("09:00", 88.0)), {}),
    ],
)
def test_a_battery_must_last_a_day_beyond_the_arrival_and_stay_above_fifteen_percent(
    samples: Series, expected: dict[str, str]
) -> None:
    given = facts(shipment(), channel("battery_pct", *samples), when=at("09:01"))

    assert told(given).items() >= expected.items()
    assert ("battery_low" in told(given)) is bool(expected)


def live(track: ReadingColumns, given: Shipment, *, looks: list[datetime]) -> list[OpenAlert | PastAlert]:
    """Assess at each instant, hearing each reading when it is made; return every alert there was."""
    standing: dict[AlertKey, OpenAlert] = {}
    past: list[PastAlert] = []
    for when in looks:
        snapshot = Snapshot(
            shipment=given,
            events=(an_event("picked_up", at("08:00"), leg=1),),
            open_alerts=tuple(standing.values()),
            version=1,
            lanes=PRIORS,
            baseline_at=made.PLANNED,
            past_alerts=tuple(past),
            tracks={("T", "main"): track.where(track.received_us <= microseconds(when))},
        )
        for change in assess(snapshot, at=when).changes:
            if change.kind == "temperature_excursion":
                _take(change, standing, past)
    return [*past, *standing.values()]


def _take(change: AlertChange, standing: dict[AlertKey, OpenAlert], past: list[PastAlert]) -> None:
    key = (change.kind, change.subject)
    if change.ended_at is not None:
        standing.pop(key, None)
        since, ended_at = change.since, change.ended_at
        past.append(PastAlert(kind=change.kind, subject=change.subject, since=since, ended_at=ended_at))
    else:
        standing[key] = OpenAlert(
            id="a", kind=change.kind, subject=change.subject, severity=change.severity, since=change.since
        )


SPELLS = every_ten("08:00", 24, 26, 26, 26, 24, 24, 26, 26, 26, 24, 24, 27, 27, 27, 24)


@pytest.mark.parametrize("budget", [None, 80.0, 50.0], ids=lambda value: f"budget {value}")
def test_a_logger_uploaded_a_day_later_gives_the_same_alerts_as_a_live_sensor(budget: float | None) -> None:
    given = shipment(budget_minutes=budget)
    by_ten = [at("08:00") + 10 * n * MINUTE for n in range(18)]

    as_live = live(a_track(*SPELLS), given, looks=by_ten)
    late = live(a_track(*SPELLS, received=at("11:30")), given, looks=[at("11:30")])

    assert late == as_live
    assert len(late) == {None: 1, 80.0: 3, 50.0: 2}[budget]


def test_an_import_with_many_spells_is_told_as_one() -> None:
    wavy = every_ten("08:00", *([24, 26, 26, 26] * 12), 24)
    given = shipment(budget_minutes=1e6)

    told_once = live(a_track(*wavy, received=at("18:00")), given, looks=[at("18:00"), at("18:10")])

    assert len(told_once) == 1


def test_what_was_told_late_is_marked_so() -> None:
    snapshot = Snapshot(
        shipment=shipment(LOGGER, budget_minutes=80.0),
        events=(),
        open_alerts=(),
        version=1,
        lanes=PRIORS,
        baseline_at=made.PLANNED,
        tracks={("T", "main"): a_track(*WARM, received=at("12:00"))},
    )

    (change,) = [
        one for one in assess(snapshot, at=at("12:00")).changes if one.kind == "temperature_excursion"
    ]

    assert change.detected_late
    assert (change.action, change.since, change.ended_at) == ("opened", at("08:30"), at("08:45"))


def test_the_next_look_is_when_silence_or_a_lasting_excursion_becomes_an_alert() -> None:
    def next_at(*samples: tuple[str, float], when: str) -> datetime | None:
        snapshot = Snapshot(
            shipment=shipment(max_unmonitored_minutes=300.0),
            events=(an_event("picked_up", at("08:00"), leg=1),),
            open_alerts=(),
            version=1,
            lanes=PRIORS,
            baseline_at=made.PLANNED,
            tracks={("T", "main"): a_track(*samples)},
        )
        return assess(snapshot, at=at(when)).next_change_at

    quiet, warm = next_at(("08:10", 5.0), when="08:11"), next_at(("08:10", 26.0), when="08:11")

    assert quiet is not None
    assert timedelta(0) < quiet - at("09:00") < SECOND
    assert warm is not None
    assert timedelta(0) < warm - at("08:30") < SECOND


ORDINARY: dict[str, Any] = {"last_at": at("08:10"), "last_c": 5.0}


@pytest.mark.parametrize(
    ("samples", "before", "device", "expected"),
    [
        ((("08:20", 5.0), ("08:30", 6.0)), ORDINARY, LIVE, False),
        ((("08:20", 5.0),), {"last_at": None, "last_c": None}, LIVE, True),
        ((("08:00", 5.0),), ORDINARY, LIVE, True),
        ((("08:20", 25.0),), ORDINARY, LIVE, False),
        ((("08:20", 25.1),), ORDINARY, LIVE, True),
        ((("08:20", 24.0),), ORDINARY | {"last_c": 26.0}, LIVE, True),
        ((("08:40", 5.0),), ORDINARY, LIVE, False),
        ((("08:41", 5.0),), ORDINARY, LIVE, True),
        ((("08:20", 5.0),), ORDINARY, LOGGER, True),
        ((("08:20", 5.0),), ORDINARY, replace(LIVE, device_id="U"), True),
    ],
    ids=[
        "in order and within limits", "the first", "late", "at the limit", "beyond it", "back within it",
        "three intervals later", "after a gap", "a logger's", "of a device the plan does not know",
    ],
)  # fmt: skip
def test_only_what_may_change_an_alert_is_news(
    samples: Series, before: dict[str, Any], device: DeviceAssignment, expected: bool
) -> None:
    assert (
        is_news(a_track(*samples), device_id="T", sensor="main", shipment=shipment(device), **before)
        is expected
    )


@pytest.mark.parametrize(("name", "value"), [("light_lux", 21.0), ("battery_pct", 14.0)])
def test_light_in_the_box_and_an_empty_battery_are_news(name: str, value: float) -> None:
    new = channel(name, ("08:20", value))

    assert is_news(new, device_id="T", sensor="main", shipment=shipment(), **ORDINARY)
