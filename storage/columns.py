"""Column types that mean the same on SQLite and PostgreSQL, and how a record says which one keeps each field."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Any, get_args, get_origin

from sqlalchemy import JSON, BigInteger, Column, ColumnElement, DateTime, Dialect, ForeignKey, Integer, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

KEY = BigInteger().with_variant(Integer, "sqlite")
"""64 bits on both: SQLite makes a column its row id only when its type reads INTEGER, and that holds 64 bits."""


SEALED = "sealed"
"""In a column's ``info``: with a key it is encrypted (see ``storage.vault``)."""
RECORD = "record"
"""In the ``info`` of a table with such columns: the names of the columns that name a record before it is kept."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite forgets the zone, so it is checked on the way in and put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn any aware time into UTC; ValueError for a naive one, whose meaning is anybody's guess."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def storable(text: str) -> str:
    """Drop NUL, which PostgreSQL refuses, and replace lone surrogates, which UTF-8 cannot say."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


class PersonText(TypeDecorator[str]):
    """Text that a person typed, so that it may hold anything."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """Make it storable."""
        return None if value is None else storable(value)


class JsonObject(TypeDecorator[Mapping[str, Any]]):
    """A mapping from names to what JSON can say; any kind of mapping may be given, a dict comes back.

    One that is sealed is a text.
    """

    impl = JSON
    cache_ok = True

    def process_bind_param(
        self, value: Mapping[str, Any] | str | None, _dialect: Dialect
    ) -> dict[str, Any] | str | None:
        """Make it a dict."""
        return dict(value) if isinstance(value, Mapping) else value


class JsonTuple(TypeDecorator[Sequence[Any]]):
    """A JSON list that is a tuple here, since records are frozen."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Sequence[Any] | None, _dialect: Dialect) -> list[Any] | None:
        """Make it a list."""
        return None if value is None else list(value)

    def process_result_value(self, value: Any, _dialect: Dialect) -> tuple[Any, ...] | None:
        """Make it a tuple."""
        return None if value is None else tuple(value)


class JsonRows(JsonTuple):
    """A JSON list of lists that is a tuple of tuples here."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[Any, ...] | None:
        """Make it tuples."""
        rows = super().process_result_value(value, dialect)
        return None if rows is None else tuple(map(tuple, rows))


@dataclass(frozen=True, slots=True)
class Kept:
    """In a field's ``Annotated``: the column that keeps it; the row goes with what it ``refers_to`` (table.column)."""

    kind: "TypeEngine[Any] | type[TypeEngine[Any]]"
    refers_to: str | None = None
    primary_key: bool = False
    sealed: bool = False
    """Encrypted where there is a key."""
    default: "ColumnElement[Any] | None" = None
    """What the database writes where a row does not say."""

    def column(self, name: str, *, nullable: bool) -> Column[Any]:
        """A new column; one belongs to one table."""
        keys = () if self.refers_to is None else (ForeignKey(self.refers_to, ondelete="CASCADE"),)
        info = {SEALED: True} if self.sealed else {}
        options: dict[str, Any] = {"nullable": nullable, "info": info, "server_default": self.default}
        return Column(name, self.kind, *keys, primary_key=self.primary_key, **options)


def columns_of(record: type[Any]) -> list[Column[Any]]:
    """The columns that keep a record, in the order of its fields; a field that may be None may be NULL."""
    return [kept.column(name, nullable=type(None) in get_args(kind)) for name, kind, kept in _kept_fields(record)]


def names_of(record: type[Any]) -> tuple[str, ...]:
    """The names of the fields of a record that are kept in columns, in their order."""
    return tuple(name for name, _, _ in _kept_fields(record))


def _kept_fields(record: type[Any]) -> Iterator[tuple[str, Any, Kept]]:
    for known in fields(record):
        kind, *notes = get_args(known.type) if get_origin(known.type) is Annotated else (known.type,)
        for kept in notes:
            if isinstance(kept, Kept):
                yield known.name, kind, kept
