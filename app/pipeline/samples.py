"""A sample message of every type: for the documentation, and for those who build a receiver."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.domain.announcing import News
from app.domain.escalation import EscalationPolicy, EscalationStep
from app.domain.status import instant_text
from app.errors import Invalid
from app.pipeline.announcements import alert_message, state_message, unanswered_message
from app.pipeline.gates import digest_of
from app.pipeline.news import message_of
from app.pipeline.outbox import NewMessage, body_of

AT: Final = datetime(2026, 3, 2, 8, 4, tzinfo=UTC)
SHIPMENT_ID: Final = "019caa3a-6c00-7000-8000-000000000001"
DOSE_ID: Final = "019caa3a-6c00-7000-8000-000000000002"
ALERT_ID: Final = "019caa3a-6c00-7000-8000-000000000003"
ENDPOINT_ID: Final = "019caa3a-6c00-7000-8000-000000000004"
DELIVERY_ID: Final = "019caa3a-6c00-7000-8000-000000000005"
MESSAGE_ID: Final = "019caa3a-6c00-7000-8000-000000000006"
POLICY_ID: Final = "019caa3a-6c00-7000-8000-000000000007"

_BINDINGS: Final[dict[str, Any]] = {
    "shipment_id": SHIPMENT_ID,
    "reference": "LU-2026-0142",
    "shipment_state": "in_transit",
    "site_id": None,
    "study": "NET-301",
    "product_id": None,
}
_ALERT: Final[dict[str, Any]] = {
    "id": ALERT_ID,
    "subject": f"dose:{DOSE_ID}",
    "kind": "arrival_after_expiry",
    "severity": "warning",
    "state": "open",
    "since": AT - timedelta(minutes=2),
    "raised_at": AT,
    "act_by": AT + timedelta(hours=3),
    "cause": {"kind": "missed_connection", "leg": 2, "service": "AZ1", "location": "MXP"},
    "what_would_help": ["another flight before 13:30", "a later appointment"],
    "acknowledged_at": None,
    "acknowledged_by": None,
    "assigned_to": None,
    "snoozed_until": None,
    "resolved_at": None,
    "resolved_by": None,
    "ended_at": None,
    "detected_late": False,
    "summary": "Dose D1 will most likely arrive after 16:30 (Europe/Rome), when it is no longer usable.",
    "evidence": {"late_probability": 0.31},
}
_CHANGED: Final[dict[str, dict[str, Any]]] = {
    "opened": {},
    "escalated": {"severity": "critical", "evidence": {"late_probability": 0.62}},
    "deescalated": {"evidence": {"late_probability": 0.22}},
    "acknowledged": {"acknowledged_at": AT, "acknowledged_by": "night desk"},
    "assigned": {"assigned_to": "night dispatcher"},
    "snoozed": {"snoozed_until": AT + timedelta(hours=1)},
    "woken": {},
    "resolved": {"state": "resolved", "resolved_at": AT, "ended_at": AT},
}
_POLICY: Final = EscalationPolicy(
    id=POLICY_ID,
    name="wake the head of radiopharmacy",
    min_severity="critical",
    kinds=None,
    site_id=None,
    study=None,
    steps=(EscalationStep(number=1, after_minutes=10.0, endpoint_id=ENDPOINT_ID),),
)
_DOSE: Final = {"dose": {"id": DOSE_ID, "reference": "D1"}}
_ETA: Final = {
    "eta": {
        "p10": "2026-03-02T14:20:00.000Z",
        "p50": "2026-03-02T15:10:00.000Z",
        "p90": "2026-03-02T17:45:00.000Z",
        "planned_at": "2026-03-02T13:00:00.000Z",
    },
    "previous_eta": {
        "p10": "2026-03-02T12:50:00.000Z",
        "p50": "2026-03-02T13:05:00.000Z",
        "p90": "2026-03-02T14:00:00.000Z",
    },
}
_VERDICT: Final = _DOSE | {
    "verdict": "at_risk",
    "previous_verdict": "ok",
    "verdict_reasons": ["it arrives too late with a probability of 31 %"],
    "late_probability": 0.31,
    "usable_until": "2026-03-02T15:30:00.000Z",
    "latest_useful_arrival_at": "2026-03-02T14:30:00.000Z",
}
_QUALITY: Final = _DOSE | {"quality_status": "released", "previous_quality_status": "released_conditionally"}
_ABOUT: Final = {"endpoint_id": ENDPOINT_ID, "message_id": MESSAGE_ID}


class UnknownType(Invalid):
    """There is no message of this type."""

    code = "unknown_type"


def sample(type_: str, *, kind: str | None = None) -> bytes:
    """Return the bytes of a sample message; `kind` is the alert's.

    Raises:
        UnknownType: there is none of this type.
    """
    found = _samples(kind).get(type_)
    if found is None:
        raise UnknownType(f"no message has the type {type_!r}; there are {', '.join(TYPES)}")
    return body_of(found, at=AT)


def _samples(kind: str | None) -> dict[str, NewMessage]:
    alerts = [_alert(change, kind) for change in _CHANGED]
    reached: dict[str, Any] = {"state": "delivered", "previous": "out_for_delivery", "at": AT}
    told = [
        *alerts,
        unanswered_message(_ALERT | _BINDINGS | _CHANGED["escalated"], _POLICY, _POLICY.steps[0], at=AT),
        NewMessage(type="alert.digest", data=digest_of([_message(one) for one in alerts[:2]])),
        state_message("shipment.state_changed", _BINDINGS, **reached),
        state_message("shipment.delivered", _BINDINGS, **reached),
        *(
            message_of(News(type_, data), _BINDINGS)
            for type_, data in (
                ("shipment.eta_changed", _ETA),
                ("dose.verdict_changed", _VERDICT),
                ("dose.quality_changed", _QUALITY),
            )
        ),
        NewMessage(
            type="endpoint.disabled",
            data=_ABOUT | {"host": "hooks.example.org", "reason": "only failures for 24 hours"},
        ),
        NewMessage(
            type="delivery.expired", data=_ABOUT | {"delivery_id": DELIVERY_ID, "type": "alert.opened"}
        ),
        NewMessage(type="heartbeat", data={"endpoint_id": ENDPOINT_ID, "assessment_behind_s": 0.0}),
        NewMessage(type="webhook.test", data={"endpoint_id": ENDPOINT_ID}),
    ]
    return {one.type: one for one in told}


def _alert(change: str, kind: str | None) -> NewMessage:
    row = _ALERT | _BINDINGS | _CHANGED[change] | ({"kind": kind} if kind else {})
    return alert_message(change, row, at=AT, usable_until=None)


def _message(one: NewMessage) -> dict[str, Any]:
    return {"type": one.type, "timestamp": instant_text(AT), "data": one.data}


TYPES: Final = tuple(_samples(None))
