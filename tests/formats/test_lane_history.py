"""A leg history's rows: what cannot have happened is refused with a reason, and nothing is echoed."""

from typing import Any

import pytest

from app.formats.lane_history import BadLeg, NoLegHistory, leg_of, rows

GOOD: dict[str, Any] = {
    "mode": "air", "carrier": "UA", "service": "UA1545", "origin": "EWR", "destination": "IAH",
    "planned_departure_at": "2013-01-01T10:15:00Z", "departed_at": "2013-01-01T10:17:00Z",
    "planned_arrival_at": "2013-01-01T14:19:00Z", "arrived_at": "2013-01-01T14:30:00Z", "outcome": "arrived",
}  # fmt: skip


def test_a_line_of_csv_becomes_a_leg_whatever_the_order_of_its_columns() -> None:
    text = ["outcome,distance_km,flight," + ",".join(list(GOOD)[:2] + list(GOOD)[3:-1]) + "\n"]
    text.append(
        "arrived,2253,UA1545,air,UA,EWR,IAH,2013-01-01T10:15:00Z,2013-01-01T10:17:00Z,"
        "2013-01-01T14:19:00Z,2013-01-01T14:30:00Z\n"
    )

    legs = [leg_of(row) for row in rows(iter(text))]

    assert legs == [leg_of(GOOD)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"arrived_at": "2013-01-01T10:00:00Z"}, "later than departed_at"),
        ({"mode": "rocket"}, "mode must be one of"),
        ({"outcome": "landed"}, "outcome must be one of"),
        ({"departed_at": "2013-01-01T10:17:00"}, "departed_at has no offset"),
        ({"planned_departure_at": 1357035300}, "RFC 3339"),
        ({"planned_departure_at": "2013-01-01"}, "RFC 3339"),
        ({"planned_departure_at": "2013-W01-2T10:15:00Z"}, "RFC 3339"),
        ({"planned_departure_at": "20130101T101500Z"}, "RFC 3339"),
        ({"planned_departure_at": "2013-01-01T10Z"}, "RFC 3339"),
        ({"arrived_at": "2013-01-11T10:16:00Z"}, "10 days or more"),
        ({"planned_arrival_at": "2013-01-01T10:15:00Z"}, "later than planned_departure_at"),
        ({"arrived_at": None}, "needs departed_at and arrived_at"),
        ({"outcome": "cancelled"}, "has no arrived_at"),
        ({"outcome": "cancelled", "arrived_at": None}, "has no departed_at"),
        ({"outcome": "planned", "arrived_at": None}, "has no departed_at"),
        ({"outcome": "departed"}, "has no arrived_at"),
        ({"outcome": "departed", "arrived_at": None, "departed_at": None}, "needs departed_at"),
        ({"carrier": ""}, "carrier must be a text"),
        ({"origin": 7}, "origin must be a text"),
        ({"destination": "I\ud800H"}, "printable"),
        ({"service": "x" * 200}, "at most 120"),
        ({"planned_departure_at": "0001-01-01T00:00:00+14:00"}, "outside of the years"),
    ],
)
def test_a_row_that_cannot_be_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadLeg, match=reason):
        leg_of(GOOD | change)


def test_a_row_that_is_no_object_is_refused() -> None:
    with pytest.raises(BadLeg):
        leg_of([1, 2])


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "mode,carrier\n"])
def test_a_text_without_the_columns_is_no_history(text: str) -> None:
    with pytest.raises(NoLegHistory, match="lacks"):
        list(rows(iter(text.splitlines(keepends=True))))


def test_a_column_that_is_there_twice_is_no_history() -> None:
    """Which of them is meant nobody can say; what nobody reads may be there as often as it likes."""
    legs = [",".join((*GOOD, "note", "note")) + "\n"]

    assert list(rows(iter(legs))) == []
    with pytest.raises(NoLegHistory, match="has mode more than once"):
        list(rows(iter(["mode," + ",".join(GOOD) + "\n"])))


def test_a_short_line_has_empty_fields() -> None:
    text = [",".join(GOOD) + "\n", "air,UA\n"]

    row = next(rows(iter(text)))

    assert row["carrier"] == "UA"
    assert row["outcome"] is None
