"""When a dose is usable: activity window, label expiry, shelf life and the product's clocks together.

All bounds are bounds on the *start* of the administration: a product whose bound applies at the end has its
administration minutes taken off. Exactly at a bound is inside.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal

from app.domain.decay import activity_at, decayed_to, volume_to_draw_ml
from app.domain.nuclides import half_life_of
from app.domain.references import counted_otherwise
from app.domain.shipment import Dose, Product
from app.domain.units import exact

Bound = tuple[datetime, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsableWindow:
    """First and last instant at which administration may start; None: nothing bounds that side.

    An empty window has `usable_from` after `usable_until`. `latest_useful_arrival_at` and `required_arrival_at`
    are the arrivals that still leave the handling time, for the dose and for the patient's slot. `caveats` say in
    words what the bounds rest on where the plan does not give the instant that they count from.
    """

    usable_from: datetime | None
    usable_until: datetime | None
    opening_limit: str | None
    binding_limit: str | None
    latest_useful_arrival_at: datetime | None
    required_arrival_at: datetime | None
    floor_mbq: float | None
    ceiling_mbq: float | None
    caveats: tuple[str, ...] = ()


def activity_bounds(dose: Dose, product: Product) -> tuple[float | None, float | None]:
    """Return the least and the greatest activity that the prescription allows at administration, in MBq.

    Both None for a spare. A `by_volume` product has no ceiling, for it is drawn to the prescription; its floor is
    what the vial must still hold. Tolerances are applied to the decimal numbers as written, so that 0.9 of 7400 is
    6660 and nothing beside it.
    """
    if dose.prescribed_min_mbq is not None:
        ceiling = None if product.draw == "by_volume" else dose.prescribed_max_mbq
        return dose.prescribed_min_mbq, ceiling
    if dose.prescribed_activity_mbq is None:
        return None, None
    if product.draw == "by_volume":
        return dose.prescribed_activity_mbq, None
    return _tolerated(dose.prescribed_activity_mbq, product.lower_tolerance, product.upper_tolerance)


@lru_cache(maxsize=4096)
def _tolerated(prescribed_mbq: float, lower: float, upper: float | None) -> tuple[float, float | None]:
    prescribed = exact(prescribed_mbq)
    floor = float(prescribed * (1 - exact(lower)))
    return floor, None if upper is None else float(prescribed * (1 + exact(upper)))


def activity_of(dose: Dose, product: Product, *, at: datetime) -> float | None:
    """Return the container's decayed activity at `at` in MBq.

    None for a kit, and so long before calibration that no number can hold it.
    """
    half_life = half_life_of(product)
    if half_life is None or dose.calibrated_activity_mbq is None or dose.calibrated_at is None:
        return None
    return _finite(
        activity_at(
            dose.calibrated_activity_mbq,
            half_life_s=half_life.value_s,
            reference_at=dose.calibrated_at,
            at=at,
        )
    )


def draw_volume_ml(dose: Dose, product: Product, *, at: datetime) -> float | None:
    """Return the volume that holds the prescription at `at`, though the vial may hold less.

    None unless the product is drawn by volume, and once so little is left that no volume holds it.
    """
    half_life, concentration = half_life_of(product), _concentration(dose, product)
    prescribed_mbq = dose.prescribed_activity_mbq or dose.prescribed_min_mbq
    if product.draw != "by_volume" or half_life is None or dose.calibrated_at is None:
        return None
    if concentration is None or prescribed_mbq is None:
        return None
    return _finite(
        volume_to_draw_ml(
            prescribed_mbq,
            concentration_mbq_per_ml=concentration,
            half_life_s=half_life.value_s,
            reference_at=dose.calibrated_at,
            at=at,
        )
    )


def in_activity_window(
    dose: Dose, product: Product, *, at: datetime
) -> Literal["inside", "below", "above"] | None:
    """Judge an administration that starts at `at`; None where there is no activity window.

    It compares instants, not activities, so that it never contradicts the ends that `usable_window` tells.
    """
    floor_mbq, ceiling_mbq = activity_bounds(dose, product)
    if floor_mbq is None or half_life_of(product) is None or held_mbq(dose, product) is None:
        return None
    opens_at, ends_at = _level_at(dose, product, ceiling_mbq), _level_at(dose, product, floor_mbq)
    if opens_at is not None and at < opens_at:
        return "above"
    return "below" if ends_at is not None and at > ends_at else "inside"


def usable_window(
    dose: Dose,
    product: Product,
    *,
    site_handling_minutes: float,
    first_punctured_at: datetime | None = None,
) -> UsableWindow:
    """Return the dose's usable window, and which limit opens and which ends it."""
    floor_mbq, ceiling_mbq = activity_bounds(dose, product)
    ends = [*_activity_end(dose, product, floor_mbq), *_clock_ends(dose, product, first_punctured_at)]
    end = min(ends, default=None)
    usable_from = _level_at(dose, product, ceiling_mbq)
    own_minutes = product.handling_minutes
    handling = timedelta(minutes=site_handling_minutes if own_minutes is None else own_minutes)
    return UsableWindow(
        usable_from=usable_from,
        usable_until=end[0] if end else None,
        opening_limit="activity_ceiling" if usable_from else None,
        binding_limit=end[1] if end else None,
        latest_useful_arrival_at=end[0] - handling if end else None,
        required_arrival_at=dose.administer_at - handling if dose.administer_at else None,
        floor_mbq=floor_mbq,
        ceiling_mbq=ceiling_mbq,
        caveats=counted_otherwise(dose, product, binding_limit=end[1] if end else None),
    )


