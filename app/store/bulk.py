"""Many rows in one statement: the database is handed one JSON text and takes it apart itself.

A row each would cost a trip through the driver each; on SQLite also the interpreter's lock, which the thread that
writes has to win back from the event loop after every row.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.tables import Record

Row = Mapping[str, Any]


async def select(
    connection: AsyncConnection,
    table: sa.Table,
    names: tuple[str, ...],
    like: Sequence[Row],
    *,
    locked_in_order: tuple[str, ...] = (),
) -> Sequence[Record]:
    """Return these columns of the rows that equal one of the given in all that it names.

    `locked_in_order` names the columns by whose order the rows are locked against other writers.
    """
    if not like:
        return ()
    statement = _select(connection.dialect.name, table, names, tuple(like[0]), locked_in_order)
    return (await connection.execute(statement, {"rows": as_json(connection, table, like)})).all()


async def insert(
    connection: AsyncConnection, table: sa.Table, rows: Sequence[Row], *, over: str | None = None
) -> None:
    """Write rows, which all name the same columns; over the row that has the same `over`, if that is given."""
    if rows:
        statement = _insert(connection.dialect.name, table, tuple(rows[0]), over)
        await connection.execute(statement, {"rows": as_json(connection, table, rows)})


async def update(
    connection: AsyncConnection,
    table: sa.Table,
    rows: Sequence[Row],
    *,
    key: str = "id",
    computed: tuple[tuple[str, str], ...] = (),
) -> None:
    """Change the rows that `key` names to the other columns' values, in the key's order so that no two cross.

    `computed` says how a column follows from its old value (`old.`) and the given row (`new.`).
    """
    if rows:
        statement = _update(connection.dialect.name, table, tuple(rows[0]), key, computed)
        await connection.execute(statement, {"rows": as_json(connection, table, rows)})


def among(
    connection: AsyncConnection, column: "sa.Column[Any]", values: Collection[Any]
) -> sa.ColumnElement[bool]:
    """Return the condition that a column holds one of the values, given as one parameter, however many they are."""
    if connection.dialect.name == "postgresql":
        return column == sa.any_(sa.bindparam(None, list(values), type_=postgresql.ARRAY(column.type)))
    bind = _bind(connection.dialect, column)
    plain = list(values) if bind is None else [bind(value) for value in values]
    each = sa.func.json_each(orjson.dumps(plain).decode()).table_valued("value")
    return column.in_(sa.select(sa.type_coerce(each.c.value, column.type)))


def as_json(connection: AsyncConnection, table: sa.Table, rows: Sequence[Row]) -> str:
    """Return rows as the text that `_source` takes apart."""
    if connection.dialect.name == "postgresql":
        return orjson.dumps(rows).decode()
    names = tuple(rows[0])
    binds = [_bind(connection.dialect, table.c[name]) for name in names]
    values = [
        [row[name] if bind is None else bind(row[name]) for name, bind in zip(names, binds, strict=True)]
        for row in rows
    ]
    return orjson.dumps(values).decode()


def _source(dialect: str, table: sa.Table, names: Sequence[str]) -> str:
    """Return what stands in SQL for the rows of parameter `rows`: these columns, with the table's types."""
    if dialect == "postgresql":
        return f"json_populate_recordset(CAST(NULL AS {table.name}), CAST(:rows AS json))"
    taken = ", ".join(f"value ->> {index} AS {name}" for index, name in enumerate(names))
    return f"(SELECT {taken} FROM json_each(:rows))"  # noqa: S608 - names of our own columns


@lru_cache
def _select(
    dialect: str, table: sa.Table, names: tuple[str, ...], by: tuple[str, ...], locked: tuple[str, ...]
) -> "sa.TextualSelect":
    listed = ", ".join(f"{table.name}.{name}" for name in names)
    same = " AND ".join(f"{table.name}.{name} = wanted.{name}" for name in by)
    rows = _source(dialect, table, by)
    text = f"SELECT {listed} FROM {rows} AS wanted JOIN {table.name} ON {same}"  # noqa: S608
    if locked and dialect == "postgresql":  # SQLite has one writer
        order = ", ".join(f"{table.name}.{name}" for name in locked)
        text += f" ORDER BY {order} FOR UPDATE OF {table.name}"
    return sa.text(text).columns(*(table.c[name] for name in names))


async def upsert(
    connection: AsyncConnection, table: sa.Table, rows: Sequence[Row], *, keys: tuple[str, ...]
) -> None:
    """Write rows over those that have the same keys; unlike JSON this can hold binary columns."""
    if not rows:
        return
    names = tuple(rows[0])
    statement = _upsert(connection.dialect.name, table, names, keys)
    if connection.dialect.name == "postgresql":
        columns = tuple([row[name] for row in rows] for name in names)
        await connection.exec_driver_sql(statement, columns)
        return
    binds = [_bind(connection.dialect, table.c[name]) for name in names]
    values = [
        tuple(row[name] if bind is None else bind(row[name]) for name, bind in zip(names, binds, strict=True))
        for row in rows
    ]
    await connection.exec_driver_sql(statement, values)


@lru_cache
def _upsert(dialect: str, table: sa.Table, names: tuple[str, ...], keys: tuple[str, ...]) -> str:
    types = postgresql.dialect()  # type: ignore[no-untyped-call]
    if dialect == "postgresql":
        arrays = (
            f"${place}::{table.c[name].type.compile(types)}[]" for place, name in enumerate(names, start=1)
        )
        source = f"SELECT * FROM unnest({', '.join(arrays)})"  # noqa: S608
    else:
        source = f"VALUES ({', '.join('?' for _ in names)})"
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) {source} "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"
    )


@lru_cache
def _insert(dialect: str, table: sa.Table, names: tuple[str, ...], over: str | None) -> sa.TextClause:
    listed = ", ".join(names)
    rows = f"{_source(dialect, table, names)} AS new"
    text = f"INSERT INTO {table.name} ({listed}) SELECT {listed} FROM {rows} WHERE true"  # noqa: S608
    if over is not None:
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != over)
        text += f" ON CONFLICT ({over}) DO UPDATE SET {changes}"
    return sa.text(text)


@lru_cache
def _update(
    dialect: str, table: sa.Table, names: tuple[str, ...], key: str, computed: tuple[tuple[str, str], ...]
) -> sa.TextClause:
    given = {name: f"new.{name}" for name in names if name != key}
    changes = ", ".join(f"{name} = {value}" for name, value in (given | dict(computed)).items())
    rows = f"{_source(dialect, table, names)} AS new"
    if dialect == "postgresql":
        # Locked in order before any is changed: two batches that meet wait for each other, and never in a ring.
        order = f"USING ({key}) ORDER BY {key} FOR NO KEY UPDATE OF {table.name}"
        rows = f"(SELECT new.* FROM {rows} JOIN {table.name} {order}) AS new"  # noqa: S608
    text = f"UPDATE {table.name} AS old SET {changes} FROM {rows} WHERE old.{key} = new.{key}"  # noqa: S608
    return sa.text(text)


@lru_cache
def _bind(dialect: sa.Dialect, column: "sa.Column[Any]") -> Any:
    return column.type.dialect_impl(dialect).bind_processor(dialect)
