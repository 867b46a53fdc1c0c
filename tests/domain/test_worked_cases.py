"""The worked cases: their numbers and sources stand in `worked_cases.json`; here is what computes each.

Half-lives are the case's own, so that the arithmetic is judged and not the choice of evaluation. The cases on
temperature are computed in `test_thermal_worked_cases`.
"""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.domain.decay import activity_at, decayed_to, relative_uncertainty, volume_to_draw_ml
from app.domain.deviation import deviation, may_be_reportable, needs_direction
from app.domain.nuclides import NUCLIDES
from app.domain.shipment import Dose, Product
from app.domain.units import to_mbq
from app.domain.window import activity_bounds, activity_of, in_activity_window, usable_window

Values = dict[str, Any]

CASES: dict[str, Values] = {
    case["id"]: case
    for case in json.loads((Path(__file__).parent / "worked_cases.json").read_text())["cases"]
}
REFERENCE = datetime(2025, 5, 5, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY_S = 86_400.0

TEMPERATURE = {case_id for case_id, case in CASES.items() if case["topic"] in {"mkt", "excursion"}}
UNUSED = {
    "CHN-03": "progeny's growth: every activity here is the named nuclide's, never its progeny's",
    "CHN-09": "progeny's growth: every activity here is the named nuclide's, never its progeny's",
    "CHN-11": "radionuclidic impurity: an expiry that follows from it is registered as `expires_at`",
    "TRN-01": "the label category is the consignor's to decide; one too low is flagged (test_package_remarks)",
    "TRN-02": "the transport index is measured by the consignor: it is kept as declared",
}
NOT_TOLD = {
    "CHN-01": {"Tc99m_MBq": "the daughter's activity"},
    "CHN-02": {"Tc99m_MBq": "the daughter's activity"},
    "CHN-05": dict.fromkeys(("Fr-221", "At-217", "Bi-213", "Po-213", "Tl-209", "Pb-209"), "progeny"),
    "CHN-06": dict.fromkeys(("Fr-221", "At-217", "Bi-213", "Po-213", "Tl-209", "Pb-209"), "progeny"),
    "TRN-04": {"type": "the package's type is the consignor's to decide"},
    "TZ-02": {"wrong_naive_wall_clock": "the mistake itself"},
}
"""What a used case expects and the product does not tell, with the reason."""


def product(**fields: object) -> Product:
    return Product(**{"id": "p", "version": 1, "name": "agent", "nuclide": "Lu-177"} | fields)  # type: ignore[arg-type]


def dose(**fields: object) -> Dose:
    return Dose(**{"id": "d", "reference": "D1", "calibrated_at": REFERENCE} | fields)  # type: ignore[arg-type]


def decay(given: Values) -> Values:
    at = REFERENCE + timedelta(seconds=given["elapsed_s"])
    factor, left = (
        activity_at(start, half_life_s=given["half_life_s"], reference_at=REFERENCE, at=at)
        for start in (1.0, given["activity_0"])
    )
    return {"factor": factor, "activity_MBq": left}


def half_life_source(given: Values) -> Values:
    at = REFERENCE + given["elapsed_h"] * HOUR
    one, other = (
        activity_at(1.0, half_life_s=given[name] * DAY_S, reference_at=REFERENCE, at=at)
        for name in ("T_a_d", "T_b_d")
    )
    return {"relative_difference": one / other - 1}


def uncertainty(given: Values) -> Values:
    actinium = NUCLIDES["Ac-225"]
    assert (actinium.half_life_s, actinium.half_life_uncertainty_s) == (
        given["T_d"] * DAY_S,
        given["u_T_d"] * DAY_S,
    )
    relative = relative_uncertainty(
        elapsed_s=given["elapsed_d"] * DAY_S,
        half_life_s=actinium.half_life_s,
        half_life_uncertainty_s=actinium.half_life_uncertainty_s,
    )
    return {"relative_uncertainty": relative}


def hours_to(start: float, level: float, half_life_s: float) -> float:
    return (decayed_to(start, level, half_life_s=half_life_s, reference_at=REFERENCE) - REFERENCE) / HOUR


def threshold(given: Values) -> Values:
    return {"hours": hours_to(given["activity_0_GBq"], given["threshold_GBq"], given["half_life_d"] * DAY_S)}


def late_generators(given: Values) -> Values:
    return {"hours": hours_to(given["A_expected_mCi"], given["A_arrived_mCi"], given["half_life_h"] * 3600)}


def transport_limits(given: Values) -> Values:
    start, half_life_s = to_mbq(given["A0_GBq"], "GBq"), given["half_life_d"] * DAY_S
    return {f"days_to_{limit}MBq": hours_to(start, limit, half_life_s) / 24 for limit in (70, 10)}


def volume(given: Values) -> Values:
    half_life_s = given["half_life_d"] * DAY_S if "half_life_d" in given else given["half_life_min"] * 60
    drawn = volume_to_draw_ml(
        given["target_MBq"],
        concentration_mbq_per_ml=given["concentration_MBq_per_mL"],
        half_life_s=half_life_s,
        reference_at=REFERENCE,
        at=REFERENCE + given["elapsed_h"] * HOUR,
    )
    return {"mL": drawn}


def label_volume(given: Values) -> Values:
    """The label's own decay factor stands in the concentration; a dose per kilogram is a prescription like any."""
    dose_mbq = to_mbq(given["weight_kg"] * given["kBq_per_kg"], "kBq")
    drawn = volume_to_draw_ml(
        dose_mbq,
        concentration_mbq_per_ml=to_mbq(given["kBq_per_mL"], "kBq") * given["decay_factor"],
        half_life_s=NUCLIDES["Ra-223"].half_life_s,
        reference_at=REFERENCE,
        at=REFERENCE,
    )
    return {"mL": drawn, "dose_kBq": dose_mbq * 1000}


def leaving_activity(given: Values) -> Values:
    later = REFERENCE + given["elapsed_h"] * HOUR
    half_life_s = given["half_life_d"] * DAY_S
    return {
        "GBq": activity_at(given["target_GBq"], half_life_s=half_life_s, reference_at=later, at=REFERENCE)
    }


def generator(given: Values) -> Values:
    agent = product(
        form="generator", nuclide="Mo-99", half_life_s=given["T_Mo_h"] * 3600, half_life_source="ICRP-107"
    )
    parent = dose(calibrated_activity_mbq=float(given["Mo99_MBq"]))
    return {"Mo99_MBq": activity_of(parent, agent, at=REFERENCE + given["elapsed_h"] * HOUR)}


def named_nuclide_only(given: Values) -> Values:
    agent = product(nuclide="Ac-225", half_life_s=864_000.0, half_life_source="ICRP-107")
    vial = dose(calibrated_activity_mbq=to_mbq(given["Ac225_kBq"], "kBq"))
    left = activity_of(vial, agent, at=REFERENCE + timedelta(seconds=given["elapsed_s"]))
    return {"Ac-225": (left or 0.0) * 1000}


def millicuries(given: Values) -> Values:
    return {"GBq": to_mbq(given["mCi"], "mCi") / 1000}


def rounded_labels(given: Values) -> Values:
    per_kg, per_ml = (to_mbq(given[name], "uCi") * 1000 for name in ("uCi_per_kg", "uCi_per_mL"))
    # 55 kBq/kg and 1100 kBq/mL are the other route of the same label.
    return {
        "kBq_per_kg": per_kg,
        "kBq_per_mL": per_ml,
        "volume_ratio_uCi_route_over_kBq_route": (per_kg / per_ml) / (55 / 1100),
    }


def label_window(given: Values) -> Values:
    agent = product(lower_tolerance=given["tol"], upper_tolerance=given["tol"])
    low, high = activity_bounds(dose(prescribed_activity_mbq=given["nominal_GBq"] * 1000), agent)
    return {"low_GBq": (low or 0.0) / 1000, "high_GBq": (high or 0.0) / 1000}


def twenty_percent(given: Values) -> Values:
    agent = product(lower_tolerance=0.2, upper_tolerance=0.2)
    prescribed = given["prescribed_GBq"] * 1000
    measured = [
        dose(prescribed_activity_mbq=prescribed, calibrated_activity_mbq=one * 1000)
        for one in given["delivered_GBq"]
    ]
    given_blocks = [in_activity_window(one, agent, at=REFERENCE) != "inside" for one in measured]
    off = [deviation(prescribed, one * 1000) for one in given["delivered_GBq"]]
    assert [needs_direction(one) for one in off] == given_blocks
    return {
        "deviation": [float(abs(one)) for one in off],
        "35_3045_activity_criterion_met": [may_be_reportable(one) for one in off],
        "35_63_blocks_use": given_blocks,
    }


def noon_to_noon(given: Values) -> Values:
    """An hour's half-life tells how many hours the decay counts between two noons."""
    plant, site = (ZoneInfo(zone) for zone in given["zones"])
    noons = [datetime.fromisoformat(f"{date}T12:00") for date in given["dates"]]
    left = [
        activity_at(
            1.0, half_life_s=3600.0, reference_at=noon.replace(tzinfo=plant), at=noon.replace(tzinfo=site)
        )
        for noon in noons
    ]
    return {"hours": [-math.log2(one) for one in left]}


def clock_change(given: Values) -> Values:
    zone = ZoneInfo(given["zone"])
    calibrated_at = datetime.fromisoformat(given["calibrated_local"]).replace(tzinfo=zone)
    agent = product(shelf_life_hours=given["shelf_life_h"])
    window = usable_window(dose(calibrated_at=calibrated_at.astimezone(UTC)), agent, site_handling_minutes=0)
    assert window.usable_until is not None
    return {
        "expiry_utc": window.usable_until.isoformat().replace("+00:00", "Z"),
        "expiry_local": window.usable_until.astimezone(zone).isoformat(),
    }


def ambiguous_hour(given: Values) -> Values:
    local = datetime.fromisoformat(given["local"]).replace(tzinfo=ZoneInfo(given["zone"]))
    first, second = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    ratio = activity_at(1.0, half_life_s=6586.2, reference_at=first, at=second)  # F-18, ICRP-107
    return {
        "utc_candidates": [one.isoformat().replace("+00:00", "Z") for one in (first, second)],
        "F18_activity_ratio_between_candidates": ratio,
    }


def expiry(given: Values) -> Values:
    agent = product(
        half_life_s=given["half_life_d"] * DAY_S,
        half_life_source="ICRP-107",
        shelf_life_hours=given["shelf_life_h"],
    )
    vial = dose(
        calibrated_activity_mbq=given["A0_GBq"] * 1000,
        calibrated_at=datetime.fromisoformat(given["calibrated"]),
        prescribed_min_mbq=given["floor_GBq"] * 1000,
        prescribed_max_mbq=given["A0_GBq"] * 1000,
    )
    window = usable_window(vial, agent, site_handling_minutes=0)
    spare = usable_window(dose(calibrated_at=vial.calibrated_at), agent, site_handling_minutes=0)
    assert window.usable_until is not None
    assert spare.usable_until is not None
    return {
        "label_expiry": spare.usable_until.isoformat(),
        "floor_reached_after_h": (window.usable_until - REFERENCE) / HOUR,
        "binding": window.binding_limit,
        "usable_until_to_second": window.usable_until.replace(microsecond=0).isoformat(),
    }


def latest_arrival(given: Values) -> Values:
    agent = product(
        nuclide=None,
        form="kit",
        administration_minutes=given["infusion_min"],
        bound_applies="end",
        handling_minutes=given["prep_min"],
    )
    kit = dose(calibrated_at=None, expires_at=datetime.fromisoformat(given["usable_until"]))
    bound = usable_window(kit, agent, site_handling_minutes=10).latest_useful_arrival_at
    return {"latest_arrival": bound.isoformat() if bound else None}


def shares_of_a2(given: Values) -> Values:
    """The nuclides' A2 are the service's own; a share of them is what a consignor asks about."""
    shares = []
    for item in given["items"]:
        a2_tbq = NUCLIDES[item["nuclide"]].a2_tbq or 0.0
        assert a2_tbq == item["A2_TBq"]
        shares.append(item["Bq"] / (a2_tbq * 1e12))
    return {"fraction_of_A2": shares}


CALCULATIONS: dict[str, Callable[[Values], Values]] = {
    **dict.fromkeys(("DEC-02", "DEC-03", "DEC-05", "DEC-06", "DEC-08", "DEC-11"), decay),
    "DEC-12": half_life_source,
    "DEC-13": uncertainty,
    "TTT-02": threshold,
    "TTT-03": threshold,
    "TTT-05": late_generators,
    "VOL-03": volume,
    "VOL-04": label_volume,
    "VOL-05": volume,
    "VOL-06": leaving_activity,
    "CHN-01": generator,
    "CHN-02": generator,
    "CHN-05": named_nuclide_only,
    "CHN-06": named_nuclide_only,
    "UNI-01": millicuries,
    "UNI-02": rounded_labels,
    "TRN-04": shares_of_a2,
    "TRN-05": transport_limits,
    "TOL-01": label_window,
    "TOL-02": twenty_percent,
    "TZ-01": noon_to_noon,
    "TZ-02": clock_change,
    "TZ-03": ambiguous_hour,
    "EXP-01": expiry,
    "EXP-03": latest_arrival,
}
IN_API = {"TRN-07": "tests/api/test_days_forms.py: the declared activity stands beside the decayed one"}


def close(value: Any, expected: Any, tolerance: Values) -> bool:
    """Compare within the case's tolerance; words and instants exactly, instants to the second where it says so."""
    if isinstance(expected, list):
        return len(value) == len(expected) and all(
            close(*pair, tolerance) for pair in zip(value, expected, strict=True)
        )
    if isinstance(expected, bool) or not isinstance(expected, (int, float)):
        return bool(value == expected)
    absolute = next((bound for name, bound in tolerance.items() if name.startswith("abs")), 0.0)
    if "abs_s" in tolerance:
        absolute = tolerance["abs_s"] / 3600
    return bool(value == pytest.approx(expected, rel=tolerance.get("rel", 0.0), abs=absolute))


@pytest.mark.parametrize("case_id", sorted(CALCULATIONS))
def test_a_worked_case(case_id: str) -> None:
    case = CASES[case_id]
    wanted = {name: one for name, one in case["expected"].items() if name not in NOT_TOLD.get(case_id, {})}

    computed = CALCULATIONS[case_id](case["input"])

    assert computed.keys() == wanted.keys()
    off = {
        name: computed[name] for name in wanted if not close(computed[name], wanted[name], case["tolerance"])
    }
    assert off == {}, f"{case['title']}: {wanted}; source: {case['source']}"


def test_every_case_is_computed_or_has_its_reason() -> None:
    told = [set(CALCULATIONS), set(UNUSED), set(IN_API), TEMPERATURE]

    assert len(CASES) == 44
    assert set().union(*told) == set(CASES)
    assert sum(len(one) for one in told) == len(CASES)
    assert all(case["source"] and case["expected"] for case in CASES.values())
