"""Requests told as stories over the pure core: what was known, what somebody did, what came of it.

    (a_request(UNLOCK)
     .when(asks("maya")).then(Opened, does=[SendChallenge, Announce])
     .when(begins("maya")).then(ChallengeIssued)
     .at(minutes=1)
     .when(proves("maya")).then(Verified, FulfilmentOrdered, does=[CarryOut]))

`then` and `does` take kinds, or whole values where every field matters; they list all that happened and all
that is owed. The facts are looked up as the desk looks them up, in a company that `given` changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from flows.authority import Evidence
from flows.commands import (
    Approve,
    BeginProof,
    Cancel,
    ChoosePassword,
    Command,
    Deny,
    Disown,
    GiveUp,
    Object,
    Prove,
    ReportConfirmed,
    ReportRejected,
    ReportUnconfirmed,
    Retry,
    ShowSecret,
    Stop,
    Submit,
    Tick,
)
from flows.consequence import react
from flows.digest import request_digest
from flows.effects import Announce, AskApprovers, CarryOut, Effect, SendChallenge, Tell, Write
from flows.errors import Refusal
from flows.events import (
    ApprovalRequested,
    Approved,
    ChallengeIssued,
    ChangeConfirmed,
    Event,
    FulfilmentOrdered,
    HandedOver,
    ObjectionsInvited,
    Opened,
    PasswordAsked,
    SecretReady,
    Verified,
)
from flows.model import (
    ApprovalRule,
    Asker,
    Assurance,
    Cause,
    Checked,
    ConsentStep,
    Facts,
    Method,
    Mode,
    ObjectionRule,
    Origin,
    Party,
    Person,
    Phase,
    Playbook,
    Receipt,
    Request,
    SecretKind,
    Stage,
    Wrong,
)
from flows.request import decide
from flows.state import evolve

PASSKEY, CODE = Method.PASSKEY, Method.CODE
MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TERMINAL = Origin("terminal", "desk-1", "root", "command line")
RECEIPT = Receipt("dir-1", "The account is open.")

PEOPLE = {
    person.id: person
    for person in (
        Person("maya", "Maya Lindqvist", "maya.lindqvist", manager="omar"),
        Person("omar", "Omar Haddad", "omar.haddad", manager="nina"),
        Person("nina", "Nina Kowalski", "nina.kowalski", roles=frozenset({"administrator", "approver"})),
        Person("sam", "Sam Okafor", "sam.okafor", manager="nina", roles=frozenset({"administrator"})),
        Person("ravi", "Ravi Menon", "ravi.menon", manager="omar", roles=frozenset({"desk_agent"})),
        Person("eve", "Eve Mallory", "eve.mallory", manager="omar"),
        Person("vera", "Vera Santos", "vera.santos", manager="nina", roles=frozenset({"security"})),
    )
}


#: Nobody is frozen, nothing was counted.
WELL = {
    "unfrozen": frozenset(PEOPLE),
    "codes_count": True,
    "may_prompt": True,
    "may_ask_others": frozenset({"approvers", "others"}),
    "waiting": "",
}


def a_playbook(name: str, **more: Any) -> Playbook:
    """An ordinary playbook: people ask for themselves, prove it with two factors, and the directory acts."""
    common: dict[str, Any] = {
        "name": name,
        "version": 1,
        "hash": (name.encode().hex() * 64)[:64],
        "title": name,
        "phrase": name + " of {subject}",
        "connector": "directory",
        "verb": name,
        "tier": 1,
        "askers": frozenset({Asker.SELF, Asker.MANAGER, Asker.DESK_AGENT}),
        "prover": Party.SUBJECT,
        "assurance": Assurance.MULTI_FACTOR,
        "prove_within": timedelta(minutes=10),
        "proof_lasts": timedelta(hours=1),
        "handed_to": "desk_agent",
    }
    return Playbook(**{**common, **more})


def agreed_by(
    quorum: int, selectors: Collection[str], within: timedelta = timedelta(days=2)
) -> tuple[ConsentStep, ...]:
    """Consent in one step, by so many people of one group."""
    return (ConsentStep((ApprovalRule(quorum, tuple(selectors)),), within),)


UNLOCK = a_playbook("unlock", tier=0)
RESET = a_playbook("reset_password", secret=SecretKind.TEMPORARY_PASSWORD)
CHOSEN = a_playbook("set_password", secret=SecretKind.CHOSEN_PASSWORD)
AGREED = a_playbook(
    "set_password_agreed",
    tier=2,
    secret=SecretKind.CHOSEN_PASSWORD,
    consent=agreed_by(1, ("manager", "role:approver"), timedelta(minutes=30)),
)
ACCESS = a_playbook(
    "add_to_group",
    tier=2,
    proof_lasts=timedelta(days=3),
    consent=agreed_by(2, ("manager", "role:approver", "person:sam"), timedelta(days=2)),
)
IN_TURN = a_playbook(
    "change_a_role",
    tier=2,
    proof_lasts=timedelta(days=5),
    consent=(
        ConsentStep((ApprovalRule(1, ("manager",), ("role:approver",)),), timedelta(days=1)),
        ConsentStep((ApprovalRule(1, ("role:security", "person:sam")),), timedelta(days=2)),
    ),
)
STEPS = a_playbook(
    "give_a_role",
    tier=3,
    assurance=Assurance.PHISHING_RESISTANT,
    proof_lasts=timedelta(days=5),
    consent=(
        ConsentStep(
            (
                ApprovalRule(1, ("manager",), ("role:approver",)),
                ApprovalRule(1, ("person:sam", "role:administrator")),
            )
        ),
        ConsentStep((ApprovalRule(1, ("role:security", "person:eve")),)),
    ),
)
ENROLMENT = a_playbook(
    "invite",
    connector="countersign",
    tier=3,
    askers=frozenset({Asker.ADMINISTRATOR}),
    prover=Party.REQUESTER,
    assurance=Assurance.PHISHING_RESISTANT,
    proof_lasts=timedelta(hours=25),
    consent=agreed_by(1, ("manager", "role:administrator"), timedelta(days=1)),
    secret=SecretKind.ENROLMENT_LINK,
    handed_to="administrator",
)
LOST = a_playbook(
    "re_enrol",
    connector="countersign",
    tier=3,
    askers=frozenset({Asker.MANAGER, Asker.ADMINISTRATOR, Asker.DESK_AGENT}),
    prover=Party.REQUESTER,
    assurance=Assurance.PHISHING_RESISTANT,
    proof_lasts=timedelta(days=5),
    consent=agreed_by(1, ("manager", "role:administrator"), timedelta(days=1)),
    objection=ObjectionRule(timedelta(days=1), ("role:security",)),
    secret=SecretKind.ENROLMENT_LINK,
    handed_to="administrator",
)

#: Phased in: for Maya it only observes, for everybody else it is the way.
WATCHED = a_playbook(
    "disable",
    tier=2,
    proof_lasts=timedelta(days=3),
    consent=agreed_by(1, ("manager", "role:approver"), timedelta(days=2)),
    modes=(Phase("person:maya", Mode.OBSERVE),),
)


def selection(
    playbook: Playbook | None, subject: Person | None, people: Collection[Person]
) -> dict[str, frozenset[str]]:
    """Whom each selector of a playbook names among the people who work here."""
    selectors = playbook.selectors if playbook else ()
    return {selector: selected((selector,), subject, people) for selector in selectors}


def selected(
    selectors: Collection[str], subject: Person | None, people: Collection[Person]
) -> frozenset[str]:
    """Whom these selectors name among the people who work here."""
    if subject is None:
        return frozenset()
    return frozenset(
        person.id
        for person in people
        if person.active
        and any(
            (selector == "manager" and person.id == subject.manager)
            or selector == f"person:{person.id}"
            or selector.removeprefix("role:") in person.roles
            for selector in selectors
        )
    )


class Story:
    """One request, the company around it, and the time."""

    def __init__(self, playbook: Playbook) -> None:
        self.playbook: Playbook | None = playbook
        self.people = dict(PEOPLE)
        self.methods = {id: frozenset(Method) for id in PEOPLE}
        self.young: dict[str, datetime] = {}
        self.bound = frozenset(PEOPLE)  # who has a passkey that stays on one device
        self.twin: str | None = None
        self.standing: dict[str, Any] = WELL
        self.now = MORNING
        self.request: Request | None = None
        self.happened: list[Event] = []
        self.owed: list[Effect] = []
        self.refusal: Refusal | None = None
        self._nonces = count(1)
        self._unread = False

    @property
    def it(self) -> Request:
        """The request, once there is one."""
        assert self.request is not None, "nobody has asked yet"
        return self.request

    # -- telling ----------------------------------------------------------------------------

    def given(
        self,
        *,
        playbook: Playbook | str | None = "",
        left: Collection[str] = (),
        unknown: Collection[str] = (),
        methods: Mapping[str, Collection[Method]] | None = None,
        managers: Mapping[str, str] | None = None,
        young: Mapping[str, datetime] | None = None,
        bound: Collection[str] | None = None,
        twin: str | None = None,
        people: Mapping[str, Person] | None = None,
        frozen: Collection[str] = (),
        codes_rest: bool = False,
        prompted_enough: bool = False,
        waiting: str = "",
        asked_enough: str = "",
        **request: Any,
    ) -> Story:
        """The world as it is from here on; anything else named is set on the request itself."""
        if not isinstance(playbook, str):
            self.playbook = playbook
        for id in left:
            self.people[id] = replace(self.people[id], active=False)
        for id in unknown:
            del self.people[id]
        for id, manager in (managers or {}).items():
            self.people[id] = replace(self.people[id], manager=manager)
        self.methods |= {id: frozenset(registered) for id, registered in (methods or {}).items()}
        self.young |= young or {}
        self.bound = self.bound if bound is None else frozenset(bound)
        self.twin = twin
        self.people |= people or {}
        self.standing = {
            "unfrozen": frozenset(PEOPLE) - frozenset(frozen),
            "may_ask_others": frozenset({"approvers", "others"}) - {asked_enough},
            "codes_count": not codes_rest,
            "may_prompt": not prompted_enough,
            "waiting": waiting,
        }
        if request:
            self.request = replace(self.it, **request)
        return self

    def at(self, **since: float) -> Story:
        """So long after nine o'clock, when every story begins: `minutes=10`."""
        self.now = MORNING + timedelta(**since)
        return self

    def when(self, command: Command | Callable[[Story], Command]) -> Story:
        """Somebody does something. What came of it has to be told before the next `when`."""
        assert not self._unread, f"nobody said what came of it: {self.refusal or self.happened}"
        asked = command(self) if callable(command) else command
        self.happened, self.owed, self.refusal, self._unread = [], [], None, True
        try:
            self.happened = decide(self.request, asked, self.facts(asked))
        except Refusal as refusal:
            self.refusal = refusal
        for event in self.happened:
            self.request = evolve(self.request, event, self.now)
            self.owed += react(self.request, event, self.now)
        return self

    def then(self, *events: type | Event, does: Collection[type | Effect] = ()) -> Story:
        """This happened, this is owed, and nothing else."""
        self._unread = False
        if self.refusal is not None:
            raise self.refusal
        assert _told(self.happened, events), f"it was {self.happened}"
        assert _told(self.owed, tuple(does)), f"owed is {self.owed}"
        return self

    def refused(self, kind: type[Refusal], saying: str = "") -> Story:
        """It was refused, with exactly this kind of refusal."""
        self._unread = False
        assert type(self.refusal) is kind, f"it was {self.refusal or self.happened}"
        assert saying in self.refusal.sentence
        return self

    def stands(self, stage: Stage, **fields: Any) -> Story:
        """Where the request stands, and what its fields are."""
        assert self.it.stage is stage
        assert {name: getattr(self.it, name) for name in fields} == fields
        return self

    # -- looking up, as the desk does -------------------------------------------------------

    def facts(self, command: Command) -> Facts:
        playbook, people = self.playbook, self.people
        if isinstance(command, Submit):
            requester, subject = command.requester, command.subject
            by_subject = playbook is not None and playbook.prover is Party.SUBJECT
            proving = subject if by_subject else requester
        elif self.request is None:
            return Facts(now=self.now)
        else:
            requester, subject, proving = self.it.requester, self.it.subject, self.it.prover
        if isinstance(command, BeginProof | Approve):
            proving = command.actor
        return Facts(
            now=self.now,
            playbook=playbook,
            requester=people.get(requester),
            subject=people.get(subject),
            methods=self.methods.get(proving, frozenset()),
            device_bound=proving in self.bound,
            young_until=self.young.get(proving),
            selected=selection(playbook, people.get(subject), people.values()),
            open_twin=self.twin,
            nonce=f"{next(self._nonces):064x}",
            actor=people.get(getattr(command, "actor", "")),
            **self.standing,
        )


