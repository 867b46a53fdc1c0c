"""The site's measurement beside what decay predicts: news about the meter first, and never instead of the prediction.

Source: radionuclide calibrators read 6 % apart in the median (30 meters, Lu-177), so no reading corrects a dose here.
"""

import math
from dataclasses import dataclass

from app.domain.bedside import Assay
from app.domain.shipment import Dose, Product
from app.domain.units import exact, slipped_unit
from app.domain.window import activity_of

_SLIP_ROOM = (
    2.0  # a reading within half and double of the prediction is a reading, not another unit (convention)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A measurement and its prediction; `ratio` is measured over predicted."""

    assay: Assay
    predicted_mbq: float
    ratio: float
    beyond_tolerance: bool


def compare(dose: Dose, product: Product, assay: Assay) -> Comparison | None:
    """Return how a measurement stands to the decayed value; None where nothing can be predicted.

    A deviation of exactly the tolerance is inside, in the decimal numbers as written.
    """
    predicted_mbq = activity_of(dose, product, at=assay.measured_at)
    ratio = assay.measured_mbq / predicted_mbq if predicted_mbq else math.inf
    if not predicted_mbq or not math.isfinite(ratio):
        return None
    off = abs(exact(assay.measured_mbq) - exact(predicted_mbq))
    return Comparison(
        assay=assay,
        predicted_mbq=predicted_mbq,
        ratio=ratio,
        beyond_tolerance=off > exact(product.assay_tolerance) * exact(predicted_mbq),
    )


def assay_slip(dose: Dose, product: Product, assay: Assay) -> str | None:
    """Say which slip of units explains a reading far from the prediction; None for one that is merely off."""
    predicted_mbq = activity_of(dose, product, at=assay.measured_at)
    if not predicted_mbq:
        return None
    low_mbq, high_mbq = predicted_mbq / _SLIP_ROOM, predicted_mbq * _SLIP_ROOM
    slip = slipped_unit(assay.measured_mbq, low_mbq=low_mbq, high_mbq=high_mbq)
    if slip is None:
        return None
    unit, meant_mbq = slip
    return (
        f"looks like {unit} written as MBq: decay predicts {predicted_mbq:.6g} MBq then; "
        f"write {meant_mbq:.12g} if {unit} was meant"
    )
