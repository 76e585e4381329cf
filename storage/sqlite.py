"""SQLite behind the store: one writer thread, many readers, every commit on the disk before it is answered."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from storage.sql import Compiler, Delete, Insert, Load, Operation, Row, Run, Update


class SqliteDriver:
    """One connection. Make it in the thread that uses it."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._sql = Compiler.for_sqlite()
        mode = "ro" if read_only else "rwc"
        self._db = sqlite3.connect(f"file:{path}?mode={mode}", uri=True, isolation_level=None, timeout=10)
        self._db.execute("PRAGMA busy_timeout = 10000")
        self._db.execute("PRAGMA foreign_keys = ON")
        if read_only:
            self._db.execute("PRAGMA query_only = ON")
        else:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def fetch(self, run: Run) -> list[Row]:
        """Read outside any transaction."""
        return self._execute(run)

    def transact(self, steps: Generator[Operation, Any, Any]) -> Any:
        """Run a batch in one transaction; gives what the generator returns. Anything raised undoes all of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            answer: Any = None
            while True:
                try:
                    operation = steps.send(answer)
                except StopIteration as end:
                    self._db.execute("COMMIT")
                    return end.value
                answer = self._execute(operation)
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _execute(self, operation: Operation) -> list[Row]:
        match operation:
            case Load(table, column, values):
                statement, reader = self._sql.load(table, column, many=False)
                found: list[Row] = []
                for value in values:
                    found += reader.rows(self._db.execute(statement.text, (value,)))
                return found
            case Insert(table, rows):
                statement = self._sql.insert(table)
                self._db.executemany(statement.text, [statement.arguments(row) for row in rows])
            case Update(table, rows):
                self._update(table, rows)
            case Delete(table, keys):
                self._db.executemany(self._sql.delete(table).text, [(key,) for key in keys])
            case Run(clause, values):
                statement, reader = self._sql.clause(clause)
                return reader.rows(self._db.execute(statement.text, statement.arguments(values)))
        return []

    def _update(self, table: str, rows: Sequence[Row]) -> None:
        statement = self._sql.update(table)
        for row in rows:
            if not self._db.execute(statement.text, statement.arguments(row)).fetchall():
                raise LostUpdate(table)


class LostUpdate(Exception):
    """A row that was loaded under lock wasn't there to be updated: somebody writes around the store."""
