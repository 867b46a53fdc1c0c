"""Radioactive decay of the named nuclide; progeny are never summed in.

Source: A(t) = A0 * 2 ** (-t / T), European Pharmacopoeia 0125.
"""

import math
from datetime import datetime, timedelta

from app.errors import Invalid


class NaiveTime(Invalid):
    """An instant lacks its time zone; an hour's mistake is a third of an F-18 dose."""

    code = "naive_time"


def activity_at(activity_mbq: float, *, half_life_s: float, reference_at: datetime, at: datetime) -> float:
    """Return the activity at `at`, in MBq.

    Before `reference_at` the answer exceeds `activity_mbq`: that is physics, not an error.

    Raises:
        NaiveTime: either instant lacks a time zone.
    """
    if reference_at.tzinfo is None or at.tzinfo is None:
        raise NaiveTime("an activity needs instants with a time zone")
    return activity_mbq * math.exp2(-(at - reference_at).total_seconds() / half_life_s)


def decayed_to(
    activity_mbq: float, level_mbq: float, *, half_life_s: float, reference_at: datetime
) -> datetime | None:
    """Return the instant at which the activity has fallen to `level_mbq`; None where no calendar reaches it.

    A level above the activity lies before `reference_at`. Both activities are positive.
    """
    try:
        return reference_at + timedelta(seconds=half_life_s * math.log2(activity_mbq / level_mbq))
    except OverflowError:
        return None


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
    """Return the volume that holds `activity_mbq` at `at`; the concentration is that at `reference_at`."""
    return activity_mbq / activity_at(
        concentration_mbq_per_ml, half_life_s=half_life_s, reference_at=reference_at, at=at
    )
