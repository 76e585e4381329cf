"""The one hatch out. Every change to the outside world leaves through the worker.

An effect is claimed under a lease, done and gone, or put off. How a change is made stands in fulfilment.py; the
rest is words, which are harmless to say twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta

import structlog

import flows.errors as no
from flows.commands import Stop
from flows.effects import (
    Announce,
    AskApprovers,
    CarryOut,
    Effect,
    Notify,
    Remind,
    SendChallenge,
    StopOthers,
    Tell,
    Write,
)
from flows.model import Method, Request
from flows.news import News
from handlers.desk import Desk
from handlers.fulfilment import DEADLINE, Fulfilment
from handlers.ports import Connector, Messenger, Postman, Undeliverable, Verifier
from handlers.posted import Posted
from handlers.together import every
from storage import codec
from storage.outbox.rows import RowOutbox
from storage.sql import Row

log = structlog.get_logger()

LEASE = timedelta(seconds=90)
AT_ONCE = 16  # effects under way at the same time
LETTERS = 4  # and letters beside them
LONGEST_PAUSE = 120.0


def backoff(attempt: int) -> float:
    """Seconds to pause after this attempt: doubling, capped, with jitter so that many don't come back at once."""
    return random.uniform(0.5, 1) * min(2.0**attempt, LONGEST_PAUSE)  # noqa: S311  jitter, not a secret


