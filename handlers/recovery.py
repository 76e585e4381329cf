"""Recovery codes as they are kept and used: salted hashes in a sealed row, each compared and set in its commit."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, select

import flows.errors as no
from flows import recovery, standing
from flows.effects import Announce
from flows.events import Refused
from flows.model import Method, Person, Wrong
from flows.news import Item, News, What
from flows.recovery import CODES, LENGTH, Code, CodeSet, RecoveryCodesMade, RecoveryCodeUsed
from flows.registration import Invitation, InvitationIssued
from flows.spoken import ALPHABET
from handlers.people import People
from handlers.ports import Used
from handlers.registry import DeviceRegistry, compare_and_set
from handlers.seldom import Seldom
from handlers.signed_on import SignedOn
from handlers.standings import Standings, failed_beside_requests
from handlers.verifiers.code import CodeVerifier
from storage import rows
from storage.book import Book, Need, Outcome, Work
from storage.sql import TABLES
from storage.store import Store

LASTS = timedelta(minutes=15)  # how long the browser that recovered may take to register
AT_ONCE = 2  # attempts that are judged at the same time, each of which costs 16 MiB and some time on purpose
WAITING = 20  # and that may wait for it; more are sent away
QUIET = timedelta(minutes=1)  # refused attempts of the same person are on record once in this time
PRIVILEGED = frozenset({"administrator", "security"})
_SETS = TABLES["recovery_codes"]
_set = select(_SETS).where(_SETS.c.person == bindparam("person"))


def new_codes() -> list[str]:
    """Ten fresh codes as people read them, 80 random bits each."""
    return [recovery.shown("".join(secrets.choice(ALPHABET) for _ in range(LENGTH))) for _ in range(CODES)]


@dataclass(frozen=True, slots=True)
class Beside:
    """The other factor that goes with a recovery code: its name in the log, whether it was shown, and its key."""

    method: str
    shown: bool
    used: Used | None = None

    @property
    def said(self) -> str:
        """What security reads of it."""
        return ", after a sign-on with the company account" if self.method == "sign_on" else ""


class Recovery:
    """Keeps people's codes, and lets a browser in that has one of them and the sign-in app."""

    def __init__(self, store: Store, people: People, registry: DeviceRegistry, apps: CodeVerifier) -> None:
        self._store = store
        self._people = people
        self._registry = registry
        self._apps = apps
        self._standings = Standings(store)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._slow = ThreadPoolExecutor(AT_ONCE, "recovery")  # its own, so that nobody else waits behind it
        self._noted = Seldom(QUIET, 1000)

    async def recover_signed_on(self, signed: SignedOn, code: str, browser_hash: str) -> Invitation:
        """The same for whoever has just signed on with their company account, instead of the app's code.

        Each pass lets in one browser. A wrong recovery code counts here like any wrong code: whoever types it has
        shown the company account, so no stranger locks anybody out. Raises NotRecovered, TooBusy.
        """
        return await self._in_turn(self._tried_signed_on(signed, code, browser_hash))

    async def recover(self, account: str, code: str, app_code: str, browser_hash: str) -> Invitation:
        """Open the enrolment for this browser. Raises NotRecovered, whatever it was, after the same work; TooBusy.

        1. One active person is called so, who isn't privileged: for those others have to vouch.
        2. Their codes don't rest, nor does anything in their name.
        3. The app's code is right, and of a later step than the last.  4. The recovery code is one of theirs, unused.
        A wrong app's code beside a right recovery code counts like any wrong code. Nothing else does: a stranger
        knows nobody's recovery code, and could otherwise lock everybody's codes from here.
        """
        return await self._in_turn(self._tried(account, code, app_code, browser_hash))

    async def _in_turn(self, attempt: Coroutine[Any, Any, Invitation]) -> Invitation:
        if self._waiting >= WAITING:
            attempt.close()
            raise no.TooBusy
        self._waiting += 1
        try:
            async with self._turns:
                return await attempt
        finally:
            self._waiting -= 1

    async def _tried_signed_on(self, signed: SignedOn, code: str, browser_hash: str) -> Invitation:
        person = await self._people.person(signed.person)
        same = person is not None and person.active and person.id == signed.person
        kept = await codes_of(self._store, signed.person)
        hash = await _hash(self._slow, recovery.typed(code) or "", kept.salt if kept else "00")
        if person is None or not same or await self._excluded(person):
            await self._not_recovered(signed.person, signed.person)
            raise no.NotRecovered
        made = Invitation(
            signed.invitation, person.id, "recovery", self._store.clock() + LASTS, False, browser_hash
        )
        return await self._commit(person, kept, hash, Beside("sign_on", True), made, person.id)

    async def _excluded(self, person: Person) -> bool:
        """Whether others have to vouch for this person, or nothing in their name goes on."""
        frozen = bool(await self._standings.frozen_among([person.id]))
        return frozen or person.privileged or bool(person.roles & PRIVILEGED)

    async def _not_recovered(self, id: str, account: str) -> None:
        noted = [(None, Refused("Recover", id, "NotRecovered"))] if self._worth_noting(account) else []
        await self._store.write(Work(lambda book: Outcome(events=list(noted))))

    async def _tried(self, account: str, code: str, app_code: str, browser_hash: str) -> Invitation:
        person = await self._one(account)
        id = person.id if person else ""
        proofs = (await self._registry.registration(id)).proofs
        apps = [proof for proof in proofs if proof.method is Method.CODE]
        kept = await codes_of(self._store, id)
        hash = await _hash(self._slow, recovery.typed(code) or "", kept.salt if kept else "00")
        used = self._apps.app(apps, app_code, self._store.clock())
        if person is None or await self._excluded(person):
            await self._not_recovered(id, account)
            raise no.NotRecovered
        made = Invitation(
            secrets.token_hex(32), person.id, "recovery", self._store.clock() + LASTS, False, browser_hash
        )
        return await self._commit(
            person, kept, hash, Beside("sign_in_app", used is not None, used), made, account
        )

    async def _commit(
        self,
        person: Person,
        kept: CodeSet | None,
        hash: str,
        beside: Beside,
        invitation: Invitation,
        account: str,
    ) -> Invitation:
        used = beside.used
        links = Need("invitations", "id", invitation.id)
        sets, stands = Need("recovery_codes", "person", person.id), Need("standings", "person", person.id)
        needs = [sets, stands, links]
        if used is not None:
            needs.append(Need("authenticators", "id", used.authenticator.id))

        def run(book: Book) -> Outcome:
            before = rows.standing(book.row("standings", person.id), person.id)
            row = book.row("recovery_codes", person.id)
            now_kept = rows.code_set(row) if row else None
            if not beside.shown or now_kept is None or now_kept != kept or not now_kept.unused(hash):
                raise no.NotRecovered
            if book.row("invitations", invitation.id) is not None:
                raise no.NotRecovered  # this sign-on let a browser in already
            if before.locked(book.now) or before.frozen(book.now):
                raise no.NotRecovered
            after = recovery.spend(now_kept, hash, book.now)
            return _let_in(book, after, beside, invitation, standing.succeeded(before))

        known = kept is not None and kept.unused(hash)
        guessed = kept is not None and (known if not beside.shown else beside.used is None and not known)
        noting = guessed or self._worth_noting(account)

        def refused(refusal: no.Refusal, book: Book) -> Outcome:
            outcome = Outcome(events=[(None, Refused("Recover", person.id, refusal.kind))] if noting else [])
            if guessed:
                failed_beside_requests(outcome, book, person.id, Wrong.CODE)
            return outcome

        try:
            await self._store.write(Work(run, tuple(needs), refused))
        except no.UsedAlready:
            raise no.NotRecovered from None
        return invitation

    def _worth_noting(self, account: str) -> bool:
        """Whether one more refused attempt is news, or only the same again: anybody can make thousands.

        By the name as it was typed, so that the time it takes is the same whether there is such a person or not.
        """
        return self._noted.due(account.casefold(), self._store.clock())

    async def _one(self, account: str) -> Person | None:
        found = [person for person in await self._people.called(account) if person.active] if account else []
        return found[0] if len(found) == 1 else None