def _told(found: Collection[Any], said: Collection[Any]) -> bool:
    return len(found) == len(said) and all(
        type(real) is told if isinstance(told, type) else real == told
        for real, told in zip(found, said, strict=True)
    )


def a_request(playbook: Playbook = RESET) -> Story:
    """A story about one request, before anybody has asked."""
    return Story(playbook)


# -- what people do -------------------------------------------------------------------------

Move = Callable[[Story], Command]


def asks(requester: str, subject: str = "", **parameters: str) -> Move:
    """Somebody asks, for themselves unless another is named."""
    return lambda story: Submit(
        "CS-00001",
        story.playbook.name if story.playbook else "no_such_thing",
        requester,
        subject or requester,
        TERMINAL,
        parameters,
    )


def begins(actor: str, method: Method = PASSKEY) -> BeginProof:
    """Somebody opens the question on their device."""
    return BeginProof(actor, method)


def answer(story: Story, actor: str, method: Method, **changed: Any) -> Checked:
    """The right answer to the question that is open for this person, or one that differs from it."""
    challenge = story.it.challenge(actor, method)
    right = Checked(
        method,
        challenge.nonce if challenge else "",
        request_digest(story.it),
        method.assurance,
        f"{actor}'s phone",
        f"{actor}'s {method}",
    )
    return replace(right, **changed)


