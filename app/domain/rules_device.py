"""Rules of silence: a live device that misses its reports, a logger that nobody read; and the list of device rules."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from app.domain.alerts import Condition, OpenAlert
from app.domain.devices import AFTER_ARRIVAL, about_device, by_device, left_plant_at
from app.domain.readings import instant, microseconds
from app.domain.rules_excursion import excursion_wakes_at, temperature_excursion
from app.domain.rules_package import (
    battery_drifts,
    battery_low,
    packaging_drifts,
    packaging_expiring,
    tamper,
)
from app.domain.ruling import Facts, OpenSeverity, Rule
from app.domain.thermal import SeriesThermal
from app.domain.thermal_silence import (
    CRITICAL_AFTER_REPORTS,
    WARN_AFTER_REPORTS,
    excused_until,
    patience,
)

READ_WITHIN = timedelta(hours=24)
_MICROSECOND = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)


def device_silent(facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each live device that has missed its reports between pickup and delivery, flights excused."""
    left_at = left_plant_at(facts.journey)
    if left_at is None or excused_until(facts.shipment, facts.journey, at=facts.at) is not None:
        return
    for device_id, several in by_device(facts).items():
        heard = [
            (max(since_at, left_at), one)
            for one in several
            if one.device.live and (since_at := one.silent_since(at=facts.at)) is not None
        ]
        if not heard:
            continue
        since_at, series = max(heard, key=lambda pair: pair[0])
        silence = facts.at - since_at
        if silence > patience(series.device, WARN_AFTER_REPORTS):
            critical = silence > patience(series.device, CRITICAL_AFTER_REPORTS)
            yield about_device(
                facts,
                "device_silent",
                device_id,
                "critical" if critical else "warning",
                since=_unexcused(facts, since_at + patience(series.device, WARN_AFTER_REPORTS)),
                summary=f"Sensor {device_id} {_heard_words(facts, several, since_at)}; it reports every "
                f"{(series.device.report_interval_s or 3600) / 60:g} minutes.",
                evidence={
                    "silent_minutes": silence / timedelta(minutes=1),
                    "report_interval_s": series.device.report_interval_s or 3600.0,
                },
                help_=("Have whoever holds the package look at the device, or close this as sensor lost.",),
            )


def _heard_words(facts: Facts, several: Sequence[SeriesThermal], since_at: datetime) -> str:
    """Return when the device last spoke; one that never did is not said to have spoken as its silence began."""
    heard_at = max((one.heard_at for one in several if one.heard_at), default=None)
    if heard_at is None:
        return f"has not been heard at all since {facts.say(since_at)}"
    return f"was last heard {facts.say(heard_at)}"


def logger_not_read(facts: Facts, _open_severity: OpenSeverity) -> Iterator[Condition]:
    """Yield each logger of which nothing was read a day after the receipt."""
    received_at = facts.journey.received_at
    if received_at is None or facts.at <= received_at + READ_WITHIN:
        return
    for device_id, several in by_device(facts).items():
        if not any(one.device.live or len(one.readings) for one in several):
            yield about_device(
                facts,
                "logger_not_read",
                device_id,
                "info",
                since=received_at + READ_WITHIN,
                summary=f"Logger {device_id} has not been read since the receipt, {facts.say(received_at)}.",
                evidence={"hours_since_receipt": (facts.at - received_at) / _HOUR},
                help_=("Read the logger and send its readings.",),
            )


def _unexcused(facts: Facts, at: datetime) -> datetime:
    """Return the first instant from `at` on that no flight excuses."""
    while (until_at := excused_until(facts.shipment, facts.journey, at=at)) is not None:
        at = until_at
    return at


def silent_wakes_at(facts: Facts) -> Iterator[datetime]:
    """Yield when devices will have missed their reports, and when a flight excuses them no more."""
    until_at = excused_until(facts.shipment, facts.journey, at=facts.at)
    if until_at is not None:
        yield until_at
    left_at = left_plant_at(facts.journey)
    for one in facts.thermal.series:
        since_at = one.silent_since(at=facts.at)
        if one.device.live and since_at is not None and left_at is not None:
            for reports in (WARN_AFTER_REPORTS, CRITICAL_AFTER_REPORTS):
                yield max(since_at, left_at) + patience(one.device, reports) + _MICROSECOND


def logger_wakes_at(facts: Facts) -> Iterator[datetime]:
    """Yield when loggers should have been read."""
    if facts.journey.received_at is not None:
        yield facts.journey.received_at + READ_WITHIN + _MICROSECOND


def device_ended_at(facts: Facts, alert: OpenAlert) -> datetime | None:
    """Return when the readings say that this alert of a device ceased to be true; None: they do not say."""
    several = by_device(facts).get(alert.subject.removeprefix("device:"), ())
    if alert.kind == "device_silent":
        since_us = microseconds(alert.since)
        heard = [one.readings.at_us[one.readings.at_us > since_us] for one in several]
        return min((instant(at_us[0]) for at_us in heard if len(at_us)), default=None)
    if alert.kind == "temperature_excursion" and facts.thermal.budget_used_up_at is None:
        ends = [episode.until_at for one in several for episode in one.episodes]
        return max(ends, default=None) if facts.thermal.storage.budget_minutes is not None else None
    return facts.at if alert.kind in {"logger_not_read", "battery_low"} else None


DEVICE_RULES: tuple[Rule, ...] = (
    Rule(
        kind="temperature_excursion",
        judge=temperature_excursion,
        silent_in=frozenset(),
        wakes_at=excursion_wakes_at,
    ),
    Rule(
        kind="device_silent",
        judge=device_silent,
        silent_in=AFTER_ARRIVAL,
        wakes_at=silent_wakes_at,
    ),
    Rule(
        kind="logger_not_read",
        judge=logger_not_read,
        silent_in=frozenset(),
        wakes_at=logger_wakes_at,
    ),
    Rule(
        kind="packaging_expiring",
        judge=packaging_expiring,
        silent_in=AFTER_ARRIVAL,
        drifts=packaging_drifts,
    ),
    Rule(kind="tamper", judge=tamper, silent_in=frozenset()),
    Rule(kind="battery_low", judge=battery_low, silent_in=AFTER_ARRIVAL, drifts=battery_drifts),
)
