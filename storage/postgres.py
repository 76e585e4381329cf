"""PostgreSQL behind the store: a pool of asyncpg connections, one of them writing at a time in this process.

On a network every statement costs a round trip, whatever it does. A batch takes four: begin and lock, load all,
write all, commit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
from sqlalchemy.dialects import postgresql

from storage.sql import (
    TABLES,
    Compiler,
    Delete,
    Insert,
    Load,
    Operation,
    Row,
    Run,
    Steps,
    Update,
    changing,
    primary_key,
)
from storage.sqlite import LostUpdate

_quoted = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]


class PostgresDriver:
    """A small pool. Locking the tree head orders the writers of all processes."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._sql = Compiler.for_postgresql()
        self._texts: dict[tuple[Any, ...], str] = {}

    @classmethod
    async def open(cls, url: str, *, read_only: bool = False) -> PostgresDriver:
        """Connect. Raises OSError or asyncpg.PostgresError when the server can't be reached."""
        settings = {"default_transaction_read_only": "on"} if read_only else {}
        pool = await asyncpg.create_pool(
            url, min_size=1, max_size=4, command_timeout=30, timeout=10, server_settings=settings
        )
        return cls(pool)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def fetch(self, run: Run) -> list[Row]:
        """Read outside any transaction."""
        return await self._run(self._pool, run)

    async def transact(self, steps: Steps[Any]) -> Any:
        """Run a batch in one transaction; gives what the generator returns. Anything raised undoes all of it."""
        async with self._pool.acquire() as db:
            try:
                await db.execute("BEGIN; SELECT FROM tree_head FOR UPDATE")
                answers: Any = None
                while True:
                    try:
                        operations = steps.send(answers)
                    except StopIteration as end:
                        await db.execute("COMMIT")
                        return end.value
                    answers = await self._execute(db, operations)
            except BaseException:
                if not db.is_closed() and db.is_in_transaction():
                    await db.execute("ROLLBACK")
                raise

    async def _execute(self, db: Any, operations: Sequence[Operation]) -> list[list[Row]]:
        loads = [operation for operation in operations if isinstance(operation, Load)]
        if len(loads) == len(operations):
            return await self._load(db, loads)
        answers: list[list[Row]] = []
        writes = []
        for operation in operations:
            match operation:
                case Run():
                    answers.append(await self._run(db, operation))
                case Load():
                    answers += await self._load(db, [operation])
                case _:
                    answers.append([])
                    writes.append(operation)
        if writes:
            await self._write(db, writes)
        return answers

    async def _run(self, db: Any, run: Run) -> list[Row]:
        statement, reader = self._sql.clause(run.clause)
        return reader.rows(await db.fetch(statement.text, *statement.arguments(run.values)))

    async def _load(self, db: Any, loads: Sequence[Load]) -> list[list[Row]]:
        """Rows of several tables by one statement: each comes whole, as a value of its table's row type."""
        text = self._once(("load", *((load.table, load.column) for load in loads)), lambda: _loading(loads))
        found: list[list[Row]] = [[] for _ in loads]
        for place, *rows in await db.fetch(text, *(list(load.values) for load in loads)):
            found[place].append(dict(rows[place]))
        return found

    async def _write(self, db: Any, writes: Sequence[Insert | Update | Delete]) -> None:
        """Rows of several tables by one statement: each column comes as an array."""
        shape = tuple((type(write), write.table) for write in writes)
        text = self._once(("write", *shape), lambda: _writing(writes))
        arguments: list[list[Any]] = []
        for write in writes:
            if isinstance(write, Delete):
                arguments.append(list(write.keys))
            else:
                names = TABLES[write.table].columns.keys()
                arguments += [[row[name] for row in write.rows] for name in names]
        counts = await db.fetchrow(text, *arguments)
        for write, count in zip(writes, counts, strict=True):
            if isinstance(write, Update) and count != len(write.rows):
                raise LostUpdate(write.table)

    def _once(self, key: tuple[Any, ...], make: Callable[[], str]) -> str:
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = make()
        return text


# The text is put together from names of our own tables and columns, never from a value.


def _loading(loads: Sequence[Load]) -> str:
    parts = []
    for place, load in enumerate(loads):
        rows = [f"NULL::{_quoted(other.table)}" for other in loads]
        rows[place] = "found"
        kind = _kind(load.table, load.column)
        parts.append(
            f"SELECT {place}, {', '.join(rows)} FROM {_quoted(load.table)} AS found"  # noqa: S608
            f" WHERE {_quoted(load.column)} = ANY(${place + 1}::{kind}[])"
        )
    return " UNION ALL ".join(parts)


def _writing(writes: Sequence[Insert | Update | Delete]) -> str:
    parts, counts, place = [], [], 1
    for number, write in enumerate(writes):
        table, key = _quoted(write.table), _quoted(primary_key(TABLES[write.table]).name)
        names = TABLES[write.table].columns.keys()
        if isinstance(write, Delete):
            kind = _kind(write.table, primary_key(TABLES[write.table]).name)
            text = f"DELETE FROM {table} WHERE {key} = ANY(${place}::{kind}[])"  # noqa: S608
            place += 1
        else:
            columns = ", ".join(_quoted(name) for name in names)
            arrays = ", ".join(f"${place + i}::{_kind(write.table, name)}[]" for i, name in enumerate(names))
            place += len(names)
            if isinstance(write, Insert):
                text = f"INSERT INTO {table} ({columns}) SELECT * FROM unnest({arrays})"  # noqa: S608
            else:
                changed = ", ".join(
                    f"{_quoted(name)} = new.{_quoted(name)}" for name in changing(write.table)
                )
                text = (
                    f"UPDATE {table} AS old SET {changed} FROM unnest({arrays}) AS new ({columns})"  # noqa: S608
                    f" WHERE old.{key} = new.{key}"
                )
                if "version" in names:
                    text += " AND old.version < new.version"
        parts.append(f"w{number} AS ({text} RETURNING 1)")
        counts.append(f"(SELECT count(*) FROM w{number})")  # noqa: S608
    return f"WITH {', '.join(parts)} SELECT {', '.join(counts)}"


def _kind(table: str, column: str) -> str:
    return str(TABLES[table].columns[column].type.compile(postgresql.dialect()))  # type: ignore[no-untyped-call]
