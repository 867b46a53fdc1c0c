"""The worked cases that the spine's parts express, by their id; numbers and sources as they were handed down.

Half-lives are the case's own, so that the arithmetic is judged and not the choice of evaluation.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.domain.decay import activity_at, decayed_to, relative_uncertainty, volume_to_draw_ml
from app.domain.nuclides import NUCLIDES
from app.domain.shipment import Dose, Product
from app.domain.units import to_mbq
from app.domain.window import activity_bounds, activity_of, in_activity_window, usable_window

REFERENCE = datetime(2025, 5, 5, 8, tzinfo=UTC)
LU_ICRP_S, LU_ENSDF_S = 574_300.8, 574_067.52
HOUR = timedelta(hours=1)


def product(**fields: object) -> Product:
    return Product(**{"id": "p", "version": 1, "name": "agent", "nuclide": "Lu-177"} | fields)  # type: ignore[arg-type]


def dose(**fields: object) -> Dose:
    return Dose(**{"id": "d", "reference": "D1", "calibrated_at": REFERENCE} | fields)  # type: ignore[arg-type]


DECAYS = [
    # Ph. Eur. 0125 (04/2023) gives the formula; values by mpmath, equal to radioactivedecay 0.6.1 to 1e-9.
    ("DEC-02", LU_ICRP_S, 259_200.0, 7400, 5412.12005727),
    ("DEC-03", LU_ENSDF_S, 259_200.0, 7400, 5411.43207795),
    ("DEC-05", 21_654.0, 21_600.0, 740, 370.640115312),
    ("DEC-06", 4062.6, 14_400.0, 1369, 117.325971529),
    ("DEC-08", 230_760.0, 86_400.0, 1200, 925.701798002),
    ("DEC-11 before calibration, never clamped", LU_ICRP_S, -86_400.0, 7400, 8213.34033453),
]


@pytest.mark.parametrize(
    ("half_life_s", "elapsed_s", "start", "left"), [row[1:] for row in DECAYS], ids=[row[0] for row in DECAYS]
)
def test_decay(half_life_s: float, elapsed_s: float, start: float, left: float) -> None:
    at = REFERENCE + timedelta(seconds=elapsed_s)

    assert activity_at(start, half_life_s=half_life_s, reference_at=REFERENCE, at=at) == pytest.approx(
        left, rel=1e-9
    )


def test_dec_12_the_choice_of_half_life_is_worth_1e_4() -> None:
    at = REFERENCE + 72 * HOUR
    one, other = (
        activity_at(1.0, half_life_s=half_life_s, reference_at=REFERENCE, at=at)
        for half_life_s in (LU_ICRP_S, LU_ENSDF_S)
    )

    assert one / other - 1 == pytest.approx(0.00012713443, rel=1e-6)


def test_dec_13_the_half_lifes_uncertainty_reaches_the_activity() -> None:
    day_s = 86_400
    ac = NUCLIDES["Ac-225"]

    u = relative_uncertainty(
        elapsed_s=5 * day_s, half_life_s=ac.half_life_s, half_life_uncertainty_s=ac.half_life_uncertainty_s
    )

    assert u == pytest.approx(0.003465735903, rel=1e-9)


@pytest.mark.parametrize(
    ("start", "level", "half_life_s", "hours"),
    [
        pytest.param(7.4, 5.92, LU_ICRP_S, 51.3565451212, id="TTT-02"),
        pytest.param(7.4, 3.7, LU_ICRP_S, 159.528, id="TTT-03"),
        pytest.param(840, 500, 65.94 * 3600, 49.3535337043, id="TTT-05"),
        pytest.param(8900, 70, LU_ICRP_S, 46.4645679954 * 24, id="TRN-05 to the excepted liquid limit"),
        pytest.param(8900, 10, LU_ICRP_S, 65.1250561623 * 24, id="TRN-05 to the exempt consignment limit"),
    ],
)
def test_time_to_an_activity(start: float, level: float, half_life_s: float, hours: float) -> None:
    reached_at = decayed_to(start, level, half_life_s=half_life_s, reference_at=REFERENCE)

    assert reached_at is not None
    assert (reached_at - REFERENCE) / HOUR == pytest.approx(hours, abs=1e-6)


@pytest.mark.parametrize(
    ("wanted", "concentration", "elapsed_h", "half_life_s", "volume_ml"),
    [
        pytest.param(7400, 370, 24, LU_ICRP_S, 22.1982171204, id="VOL-03"),
        pytest.param(370, 1000, 3, 109.77 * 60, 1.15299756711, id="VOL-05"),
        # US label of Xofigo: the label's own decay factor of 0.819 stands in the concentration.
        pytest.param(70 * 0.055, 1.1 * 0.819, 0, LU_ICRP_S, 4.2735042735, id="VOL-04"),
    ],
)
def test_volume_to_draw(
    wanted: float, concentration: float, elapsed_h: float, half_life_s: float, volume_ml: float
) -> None:
    drawn_ml = volume_to_draw_ml(
        wanted,
        concentration_mbq_per_ml=concentration,
        half_life_s=half_life_s,
        reference_at=REFERENCE,
        at=REFERENCE + elapsed_h * HOUR,
    )

    assert drawn_ml == pytest.approx(volume_ml, rel=1e-9)


def test_vol_06_what_must_leave_the_plant() -> None:
    needed = activity_at(7.4, half_life_s=LU_ICRP_S, reference_at=REFERENCE + 38 * HOUR, at=REFERENCE)

    assert needed == pytest.approx(8.72846504172, rel=1e-9)


@pytest.mark.parametrize(
    ("value", "unit", "mbq"),
    [pytest.param(200, "mCi", 7400, id="UNI-01"), pytest.param(1.49, "uCi", 0.05513, id="UNI-02")],
)
def test_units(value: float, unit: str, mbq: float) -> None:
    assert to_mbq(value, unit) == pytest.approx(mbq, rel=1e-12)


def test_tol_01_ten_percent_on_a_label_activity() -> None:
    floor, ceiling = activity_bounds(dose(prescribed_activity_mbq=7400.0), product())

    assert (floor, ceiling) == (6660.0, 8140.0)


@pytest.mark.parametrize(
    ("delivered", "judged"),
    [(5920.0, "inside"), (5910.0, "below"), (8880.0, "inside"), (8890.0, "above"), (6000.0, "inside")],
    ids=lambda value: f"TOL-02 {value}",
)
def test_exactly_at_twenty_percent_is_inside(delivered: float, judged: str) -> None:
    given = dose(prescribed_activity_mbq=7400.0, calibrated_activity_mbq=delivered)
    agent = product(lower_tolerance=0.2, upper_tolerance=0.2)

    assert in_activity_window(given, agent, at=REFERENCE) == judged


@pytest.mark.parametrize(
    ("date", "hours"), [("2025-01-15", 7.0), ("2025-03-15", 6.0)], ids=lambda value: f"TZ-01 {value}"
)
def test_a_label_that_hard_codes_hours_between_zones_is_wrong_in_spring(date: str, hours: float) -> None:
    plant = datetime.fromisoformat(f"{date}T12:00").replace(tzinfo=ZoneInfo("Europe/Oslo")).astimezone(UTC)
    site = datetime.fromisoformat(f"{date}T12:00").replace(tzinfo=ZoneInfo("America/Chicago")).astimezone(UTC)
    half_life_s = NUCLIDES["F-18"].half_life_s

    factor = activity_at(1.0, half_life_s=half_life_s, reference_at=plant, at=site)

    assert factor == pytest.approx(2 ** (-hours * 3600 / half_life_s))


def test_tz_02_a_shelf_life_counts_elapsed_hours_across_a_clock_change() -> None:
    calibrated_at = datetime(2025, 3, 29, 18, tzinfo=ZoneInfo("Europe/Rome")).astimezone(UTC)

    window = usable_window(
        dose(calibrated_at=calibrated_at), product(shelf_life_hours=72), site_handling_minutes=0
    )

    assert window.usable_until == datetime(2025, 4, 1, 17, tzinfo=UTC)


def test_tz_03_the_two_readings_of_an_ambiguous_hour_are_a_third_of_an_f18_dose_apart() -> None:
    first, second = datetime(2025, 10, 26, 0, 30, tzinfo=UTC), datetime(2025, 10, 26, 1, 30, tzinfo=UTC)

    ratio = activity_at(1.0, half_life_s=6586.2, reference_at=first, at=second)

    assert ratio == pytest.approx(0.684632919572, rel=1e-9)


def test_exp_01_the_activity_floor_comes_before_the_shelf_life() -> None:
    agent = product(half_life_s=6.647 * 86_400, half_life_source="ICRP-107", shelf_life_hours=72)
    given = dose(calibrated_activity_mbq=9000.0, prescribed_activity_mbq=7400.0)

    window = usable_window(given, agent, site_handling_minutes=0)

    assert window.binding_limit == "activity_floor"
    assert window.usable_until is not None
    assert abs(window.usable_until - datetime(2025, 5, 8, 5, 17, 57, tzinfo=UTC)) < timedelta(seconds=1)


def test_exp_03_handling_and_an_infusion_that_must_end_in_time() -> None:
    agent = product(
        nuclide=None, form="kit", administration_minutes=30, bound_applies="end", handling_minutes=90
    )
    given = dose(calibrated_at=None, expires_at=datetime(2025, 5, 8, 8, tzinfo=UTC))

    window = usable_window(given, agent, site_handling_minutes=10)

    assert window.latest_useful_arrival_at == datetime(2025, 5, 8, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("nuclide", "prescribed", "span_h"),
    [pytest.param("Lu-177", 7400.0, 46.2, id="Lu-177"), pytest.param("F-18", 370.0, 31.8 / 60, id="F-18")],
)
def test_the_window_of_ten_percent_has_two_ends(nuclide: str, prescribed: float, span_h: float) -> None:
    """Domain rule: a ±10 % Lu-177 vial is in range for 46.2 h only, an F-18 one for 31.8 minutes."""
    given = dose(calibrated_activity_mbq=1.2 * prescribed, prescribed_activity_mbq=prescribed)

    window = usable_window(given, product(nuclide=nuclide), site_handling_minutes=0)

    assert window.usable_from is not None
    assert window.usable_until is not None
    assert (window.opening_limit, window.binding_limit) == ("activity_ceiling", "activity_floor")
    assert (window.usable_until - window.usable_from) / HOUR == pytest.approx(span_h, abs=0.05)
    for bound in (window.usable_from, window.usable_until):
        assert in_activity_window(given, product(nuclide=nuclide), at=bound) == "inside"


def test_a_drawn_product_has_no_ceiling_and_lasts_while_the_vial_holds_enough() -> None:
    agent = product(draw="by_volume", concentration_mbq_per_ml=370.0)
    given = dose(calibrated_activity_mbq=8880.0, prescribed_activity_mbq=7400.0, volume_ml=24.0)

    window = usable_window(given, agent, site_handling_minutes=0)

    held = activity_of(given, agent, at=window.usable_until or REFERENCE)
    assert window.usable_from is None
    assert held == pytest.approx(7400.0)


def test_a_spare_has_no_activity_window() -> None:
    window = usable_window(dose(calibrated_activity_mbq=9000.0), product(), site_handling_minutes=0)

    assert (window.usable_from, window.usable_until) == (None, None)
