"""Any split, order and repetition of uploads leaves the same buckets, and the same thermal facts."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.readings import BUCKET_US, CHANNELS, ReadingColumns, absorb, buckets, nothing
from app.domain.shipment import DeviceAssignment, Storage
from app.domain.thermal import SeriesThermal, thermal_of
from app.domain.thermal_pieces import length_us, merged, without
from app.store.packed import pack, unpack
from tests.domain.made import a_journey, a_product, a_shipment, at

Sample = tuple[int, int, float]
"""(series, minute, °C); each (series, minute) has one value, so that no two uploads contradict each other."""


@st.composite
def samples(draw: st.DrawFn) -> list[Sample]:
    moments = draw(st.sets(st.tuples(st.integers(0, 2), st.integers(0, 400)), min_size=1, max_size=40))
    return [
        (series, minute, draw(st.sampled_from([-1.0, 3.0, 5.0, 8.0, 8.5, 30.0])))
        for series, minute in moments
    ]


def columns(chosen: list[Sample]) -> ReadingColumns:
    values = np.full((len(chosen), len(CHANNELS)), np.nan)
    values[:, 0] = [value for _, _, value in chosen]
    values[::2, 7] = 50.0 if len(chosen) % 3 else np.nan
    start_us = int(at("08:00").timestamp()) * 1_000_000
    return ReadingColumns(
        series=np.array([series for series, _, _ in chosen], np.int64),
        at_us=np.array([start_us + minute * 60_000_000 for _, minute, _ in chosen], np.int64),
        received_us=np.full(len(chosen), start_us + 10 * BUCKET_US),
        values=values,
    )


def same(one: ReadingColumns, other: ReadingColumns) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "values")
        for name in ("series", "at_us", "received_us", "values")
    )


@settings(max_examples=100, deadline=None)
@given(samples(), st.data())
def test_uploads_add_up_to_the_same_whatever_their_split_order_and_repetition(
    given_samples: list[Sample], data: st.DataObject
) -> None:
    whole = columns(sorted(given_samples))
    expected = absorb(nothing(), whole).together
    rows = [*range(len(whole)), *data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=20))]
    order = data.draw(st.permutations(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=5)))

    stored, accepted = nothing(), 0
    for start, stop in zip([0, *cuts], [*cuts, len(order)], strict=True):
        absorbed = absorb(stored, whole.where(np.array(order[start:stop], np.int64)))
        stored, accepted = absorbed.together, accepted + int(absorbed.accepted.sum())
        assert not absorbed.conflict.any()

    assert accepted == len(whole)
    assert same(stored, expected)
    assert buckets(stored) == buckets(expected)


@settings(max_examples=100, deadline=None)
@given(samples())
def test_what_is_packed_is_unpacked_the_same(given_samples: list[Sample]) -> None:
    whole = absorb(nothing(), columns(given_samples)).together
    made = buckets(whole)

    packed = [
        (one.series, channels, rows) for one, (channels, rows) in zip(made, pack(whole, made), strict=True)
    ]

    assert same(unpack(packed).in_order(), whole)
    assert sum(one.stop - one.start for one in made) == len(whole)


@settings(max_examples=100, deadline=None)
@given(samples(), st.data())
def test_the_thermal_facts_depend_on_the_readings_alone(
    given_samples: list[Sample], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(given_samples))

    assert judged(given_samples) == judged(shuffled)


@settings(max_examples=100, deadline=None)
@given(samples())
def test_monitored_time_is_within_above_below_or_nothing_and_means_lie_between_the_extremes(
    given_samples: list[Sample],
) -> None:
    series = judged(given_samples)
    if series.last_at is None or series.mean_c is None or series.mkt_c is None:
        return
    assert series.min_c is not None
    assert series.max_c is not None

    spent = [*series.above, *series.below]
    first_us, last_us = int(series.readings.at_us[0]), int(series.readings.at_us[-1])
    assert length_us(merged(spent)) == length_us(series.above) + length_us(series.below)
    assert length_us(without(spent, [(first_us, last_us)])) == 0
    assert series.min_c - 1e-9 <= series.mean_c <= series.max_c + 1e-9
    assert series.mean_c - 1e-6 <= series.mkt_c <= series.max_c + 1e-6
    assert length_us(without(series.gaps, series.gaps)) == 0


def judged(chosen: list[Sample]) -> SeriesThermal:
    device = DeviceAssignment(device_id="T", interval_s=300, from_at=at("08:00"))
    storage = Storage(min_c=2.0, max_c=8.0, do_not_freeze=True, budget_minutes=60)
    shipment: Any = a_shipment(product=a_product(storage=storage), devices=(device,))
    track = absorb(nothing(), columns(sorted(one for one in chosen if one[0] == 0))).together
    (series,) = thermal_of(shipment, a_journey(), {("T", "main"): track}, at=at("23:00")).series
    return series
