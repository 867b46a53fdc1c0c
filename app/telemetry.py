"""Log lines (one JSON object each, request ids bound) and Prometheus metrics."""

import logging
import sys

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

log: structlog.stdlib.BoundLogger = structlog.get_logger("dosetrail")


def configure_logging(level: str) -> None:
    """Write one JSON line per message to standard error; control characters come out escaped."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


class Metrics:
    """What the service counts of itself, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = Counter(
            "dosetrail_events", "Events answered, by outcome.", ["outcome"], registry=self.registry
        )
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
        self.due_lag_s = Gauge(
            "dosetrail_due_lag_seconds",
            "Wall seconds the longest-due shipment waits.",
            registry=self.registry,
        )
