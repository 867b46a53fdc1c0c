"""Half-lives are ENSDF's (NNDC, September 2023); the three-figure texts are the evaluation's own."""

import re

import pytest

from app.domain.nuclides import ENSDF, NUCLIDES, HalfLife, Nuclide, UnknownNuclide, half_life_of, nuclide
from app.domain.shipment import Product
from app.errors import Invalid

SECONDS = {
    "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "y": 365 * 86_400.0,
}  # fmt: skip
EVERY = pytest.mark.parametrize("one", NUCLIDES.values(), ids=NUCLIDES.keys())


def a_product(**fields: object) -> Product:
    return Product(**{"id": "p", "version": 1, "name": "agent", "nuclide": "Lu-177"} | fields)  # type: ignore[arg-type]


@EVERY
def test_seconds_are_those_of_the_evaluations_own_text(one: Nuclide) -> None:
    written = re.fullmatch(r"([\d.]+)\(([\d.]+)\) (\w+)", one.half_life_text)
    assert written is not None
    value, uncertainty, unit = float(written[1]), float(written[2]), SECONDS[written[3]]

    seconds = (one.half_life_s, one.half_life_uncertainty_s)

    assert seconds == pytest.approx((value * unit, uncertainty * unit), rel=1e-9)


@EVERY
def test_branches_to_the_progeny_add_up_to_one_decay(one: Nuclide) -> None:
    shares = [progeny.branching for progeny in one.progeny]

    # The table leaves out one branch: At-217's beta decay, 0.012 % of it.
    assert sum(shares) == pytest.approx(1.0, abs=1.3e-4)


@EVERY
def test_a_table_row_is_plausible(one: Nuclide) -> None:
    uncertain = one.half_life_uncertainty_s / one.half_life_s

    assert re.fullmatch(r"[A-Z][a-z]?-\d{1,3}m?", one.name)
    assert 0 < uncertain < 0.05
    assert one.source == ENSDF
    assert all(limit is None or limit > 0 for limit in (one.a1_tbq, one.a2_tbq))


@pytest.mark.parametrize(
    ("name", "half_life_s", "uncertainty_s"),
    [
        ("Lu-177", 574_067.52, 77.76),
        ("Ac-225", 864_000.0, 8640.0),
        ("Ra-223", 988_122.24, 241.92),
        ("I-131", 693_377.28, 51.84),
        ("Tc-99m", 21_625.92, 3.24),
        ("F-18", 6586.2, 3.0),
    ],
)
def test_the_common_nuclides_have_ensdfs_half_life(
    name: str, half_life_s: float, uncertainty_s: float
) -> None:
    found = nuclide(name)

    assert (found.half_life_s, found.half_life_uncertainty_s) == (half_life_s, uncertainty_s)


@pytest.mark.parametrize("name", ["", "Lu177", "lu-177", "177Lu", "Xx-999", "Lu-177 "])
def test_an_unknown_name_is_refused_with_how_to_write_one(name: str) -> None:
    with pytest.raises(UnknownNuclide, match="such as Lu-177") as refused:
        nuclide(name)

    assert isinstance(refused.value, Invalid)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        NUCLIDES["Lu-177"] = NUCLIDES["F-18"]  # type: ignore[index]


def test_a_product_decays_with_the_evaluated_half_life_and_says_so() -> None:
    used = half_life_of(a_product())

    assert used == HalfLife(value_s=574_067.52, uncertainty_s=77.76, source=ENSDF)


def test_a_products_own_half_life_comes_first_with_its_source() -> None:
    """The Xofigo label's Ra-223 has 11.43 d, ENSDF 11.4366 d."""
    label = a_product(nuclide="Ra-223", half_life_s=11.43 * 86_400, half_life_source="Xofigo label")

    used = half_life_of(label)

    assert used == HalfLife(value_s=11.43 * 86_400, uncertainty_s=None, source="Xofigo label")


def test_a_kit_has_no_half_life() -> None:
    used = half_life_of(a_product(form="kit", nuclide=None))

    assert used is None


def test_a_generator_decays_with_its_parent() -> None:
    used = half_life_of(a_product(form="generator", nuclide="Ge-68"))

    assert used is not None
    assert used.value_s == 23_410_080.0
