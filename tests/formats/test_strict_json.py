"""JSON as the contract takes it, to the letter."""

from typing import Any

import pytest

from app.formats.strict_json import DEPTH_MAX, AmbiguousJson, UnparseableBody, parse


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1, -2.5, 1e3, "x", true, null]}', {"a": [1, -2.5, 1000.0, "x", True, None]}),
        (b' \n{"a": {"a": 1}}\t', {"a": {"a": 1}}),
        ('{"é": "☢"}'.encode(), {"é": "☢"}),
        (b'"\\u2622"', "☢"),
        (b"999999999999999999", 999_999_999_999_999_999),
        (b"-0.0", 0.0),
    ],
)
def test_plain_json_is_its_value(body: bytes, value: Any) -> None:
    assert parse(body) == value


def nested(depth: int) -> bytes:
    return b'{"a":[' * (depth // 2) + b"1" + b"]}" * (depth // 2)


def test_nesting_is_taken_to_the_limit_and_no_further() -> None:
    assert parse(nested(DEPTH_MAX))

    with pytest.raises(UnparseableBody, match=f"deeper than {DEPTH_MAX} levels"):
        parse(nested(DEPTH_MAX + 2))


def test_what_is_wide_is_not_deep() -> None:
    assert len(parse(b"[" + b",".join([b"[{}]"] * 1_000) + b"]")) == 1_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{} {}",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"01",
        b"'a'",
        b"nul",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_no_json_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(UnparseableBody):
        parse(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "\\u0061": 2}',
        b'[{"b": {"a": 1, "a": 2}}]',
        b"NaN",
        b"[-Infinity]",
        b"1e999",
        b"9" * 400,
        b"-" + b"9" * 200_000,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_json_says_twice_or_without_end_is_refused(body: bytes) -> None:
    with pytest.raises(AmbiguousJson):
        parse(body)


def test_a_long_number_costs_no_more_than_its_size_is_worth() -> None:
    assert parse(b"9" * 30) == pytest.approx(1e30)
