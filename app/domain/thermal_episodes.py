"""Stretches outside the limits, and readings by which a product counts as frozen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from app.domain.readings import CHANNELS, ReadingColumns, instant
from app.domain.shipment import Storage
from app.domain.thermal_pieces import Span

FROZEN_AT_ONCE_C = -0.5
FROZEN_TWICE_C = 0.0
"""A do-not-freeze product counts as frozen below the first, or twice in a row below the second.
Source: our convention (the table of alerts)."""

_TEMPERATURE = CHANNELS.index("temperature_c")


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One stretch outside the limits; `known_at` is when its last reading was received.

    `lasts`: the newest reading still lies outside, so `until_at` is only how far it has been seen.
    """

    side: Literal["above", "below"]
    since_at: datetime
    until_at: datetime
    extreme_c: float
    known_at: datetime
    lasts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A reading by which a do-not-freeze product counts as frozen."""

    at: datetime
    temperature_c: float
    known_at: datetime


def episodes_of(
    readings: ReadingColumns, above: Sequence[Span], below: Sequence[Span], storage: Storage
) -> list[Episode]:
    """Return the episodes of a series in order; the readings are those with a temperature."""
    at_us, temperature_c = readings.at_us, readings.values[:, _TEMPERATURE]
    last_us, last_c = int(at_us[-1]), float(temperature_c[-1])
    found: list[Episode] = []
    sides: tuple[tuple[Literal["above", "below"], Sequence[Span], bool], ...] = (
        ("above", above, storage.max_c is not None and last_c > storage.max_c),
        ("below", below, storage.min_c is not None and last_c < storage.min_c),
    )
    for side, spans, outside_now in sides:
        own = list(spans)
        if outside_now and not (own and own[-1][1] >= last_us):
            own.append((last_us, last_us))
        for start_us, stop_us in own:
            within = (at_us >= start_us) & (at_us <= stop_us)
            worst = temperature_c[within].max() if side == "above" else temperature_c[within].min()
            found.append(
                Episode(
                    side=side,
                    since_at=instant(start_us),
                    until_at=instant(stop_us),
                    extreme_c=float(worst),
                    known_at=instant(readings.received_us[within].max()),
                    lasts=outside_now and stop_us >= last_us,
                )
            )
    return sorted(found, key=lambda one: one.since_at)


def freezes_of(readings: ReadingColumns) -> list[Freeze]:
    """Return every reading by which a do-not-freeze product counts as frozen."""
    temperature_c = readings.values[:, _TEMPERATURE]
    twice = np.zeros(len(temperature_c), np.bool_)
    twice[1:] = (temperature_c[1:] < FROZEN_TWICE_C) & (temperature_c[:-1] < FROZEN_TWICE_C)
    frozen = np.flatnonzero((temperature_c < FROZEN_AT_ONCE_C) | twice)
    return [
        Freeze(
            at=instant(readings.at_us[row]),
            temperature_c=float(temperature_c[row]),
            known_at=instant(readings.received_us[row]),
        )
        for row in frozen
    ]
