"""Papers that contradict each other are told, in words; nothing is decided."""

from typing import Any

import pytest

from app.domain.package_remarks import least_category, package_remarks
from app.domain.shipment import Package
from tests.domain.made import a_dose, a_product, a_shipment


def remarks(*, product: Any = None, doses: Any = None, **papers: Any) -> tuple[str, ...]:
    return package_remarks(
        a_shipment(package=Package(**papers), product=product or a_product(), doses=doses or (a_dose(),))
    )


@pytest.mark.parametrize(
    ("index", "category"),
    [
        (0.0, "I-WHITE"),
        (0.05, "I-WHITE"),
        (0.1, "II-YELLOW"),
        (1.0, "II-YELLOW"),
        (1.1, "III-YELLOW"),
        (10.1, "III-YELLOW"),
    ],
)
def test_the_transport_index_asks_for_a_label(index: float, category: str) -> None:
    """Rows of TRN-01 of the worked cases in which the surface asks for no more (49 CFR 172.403)."""
    assert least_category(index) == category


@pytest.mark.parametrize(
    ("index", "category", "told"),
    [
        (0.4, "II-YELLOW", 0),
        (0.4, "III-YELLOW", 0),
        (0.4, "I-WHITE", 1),
        (1.1, "II-YELLOW", 1),
        (10.1, "III-YELLOW", 1),
    ],
)
def test_a_label_below_its_index_is_told_and_one_above_is_not(index: float, category: str, told: int) -> None:
    assert len(remarks(transport_index=index, label_category=category)) == told


def test_the_declared_activity_is_the_maximum_in_transport() -> None:
    # 7400 MBq at 00:00, planned departure at 10:00: 7400 * 2 ** (-10 / 159.4632) MBq of Lu-177 (6.6443 d).
    assert remarks(declared_activity_mbq=7086.0) == ()
    (told,) = remarks(declared_activity_mbq=7000.0)
    assert told.startswith("the label declares 7000 MBq, and the doses hold 7085.")


@pytest.mark.parametrize(
    ("nuclide", "declared", "told"),
    # TRN-04: Ac-225 7 GBq exceeds A2 (0.006 TBq); 10 MBq and 8.9 GBq of Lu-177 (0.7 TBq) do not.
    [("Ac-225", 7000.0, True), ("Ac-225", 6000.0, False), ("Ac-225", 10.0, False), ("Lu-177", 8900.0, False)],
)
def test_more_than_a2_does_not_go_as_type_a(nuclide: str, declared: float, told: bool) -> None:
    small = (a_dose(calibrated_activity_mbq=5.0),)

    found = remarks(
        product=a_product(nuclide=nuclide), doses=small, declared_activity_mbq=declared, un_number="UN2915"
    )

    assert bool(found) == told


def test_without_papers_nothing_is_said() -> None:
    assert package_remarks(a_shipment()) == ()
    assert remarks() == ()
