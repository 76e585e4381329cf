"""Statements compiled once from the tables, and values converted to and from what a raw driver speaks.

The ORM isn't on the hot path: measured, it costs several times the statement itself. The tables still own
every name, type and constraint; here they are only turned into text and argument tuples.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Column, LargeBinary, Table, Text, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import asyncpg as postgresql_asyncpg
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.sql import ClauseElement
from sqlmodel import SQLModel

from storage.tables import FIXED, Instant

Row = dict[str, Any]
Convert = Callable[[Any], Any]

TABLES: Mapping[str, Table] = SQLModel.metadata.tables


@dataclass(frozen=True, slots=True)
class Load:
    """Rows of a table whose column has one of these values, locked until the commit."""

    table: str
    column: str
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Insert:
    """New rows."""

    table: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Update:
    """Whole rows by primary key; each must still be there, and a versioned one must be older."""

    table: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Delete:
    """Rows gone, by primary key."""

    table: str
    keys: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Run:
    """Any other statement, written with SQLAlchemy Core; gives its rows."""

    clause: ClauseElement
    values: Mapping[str, Any]


Operation = Load | Insert | Update | Delete | Run

Result = TypeVar("Result", covariant=True)
#: What runs in one transaction: yields operations that don't depend on one another, is sent the rows of each.
Steps = Generator[Sequence[Operation], list[list[Row]], Result]


@dataclass(frozen=True, slots=True)
class Statement:
    """One compiled statement: its text, the order of its values and how each is converted."""

    text: str
    names: tuple[str, ...]
    binders: tuple[
        tuple[int, Convert], ...
    ]  # only for places where the driver doesn't take the value as it is
    constants: Mapping[str, Any]

    def arguments(self, values: Mapping[str, Any]) -> Sequence[Any]:
        """The values in order, as the raw driver takes them. A trailing `_` tells a condition from a new value."""
        if self.constants:
            values = {**self.constants, **values}
        placed = [values[name] for name in self.names]
        for place, bind in self.binders:
            placed[place] = bind(placed[place])
        return placed


@dataclass(frozen=True, slots=True)
class Reader:
    """How the raw rows of one statement become dictionaries."""

    names: tuple[str, ...]
    converters: tuple[tuple[str, Convert], ...]

    def rows(self, raw: Iterable[Sequence[Any]]) -> list[Row]:
        """Dictionaries of column name to value."""
        names, converters = self.names, self.converters
        found = [dict(zip(names, values, strict=True)) for values in raw]
        for row in found:
            for name, convert in converters:
                row[name] = convert(row[name])
        return found


class Compiler:
    """Compiles for one database and remembers what it compiled."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._kept: dict[Any, tuple[Statement, Reader]] = {}
        self._clauses: WeakKeyDictionary[ClauseElement, tuple[Statement, Reader]] = WeakKeyDictionary()

    @classmethod
    def for_sqlite(cls) -> Compiler:
        """`?` placeholders, for the standard library's sqlite3."""
        return cls(sqlite.dialect(paramstyle="qmark"))

    @classmethod
    def for_postgresql(cls) -> Compiler:
        """`$1` placeholders, for asyncpg."""
        return cls(postgresql_asyncpg.dialect())  # type: ignore[no-untyped-call]

    def insert(self, table: str) -> Statement:
        """Insert one row."""
        return self._once(("insert", table), lambda: insert(TABLES[table]))[0]

    def update(self, table: str) -> Statement:
        """Replace one row, found by its primary key."""

        def clause() -> ClauseElement:
            found = TABLES[table]
            key = primary_key(found)
            changed = {name: bindparam(name, type_=found.c[name].type) for name in changing(table)}
            where = key == bindparam(f"{key.name}_", type_=key.type)
            if "version" in found.columns:
                where = where & (found.c.version < bindparam("version_", type_=found.c.version.type))
            return update(found).where(where).values(changed)

        return self._once(("update", table), clause)[0]

    def delete(self, table: str) -> Statement:
        """Delete one row by primary key."""
        key = primary_key(TABLES[table])
        return self._once(("delete", table), lambda: delete(TABLES[table]).where(key == bindparam("key_")))[0]

    def load(self, table: str, column: str) -> tuple[Statement, Reader]:
        """Rows whose column has one of several values, given as a JSON array. PostgreSQL has better."""

        def clause() -> ClauseElement:
            found = TABLES[table]
            wanted: Column[Any] = found.c[column]
            given = func.json_each(bindparam("values", type_=Text())).table_valued("value")
            return select(found).where(wanted.in_(select(given.c.value)))

        return self._once(("load", table, column), clause)

    def clause(self, clause: ClauseElement) -> tuple[Statement, Reader]:
        """Any statement. Remembered for as long as the statement itself lives: define hot ones at module level."""
        kept = self._clauses.get(clause)
        if kept is None:
            kept = self._clauses[clause] = self._compile(clause)
        return kept

    def _once(self, key: Any, make: Callable[[], ClauseElement]) -> tuple[Statement, Reader]:
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = self._compile(make())
        return kept

    def _compile(self, clause: ClauseElement) -> tuple[Statement, Reader]:
        compiled = clause.compile(dialect=self.dialect)
        binds = compiled.binds  # type: ignore[attr-defined]
        placed = tuple(compiled.positiontup or ())  # type: ignore[attr-defined]
        bound = [self._binder(binds[name].type) for name in placed]
        binders = tuple((place, bind) for place, bind in enumerate(bound) if bind is not None)
        names = tuple(name.removesuffix("_") for name in placed)
        constants = {
            name.removesuffix("_"): value
            for name, value in compiled.params.items()
            if not binds[name].required
        }
        statement = Statement(str(compiled), names, binders, constants)
        columns = getattr(compiled, "_result_columns", ())
        readers = tuple((c.keyname, self._reader(c.type)) for c in columns)
        converters = tuple((name, convert) for name, convert in readers if convert is not None)
        return statement, Reader(tuple(name for name, _ in readers), converters)

    def _binder(self, kind: Any) -> Convert | None:
        if isinstance(kind, LargeBinary):  # both drivers take bytes as they are
            return None
        if isinstance(kind, Instant):  # past the general machinery around it; the rows of a batch share times
            return lru_cache(1024)(partial(kind.process_bind_param, dialect=self.dialect))
        found: Convert | None = kind.dialect_impl(self.dialect).bind_processor(self.dialect)
        return found

    def _reader(self, kind: Any) -> Convert | None:
        found: Convert | None = kind.dialect_impl(self.dialect).result_processor(self.dialect, None)
        return found


def changing(table: str) -> list[str]:
    """The columns that an update writes."""
    found = TABLES[table]
    fixed = FIXED.get(table, frozenset({primary_key(found).name}))
    return [column.name for column in found.columns if column.name not in fixed]


def primary_key(found: Table) -> Column[Any]:
    """The one column that names a row."""
    (key,) = found.primary_key.columns
    return key
