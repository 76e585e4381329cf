"""What we ask of the outside, in verbs from our side. Every port is async; the core never is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, Protocol, runtime_checkable

from flows.authority import Evidence
from flows.model import Assurance, Cause, Checked, Method, Person, Receipt, Request, Wrong
from flows.news import News
from flows.registration import Authenticator
from handlers.findings import Finding

# -- connectors -----------------------------------------------------------------------------


class Rejected(Exception):
    """The system said no and changed nothing; asking again won't help. The text is for the operator."""

    cause: ClassVar[Cause] = Cause.OTHER


class MissingRight(Rejected):
    """Our account there may not do that: the operator has to give it the right, or the playbook asks too much."""

    cause = Cause.RIGHT


class NoAccount(Rejected):
    """There is no such account, or not where our account may look."""

    cause = Cause.ACCOUNT


class PolicyRefused(Rejected):
    """The system's own rules refuse it: a password that is too weak or was used before, a change too soon."""

    cause = Cause.POLICY


#: What a connector says to a playbook that changes a password and names none.
NO_PASSWORD = "There is no password to set. Check that the playbook hands one out, or takes a chosen one."  # noqa: S105


class Unreachable(Exception):
    """The system could not be asked; nothing was changed. Asking again later may help."""


class Connector(Protocol):
    """One system of record.

    `secret` is the one made for this key: a temporary password or an enrolment token; None where the
    playbook hands out none. Anything raised besides Rejected and Unreachable, a time-out included,
    means "it may have happened": the worker then reads back with `check` before it repeats.
    """

    verbs: frozenset[str]

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        """Make the change once for this key, however often it is called with it."""
        ...

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        """Read back whether the change of this key is in place. None means it certainly is not."""
        ...

    async def undo(self, request: Request, key: str) -> Receipt:
        """Take back what `carry_out` gave under this key. Undoing twice is the same as once."""
        ...


@runtime_checkable
class Closing(Protocol):
    """A connector that has something to hang up."""

    async def close(self) -> None:
        """Hang up."""
        ...


@runtime_checkable
class Examined(Protocol):
    """A connector that can say what it may do, without changing anything."""

    async def examine(self, needed: Collection[str], account: str) -> list[Finding]:
        """What stands between us and the `needed` verbs, what we may beyond them, and how an account stands."""
        ...


@runtime_checkable
class Peopled(Protocol):
    """A connector to a system that knows who works here."""

    people: Directory


# -- verifiers ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Question:
    """What is being answered: one challenge for one digest, and who has to answer with what they registered."""

    person: str
    nonce: str
    digest: str
    authenticators: Sequence[Authenticator]


@dataclass(frozen=True, slots=True)
class Used:
    """What the commit must compare and set: this authenticator, unchanged since it was read, gets this counter.

    `synced` is what a passkey said of itself, for one of which that isn't known yet.
    """

    authenticator: Authenticator
    counter: int
    backed_up: bool = False
    synced: bool | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verifier's judgement. A yes says what the commit must compare and set, and the evidence to keep.

    `alarm` is for security's ears, set when an answer is right but strange, such as a counter gone backward.
    """

    answer: Checked | Wrong
    used: Used | None = None
    signed: Mapping[str, str] | None = None
    alarm: str = ""


class Verifier(Protocol):
    """One method of proof."""

    method: Method
    assurance: Assurance

    async def ask(self, question: Question) -> Mapping[str, object]:
        """What the device page needs to put the question: JSON-ready, nothing secret."""
        ...

    async def check(self, question: Question, answer: Mapping[str, str], now: datetime) -> Verdict:
        """Judge one answer. Never raises on hostile input: that is a wrong answer."""
        ...

    async def recheck(self, evidence: Evidence) -> bool:
        """Judge kept evidence again, from its row alone: before the change is made, and years later."""
        ...


# -- people ---------------------------------------------------------------------------------


By = Literal["role", "manager", "name", "group", "owner"]


class Directory(Protocol):
    """Who works here, right now."""

    async def person(self, id: str) -> Person | None:
        """The person with this lasting id, or None."""
        ...

    async def find(self, by: By, value: str) -> Sequence[Person]:
        """Everybody who holds a role, reports to a person, is called so (by account, alias or whole name), is in the
        group of this name, or owns it. A name that two groups share is no group's.

        Both raise Unreachable.
        """
        ...


class Messenger(Protocol):
    """Says things to people and rooms. Saying something twice must be harmless."""

    async def tell(self, person: str, notice: str, request: Request) -> None:
        """Tell one person what happened to a request."""
        ...

    async def announce(self, audience: str, notice: str, request: Request | None, detail: str) -> None:
        """Tell a role's room or the security channel; without a request, about the installation itself."""
        ...

    async def notify(self, news: News, request: Request | None) -> bool:
        """Tell the person it concerns what was done in their name. False where they can't be told here."""
        ...

    async def show(self, request: Request) -> None:
        """Bring every card about this request up to date."""
        ...


