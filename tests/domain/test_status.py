"""The status document: every field of the contract, its edges, and its telling at a later instant."""

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from app.domain import assessment as module
from app.domain.alerts import OpenAlert, Severity
from app.domain.assessment import Assessment, Snapshot, assess
from app.domain.bedside import Assay
from app.domain.lanes import PRIORS
from app.domain.observation import Event
from app.domain.shipment import DeviceAssignment
from app.domain.status import instant_text, render_at, status_document, stored_view, without
from tests.domain import made
from tests.domain.made import Slipping, a_dose, a_shipment, an_event, at

FIELDS = {
    "shipment_id", "reference", "at", "version", "state", "custodian", "position", "last_event", "eta",
    "late_probability", "latest_useful_arrival_at", "slack_minutes", "doses", "thermal", "open_alerts",
}  # fmt: skip
DOSE_FIELDS = {
    "dose_id", "reference", "nuclide", "half_life_s", "half_life_source", "activity_mbq", "usable_from",
    "usable_until", "opening_limit", "binding_limit", "latest_useful_arrival_at", "required_arrival_at",
    "late_probability", "appointment_late_probability", "slack_minutes", "draw_volume_ml", "verdict",
    "verdict_reasons", "quality_status", "outcome", "assay", "volume_left_ml", "disposition", "outcome_cause",
    "administered_activity_mbq",
}  # fmt: skip
THERMAL_FIELDS = {
    "device_id", "sensor", "place", "last_c", "last_at", "min_c", "max_c", "mean_c", "mkt_c", "above_minutes",
    "below_minutes", "unmonitored_minutes", "budget_remaining_minutes", "in_excursion",
}  # fmt: skip


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    made.foretold(monkeypatch, Slipping())


def told(
    events: Iterable[Event] = (), *, when: str = "09:00", **changes: Any
) -> tuple[dict[str, Any], Snapshot, Assessment]:
    snapshot = Snapshot(
        shipment=a_shipment(
            **({"devices": (DeviceAssignment(device_id="T", from_at=at("08:00")),)} | changes)
        ),
        events=tuple(events),
        open_alerts=(
            OpenAlert(id="a", kind="hold", subject="shipment", severity="warning", since=at("08:00")),
        ),
        version=7,
        lanes=PRIORS,
        baseline_at=at("11:45"),
        tracks={("T", "main"): made.a_track(("08:30", 4.0), ("08:40", 6.0), ("08:50", 5.0))},
    )
    answer = assess(snapshot, at=at(when))
    return status_document(answer, snapshot, at=at(when)), snapshot, answer


def test_every_field_of_the_contract_is_there() -> None:
    document, _, _ = told([an_event("departed", at("08:30"), leg=1)])

    assert set(document) == FIELDS
    assert set(document["doses"][0]) == DOSE_FIELDS
    assert set(document["thermal"][0]) == THERMAL_FIELDS
    assert set(document["eta"]) == {
        "p10",
        "p50",
        "p90",
        "planned_at",
        "baseline_at",
        "arrived_at",
        "contributions",
        "lanes_version",
    }
    assert set(document["position"]) == {"code", "lat", "lon", "observed_at", "source"}
    assert set(document["last_event"]) == {"id", "event_id", "type", "leg", "occurred_at"}
    assert set(document["open_alerts"][0]) == {"id", "kind", "subject", "severity", "since"}


def test_before_any_event_the_shipment_stands_at_its_origin_in_nobodys_hands() -> None:
    document, _, _ = told()

    assert (document["state"], document["custodian"], document["last_event"]) == ("planned", None, None)
    assert document["position"] == {
        "code": "PLANT", "lat": 48.0, "lon": 16.0, "observed_at": None, "source": "plan",
    }  # fmt: skip


def test_the_shipment_speaks_with_the_numbers_of_its_worst_dose() -> None:
    doses = (a_dose(id="d1"), a_dose(id="d2", expires_at=at("13:30")))

    document, _, _ = told(doses=doses)

    assert document["late_probability"] == pytest.approx(0.5)
    assert document["latest_useful_arrival_at"] == at("12:30")
    assert document["slack_minutes"]["p50"] == pytest.approx(0.0)
    assert [dose["verdict"] for dose in document["doses"]] == ["ok", "will_miss"]


