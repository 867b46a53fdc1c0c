"""Thresholds of alerts that one shipment sets for itself."""

from typing import Annotated

from pydantic import ConfigDict
from pydantic import Field as WireField

from app.models.base import Code, Text, Wire

Thresholds = Annotated[dict[Code, float], WireField(max_length=100)]


class ShipmentThresholds(Wire):
    """All thresholds that this shipment sets, over its product's; none: the product's alone."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reason": "last dose of the cohort; tell us early",
                    "thresholds": {"arrival_after_expiry.warning": 0.05},
                }
            ]
        }
    )
    reason: Annotated[Text, WireField(min_length=1, max_length=500)]
    thresholds: Thresholds


class ThresholdsRead(Wire):
    """What counts for a shipment, from the house's defaults, its product and itself."""

    shipment_id: Text
    plan_version: int
    thresholds: dict[str, float]
    own: dict[str, float]
