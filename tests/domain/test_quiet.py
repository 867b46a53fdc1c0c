"""How long silence may last: never longer than a probability takes to get anywhere, and seldom much less."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from app.domain.alerts import climb, next_rungs
from app.domain.custody import LegFacts
from app.domain.drift import Drift
from app.domain.eta import Asked, Forecast, arrivals, forecast
from app.domain.grids import COUNT, Grid
from app.domain.lanes import PRIORS, Reporting
from app.domain.quiet import Quiet, quiet_shares
from app.domain.shipment import Leg
from tests.domain.made import DAY, a_journey, a_leg, a_shipment, at, two_legs

MINUTE = timedelta(minutes=1)
AT_ONCE = Reporting(median_minutes=1e-6, spread=0.01, estimate_weight=0.5, estimate_spread_minutes=10.0)
FIRST, SECOND = two_legs()


def of(*legs: Leg, departed: timedelta | None = None, **journey: object) -> Forecast:
    facts = [LegFacts(number=leg.number) for leg in legs]
    if departed is not None:
        facts[0] = LegFacts(number=1, departed_at=legs[0].planned_departure_at + departed)
    return forecast(a_shipment(legs=legs), a_journey(legs=tuple(facts), **journey))


SILENT = {
    "a flight": of(a_leg()),
    "a road leg": of(a_leg(mode="road")),
    "road before a flight": of(replace(FIRST, mode="road"), SECOND),
    "a flight under way": of(a_leg(), departed=20 * MINUTE),
    "the first of two under way": of(FIRST, SECOND, departed=10 * MINUTE),
    "held at the airport": of(a_leg(), held_since=at("08:00")),
}


def test_what_is_heard_of_at_once_leaves_only_what_has_not_happened() -> None:
    """By hand: half happens in bin 2, a quarter in bin 5, a quarter never; nothing follows."""
    happens = np.zeros((1, COUNT))
    happens[0, 2], happens[0, 5] = 0.5, 0.25
    nothing = np.zeros((1, COUNT + 1), dtype=np.complex128)

    (shares,) = quiet_shares(
        happens,
        np.array([0.25]),
        steps_minutes=[4],
        first=[AT_ONCE],
        then=[AT_ONCE],
        durations=nothing,
    )

    assert shares[[0, 2, 3, 5, 6, 20]] == pytest.approx([1.0, 1.0, 0.5, 0.5, 0.25, 0.25])


def test_a_probability_is_bounded_by_the_silence_that_is_left() -> None:
    """Of ten percent now, twenty are reached when half of the silence is left, and never what needs a fifth.

    It is asked one bin of a hundred sooner, for now's share may be two in a hundred off.
    """
    shares = np.maximum(1.0 - np.arange(COUNT) / 100, 0.25)
    quiet = Quiet(Grid(DAY, 1), shares, 1.0)

    assert quiet.reached_at(Drift(0.10, up=0.20)) == DAY + 49 * MINUTE
    assert quiet.reached_at(Drift(0.90, down=0.80)) == DAY + 49 * MINUTE
    assert quiet.reached_at(Drift(0.10, up=0.50)) is None
    assert quiet.reached_at(Drift(0.0, up=0.50)) is None
    assert quiet.reached_at(Drift(0.6, up=0.50)) is None


@pytest.mark.parametrize("name", SILENT)
@pytest.mark.parametrize("slack_minutes", [30, 120, 400])
def test_no_probability_gets_anywhere_before_silence_allows_it(name: str, slack_minutes: int) -> None:
    """Whatever is asked for, on the way up or down, the look comes before, or within a bin of, the change."""
    silent = SILENT[name]
    bound_at = silent.planned_at + slack_minutes * MINUTE
    instants = [DAY + timedelta(minutes=minute) for minute in range(480, 1200, 7)]
    told = arrivals([Asked(silent, one) for one in instants])
    late = [one.probability_after(bound_at) for one in told]

    for now in range(0, len(instants), 5):
        quiet = told[now].quiet
        assert quiet is not None
        for far in (0.02, 0.1, 0.3):
            drift = Drift(late[now], up=late[now] + far, down=late[now] - far)
            reached_at = quiet.reached_at(drift) or datetime.max.replace(tzinfo=DAY.tzinfo)
            until = min(reached_at, quiet.until or reached_at)
            before = [p for p, one in zip(late, instants, strict=True) if instants[now] < one < until]
            assert all(late[now] - far - 5e-3 < p < late[now] + far + 5e-3 for p in before)


def test_no_bound_is_drawn_beyond_a_tenth_of_the_silence() -> None:
    """What is all but impossible now may be likely once all that is likelier has become impossible."""
    quiet = Quiet(Grid(DAY, 1), np.power(0.99, np.arange(COUNT, dtype=np.float64)), 1.0)

    # 0.99²²⁹ is more than a tenth, and 0.99²³⁰ less.
    assert quiet.reached_at(Drift(1e-9, up=0.20)) == DAY + 229 * MINUTE


def test_after_a_missed_connection_or_a_long_silence_the_bound_is_not_exact() -> None:
    """The next train leaves a day later, and is unheard until then; the bound knows of the handover only."""
    road, rail = replace(FIRST, mode="road"), replace(SECOND, mode="rail")
    missed = of(road, rail, departed=10 * MINUTE)

    assert [told.quiet and told.quiet.exact for told in (missed.at(at("10:30")), missed.at(at("14:00")))] == [
        True,
        False,
    ]


@pytest.mark.parametrize(("hours", "exact"), [(4, True), (100, False)])
def test_a_hold_is_bounded_as_far_as_holds_are_known(hours: int, exact: bool) -> None:
    """The default is cut at its 99.99 % point: 120 · e^(3.72 · 0.541) minutes are 15 hours."""
    quiet = SILENT["held at the airport"].at(at("08:00") + timedelta(hours=hours)).quiet

    assert quiet is not None
    assert quiet.exact is exact
    if exact:
        assert quiet.until is not None
        assert at("22:55") < quiet.until < at("23:15")


def test_looks_come_seldom_while_there_is_time() -> None:
    silent = SILENT["a road leg"]
    bound_at = silent.planned_at + 120 * MINUTE
    looks, when = 0, silent.shipment.legs[0].planned_departure_at

    while (told := silent.at(when)).probability_after(bound_at) < 0.2:
        assert told.quiet is not None
        reached_at = told.quiet.reached_at(Drift(told.probability_after(bound_at), up=0.2))
        assert reached_at is not None
        when, looks = max(reached_at, when + MINUTE), looks + 1

    assert looks < 20


def test_many_are_asked_side_by_side_and_answered_as_if_alone() -> None:
    asked = [
        Asked(one, at("10:00") + minutes * MINUTE) for one in SILENT.values() for minutes in range(0, 180, 23)
    ]

    together, alone = arrivals(asked), [one.at(when) for one, when, _ in asked]

    for one, other in zip(together, alone, strict=True):
        blank: dict[str, Any] = {"heights": None, "uncorrected": None, "quiet": None}
        assert replace(one, **blank) == replace(other, **blank)
        assert np.array_equal(one.heights, other.heights)  # type: ignore[arg-type]


@pytest.mark.parametrize("severity", [None, "warning", "critical"])
@pytest.mark.parametrize("clear", [0.1, 0.25])
def test_the_next_rungs_are_where_the_ladder_is_left(severity: str | None, clear: float) -> None:
    ladder = {"warning": 0.2, "critical": 0.5, "clear": clear, "critical_clear": 0.35}

    down, up = next_rungs(severity, **ladder)  # type: ignore[arg-type]

    for value in np.linspace(0.0, 1.0, 101).round(2):
        if (down is None or value >= down) and (up is None or value < up):
            assert climb(float(value), open_severity=severity, **ladder) == severity  # type: ignore[arg-type]
    if up is not None:
        assert climb(up, open_severity=severity, **ladder) != severity  # type: ignore[arg-type]
    if down is not None:
        assert climb(down - 1e-9, open_severity=severity, **ladder) != severity  # type: ignore[arg-type]


def test_priors_are_asked_for_once() -> None:
    assert PRIORS.of(a_leg()) is PRIORS.of(a_leg(number=2))
