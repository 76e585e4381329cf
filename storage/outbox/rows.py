"""The outbox as rows: claimed with a lease, paid and gone, or put off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Update, bindparam, delete, func, or_, select, update

from flows.effects import Remind, Write
from storage.sql import TABLES, Row
from storage.store import Store
from storage.tables import Instant

_OUTBOX = TABLES["outbox"]
_now = bindparam("now", type_=Instant())
_free = or_(_OUTBOX.c.lease_until.is_(None), _OUTBOX.c.lease_until <= _now)
# Letters are claimed by themselves: a mail server that hangs must not keep anything else waiting.
_queue = {False: _OUTBOX.c.kind != Write.__name__, True: _OUTBOX.c.kind == Write.__name__}


def _claiming(letters: bool) -> Update:
    due = (
        select(_OUTBOX.c.key)
        .where(_OUTBOX.c.due_at <= _now, _free, _queue[letters])
        .order_by(_OUTBOX.c.due_at)
        .limit(bindparam("most"))
    )
    # The lease is looked at twice: another claimer may have come between the search and the update.
    return (
        update(_OUTBOX)
        .where(_OUTBOX.c.key.in_(due), _free)
        .values(lease_until=bindparam("until", type_=Instant()), attempts=_OUTBOX.c.attempts + 1)
        .returning(*_OUTBOX.c)
    )


_claim = {letters: _claiming(letters) for letters in (False, True)}
_mine = (_OUTBOX.c.key == bindparam("key_"), _OUTBOX.c.attempts == bindparam("attempts_"))
_paid = delete(_OUTBOX).where(*_mine).returning(_OUTBOX.c.key)
_put_off = update(_OUTBOX).where(*_mine).values(lease_until=None, due_at=bindparam("due_at", type_=Instant()))
_released = update(_OUTBOX).where(_OUTBOX.c.lease_until.is_not(None)).values(lease_until=None)
_waiting = select(func.count().label("waiting"), func.min(_OUTBOX.c.due_at).label("oldest")).where(
    or_(_OUTBOX.c.kind != Remind.__name__, _OUTBOX.c.due_at <= _now)  # a reminder waits for its day
)
_any_due = {
    letters: select(_OUTBOX.c.key).where(_OUTBOX.c.due_at <= _now, _free, which).limit(1)
    for letters, which in _queue.items()
}


class RowOutbox:
    """Effects as rows of the same database, so that they are committed with what makes us owe them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def claim(self, most: int, lease: timedelta, *, letters: bool = False) -> Sequence[Row]:
        """Take up to `most` due effects for as long as the lease lasts, oldest first: letters, or all the rest."""
        now = self._store.clock()
        if not await self._store.fetch(_any_due[letters], now=now):
            return []
        return await self._store.run(_claim[letters], now=now, until=now + lease, most=most)

    async def paid(self, row: Row) -> bool:
        """It is done: the row goes. False, and nothing happens, when it went already or was claimed since."""
        return bool(await self._store.run(_paid, key=row["key"], attempts=row["attempts"]))

    async def put_off(self, row: Row, due_at: datetime) -> None:
        """Not now: free it, due again later. Nothing happens when somebody else has claimed it since."""
        await self._store.run(_put_off, key=row["key"], attempts=row["attempts"], due_at=due_at)

    async def release(self) -> None:
        """Free what a process that is gone had claimed. Only for the one process that may write."""
        await self._store.run(_released)

    async def waiting(self) -> tuple[int, datetime | None]:
        """How many effects are owed, and since when the oldest is due."""
        (row,) = await self._store.fetch(_waiting, now=self._store.clock())
        return int(row["waiting"]), row["oldest"]
