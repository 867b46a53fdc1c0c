"""When each sensor counts for a shipment: its plan, and the events that put it in or took it out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from app.domain.custody import Journey
from app.domain.observation import Event
from app.domain.shipment import DeviceAssignment, Shipment

Place = Literal["product", "ambient", "vehicle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One stretch of time in which one sensor's readings count: from `from_at` on, before `until_at`.

    `until_at` None: no end is known yet. `report_interval_s` None: it was never said how often it reports.
    """

    device: DeviceAssignment
    from_at: datetime
    until_at: datetime | None

    @property
    def interval_us(self) -> int | None:
        """The sampling interval in whole microseconds."""
        return None if self.device.interval_s is None else round(self.device.interval_s * 1e6)


def windows_of(shipment: Shipment, journey: Journey) -> tuple[Window, ...]:
    """Return the windows of every sensor, in the plan's order, then as sensors were attached.

    A planned sensor counts from its `from`, else the pickup, else the first departure, to its `until`, else
    the receipt. Attached: from then on. Detached: until then.
    """
    windows = [
        Window(
            device=device,
            from_at=device.from_at or _start_at(shipment, journey),
            until_at=device.until_at or journey.received_at,
        )
        for device in shipment.devices
    ]
    for event in journey.effective:
        if event.type == "device_attached":
            _attach(windows, event, journey)
        elif event.type == "device_detached":
            _detach(windows, event)
    return tuple(one for one in windows if one.until_at is None or one.from_at < one.until_at)


def device_ids(shipment: Shipment, events: Iterable[Event]) -> set[str]:
    """Return every device that the plan or an event names for the shipment."""
    named = {device.device_id for device in shipment.devices}
    for event in events:
        details = (event.details.get("replacement") or {}).get("details") or event.details
        if isinstance(details.get("device_id"), str):
            named.add(details["device_id"])
    return named


def earliest_at(shipment: Shipment, events: Iterable[Event]) -> datetime:
    """Return an instant before which no reading can count, whatever the fold makes of the events."""
    given = [device.from_at for device in shipment.devices if device.from_at]
    heard = [min(event.effective_at, event.occurred_at) for event in events]
    return min([shipment.legs[0].planned_departure_at, *given, *heard]) - timedelta(days=1)


def _start_at(shipment: Shipment, journey: Journey) -> datetime:
    departed = journey.legs[0].departed_at if journey.legs else None
    return journey.picked_up_at or departed or shipment.legs[0].planned_departure_at


def _attach(windows: list[Window], event: Event, journey: Journey) -> None:
    """Begin the planned window of the sensor with the event, where the plan gave no start; else a further one."""
    at, details = event.effective_at, event.details
    own = [number for number, one in enumerate(windows) if _is_about(event, one.device)]
    lasting = [number for number in own if _is_open(windows[number], at)]
    for number in lasting:
        device = windows[number].device
        if device.from_at is None:
            device = replace(device, from_at=at, interval_s=details.get("interval_s") or device.interval_s)
            windows[number] = replace(windows[number], device=device, from_at=at)
    if not lasting:
        known = windows[own[-1]].device if own else None
        windows.append(Window(device=_attached(known, event), from_at=at, until_at=journey.received_at))


def _attached(known: DeviceAssignment | None, event: Event) -> DeviceAssignment:
    """Return the sensor as the event has it; what the event leaves out is as it was, else as by default."""
    details = event.details
    device = known or DeviceAssignment(
        device_id=str(details.get("device_id")), sensor=details.get("sensor") or "main"
    )
    interval_s = details.get("interval_s") or device.interval_s
    return replace(
        device,
        place=details.get("place") or device.place,
        interval_s=interval_s,
        report_interval_s=device.report_interval_s or interval_s,
        from_at=event.effective_at,
        until_at=None,
    )


def _detach(windows: list[Window], event: Event) -> None:
    at = event.effective_at
    for number, one in enumerate(windows):
        if _is_about(event, one.device) and one.from_at <= at and _is_open(one, at):
            windows[number] = replace(one, until_at=at)


def _is_about(event: Event, device: DeviceAssignment) -> bool:
    sensor = event.details.get("sensor")
    return event.details.get("device_id") == device.device_id and sensor in (None, device.sensor)


def _is_open(window: Window, at: datetime) -> bool:
    return window.until_at is None or at < window.until_at
