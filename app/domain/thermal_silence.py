"""What was not measured: silence, gaps, and when they keep a dose from use."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.bedside import DoseCare, concerns
from app.domain.custody import Journey
from app.domain.readings import instant, microseconds
from app.domain.shipment import DeviceAssignment, Dose, Shipment
from app.domain.thermal import Name, SeriesThermal, Thermal
from app.domain.thermal_pieces import (
    GAP_INTERVALS,
    MINUTE_US,
    Span,
    exceeded_at_us,
    length_minutes,
    length_us,
    merged,
    without,
)
from app.domain.thermal_windows import Window

WARN_AFTER_REPORTS, CRITICAL_AFTER_REPORTS = 2, 4
GRACE = timedelta(minutes=30)
AFTER_LANDING = timedelta(minutes=60)
REPORT_INTERVAL = timedelta(minutes=60)
"""A live sensor may miss two reports (four: critical) and half an hour, and is excused in the air and an hour after.
One that never said how often it reports is taken to do so hourly. Source: our convention (the table of alerts)."""

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmonitored:
    """When nothing was measured: by each series, and by no product sensor at all."""

    of_series: Mapping[Name, tuple[Span, ...]]
    of_doses: tuple[Span, ...]

    def lasts_at(self, at: datetime) -> bool:
        """Say whether some series measures nothing now, so that its minutes grow."""
        now_us = microseconds(at)
        return any(spans and spans[-1][1] >= now_us for spans in self.of_series.values())

    def minutes(self, series: SeriesThermal) -> float:
        """Return how long one series measured nothing."""
        return length_minutes(self.of_series[series.device.device_id, series.device.sensor])


ALL_MONITORED = Unmonitored(of_series={}, of_doses=())


def patience(device: DeviceAssignment, reports: int) -> timedelta:
    """Return how long a live sensor may be silent before it has missed so many reports."""
    interval_s = device.report_interval_s
    return reports * (timedelta(seconds=interval_s) if interval_s else REPORT_INTERVAL) + GRACE


def excused_until(shipment: Shipment, journey: Journey, *, at: datetime) -> datetime | None:
    """Return until when silence is excused by a flight; None: it is not.

    An air leg without a scan of its arrival is taken to last as long as planned.
    """
    facts = {one.number: one for one in journey.legs}
    for leg in shipment.legs:
        known = facts.get(leg.number)
        if leg.mode != "air" or known is None or known.departed_at is None:
            continue
        duration = leg.planned_arrival_at - leg.planned_departure_at
        until_at = (known.arrived_at or known.departed_at + duration) + AFTER_LANDING
        if known.departed_at <= at < until_at:
            return until_at
    return None


def unmonitored_of(thermal: Thermal, shipment: Shipment, journey: Journey, *, at: datetime) -> Unmonitored:
    """Return when nothing was measured, up to `at`."""
    excused = excused_until(shipment, journey, at=at) is not None
    of_series = {
        (one.device.device_id, one.device.sensor): tuple(_unseen(one, at=at, excused=excused))
        for one in thermal.series
    }
    assigned: list[Span] = []
    seen: list[Span] = []
    for one in thermal.series:
        if one.judges:
            own = [(microseconds(window.from_at), _told_until_us(one, window, at)) for window in one.windows]
            assigned += own
            seen += without(own, of_series[one.device.device_id, one.device.sensor])
    return Unmonitored(of_series=of_series, of_doses=tuple(without(assigned, seen)))


def limit_passed_at(thermal: Thermal, unseen: Unmonitored) -> datetime | None:
    """Return when more was unmonitored than the product allows; None while it is not, or nothing is said."""
    allowed = thermal.storage.max_unmonitored_minutes
    passed_us = None if allowed is None else exceeded_at_us(unseen.of_doses, round(allowed * MINUTE_US))
    return None if passed_us is None else instant(passed_us)


def with_quarantine(
    care: Mapping[str, DoseCare], thermal: Thermal, unseen: Unmonitored, shipment: Shipment, journey: Journey
) -> dict[str, DoseCare]:
    """Return the care of each dose, quarantined where more was unmonitored than the product allows.

    A decision about the dose that could know of it stands over it.
    """
    passed_at = limit_passed_at(thermal, unseen)
    if passed_at is None:
        return dict(care)
    known_at = max((_known_at(one, passed_at) for one in thermal.series if one.judges), default=passed_at)
    return {
        dose.id: care[dose.id]
        if care[dose.id].quality_status == "rejected" or decided_since(journey, dose, known_at)
        else replace(care[dose.id], quality_status="quarantined", quarantined_at=passed_at)
        for dose in shipment.doses
    }


def decided_since(journey: Journey, dose: Dose, known_at: datetime) -> bool:
    """Return whether a disposition of the dose was recorded when this was known."""
    return any(
        event.type == "disposition" and event.received_at >= known_at and concerns(event, dose)
        for event in journey.effective
    )


def quarantine_at(thermal: Thermal, unseen: Unmonitored, *, at: datetime) -> datetime | None:
    """Return when silence that goes on will have left the doses unmonitored for too long; None: it will not, or has."""
    allowed = thermal.storage.max_unmonitored_minutes
    if allowed is None or not unseen.of_doses or unseen.of_doses[-1][1] < microseconds(at):
        return None
    left_us = round(allowed * MINUTE_US) - length_us(unseen.of_doses)
    return at + timedelta(microseconds=left_us) + _MICROSECOND if left_us >= 0 else None


def _known_at(series: SeriesThermal, passed_at: datetime) -> datetime:
    """Return when the reading was received that shows the gap of this instant; while it lasts, the instant itself."""
    after = series.readings.at_us >= microseconds(passed_at)
    return max(passed_at, instant(series.readings.received_us[after][0])) if after.any() else passed_at


def _unseen(series: SeriesThermal, *, at: datetime, excused: bool) -> list[Span]:
    """Return the gaps of a series, with the one that lasts.

    After the newest reading there is one once a live sensor has missed its reports without excuse, and for a
    logger that was read once its assignment has ended.
    """
    spans = list(series.gaps)
    window = series.windows[-1]
    last_us = max(microseconds(series.last_at), microseconds(window.from_at)) if series.last_at else None
    begin_us, until_us = last_us or microseconds(window.from_at), _until_us(window, at)
    if series.device.live:
        told = not excused and at - instant(begin_us) > patience(series.device, WARN_AFTER_REPORTS)
    else:
        told = last_us is not None and window.until_at is not None and window.until_at <= at
    interval_us = window.interval_us or 0
    if told and until_us - begin_us > GAP_INTERVALS * interval_us:
        spans.append((begin_us + interval_us, until_us))
    return merged(spans)


def _told_until_us(series: SeriesThermal, window: Window, at: datetime) -> int:
    """Return how far a sensor's account of a window reaches: a logger's to what was read of it.

    What a logger has still to tell is no monitored time yet, and no unmonitored time either.
    """
    until_us = _until_us(window, at)
    if series.device.live or (window.until_at is not None and window.until_at <= at and series.last_at):
        return until_us
    read_us = microseconds(series.last_at) + (window.interval_us or 0) if series.last_at else 0
    return min(until_us, max(read_us, microseconds(window.from_at)))


def _until_us(window: Window, at: datetime) -> int:
    return microseconds(at if window.until_at is None else min(window.until_at, at))