def proves(actor: str, method: Method = PASSKEY, **changed: Any) -> Move:
    """The open question is answered as proof: rightly, but for what is changed."""
    return lambda story: Prove(actor, answer(story, actor, method, **changed))


def approves(actor: str, method: Method = PASSKEY, **changed: Any) -> Move:
    """The open question is answered as consent: rightly, but for what is changed."""
    return lambda story: Approve(actor, answer(story, actor, method, **changed))


def mistypes(actor: str, wrong: Wrong) -> Prove:
    """A wrong answer where proof is asked."""
    return Prove(actor, wrong)


# -- where many stories begin ---------------------------------------------------------------


def opened(playbook: Playbook = RESET, requester: str = "maya", subject: str = "") -> Story:
    """Somebody has asked, and it waits for proof."""
    prover = requester if playbook.prover is Party.REQUESTER else subject or requester
    told = [] if prover == requester else [Tell]
    others = [Write] if subject and subject != requester else []
    owed = [SendChallenge, *told, Announce, *others]
    story = a_request(playbook).when(asks(requester, subject)).then(Opened, does=owed)
    return story.stands(Stage.AWAITING_PROOF)


def questioned(playbook: Playbook = RESET, method: Method = PASSKEY) -> Story:
    """Maya has asked for herself and opened the question on her device."""
    return opened(playbook).when(begins("maya", method)).then(ChallengeIssued)


