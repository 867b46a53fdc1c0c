"""The worked cases about temperature, by their id; numbers and sources as they were handed down."""

import numpy as np
import pytest

from app.domain.shipment import DeviceAssignment, Storage
from app.domain.thermal import thermal_of
from app.domain.thermal_kinetic import mean_kinetic_c, mean_kinetic_of_pieces_c
from app.domain.thermal_pieces import MINUTE_US, length_us, pieces_of, spans_above
from app.domain.thermal_silence import unmonitored_of
from tests.domain import made
from tests.domain.made import MINUTE, a_journey, a_product, a_shipment, at

HOURLY = [22.0] * 20 + [27.0] * 3
DRY_ICE = [-70.0, -68.0, -60.0, -75.0]
PUBLISHED = [2.0, 2.0, 5.0, 8.0, 8.0, 8.0, 8.0]
IRREGULAR_MIN = [0, 10, 15, 60, 75, 180, 600, 605, 1440]
IRREGULAR_C = [21.5, 22.0, 26.0, 27.5, 24.0, 22.0, 21.0, 30.0, 22.5]


@pytest.mark.parametrize(
    ("temperatures_c", "kinetic_c", "mean_c"),
    [
        # USP <1160>/<1079> gives the formula; MKT-02 is published with 6.25 (README of zelti/mkt on GitHub), the
        # series of MKT-03 comes from a public test suite (coldcall); values computed where the cases were made.
        pytest.param([22.0] * 5, 22.0, 22.0, id="MKT-01"),
        pytest.param(PUBLISHED, 6.250264773, 5.857142857, id="MKT-02"),
        pytest.param(HOURLY, 22.82402794, 22.65217391, id="MKT-03"),
        pytest.param(DRY_ICE, -65.02538202, -68.25, id="MKT-09 does not underflow"),
    ],
)
def test_the_pharmacopoeias_mean_kinetic_temperature(
    temperatures_c: list[float], kinetic_c: float, mean_c: float
) -> None:
    series = np.array(temperatures_c)

    assert mean_kinetic_c(series) == pytest.approx(kinetic_c, abs=1e-6)
    assert series.mean() == pytest.approx(mean_c, abs=1e-8)


def test_mkt_07_irregular_sampling_is_weighed_by_time_with_a_trapezoid_on_the_rate() -> None:
    """Tong and Lock 2015, as implemented in ABS-dev/meankinetictemperature (mktgen.R)."""
    at_us = np.array(IRREGULAR_MIN, np.int64) * MINUTE_US
    series = np.array(IRREGULAR_C)

    weighed_c = mean_kinetic_of_pieces_c(pieces_of(at_us, series, interval_us=None))

    assert weighed_c == pytest.approx(25.33917834, abs=1e-6)
    assert mean_kinetic_c(series) == pytest.approx(24.54765466, abs=1e-6)


def test_mkt_08_the_gas_constant_is_fixed_and_another_one_hardly_matters() -> None:
    codata_k = 83.144 / 8.314462618e-3

    assert mean_kinetic_c(np.array(PUBLISHED)) == pytest.approx(6.250264773, abs=1e-6)
    assert mean_kinetic_c(np.array(PUBLISHED), dh_over_r_k=codata_k) == pytest.approx(6.250261916, abs=1e-6)


def test_exc_01_time_above_a_limit_is_counted_between_interpolated_crossings() -> None:
    at_us = np.array([0, 10, 20, 30, 40], np.int64) * MINUTE_US
    pieces = pieces_of(at_us, np.array([24.0, 26, 28, 26, 24]), interval_us=10 * MINUTE_US)

    spans = spans_above(pieces, 25.0)

    assert spans == [(5 * MINUTE_US, 35 * MINUTE_US)]
    assert length_us(spans) == 30 * MINUTE_US


def test_exc_02_a_gap_is_unmonitored_but_for_one_interval() -> None:
    shipment = a_shipment(
        product=a_product(storage=Storage(max_c=25.0)),
        devices=(DeviceAssignment(device_id="T", interval_s=900, from_at=at("00:00")),),
    )
    track = made.a_track(("00:00", 22.0), ("05:00", 22.0))
    now = at("05:00") + MINUTE

    thermal = thermal_of(shipment, a_journey(), {("T", "main"): track}, at=now)
    unseen = unmonitored_of(thermal, shipment, a_journey(), at=now)

    assert unseen.minutes(thermal.series[0]) == 285
    assert thermal.series[0].above == ()
