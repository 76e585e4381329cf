"""SQLite behind the store: one writer thread, many readers, every commit on the disk before it is answered."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from storage.sql import Compiler, Delete, Insert, Load, Operation, Row, Run, Steps, Update


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

    def transact(self, steps: Steps[Any]) -> Any:
        """Run a batch in one transaction; gives what the generator returns. Anything raised undoes all of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            answers: Any = None
            while True:
                try:
                    operations = steps.send(answers)
                except StopIteration as end:
                    self._db.execute("COMMIT")
                    return end.value
                answers = [self._execute(operation) for operation in operations]
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _execute(self, operation: Operation) -> list[Row]:
        match operation:
            case Load(table, column, values):
                statement, reader = self._sql.load(table, column)
                return reader.rows(self._db.execute(statement.text, (json.dumps(list(values)),)))
            case Insert(table, rows):
                statement = self._sql.insert(table)
                self._db.executemany(statement.text, [statement.arguments(row) for row in rows])
            case Update(table, rows):
                statement = self._sql.update(table)
                arguments = [statement.arguments(row) for row in rows]
                if self._db.executemany(statement.text, arguments).rowcount != len(rows):
                    raise LostUpdate(table)
            case Delete(table, keys):
                self._db.executemany(self._sql.delete(table).text, [(key,) for key in keys])
            case Run(clause, values):
                statement, reader = self._sql.clause(clause)
                return reader.rows(self._db.execute(statement.text, statement.arguments(values)))
        return []


class LostUpdate(Exception):
    """A row that was loaded under lock wasn't there to be updated: somebody writes around the store."""