def test_the_plan_as_first_registered_stands_beside_the_plan_in_force() -> None:
    document, _, _ = told()

    assert (document["eta"]["planned_at"], document["eta"]["baseline_at"]) == (made.PLANNED, at("11:45"))


def test_after_delivery_the_arrival_is_a_fact() -> None:
    document, _, _ = told([an_event("delivered", at("13:10"))], when="13:20")

    assert {document["eta"][name] for name in ("p10", "p50", "p90", "arrived_at")} == {at("13:10")}
    assert document["late_probability"] == 0.0


def test_a_cancelled_shipment_has_no_arrival() -> None:
    document, _, _ = told([an_event("cancelled", at("08:00"))])

    assert document["eta"] is None
    assert document["late_probability"] is None
    assert document["slack_minutes"] == {"p50": None, "p90": None}


def test_the_stored_view_is_plain_json_and_tells_the_same() -> None:
    document, snapshot, answer = told([an_event("departed", at("08:30"), leg=1)])

    view = json.loads(json.dumps(stored_view(document, snapshot.shipment, answer)))
    later = render_at(view, at=at("09:00"))

    assert later["eta"]["planned_at"] == "2026-01-06T12:00:00.000Z"
    assert later["doses"][0]["activity_mbq"]["now"] == pytest.approx(
        document["doses"][0]["activity_mbq"]["now"]
    )
    assert set(later) == FIELDS


def test_told_later_only_the_instant_and_the_activity_move_on() -> None:
    document, snapshot, answer = told()
    view = stored_view(document, snapshot.shipment, answer)

    later = render_at(view, at=made.DAY + timedelta(hours=72))

    assert later["at"] == "2026-01-09T00:00:00.000Z"
    assert later["doses"][0]["activity_mbq"]["now"] == pytest.approx(5411.43207795, rel=1e-9)  # DEC-03
    first, second = view["document"], later
    assert {name for name in first if first[name] != second[name]} == {"at", "doses"}
    assert view["document"]["at"] == "2026-01-06T09:00:00.000Z"


def test_a_dose_without_activity_has_none_later_either() -> None:
    kit = made.a_product(nuclide=None, form="kit")
    dose = a_dose(calibrated_activity_mbq=None, calibrated_at=None)
    document, snapshot, answer = told(product=kit, doses=(dose,))

    later = render_at(stored_view(document, snapshot.shipment, answer), at=at("09:01"))

    assert later["doses"][0]["activity_mbq"] == {"now": None, "at_eta_p50": None, "at_administration": None}


def test_an_assay_stands_beside_the_decayed_activity(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = Assay(measured_mbq=7010.0, measured_at=at("13:30"))
    monkeypatch.setattr(module, "fold_doses", lambda *_: {"d1": made.care(assay=measured)})

    document, _, _ = told()

    assert document["doses"][0]["assay"] == {
        "measured_mbq": 7010.0,
        "measured_at": at("13:30"),
        "predicted_mbq": pytest.approx(7400.0 * 2 ** (-13.5 / (6.6443 * 24))),
        "ratio": pytest.approx(7010.0 / (7400.0 * 2 ** (-13.5 / (6.6443 * 24)))),
    }


def test_open_alerts_stand_worst_first_in_whatever_order_they_were_raised() -> None:
    _, snapshot, answer = told()
    kinds: list[tuple[str, Severity]] = [("stalled", "warning"), ("hold", "warning"), ("late", "critical")]
    raised = [
        OpenAlert(id=kind, kind=kind, subject="shipment", severity=severity, since=at("08:00"))
        for kind, severity in kinds
    ]

    orders = [
        status_document(answer, snapshot, at=at("09:00"), open_alerts=alerts)["open_alerts"]
        for alerts in (raised, raised[::-1])
    ]

    assert [one["kind"] for one in orders[0]] == ["late", "hold", "stalled"]
    assert orders[0] == orders[1]


def test_hidden_fields_are_emptied_in_every_dose() -> None:
    document, _, _ = told()
    document["doses"][0]["draw_volume_ml"] = 20.0

    assert without(document, frozenset({"draw_volume_ml"}))["doses"][0]["draw_volume_ml"] is None
    assert document["doses"][0]["draw_volume_ml"] == 20.0


def test_an_instant_is_written_in_utc_with_milliseconds() -> None:
    assert instant_text(at("09:00") + timedelta(microseconds=1500)) == "2026-01-06T09:00:00.001Z"
