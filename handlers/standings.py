"""How people stand, kept in the same commit as what is decided about them: counters, locks and freezes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select

import flows.errors as no
from flows import standing as standing_
from flows.effects import Announce
from flows.events import (
    AlarmRaised,
    ApprovalRequested,
    Cancelled,
    ChallengeFailed,
    Disowned,
    Event,
    Expired,
    LockedOut,
    Opened,
    Stopped,
    Verified,
)
from flows.model import DEVICE_PAGE, Request, Wrong
from flows.news import Item, News, What
from flows.standing import (
    DAY,
    FREEZE,
    OF_OTHERS,
    QUIET,
    UNCONFIRMED,
    CodesLocked,
    FreezeLifted,
    PersonFrozen,
    Standing,
)
from handlers.ports import Rejected
from storage import codec, rows
from storage.book import Book, Need, Outcome, Work
from storage.sql import TABLES
from storage.store import Store

_STANDINGS, _EVENTS = TABLES["standings"], TABLES["audit_events"]
_standing = select(_STANDINGS).where(_STANDINGS.c.person == bindparam("person"))
_frozen = (
    select(_STANDINGS)
    .where(_STANDINGS.c.frozen_until > bindparam("now", type_=_STANDINGS.c.frozen_until.type))
    .order_by(_STANDINGS.c.person)
)
_ordered = (
    select(_EVENTS.c.type, _EVENTS.c.body)
    .where(
        _EVENTS.c.person == bindparam("person"),
        (_EVENTS.c.type == PersonFrozen.__name__) | (_EVENTS.c.type == FreezeLifted.__name__),
    )
    .order_by(_EVENTS.c.seq.desc())
)


class Standings:
    """Reads how people stand, and freezes or lifts because a request ordered it: the port of our own connector."""

    def __init__(self, store: Store, span: timedelta = FREEZE) -> None:
        self.store = store
        self.span = span

    async def frozen_among(self, people: Collection[str]) -> frozenset[str]:
        """Who of these is frozen now. A row that is older than what the log says is noticed, and not believed."""
        now = self.store.clock()
        return frozenset([person for person in sorted(set(people)) if await self._frozen(person, now)])

    async def counted(self, person: str) -> Standing | None:
        """What was counted for a person; None where their row was changed from outside."""
        kept = await self.store.fetch(_standing, person=person)
        if kept and not await self.store.believed("standings", kept):
            return None
        return rows.standing(kept[0] if kept else None, person)

    async def frozen(self) -> list[Standing]:
        """Everybody who is frozen now."""
        found = await self.store.believed(
            "standings", await self.store.fetch(_frozen, now=self.store.clock())
        )
        return [rows.standing(row, row["person"]) for row in found]

    async def freeze(self, person: str, by: str, request: str, *, confirmed: bool) -> None:
        """Freeze somebody because a request ordered it: for an hour, or longer when it is confirmed.

        Raises Rejected for another unconfirmed one within a day: security has had its time to look.
        """
        span = self.span if confirmed else UNCONFIRMED

        def run(book: Book) -> Outcome:
            outcome = Outcome()
            before = _of(book, person)
            if before.ordered == request:
                return outcome
            if not confirmed and before.frozen_until is not None and book.now - before.frozen_until < DAY:
                raise no.PersonRests
            _freeze(outcome, book, person, by, request, book.now + span)
            return outcome

        try:
            await self.store.write(Work(run, (_need(person),)))
        except no.PersonRests:
            raise Rejected(
                "They were frozen less than a day ago. Security decides whether it goes on."
            ) from None

    async def lift(self, person: str, request: str, asked_at: datetime) -> None:
        """Let somebody go on because a request ordered it.

        Raises Rejected if more was reported since it was asked.
        """

        def run(book: Book) -> Outcome:
            before = _of(book, person)
            if before.ordered == request:
                return Outcome()
            if before.frozen_at is not None and before.frozen_at > asked_at:
                raise no.FrozenAgain
            outcome = Outcome(events=[(None, FreezeLifted(person, request))])
            _put(outcome, standing_.lifted(before, request))
            _tell(outcome, book, person, What.FREEZE_LIFTED, request)
            return outcome

        try:
            await self.store.write(Work(run, (_need(person),)))
        except no.FrozenAgain as refusal:
            raise Rejected(refusal.sentence) from None

    async def ordered(self, person: str, request: str) -> bool:
        """Whether this request froze this person, or let them go on."""
        found = await self.store.fetch(_ordered, person=person)
        return any(codec.said(row["body"])["request"] == request for row in found)

    async def _frozen(self, person: str, now: datetime) -> bool:
        kept = await self.store.believed("standings", await self.store.fetch(_standing, person=person))
        frozen = bool(kept) and rows.standing(kept[0], person).frozen(now)
        newest = await self.store.fetch(_ordered, person=person)
        if not frozen and newest and newest[0]["type"] == PersonFrozen.__name__:
            until = datetime.fromisoformat(codec.said(newest[0]["body"])["until"])
            if now < until:
                await self.store.notice("standings", person)
                return True
        return frozen


# -- in the commit of a decision ------------------------------------------------------------------


def needs(people: Collection[str]) -> list[Need]:
    """What a command has to see of how these people stand."""
    return [_need(person) for person in dict.fromkeys(people) if person]


def facts(book: Book, people: Collection[str], requester: str, prover: str) -> Mapping[str, object]:
    """What a decision may know of how these people stand, as the commit finds it."""
    prompted = _of(book, prover)
    return {
        "unfrozen": frozenset(person for person in people if not _of(book, person).frozen(book.now)),
        "codes_count": not prompted.locked(book.now),
        "may_ask_others": frozenset(
            whom for whom in OF_OTHERS if not _of(book, requester).bothered_enough(whom, book.now)
        ),
        "may_prompt": not prompted.prompted_enough(requester, book.now),
        "waiting": prompted.asked_elsewhere(book.now),
    }


def count(outcome: Outcome, request: Request, event: Event, book: Book, freeze: timedelta = FREEZE) -> None:
    """What one event of a request means for how its people stand."""
    before = _of(book, request.prover, outcome)
    match event:
        case Opened(origin=origin, due_at=due_at):
            if (origin.platform, request.requester) != (DEVICE_PAGE, request.prover):
                _put(
                    outcome,
                    standing_.prompted(before, request.requester, request.id, due_at, book.now),
                )
            if request.requester != request.subject:
                asking = _of(book, request.requester, outcome)
                _put(outcome, standing_.bothers(asking, "others", book.now))
        case ApprovalRequested():
            _put(outcome, standing_.bothers(_of(book, request.requester, outcome), "approvers", book.now))
        case ChallengeFailed(person=person, wrong=wrong) if person == request.prover:
            _failed(outcome, book, before, wrong, request.id)
        case Verified():
            _put(outcome, standing_.succeeded(standing_.answered(before, request.id)), before)
        case Disowned(person=person):
            _put(outcome, standing_.answered(before, request.id), before)
            _freeze(outcome, book, person, person, request.id, book.now + freeze)
        case Cancelled() | Stopped() | Expired() | LockedOut():
            _put(outcome, standing_.answered(before, request.id), before)


def failed_beside_requests(outcome: Outcome, book: Book, person: str, wrong: Wrong) -> None:
    """A wrong answer that belongs to no request counts like any other."""
    _failed(outcome, book, _of(book, person), wrong, "")


def prompted_too_often(outcome: Outcome, book: Book, prover: str, by: str) -> None:
    """Security hears once in an hour that somebody keeps prompting a person."""
    standing = _of(book, prover)
    if standing.alarmed_at is not None and book.now - standing.alarmed_at < QUIET:
        return
    _put(outcome, standing.but({"alarmed_at": book.now}))
    what = f"is asked to confirm something again and again, by {by}"
    outcome.events.append((None, AlarmRaised(prover, what)))
    _alarm(outcome, book, prover, "", what)


def _failed(outcome: Outcome, book: Book, before: Standing, wrong: Wrong, request: str) -> None:
    after = standing_.failed(before, wrong, book.now)
    _put(outcome, after, before)
    if after.locked(book.now) and not before.locked(book.now):
        outcome.events.append((None, CodesLocked(before.person, after.failed)))
        what = "numbers and codes were wrong too often and rest now"
        _alarm(outcome, book, before.person, request, what)
        _tell(outcome, book, before.person, What.CODES_LOCKED, request)


def _freeze(outcome: Outcome, book: Book, person: str, by: str, request: str, until: datetime) -> None:
    before = _of(book, person, outcome)
    after = standing_.frozen(before, by, request, until, book.now)
    _put(outcome, after, before)
    outcome.events.append((None, PersonFrozen(person, by, request, after.frozen_until or until)))
    _tell(outcome, book, person, What.PERSON_FROZEN, request)


def _tell(outcome: Outcome, book: Book, person: str, what: What, request: str) -> None:
    """The person hears of it elsewhere, in the commit that did it."""
    item = Item(f"news:{what}:{person}:{book.now.timestamp():.6f}", request, News(person, what, book.now))
    outcome.puts += [("outbox", row) for row in rows.news_rows(item, book.now)]


def _alarm(outcome: Outcome, book: Book, person: str, request: str, what: str) -> None:
    effect = Announce("security", "alarm", f"{person}: {what}")
    key = f"standing:{person}:{book.now.timestamp():.6f}"
    outcome.puts.append(("outbox", rows.announcement_row(effect, key, request, book.now)))


def _of(book: Book, person: str, outcome: Outcome | None = None) -> Standing:
    """How a person stands: as this very outcome leaves it, else as the commit finds it."""
    for table, row in reversed(outcome.puts if outcome else ()):
        if table == "standings" and row["person"] == person:
            return rows.standing(row, person)
    return rows.standing(book.row("standings", person), person)


def _put(outcome: Outcome, after: Standing, before: Standing | None = None) -> None:
    if after != before:
        outcome.puts.append(("standings", rows.standing_row(after)))


def _need(person: str) -> Need:
    return Need("standings", "person", person)
