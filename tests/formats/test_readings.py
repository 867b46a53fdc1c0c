"""Readings in three dialects: the same objects from each, faults told by the line, nothing taken twice."""

from typing import Any

import pytest

from app.formats import readings
from app.formats.readings import BadTable, Fault
from app.formats.strict_json import AmbiguousJson, UnparseableBody

COLUMNS = ("device_id", "sensor", "at", "temperature_c", "battery_pct")
ONE = {"device_id": "T", "at": "2026-03-02T08:00:00Z", "temperature_c": 5.1}


def csv(text: str, **options: Any) -> list[Any]:
    return readings.from_csv(text.encode(), columns=COLUMNS, **({"utc_offset": None} | options))


def test_the_three_dialects_say_the_same() -> None:
    line = b'{"device_id": "T", "at": "2026-03-02T08:00:00Z", "temperature_c": 5.1}'

    assert readings.from_json(b'{"readings": [' + line + b"]}") == {"readings": [ONE]}
    assert readings.from_ndjson(line + b"\r\n\n" + line) == [ONE, ONE]
    assert csv("device_id,at,temperature_c\nT,2026-03-02T08:00:00Z,5.1\n") == [ONE]


@pytest.mark.parametrize(
    "body",
    [
        b'{"readings": [{"at": "a", "at": "b"}]}',
        b'{"readings": [{"at" : 1, "\\u0061t": 2}]}',
        b'{"readings": [], "readings": []}',
        b'{"readings": [{"temperature_c": NaN}]}',
        b'{"readings": [{"temperature_c": 1e999}]}',
    ],
)
def test_json_that_says_something_twice_or_no_number_is_refused(body: bytes) -> None:
    with pytest.raises(AmbiguousJson):
        readings.from_json(body)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a": "\x01"}', b"[" * 5000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(UnparseableBody):
        readings.from_json(body)


def test_a_spoiled_line_sinks_no_other() -> None:
    lines = [b'{"device_id": "T"}', b'{"device_id"', b"[1]", b'{"a": 1, "a": 2}', b'}{"b": 1}', b'{"c": 3}']

    found = readings.from_ndjson(b"\n".join(lines))

    assert [type(one) for one in found] == [dict, Fault, Fault, Fault, Fault, dict]


def test_two_objects_on_a_line_are_no_two_readings() -> None:
    assert isinstance(readings.from_ndjson(b'{"a": 1}, {"b": 2}')[0], Fault)


def test_an_empty_cell_is_an_absent_field_and_a_short_row_a_fault() -> None:
    found = csv("\ufeffdevice_id,at,battery_pct\n\nT,2026-03-02T08:00:00Z,\nT,x\nT,y,high\n")

    assert found == [
        {"device_id": "T", "at": "2026-03-02T08:00:00Z"},
        Fault("the row has 2 cells and the header 3"),
        {"device_id": "T", "at": "y", "battery_pct": "high"},
    ]


@pytest.mark.parametrize("number", ["1_000", "inf", "nan", "0x10", "5,1"])
def test_what_python_alone_calls_a_number_stays_text(number: str) -> None:
    (found,) = csv(f'device_id,at,temperature_c\nT,z,"{number}"\n')

    assert found["temperature_c"] == number


@pytest.mark.parametrize(
    ("local", "placed"),
    [
        ("2026-03-02T08:00:00", "2026-03-02T08:00:00+08:00"),
        ("2026-03-02 08:00", "2026-03-02T08:00:00+08:00"),
        ("2026-03-02T08:00:00Z", "2026-03-02T08:00:00Z"),
        ("2026-03-02", "2026-03-02"),
        ("noon", "noon"),
    ],
)
def test_a_loggers_local_time_takes_the_offset_given(local: str, placed: str) -> None:
    (found,) = csv(f"device_id,at\nT,{local}\n", utc_offset="+08:00")

    assert found["at"] == placed


@pytest.mark.parametrize("header", ["", "device_id", "device_id,at,colour", "device_id,at,at", "T,1,2"])
def test_a_table_must_name_its_columns(header: str) -> None:
    with pytest.raises(BadTable):
        csv(f"{header}\nT,2026-03-02T08:00:00Z\n")


@pytest.mark.parametrize("body", [b"device_id,at\n\xff,x", b'device_id,at\n"open,x'])
def test_a_table_that_is_no_utf_8_or_no_csv_is_refused_whole(body: bytes) -> None:
    with pytest.raises(UnparseableBody):
        readings.from_csv(body, columns=("device_id", "at"), utc_offset=None)
