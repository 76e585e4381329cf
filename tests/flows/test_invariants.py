"""Thousands of random sequences over the pure core, beside a model that keeps its own account of who proved what.

The model never looks at a request's stage, challenges or approvals. It knows which questions were put, which
answers it made up and how, who was entitled at that moment, and what is owed. From that alone it says what may
happen, and the core has to agree (S1, S2, S3, S5, S7).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any, ClassVar, get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from flows.authority import Evidence, authorise
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
from flows.consent import named
from flows.consequence import react
from flows.digest import request_digest
from flows.effects import CarryOut
from flows.errors import AlreadyClosed, Conflict, NotAuthorised, Refusal
from flows.events import (
    ApprovalRequested,
    Approved,
    ChallengeFailed,
    ChallengeIssued,
    ChangeConfirmed,
    Disowned,
    Event,
    FulfilmentOrdered,
    Hurried,
    LockedOut,
    Objected,
    ObjectionsInvited,
    Observed,
    PasswordAsked,
    PasswordChosen,
    PasswordRefused,
    SecretReady,
    SecretShown,
    Verified,
)
from flows.model import (
    ApprovalRule,
    Assurance,
    Cause,
    Checked,
    Facts,
    Method,
    Party,
    Person,
    Playbook,
    Request,
    SecretKind,
    Stage,
    Wrong,
)
from flows.request import decide
from flows.state import evolve
from tests.flows.stories import (
    ACCESS,
    AGREED,
    CHOSEN,
    ENROLMENT,
    LOST,
    MORNING,
    PEOPLE,
    RECEIPT,
    RESET,
    STEPS,
    TERMINAL,
    UNLOCK,
    WATCHED,
    WELL,
    selection,
)

PLAYBOOKS = {p.name: p for p in (UNLOCK, RESET, CHOSEN, AGREED, ACCESS, STEPS, ENROLMENT, LOST, WATCHED)}
#: Who usually asks for what: most sequences should get somewhere.
USUAL = [
    (UNLOCK, "maya", "maya"),
    (RESET, "maya", "maya"),
    (RESET, "ravi", "maya"),
    (CHOSEN, "maya", "maya"),
    (AGREED, "ravi", "maya"),
    (ACCESS, "maya", "maya"),
    (ACCESS, "omar", "maya"),
    (STEPS, "maya", "maya"),
    (STEPS, "ravi", "maya"),
    (ENROLMENT, "nina", "maya"),
    (ENROLMENT, "sam", "eve"),
    (ACCESS, "eve", "eve"),
    (LOST, "ravi", "maya"),
    (LOST, "omar", "maya"),
    (LOST, "sam", "eve"),
    (WATCHED, "maya", "maya"),
    (WATCHED, "omar", "maya"),
    (WATCHED, "omar", "eve"),
]
EVERYBODY = sorted(PEOPLE)
MOST = {Wrong.NUMBER: 3, Wrong.CODE: 5, Wrong.PASSKEY: 5}
STRENGTH = {Method.PASSKEY: Assurance.PHISHING_RESISTANT, Method.CODE: Assurance.MULTI_FACTOR}
WAITS = [
    *[timedelta(seconds=20)] * 6,
    *[timedelta(minutes=1)] * 4,
    timedelta(minutes=2),
    timedelta(minutes=9),
]
WAITS += [timedelta(hours=2), timedelta(days=1)]

TURNS = ["late", "no", "retry", "give up", "rejected", "refused", "left", "seen", "object", "wait"]

DAY = timedelta(days=1)

which, who = st.integers(0, 23), st.sampled_from(EVERYBODY)
#: The person whose turn it is, or anybody at all.
turn = st.sampled_from([*[""] * 14, *EVERYBODY])
methods = st.sampled_from([Method.PASSKEY, Method.PASSKEY, Method.CODE])


@dataclass
class Account:
    """What the model knows of one request, from outside."""

    playbook: Playbook
    asked: Submit
    digest: str = ""
    questions: dict[tuple[str, Method], tuple[str, datetime]] = field(default_factory=dict)
    proof: tuple[datetime, Assurance] | None = None
    consents: dict[str, datetime] = field(default_factory=dict)
    step: int = 0
    steps: dict[str, int] = field(default_factory=dict)  # in which step somebody consented
    invited: datetime | None = None
    hurriers: set[str] = field(default_factory=set)
    evidence: list[Evidence] = field(default_factory=list)
    failed: Counter[tuple[str, Wrong]] = field(default_factory=Counter)
    happened: list[Event] = field(default_factory=list)
    orders: set[str] = field(default_factory=set)
    closed: Request | None = None

    @property
    def prover(self) -> str:
        return self.asked.subject if self.playbook.prover is Party.SUBJECT else self.asked.requester

    @property
    def choosing(self) -> bool:
        """Whether a password was asked for that nobody has chosen yet."""
        asked = self.count(PasswordAsked) + self.count(PasswordRefused)
        return asked > self.count(PasswordChosen)

    @property
    def concerned(self) -> set[str]:
        return {self.asked.requester, self.asked.subject, self.prover}

    def count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.happened)


class Core(RuleBasedStateMachine):
    """Up to eight requests at once, in a company whose people come, go and move."""

    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.now = MORNING
        self.people: dict[str, Person] = dict(PEOPLE)
        self.registered = {id: frozenset(Method) for id in PEOPLE}
        self.requests: list[Request] = []
        self.accounts: list[Account] = []
        self.nonces = 0
        self.issued: dict[str, int] = {}  # nonce → the request it was made for
        self.met: list[str] = []
        self.frozen: set[str] = set()

    # -- the world --------------------------------------------------------------------------

    @rule(wait=st.sampled_from(WAITS))
    def time_passes(self, wait: timedelta) -> None:
        self.now += wait

    @rule(id=who, manager=who, what=st.sampled_from(["leaves", "returns", "returns", "role", "manager"]))
    def the_company_changes(self, id: str, manager: str, what: str) -> None:
        changes: dict[str, dict[str, Any]] = {
            "leaves": {"active": False},
            "returns": {"active": True},
            "role": {"roles": self.people[id].roles ^ {"approver"}},
            "manager": {"manager": manager},
        }
        self.people[id] = replace(self.people[id], **changes[what])

    @rule(id=who, method=st.sampled_from(Method), lost=st.booleans())
    def somebody_registers_or_loses_a_device(self, id: str, method: Method, lost: bool) -> None:
        self.registered[id] = self.registered[id] - {method} if lost else frozenset(Method)

    @rule()
    def security_lets_everybody_go_on(self) -> None:
        self.frozen.clear()

    # -- asking -----------------------------------------------------------------------------

    @initialize(usual=st.sampled_from(USUAL))
    def the_first_request(self, usual: tuple[Playbook, str, str]) -> None:
        self.asks(*usual)

    @precondition(lambda self: len(self.requests) < 8)
    @rule(usual=st.sampled_from(USUAL))
    def somebody_asks(self, usual: tuple[Playbook, str, str]) -> None:
        self.asks(*usual)

    @precondition(lambda self: len(self.requests) < 8)
    @rule(playbook=st.sampled_from(list(PLAYBOOKS.values())), requester=who, subject=who)
    def anybody_asks(self, playbook: Playbook, requester: str, subject: str) -> None:
        self.asks(playbook, requester, subject)

    def asks(self, playbook: Playbook, requester: str, subject: str) -> None:
        number = len(self.requests)
        ask = Submit(f"CS-0000{number}", playbook.name, requester, subject, TERMINAL, {"n": str(number)})
        account = Account(playbook, ask)
        events = self.decided(None, ask, account)
        if not events:
            return
        request: Request | None = None
        for event in events:
            request = evolve(request, event, self.now)
        assert request is not None
        assert self.works_here(requester)
        assert self.works_here(subject)
        account.digest, account.happened = request_digest(request), events
        if playbook is WATCHED and subject == "maya":
            assert request.stage is Stage.OBSERVED
            account.closed = request
        self.requests.append(request)
        self.accounts.append(account)

    # -- going on ---------------------------------------------------------------------------

    @rule(n=which, steps=st.integers(1, 4), method=methods)
    def everybody_does_their_part(self, n: int, steps: int, method: Method) -> None:
        """The next right thing, a few times over: sequences get somewhere before something goes wrong."""
        for _ in range(steps):
            if self.requests:
                account = self.accounts[self.pick(n)]
                if account.count(ChangeConfirmed):
                    self.collects(n, "", "phone")
                elif account.choosing:
                    self.chooses(n, "", "phone")
                elif account.orders:
                    self.gives(n, lambda account: ReportConfirmed(RECEIPT))
                else:
                    self.answers_rightly(n, "", Method.PASSKEY if account.proof else method)

    @rule(
        n=which,
        steps=st.integers(1, 3),
        turns=st.sampled_from(TURNS),
    )
    def it_takes_another_turn(self, n: int, steps: int, turns: str) -> None:
        """Some way along, something else happens than the next right thing."""
        if not self.requests:
            return
        n = 100 + self.pick(n)
        self.everybody_does_their_part(n, steps, Method.PASSKEY)
        match turns:
            case "late":
                self.opens_the_question(n, "", Method.PASSKEY)
                self.now += timedelta(minutes=2)
                self.answers_what_is_open(n, "", Method.PASSKEY)
            case "no":
                self.says(n, "", Deny)
            case "retry" | "give up":
                self.gives(n, lambda account: ReportUnconfirmed("?"))
                self.says(n, "", Retry if turns == "retry" else GiveUp)
            case "rejected":
                self.gives(n, lambda account: ReportRejected("no"))
            case "refused":
                self.gives(n, lambda account: ReportRejected("too short", Cause.POLICY))
            case "seen":
                self.collects(n, "", "laptop")
                self.collects(n, "eve", "phone")
            case "object":
                self.says(n, "", Object)
            case "wait":
                if self.accounts[n - 100].invited is not None:
                    self.now += DAY
                    self.gives(n, lambda account: Tick())
            case "left":
                self.now = max(self.now, self.requests[n - 100].due_at or self.now)
                self.gives(n, lambda account: Tick())

    @rule(
        steps=st.integers(1, 2),
        moves=st.sampled_from([{"active": False}, {"roles": frozenset({"desk_agent"})}]),
    )
    def somebody_consents_and_is_gone_when_the_next_one_does(self, steps: int, moves: dict[str, Any]) -> None:
        self.asks(ACCESS, "maya", "maya")
        n = 100 + len(self.accounts) - 1
        self.everybody_does_their_part(n, 2, Method.PASSKEY)
        before = dict(self.people)
        for person in self.accounts[n - 100].consents if self.accounts else ():
            self.people[person] = replace(before[person], **moves)
        self.everybody_does_their_part(n, steps, Method.PASSKEY)
        self.people = before

    # -- answering --------------------------------------------------------------------------

    @rule(n=which, actor=turn, method=methods)
    def opens_the_question(self, n: int, actor: str, method: Method) -> None:
        self.gives(n, lambda account: BeginProof(self.whose_turn(account, actor), method))

    @rule(n=which, actor=turn, method=methods)
    def answers_rightly(self, n: int, actor: str, method: Method) -> None:
        """Opens the question and answers it at once, as most people do."""
        self.gives(n, lambda account: BeginProof(self.whose_turn(account, actor), method))
        self.gives(n, lambda account: self.answer(account, self.whose_turn(account, actor), method))

    @rule(n=which, actor=turn, method=methods)
    def answers_what_is_open(self, n: int, actor: str, method: Method) -> None:
        self.gives(n, lambda account: self.answer(account, self.whose_turn(account, actor), method))

    @rule(n=which, actor=turn, wrong=st.sampled_from(Wrong), times=st.sampled_from([1, 1, 2, 5]))
    def answers_wrongly(self, n: int, actor: str, wrong: Wrong, times: int) -> None:
        for _ in range(times):
            kind = self.kind(n)
            self.gives(n, lambda account: kind(self.whose_turn(account, actor), wrong))  # noqa: B023

    @rule(n=which, other=which, actor=turn, method=methods, forged=st.booleans())
    def answers_with_what_belongs_elsewhere(
        self, n: int, other: int, actor: str, method: Method, forged: bool
    ) -> None:
        """Another request's nonce, and its digest too unless that is forged to fit."""
        if not self.accounts:
            return
        foreign = self.accounts[other % len(self.accounts)]

        def command(account: Account) -> Command:
            person = self.whose_turn(account, actor)
            nonce, _ = foreign.questions.get((person, method), ("f" * 64, self.now))
            digest = account.digest if forged else foreign.digest
            return self.answer(account, person, method, nonce=nonce, digest=digest)

        self.gives(n, command)

    @rule(n=which)
    def answers_a_question_put_to_another_or_for_another_method(self, n: int) -> None:
        n = 100 + self.pick(n)
        account = self.accounts[n - 100]
        person = self.whose_turn(account, "")
        others = sorted(self.entitled(account) - account.concerned - set(account.consents) - {person})
        other, method = (
            (person, Method.CODE) if account.proof is None else ([*others, "omar"][0], Method.PASSKEY)
        )
        self.opens_the_question(n, person, Method.PASSKEY)
        self.opens_the_question(n, other, method)
        nonce, _ = account.questions.get((other, method), ("b" * 64, self.now))
        if (other, method) != (person, Method.PASSKEY):
            self.gives(n, lambda a: self.answer(a, person, Method.PASSKEY, nonce=nonce))

    @rule(n=which, back=st.integers(1, 4), actor=turn, method=methods)
    def replays_an_old_answer(self, n: int, back: int, actor: str, method: Method) -> None:
        used = self.met[-back] if len(self.met) >= back else "e" * 64
        self.gives(
            n, lambda account: self.answer(account, self.whose_turn(account, actor), method, nonce=used)
        )

    @rule(n=which, back=st.integers(1, 4), actor=turn, method=methods)
    def answers_a_question_that_was_replaced(self, n: int, back: int, actor: str, method: Method) -> None:
        n = 100 + self.pick(n)
        for _ in range(back):
            self.opens_the_question(n, actor, method)
        mine = [nonce for nonce, request in self.issued.items() if request == n - 100]
        nonce = mine[-back] if len(mine) >= back else "d" * 64
        self.gives(
            n, lambda account: self.answer(account, self.whose_turn(account, actor), method, nonce=nonce)
        )

    @rule(n=which, actor=turn, method=methods, assurance=st.sampled_from(Assurance))
    def answers_with_less(self, n: int, actor: str, method: Method, assurance: Assurance) -> None:
        less = min(assurance, STRENGTH[method], key=lambda a: a.rank)
        self.gives(n, lambda a: BeginProof(self.whose_turn(a, actor), method))
        self.gives(n, lambda a: self.answer(a, self.whose_turn(a, actor), method, assurance=less))

    @rule(
        n=which, actor=turn, method=methods, changed=st.sampled_from(["subject", "requester", "parameters"])
    )
    def answers_for_what_was_asked_before_somebody_changed_it(
        self, n: int, actor: str, method: Method, changed: str
    ) -> None:
        if not self.requests:
            return
        n = self.pick(n)
        value: Any = {"n": "more"} if changed == "parameters" else "eve"
        digest = request_digest(replace(self.requests[n], **{changed: value}))
        if digest != self.accounts[n].digest:
            self.gives(n, lambda a: self.answer(a, self.whose_turn(a, actor), method, digest=digest))

    # -- the rest ---------------------------------------------------------------------------

    @rule(n=which, actor=turn, kind=st.sampled_from([Cancel, Disown, Deny, Deny, Object, Retry, GiveUp]))
    def says(self, n: int, actor: str, kind: Callable[[str], Command]) -> None:
        if kind in (Cancel, Disown, Object):
            self.gives(n, lambda account: kind(actor or account.asked.subject))
            if kind is Disown and (actor or self.accounts[self.pick(n)].asked.subject) in self.frozen:
                for other, account in enumerate(self.accounts):
                    for person in sorted(self.frozen & account.concerned):
                        self.gives(100 + other, lambda account: Stop(person))  # noqa: B023
        else:
            self.gives(n, lambda account: kind(self.whose_turn(account, actor, desk=kind is not Deny)))

    @rule(n=which, report=st.sampled_from([ReportConfirmed(RECEIPT), ReportRejected("no")]))
    def the_worker_reports(self, n: int, report: Command) -> None:
        self.gives(n, lambda account: report)

    @rule(n=which, actor=turn, device=st.sampled_from(["phone", "phone", "laptop"]))
    def collects(self, n: int, actor: str, device: str) -> None:
        self.gives(n, lambda account: ShowSecret(actor or account.prover, device))

    @rule(n=which, actor=turn, device=st.sampled_from(["phone", "phone", "laptop"]))
    def chooses(self, n: int, actor: str, device: str) -> None:
        self.gives(n, lambda account: ChoosePassword(actor or account.prover, device))

    @rule(late=st.sampled_from([False, False, True]))
    def the_clock_ticks(self, late: bool) -> None:
        """Just so, or right when the first deadline is there."""
        due = [request.due_at for request in self.requests if request.due_at]
        if late and due:
            self.now = max(self.now, min(due))
        for n in range(len(self.requests)):
            self.gives(100 + n, lambda account: Tick())

    @rule(n=which)
    def somebody_opens_it_again(self, n: int) -> None:
        self.gives(n, lambda account: account.asked)

    # -- what may come of it ----------------------------------------------------------------

    def gives(self, n: int, make: Callable[[Account], Command]) -> None:
        """One command on one request: decided, followed, and held against the account."""
        if not self.requests:
            return
        n = self.pick(n)
        account = self.accounts[n]
        command = make(account)
        right = self.is_right(n, account, command)
        for event in self.decided(self.requests[n], command, account):
            assert account.closed is None, "S5: something happened to a request that was over"
            request = self.requests[n] = evolve(self.requests[n], event, self.now)
            account.happened.append(event)
            self.follow(n, account, event, right)
            for effect in react(request, event, self.now):
                if isinstance(effect, CarryOut):
                    account.orders.add(effect.key)
            if request.stage.closed:
                account.closed = request

    def decided(self, request: Request | None, command: Command, account: Account) -> list[Event]:
        try:
            events = decide(request, command, self.facts(command, account))
        except Refusal as refused:
            refusal = refused
        else:
            type(self).seen.update(type(event).__name__ for event in events)
            return events
        type(self).seen[type(refusal).__name__] += 1
        if account.closed is not None:
            assert isinstance(refusal, Conflict if isinstance(command, Submit) else AlreadyClosed), "S5"
        return []

    def follow(self, n: int, account: Account, event: Event, right: bool) -> None:
        match event:
            case ChallengeIssued(person=person, method=method, nonce=nonce, expires_at=until):
                assert nonce not in self.issued, "S7: a nonce was given out twice"
                assert until <= self.now + timedelta(minutes=2 if method is Method.PASSKEY else 10)
                self.issued[nonce] = n
                account.questions[person, method] = (nonce, until)
            case Verified(person=person, assurance=assurance):
                self.was_met(n, account, event, right)
                assert person == account.prover, "S1: somebody else proved"
                assert assurance >= self.demanded(account), "S1: the proof is too weak"
                account.proof = (event.until, assurance)
                account.evidence.append(self.kept(account, event, "prove"))
            case ApprovalRequested(step=step):
                assert step == account.step + (1 if account.consents else 0), "a step was passed over"
                account.step = step
            case Approved(person=person, assurance=assurance):
                self.was_met(n, account, event, right)
                assert person not in account.concerned, "S2: somebody concerned consented"
                assert person in self.entitled(account), "S2: somebody consented who may not"
                assert person not in account.consents, "S2: somebody was counted twice"
                assert assurance is Assurance.PHISHING_RESISTANT, "S2: the consent's proof is too weak"
                account.consents[person], account.steps[person] = event.until, account.step
                account.evidence.append(self.kept(account, event, "approve"))
            case ObjectionsInvited(due_at=due_at):
                assert account.playbook is LOST
                assert due_at >= self.now + DAY, "nobody had a day to object"
                account.invited = self.now
            case Hurried(person=person, assurance=assurance):
                self.was_met(n, account, event, right)
                assert "security" in self.people[person].roles, "somebody hurried who may not"
                assert person not in account.concerned | set(account.consents) | self.frozen, "not one more"
                assert assurance is Assurance.PHISHING_RESISTANT
                assert not self.people[account.asked.subject].roles & {"administrator", "security"}
                account.hurriers.add(person)
                account.evidence.append(self.kept(account, event, "hurry"))
            case Objected(person=person):
                subject = self.people[account.asked.subject]
                told = {subject.id, subject.manager, *account.consents}
                assert person in told or self.people[person].roles & {"administrator", "security"}
            case FulfilmentOrdered():
                self.may_be_ordered(n, account)
            case Disowned(person=person):
                assert person in account.concerned
                self.frozen.add(person)
            case ChangeConfirmed():
                refused = account.count(PasswordRefused)
                assert account.count(FulfilmentOrdered) == 1 + refused, "S3: confirmed without an order"
            case ChallengeFailed(person=person, wrong=wrong, count=count):
                account.failed[person, wrong] += 1
                assert count == account.failed[person, wrong] <= MOST[wrong]
            case LockedOut(person=person, wrong=wrong):
                assert account.failed[person, wrong] == MOST[wrong]
            case PasswordChosen(person=person, device=device):
                assert account.playbook.secret is SecretKind.CHOSEN_PASSWORD
                assert (person, device) == (account.prover, "phone")
            case PasswordRefused():
                assert account.count(ChangeConfirmed) == 0
                assert account.count(PasswordRefused) <= account.count(PasswordChosen), (
                    "refused before it was chosen"
                )
            case SecretShown(person=person, device=device):
                assert account.count(ChangeConfirmed) == 1
                assert (person, device) == (account.prover, "phone")
            case SecretReady():
                assert account.count(ChangeConfirmed) == 1

    def was_met(self, n: int, account: Account, event: Verified | Approved | Hurried, right: bool) -> None:
        assert right, f"S1: a wrong answer was taken: {event}"
        assert self.issued.get(event.nonce) == n, "S7: this request never put that question"
        assert event.nonce not in self.met, "S7: a question was met twice"
        self.met.append(event.nonce)

    def may_be_ordered(self, n: int, account: Account) -> None:
        """S1 and S2 from the account, and authority from the evidence: both have to say yes."""
        assert account.count(Observed) == 0, "ordered where the playbook only observes"
        assert account.proof is not None, "S1: ordered without proof"
        assert not account.concerned & self.frozen, "ordered while somebody concerned is frozen"
        assert self.now < account.proof[0], "S1: ordered on a proof that lapsed"
        places = account.playbook.places
        standing = {
            person
            for person, until in account.consents.items()
            if self.now < until and person in self.entitled(account) - account.concerned - self.frozen
        }
        assert len(standing) >= places, "S2: ordered with too few consents"
        for index, step in enumerate(account.playbook.consent):
            there = sorted(person for person in standing if account.steps[person] == index)
            seats = [rule for rule in step.rules for _ in range(rule.quorum)]
            assert any(
                all(person in self.fitting(rule, account) for person, rule in zip(way, seats, strict=True))
                for way in permutations(there, len(seats))
            ), "S2: a group hasn't agreed"
        evidence, subject = account.evidence, self.people[account.asked.subject]
        people = {name: who - self.frozen for name, who in self.selected(account).items()}
        authorise(self.requests[n], account.playbook, evidence, people, self.now, {}, subject)
        if account.playbook is LOST:
            self.waited_or_hurried(n, account, standing, subject)
        for left_out in range(len(evidence)):
            if len(standing) == places:
                some = evidence[:left_out] + evidence[left_out + 1 :]
                if evidence[left_out].person in {account.prover, *standing}:
                    with pytest.raises(NotAuthorised):
                        authorise(self.requests[n], account.playbook, some, people, self.now, {}, subject)

    def waited_or_hurried(self, n: int, account: Account, standing: set[str], subject: Person) -> None:
        """Nothing is ordered early without one more person, nor at all without the manager's passkey."""
        assert account.invited is not None, "ordered before anybody could object"
        assert subject.manager in {account.prover, *standing}, "the manager's passkey is missing"
        if self.now < account.invited + DAY:
            assert account.hurriers, "ordered before the wait was over"
            slow = [each for each in account.evidence if each.purpose != "hurry"]
            people = {name: who - self.frozen for name, who in self.selected(account).items()}
            with pytest.raises(NotAuthorised):
                authorise(self.requests[n], account.playbook, slow, people, self.now, {}, subject)

    @invariant()
    def no_request_is_changed_twice(self) -> None:
        for account in self.accounts:
            assert account.count(FulfilmentOrdered) <= 1 + account.count(PasswordRefused), "S3: ordered twice"
            assert account.count(ChangeConfirmed) <= 1, "S3: confirmed twice"
            assert account.orders <= {f"{account.asked.id}:carry_out"}, "S3: another key"
            assert bool(account.orders) is bool(account.count(FulfilmentOrdered))

    @invariant()
    def what_is_over_stays_as_it_was(self) -> None:
        for request, account in zip(self.requests, self.accounts, strict=True):
            assert account.closed in (None, request), "S5: a closed request changed"
            assert request.stage.closed is (account.closed is not None)

    @invariant()
    def nothing_changes_without_an_event(self) -> None:
        for request, account in zip(self.requests, self.accounts, strict=True):
            assert request.version == len(account.happened), "S6: a change without its event"
            assert request_digest(request) == account.digest, "S1: what is asked changed"

    def pick(self, n: int) -> int:
        """Mostly a request that is open, now and then one that is over; from 100 on, just that one.

        When all are over another is asked for, so that sequences don't end in the middle.
        """
        if n >= 100:
            return n - 100
        if n % 6 < 5 and not self.going():
            self.asks(*USUAL[n % len(USUAL)])
        going = self.going() if n % 6 < 5 else []
        return going[n % len(going)] if going else n % len(self.accounts)

    def going(self) -> list[int]:
        return [i for i, account in enumerate(self.accounts) if account.closed is None]

    # -- the model's own eyes ---------------------------------------------------------------

    def is_right(self, n: int, account: Account, command: Command) -> bool:
        """Whether this answer is what the model itself would take: asked, unused, in time, for this digest."""
        if not isinstance(command, Prove | Approve):
            return False
        if isinstance(command.answer, Wrong):
            return False
        answer = command.answer
        nonce, until = account.questions.get((command.actor, answer.method), ("", self.now))
        return (
            answer.nonce == nonce
            and nonce not in self.met
            and self.now < until
            and answer.digest == account.digest
            and self.works_here(command.actor)
        )

    def works_here(self, id: str) -> bool:
        return self.people[id].active

    def entitled(self, account: Account) -> frozenset[str]:
        rules = [rule for step in account.playbook.consent for rule in step.rules]
        return frozenset[str]().union(*(self.fitting(rule, account) for rule in rules))

    def fitting(self, rule: ApprovalRule, account: Account) -> frozenset[str]:
        return named(rule.approvers + rule.otherwise, self.selected(account))

    def selected(self, account: Account) -> dict[str, frozenset[str]]:
        return selection(account.playbook, self.people[account.asked.subject], self.people.values())

    def demanded(self, account: Account) -> Assurance:
        strong = account.playbook.tier >= 2 and Method.PASSKEY in self.registered[account.prover]
        return Assurance.PHISHING_RESISTANT if strong else account.playbook.assurance

    def kind(self, n: int) -> type[Prove] | type[Approve]:
        return Approve if self.accounts and self.accounts[self.pick(n)].proof else Prove

    def whose_turn(self, account: Account, actor: str, *, desk: bool = False) -> str:
        if actor or not self.accounts:
            return actor or "maya"
        if desk:
            holders = [p.id for p in self.people.values() if account.playbook.handed_to in p.roles]
            return next((id for id in holders if id not in account.concerned), "ravi")
        if account.proof is None:
            return account.prover
        if account.invited is not None:
            return "vera"
        left = sorted(self.entitled(account) - account.concerned - set(account.consents))
        manager = self.people[account.asked.subject].manager
        if account.playbook is LOST and manager in left:
            return manager
        return left[0] if left else "omar"

    def answer(self, account: Account, person: str, method: Method, **changed: Any) -> Command:
        nonce, _ = account.questions.get((person, method), ("c" * 64, self.now))
        right = Checked(method, nonce, account.digest, STRENGTH[method], "phone", f"{person}'s {method}")
        kind = Approve if account.proof else Prove
        return kind(person, replace(right, **changed))

    def kept(self, account: Account, event: Verified | Approved | Hurried, purpose: str) -> Evidence:
        return Evidence(
            nonce=event.nonce,
            request=account.asked.id,
            purpose=purpose,
            person=event.person,
            method=event.method,
            assurance=event.assurance,
            digest=event.digest,
            device=event.device,
            authenticator=event.authenticator,
            at=self.now,
            until=event.until,
            signed={},
        )

    def facts(self, command: Command, account: Account) -> Facts:
        """As the desk looks them up."""
        self.nonces += 1
        asked = account.asked
        proving = command.actor if isinstance(command, BeginProof) else account.prover
        return Facts(
            now=self.now,
            playbook=account.playbook,
            requester=self.people[asked.requester],
            subject=self.people[asked.subject],
            methods=self.registered[proving],
            selected=self.selected(account),
            nonce=f"{self.nonces:064x}",
            actor=self.people.get(getattr(command, "actor", "")),
            **WELL | {"unfrozen": frozenset(PEOPLE) - self.frozen},
        )


def test_no_sequence_breaks_what_must_always_hold() -> None:
    run_state_machine_as_test(Core, settings=settings(max_examples=300, stateful_step_count=40))


@pytest.mark.slow
def test_of_very_many_sequences_none_breaks_it_and_everything_comes_about() -> None:
    Core.seen.clear()
    run_state_machine_as_test(Core, settings=settings(max_examples=10_000, stateful_step_count=50))
    never = {kind.__name__ for kind in get_args(Event)} - set(Core.seen)
    assert not never, f"these never happened, so nothing was shown about them: {never}"
    for refusal in ("SelfApproval", "WrongChallenge", "NoChallenge", "ChallengeExpired", "ProofTooWeak"):
        assert Core.seen[refusal], f"{refusal} never happened, so nothing was shown about it"
