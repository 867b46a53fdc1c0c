"""When a delivery is tried again, what an answer means, and how a message is signed."""

from datetime import timedelta

import pytest

from app.domain import delivery
from tests.support.api import START


def waits_s(ladder: str, attempts: int) -> list[float | None]:
    return [delivery.wait_s(ladder, count) for count in range(1, attempts + 1)]


def test_the_standard_ladder_has_nine_steps_and_ends_after_three_days() -> None:
    waits = waits_s("standard", 10)

    assert waits == [5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600, None]
    assert sum(one or 0 for one in waits) == pytest.approx(75.585 * 3600, rel=1e-4)


def test_the_critical_ladder_goes_on_each_minute_for_two_hours_and_then_each_quarter() -> None:
    waits = waits_s("critical", 200)

    assert waits[:6] == [2, 5, 10, 20, 30, 60]
    assert waits[6:126] == [60] * 120
    assert set(waits[126:]) == {900}


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_the_next_attempt_lies_within_a_fifth_of_its_step(chance: float, factor: float) -> None:
    after = delivery.after_failure("standard", 2, at=START, chance=chance, time_left=None)

    assert after == delivery.Next("pending", START + timedelta(seconds=300 * factor))


@pytest.mark.parametrize(
    ("ladder", "attempts", "left_s", "state", "wait_s"),
    [
        ("standard", 9, None, "pending", 86_400),
        ("standard", 10, None, "failed", None),
        ("critical", 500, None, "pending", 900),
        ("critical", 500, 3600, "pending", 900),
        ("critical", 500, 60, "pending", 60),
        ("critical", 500, 0, "expired", None),
        ("critical", 1, -1, "expired", None),
    ],
)
def test_the_last_attempt_is_made_when_the_news_becomes_worthless(
    ladder: str, attempts: int, left_s: float | None, state: str, wait_s: float | None
) -> None:
    left = None if left_s is None else timedelta(seconds=left_s)

    after = delivery.after_failure(ladder, attempts, at=START, chance=0.5, time_left=left)

    assert after.state == state
    assert after.at == (None if wait_s is None else START + timedelta(seconds=wait_s))


@pytest.mark.parametrize(
    ("status", "flag"),
    [(204, None), (301, "redirect"), (400, "client_error"), (404, "client_error"), (408, None), (410, None),
     (425, None), (429, None), (500, None)],
)  # fmt: skip
def test_what_is_odd_about_an_answer_is_named(status: int, flag: str | None) -> None:
    assert delivery.flag_of(status) == flag


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "delivered"),
        (204, "delivered"),
        (299, "delivered"),
        (301, "retry"),
        (307, "retry"),
        (400, "retry"),
        (404, "retry"),
        (408, "retry"),
        (410, "gone"),
        (425, "retry"),
        (429, "retry"),
        (500, "retry"),
        (503, "retry"),
        (None, "retry"),
    ],
)
def test_what_an_answer_means(status: int | None, outcome: str) -> None:
    assert delivery.outcome_of(status) == outcome


@pytest.mark.parametrize(
    ("asked", "chance", "pause_s"),
    [
        ("120", 0.0, 120),
        ("120", 1.0, 144),
        ("86400", 0.0, 3600),
        ("0", 0.5, 0),
        (None, 0.0, None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0, None),
        ("-5", 0.0, None),
        ("1e9", 0.0, None),
        ("٣", 0.0, None),
        ("9" * 400, 0.0, None),
    ],
)
def test_an_endpoint_may_ask_for_a_pause_of_an_hour_at_most(
    asked: str | None, chance: float, pause_s: float | None
) -> None:
    until = delivery.pause_until(asked, at=START, chance=chance)

    assert until == (None if pause_s is None else START + timedelta(seconds=pause_s))


@pytest.mark.parametrize(
    ("hours", "failures", "too_long"), [(24, 10, True), (23.9, 100, False), (48, 9, False), (48, 10, True)]
)
def test_an_endpoint_is_given_up_after_a_day_and_ten_attempts_of_only_failures(
    hours: float, failures: int, too_long: bool
) -> None:
    at = START + timedelta(hours=hours)

    assert delivery.failing_too_long(failing_since=START, failures=failures, at=at) is too_long


def test_a_digest_counts_alerts_and_never_swallows_an_escalation() -> None:
    types = ("alert.opened", "alert.unacknowledged", "shipment.delivered")

    gated = [delivery.is_gated(one, "critical", hours=None, digest_above=5, at=START) for one in types]

    assert gated == [True, False, False]
