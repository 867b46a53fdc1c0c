"""Measure the arithmetic of arrivals, without a database: `python -m bench.arrivals`; CPU time of one core."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from app.domain.assessment import Snapshot, assess, assessing
from app.domain.custody import LegFacts, fold
from app.domain.eta import Asked, arrivals, forecast
from app.domain.lane_learning import frozen
from app.domain.lane_learning.history import Coder, LaneLeg, minutes_of
from app.domain.lane_learning.priors import new_model
from app.domain.lane_learning.replay import teach
from app.domain.lanes import PRIORS, LaneStatistics
from app.domain.shipment import Dose, Leg, Place, Product, Shipment, Site
from app.domain.side_by_side import side_by_side

DAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
AT_ONCE = 100
"""As many as the assessor claims."""


def main() -> None:
    """Print what each step costs."""
    history = made_up_history()
    learned = frozen.restored(1, frozen.whole(frozen.learn(history, until=minutes_of(DAY)), [], {}))
    for count in (1, AT_ONCE):
        _report(f"forecast, three legs, priors, {count} at once", _forecast(PRIORS, count), count)
        _report(f"forecast, three legs, learned lanes, {count} at once", _forecast(learned, count), count)
    for name, at in (
        ("a day ahead", DAY - 16 * HOUR),
        ("minutes after a departure nobody reported", DAY + 8.2 * HOUR),
        ("when silence opens an alert", _opens_at(learned)),
    ):
        _report(f"assessment, {name}, {AT_ONCE} at once", _assessment(learned, at, AT_ONCE), AT_ONCE)
    columns, model = Coder().columns(history), new_model("air")
    teach(columns, model, until=minutes_of(DAY), awaited=True)
    asked = columns.take(slice(0, 1000))
    unknown, none = np.full(1000, np.nan), np.zeros(1000)
    _report(
        "lane model, 1,000 legs at once, not departed",
        lambda: model.before_departure(asked, unknown, none, silent_minutes=15.0, when="due"),
        1000,
    )
    departed = asked.take(np.flatnonzero(~np.isnan(asked.departed)))
    _report(
        "lane model, at once, departed",
        lambda: model.running(departed, np.zeros(len(departed))),
        len(departed),
    )


def made_up_history() -> list[LaneLeg]:
    """Return a quarter's flights of a lane at all hours, with seeded delays."""
    random = np.random.default_rng(1)
    legs = []
    for number in range(6_000):
        planned_at = DAY - timedelta(minutes=20 * (6_000 - number))
        departed_at = planned_at + timedelta(minutes=int(random.normal(0, 5) + random.exponential(10)))
        arrived_at = departed_at + timedelta(minutes=90 + int(random.normal(0, 9)))
        legs.append(
            LaneLeg(
                mode="air",
                carrier="XA",
                service=f"XA{number % 72}",
                origin="MXP",
                destination="BLQ",
                planned_departure_at=planned_at,
                departed_at=departed_at,
                planned_arrival_at=planned_at + 1.5 * HOUR,
                arrived_at=arrived_at,
                outcome="arrived",
            )
        )
    return legs


def a_shipment() -> Shipment:
    """Return a plan of three legs with one dose."""
    road = {"mode": "road", "carrier": "ACME", "service": None, "waybill": None}
    air = {"mode": "air", "carrier": "XA", "service": "XA1", "waybill": None}
    ways = (
        ("PLANT", "MXP", 8, 9, road), ("MXP", "BLQ", 12, 13.5, air), ("BLQ", "SITE", 14.5, 15.5, road),
    )  # fmt: skip
    legs = tuple(
        Leg(
            number=number,
            origin=origin,
            destination=destination,
            planned_departure_at=DAY + leaves * HOUR,
            planned_arrival_at=DAY + arrives * HOUR,
            **how,  # type: ignore[arg-type]
        )
        for number, (origin, destination, leaves, arrives, how) in enumerate(ways, start=1)
    )
    site = Site(
        id="s", code="SITE", name="Site", lat=44.5, lon=11.3, timezone="Europe/Rome", handling_minutes=60
    )
    dose = Dose(
        id="d", reference="D1", calibrated_activity_mbq=7400.0, calibrated_at=DAY, expires_at=DAY + 20 * HOUR
    )
    return Shipment(
        id="x",
        organisation_id="o",
        reference="R",
        study=None,
        consignment=None,
        plan_version=1,
        registered_at=DAY - 48 * HOUR,
        product=Product(id="p", version=1, name="Lu", nuclide="Lu-177"),
        site=site,
        origin=Place(code="PLANT", lat=45.0, lon=9.0),
        package=None,
        doses=(dose,),
        legs=legs,
    )


def _forecast(lanes: LaneStatistics, count: int) -> Callable[[], object]:
    shipment = a_shipment()
    journey = fold(shipment, (), at=DAY)
    assert journey.legs[0] == LegFacts(number=1)
    made = forecast(shipment, journey, lanes)
    asked = [Asked(made, DAY + 8.5 * HOUR + number * timedelta(seconds=1)) for number in range(count)]
    return lambda: arrivals(asked)


def _opens_at(lanes: LaneStatistics) -> datetime:
    """Follow the looks of a silent shipment until one opens an alert."""
    at = DAY
    while not (answer := assess(_silent(lanes), at=at)).changes and answer.next_change_at is not None:
        at = answer.next_change_at
    return at


def _silent(lanes: LaneStatistics) -> Snapshot:
    shipment = a_shipment()
    return Snapshot(
        shipment=shipment,
        events=(),
        open_alerts=(),
        version=1,
        lanes=lanes,
        baseline_at=shipment.legs[-1].planned_arrival_at,
    )


def _assessment(lanes: LaneStatistics, at: datetime, count: int) -> Callable[[], object]:
    snapshot = _silent(lanes)
    return lambda: side_by_side([assessing(snapshot, at=at) for _ in range(count)])


def _report(name: str, work: Callable[[], object], items: int, *, for_s: float = 1.0) -> None:
    work()
    rounds, began = 0, time.process_time()
    while time.process_time() - began < for_s:
        work()
        rounds += 1
    each_us = (time.process_time() - began) / rounds / items * 1e6
    print(f"{name:56} {each_us:9.1f} µs {1e6 / each_us:10,.0f} a second and core")


if __name__ == "__main__":
    main()
