from typing import Any

import pytest

from app.domain.bedside import Assay, DoseCare, fold_doses
from app.domain.observation import Event
from tests.domain.journeys import clock, correction, event, journey_of, shipment

FINAL = {"scope": "final"}
CONDITIONAL = {"scope": "conditional"}


def care_of(*events: Event, doses: int = 1) -> dict[str, DoseCare]:
    plan = shipment(doses=doses)
    return fold_doses(plan, journey_of(*events, plan=plan))


def decision(word: str, at: str, **fields: Any) -> Event:
    details = {"decision": word, "person": "A. Turing", "meaning": "QP decision"}
    return event("disposition", at, details=details, reason="deviation 7", **fields)


def released(scope: dict[str, str], at: str, **fields: Any) -> Event:
    return event("released", at, details=scope, **fields)


def test_nothing_heard_leaves_a_dose_pending_and_open() -> None:
    assert care_of() == {"dose-1": DoseCare()}
    assert care_of()["dose-1"].quality_status == "pending"


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([released(CONDITIONAL, "08:00")], "released_conditionally"),
        ([released(FINAL, "08:00")], "released"),
        ([released(CONDITIONAL, "08:00"), released(FINAL, "12:00")], "released"),
        ([released(FINAL, "08:00"), released(CONDITIONAL, "12:00")], "released"),
        ([released(CONDITIONAL, "08:00"), decision("reject", "09:00")], "rejected"),
        ([decision("reject", "09:00"), released(FINAL, "12:00")], "rejected"),
        ([released(FINAL, "08:00"), decision("return", "09:00")], "quarantined"),
        ([released(FINAL, "08:00"), decision("use_as_is", "09:00")], "released"),
        ([decision("use_as_is", "09:00")], "pending"),
        ([decision("reject", "09:00"), decision("use_as_is", "10:00"), released(FINAL, "08:00")], "released"),
    ],
)
def test_quality_follows_releases_and_recorded_decisions(events: list[Event], status: str) -> None:
    care = care_of(*events)["dose-1"]

    assert care.quality_status == status
    assert (care.decision is not None) == any(scan.type == "disposition" for scan in events)


def test_a_lot_decision_applies_to_the_doses_of_that_lot() -> None:
    care = care_of(released(FINAL, "08:00"), decision("reject", "09:00", lot="L2"), doses=3)

    assert [dose.quality_status for dose in care.values()] == ["released", "rejected", "released"]


@pytest.mark.parametrize("name", ["D2", "dose-2"])
def test_a_dose_is_named_by_reference_or_id(name: str) -> None:
    care = care_of(event("administered", "10:00", dose=name), doses=2)

    assert [dose.outcome for dose in care.values()] == ["open", "administered"]


@pytest.mark.parametrize(
    ("types", "outcome"),
    [
        ("administered", "administered"),
        ("not_administered", "not_administered"),
        ("returned", "returned"),
        ("lost", "lost"),
        ("not_administered returned", "returned"),
        ("returned not_administered", "returned"),
        ("not_administered administered", "administered"),
        ("administered not_administered", "administered"),
        ("administered returned", "administered"),
        ("administered lost", "administered"),
        ("lost administered", "administered"),
        ("lost returned", "returned"),
    ],
)
def test_the_outcome_follows_the_bedside(types: str, outcome: str) -> None:
    events = [
        event(type_, f"{hour}:00", details={"cause": "patient ill"})
        for hour, type_ in enumerate(types.split(), start=10)
    ]

    care = care_of(*events)["dose-1"]

    assert care.outcome == outcome
    expected_cause = "patient ill" if "not_administered" in types and outcome != "administered" else None
    assert care.outcome_cause == expected_cause


def test_the_last_assay_counts() -> None:
    readings = [("09:00", 7010.0), ("09:20", 7035)]
    events = [
        event(
            "assayed",
            at,
            details={
                "measured_activity_mbq": mbq,
                "measured_at": clock(at).isoformat().replace("+00:00", "Z"),
            },
        )
        for at, mbq in readings
    ]

    care = care_of(*events)["dose-1"]

    assert care.assay == Assay(measured_mbq=7035.0, measured_at=clock("09:20"))


def test_the_first_puncture_counts() -> None:
    care = care_of(event("first_puncture", "10:00"), event("first_puncture", "09:00"))["dose-1"]

    assert care.first_punctured_at == clock("09:00")


def test_corrections_reach_the_bedside() -> None:
    wrong = event("administered", "10:00")

    care = care_of(wrong, correction(wrong.id, "11:00", type="not_administered", details={"cause": "spill"}))

    assert (care["dose-1"].outcome, care["dose-1"].outcome_cause) == ("not_administered", "spill")


def test_a_late_outcome_counts_though_the_shipment_was_delivered() -> None:
    care = care_of(event("delivered", "09:00"), event("administered", "10:00"))["dose-1"]

    assert care.outcome == "administered"