class RecoveryCodes:
    """Makes a set because a request ordered it: for our own connector."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep(self, person: str, codes: Sequence[str], request: str) -> None:
        """These are the person's codes from now on, and no others."""
        salt = secrets.token_hex(16)
        hashes = [await _hash(None, recovery.typed(code) or "", salt) for code in codes]

        def run(book: Book) -> Outcome:
            before = book.row("recovery_codes", person)
            if before is not None and before["request"] == request:
                return Outcome()
            made = CodeSet(person, request, salt, tuple(Code(hash) for hash in hashes), book.now)
            return Outcome(
                events=[(None, RecoveryCodesMade(person, request))],
                puts=[("recovery_codes", rows.code_set_row(made))],
            )

        await self._store.write(Work(run, (Need("recovery_codes", "person", person),)))

    async def kept(self, person: str, request: str) -> bool:
        """Whether the person's codes are those that this request ordered."""
        found = await codes_of(self._store, person)
        return found is not None and found.request == request


async def codes_of(store: Store, person: str) -> CodeSet | None:
    """A person's codes, or None."""
    found = await store.believed("recovery_codes", await store.fetch(_set, person=person))
    return rows.code_set(found[0]) if found else None


def _let_in(
    book: Book, after: CodeSet, beside: Beside, invitation: Invitation, standing: standing.Standing
) -> Outcome:
    keys = [compare_and_set(book, beside.used)] if beside.used is not None else []
    person = after.person
    told = Item(
        f"news:{What.RECOVERY_CODE_USED}:{invitation.id}",
        "",
        News(person, What.RECOVERY_CODE_USED, book.now),
    )
    effect = Announce("security", "recovered", f"{person}: {after.left} codes left{beside.said}")
    owed = rows.announcement_row(effect, f"recovered:{invitation.id}", "", book.now)
    return Outcome(
        events=[
            (None, RecoveryCodeUsed(person, invitation.id, after.left, beside.method)),
            (None, InvitationIssued(person, invitation.id, "recovery", invitation.expires_at)),
        ],
        puts=[
            ("recovery_codes", rows.code_set_row(after)),
            *(("authenticators", rows.authenticator_row(key)) for key in keys),
            ("invitations", asdict(invitation)),
            ("standings", rows.standing_row(standing)),
            ("outbox", owed),
            *(("outbox", row) for row in rows.news_rows(told, book.now)),
        ],
    )


async def _hash(slow_one: ThreadPoolExecutor | None, code: str, salt: str) -> str:
    """Slow on purpose (RFC 7914), and off the loop: 16 MiB and some tens of milliseconds."""

    def slow() -> str:
        made = hashlib.scrypt(code.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=32)
        return hmac.digest(b"countersign/recovery/v1", made, "sha256").hex()

    return await asyncio.get_running_loop().run_in_executor(slow_one, slow)
