"""The company in which random lives are lived: it does what the handlers do, with the pure core and nothing else.

It looks facts up, decides, checks authority, and keeps the values, while an onlooker keeps an account of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from flows.authority import Evidence, authorise
from flows.commands import Approve, BeginProof, Command, Prove, Submit
from flows.consequence import react
from flows.digest import request_digest
from flows.effects import CarryOut, Effect
from flows.errors import NotAuthorised, Refusal
from flows.events import Approved, Event, Hurried, Verified
from flows.model import Checked, Facts, Playbook, Request, Stage, Wrong
from flows.recovery import CodeSet
from flows.registration import INIT, Change, Invitation, Registration
from flows.request import decide
from flows.state import evolve
from tests.flows.lives.onlooker import BOSS, PASSKEY, PERSONS, Model
from tests.flows.stories import MORNING, PEOPLE, TERMINAL, WELL, selection

Number = st.sampled_from(range(100))  # each as likely as any other, which integers aren't


@dataclass
class Case:
    """One request as the shell keeps it: the state, the evidence, what happened, and what is owed."""

    id: str
    playbook: Playbook
    asker: str
    subject: str
    request: Request | None = None
    evidence: list[Evidence] = field(default_factory=list)
    happened: list[Event] = field(default_factory=list)
    owed: list[Effect] = field(default_factory=list)

    @property
    def it(self) -> Request:
        assert self.request is not None
        return self.request

    @property
    def to_be_done(self) -> bool:
        """Whether the worker finds an order for it."""
        ordered = self.request is not None and self.request.stage is Stage.AWAITING_FULFILMENT
        return ordered and any(isinstance(effect, CarryOut) for effect in self.owed)


class Company(RuleBasedStateMachine):
    """A few people, twice as many browsers, and the shell around the core."""

    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.now, self.count = MORNING, 0
        self.model = Model()
        self.real = {person: Registration(person) for person in PERSONS}
        self.links: dict[str, Invitation] = {}
        self.codes: dict[str, CodeSet] = {}
        self.orders: dict[str, tuple[str, str]] = {}
        self.frozen: dict[str, datetime] = {}
        self.recovered: dict[str, list[datetime]] = {}
        self.browsers = {f"browser {n}": f"nobody's {n}" for n in range(8)}

    # -- the shell: what the handlers do ------------------------------------------------------

    def fresh(self, what: str) -> str:
        self.count += 1
        return f"{what}-{self.count}"

    def registration(self, person: str) -> Registration:
        """As handlers/registry.py reads it: with whether somebody vouches for it."""
        stood = [
            link.used_at
            for link in self.links.values()
            if link.person == person and link.used_at
            if (
                link.request == INIT if link.first else person not in self.orders.get(link.request, (person,))
            )
        ]
        recovered = tuple(self.recovered.get(person, ()))
        return replace(self.real[person], vouched=max(stood, default=None), recovered=recovered)

    def keep(self, person: str, change: Change) -> None:
        before = self.real[person]
        devices = {d.id: d for d in (*before.devices, *change.devices)}
        keys = {a.id: a for a in (*before.authenticators, *change.authenticators)}
        self.real[person] = replace(
            before, devices=tuple(devices.values()), authenticators=tuple(keys.values())
        )
        self.links |= {link.id: link for link in change.invitations}

    def unfrozen(self) -> frozenset[str]:
        return frozenset(p for p in PERSONS if self.now >= self.frozen.get(p, self.now))

    def facts(self, case: Case, actor: str) -> Facts:
        playbook, subject = case.playbook, PEOPLE[case.subject]
        proving = self.registration(actor)
        return Facts(
            now=self.now,
            playbook=playbook,
            requester=PEOPLE[case.asker],
            subject=subject,
            methods=proving.methods,
            young_until=proving.young_until,
            selected=selection(playbook, subject, PEOPLE.values()),
            nonce=f"{self.count:032x}{len(case.happened):032x}",
            actor=PEOPLE[actor],
            **WELL | {"unfrozen": self.unfrozen()},
        )

    def answer(self, request: Request, person: str, key: str) -> Checked | Wrong:
        """A verifier's judgement: it knows a person's own keys, as far as they count."""
        for proof in self.registration(person).proofs:
            challenge = request.challenge(person, proof.method)
            if proof.id == key and challenge is not None:
                strength = proof.method.assurance
                digest = request_digest(request)
                return Checked(proof.method, challenge.nonce, digest, strength, proof.device, proof.id)
        return Wrong.PASSKEY

    def submit(self, case: Case, command: Command, actor: str) -> None:
        """Decided, folded, kept and owed, as the desk and the store do it in one commit. Raises a Refusal."""
        for event in decide(case.request, command, self.facts(case, actor)):
            case.request = evolve(case.request, event, self.now)
            case.happened.append(event)
            case.owed += react(case.request, event, self.now)
            if isinstance(event, Verified | Approved | Hurried):
                case.evidence.append(self.kept(case.id, event))

    def put(self, case: Case, actor: str, with_key: str) -> Checked | Wrong:
        """The question is opened on somebody's device, and answered with a key. Raises a Refusal."""
        methods = {proof.id: proof.method for proof in self.real[actor].authenticators}
        self.submit(case, BeginProof(actor, methods.get(with_key, PASSKEY)), actor)
        return self.answer(case.it, actor, with_key)

    def proved(self, case: Case, key: str) -> None:
        """Asked, and proved as far as the key does. Raises a Refusal."""
        asked = Submit(case.id, case.playbook.name, case.asker, case.subject, TERMINAL, {"what": case.id}, {})
        self.submit(case, asked, case.asker)
        self.submit(case, Prove(case.asker, self.put(case, case.asker, key)), case.asker)

    def authorised(self, case: Case) -> None:
        """As the worker does right before it acts: derived once more from what is kept. Raises NotAuthorised."""
        subject, free = PEOPLE[case.subject], self.unfrozen()
        if not free >= {case.asker, case.subject} and not case.playbook.protects:
            raise NotAuthorised("Everything in the name of somebody concerned rests for now.")
        named = selection(case.playbook, subject, PEOPLE.values()).items()
        selected = {selector: people & free for selector, people in named}
        young = {person: self.registration(person).young for person in PERSONS}
        authorise(case.it, case.playbook, case.evidence, selected, self.now, young, subject)

    def ordered(
        self, playbook: Playbook, asker: str, subject: str, key: str, ally: tuple[str, str]
    ) -> str | None:
        """A request as far as its change: decided by the core, its authority derived once more. None for a no."""
        case = Case(self.fresh("CS"), playbook, asker, subject)
        try:
            self.proved(case, key)
            if playbook.consent:
                self.submit(case, Approve(ally[0], self.put(case, *ally)), ally[0])
            if not case.to_be_done:
                return None
            self.authorised(case)
        except Refusal as refusal:
            self.seen[refusal.kind] += 1
            return None
        self.orders[case.id] = (asker, asker)
        return case.id

    def kept(self, id: str, event: Verified | Approved | Hurried) -> Evidence:
        purpose = {Verified: "prove", Approved: "approve", Hurried: "hurry"}[type(event)]
        return Evidence(
            nonce=event.nonce,
            request=id,
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

    def agree(self, what: str, allowed: bool, act: Callable[[], Change | None], person: str) -> Change | None:
        """The core does it when the model allows it, and refuses it when not."""
        change, no = None, ""
        try:
            change = act()
        except (Refusal, KeyError) as refusal:
            no = type(refusal).__name__
        if no:
            assert not allowed, f"{what} was refused: {no}"
            self.seen[no] += 1
            return None
        assert allowed, f"{what} came about, and nobody allowed it"
        self.seen[what] += 1
        if change is not None:
            self.keep(person, change)
        return change

    # -- picking ------------------------------------------------------------------------------

    def person(self, n: int) -> str:
        return PERSONS[n % len(PERSONS)]

    def browser(self, n: int) -> str:
        return sorted(self.browsers)[n % len(self.browsers)]

    def key(self, person: str, n: int) -> str:
        """Mostly a key that counts, the newest first; now and then a lost one, or somebody else's."""
        mine = sorted(self.model.keys(person))
        every = sorted(id for kept in self.model.devices.values() for id in kept.keys)
        pool = mine if mine and n % 5 else every
        return pool[n % len(pool)] if pool else "no key"

    def link(self, n: int) -> str:
        """Mostly one that is unused yet."""
        unused = [id for id, link in self.model.links.items() if link.used is None]
        pool = unused if unused and n % 5 else list(self.model.links)
        return pool[-1 - n % min(3, len(pool))] if pool else "no link"

    def ally(self, subject: str, asker: str, n: int) -> tuple[str, str]:
        """Mostly somebody who may agree."""
        likely = [p for p in ("nina", "sam", BOSS[subject], "omar") if p and p not in (asker, subject)]
        other = likely[n % len(likely)] if n % 7 else self.person(n)
        return other, self.key(other, n)
