"""What a chat platform delivered: a row first, then acknowledged, then decided, and done in that decision's commit.

A platform that hears nothing in time delivers again, and a process may end between its yes and its work. One row
a delivery, unique by key, answers both: the second is known, and the undone are taken up after a restart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import bindparam, delete, func, select

import flows.errors as no
from flows.events import Refused
from storage.book import Book, Need, Outcome, Work
from storage.sql import TABLES, Row
from storage.store import Store
from storage.tables import Instant

log = structlog.get_logger()

KEPT = timedelta(days=2)  # longer than any platform repeats itself, or a signed request stays valid

_DELIVERIES = TABLES["deliveries"]
_received_before = _DELIVERIES.c.received_at < bindparam("before", type_=Instant())
_undone = (
    select(_DELIVERIES.c.key)
    .where(_DELIVERIES.c.open_since.is_not(None), _DELIVERIES.c.key.startswith(bindparam("platform")))
    .order_by(_DELIVERIES.c.open_since)
)
_one = select(_DELIVERIES).where(_DELIVERIES.c.key == bindparam("key"))
_still_open = select(_DELIVERIES.c.key).where(
    _DELIVERIES.c.key == bindparam("key"), _DELIVERIES.c.open_since.is_not(None)
)
_waiting = select(func.count().label("count")).where(_DELIVERIES.c.open_since.is_not(None))
_overdue = select(_DELIVERIES.c.key).where(_DELIVERIES.c.open_since.is_not(None), _received_before)
_old = delete(_DELIVERIES).where(_DELIVERIES.c.open_since.is_(None), _received_before)


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

    async def finish(self, key: str, given_up: no.Refusal | None = None) -> None:
        """It led to no decision, or to one that marked it done already; or it is given up, and that is on record."""
        if not await self._store.fetch(_still_open, key=key):
            return

        def run(book: Book) -> Outcome:
            row = book.row("deliveries", key)
            if row is None or not row["open_since"]:
                return Outcome()
            outcome = Outcome(puts=[("deliveries", done(row))])
            if given_up:
                outcome.events.append((None, Refused("Deliver", key.partition(":")[0], given_up.kind)))
            return outcome

        await self._store.write(Work(run, (Need("deliveries", "key", key),)))
        if given_up:
            log.error("delivery_given_up", delivery=key, reason=given_up.kind)

    async def undone(self, platform: str) -> Sequence[str]:
        """The keys of what was acknowledged and isn't done, oldest first."""
        return [row["key"] for row in await self._store.fetch(_undone, platform=f"{platform}:")]

    async def read(self, key: str) -> Delivery | None:
        """A delivery that isn't done, or None. One that was changed from outside is given up, on record."""
        row = next(iter(await self._store.fetch(_one, key=key)), None)
        if row is None or not row["open_since"]:
            return None
        try:
            return Delivery(key, self._store.keys.open(bytes(row["body"]), f"delivery:{key}"))
        except no.Tampered as tampered:
            await self._store.notice("deliveries", key)
            await self.finish(key, tampered)
            return None

    async def waiting(self) -> int:
        """How many were acknowledged and aren't done."""
        (row,) = await self._store.fetch(_waiting)
        return int(row["count"])

    async def sweep(self) -> None:
        """Give up what is still undone after two days; forget what is done and too old to come again."""
        before = self._store.clock() - KEPT
        for row in await self._store.fetch(_overdue, before=before):
            await self.finish(row["key"], no.Abandoned())
        await self._store.run(_old, before=before)


def done(row: Row) -> Row:
    """A delivery's row once nothing is left to do: what it said is gone."""
    return {**row, "open_since": None, "body": b""}
