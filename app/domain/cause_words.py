"""Causes as people read them: in the sentence of one alert, and as the head of a line of many."""

from collections.abc import Mapping
from typing import Final

from app.domain.alerts import Cause
from app.domain.shipment import Leg, Shipment

_MODES: Final = {"air": "flight", "road": "the road leg", "rail": "train", "sea": "ship"}
_WORDS: Final[Mapping[str, str]] = {
    "leg_cancelled": "{way} was cancelled",
    "offloaded": "{way} left the package behind",
    "refused": "{way} refused the package",
    "missed_connection": "{way} was due to leave before the package arrived",
    "not_departed": "no departure of {way} was reported",
    "not_arrived": "no arrival of {way} was reported",
    "slow_transit": "{way} is slow",
    "slow_dwell": "the handover before {way} is slow",
    "stalled": "nothing moves at {place}",
    "held": "the package is held at {place}",
    "customs": "the package is in customs at {place}",
    "late_plan": "the plan itself arrives too late",
    "tight_plan": "the plan leaves little time",
    "custody_gap": "nobody recorded taking over at {place}",
    "temperature": "the temperature is outside the limits at {place}",
    "packaging": "the packaging runs out of cold at {place}",
    "device_silent": "sensors are silent at {place}",
    "logger_not_read": "loggers were not read at {place}",
    "battery_low": "sensors' batteries run low at {place}",
    "tamper": "sensors saw packages opened, struck or tilted at {place}",
    "rejected": "{lot} was rejected",
    "not_released": "{lot} is not finally released",
    "damaged": "the package was damaged",
    "delivered_unusable": "what was delivered waits for a decision",
    "assay_discrepancy": "a measurement differs from what decay predicts",
    "out_of_activity_window": "an appointment lies outside the dose's window",
    "outcome_missing": "the outcome was not reported",
    "rule_error": "a rule could not be evaluated",
}


def cause_words(cause: Cause, shipment: Shipment) -> str:
    """Return what lies behind an alert as a clause: `flight MU5101 PVG–PEK was cancelled`."""
    leg = next((one for one in shipment.legs if one.number == cause.leg), None)
    return _WORDS.get(cause.kind, cause.kind.replace("_", " ")).format(
        way=way_words(leg) if leg else "the way",
        place=cause.location or "an unknown place",
        lot=f"lot {cause.lot}" if cause.lot else "a dose",
    )


def way_words(leg: Leg) -> str:
    """Return a leg as people name it: `flight MU5101 PVG–PEK`, `the road leg PLANT–PVG`."""
    service = f" {leg.service}" if leg.service else ""
    return f"{_MODES[leg.mode]}{service} {leg.origin}–{leg.destination}"
