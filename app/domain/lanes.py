"""What is known of lanes before a shipment moves: delays, residuals, dwell, and how late scans are reported.

A distribution is an array of probabilities per whole minute with the minute its first entry stands for.
`PRIORS` ship with the service: air is learned, the rest are documented defaults (docs/eta.md).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from app.domain.correction import Correction
from app.domain.shipment import Leg, Mode
from app.domain.spans import MINUTE
from app.domain.timetable import Departure

Array = NDArray[np.float64]

_ERF = np.frompyfunc(math.erf, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """Probabilities per whole minute from `low_minutes` on; they sum to one."""

    low_minutes: int
    shares: Array
    basis: str

    @lru_cache(maxsize=2048)  # noqa: B019 - a distribution is kept no longer than it is asked about
    def quantile_minutes(self, share: float) -> float:
        """Return the first minute by which `share` of the outcomes have come."""
        return float(self.low_minutes + np.searchsorted(np.cumsum(self.shares), share * (1 - 1e-12)))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LegStatistics:
    """What is known of legs like one: how late they leave, and how much longer than planned they take.

    There is one residual per bucket of departure delay; `edges_minutes` part the buckets.
    """

    delay: Distribution
    residuals: tuple[Distribution, ...]
    edges_minutes: tuple[float, ...] = ()
    cancelled_share: float = 0.0
    diverted_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """How long after it happened a carrier's scan is heard of (lognormal), and how good its own estimates are."""

    median_minutes: float
    spread: float
    estimate_weight: float
    estimate_spread_minutes: float


class LaneStatistics(Protocol):
    """One immutable, named set of statistics; every assessment says which it used."""

    @property
    def version(self) -> str:
        """The name."""

    @property
    def correction(self) -> Correction | None:
        """How past outcomes correct the levels of a forecast; None: not at all."""

    def of(self, leg: Leg) -> LegStatistics:
        """Return what is known of legs like this one."""

    def handover(self, mode: Mode, place: str, planned_minutes: float) -> Distribution:
        """Return how long a package takes at a place from arriving to being ready for a leg of `mode`."""

    def receipt(self, place: str) -> Distribution:
        """Return how long it takes from the last leg's arrival to the delivery."""

    def hold(self, place: str | None, *, customs: bool) -> Distribution:
        """Return how long a hold or a stay in customs lasts."""

    def reporting(self, carrier: str) -> Reporting:
        """Return how a carrier reports."""

    def after(self, leg: Leg, at: datetime) -> list[Departure]:
        """Return the known services that leave on the leg's lane after an instant, the earliest first."""

    def arriving_by(self, leg: Leg, at: datetime) -> list[Departure]:
        """Return the last known services that arrive by an instant, the latest to leave first; none: no timetable."""

    def headway_minutes(self, leg: Leg) -> float:
        """Return how long after the leg's planned departure the next service leaves."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Priors:
    """What is believed before any history: it ships with the service."""

    version: str
    departure_delay: Mapping[str, Distribution]
    air_residual: tuple[Distribution, ...]
    air_residual_edges_minutes: tuple[float, ...]
    cancelled_share: Mapping[str, float]
    diverted_share: Mapping[str, float]

    @property
    def correction(self) -> None:
        """Nothing: no outcome is known."""
        return

    def of(self, leg: Leg) -> LegStatistics:
        """Return the defaults of the leg's mode."""
        planned = (leg.planned_arrival_at - leg.planned_departure_at) / MINUTE
        return self._of(leg.mode, 0 if leg.mode == "air" else round(planned))

    @lru_cache(maxsize=1024)  # noqa: B019 - there is one set of priors
    def _of(self, mode: Mode, planned_minutes: int) -> LegStatistics:
        return LegStatistics(
            delay=self.departure_delay[mode],
            residuals=self.transit_residuals(mode, planned_minutes),
            edges_minutes=self.air_residual_edges_minutes if mode == "air" else (),
            cancelled_share=self.cancelled_share.get(mode, 0.0),
            diverted_share=self.diverted_share.get(mode, 0.0),
        )

    def transit_residuals(self, mode: Mode, planned_minutes: float) -> tuple[Distribution, ...]:
        """Return the residual on the planned duration per bucket of departure delay (one bucket off the air)."""
        return self.air_residual if mode == "air" else (_surface_residual(mode, round(planned_minutes)),)

    def handover(self, mode: Mode, place: str, planned_minutes: float) -> Distribution:
        """Return the mode's default, whatever the place."""
        return handover(mode, planned_minutes)

    def receipt(self, place: str) -> Distribution:
        """Return the default."""
        return receipt()

    def hold(self, place: str | None, *, customs: bool) -> Distribution:
        """Return the default."""
        return hold()

    def reporting(self, carrier: str) -> Reporting:
        """Return the default."""
        return REPORTING

    def after(self, leg: Leg, at: datetime) -> list[Departure]:
        """Return nothing: no service is known."""
        return []

    def arriving_by(self, leg: Leg, at: datetime) -> list[Departure]:
        """Return nothing: no service is known."""
        return []

    def headway_minutes(self, leg: Leg) -> float:
        """Return the mode's default."""
        return HEADWAY_MINUTES.get(leg.mode, 0)


