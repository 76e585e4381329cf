"""PostgreSQL behind the store: a pool of asyncpg connections, one of them writing at a time in this process."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import asyncpg

from storage.sql import Compiler, Delete, Insert, Load, Operation, Row, Run, Update
from storage.sqlite import LostUpdate


class PostgresDriver:
    """A small pool. Locking the tree head orders the writers of all processes."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._sql = Compiler.for_postgresql()

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
        statement, reader = self._sql.clause(run.clause)
        return reader.rows(await self._pool.fetch(statement.text, *statement.arguments(run.values)))

    async def transact(self, steps: Generator[Operation, Any, Any]) -> Any:
        """Run a batch in one transaction; gives what the generator returns. Anything raised undoes all of it."""
        async with self._pool.acquire() as connection, connection.transaction():
            answer: Any = None
            while True:
                try:
                    operation = steps.send(answer)
                except StopIteration as end:
                    return end.value
                answer = await self._execute(connection, operation)

    async def _execute(self, db: Any, operation: Operation) -> list[Row]:
        match operation:
            case Load(table, column, values):
                lock = table == "tree_head"
                if lock:
                    statement, reader = self._sql.load(table, column, many=False, lock=True)
                    return reader.rows(await db.fetch(statement.text, values[0]))
                statement, reader = self._sql.load(table, column, many=True)
                return reader.rows(await db.fetch(statement.text, list(values)))
            case Insert(table, rows):
                statement = self._sql.insert(table)
                await db.executemany(statement.text, [statement.arguments(row) for row in rows])
            case Update(table, rows):
                statement = self._sql.update(table)
                changed = await db.fetchmany(statement.text, [statement.arguments(row) for row in rows])
                if len(changed) != len(rows):
                    raise LostUpdate(table)
            case Delete(table, keys):
                await db.executemany(self._sql.delete(table).text, [(key,) for key in keys])
            case Run(clause, values):
                statement, reader = self._sql.clause(clause)
                return reader.rows(await db.fetch(statement.text, *statement.arguments(values)))
        return []
