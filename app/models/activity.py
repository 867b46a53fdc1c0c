"""Decay curves on the wire."""

from app.models.base import Instant, Text, Wire


class ActivityRange(Wire):
    """What the prescription allows at administration, in MBq."""

    min: float | None
    max: float | None


class ActivityPoint(Wire):
    """The activity at one instant; null for a kit."""

    at: Instant
    activity_mbq: float | None


class DoseActivity(Wire):
    """One dose's curve, and the window in which it may be given."""

    dose_id: Text
    reference: Text
    nuclide: Text | None
    half_life_s: float | None
    half_life_source: Text | None
    usable_from: Instant | None
    usable_until: Instant | None
    prescribed_range_mbq: ActivityRange | None
    points: list[ActivityPoint]


class ActivityRead(Wire):
    """The decay of every dose of a shipment over a span."""

    shipment_id: Text
    reference: Text
    doses: list[DoseActivity]