SCHEDULED: Final[frozenset[str]] = frozenset({"air", "rail", "sea"})
"""Modes whose service leaves without a package that is late."""

HEADWAY_MINUTES: Final[Mapping[str, int]] = MappingProxyType({"air": 1440, "rail": 1440, "sea": 10080})
"""When the next service leaves. Source: our convention, a daily flight or train and a weekly ship, until a lane's
own timetable is known."""

HANDOVER_MEDIAN_MINUTES: Final[Mapping[str, float]] = MappingProxyType(
    {"air": 90.0, "rail": 60.0, "sea": 240.0, "road": 45.0}
)
"""From arriving to being ready for the next leg, by that leg's mode. Source: our convention, of the order of the
acceptance cut-offs that carriers publish; never more than half of what the plan allows, because whoever planned a
short connection knows the place."""

HANDOVER_SPREAD: Final = 0.35
RECEIPT_MEDIAN_MINUTES: Final = 5.0
RECEIPT_SPREAD: Final = 0.6
"""From the last leg's arrival to the signature. Source: our convention."""

HOLD_MEDIAN_MINUTES: Final = 120.0
HOLD_SPREAD: Final = 0.541
"""A hold or customs stay: median 2 h, p90 4 h. Source: the alert rules' default limit for customs."""

REPORTING_MEDIAN_MINUTES: Final = 5.0
REPORTING_SPREAD: Final = 1.547
"""How long after it happened a scan is heard of: median 5 minutes, 2 % over 2 hours (lognormal)."""

ESTIMATE_WEIGHT: Final = 0.7
ESTIMATE_SPREAD_MINUTES: Final = 15.0
"""How far a carrier's own estimate is believed. Source: our convention, until its accuracy is learned."""

REPORTING: Final = Reporting(
    median_minutes=REPORTING_MEDIAN_MINUTES,
    spread=REPORTING_SPREAD,
    estimate_weight=ESTIMATE_WEIGHT,
    estimate_spread_minutes=ESTIMATE_SPREAD_MINUTES,
)

_SURFACE_SPREAD: Final[Mapping[str, float]] = MappingProxyType({"road": 0.10, "rail": 0.12, "sea": 0.06})
"""Spread of the log of actual over planned duration. Source: our convention; 5 % of trips have four times it."""


TROUBLE_AT_DEPARTURE: Final = 0.02
TROUBLE_ON_THE_WAY: Final = 0.005
TROUBLE_MEDIAN_MINUTES: Final = 60.0
TROUBLE_MINUTES_MAX: Final = 36 * 60
"""One departure in fifty on the ground, and one way in two hundred, is in trouble: late by an hour at the median.

Source: our convention. Trouble is spread like the reporting delay and lasts longer, so that in a lasting silence it
stays likelier than a scan that is still on its way, and the median does not come back."""


def normal_cdf(z: Array) -> Array:
    """Return the standard normal distribution function."""
    return 0.5 * (1.0 + np.asarray(_ERF(z / math.sqrt(2)), dtype=np.float64))


_Z: Final = np.linspace(-9.0, 9.0, 3601)
_WAITING: Final = 1.0 - normal_cdf(_Z)
"""The normal tail in steps of 0.005, where linear interpolation is off by 10⁻⁶ at most: this is asked all the time."""


@cache
def lognormal(median_minutes: float, spread: float, basis: str) -> Distribution:
    """Return a lognormal duration in whole minutes, cut at its 99.99 % point."""
    last = max(math.ceil(median_minutes * math.exp(3.72 * spread)), 2)
    edges = np.arange(last + 1) + 0.5
    heights = normal_cdf(np.log(edges / median_minutes) / spread)
    shares = np.diff(heights, prepend=0.0)
    return Distribution(0, shares / shares.sum(), basis)


