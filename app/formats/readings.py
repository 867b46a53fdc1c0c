"""Readings as senders write them (JSON, NDJSON, CSV) → plain objects, one a reading, faults beside them.

A body that cannot be read at all is refused whole; a line that cannot is a fault of its own.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from app.errors import DosetrailError, FieldError, Invalid
from app.formats import strict_json
from app.formats.strict_json import UnparseableBody

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
TEXTS = frozenset({"device_id", "sensor", "at"})
REQUIRED = ("device_id", "at")


class BadTable(Invalid):
    """The CSV's header names columns that readings do not have, or lacks those they must have."""

    code = "bad_table"


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that holds no reading, and why."""

    detail: str


Item = dict[str, Any] | Fault
NO_OBJECT = Fault("the reading is no JSON object")


def from_json(body: bytes) -> Any:
    """Return the value of a JSON body; fast when it plainly says nothing twice.

    Raises:
        UnparseableBody, AmbiguousJson: as `strict_json.parse`.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return strict_json.parse(body)
    return value if _says_nothing_twice(body, value) else strict_json.parse(body)


def from_ndjson(body: bytes) -> list[Item]:
    """Return the object of each line; blank lines are skipped and not counted."""
    lines = [line for line in body.splitlines() if line.strip()]
    together = b'{"readings":[' + b",".join(lines) + b"]}"
    try:
        value = orjson.loads(together)
    except orjson.JSONDecodeError:
        return [_line(line) for line in lines]
    if len(value["readings"]) == len(lines) and _says_nothing_twice(together, value):
        items: list[Item] = value["readings"]
        return items
    return [_line(line) for line in lines]


def from_csv(body: bytes, *, columns: Sequence[str], utc_offset: str | None) -> list[Item]:
    """Return the object of each row below the header; an empty cell is an absent field.

    `utc_offset` (`+08:00`) is that of times that carry none; without it such times stay as they are.

    Raises:
        UnparseableBody: not UTF-8, or no CSV.
        BadTable: the header has an unknown column, one twice, or lacks `device_id` or `at`.
    """
    try:
        table = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        header = [name.strip() for name in next(table, [])]
        _check_header(header, columns)
        return list(_rows(table, header, utc_offset or ""))
    except UnicodeDecodeError as error:
        raise UnparseableBody("the body is not UTF-8") from error
    except csv.Error as error:
        raise UnparseableBody("the body is not CSV") from error


def _says_nothing_twice(body: bytes, value: Any) -> bool:
    """Say whether `{"readings": [{…}, …]}` holds as many texts as its objects' keys and texts: none was dropped.

    Without a backslash a quote only ever begins or ends a text, so they can be counted.
    """
    if b"\\" in body or not isinstance(value, dict) or list(value) != ["readings"]:
        return False
    items = value["readings"]
    if not isinstance(items, list) or any(type(item) is not dict for item in items):
        return False
    texts = sum(len(item) + list(map(type, item.values())).count(str) for item in items)
    return body.count(b'"') == 2 * (1 + texts)


def _line(line: bytes) -> Item:
    try:
        value = strict_json.parse(line)
    except DosetrailError as error:
        return Fault(error.detail)
    return value if isinstance(value, dict) else NO_OBJECT


def _check_header(header: list[str], columns: Sequence[str]) -> None:
    detail = None
    if unknown := [place for place, name in enumerate(header, start=1) if name not in columns]:
        detail = f"column {unknown[0]} is none of: {', '.join(columns)}"
    elif len(set(header)) < len(header):
        detail = "two columns have the same name"
    elif missing := [name for name in REQUIRED if name not in header]:
        detail = f"the header lacks {' and '.join(missing)}"
    if detail:
        raise BadTable("the first line must name the columns", errors=(FieldError("", detail),))


def _rows(table: Iterable[list[str]], header: list[str], utc_offset: str) -> Iterator[Item]:
    for row in table:
        if not row:
            continue
        if len(row) != len(header):
            yield Fault(f"the row has {len(row)} cells and the header {len(header)}")
            continue
        item: dict[str, Any] = {
            name: cell.strip() for name, cell in zip(header, row, strict=True) if cell.strip()
        }
        for name, cell in item.items():
            if name not in TEXTS and NUMBER.fullmatch(cell):
                item[name] = float(cell)
        if utc_offset and "at" in item:
            item["at"] = _placed(item["at"], utc_offset)
        yield item


def _placed(text: str, utc_offset: str) -> str:
    """Return a logger's local time with its offset; anything else stays as it is, to be judged as such."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if local.tzinfo is not None or len(text) < 16 else f"{local.isoformat()}{utc_offset}"
