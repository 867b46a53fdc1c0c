"""The life of an alert: the ladder's dead bands, and the steps from what is open to what holds."""

from datetime import timedelta

import pytest

from app.domain.alerts import AlertChange, Cause, Condition, OpenAlert, Severity, changes_between, climb
from tests.domain.made import at


@pytest.mark.parametrize(
    ("value", "standing", "expected"),
    [
        (0.19, None, None),
        (0.20, None, "warning"),
        (0.49, None, "warning"),
        (0.50, None, "critical"),
        (0.09, "warning", None),
        (0.10, "warning", "warning"),
        (0.50, "warning", "critical"),
        (0.49, "warning", "warning"),
        (0.35, "critical", "critical"),
        (0.34, "critical", "warning"),
        (0.09, "critical", None),
    ],
)
def test_the_ladder_raises_and_clears_at_its_own_thresholds(
    value: float, standing: Severity | None, expected: Severity | None
) -> None:
    severity = climb(value, open_severity=standing, warning=0.2, critical=0.5, clear=0.1, critical_clear=0.35)

    assert severity == expected


def test_a_clear_threshold_above_its_raise_threshold_does_not_make_it_flap() -> None:
    for standing in (None, "warning"):
        severity = climb(
            0.06, open_severity=standing, warning=0.05, critical=0.5, clear=0.1, critical_clear=0.35
        )

        assert severity == "warning"


def condition(severity: Severity, kind: str = "hold") -> Condition:
    return Condition(
        kind=kind,
        subject="shipment",
        severity=severity,
        cause=Cause(kind="held"),
        summary="Held.",
        since=at("09:00"),
    )


def alert(severity: Severity, kind: str = "hold") -> OpenAlert:
    return OpenAlert(id="a1", kind=kind, subject="shipment", severity=severity, since=at("08:00"))


def steps(open_alerts: list[OpenAlert], conditions: list[Condition]) -> tuple[AlertChange, ...]:
    return changes_between(
        open_alerts,
        conditions,
        at=at("09:10"),
        judged={"hold"},
        since=lambda one: one.since or at("09:10"),
        ended=lambda _: (at("09:05"), "over"),
    )


def test_what_newly_holds_is_opened_with_its_since() -> None:
    (change,) = steps([], [condition("warning")])

    assert (change.action, change.alert_id, change.since) == ("opened", None, at("09:00"))
    assert not change.detected_late


@pytest.mark.parametrize(
    ("before", "now", "action"),
    [
        ("warning", "critical", "escalated"),
        ("critical", "warning", "deescalated"),
        ("info", "warning", "escalated"),
    ],
)
def test_another_severity_moves_the_alert_and_keeps_its_since(
    before: Severity, now: Severity, action: str
) -> None:
    (change,) = steps([alert(before)], [condition(now)])

    assert (change.action, change.alert_id, change.since) == (action, "a1", at("08:00"))
    assert (change.previous_severity, change.severity) == (before, now)


def test_the_same_severity_is_no_news() -> None:
    assert steps([alert("warning")], [condition("warning")]) == ()


def test_what_no_longer_holds_is_resolved_with_a_reason() -> None:
    (change,) = steps([alert("warning")], [])

    assert (change.action, change.alert_id, change.reason, change.condition) == (
        "resolved",
        "a1",
        "over",
        None,
    )


def test_a_kind_that_was_not_judged_stays_open() -> None:
    assert steps([alert("warning", kind="tamper")], []) == ()


def test_two_conditions_with_one_key_make_one_alert_of_the_more_severe() -> None:
    (change,) = steps([], [condition("critical"), condition("warning")])

    assert change.severity == "critical"


def test_news_told_over_a_quarter_of_an_hour_late_says_so() -> None:
    (change,) = changes_between(
        [],
        [condition("warning")],
        at=at("09:15") + timedelta(seconds=1),
        judged={"hold"},
        since=lambda _: at("09:00"),
        ended=lambda _: (at("09:15"), ""),
    )

    assert change.detected_late
