"""Everything that a running service is made of, by name."""

from dataclasses import dataclass

from app.clock import Clock
from app.pipeline.alerts import Alerts
from app.pipeline.assess import Assessor
from app.pipeline.beats import Beats
from app.pipeline.bell import Bell
from app.pipeline.calibration import Calibration
from app.pipeline.curves import Curves
from app.pipeline.day_signals import Day
from app.pipeline.deliveries import Deliveries
from app.pipeline.dispatch import Dispatch
from app.pipeline.escalation import Escalations
from app.pipeline.handling import Handling
from app.pipeline.idempotency import Idempotency
from app.pipeline.ingest import Receipt, Submission
from app.pipeline.intake import Intake
from app.pipeline.keys import Keys
from app.pipeline.lanes import Lanes
from app.pipeline.questions import Questions
from app.pipeline.rates import Rates
from app.pipeline.readings import Readings
from app.pipeline.record import Record
from app.pipeline.reference import Reference
from app.pipeline.register import Register
from app.pipeline.replan import Replan
from app.pipeline.seals import Seals
from app.pipeline.status import Status
from app.pipeline.streams import Streams
from app.pipeline.thresholds import OwnThresholds
from app.pipeline.triage import Triage
from app.pipeline.webhooks import Webhooks
from app.settings import Settings
from app.store.db import Database
from app.telemetry import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The services of one process, built once in `main`."""

    settings: Settings
    clock: Clock
    db: Database
    metrics: Metrics
    beats: Beats
    bell: Bell
    keys: Keys
    rates: Rates
    idempotency: Idempotency
    seals: Seals
    reference: Reference
    lanes: Lanes
    day: Day
    calibration: Calibration
    register: Register
    replan: Replan
    record: Record
    questions: Questions
    intake: Intake[Submission, Receipt]
    readings: Readings
    curves: Curves
    status: Status
    streams: Streams
    alerts: Alerts
    triage: Triage
    handling: Handling
    escalations: Escalations
    thresholds: OwnThresholds
    assessor: Assessor
    webhooks: Webhooks
    deliveries: Deliveries
    dispatch: Dispatch
