"""The store: waiting commands become one commit, on SQLite or PostgreSQL, and reads see what is committed.

Commands that wait in this process, up to 64, are decided one by one and committed together. That makes the
audit tree atomic with what it records and cheap at the same time.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import asyncpg
from sqlalchemy.engine import make_url
from sqlalchemy.sql import ClauseElement

from flows.errors import Conflict
from storage.book import BATCH, Outcome, Work, commit
from storage.postgres import PostgresDriver
from storage.recent import Recent
from storage.seals import Keys
from storage.sql import TABLES, Row, Run, primary_key
from storage.sqlite import SqliteDriver

Clock = Callable[[], datetime]

_COLLISIONS = (sqlite3.IntegrityError, asyncpg.IntegrityConstraintViolationError)


def utc_now() -> datetime:
    """The time, aware and UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the database is. `path` is set for SQLite, `url` for PostgreSQL."""

    path: Path | None = None
    url: str = ""

    @classmethod
    def parse(cls, url: str) -> Place:
        """Read COUNTERSIGN_DATABASE_URL. Raises ValueError with the remedy for anything but the two kinds."""
        remedy = "use sqlite:////absolute/path.db or postgresql://user:password@host/name"
        try:
            parsed = make_url(url)
        except Exception:  # noqa: BLE001  a URL that can't be read, however it fails
            raise ValueError(f"the database URL can't be read; {remedy}") from None
        if parsed.drivername == "sqlite" and parsed.database and parsed.database != ":memory:":
            return cls(path=Path(parsed.database))
        if parsed.drivername in ("postgresql", "postgres"):
            return cls(url=parsed.set(drivername="postgresql").render_as_string(hide_password=False))
        raise ValueError(f"{parsed.drivername} isn't a database Countersign runs on; {remedy}")


class Store(ABC):
    """One open database. Open it with `Store.open`, inside the running event loop."""

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self.keys = keys
        self.clock = clock
        self._recent = Recent(keys)
        self._loop = asyncio.get_running_loop()
        self._noticed: set[tuple[str, str, bytes]] = set()

    @staticmethod
    async def open(url: str, keys: Keys, *, clock: Clock = utc_now, read_only: bool = False) -> Store:
        """Open a migrated database. Raises ValueError for a bad URL, OSError or a driver's error otherwise."""
        place = Place.parse(url)
        if place.path is not None:
            return SqliteStore(place.path, keys, clock, read_only=read_only)
        return PostgresStore(await PostgresDriver.open(place.url, read_only=read_only), keys, clock)

    @abstractmethod
    async def write(self, work: Work) -> Any:
        """Have one command decided and committed; gives its value, or raises its refusal once that is on record."""

    @abstractmethod
    async def fetch(self, clause: ClauseElement, **values: Any) -> list[Row]:
        """The rows of one statement, as they are committed now."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what waits, then close."""

    async def run(self, clause: ClauseElement, **values: Any) -> list[Row]:
        """Run one statement that writes, in its turn; gives its rows."""
        (rows,) = await self.write(Work(lambda book: Outcome(), runs=(Run(clause, values),)))
        return list(rows)

    async def believed(self, table: str, found: Sequence[Row]) -> list[Row]:
        """Those of the rows whose seal holds; each of the others is noticed."""
        good = []
        for row in found:
            if self.keys.holds(table, row):
                good.append(row)
            else:
                await self.notice(table, str(row[primary_key(TABLES[table]).name]), bytes(row["mac"]))
        return good

    async def notice(self, table: str, row: str, mark: bytes = b"") -> None:
        """Put a row that was written from outside on record and tell security; once, however often it is seen."""
        seen = (table, row, mark)
        if seen in self._noticed:
            return
        self._noticed.add(seen)
        try:
            await self.write(Work(lambda book: Outcome(tampered=[(table, row)])))
        except BaseException:
            self._noticed.discard(seen)
            raise


Waiting = tuple[Work, "asyncio.Future[Any]"]


class SqliteStore(Store):
    """A thread that owns the writing connection; a reading connection on the event loop's own thread."""

    def __init__(self, path: Path, keys: Keys, clock: Clock, *, read_only: bool) -> None:
        super().__init__(keys, clock)
        self._waiting: SimpleQueue[Waiting | None] = SimpleQueue()
        self._writer: threading.Thread | None = None
        if not read_only:
            SqliteDriver(path).close()  # WAL is set before the first reader comes
            self._writer = threading.Thread(target=self._write_all, args=(path,), name="store", daemon=True)
            self._writer.start()
        self._reader = SqliteDriver(path, read_only=True)

    async def write(self, work: Work) -> Any:
        if self._writer is None:
            raise PermissionError("this database was opened to be read only")
        future = self._loop.create_future()
        self._waiting.put((work, future))
        return await future

    async def fetch(self, clause: ClauseElement, **values: Any) -> list[Row]:
        return self._reader.fetch(Run(clause, values))

    async def close(self) -> None:
        self._reader.close()  # first: only a connection that may write folds the WAL into the file as it goes
        if self._writer is not None:
            self._waiting.put(None)
            await asyncio.to_thread(self._writer.join)

    def _write_all(self, path: Path) -> None:
        driver = SqliteDriver(path)
        while (first := self._waiting.get()) is not None:
            batch = [first]
            while len(batch) < BATCH and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    self._waiting.put(None)
                    break
                batch.append(following)
            results = self._commit(driver, [work for work, _ in batch])
            self._loop.call_soon_threadsafe(_answer, [future for _, future in batch], results)
        driver.close()

    def _commit(self, driver: SqliteDriver, works: Sequence[Work]) -> list[Any]:
        try:
            results: list[Any] = driver.transact(commit(works, self._recent, self.clock()))
            return results
        except _COLLISIONS as collision:
            if len(works) == 1:
                return [Conflict().with_traceback(collision.__traceback__)]
            return [self._commit(driver, [work])[0] for work in works]
        except Exception as failure:  # noqa: BLE001  each of those who asked hears of it
            return [failure] * len(works)


class PostgresStore(Store):
    """A task that commits whatever has come while the last commit was under way."""

    def __init__(self, driver: PostgresDriver, keys: Keys, clock: Clock) -> None:
        super().__init__(keys, clock)
        self._driver = driver
        self._waiting: list[Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    async def write(self, work: Work) -> Any:
        future = self._loop.create_future()
        self._waiting.append((work, future))
        if self._writer is None or self._writer.done():
            self._writer = self._loop.create_task(self._write_all())
        return await future

    async def fetch(self, clause: ClauseElement, **values: Any) -> list[Row]:
        return await self._driver.fetch(Run(clause, values))

    async def close(self) -> None:
        if self._writer is not None:
            await self._writer
        await self._driver.close()

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            results = await self._commit([work for work, _ in batch])
            _answer([future for _, future in batch], results)

    async def _commit(self, works: Sequence[Work]) -> list[Any]:
        try:
            results: list[Any] = await self._driver.transact(commit(works, self._recent, self.clock()))
            return results
        except _COLLISIONS as collision:
            if len(works) == 1:
                return [Conflict().with_traceback(collision.__traceback__)]
            return [(await self._commit([work]))[0] for work in works]
        except Exception as failure:  # noqa: BLE001  each of those who asked hears of it
            return [failure] * len(works)


def _answer(futures: Sequence[asyncio.Future[Any]], results: Sequence[Any]) -> None:
    for future, result in zip(futures, results, strict=True):
        if future.done():  # whoever asked has gone; what was committed stays committed
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
