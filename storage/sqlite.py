"""SQLite behind the store: one writer, many readers, every commit on the disk before it is answered."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from storage.sql import Compiler, Delete, Insert, Load, Operation, Row, Run, Steps, Update

#: Seconds. A commit that takes no longer holds the event loop up no longer than deciding a full batch does.
FAST = 0.005


class SqliteDriver:
    """Two connections: one reads, one writes, each only from the event loop's thread but for the commit itself.

    Statements only touch memory and the page cache. What waits for the disk is the commit. While the disk is fast
    that is done in line, because handing it to a thread and back costs more than it does; else a thread waits, the
    loop goes on, and whatever comes meanwhile makes the next batch.
    """

    def __init__(self, path: Path, *, read_only: bool = False, fast: float = FAST) -> None:
        self._sql = Compiler.for_sqlite()
        self._writing = None if read_only else _connected(path, "rwc")
        self._reading = _connected(path, "ro")
        self._commits = ThreadPoolExecutor(1, "commit")
        self._fast = fast
        self._commit_takes = 0.0  # seconds, a moving mean of the last dozen or so

    async def close(self) -> None:
        """Close both connections, the reading one first: only one that may write folds the WAL into the file."""
        self._commits.shutdown()
        self._reading.close()
        if self._writing is not None:
            self._writing.close()

    async def fetch(self, run: Run) -> list[Row]:
        """Read outside any transaction."""
        return self._execute(self._reading, run)

    async def transact(self, steps: Steps[Any]) -> Any:
        """Run a batch in one transaction; gives what the generator returns. Anything raised undoes all of it."""
        db = self._writing
        if db is None:
            raise PermissionError("this database was opened to be read only")
        db.execute("BEGIN IMMEDIATE")
        try:
            answers: Any = None
            while True:
                try:
                    operations = steps.send(answers)
                except StopIteration as end:
                    if self._commit_takes < self._fast:
                        self._commit(db)
                    else:
                        await asyncio.get_running_loop().run_in_executor(self._commits, self._commit, db)
                    return end.value
                answers = [self._execute(db, operation) for operation in operations]
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _commit(self, db: sqlite3.Connection) -> None:
        started = time.perf_counter()
        db.execute("COMMIT")
        self._commit_takes += (time.perf_counter() - started - self._commit_takes) / 16

    def _execute(self, db: sqlite3.Connection, operation: Operation) -> list[Row]:
        match operation:
            case Load(table, column, values):
                statement, reader = self._sql.load(table, column)
                return reader.rows(db.execute(statement.text, (json.dumps(list(values)),)))
            case Insert(table, rows):
                statement = self._sql.insert(table)
                db.executemany(statement.text, [statement.arguments(row) for row in rows])
            case Update(table, rows):
                statement = self._sql.update(table)
                arguments = [statement.arguments(row) for row in rows]
                if db.executemany(statement.text, arguments).rowcount != len(rows):
                    raise LostUpdate(table)
            case Delete(table, keys):
                db.executemany(self._sql.delete(table).text, [(key,) for key in keys])
            case Run(clause, values):
                statement, reader = self._sql.clause(clause)
                return reader.rows(db.execute(statement.text, statement.arguments(values)))
        return []


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    # The commit runs in a thread of its own, one at a time, while nothing else is done on that connection.
    url = f"{path.absolute().as_uri()}?mode={mode}"
    db = sqlite3.connect(url, uri=True, isolation_level=None, timeout=10, check_same_thread=False)
    db.execute("PRAGMA busy_timeout = 10000")
    db.execute("PRAGMA foreign_keys = ON")
    if mode == "ro":
        db.execute("PRAGMA query_only = ON")
    else:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
    return db


class LostUpdate(Exception):
    """A row that was loaded under lock wasn't there to be updated: somebody writes around the store."""