@runtime_checkable
class Welcoming(Protocol):
    """A Messenger that can write to somebody who has no request, and perhaps nothing registered."""

    async def welcome(self, person: str, address: str) -> bool:
        """Tell somebody that they can register a device there. False where we have no way to write to them."""
        ...


class Undeliverable(Exception):
    """The mail server says for good that this address takes nothing. The text is for operators, and names nobody."""


class Postman(Protocol):
    """Writes to people by e-mail. A letter is the same whenever it is written under the same key."""

    async def reaches(self, person: str) -> bool:
        """Whether the directory has an address of theirs that can be written to."""
        ...

    async def write(self, news: News, request: Request | None, key: str) -> None:
        """Hand over one letter, or none where `reaches` is false. Raises Undeliverable and what the network does."""
        ...


class Bindings(Protocol):
    """What our own connector changes: whose chat account is whose. An account is named `platform/workspace/id`."""

    async def connect(self, person: str, account: str, request: str) -> bool:
        """Give an account to a person. False if it is theirs already; Rejected if it is somebody else's."""
        ...

    async def disconnect(self, person: str, account: str, request: str) -> bool:
        """Take an account from a person. False if that was done already; Rejected if it never was theirs."""
        ...

    async def connected(self, person: str, account: str) -> bool:
        """Whether this account belongs to this person now."""
        ...


class Freezes(Protocol):
    """What our own connector changes: who rests because of a report, and who goes on."""

    async def freeze(self, person: str, by: str, request: str, *, confirmed: bool) -> None:
        """Freeze somebody: for a day when security or they themself `confirmed` it, else for an hour.

        Raises Rejected.
        """
        ...

    async def lift(self, person: str, request: str, asked_at: datetime) -> None:
        """Let somebody go on: their freeze and their lock are gone.

        Raises Rejected if more was reported since `asked_at`.
        """
        ...

    async def ordered(self, person: str, request: str) -> bool:
        """Whether this request froze this person, or let them go on."""
        ...


class Codes(Protocol):
    """What our own connector changes: a person's recovery codes."""

    async def keep(self, person: str, codes: Sequence[str], request: str) -> None:
        """These are the person's codes from now on, and no others."""
        ...

    async def kept(self, person: str, request: str) -> bool:
        """Whether the person's codes are those that this request ordered."""
        ...


class Registry(Protocol):
    """What our own connector changes: invitations and devices."""

    async def invite(self, person: str, token: str, request: str, *, first: bool) -> bool:
        """Make an enrolment link valid for an hour. False if this very token stands already.

        `first`: it is for someone who never had a device, else Rejected.
        """
        ...

    async def re_enrol(self, person: str, token: str, request: str) -> bool:
        """Revoke every device of theirs, withdraw every open link, and make a new one: all or nothing.

        For someone who never had a device it is a first link. False if this very token stands already.
        """
        ...

    async def invited(self, person: str, token: str) -> bool:
        """Whether this token was made into a link for this person."""
        ...

    async def revoke(self, person: str, device: str, request: str) -> bool:
        """Revoke a device on an administrator's request. False if it is revoked already."""
        ...

    async def revoked(self, person: str, device: str) -> bool:
        """Whether this device counts no more."""
        ...

    async def revoke_passkey(self, person: str, passkey: str, request: str) -> bool:
        """Revoke one passkey, by its short name. False if it is revoked already.

        Rejected for one that isn't theirs, and for the last that anything can be proved with on its device.
        """
        ...

    async def passkey_revoked(self, person: str, passkey: str) -> bool:
        """Whether this passkey counts no more."""
        ...
