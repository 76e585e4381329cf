"""Joining: the first device of somebody who signs on with their company account, in the browser they do it in.

A sign-on is begun in one browser and answered there, once, within ten minutes. What it proves is who somebody is
at that moment; everything else is looked up in the directory and in the registry as for any enrolment link.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import structlog
from sqlalchemy import bindparam, delete

import flows.errors as no
from flows import registration as registering
from flows.events import Refused
from flows.registration import SIGN_ON, Change, Invitation, Registration
from handlers.desk import Desk
from handlers.forms import clean
from handlers.registry import INVITATION_LASTS
from handlers.sign_on.provider import Away, Provider
from handlers.sign_on.token import Untrue
from handlers.signed_on import SignedOn, seal_pass
from storage.book import Book, Need, Outcome, Work
from storage.seals import token_hash
from storage.sql import TABLES
from storage.tables import Instant

log = structlog.get_logger()

LASTS = timedelta(minutes=10)
KEPT = timedelta(hours=1)  # longer than a sign-on could still be answered, whatever the clocks do
#: What a sign-on is begun for, and how a refusal of it is called on record.
JOIN, RECOVER = "Join", "Recover"

_SIGN_ONS = TABLES["sign_ons"]
_old = delete(_SIGN_ONS).where(_SIGN_ONS.c.answered_at < bindparam("before", type_=Instant()))
_BOUND = "sign-on"  # what the sealed state is bound to


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-on that is under way: which browser began it, when, and the secret that it is known by."""

    browser: str
    at: datetime
    secret: str
    purpose: str

    @property
    def id(self) -> str:
        """Its name among those that were answered."""
        return token_hash(f"answered:{self.secret}")

    @property
    def invitation(self) -> str:
        """The name of the link that may come of it. No token leads there."""
        return token_hash(f"invitation:{self.secret}")

    @property
    def nonce(self) -> str:
        """What the ID token has to repeat."""
        return token_hash(f"nonce:{self.secret}")

    @property
    def verifier(self) -> str:
        """What the code is worth nothing without (RFC 7636)."""
        return token_hash(f"verifier:{self.secret}")


class Joining:
    """The company's sign-on in front of the registry. Without a provider it is closed."""

    def __init__(self, desk: Desk, provider: Provider | None) -> None:
        self._desk = desk
        self._store = desk.store
        self._provider = provider

    @property
    def is_open(self) -> bool:
        """Whether anybody can join this way."""
        return self._provider is not None

    async def begin(self, browser: str, purpose: str = JOIN) -> str:
        """Where to send this browser to sign on; `browser` is the hash of its own secret. Raises a Refusal."""
        provider = self._open_provider()
        begun = Begun(browser, self._store.clock(), secrets.token_urlsafe(32), purpose)
        try:
            return await provider.address(self._sealed(begun), begun.nonce, begun.verifier)
        except Away:
            raise no.SignOnAway from None

    async def finish(self, browser: str, answer: Mapping[str, str], becomes: str) -> str | None:
        """What the browser came back with. Gives a pass for the recovery page where that is what it was begun for.

        Raises a Refusal, which is on record unless the state is no state of ours.

        The invitation is for the browser under its next secret, whose hash is `becomes`: nobody else knows that one.

        1. The state is ours, was begun in this browser, in time, and is answered for the first time.
        2. The answer is the provider's own, and a code.
        3. The provider's token for the code says who has just signed on, because we asked.
        4. That is somebody who works here, and who never had a device. Who recovers is looked at with their code.
        """
        provider = self._open_provider()
        # 1
        begun = self._begun(answer.get("state", ""))
        await self._once(begun, browser)
        # 2
        try:
            if not await provider.answered_by(answer.get("iss", "")):
                await self._refuse(begun, no.SignOnUntrue(), "iss")
            if "error" in answer or not answer.get("code"):
                await self._refuse(begun, no.SignOnLeft(), answer.get("error", ""))
            # 3
            who = await provider.who(answer["code"], begun.verifier, begun.nonce, begun.at.timestamp())
        except Away:
            await self._refuse(begun, no.SignOnAway())
        except Untrue as untrue:
            await self._refuse(begun, no.SignOnUntrue(), str(untrue))
        # 4
        if begun.purpose == RECOVER:
            return seal_pass(self._store.keys, SignedOn(who, browser, self._store.clock(), begun.invitation))
        await self._let_in(begun, who, becomes)
        return None

    # -- step by step ---------------------------------------------------------------------------

    def _open_provider(self) -> Provider:
        if self._provider is None:
            raise no.JoiningClosed
        return self._provider

    def _sealed(self, begun: Begun) -> str:
        content = f"{int(begun.at.timestamp())} {begun.browser} {begun.secret} {begun.purpose}"
        return urlsafe_b64encode(self._store.keys.close(content.encode(), _BOUND)).decode().rstrip("=")

    def _begun(self, state: str) -> Begun:
        """What is in a state of ours. Raises SignOnUnknown for whatever isn't one."""
        try:
            box = urlsafe_b64decode(state.encode("ascii") + b"=" * (-len(state) % 4))
            at, browser, secret, purpose = self._store.keys.open(box, _BOUND).decode().split(" ")
        except (ValueError, no.Tampered):
            raise no.SignOnUnknown from None
        return Begun(browser, datetime.fromtimestamp(int(at), UTC), secret, purpose)

    async def _once(self, begun: Begun, browser: str) -> None:
        """Begun in this browser, not long ago, and answered now for the first time: judged in the commit."""
        id = begun.id

        def run(book: Book) -> Outcome:
            if begun.browser != browser:
                raise no.SignOnUnknown
            if not book.now < begun.at + LASTS:
                raise no.SignOnExpired
            if book.row("sign_ons", id) is not None:
                raise no.SignOnUsed
            return Outcome(puts=[("sign_ons", {"id": id, "answered_at": book.now})])

        def refused(refusal: no.Refusal, book: Book) -> Outcome:
            return Outcome(events=[(None, Refused(begun.purpose, SIGN_ON, refusal.kind))])

        await self._store.write(Work(run, (Need("sign_ons", "id", id),), refused))
        await self._store.run(_old, before=self._store.clock() - KEPT)

    async def _refuse(
        self, begun: Begun, refusal: no.Refusal, why: str = "", actor: str = SIGN_ON
    ) -> NoReturn:
        """A no, on record with what was wrong."""
        log.warning("joining_refused", reason=refusal.kind)
        await self._desk.record([(None, Refused(begun.purpose, actor, refusal.kind, clean(why[:80])))])
        raise refusal

    async def _let_in(self, begun: Begun, who: str, browser: str) -> None:
        invitation = begun.invitation
        try:
            person = await self._desk.people.person(who)
        except no.DirectoryAway as away:
            await self._refuse(begun, away)
        if person is None or person.id != who:
            await self._refuse(begun, no.NotToJoin(), f"nobody has this id: {who}")
        if not person.active:
            await self._refuse(begun, no.NotToJoin(), "doesn't work here", who)
        if await self._desk.standings.frozen_among([who]):
            await self._refuse(begun, no.NotToJoin(), "everything in their name rests", who)

        def decision(before: Registration, book: Book) -> Change:
            expires = book.now + INVITATION_LASTS
            return registering.join(before, Invitation(invitation, who, SIGN_ON, expires, True, browser))

        await self._desk.registry.decide(JOIN, who, decision, Need("invitations", "id", invitation))
        log.info("joining", person=who)
