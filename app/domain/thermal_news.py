"""Whether new readings of a sensor can change an alert of a shipment that carries it.

A live sensor that reports in order and within limits is the normal case: it only moves the shipment's numbers.
"""

from datetime import datetime

import numpy as np

from app.domain.readings import CHANNELS, ReadingColumns, microseconds
from app.domain.rules_package import disturbance_limits
from app.domain.ruling import threshold_of
from app.domain.shipment import DeviceAssignment, Shipment
from app.domain.thermal_episodes import FROZEN_TWICE_C
from app.domain.thermal_pieces import GAP_INTERVALS
from app.domain.thermal_silence import WARN_AFTER_REPORTS, patience


def is_news(
    new: ReadingColumns,
    *,
    device_id: str,
    sensor: str,
    shipment: Shipment,
    last_at: datetime | None,
    last_c: float | None,
) -> bool:
    """Say whether readings of one series are the first, late, out of limits or back within them, or end a silence.

    `last_at` and `last_c` are the newest reading that was known before.
    """
    device = next(
        (one for one in shipment.devices if (one.device_id, one.sensor) == (device_id, sensor)), None
    )
    if device is None or not device.live or last_at is None:
        return True
    at_us = np.sort(new.at_us)
    steps_us = np.diff(at_us, prepend=microseconds(last_at))
    if steps_us.min() < 0 or steps_us.max() > _steady_us(device):
        return True
    temperatures_c = new.values[:, CHANNELS.index("temperature_c")]
    before_c = np.nan if last_c is None else last_c
    return _leaves_limits(np.append(temperatures_c, before_c), shipment) or _disturbs(new, device, shipment)


def _steady_us(device: DeviceAssignment) -> float:
    """Return the longest step that changes nothing: neither a gap nor a silence."""
    silent_us = patience(device, WARN_AFTER_REPORTS).total_seconds() * 1e6
    gap_us = silent_us if device.interval_s is None else GAP_INTERVALS * device.interval_s * 1e6
    return min(silent_us, gap_us)


def _leaves_limits(temperatures_c: np.typing.NDArray[np.float64], shipment: Shipment) -> bool:
    """Say whether any lies outside; where none was measured, none does."""
    storage = shipment.product.storage
    low_c = -np.inf if storage.min_c is None else storage.min_c
    low_c = max(low_c, FROZEN_TWICE_C) if storage.do_not_freeze else low_c
    high_c = np.inf if storage.max_c is None else storage.max_c
    return bool(((temperatures_c < low_c) | (temperatures_c > high_c)).any())


def _disturbs(new: ReadingColumns, device: DeviceAssignment, shipment: Shipment) -> bool:
    limits = disturbance_limits(device, shipment)
    beyond = any(
        (np.abs(new.values[:, CHANNELS.index(name)]) > limit).any() for name, limit in limits.items()
    )
    percent = new.values[:, CHANNELS.index("battery_pct")]
    return beyond or bool((percent < threshold_of(shipment, "battery_low.percent")).any())