class Worker:
    """Pays what the outbox says is owed."""

    def __init__(
        self,
        desk: Desk,
        connectors: Mapping[str, Connector],
        verifiers: Mapping[Method, Verifier],
        messenger: Messenger,
        *,
        deadline: float = DEADLINE,
        pause: Callable[[int], float] = backoff,
    ) -> None:
        self.outbox = RowOutbox(desk.store)
        self._desk = desk
        self._store = desk.store
        self.messenger = messenger
        self.postman: Postman | None = None  # nobody, where no mail server is set up
        self.fulfilment = Fulfilment(desk, connectors, verifiers, self.outbox, deadline)
        self._pause = pause
        self._posted = Posted(desk.store)
        self._due = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._letters: set[asyncio.Task[None]] = set()
        self._changed: dict[
            str, int
        ] = {}  # requests whose cards may be out of date → how often drawing them failed

    def changed(self, id: str) -> None:
        """This request isn't what its cards say any more: look now. Nothing is owed for it; see `catch_up`."""
        self._changed.setdefault(id, 0)
        self._due.set()

    async def catch_up(self) -> None:
        """Find the cards that were out of date when the process before us ended."""
        for id in await self._posted.behind():
            self.changed(id)

    def wake(self) -> None:
        """Something may be due: look now."""
        self._due.set()

    async def run(self) -> None:
        """Work until cancelled. What is under way then finishes on its own or after a restart."""
        while True:
            self._due.clear()
            changed, self._changed = self._changed, {}
            claimed = await self._claimed(AT_ONCE - len(self._under_way))
            letters = await self._claimed(LETTERS - len(self._letters), letters=True)
            for work in (*map(self.pay, claimed), *(self.show(id, failed) for id, failed in changed.items())):
                self._start(work, self._under_way)
            for work in map(self.pay, letters):
                self._start(work, self._letters)
            if not claimed and not letters:
                await self._due.wait()

    def _start(self, work: Coroutine[None, None, None], among: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)
        task.add_done_callback(lambda _: self.wake())

    async def _claimed(self, most: int, *, letters: bool = False) -> Sequence[Row]:
        if most <= 0:
            return []
        try:
            return await self.outbox.claim(most, LEASE, letters=letters)
        except Exception as failure:  # noqa: BLE001  a database that is away comes back; the clock wakes us
            log.error("claim_failed", error=type(failure).__name__)
            return []

    async def rest(self, patience: float = 10.0) -> None:
        """After `run` was cancelled: give what is under way a moment to finish. The rest resumes after a restart."""
        if under_way := self._under_way | self._letters:
            await asyncio.wait(under_way, timeout=patience)

    async def drain(self) -> None:
        """Pay everything that is due now, then return: for tests and for the end of a command."""
        while (rows_due := await self._all_due()) or self._changed:
            changed, self._changed = self._changed, {}
            await asyncio.gather(
                *(self.pay(row) for row in rows_due),
                *(self.show(id, failed) for id, failed in changed.items()),
            )

    async def _all_due(self) -> Sequence[Row]:
        rows_due = await self.outbox.claim(AT_ONCE, LEASE)
        return [*rows_due, *await self.outbox.claim(LETTERS, LEASE, letters=True)]

    async def pay(self, row: Row) -> None:
        """One effect: done and gone, or put off. Never raises."""
        try:
            if not await self._store.believed("outbox", [row]):
                await self.outbox.paid(row)
                return
            effect = codec.effect(row["kind"], row["body"])
            if isinstance(effect, CarryOut):
                await self.fulfilment.attempt(row)
            elif isinstance(effect, StopOthers):
                await self._stop(effect.person, besides=row["request"])
                await self.outbox.paid(row)
            else:
                await self._say(effect, row["request"], row["key"])
                await self.outbox.paid(row)
        except no.Tampered:
            log.critical("tampering", request_id=row["request"], effect=row["kind"])
            await self.outbox.paid(row)  # it is on record, and nothing more can be done with it
        except Exception as failure:  # noqa: BLE001  whatever it is, the effect stays owed
            log.warning(
                "put_off", request_id=row["request"], effect=row["kind"], error=type(failure).__name__
            )
            await self._put_off(row)

    async def _stop(self, person: str, besides: str) -> None:
        """Every open request of this person that a freeze stops, through the one door."""
        for request in await self._desk.open_for(person):
            playbook = await self._desk.playbook_of(request)
            if request.id == besides or playbook.protects:
                continue
            with contextlib.suppress(no.AlreadyClosed, no.TooLate):  # it came to its end in between
                await self._desk.submit(request.id, Stop(person))

    # -- words ------------------------------------------------------------------------------

    async def show(self, id: str, failed: int = 0) -> None:
        """Bring a request's cards up to date, now or after a pause. Never raises."""
        try:
            if (request := await self._desk.find(id)) is not None:
                await self.messenger.show(request)
        except no.Tampered:
            log.critical("tampering", request_id=id)
        except Exception as failure:  # noqa: BLE001  whatever it is, the cards are still out of date
            log.warning("not_shown", request_id=id, error=type(failure).__name__)
            asyncio.get_running_loop().call_later(self._pause(failed + 1), self._show_again, id, failed + 1)

    def _show_again(self, id: str, failed: int) -> None:
        self._changed[id] = failed
        self._due.set()

    async def _say(self, effect: Effect, id: str, key: str) -> None:
        request = await self._desk.find(id) if id else None
        match effect, request:
            case Announce(audience=audience, notice=notice, detail=detail), _:
                await self.messenger.announce(audience, notice, request, detail)
            case SendChallenge(person=person), Request():
                await self.messenger.tell(person, "challenge", request)
            case AskApprovers(people=people), Request():
                await every([self.messenger.tell(person, "ask_approvers", request) for person in people])
            case Tell(people=people, notice=notice), Request():
                await every([self.messenger.tell(person, notice, request) for person in people])
            case Remind(people=people, notice=notice), Request():
                await every([self.messenger.tell(person, notice, request) for person in people])
                await self.messenger.announce("security", notice, request, "")
            case Notify(news=news), _:
                said = await self.messenger.notify(news, request)
                if not said and not (self.postman and await self.postman.reaches(news.person)):
                    await self._untold(news, request, "no chat, no address")
            case Write(news=news), _ if self.postman:
                try:
                    await self.postman.write(news, request, key)
                except Undeliverable as refused:
                    await self._untold(news, request, str(refused))

    async def _untold(self, news: News, request: Request | None, why: str) -> None:
        """Security learns that somebody doesn't know yet what was done in their name."""
        log.warning("untold", request_id=request.id if request else None, person=news.person, what=news.what)
        detail = f"{news.person}: {news.what} ({why})"
        await self.messenger.announce("security", "untold", request, detail)

    # -- small ------------------------------------------------------------------------------

    async def _put_off(self, row: Row) -> None:
        await self.outbox.put_off(row, self._store.clock() + timedelta(seconds=self._pause(row["attempts"])))
