"""Rules of the package and what its devices tell of it: cold that runs out, opening, shock, tilt, empty batteries."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np

from app.domain.alerts import SHIPMENT, Cause, Condition
from app.domain.devices import about_device, by_device, device_subject, left_plant_at
from app.domain.drift import Drift
from app.domain.eta import Arrival
from app.domain.readings import CHANNELS, instant, microseconds
from app.domain.ruling import Facts, OpenSeverity, threshold_of
from app.domain.shipment import DeviceAssignment, Shipment
from app.domain.telling import numbers
from app.domain.thermal import SeriesThermal

BATTERY_BEYOND_ARRIVAL = timedelta(hours=24)
BATTERY_EASE = timedelta(hours=2)
PACKAGING_EASE = timedelta(hours=1)
"""An open alert needs this much room before it clears, so that it does not flap. Source: our convention."""

LAST_TENTH = 0.1
"""What of all arrivals comes after p90."""


_SAID = {"light_lux": "light {:g} lux", "shock_g": "shock {:g} g", "tilt_deg": "tilt {:g}°"}


def packaging_expiring(facts: Facts, open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield the packaging when one arrival in ten comes after it stops keeping the temperature.

    Cold can be renewed wherever the package is: there is something to decide until it runs out.
    """
    package = facts.shipment.package
    if facts.arrival is None or package is None or package.cold_until is None:
        return
    ends_at = package.cold_until
    bound_at = ends_at - PACKAGING_EASE if SHIPMENT in open_severity else ends_at
    p90_at = facts.arrival.p90_at
    if p90_at is not None and p90_at <= bound_at:
        return
    expected = f"one arrival in ten comes after {facts.say(p90_at)}" if p90_at else "the arrival is unknown"
    yield Condition(
        kind="packaging_expiring",
        subject=SHIPMENT,
        severity="warning",
        act_by=ends_at,
        cause=Cause(kind="packaging", location=facts.journey.position.code),
        summary=f"The packaging keeps its temperature until {facts.say(ends_at)}; {expected}.",
        evidence=numbers(
            qualified_hours=package.qualified_hours, late_probability=facts.arrival.probability_after(ends_at)
        ),
        what_would_help=("Re-ice the package on the way, or bring it in sooner.",),
    )


def packaging_drifts(facts: Facts, open_severity: OpenSeverity) -> Iterator[Drift]:
    """Yield how far the arrival's last tenth is from the end of the packaging's time."""
    package = facts.shipment.package
    if facts.arrival is None or package is None or package.cold_until is None:
        return
    ends_at = package.cold_until
    yield _of_last_tenth(facts.arrival, ends_at - PACKAGING_EASE if SHIPMENT in open_severity else ends_at)


def _of_last_tenth(arrival: Arrival, bound_at: datetime) -> Drift:
    late = arrival.probability_after(bound_at)
    return Drift(late, down=LAST_TENTH) if late > LAST_TENTH else Drift(late, up=LAST_TENTH)


def tamper(facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each device that saw light, shock or tilt above its limits between pickup and delivery.

    `since` is the first of the newest such readings in a row, so that one closed by a person stays closed.
    """
    left_at = left_plant_at(facts.journey)
    if left_at is None:
        return
    for device_id, several in by_device(facts).items():
        for series in several:
            found = _newest_disturbance(facts, series, left_at)
            if found is not None:
                since_at, evidence = found
                what = ", ".join(_SAID[name].format(value) for name, value in evidence.items())
                yield about_device(
                    facts,
                    "tamper",
                    device_id,
                    "warning",
                    since=since_at,
                    summary=f"Sensor {device_id} saw the package opened, struck or tilted "
                    f"{facts.say(since_at)} ({what}).",
                    evidence=evidence,
                    help_=("Have the seal and the box looked at, then close this with what was found.",),
                )


def battery_low(facts: Facts, open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each device whose battery will not last until a day after the likely arrival, or is nearly empty."""
    for device_id, several in by_device(facts).items():
        levels = [one.battery for one in several if one.battery is not None]
        if not levels:
            continue
        newest = max(levels, key=lambda one: one.at)
        percent, since_at, empty_at = newest.percent, newest.at, newest.empty_at
        needed_at = (
            facts.arrival.p90_at + BATTERY_BEYOND_ARRIVAL if facts.arrival and facts.arrival.p90_at else None
        )
        if device_subject(device_id) in open_severity and needed_at:
            needed_at += BATTERY_EASE
        too_short = empty_at is not None and needed_at is not None and empty_at < needed_at
        if not too_short and percent >= facts.threshold("battery_low.percent"):
            continue
        lasts = f"; at this rate it is empty {facts.say(empty_at)}" if empty_at else ""
        yield about_device(
            facts,
            "battery_low",
            device_id,
            "info",
            since=since_at,
            summary=f"The battery of sensor {device_id} is at {percent:g} %{lasts}.",
            evidence={"battery_pct": percent},
            help_=("Have the device changed where the package is next handed over.",),
        )


def battery_drifts(facts: Facts, open_severity: OpenSeverity) -> Iterator[Drift]:
    """Yield how far the arrival's last tenth is from the day before each battery is empty."""
    if facts.arrival is None:
        return
    for device_id, several in by_device(facts).items():
        levels = [one.battery for one in several if one.battery is not None]
        empty_at = max(levels, key=lambda one: one.at).empty_at if levels else None
        if empty_at is not None:
            ease = BATTERY_EASE if device_subject(device_id) in open_severity else timedelta(0)
            yield _of_last_tenth(facts.arrival, empty_at - BATTERY_BEYOND_ARRIVAL - ease)
            unknown = facts.arrival.unknown_probability
            yield Drift(unknown, down=LAST_TENTH) if unknown > LAST_TENTH else Drift(unknown, up=LAST_TENTH)


def disturbance_limits(device: DeviceAssignment, shipment: Shipment) -> dict[str, float]:
    """Return the limits of light, shock and tilt: the device's own, else the shipment's, the product's, the house's."""
    own = {
        "light_lux": device.light_max_lux, "shock_g": device.shock_max_g, "tilt_deg": device.tilt_max_deg
    }  # fmt: skip
    return {
        name: threshold_of(shipment, f"tamper.{name}") if value is None else value
        for name, value in own.items()
    }


def _newest_disturbance(
    facts: Facts, series: SeriesThermal, left_at: datetime
) -> tuple[datetime, dict[str, float]] | None:
    readings = series.readings
    until_at = facts.journey.delivered_at or facts.at
    on_way = (readings.at_us >= microseconds(left_at)) & (readings.at_us <= microseconds(until_at))
    limits = disturbance_limits(series.device, facts.shipment)
    values = {name: np.abs(readings.values[:, CHANNELS.index(name)]) for name in limits}
    beyond = {name: on_way & (values[name] > limit) for name, limit in limits.items()}
    disturbed = np.logical_or.reduce(list(beyond.values()))
    if not disturbed.any():
        return None
    last = int(np.flatnonzero(disturbed)[-1])
    calm = np.flatnonzero(~disturbed[:last])
    first = int(calm[-1]) + 1 if len(calm) else 0
    run = slice(first, last + 1)
    evidence = {
        name: float(values[name][run][rows[run]].max()) for name, rows in beyond.items() if rows[run].any()
    }
    return instant(readings.at_us[first]), evidence
