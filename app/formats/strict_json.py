"""JSON as the contract takes it: one value per key, finite numbers, text that every database can hold."""

import json
import math
from typing import Any, NoReturn

from app.errors import DosetrailError, Invalid

DEPTH_MAX = 60


class UnparseableBody(DosetrailError):
    """The body is no JSON at all."""

    code = "unparseable_body"


class AmbiguousJson(Invalid):
    """The body is JSON, but says something twice or says no finite number."""

    code = "ambiguous_json"


def parse(body: bytes) -> Any:
    """Return the value of a JSON body.

    Raises:
        UnparseableBody: not UTF-8, not JSON, or nested too deep.
        AmbiguousJson: a key twice in one object, or a number that is not finite.
    """
    try:
        value = _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UnparseableBody("the body is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise UnparseableBody(
            f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except RecursionError as error:
        raise UnparseableBody("the body is nested too deep") from error
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _depth(value) > DEPTH_MAX:
        raise UnparseableBody(f"the body is nested deeper than {DEPTH_MAX} levels")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise AmbiguousJson("an object of the body has a key twice; send each key once")
    return found


def _not_finite(_: str) -> NoReturn:
    raise AmbiguousJson("the body holds NaN or Infinity; numbers must be finite")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise AmbiguousJson("the body holds a number too large for any quantity; numbers must be finite")
    return value


def _int(digits: str) -> int | float:
    """Read long integers as floats: no field takes them, and nothing should spend time on their digits."""
    return int(digits) if len(digits) <= 18 else _float(digits)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_not_finite, parse_float=_float, parse_int=_int
)


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level and deepest <= DEPTH_MAX:
        deepest += 1
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below.extend(one.values())
            elif isinstance(one, list):
                below.extend(one)
        level = below
    return deepest
