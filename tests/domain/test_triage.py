"""Many alerts as few causes."""

from datetime import datetime
from typing import Any

from app.domain.alerts import Cause
from app.domain.triage import CauseLine, Stake, cause_lines
from tests.domain.made import a_dose, a_shipment, at

FLIGHT = Cause(kind="leg_cancelled", leg=1, service="AC1", location="PLANT")


def stake(shipment_id: str = "sh", **changes: Any) -> Stake:
    fields: dict[str, Any] = {
        "shipment_id": shipment_id, "subject": "shipment", "kind": "missed_connection", "severity": "warning",
        "raised_at": at("08:00"), "act_by": None, "acknowledged": False, "cause": FLIGHT, "what_would_help": (),
    }  # fmt: skip
    return Stake(**(fields | changes))


def lines(*stakes: Stake, when: datetime) -> list[CauseLine]:
    doses = (a_dose(subject_code="S-1"), a_dose(id="d2", reference="D2", subject_code="S-2"))
    shipments = {one.shipment_id: a_shipment(id=one.shipment_id, doses=doses) for one in stakes}
    return cause_lines(stakes, shipments, at=when)


def test_one_decides_by_the_first_instant_still_to_come() -> None:
    given = [
        stake("s1", act_by=at("07:00")),
        stake("s2", act_by=at("12:00")),
        stake("s3", act_by=at("11:00")),
    ]

    (line,) = lines(*given, when=at("09:00"))

    assert line.decide_by == at("11:00")
    assert line.shipment_ids == ("s3", "s2", "s1")
    assert line.summary == (
        "Flight AC1 PLANT–CLINIC was cancelled: 3 shipments, 6 doses, 2 patients; "
        "decide by Tue 06 Jan 12:00 CET (11:00Z)."
    )


def test_exactly_at_the_last_instant_there_is_still_something_to_decide() -> None:
    (still,) = lines(stake(act_by=at("11:00")), when=at("11:00"))
    (over,) = lines(stake(act_by=at("11:00")), when=at("11:01"))

    assert still.decide_by == at("11:00")
    assert over.decide_by is None
    assert over.summary.endswith("2 patients; too late to act on the way.")


def test_an_alert_about_a_dose_stakes_that_dose_and_one_about_a_device_all() -> None:
    (one,) = lines(stake(subject="dose:d1"), when=at("09:00"))
    (all_,) = lines(stake(subject="device:T"), stake(subject="dose:d1"), when=at("09:00"))

    assert (one.doses, one.patients) == (1, 1)
    assert (all_.doses, all_.patients, all_.alerts) == (2, 2, 2)


def test_what_names_nothing_shared_is_its_shipments_alone_and_a_lot_is_shared() -> None:
    tight, rejected = Cause(kind="tight_plan"), Cause(kind="rejected", lot="L1")

    assert len(lines(stake("s1", cause=tight), stake("s2", cause=tight), when=at("09:00"))) == 2
    (lot,) = lines(stake("s1", cause=rejected), stake("s2", cause=rejected), when=at("09:00"))
    assert lot.summary.startswith("Lot L1 was rejected: 2 shipments, 4 doses")


def test_the_worst_severity_and_what_nobody_has_seen_stand_out() -> None:
    seen = stake("s1", acknowledged=True, severity="critical", kind="arrival_after_expiry")

    (line,) = lines(seen, stake("s2"), when=at("09:00"))

    assert (line.severity, line.alerts, line.unacknowledged) == ("critical", 2, 1)
    assert line.kinds == ("arrival_after_expiry", "missed_connection")


def test_what_helps_all_of_them_comes_before_each_doses_own() -> None:
    own = [
        stake(f"s{number}", what_would_help=(f"Usable by {number}.", "Book the next.")) for number in range(4)
    ]

    (line,) = lines(*own, when=at("09:00"))

    assert line.what_would_help == ("Book the next.", "Usable by 0.", "Usable by 1.")