def proved(playbook: Playbook = RESET) -> Story:
    """Maya has proved that it is her: the change is ordered, or others are asked."""
    story = questioned(playbook).when(proves("maya"))
    if not playbook.consent:
        return story.then(Verified, FulfilmentOrdered, does=[CarryOut]).stands(Stage.AWAITING_FULFILMENT)
    return story.then(Verified, ApprovalRequested, does=[AskApprovers]).stands(Stage.AWAITING_APPROVAL)


def considered(actor: str, playbook: Playbook = ACCESS) -> Story:
    """Maya has proved herself, and somebody else has opened the question on theirs."""
    return proved(playbook).when(begins(actor)).then(ChallengeIssued)


def waiting(requester: str = "ravi", consent: str = "omar") -> Story:
    """Maya lost everything: somebody asked, her manager is one of those who confirmed it, and others are told."""
    story = opened(LOST, requester, "maya").when(begins(requester)).then(ChallengeIssued)
    story.when(proves(requester)).then(Verified, ApprovalRequested, does=[AskApprovers])
    story.when(begins(consent)).then(ChallengeIssued)
    story.when(approves(consent)).then(Approved, ObjectionsInvited, does=[Tell, Announce, Write])
    return story.stands(Stage.AWAITING_OBJECTION, due_at=MORNING + timedelta(days=1))


