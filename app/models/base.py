"""What all rows share: instants that are always aware UTC, ids, JSON, and names for every constraint."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    Strict,
    StringConstraints,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel
from uuid_utils import uuid7

from app.domain.status import instant_text

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_YEAR, LAST_YEAR = 1900, 2200


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware instant: `timestamptz` on PostgreSQL, whole microseconds since 1970 on SQLite.

    Raises:
        ValueError: a naive time is bound; SQLite would store it without a word.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Choose the column's type."""
        native = sa.BigInteger() if dialect.name == "sqlite" else sa.DateTime(timezone=True)
        return dialect.type_descriptor(native)

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        """Write an aware instant."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return (
            (value - EPOCH) // timedelta(microseconds=1)
            if dialect.name == "sqlite"
            else value.astimezone(UTC)
        )

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """Read it back, in UTC."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return EPOCH + timedelta(microseconds=value)
        instant: datetime = value.astimezone(UTC)
        return instant


class _Id(sa.Uuid[str]):
    """An id as text: `uuid` on PostgreSQL, 32 hexadecimal digits on SQLite, where reading them is most of a query."""

    def result_processor(self, dialect: sa.Dialect, coltype: Any) -> Any:
        """Put the hyphens back in."""
        if dialect.name != "sqlite":
            return super().result_processor(dialect, coltype)  # type: ignore[no-untyped-call]

        def hyphenated(text: str | None) -> str | None:
            if text is None:
                return None
            return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

        return hyphenated


IdType = _Id(as_uuid=False)
JsonType = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def new_id() -> str:
    """Return a UUIDv7: ids sort by the time they were made."""
    return str(uuid7())


def _instant(value: Any) -> Any:
    """Read RFC 3339 text; numbers are refused, because nobody can tell seconds from milliseconds by their size."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or "T" not in value.upper():
        raise ValueError(
            "write date and time as RFC 3339 text with an offset, such as 2026-01-31T08:00:00+01:00"
        )
    return value


def _in_utc(value: datetime) -> datetime:
    """Convert, within a range that leaves room for every span a product or a plan may add."""
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError(f"the time is out of range; years {FIRST_YEAR} to {LAST_YEAR} are meant")
    return value.astimezone(UTC)


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("the text holds a NUL character")
    if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError("the text holds half a character (a lone surrogate)")
    return text


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as error:
        raise ValueError("an id is a UUID") from error


def not_null(value: Any) -> Any:
    """Refuse null where a change can only set or leave out; to be named by a `field_validator` before the others."""
    if value is None:
        raise ValueError("it cannot be null; leave it out to keep it as it is")
    return value


Instant = Annotated[
    AwareDatetime,
    Strict(strict=False),
    BeforeValidator(_instant),
    AfterValidator(_in_utc),
    PlainSerializer(instant_text, when_used="json"),
]
"""A wire instant: RFC 3339 text with offset on the way in, aware UTC inside, `…Z` on the way out."""

Text = Annotated[str, AfterValidator(_storable)]
"""A wire text that every database can hold."""

Id = Annotated[str, AfterValidator(_id)]
"""A wire id; what is no UUID is nothing's id, and no database has to be asked."""

Code = Annotated[str, AfterValidator(_storable), StringConstraints(min_length=1, max_length=120)]
"""A short name or code; never empty."""


class Wire(BaseModel):
    """A shape on the wire: unknown fields, wrong types and non-finite numbers are refused, not coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
