"""The whole Access table, row by row; what a row does not say is forbidden."""

from typing import Any

import pytest

from app.domain.access import (
    EVENTS_OF,
    ROLES,
    ROLES_FOR,
    Caller,
    CorrectionScope,
    OrganisationScope,
    Role,
    ShipmentScope,
    WebhookScope,
    hidden_fields,
    may,
)
from app.domain.observation import EVENT_TYPES

SHIPMENT = ShipmentScope(organisation_id="o", carriers=frozenset({"ACME", "ROAD"}), site_id="s", study="NET")

# The table of the contract: role → what it may do besides posting events. `read:me` is everyone's.
READS_ALL = {
    "read:me", "read:reference", "read:lanes", "read:shipment", "read:status", "read:alerts", "read:messages",
    "read:webhook", "read:policy",
}  # fmt: skip
TABLE: dict[Role, set[str]] = {
    "admin": READS_ALL | {
        "read:audit", "read:keys", "manage:keys", "write:reference", "write:lanes", "write:shipment",
        "reschedule:dose", "cancel:shipment", "write:readings", "acknowledge:alert", "assign:alert",
        "snooze:alert", "resolve:alert", "write:webhook", "write:policy",
    },
    "operator": READS_ALL | {
        "write:reference", "write:lanes", "write:shipment", "reschedule:dose", "cancel:shipment",
        "write:readings", "acknowledge:alert", "assign:alert", "snooze:alert", "write:webhook", "write:policy",
    },
    "quality": READS_ALL | {"acknowledge:alert"},
    "courier": {"read:me", "read:reference", "read:shipment", "read:status", "read:alerts", "write:readings"},
    "device": {"read:me", "write:readings"},
    "site": {
        "read:me", "read:reference", "read:shipment", "read:status", "read:alerts", "write:readings",
        "reschedule:dose", "acknowledge:alert",
    },
    "subscriber": {
        "read:me", "read:reference", "read:status", "read:alerts", "read:messages", "read:webhook",
        "write:webhook",
    },
    "auditor": READS_ALL | {"read:audit", "read:keys"},
}  # fmt: skip
EVENTS: dict[Role, set[str]] = {
    "admin": set(EVENT_TYPES),
    "operator": set(EVENT_TYPES) - {"released", "disposition"},
    "quality": {"released", "disposition", "correction"},
    "courier": {
        "picked_up", "departed", "arrived", "handed_over", "customs_entered", "customs_cleared", "held",
        "resumed", "offloaded", "refused", "out_for_delivery", "delivery_attempted", "delivered", "damaged",
        "lost", "position", "estimate", "leg_cancelled", "device_attached", "device_detached", "correction",
    },
    "device": set(),
    "site": {
        "delivered", "received", "assayed", "administered", "not_administered", "disposed", "returned", "damaged",
        "device_detached", "correction",
    },
    "subscriber": set(),
    "auditor": set(),
}  # fmt: skip


def caller(role: Role, **binding: Any) -> Caller:
    return Caller(
        **({"key_id": "k", "organisation_id": "o", "name": "n", "source": "src"} | binding), role=role
    )


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_exactly_what_its_row_says(role: Role) -> None:
    allowed = {action for action in ROLES_FOR if may(caller(role), action)}

    assert allowed == TABLE[role] | {f"event:{event_type}" for event_type in EVENTS[role]}


def test_every_event_type_is_an_action_and_server_events_are_nobodys() -> None:
    assert {action for action in ROLES_FOR if action.startswith("event:")} == {
        f"event:{t}" for t in EVENT_TYPES
    }
    assert not any(may(caller(role), f"event:{t}") for role in ROLES for t in ("replanned", "cancelled"))


@pytest.mark.parametrize("role", ROLES)
def test_an_action_nobody_defined_is_nobodys(role: Role) -> None:
    assert not may(caller(role), "drop:tables")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", sorted(ROLES_FOR))
def test_another_organisations_objects_are_never_there(role: Role, action: str) -> None:
    stranger = caller(role, organisation_id="other", carrier="ACME", site_id="s", study="NET")

    assert not may(stranger, action, SHIPMENT)
    assert not may(stranger, action, OrganisationScope(organisation_id="o"))
    assert not may(stranger, action, WebhookScope(organisation_id="o", owner_key_id="k"))
    assert not may(stranger, action, CorrectionScope(shipment=SHIPMENT))