def choosing() -> Story:
    """Maya has proved herself, and the new password is hers to choose."""
    story = questioned(CHOSEN).when(proves("maya")).then(Verified, PasswordAsked)
    return story.stands(Stage.AWAITING_PASSWORD, due_at=MORNING + timedelta(minutes=15))


def collectable() -> Story:
    """Maya's new password waits for her."""
    story = proved().when(ReportConfirmed(RECEIPT)).then(ChangeConfirmed, SecretReady, does=[Write, Tell])
    return story.stands(Stage.AWAITING_COLLECTION, receipt=RECEIPT)


def handed_over(playbook: Playbook = RESET) -> Story:
    """Nobody could find out what happened, so the desk has the next move."""
    story = proved(playbook).when(ReportUnconfirmed("The system could not be reached."))
    story.then(HandedOver("desk_agent", "The system could not be reached."), does=[Tell, Announce])
    return story.stands(Stage.AWAITING_OPERATOR)


def evidence(asked: Request, who: str, why: str = "prove", **changed: Any) -> Evidence:
    """What is kept of a passkey's proof or consent, as it was asked, or with some of it changed."""
    right = Evidence(
        nonce=f"nonce of {who} to {why}",
        request=asked.id,
        purpose=why,
        person=who,
        method=PASSKEY,
        assurance=Assurance.PHISHING_RESISTANT,
        digest=request_digest(asked),
        device="phone",
        authenticator="key",
        at=MORNING,
        until=MORNING + timedelta(hours=1),
        signed={},
    )
    return replace(right, **changed)


def every_command(story: Story, actor: str) -> list[Command]:
    """One of each, as this person would give it just now."""
    right = answer(story, actor, PASSKEY)
    return [
        asks("maya")(story),
        begins(actor),
        Prove(actor, right),
        Prove(actor, Wrong.CODE),
        Approve(actor, right),
        ChoosePassword(actor, f"{actor}'s phone"),
        ShowSecret(actor, f"{actor}'s phone"),
        Retry(actor),
        GiveUp(actor),
        Tick(),
        Deny(actor),
        Object(actor),
        Cancel(actor),
        Disown(actor),
        Stop(actor),
        ReportConfirmed(RECEIPT),
        ReportRejected("The account is gone."),
        ReportRejected("It was used before.", Cause.POLICY),
        ReportUnconfirmed("The system could not be reached."),
    ]
