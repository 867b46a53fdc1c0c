"""What people may do to an alert, and what of its life is told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

CLOSABLE: Final[Mapping[str, str]] = {
    "tamper": "closed by a person",
    "assay_discrepancy": "closed by a person",
    "device_silent": "sensor lost",
}
"""Kinds that a person may close, and as what. Source: the table of alerts (docs/alerts.md)."""

ENDED_BY_PEOPLE: Final = frozenset({"tamper", "assay_discrepancy"})
"""Kinds that nothing but a person ends: that the box was opened stays true when the light is out again."""

_OTHERWISE: Final[Mapping[str, str]] = {
    "temperature_excursion": "it ends by a recorded decision: an event `disposition` of quality",
    "delivered_unusable": "it ends by a recorded decision: an event `disposition` of quality",
    "do_not_administer": "it never ends: acknowledge it by name at the site",
}


def closed_as(kind: str) -> str | None:
    """Return what a person closes this kind as; None: a person may not close it."""
    return CLOSABLE.get(kind)


def ends_otherwise(kind: str) -> str:
    """Return how an alert ends that no person may close."""
    return _OTHERWISE.get(kind, "it ends by itself when its cause does; acknowledge or snooze it")


def acknowledges(kind: str, *, acknowledged: bool, acknowledged_at_site: bool, at_site: bool) -> bool:
    """Say whether another acknowledgement changes anything: the first one stands.

    Of a dose that must not be given the site itself has to know: there its acknowledgement also counts after
    one from the office.
    """
    if kind == "do_not_administer" and at_site:
        return not acknowledged_at_site
    return not acknowledged


def is_snoozed(snoozed_until: datetime | None, *, at: datetime) -> bool:
    """Say whether an alert sleeps; exactly at the end of its snooze it is awake."""
    return snoozed_until is not None and at < snoozed_until


def is_told(change: str, severity: str, *, snoozed: bool) -> bool:
    """Say whether a step is news to the world: of a snoozed alert only that it has become critical."""
    return not snoozed or (change == "escalated" and severity == "critical")
