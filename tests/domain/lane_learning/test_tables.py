"""Small sums: what is rare is distrusted, what is old fades by the calendar."""

import numpy as np
import pytest

from app.domain.lane_learning.conformal import Conformal
from app.domain.lane_learning.sameday import Arrivals
from app.domain.lane_learning.scores import isotonic, pinball
from app.domain.lane_learning.spread import Spread, grown
from app.domain.lane_learning.tables import Histograms, Means


def test_a_mean_is_shrunk_as_if_zeros_had_been_seen() -> None:
    means = Means(half_life_days=60.0, shrink=10.0)

    means.learn(np.array([3] * 10), np.full(10, 8.0))

    assert means.mean(np.array([3]))[0] == pytest.approx(4.0)  # 80 / (10 + 10)
    assert means.mean(np.array([-1, 0, 99])).tolist() == [0.0, 0.0, 0.0]


def test_a_gap_in_the_data_ages_what_is_known() -> None:
    means = Means(half_life_days=60.0, shrink=10.0)
    means.learn(np.array([0] * 20), np.full(20, 8.0))

    means.age(60.0)

    assert means.mean(np.array([0]))[0] == pytest.approx(4.0)  # 10 of weight left: 80 / 20
    assert means.mean_towards(np.array([0]), np.array([2.0]))[0] == pytest.approx(5.0)


def test_a_histogram_keeps_what_lies_beyond_it_in_its_end_bins() -> None:
    histograms = Histograms(low=-2, high=2, half_life_days=60.0)

    histograms.learn(np.array([0, 1, 1]), np.array([-50.0, 1.4, 77.0]))

    assert histograms.counts.tolist() == [[1, 0, 0, 0, 0], [0, 0, 0, 1, 1]]


def test_quantiles_and_shares_of_a_spread_are_inverse() -> None:
    spread = Spread(np.array([10.0, -5.0]), np.full((2, 20), 0.05), np.array([0.0, 0.1]))
    heights = spread.heights()

    quantiles = spread.quantiles(np.array([0.1, 0.5]), heights)

    assert quantiles == pytest.approx(np.array([[11.5, 19.5], [-3.5, 4.5]]))
    assert spread.by(quantiles[:, 1], heights) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(("left", "chance"), [(1.0, 0.04), (0.5, 0.08 / 1.04), (0.0, 1.0)])
def test_what_never_comes_gains_on_the_rest_in_silence(left: float, chance: float) -> None:
    assert grown(np.array([0.04]), np.array([left]))[0] == pytest.approx(chance)


def test_a_correction_widens_what_was_too_narrow_and_waits_for_enough() -> None:
    few, many = Conformal(), Conformal()
    ranks = np.where(np.arange(1000) % 2 == 0, 0.05, 0.95)
    few.keep(0.0, ranks[:300], np.zeros(300))
    many.keep(0.0, ranks, np.zeros(1000))

    few.refresh(1440.0)
    many.refresh(1440.0)

    assert few.level(0.1) == pytest.approx(0.1)
    assert many.level(0.1) < 0.08
    assert many.level(0.9) > 0.92
    assert many.share(np.array([many.level(0.3)]))[0] == pytest.approx(0.3)


def test_a_correction_never_learns_from_what_is_not_known_yet() -> None:
    correction = Conformal()
    correction.keep(0.0, np.zeros(1000), np.full(1000, 5_000.0))

    correction.refresh(1440.0)

    assert correction.level(0.5) == pytest.approx(0.5)


def test_todays_arrivals_move_a_forecast_most_where_they_landed() -> None:
    arrived = np.arange(30.0)
    today = Arrivals.of(np.array([0] * 10 + [1] * 20), arrived, np.full(30, 12.0))

    moved = today.correction(np.array([0, 1, 2, 0]), np.array([30.0, 30.0, 30.0, 800.0]))

    assert moved[1] > moved[0] > moved[2] > 0
    assert moved[3] == 0


def test_pinball_is_the_mean_over_the_three_quantiles() -> None:
    loss = pinball(np.array([[0.0, 10.0, 20.0]]), np.array([10.0]))

    assert loss[0] == pytest.approx((0.1 * 10 + 0 + 0.1 * 10) / 3)


def test_the_isotonic_baseline_pools_what_falls() -> None:
    values, heights = isotonic(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.0, 1.0]))

    assert values.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert heights.tolist() == [0.0, 0.5, 0.5, 1.0]
