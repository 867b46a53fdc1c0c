"""A replay knows the past and nothing else, learns, and says the same every time."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from app.domain.lane_learning.backtest import Answers, Backtest
from app.domain.lane_learning.history import Coder, LaneLeg, minutes_of
from app.domain.lane_learning.priors import new_model
from app.domain.lane_learning.replay import Replay
from app.domain.lane_learning.scores import accuracy, reliability
from tests.domain.lane_learning.made import FIRST_DAY, a_history

COUNT_FROM = FIRST_DAY + timedelta(days=14)


def answers_of(legs: list[LaneLeg], *, same_day: bool = True, awaited: bool = True) -> dict[str, Answers]:
    columns = Coder().columns(legs)
    replay = Replay(columns, new_model("air"), same_day, awaited)
    test = Backtest(columns, replay, minutes_of(COUNT_FROM))
    for _ in test.days():
        pass
    return test.answers()


@pytest.mark.parametrize("awaited", [True, False])
def test_scrambling_the_future_changes_nothing_earlier(awaited: bool) -> None:
    legs = a_history(days=22)
    now = COUNT_FROM + timedelta(days=4, hours=15)

    def scrambled(leg: LaneLeg, minutes: int) -> LaneLeg:
        """Change whatever became known after `now`."""
        late = timedelta(minutes=minutes)
        if leg.departed_at is None or leg.departed_at > now:
            departed_at = max(leg.planned_departure_at, now) + late
            arrived_at = departed_at + timedelta(hours=5)
            return replace(leg, departed_at=departed_at, arrived_at=arrived_at, outcome="arrived")
        if leg.arrived_at is None or leg.arrived_at > now:
            return replace(leg, arrived_at=max(leg.planned_arrival_at, now) + late, outcome="arrived")
        return leg

    # What is given up is known four hours after its planned arrival; before that nothing may tell it from a delay.
    open_still = [
        leg.planned_arrival_at > now - timedelta(hours=4) or leg.outcome == "arrived" for leg in legs
    ]
    other = [scrambled(leg, 20 + index % 300) if open_still[index] else leg for index, leg in enumerate(legs)]
    before, after = answers_of(legs, awaited=awaited), answers_of(other, awaited=awaited)

    compared = 0
    for name, told in before.items():
        if name not in after:
            continue
        past, again = told.asked_at <= minutes_of(now), after[name].asked_at <= minutes_of(now)
        assert np.array_equal(told.leg[past], after[name].leg[again]), name
        assert np.allclose(told.quantiles[past], after[name].quantiles[again], atol=1e-6), name
        assert np.allclose(told.late[past], after[name].late[again], atol=1e-9), name
        compared += int(past.sum())
    assert compared > 500


def test_a_scrambled_past_changes_what_follows() -> None:
    legs = a_history(days=22)
    slower = [
        replace(leg, arrived_at=leg.arrived_at + timedelta(minutes=25))
        if leg.arrived_at and leg.arrived_at < COUNT_FROM
        else leg
        for leg in legs
    ]

    before, after = answers_of(legs)["at departure"], answers_of(slower)["at departure"]

    moved = after.quantiles[:40, 1] - before.quantiles[:40, 1]
    assert np.median(moved) > 10


def test_the_same_history_gives_the_same_answers() -> None:
    legs = a_history(days=18)

    one, other = answers_of(legs), answers_of(legs)

    assert all(np.array_equal(one[name].quantiles, other[name].quantiles) for name in one)


def test_silence_alone_never_moves_the_median_earlier() -> None:
    told = answers_of(a_history(days=22), same_day=False)

    last: dict[int, float] = {}
    silent = [one for one in told.values() if one.horizon.kind == "silence"]
    for one in sorted(silent, key=lambda answer: answer.horizon.minutes):
        for leg, median in zip(one.leg.tolist(), one.quantiles[:, 1].tolist(), strict=True):
            assert median >= last.get(leg, -np.inf) - 0.05
            last[leg] = median
    assert len(last) > 50


@pytest.mark.parametrize("name", ["2 h before departure", "at departure"])
def test_what_is_learned_beats_the_schedule_and_is_honest(name: str) -> None:
    legs = a_history(days=40)
    columns = Coder().columns(legs)

    told = answers_of(legs)[name]

    judged = accuracy(told, columns)
    assert judged.pinball_ratio < 0.9
    assert 0.70 < judged.inside < 0.90
    late = reliability(told, columns, slack=30.0, learned_before=minutes_of(COUNT_FROM))
    assert late.error < 0.08
    assert late.brier < late.brier_schedule


def test_a_lane_never_seen_is_forecast_from_its_mode() -> None:
    legs = a_history(days=18)
    stranger = replace(legs[-1], carrier="NEW", origin="NOWHERE", destination="ELSEWHERE", service=None)

    told = answers_of([*legs, stranger])["2 h before departure"]

    row = told.quantiles[told.leg == len(legs)][0]
    assert np.all(np.isfinite(row))
    assert row[0] < row[1] < row[2]
