"""Radioactive decay of the named nuclide; progeny are never summed in.

Source: A(t) = A0 * 2 ** (-t / T), European Pharmacopoeia 0125.
"""

import math
from datetime import UTC, datetime, timedelta
from typing import Final

from app.errors import Invalid

FIRST_INSTANT: Final = datetime(1000, 1, 1, tzinfo=UTC)
LAST_INSTANT: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Where a calculated instant stops. Source: our convention, so that a site's offset and hours still fit beside it."""


class NaiveTime(Invalid):
    """An instant lacks its time zone; an hour's mistake is a third of an F-18 dose."""

    code = "naive_time"


def activity_at(activity_mbq: float, *, half_life_s: float, reference_at: datetime, at: datetime) -> float:
    """Return the activity at `at`, in MBq.

    Before `reference_at` the answer exceeds `activity_mbq`: that is physics, not an error. It is infinite where no
    number can hold it, 1024 half-lives before (a week for N-13), and zero as long after.

    Raises:
        NaiveTime: either instant lacks a time zone.
    """
    # One zone's two instants subtract as wall-clock times in Python, an hour off across a clock change; UTC's do not.
    elapsed_s = (_in_utc(at) - _in_utc(reference_at)).total_seconds()
    try:
        return activity_mbq * math.exp2(-elapsed_s / half_life_s)
    except OverflowError:
        return math.inf


def decayed_to(
    activity_mbq: float, level_mbq: float, *, half_life_s: float, reference_at: datetime
) -> datetime:
    """Return the instant at which the activity has fallen to `level_mbq`, to the nearest microsecond.

    A level above the activity lies before `reference_at`. Both activities are positive. What lies beyond the years
    1000 to 9000 stops there, so that it still compares as long ago, or as never in practice.

    Raises:
        NaiveTime: `reference_at` lacks a time zone.
    """
    start_at = _in_utc(reference_at)
    # The difference, because the quotient of two extremes is more than a number can hold.
    halvings = math.log2(activity_mbq) - math.log2(level_mbq)
    try:
        reached_at = start_at + timedelta(seconds=half_life_s * halvings)
    except OverflowError:
        return LAST_INSTANT if halvings > 0 else FIRST_INSTANT
    return min(max(reached_at, FIRST_INSTANT), LAST_INSTANT)


def relative_uncertainty(*, elapsed_s: float, half_life_s: float, half_life_uncertainty_s: float) -> float:
    """Return u(A)/A, one sigma, that the half-life's uncertainty brings into a decayed activity.

    Source: u(A)/A = ln 2 * (t / T) * u(T) / T, the first-order propagation.
    """
    return math.log(2) * abs(elapsed_s) / half_life_s * half_life_uncertainty_s / half_life_s


def volume_to_draw_ml(
    activity_mbq: float,
    *,
    concentration_mbq_per_ml: float,
    half_life_s: float,
    reference_at: datetime,
    at: datetime,
) -> float:
    """Return the volume that holds `activity_mbq` at `at`; the concentration is that at `reference_at`.

    Infinite once nothing measurable is left: no volume holds it.

    Raises:
        NaiveTime: either instant lacks a time zone.
    """
    left = activity_at(concentration_mbq_per_ml, half_life_s=half_life_s, reference_at=reference_at, at=at)
    return activity_mbq / left if left > 0 else math.inf


def _in_utc(instant: datetime) -> datetime:
    if instant.utcoffset() is None:
        raise NaiveTime("an activity needs instants with a time zone")
    return instant.astimezone(UTC)
