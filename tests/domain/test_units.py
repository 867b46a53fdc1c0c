"""The curie's definition, and the slips between its family and the becquerel's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.units import MBQ_PER, to_mbq, unit_slip

LUTETIUM = {"usual_min_mbq": 5000.0, "usual_max_mbq": 12_000.0}


@pytest.mark.parametrize(
    ("value", "unit", "mbq"),
    [
        (7.4e9, "Bq", 7400.0),
        (7.4e6, "kBq", 7400.0),
        (7400, "MBq", 7400.0),
        (7.4, "GBq", 7400.0),
        (0.0074, "TBq", 7400.0),
        (200_000, "uCi", 7400.0),
        (200, "mCi", 7400.0),
        (0.2, "Ci", 7400.0),
    ],
)
def test_every_unit_converts_exactly(value: float, unit: str, mbq: float) -> None:
    assert to_mbq(value, unit) == mbq


def test_the_two_rounded_units_of_a_label_are_two_thirds_of_a_percent_apart() -> None:
    """Worked case UNI-02: the Xofigo US label prints 55 kBq/kg as 1.49 uCi/kg and 1100 kBq/mL as 30 uCi/mL."""
    curie_route = to_mbq(1.49, "uCi") / to_mbq(30, "uCi")
    becquerel_route = to_mbq(55, "kBq") / to_mbq(1100, "kBq")

    assert to_mbq(30, "uCi") == 1.11
    assert curie_route / becquerel_route == pytest.approx(0.9933333333, rel=1e-9)


@pytest.mark.parametrize(
    ("entered", "unit"),
    [
        (7.4, "GBq"),
        (200.0, "mCi"),
        (7.4e6, "kBq"),
        (7.4e9, "Bq"),
        (0.2, "Ci"),
        (200_000.0, "uCi"),
        (0.0074, "TBq"),
    ],
)
def test_a_slip_is_named_with_what_was_probably_meant(entered: float, unit: str) -> None:
    said = unit_slip(entered, **LUTETIUM)

    assert said is not None
    assert f"{unit} written as MBq" in said
    assert f"write 7400 if {unit} was meant" in said


def test_the_suggested_number_loses_no_digit() -> None:
    said = unit_slip(7.7701234, **LUTETIUM)

    assert said is not None
    assert "write 7770.1234 if GBq was meant" in said


@pytest.mark.parametrize("usual", [5000.0, 7400.0, 12_000.0], ids=["least", "within", "greatest"])
def test_the_usual_range_holds_no_slip_its_ends_included(usual: float) -> None:
    assert unit_slip(usual, **LUTETIUM) is None


@pytest.mark.parametrize("unusual", [4999.0, 12_001.0, 1850.0, 30_000.0])
def test_an_unusual_activity_that_no_slip_explains_is_not_called_one(unusual: float) -> None:
    """Cohorts of a trial differ from what is usual, 1.85 GBq for one, and that is not wrong."""
    assert unit_slip(unusual, **LUTETIUM) is None


@given(meant=st.integers(5000, 12_000), unit=st.sampled_from(["GBq", "mCi", "kBq", "Bq", "Ci", "uCi", "TBq"]))
def test_no_slip_of_a_usual_activity_goes_unnoticed(meant: int, unit: str) -> None:
    entered = float(meant / MBQ_PER[unit])

    said = unit_slip(entered, usual_min_mbq=4999.0, usual_max_mbq=12_001.0)

    assert said is not None
