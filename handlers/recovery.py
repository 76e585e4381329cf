"""Recovery codes as they are kept and used: salted hashes in a sealed row, each compared and set in its commit."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta

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
SHARE = 4  # of them from one address, so that nobody alone can take every place
QUIET = timedelta(minutes=1)  # refused attempts of the same person are on record once in this time
PRIVILEGED = frozenset({"administrator", "security"})
_SETS = TABLES["recovery_codes"]
_set = select(_SETS).where(_SETS.c.person == bindparam("person"))


def new_codes() -> list[str]:
    """Ten fresh codes as people read them, 80 random bits each."""
    return [recovery.shown("".join(secrets.choice(ALPHABET) for _ in range(LENGTH))) for _ in range(CODES)]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody sent: everything as it was typed, the hash that their browser gets in, and where they are.

    `address` is what attempts are counted by, or empty where nobody knows; those are limited as a whole only.
    `signed_on` is there for whoever has just signed on with their company account, instead of the app's code.
    """

    account: str
    code: str
    app_code: str
    browser: str
    address: str = ""
    signed_on: SignedOn | None = None


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

    def guesses(self, known: bool) -> bool:
        """Whether it counts as a wrong code; `known`: the recovery code is one of theirs, unused."""
        return known if not self.shown else self.used is None and not known


class Recovery:
    """Keeps people's codes, and lets a browser in that has one of them and the sign-in app, or a company sign-on."""

    def __init__(self, store: Store, people: People, registry: DeviceRegistry, apps: CodeVerifier) -> None:
        self._store = store
        self._people = people
        self._registry = registry
        self._apps = apps
        self._standings = Standings(store)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting: Counter[str] = Counter()  # by address
        self._slow = ThreadPoolExecutor(AT_ONCE, "recovery")  # its own, so that nobody else waits behind it
        self._noted = Seldom(QUIET, 1000)

    async def recover(self, attempt: Attempt) -> Invitation:
        """Open the enrolment for this browser. Raises NotRecovered, whatever it was, after the same work; TooBusy.

        1. One active person is called so, who isn't privileged: for those others have to vouch.
        2. Their codes don't rest, nor does anything in their name.
        3. The app's code is right, and of a later step than the last; or they have just signed on, and that sign-on
           let nobody in before.
        4. The recovery code is one of theirs, unused.
        A wrong app's code beside a right recovery code counts like any wrong code, and so does a wrong recovery code
        after a sign-on. Nothing else does: a stranger knows nobody's recovery code and can't sign on for them, and
        could otherwise lock everybody's codes from here.
        """
        address = attempt.address
        if self._waiting.total() >= WAITING or (address and self._waiting[address] >= SHARE):
            raise no.TooBusy
        self._waiting[address] += 1
        try:
            async with self._turns:
                return await self._tried(attempt)
        finally:
            self._waiting[address] -= 1
            self._waiting += Counter()  # forgets who doesn't wait any more

    async def _tried(self, attempt: Attempt) -> Invitation:
        signed = attempt.signed_on
        person = await (self._one(attempt.account) if signed is None else self._who_signed_on(signed))
        id = person.id if person else ""
        kept = await codes_of(self._store, id)
        hash = await _hash(self._slow, recovery.typed(attempt.code) or "", kept.salt if kept else "00")
        beside = await self._app(id, attempt.app_code) if signed is None else Beside("sign_on", True)
        frozen = bool(await self._standings.frozen_among([id]))
        if person is None or frozen or person.privileged or person.roles & PRIVILEGED:
            refused = Refused("Recover", id, no.NotRecovered.__name__)
            noted = [(None, refused)] if self._worth_noting(attempt.account) else []
            await self._store.write(Work(lambda book: Outcome(events=list(noted))))
            raise no.NotRecovered
        made = Invitation(
            signed.invitation if signed else secrets.token_hex(32),
            id,
            "recovery",
            self._store.clock() + LASTS,
            False,
            attempt.browser,
        )
        return await self._commit(attempt, kept, hash, beside, made)

    async def _app(self, person: str, code: str) -> Beside:
        proofs = (await self._registry.registration(person)).proofs
        apps = [proof for proof in proofs if proof.method is Method.CODE]
        used = self._apps.app(apps, code, self._store.clock())
        return Beside("sign_in_app", used is not None, used)

    async def _commit(
        self, attempt: Attempt, kept: CodeSet | None, hash: str, beside: Beside, made: Invitation
    ) -> Invitation:
        person, used = made.person, beside.used
        sets, stands = Need("recovery_codes", "person", person), Need("standings", "person", person)
        needs = [sets, stands, Need("invitations", "id", made.id)]
        if used is not None:
            needs.append(Need("authenticators", "id", used.authenticator.id))

        def run(book: Book) -> Outcome:
            before = rows.standing(book.row("standings", person), person)
            row = book.row("recovery_codes", person)
            now_kept = rows.code_set(row) if row else None
            if not beside.shown or now_kept is None or now_kept != kept or not now_kept.unused(hash):
                raise no.NotRecovered
            if book.row("invitations", made.id) is not None:
                raise no.NotRecovered  # this sign-on let a browser in already
            if before.locked(book.now) or before.frozen(book.now):
                raise no.NotRecovered
            after = recovery.spend(now_kept, hash, book.now)
            return _let_in(book, after, beside, made, standing.succeeded(before))

        guessed = kept is not None and beside.guesses(kept.unused(hash))
        noting = guessed or self._worth_noting(attempt.account)

        def refused(refusal: no.Refusal, book: Book) -> Outcome:
            outcome = Outcome(events=[(None, Refused("Recover", person, refusal.kind))] if noting else [])
            if guessed:
                failed_beside_requests(outcome, book, person, Wrong.CODE)
            return outcome

        try:
            await self._store.write(Work(run, tuple(needs), refused))
        except no.UsedAlready:
            raise no.NotRecovered from None
        return made

    def _worth_noting(self, account: str) -> bool:
        """Whether one more refused attempt is news, or only the same again: anybody can make thousands.

        By the name as it was typed, so that the time it takes is the same whether there is such a person or not.
        """
        return self._noted.due(account.casefold(), self._store.clock())

    async def _who_signed_on(self, signed: SignedOn) -> Person | None:
        person = await self._people.person(signed.person)
        return person if person is not None and person.active and person.id == signed.person else None

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
