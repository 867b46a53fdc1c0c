"""Mean kinetic temperature: the one temperature that would have spoiled as much as the real ones did.

Information only: it never clears an excursion or a freeze.
"""

import math

import numpy as np
from numpy.typing import NDArray

from app.domain.thermal_pieces import Pieces

ZERO_C_K = 273.15
DH_OVER_R_K = 10_000.0
"""Activation energy over the gas constant. Source: USP <1160>/<1079>, ΔH = 83.144 kJ/mol and
R = 8.3144e-3 kJ/(K mol), which makes 10000 K exactly."""


def mean_kinetic_c(temperatures_c: NDArray[np.float64], *, dh_over_r_k: float = DH_OVER_R_K) -> float:
    """Return the mean kinetic temperature of equally spaced readings, each of the same weight, in °C.

    Source: USP <1160>: T_K = (ΔH/R) / -ln( Σ exp(-ΔH/(R·T_i)) / n ).
    """
    warmest_k = float(temperatures_c.max()) + ZERO_C_K
    return _temperature_c(
        float(_rates(temperatures_c, warmest_k, dh_over_r_k).mean()), warmest_k, dh_over_r_k
    )


def mean_kinetic_of_pieces_c(pieces: Pieces, *, dh_over_r_k: float = DH_OVER_R_K) -> float | None:
    """Return the mean kinetic temperature of monitored time, in °C; None when no time passed.

    Source: C. Tong and A. Lock, JSM Biopharmaceutical Section 2015, 2065-2070: trapezoid on the rate.
    """
    span_us = pieces.stop_us - pieces.start_us
    if not span_us.sum():
        return None
    warmest_k = float(max(pieces.start_c.max(), pieces.stop_c.max())) + ZERO_C_K
    rates = [_rates(one, warmest_k, dh_over_r_k) for one in (pieces.start_c, pieces.stop_c)]
    mean_rate = float((span_us * (rates[0] + rates[1]) / 2).sum() / span_us.sum())
    return _temperature_c(mean_rate, warmest_k, dh_over_r_k)


def _rates(temperatures_c: NDArray[np.float64], warmest_k: float, dh_over_r_k: float) -> NDArray[np.float64]:
    """Return the rates relative to the warmest's: at most 1, and never all of them too small to be a number."""
    return np.exp(dh_over_r_k * (1 / warmest_k - 1 / (temperatures_c + ZERO_C_K)))


def _temperature_c(mean_rate: float, warmest_k: float, dh_over_r_k: float) -> float:
    return dh_over_r_k / (dh_over_r_k / warmest_k - math.log(mean_rate)) - ZERO_C_K
