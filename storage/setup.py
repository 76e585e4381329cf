"""A database made ready, and the questions asked of it before anything runs on it."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

import asyncpg
from sqlalchemy import bindparam, select, update

from flows.errors import Tampered
from flows.model import Method
from storage import migrate
from storage.book import BATCH
from storage.merkle import Frontier
from storage.postgres import PostgresDriver
from storage.seals import Keys
from storage.sql import TABLES, Insert, Load, Row, Steps, primary_key
from storage.sqlite import SqliteDriver
from storage.store import Place, Store
from storage.tables import SEALED

PRODUCTION, DEMO = "production", "demo"

_INSTALLATION = TABLES["installation"]
_installation = select(_INSTALLATION).where(_INSTALLATION.c.id == bindparam("id"))
_HEAD = TABLES["tree_head"]
_head = select(_HEAD).where(_HEAD.c.id == bindparam("id"))


class NotReady(Exception):
    """A database Countersign won't run on, with the remedy."""


async def prepare(url: str, keys: Keys, kind: str, now: datetime) -> None:
    """Migrate, and write the first rows into an empty database. Harmless to repeat."""
    place = Place.parse(url)
    if place.path is not None:
        os.close(_private(place.path))
    await migrate.upgrade(url)
    steps = _first_rows(keys, kind, now)
    if place.path is not None:
        driver = SqliteDriver(place.path)
        await driver.transact(steps)
        await driver.close()
        place.path.chmod(0o600)
        return
    server = await PostgresDriver.open(place.url)
    await server.transact(steps)
    await server.close()


def _first_rows(keys: Keys, kind: str, now: datetime) -> Steps[None]:
    (found,) = yield [Load("installation", "id", [1])]
    if found:
        return
    frontier = Frontier()
    empty = {"id": 1, "size": 0, "peaks": b"", "root": frontier.root(), "last_at": now}
    installed = {"id": 1, "kind": kind, "created_at": now}
    yield [
        Insert("tree_head", [{**empty, "mac": keys.seal("tree_head", empty)}]),
        Insert("installation", [{**installed, "mac": keys.seal("installation", installed)}]),
    ]


async def examine(store: Store, kind: str) -> None:
    """Raise NotReady unless this database is of that kind, belongs to the key in use, and isn't from the future."""
    rows = await store.fetch(_installation, id=1)
    if not rows:
        raise NotReady("the database is empty; run `python app.py db upgrade`")
    if not store.keys.holds("installation", rows[0]):
        raise NotReady(
            "COUNTERSIGN_SECRET_KEY doesn't belong to this database: every seal in it would fail. "
            "Put back the key it was made with (docs/operations.md, “The secret key”)"
        )
    if rows[0]["kind"] != kind:
        raise NotReady(
            f"this database was made by the {rows[0]['kind']}; {kind} never runs on it. Use another one"
        )
    (head,) = await store.fetch(_head, id=1)
    if store.clock() < head["last_at"] - timedelta(seconds=5):
        raise NotReady(
            f"the clock says {store.clock():%Y-%m-%d %H:%M:%S} UTC, but the audit log already reaches "
            f"{head['last_at']:%Y-%m-%d %H:%M:%S}. Set the clock first"
        )


async def keep_playbooks(store: Store, contents: Sequence[Row]) -> None:
    """Store every playbook version a request may be pinned to: rows of hash, name, version and content."""
    known = {row["hash"] for row in await store.fetch(select(TABLES["playbooks"].c.hash))}
    for row in contents:
        if row["hash"] not in known:
            await store.run(TABLES["playbooks"].insert().values(**row))


async def reseal(store: Store, seed_binding: Callable[[str], str]) -> AsyncIterator[tuple[int, int]]:
    """Move every seal and sealed box to the newest secret; gives (rows done, rows in all) as it goes.

    A row whose seal doesn't hold, or whose box doesn't open, is left alone: it stays broken, for everyone to see.
    """
    keys, work = store.keys, []
    for name in (*SEALED, "secrets"):
        for row in await store.fetch(select(TABLES[name])):
            mark = row["sealed"] if name == "secrets" else row["mac"]
            if not keys.is_newest(mark) and (name == "secrets" or keys.holds(name, row)):
                with suppress(Tampered):
                    work.append((name, _resealed(keys, name, row, seed_binding)))
    for done in range(0, len(work), BATCH):
        await asyncio.gather(*(_put(store, name, row) for name, row in work[done : done + BATCH]))
        yield min(done + BATCH, len(work)), len(work)


def _resealed(keys: Keys, name: str, row: Row, seed_binding: Callable[[str], str]) -> Row:
    if name == "secrets":
        bound_to = f"{row['key']}:{row['person']}"
        return {**row, "sealed": keys.close(keys.open(row["sealed"], bound_to), bound_to)}
    if name == "authenticators" and row["method"] == Method.CODE:
        bound_to = seed_binding(row["person"])
        row = {**row, "material": keys.close(keys.open(row["material"], bound_to), bound_to)}
    return {**row, "mac": keys.seal(name, row)}


async def _put(store: Store, name: str, row: Row) -> None:
    found = TABLES[name]
    key = primary_key(found)
    changed = {column: row[column] for column in ("mac", "sealed", "material") if column in row}
    await store.run(update(found).where(key == row[key.name]).values(changed))


class Hold:
    """The right to write: one process at a time on one database, given back when the process ends."""

    def __init__(self, file: IO[str] | None, connection: Any) -> None:
        self._file = file
        self._connection = connection

    @classmethod
    async def take(cls, url: str) -> Hold:
        """Raises NotReady when another process holds it."""
        place = Place.parse(url)
        if place.path is not None:
            return cls(_lock(place.path), None)
        connection = await asyncpg.connect(place.url, timeout=10)
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext('countersign'))"):
            await connection.close()
            raise NotReady("another `serve` or command works on this database already; stop that one first")
        return cls(None, connection)

    async def release(self) -> None:
        """Give it back."""
        if self._file is not None:
            self._file.close()
        if self._connection is not None:
            await asyncio.wait_for(self._connection.close(), 5)


def _private(path: Path) -> int:
    """Open a file that nobody else may read, from its first moment on."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _lock(database: Path) -> IO[str]:
    path = database.with_name(database.name + ".lock")
    file = os.fdopen(_private(path), "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise NotReady(
            f"another `serve` or command works on {database.name} already; stop that one first"
        ) from None
    return file
