"""When a dose may be given: forms of products, what opens and what ends the window, and what is left in a vial."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.bedside import Draw
from app.domain.draws import fraction_left, volume_left_ml
from app.domain.shipment import Dose, Product, ProductClock
from app.domain.window import activity_of, draw_volume_ml, in_activity_window, usable_window

REFERENCE = datetime(2025, 5, 5, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def product(**fields: object) -> Product:
    return Product(**{"id": "p", "version": 1, "name": "agent", "nuclide": "Lu-177"} | fields)  # type: ignore[arg-type]


def dose(**fields: object) -> Dose:
    return Dose(**{"id": "d", "reference": "D1", "calibrated_at": REFERENCE} | fields)  # type: ignore[arg-type]


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


def test_a_known_concentration_alone_does_not_allow_drawing() -> None:
    agent = product(concentration_mbq_per_ml=370.0)
    given = dose(calibrated_activity_mbq=8880.0, prescribed_activity_mbq=7400.0, volume_ml=24.0)

    assert draw_volume_ml(given, agent, at=REFERENCE) is None
    assert in_activity_window(given, agent, at=REFERENCE) == "above"


TWO_CLOCKS = (
    ProductClock(name="label", hours=12, starts="calibration"),
    ProductClock(name="after puncture", hours=8, starts="first_puncture"),
)


@pytest.mark.parametrize(
    ("punctured_after_h", "ends_after_h", "limit"),
    [(None, 12, "clock:label"), (2, 10, "clock:after puncture"), (6, 12, "clock:label")],
)
def test_of_two_clocks_the_first_to_run_out_binds(
    punctured_after_h: int | None, ends_after_h: int, limit: str
) -> None:
    punctured_at = None if punctured_after_h is None else REFERENCE + punctured_after_h * HOUR

    window = usable_window(
        dose(calibrated_activity_mbq=1.0),
        product(clocks=TWO_CLOCKS),
        site_handling_minutes=0,
        first_punctured_at=punctured_at,
    )

    assert (window.usable_until, window.binding_limit) == (REFERENCE + ends_after_h * HOUR, limit)


@pytest.mark.parametrize(
    ("starts", "kind", "said"),
    [
        ("calibration", "calibration", None),
        ("calibration", "reference", None),
        ("end_of_synthesis", "end_of_synthesis", None),
        ("end_of_synthesis", "calibration", "its shelf life counts from end of synthesis, which is not known: "
         "counted from its calibration, so it may end sooner than said here"),
        ("calibration", "end_of_synthesis", "its shelf life counts from calibration, which is not known: "
         "counted from its end of synthesis, so it may last longer than said here"),
    ],
)  # fmt: skip
def test_a_shelf_life_counted_from_another_instant_says_so(starts: str, kind: str, said: str | None) -> None:
    agent = product(shelf_life_hours=10, shelf_life_from=starts)

    window = usable_window(dose(reference_kind=kind), agent, site_handling_minutes=0)

    assert window.usable_until == REFERENCE + 10 * HOUR
    assert window.caveats == ((said,) if said else ())


def test_what_would_only_last_longer_is_said_only_where_it_binds() -> None:
    agent = product(shelf_life_hours=10)
    bound = REFERENCE + 5 * HOUR

    window = usable_window(
        dose(reference_kind="end_of_synthesis", expires_at=bound), agent, site_handling_minutes=0
    )

    assert (window.binding_limit, window.caveats) == ("label_expiry", ())


@pytest.mark.parametrize(("applies", "ends_after_h"), [("start", 10.0), ("end", 9.5)])
def test_a_bound_holds_for_the_start_or_the_end_of_the_administration(
    applies: str, ends_after_h: float
) -> None:
    agent = product(shelf_life_hours=10, administration_minutes=30, bound_applies=applies)

    window = usable_window(dose(), agent, site_handling_minutes=60)

    assert window.usable_until == REFERENCE + ends_after_h * HOUR
    assert window.latest_useful_arrival_at == REFERENCE + (ends_after_h - 1) * HOUR


def test_a_range_is_a_prescription_of_its_own() -> None:
    given = dose(calibrated_activity_mbq=200.0, prescribed_min_mbq=100.0, prescribed_max_mbq=150.0)
    half_life = timedelta(seconds=574_067.52)  # Lu-177, ENSDF

    window = usable_window(given, product(), site_handling_minutes=0)

    assert (window.floor_mbq, window.ceiling_mbq) == (100.0, 150.0)
    assert window.usable_until is not None
    assert abs(window.usable_until - (REFERENCE + half_life)) < timedelta(milliseconds=1)


@pytest.mark.parametrize("tolerance", [0.05, 0.10, 0.20])
@pytest.mark.parametrize("prescribed", [1850.0, 5550.0, 7400.0, 9250.0, 11100.0])
def test_exactly_at_a_tolerance_is_inside_for_every_cohort(tolerance: float, prescribed: float) -> None:
    agent = product(lower_tolerance=tolerance, upper_tolerance=tolerance)
    percent = round(100 * tolerance)
    low, high = prescribed * (100 - percent) / 100, prescribed * (100 + percent) / 100

    def judged(activity_mbq: float) -> str | None:
        given = dose(calibrated_activity_mbq=activity_mbq, prescribed_activity_mbq=prescribed)
        return in_activity_window(given, agent, at=REFERENCE)

    assert (judged(low), judged(high)) == ("inside", "inside")
    assert (judged(low - 0.01), judged(high + 0.01)) == ("below", "above")


VIAL = product(form="multidose_vial", draw="by_volume", concentration_mbq_per_ml=1000.0, nuclide="F-18")
FDG = dose(calibrated_activity_mbq=10_000.0, volume_ml=10.0, prescribed_activity_mbq=370.0)
F18_MINUTES = 109.77  # half-life; ENSDF


def test_a_vial_gets_emptier_with_each_patient() -> None:
    half_life = timedelta(minutes=F18_MINUTES)
    # 370 MBq is 0.37 mL at the reference, and twice that a half-life later; the third draw is the prescription.
    draws = [
        Draw(activity_mbq=370.0, drawn_at=REFERENCE),
        Draw(activity_mbq=370.0, drawn_at=REFERENCE + half_life),
        Draw(activity_mbq=None, drawn_at=REFERENCE + 2 * half_life),
    ]

    left = [volume_left_ml(FDG, VIAL, draws[:count]) for count in range(4)]

    assert left == pytest.approx([10.0, 9.63, 8.89, 7.41], abs=1e-3)


def test_a_vial_cannot_be_emptier_than_empty_and_a_unit_dose_is_not_drawn_from() -> None:
    everything = [Draw(activity_mbq=20_000.0, drawn_at=REFERENCE)]

    assert volume_left_ml(FDG, VIAL, everything) == 0.0
    assert fraction_left(FDG, product(draw="by_volume", nuclide="F-18"), everything) == 1.0
    assert volume_left_ml(FDG, product(), everything) is None
