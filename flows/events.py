"""What happened, in the past tense: the words of the audit log. Stored names are for ever.

Folding a request's events with `evolve` gives its row. No event holds a code, a secret or a
person's free text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flows.model import Assurance, Cause, Method, Mode, Origin, Receipt, Wrong


@dataclass(frozen=True, slots=True)
class Asked:
    """What every request begins with: what is asked, under one pinned version of its playbook."""

    id: str
    playbook: str
    playbook_version: int
    playbook_hash: str
    connector: str
    verb: str
    requester: str
    subject: str
    prover: str
    origin: Origin
    parameters: Mapping[str, str]
    commitments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Opened(Asked):
    """A request was opened, in the mode that its playbook has for the subject."""

    due_at: datetime
    mode: Mode = Mode.REQUIRE


@dataclass(frozen=True, slots=True)
class Observed(Asked):
    """Asked where the playbook only observes, and over at once. Nobody was asked for anything; what would have been:

    the assurance demanded, the methods of theirs that give it, the consents of whom, and the refusal's name where
    none was possible.
    """

    assurance: Assurance
    methods: tuple[Method, ...]
    quorum: int
    approvers: tuple[str, ...]
    hindrance: str = ""


@dataclass(frozen=True, slots=True)
class ChallengeIssued:
    """A challenge was put to a person; an earlier one of the same method is void from here on."""

    person: str
    method: Method
    nonce: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ChallengeFailed:
    """A wrong answer: which part of it, and the how-many-th of this person on this request."""

    person: str
    wrong: Wrong
    count: int


@dataclass(frozen=True, slots=True)
class Verified:
    """A challenge was met and is used up. Valid for this request until `until`."""

    person: str
    method: Method
    assurance: Assurance
    nonce: str
    digest: str
    device: str
    authenticator: str
    until: datetime


@dataclass(frozen=True, slots=True)
class ApprovalRequested:
    """Consent is being asked of those whom a step of the playbook selects: so many of them have to agree."""

    quorum: int
    approvers: tuple[str, ...]
    due_at: datetime
    step: int = 0


@dataclass(frozen=True, slots=True)
class Approved:
    """One entitled person consented, with proof of their own. Valid until `until`."""

    person: str
    method: Method
    assurance: Assurance
    nonce: str
    digest: str
    device: str
    authenticator: str
    until: datetime


@dataclass(frozen=True, slots=True)
class ObjectionsInvited:
    """Everybody agreed: whoever is told now can stop it until `due_at`."""

    due_at: datetime


@dataclass(frozen=True, slots=True)
class Hurried:
    """One more entitled person bought the rest of the wait, with proof of their own. Valid until `until`."""

    person: str
    method: Method
    assurance: Assurance
    nonce: str
    digest: str
    device: str
    authenticator: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Objected:
    """Somebody who was told said no."""

    person: str


@dataclass(frozen=True, slots=True)
class PasswordAsked:
    """Everything else is there: the person who proved themself chooses the new password, until `due_at`."""

    due_at: datetime


@dataclass(frozen=True, slots=True)
class PasswordChosen:
    """A new password was chosen and sealed."""

    person: str
    device: str


@dataclass(frozen=True, slots=True)
class PasswordRefused:
    """The system's own rules refused the chosen password, which is deleted: another one is asked for."""

    reason: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class FulfilmentOrdered:
    """Everything that is demanded is there: the worker makes the change under this effect key."""

    key: str


@dataclass(frozen=True, slots=True)
class ChangeConfirmed:
    """The connector's evidence that the change happened."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class SecretReady:
    """A secret waits on the device page of the person who proved themself."""

    due_at: datetime


@dataclass(frozen=True, slots=True)
class SecretShown:
    """The secret was shown once and deleted."""

    person: str
    device: str


@dataclass(frozen=True, slots=True)
class SecretLapsed:
    """Nobody collected the secret in time; it was deleted unseen."""


@dataclass(frozen=True, slots=True)
class Fulfilled:
    """Everything is done."""


@dataclass(frozen=True, slots=True)
class ChangeRejected:
    """The change was not made and will not be. The reason is for the operator, the cause for whoever asked."""

    reason: str
    cause: Cause = Cause.OTHER


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What happened could not be confirmed: a named role has the next move."""

    role: str
    reason: str


@dataclass(frozen=True, slots=True)
class RetryOrdered:
    """The role asked for another look; the effect key stays the same."""

    person: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The role closed the case as not made."""

    person: str


@dataclass(frozen=True, slots=True)
class Denied:
    """Somebody entitled said no."""

    person: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Withdrawn by one of the people it concerns."""

    person: str


@dataclass(frozen=True, slots=True)
class Disowned:
    """ "I didn't ask for this": closed, and security alarmed."""

    person: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """This person disowned another request, so this one was stopped with it."""

    person: str


@dataclass(frozen=True, slots=True)
class Expired:
    """Its time ran out before the next move was made."""


@dataclass(frozen=True, slots=True)
class LockedOut:
    """Too many wrong answers closed the request."""

    person: str
    wrong: Wrong


Event = (
    Opened
    | Observed
    | ChallengeIssued
    | ChallengeFailed
    | Verified
    | ApprovalRequested
    | Approved
    | ObjectionsInvited
    | Hurried
    | Objected
    | PasswordAsked
    | PasswordChosen
    | PasswordRefused
    | FulfilmentOrdered
    | ChangeConfirmed
    | SecretReady
    | SecretShown
    | SecretLapsed
    | Fulfilled
    | ChangeRejected
    | HandedOver
    | RetryOrdered
    | GivenUp
    | Denied
    | Cancelled
    | Disowned
    | Stopped
    | Expired
    | LockedOut
)


# -- beside requests ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refused:
    """Somebody asked for something and was told no. `reason` is the name of the refusal.

    `asked` says what, for whom and from where, where no request was opened that could say it.
    """

    command: str
    actor: str
    reason: str
    asked: str = ""


@dataclass(frozen=True, slots=True)
class TamperingNoticed:
    """A stored row was written from outside: its seal, its hash or the place it stands in is wrong."""

    table: str
    row: str


@dataclass(frozen=True, slots=True)
class AuthorityMissing:
    """The worker re-derived a request's authority from its evidence and did not find it. Nothing was changed."""

    reason: str


@dataclass(frozen=True, slots=True)
class AlarmRaised:
    """Something about a person's authenticator is strange enough for security to look at."""

    person: str
    what: str


Notice = Refused | TamperingNoticed | AuthorityMissing | AlarmRaised
