"""The store: waiting commands become one commit, on SQLite or PostgreSQL, and reads see what is committed.

Commands that wait in this process, up to 64, are decided one by one and committed together. That makes the
audit tree atomic with what it records and cheap at the same time.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from sqlalchemy.engine import make_url
from sqlalchemy.sql import ClauseElement

from flows.errors import Conflict
from storage.book import BATCH, Outcome, Work, commit
from storage.postgres import PostgresDriver
from storage.recent import Recent
from storage.seals import Keys
from storage.sql import TABLES, Row, Run, Steps, primary_key
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


class Driver(Protocol):
    """What the store asks of a database."""

    async def fetch(self, run: Run) -> list[Row]:
        """Read outside any transaction."""
        ...

    async def transact(self, steps: Steps[Any]) -> Any:
        """Run a batch in one transaction; gives what it returns. Anything raised undoes all of it."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


Waiting = tuple[Work, "asyncio.Future[Any]"]


class Store:
    """One open database. Open it with `Store.open`, inside the running event loop.

    A task commits whatever has come while the last commit was under way.
    """

    def __init__(self, driver: Driver, keys: Keys, clock: Clock) -> None:
        self.keys = keys
        self.clock = clock
        self._driver = driver
        self._recent = Recent(keys)
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._noticed: set[tuple[str, str, bytes]] = set()

    @classmethod
    async def open(cls, url: str, keys: Keys, *, clock: Clock = utc_now, read_only: bool = False) -> Store:
        """Open a migrated database. Raises ValueError for a bad URL, OSError or a driver's error otherwise."""
        place = Place.parse(url)
        if place.path is not None:
            return cls(SqliteDriver(place.path, read_only=read_only), keys, clock)
        return cls(await PostgresDriver.open(place.url, read_only=read_only), keys, clock)

    async def write(self, work: Work) -> Any:
        """Have one command decided and committed; gives its value, or raises its refusal once that is on record."""
        future = self._loop.create_future()
        self._waiting.append((work, future))
        if self._writer is None or self._writer.done():
            self._writer = self._loop.create_task(self._write_all())
        return await future

    async def fetch(self, clause: ClauseElement, **values: Any) -> list[Row]:
        """The rows of one statement, as they are committed now."""
        return await self._driver.fetch(Run(clause, values))

    async def close(self) -> None:
        """Finish what waits, then close."""
        if self._writer is not None:
            await self._writer
        await self._driver.close()

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

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            results = await self._commit([work for work, _ in batch])
            _answer([future for _, future in batch], results)
            if self._waiting:
                await asyncio.sleep(0)  # the turn of those just answered: a commit in line gives nobody one

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
