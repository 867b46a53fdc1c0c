"""Log lines (one JSON object each, request ids bound) and Prometheus metrics."""

import logging
import sys
from contextvars import ContextVar
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that this task serves."""

log: structlog.stdlib.BoundLogger = structlog.get_logger("dosetrail")


def configure_logging(level: str) -> None:
    """Write one JSON line per message to standard error; control characters come out escaped."""
    # A tick that is skipped because the one before still works is no news, and not told in our form.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            _with_request_id,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _with_request_id(_: Any, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    id_ = request_id.get()
    return line if id_ is None else {"request_id": id_, **line}


class Metrics:
    """What the service counts of itself, in a registry of its own."""

    _event_of: dict[str, Counter]

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = Counter(
            "dosetrail_events", "Events answered, by outcome.", ["outcome"], registry=self.registry
        )
        self._event_of = {}
        self.batch_size = Histogram(
            "dosetrail_intake_batch_size",
            "Submissions committed together.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
            registry=self.registry,
        )
        self.assessed = Counter("dosetrail_assessed", "Shipments assessed.", registry=self.registry)
        self.assess_failures = Counter(
            "dosetrail_assess_failures",
            "Assessments and rules that failed.",
            ["kind"],
            registry=self.registry,
        )
        self.alert_changes = Counter(
            "dosetrail_alert_changes", "Alerts changed.", ["kind", "change"], registry=self.registry
        )
        self.webhook_attempts = Counter(
            "dosetrail_webhook_attempts",
            "Attempts to deliver, by what came of them.",
            ["outcome"],
            registry=self.registry,
        )
        self.webhook_attempt_s = Histogram(
            "dosetrail_webhook_attempt_seconds",
            "How long attempts took.",
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 15),
            registry=self.registry,
        )
        self.webhook_deliveries = Counter(
            "dosetrail_webhook_deliveries",
            "Deliveries that ended, by how.",
            ["state"],
            registry=self.registry,
        )
        self.webhook_endpoints = Gauge(
            "dosetrail_webhook_endpoints",
            "Endpoints: active, failing, paused or disabled.",
            ["state"],
            registry=self.registry,
        )
        self.outbox_age_s = Gauge(
            "dosetrail_outbox_age_seconds",
            "Wall seconds the oldest delivery waits that could be sent: its endpoint is ready and has a free slot.",
            registry=self.registry,
        )
        self.due_lag_s = Gauge(
            "dosetrail_due_lag_seconds",
            "Wall seconds the longest-due shipment waits.",
            registry=self.registry,
        )

    def count_event(self, outcome: str) -> None:
        """Count an event answered; the counter of each outcome is kept, for finding it costs more than counting."""
        counter = self._event_of.get(outcome)
        if counter is None:
            counter = self._event_of[outcome] = self.events.labels(outcome=outcome)
        counter.inc()
