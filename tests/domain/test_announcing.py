"""What is news about a shipment, given what was told last.

The forecast is the hand-made one of `test_assessment`: evenly between 12:00 and 13:00 (p10 12:06, p50 12:30,
p90 12:54), slipping by a minute for each minute of silence after the planned departure at 10:00.
"""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.announcing import Interval, eta_left, news_of, standing_of
from app.domain.assessment import Assessment, Snapshot, assess
from app.domain.lanes import PRIORS
from tests.domain import made
from tests.domain.made import Slipping, a_shipment, an_event, at

TOLD: Interval = ("2026-01-06T12:06:00.000Z", "2026-01-06T12:30:00.000Z", "2026-01-06T12:54:00.000Z")


@pytest.fixture(autouse=True)
def slipping(monkeypatch: pytest.MonkeyPatch) -> None:
    made.foretold(monkeypatch, Slipping())


def assessed(clock: str, *events: Any) -> Assessment:
    snapshot = Snapshot(
        shipment=a_shipment(),
        events=events,
        open_alerts=(),
        version=1,
        lanes=PRIORS,
        baseline_at=made.PLANNED,
    )
    return assess(snapshot, at=at(clock))


def test_the_first_assessment_is_the_plan_and_no_news() -> None:
    news, known = news_of(None, assessed("09:00"))

    assert news == ()
    assert known.eta is not None
    assert set(known.verdicts.values()) == {"ok"}
    assert set(known.qualities.values()) == {"pending"}


def test_an_eta_is_news_when_its_median_leaves_the_interval_last_announced() -> None:
    _, told = news_of(None, assessed("09:00"))

    within, still_told = news_of(told, assessed("10:20"))
    beyond, told_anew = news_of(still_told, assessed("10:30"))
    soon_after, _ = news_of(told_anew, assessed("10:40"))

    assert [one.type for one in within] == []
    assert still_told.eta == told.eta
    assert [one.type for one in beyond] == ["shipment.eta_changed"]
    assert beyond[0].data["previous_eta"]["p50"] == (told.eta or ("",) * 3)[1]
    assert beyond[0].data["eta"]["p50"] == (told_anew.eta or ("",) * 3)[1]
    assert [one.type for one in soon_after] == []


def test_a_verdict_and_a_quality_that_change_are_news_once() -> None:
    _, told = news_of(None, assessed("09:00"))
    late = assessed("11:40", an_event("released", at("11:00"), details={"scope": "final"}))

    news, known = news_of(told, late)
    again, _ = news_of(known, late)

    by_type = {one.type: one.data for one in news}
    assert set(by_type) == {"shipment.eta_changed", "dose.verdict_changed", "dose.quality_changed"}
    assert (
        by_type["dose.verdict_changed"]["previous_verdict"],
        by_type["dose.verdict_changed"]["verdict"],
    ) == (
        "ok",
        "will_miss",
    )
    assert by_type["dose.verdict_changed"]["verdict_reasons"]
    assert by_type["dose.quality_changed"]["quality_status"] == "released"
    assert "subject_code" not in str(news)
    assert again == ()


def test_an_eta_that_has_come_true_is_no_news_and_is_announced_anew_when_that_is_taken_back() -> None:
    _, told = news_of(None, assessed("09:00"))
    delivered = replace(told, eta=None)

    news, known = news_of(delivered, assessed("09:30"))

    assert news == ()
    assert known.eta == standing_of(assessed("09:30")).eta


@pytest.mark.parametrize(
    ("median", "left"),
    [
        ("2026-01-06T12:06:00.000Z", False),
        ("2026-01-06T12:05:59.999Z", True),
        ("2026-01-06T12:54:00.000Z", False),
        ("2026-01-06T12:54:00.001Z", True),
        (None, True),
    ],
)
def test_the_bounds_belong_to_the_interval_and_no_known_arrival_lies_beyond(
    median: str | None, left: bool
) -> None:
    assert eta_left(TOLD, (None, median, None)) is left


def test_without_a_known_end_only_earlier_is_outside_and_becoming_known_again_is_news() -> None:
    open_ended: Interval = (TOLD[0], TOLD[1], None)
    unknown: Interval = (TOLD[0], None, None)

    assert not eta_left(open_ended, (None, "2026-01-07T00:00:00.000Z", None))
    assert eta_left(unknown, TOLD)
    assert not eta_left(unknown, unknown)
    assert not eta_left(None, TOLD)
    assert not eta_left(TOLD, None)
