"""What a chat platform delivered: a row first, then acknowledged, then decided, and done in that decision's commit.

A platform that hears nothing in time delivers again, and a process may end between its yes and its work. One row
a delivery, unique by key, answers both: the second is known, and the undone are taken up after a restart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, delete, func, select

from storage.book import Book, Need, Outcome, Work
from storage.sql import TABLES, Row
from storage.store import Store
from storage.tables import Instant

KEPT = timedelta(days=2)  # longer than any platform repeats itself, or a signed request stays valid

_DELIVERIES = TABLES["deliveries"]
_undone = (
    select(_DELIVERIES)
    .where(_DELIVERIES.c.open_since.is_not(None), _DELIVERIES.c.key.startswith(bindparam("platform")))
    .order_by(_DELIVERIES.c.open_since)
)
_waiting = select(func.count().label("count")).where(_DELIVERIES.c.open_since.is_not(None))
_old = delete(_DELIVERIES).where(
    _DELIVERIES.c.open_since.is_(None),
    _DELIVERIES.c.received_at < bindparam("before", type_=Instant()),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery: the platform's bytes under a key that begins with the platform's name and a colon."""

    key: str
    body: bytes


class Deliveries:
    """Deliveries as rows, over the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def take(self, delivery: Delivery) -> bool:
        """Put it on the disk. False when it was there already, whatever came of it: then there is nothing to do."""
        key = delivery.key
        sealed = self._store.keys.close(delivery.body, f"delivery:{key}")

        def run(book: Book) -> Outcome:
            if book.row("deliveries", key) is not None:
                return Outcome(value=False)
            now = book.now
            row = {"key": key, "received_at": now, "open_since": now, "body": sealed}
            return Outcome(value=True, puts=[("deliveries", row)])

        taken: bool = await self._store.write(Work(run, (Need("deliveries", "key", key),)))
        return taken

    async def finish(self, key: str) -> None:
        """It led to no decision, or to one that marked it done already."""

        def run(book: Book) -> Outcome:
            row = book.row("deliveries", key)
            return Outcome(puts=[("deliveries", done(row))] if row and row["open_since"] else [])

        await self._store.write(Work(run, (Need("deliveries", "key", key),)))

    async def undone(self, platform: str) -> Sequence[Delivery]:
        """What was acknowledged and not done when the process before us ended, oldest first. Raises Tampered."""
        found = await self._store.fetch(_undone, platform=f"{platform}:")
        open_ = self._store.keys.open
        return [Delivery(row["key"], open_(bytes(row["body"]), f"delivery:{row['key']}")) for row in found]

    async def waiting(self) -> int:
        """How many were acknowledged and aren't done."""
        (row,) = await self._store.fetch(_waiting)
        return int(row["count"])

    async def sweep(self) -> None:
        """Forget what is done and too old to come again."""
        await self._store.run(_old, before=self._store.clock() - KEPT)


def done(row: Row) -> Row:
    """A delivery's row once nothing is left to do: what it said is gone."""
    return {**row, "open_since": None, "body": b""}