def handover(mode: Mode, planned_minutes: float) -> Distribution:
    """Return how long a package takes from arriving to being ready for a leg of `mode`."""
    median = max(min(HANDOVER_MEDIAN_MINUTES[mode], planned_minutes / 2), 1.0)
    return lognormal(round(median, 1), HANDOVER_SPREAD, f"default for handover to {mode}")


def receipt() -> Distribution:
    """Return how long it takes from the last leg's arrival to the delivery."""
    return lognormal(RECEIPT_MEDIAN_MINUTES, RECEIPT_SPREAD, "default for receipt")


def hold() -> Distribution:
    """Return how long a hold lasts."""
    return lognormal(HOLD_MEDIAN_MINUTES, HOLD_SPREAD, "default for a hold")


def unreported_share(minutes_since: Array, median_minutes: Array | float, spread: Array | float) -> Array:
    """Return how likely something that happened so many minutes ago has not been reported yet; 1 in the future.

    The carrier's reporting delay is lognormal, with one median and spread, or one for each entry.
    """
    z = np.log(np.maximum(minutes_since, 1e-9) / median_minutes) / spread
    waiting: Array = np.interp(z, _Z, _WAITING)
    return np.where(minutes_since <= 0, 1.0, waiting)


@cache
def _surface_residual(mode: Mode, planned_minutes: int) -> Distribution:
    """Return a residual proportional to the planned duration: a narrow body, and a twentieth with a wide tail."""
    spread, planned = _SURFACE_SPREAD[mode], max(planned_minutes, 1)
    low, high = -planned // 2, max(2 * planned, 30)
    edges = np.arange(low, high + TROUBLE_MINUTES_MAX + 2, dtype=np.float64) - 0.5
    ratio = np.log(np.maximum(planned + edges, 0.5) / planned)
    usual = 0.95 * normal_cdf(ratio / spread) + 0.05 * normal_cdf(ratio / (4 * spread))
    shares = np.diff((1 - TROUBLE_ON_THE_WAY) * usual + TROUBLE_ON_THE_WAY * _trouble_cdf(edges))
    return Distribution(low, shares / shares.sum(), f"default for {mode} transit")


def _surface_delay(mode: str) -> Distribution:
    """Return a departure 10 minutes early to an hour late, and one in fifty that something is wrong with.

    Source: our convention; the wide tail is what makes silence tell.
    """
    usual = lognormal(15.0, 0.7, "usual")
    edges = np.arange(TROUBLE_MINUTES_MAX + 1, dtype=np.float64) - 0.5
    shares = TROUBLE_AT_DEPARTURE * np.diff(_trouble_cdf(edges))
    shares[: len(usual.shares)] += (1 - TROUBLE_AT_DEPARTURE) * usual.shares
    return Distribution(-10, shares / shares.sum(), f"default for {mode} departures")


def _trouble_cdf(minutes: Array) -> Array:
    return np.where(
        minutes > 0.0,
        normal_cdf(np.log(np.maximum(minutes, 1e-9) / TROUBLE_MEDIAN_MINUTES) / REPORTING_SPREAD),
        0.0,
    )


def _learned(counts: list[int], low: int, *, tail: float, tail_minutes: float, basis: str) -> Distribution:
    """Return a histogram with a small exponential tail, so that silence beyond all history is still possible."""
    shares = np.asarray(counts, dtype=np.float64)
    slope = np.exp(-np.arange(len(counts)) / tail_minutes)
    slope[: max(-low, 0)] = 0.0
    mixed = (1 - tail) * shares / shares.sum() + tail * slope / slope.sum()
    return Distribution(low, mixed, basis)


def _learn_air() -> dict[str, Any]:
    text = (files("app.domain") / "air_priors.json").read_text(encoding="utf-8")
    learned: dict[str, Any] = json.loads(text)
    return learned


def _priors() -> Priors:
    air = _learn_air()
    basis = f"air history, n={air['legs']:,}"
    delay = _learned(air["delay_counts"], air["delay_low_minutes"], tail=1e-4, tail_minutes=60.0, basis=basis)
    delays = {mode: _surface_delay(mode) for mode in ("road", "rail", "sea")}
    return Priors(
        version="priors-1",
        departure_delay=MappingProxyType(delays | {"air": delay}),
        air_residual=tuple(
            _learned(counts, air["residual_low_minutes"], tail=2e-3, tail_minutes=12.0, basis=basis)
            for counts in air["residual_counts"]
        ),
        air_residual_edges_minutes=tuple(float(edge) for edge in air["residual_delay_edges_minutes"]),
        cancelled_share=MappingProxyType({"air": air["cancelled_share"]}),
        diverted_share=MappingProxyType({"air": air["diverted_share"]}),
    )


PRIORS: Final = _priors()
