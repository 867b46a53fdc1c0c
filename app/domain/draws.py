"""What is left in a vial that serves several patients."""

from collections.abc import Iterable

from app.domain.bedside import Draw
from app.domain.decay import activity_at
from app.domain.nuclides import half_life_of
from app.domain.shipment import Dose, Product
from app.domain.window import held_mbq


def fraction_left(dose: Dose, product: Product, draws: Iterable[Draw]) -> float:
    """Return which part of the container's content is left after these draws, from 1 down to 0.

    Only a multi-dose vial is drawn from by and by; anything else is whole until it is given. A draw of which nobody
    said how much counts as the prescription; one of an unknown amount from a vial without prescription is not counted.
    """
    half_life, held = half_life_of(product), held_mbq(dose, product)
    if product.form != "multidose_vial" or half_life is None or not held or dose.calibrated_at is None:
        return 1.0
    prescribed_mbq = dose.prescribed_activity_mbq or dose.prescribed_min_mbq or 0.0
    taken_mbq = sum(
        activity_at(
            prescribed_mbq if draw.activity_mbq is None else draw.activity_mbq,
            half_life_s=half_life.value_s,
            reference_at=draw.drawn_at,
            at=dose.calibrated_at,
        )
        for draw in draws
        if draw.activity_mbq != 0
    )
    return min(max(1.0 - taken_mbq / held, 0.0), 1.0)


def volume_left_ml(dose: Dose, product: Product, draws: Iterable[Draw]) -> float | None:
    """Return the volume left in a container whose volume is known and that is drawn by volume."""
    if product.draw != "by_volume" or dose.volume_ml is None:
        return None
    return dose.volume_ml * fraction_left(dose, product, draws)
