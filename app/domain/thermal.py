"""What the sensors said, summed up per series."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSummary:
    """One (device, sensor) series within its assignment; all None before its first temperature."""

    device_id: str
    sensor: str
    place: Literal["product", "ambient", "vehicle"]
    last_c: float | None = None
    last_at: datetime | None = None
    min_c: float | None = None
    max_c: float | None = None