@pytest.mark.parametrize(
    ("role", "binding", "visible"),
    [
        ("admin", {}, True),
        ("operator", {}, True),
        ("quality", {}, True),
        ("auditor", {}, True),
        ("courier", {"carrier": "ACME"}, True),
        ("courier", {"carrier": "ROAD"}, True),
        ("courier", {"carrier": "OTHER"}, False),
        ("courier", {}, False),
        ("site", {"site_id": "s"}, True),
        ("site", {"site_id": "t"}, False),
        ("site", {}, False),
        ("subscriber", {}, True),
        ("subscriber", {"study": "NET"}, True),
        ("subscriber", {"study": "OTHER"}, False),
        ("subscriber", {"site_id": "s"}, True),
        ("subscriber", {"site_id": "t"}, False),
        ("subscriber", {"site_id": "s", "study": "OTHER"}, False),
        ("subscriber", {"site_id": "s", "study": "NET"}, True),
        ("device", {}, False),
    ],
)
def test_a_shipment_is_seen_within_the_keys_binding(
    role: Role, binding: dict[str, str], visible: bool
) -> None:
    assert may(caller(role, **binding), "read:status", SHIPMENT) is visible


def test_a_study_bound_subscriber_does_not_see_shipments_without_a_study() -> None:
    unnamed = ShipmentScope(organisation_id="o", carriers=frozenset(), site_id="s", study=None)

    assert not may(caller("subscriber", study="NET"), "read:status", unnamed)


def test_seeing_a_shipment_is_no_leave_to_write_it() -> None:
    assert not may(caller("courier", carrier="ACME"), "event:received", SHIPMENT)
    assert not may(caller("site", site_id="s"), "event:departed", SHIPMENT)
    assert not may(caller("auditor"), "write:shipment", SHIPMENT)


def test_a_device_writes_readings_of_its_own_organisation_and_reads_nothing_else() -> None:
    device = caller("device")

    assert may(device, "write:readings", OrganisationScope(organisation_id="o"))
    assert [action for action in ROLES_FOR if action.startswith("read:") and may(device, action)] == [
        "read:me"
    ]


@pytest.mark.parametrize(
    ("role", "owner", "allowed"),
    [
        ("subscriber", "k", True),
        ("subscriber", "other", False),
        ("admin", "other", True),
        ("operator", "other", True),
    ],
)
def test_a_subscriber_has_only_its_own_webhooks(role: Role, owner: str, allowed: bool) -> None:
    webhook = WebhookScope(organisation_id="o", owner_key_id=owner)

    assert may(caller(role), "write:webhook", webhook) is allowed
    assert may(caller(role), "read:webhook", webhook) is allowed


@pytest.mark.parametrize(
    ("role", "source", "event_type", "allowed"),
    [
        ("courier", "src", "departed", True),
        ("courier", "OTHER", "departed", False),
        ("courier", None, None, True),
        ("site", "SITE", "received", True),
        ("site", "ACME", "departed", False),
        ("operator", "ACME", "departed", True),
        ("operator", "QA", "released", False),
        ("quality", "QA", "released", True),
        ("quality", "ACME", "departed", True),
        ("admin", "QA", "disposition", True),
        ("operator", "dosetrail", "cancelled", True),
        ("quality", "dosetrail", "cancelled", True),
        ("site", "dosetrail", "cancelled", False),
        ("admin", "dosetrail", "replanned", False),
        ("quality", "dosetrail", "replanned", False),
    ],
)
def test_a_correction_voids_only_what_the_role_may_write(
    role: Role, source: str | None, event_type: str | None, allowed: bool
) -> None:
    bound = caller(role, carrier="ACME", site_id="s")
    correction = CorrectionScope(shipment=SHIPMENT, event_source=source, event_type=event_type)

    assert may(bound, "event:correction", correction) is allowed


def test_a_correction_of_an_unseen_shipment_is_not_there() -> None:
    correction = CorrectionScope(shipment=SHIPMENT, event_source="src", event_type="departed")

    assert not may(caller("courier", carrier="OTHER"), "event:correction", correction)


@pytest.mark.parametrize(
    ("role", "hidden"),
    [
        ("courier", {"subject_code", "prescribed_activity_mbq", "prescribed_min_mbq", "prescribed_max_mbq",
                     "draw_volume_ml", "volume_left_ml", "administered_activity_mbq", "prescribed_range_mbq",
                     "disposition"}),
        ("subscriber", {"subject_code", "disposition"}),
        ("device", {"subject_code", "disposition"}),
        ("admin", set()),
        ("operator", set()),
        ("quality", set()),
        ("site", set()),
        ("auditor", set()),
    ],
)  # fmt: skip
def test_subject_codes_and_prescriptions_are_hidden_from_those_who_carry_and_listen(
    role: Role, hidden: set[str]
) -> None:
    assert hidden_fields(role) == hidden


def test_no_role_is_without_a_row() -> None:
    assert set(TABLE) == set(EVENTS) == set(EVENTS_OF) == set(ROLES)