def _activity_end(dose: Dose, product: Product, floor_mbq: float | None) -> list[Bound]:
    floor_at = _level_at(dose, product, floor_mbq)
    return [(floor_at, "activity_floor")] if floor_at else []


def _level_at(dose: Dose, product: Product, level_mbq: float | None) -> datetime | None:
    """Return the start of the administration that meets the level exactly; None where nothing has to be met."""
    if level_mbq is None or level_mbq <= 0:
        return None
    half_life, held = half_life_of(product), held_mbq(dose, product)
    if half_life is None or held is None or dose.calibrated_at is None:
        return None
    met_at = decayed_to(held, level_mbq, half_life_s=half_life.value_s, reference_at=dose.calibrated_at)
    return met_at - _lag(product)


def _clock_ends(dose: Dose, product: Product, first_punctured_at: datetime | None) -> list[Bound]:
    """Return what ends by the clock.

    Shelf life and clocks run from the dose's reference instant, whatever its kind: it is the only one that is given.
    Where its kind is not the one they start from, `references` says so in words. The clock from first puncture runs
    only once the puncture is known.
    """
    lag = _lag(product)
    ends: list[Bound] = [(dose.expires_at - lag, "label_expiry")] if dose.expires_at else []
    if product.shelf_life_hours is not None and dose.calibrated_at is not None:
        ends.append((dose.calibrated_at + timedelta(hours=product.shelf_life_hours) - lag, "shelf_life"))
    for clock in product.clocks:
        starts_at = first_punctured_at if clock.starts == "first_puncture" else dose.calibrated_at
        if starts_at is not None:
            ends.append((starts_at + timedelta(hours=clock.hours) - lag, f"clock:{clock.name}"))
    return ends


def held_mbq(dose: Dose, product: Product) -> float | None:
    """Return what could be given at the reference instant: the activity, or what the volume holds if it is drawn."""
    concentration = _concentration(dose, product)
    if dose.calibrated_at is None:
        return None
    if product.draw == "by_volume" and concentration is not None and dose.volume_ml is not None:
        return concentration * dose.volume_ml
    return dose.calibrated_activity_mbq


def _concentration(dose: Dose, product: Product) -> float | None:
    if product.concentration_mbq_per_ml is not None:
        return product.concentration_mbq_per_ml
    if dose.calibrated_activity_mbq is None or not dose.volume_ml:
        return None
    return dose.calibrated_activity_mbq / dose.volume_ml


def _lag(product: Product) -> timedelta:
    """Return how long after the start of the administration its bounds are judged."""
    return timedelta(minutes=product.administration_minutes if product.bound_applies == "end" else 0.0)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
