"""The tables as Core sees them."""

from typing import Any, cast

import sqlalchemy as sa

from app.models.access import ApiKey, Organisation, RateBucket
from app.models.alert import Alert, AlertHistory
from app.models.audit import AuditEntry, AuditSeal
from app.models.calibration import KeptForecast
from app.models.clock import ClockAnchor
from app.models.event import Event
from app.models.idempotency import KeptAnswer
from app.models.lane import LaneDwellRow, LaneLegRow, LaneSignalRow, LaneStatisticsRow, LaneTimetableRow
from app.models.product import Product
from app.models.reading import ReadingBucket, ReadingSeries
from app.models.shipment import Shipment, ShipmentDue, ShipmentPlan, ShipmentTag, ShipmentView
from app.models.site import Site

Record = sa.Row[*tuple[Any, ...]]
"""A row as a query returned it."""


def table_of(model: Any) -> sa.Table:
    """Return the Core table of a row class."""
    return cast(sa.Table, model.__table__)


organisation = table_of(Organisation)
api_key = table_of(ApiKey)
site = table_of(Site)
product = table_of(Product)
shipment = table_of(Shipment)
shipment_plan = table_of(ShipmentPlan)
shipment_tag = table_of(ShipmentTag)
shipment_due = table_of(ShipmentDue)
shipment_view = table_of(ShipmentView)
event = table_of(Event)
reading_series = table_of(ReadingSeries)
reading_bucket = table_of(ReadingBucket)
alert = table_of(Alert)
alert_history = table_of(AlertHistory)
audit_entry = table_of(AuditEntry)
audit_seal = table_of(AuditSeal)
kept_answer = table_of(KeptAnswer)
rate_bucket = table_of(RateBucket)
clock_anchor = table_of(ClockAnchor)
lane_leg = table_of(LaneLegRow)
lane_dwell = table_of(LaneDwellRow)
lane_signal = table_of(LaneSignalRow)
lane_statistics = table_of(LaneStatisticsRow)
kept_forecast = table_of(KeptForecast)
lane_timetable = table_of(LaneTimetableRow)
