"""The one door. Every change to a request goes through Desk.submit.

Gather facts, without holding a transaction · decide on the state as the commit finds it · commit state,
audit events, evidence and owed effects together · answer. Nothing outside has changed by then.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

import structlog
from sqlalchemy import bindparam, select

import flows.errors as no
from flows.authority import Evidence
from flows.commands import (
    Approve,
    BeginProof,
    ChoosePassword,
    Command,
    Disown,
    GiveUp,
    Prove,
    ReportConfirmed,
    ReportRejected,
    Retry,
    ShowSecret,
    Stop,
    Submit,
    Tick,
)
from flows.consequence import react
from flows.digest import commitment, request_digest
from flows.effects import Announce
from flows.events import (
    AlarmRaised,
    Approved,
    ChangeRejected,
    Disowned,
    Event,
    Fulfilled,
    FulfilmentOrdered,
    GivenUp,
    Hurried,
    Notice,
    PasswordRefused,
    Refused,
    SecretLapsed,
    SecretShown,
    Stopped,
    Verified,
)
from flows.model import Checked, Facts, Method, Origin, Party, Playbook, Request, Stage
from flows.request import decide
from flows.spoken import ALPHABET
from flows.state import evolve
from handlers import deliveries, standings
from handlers.accounts import Accounts
from handlers.forms import clean, read_form
from handlers.passwords import fit
from handlers.people import People
from handlers.playbooks import Playbooks
from handlers.ports import Question, Used, Verifier
from handlers.records import Records
from handlers.registry import DeviceRegistry, compare_and_set
from handlers.standings import Standings
from storage import rows
from storage.book import Book, Need, Outcome, Work
from storage.sql import TABLES, Row
from storage.store import Store

log = structlog.get_logger()


_SECRETS = TABLES["secrets"]
_secret = select(_SECRETS).where(_SECRETS.c.key == bindparam("key"))


_PURPOSES = {Verified: "prove", Approved: "approve", Hurried: "hurry"}  # what evidence is for
# what is decided by the methods that a person has registered
_BY_DEVICES = (Submit, BeginProof, Prove, Approve)
# what may delete the secret of a request
_ENDS_SECRET = (ShowSecret, Tick, ReportConfirmed, ReportRejected, GiveUp, Disown, Stop)


@dataclass(frozen=True, slots=True)
class Decision:
    """What came of a command: the request as it is now, and what happened."""

    request: Request
    events: tuple[Event, ...]

    def __contains__(self, kind: type) -> bool:
        return any(isinstance(event, kind) for event in self.events)


@dataclass(frozen=True, slots=True)
class Parties:
    """Whom a command is about, by their lasting ids: how they stand is read in its commit."""

    requester: str
    prover: str
    everybody: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Along:
    """What is committed along with a decision, or makes the commit refuse it.

    `delivery` is the chat delivery that this command came with: it is done with this commit, refused or not.
    """

    needs: tuple[Need, ...] = ()
    used: Used | None = None
    signed: Mapping[str, str] = field(default_factory=dict)
    also: Callable[[Book, Outcome], None] = lambda book, outcome: None
    delivery: str = ""


_ALONE = Along()


class Desk(Records):
    """Everything a person, the clock or the worker can do to a request."""

    def __init__(
        self,
        store: Store,
        playbooks: Playbooks,
        people: People,
        registry: DeviceRegistry,
        accounts: Accounts,
        verifiers: Mapping[Method, Verifier],
        committed: Callable[[str], None] = lambda request: None,
        standings: Standings | None = None,
    ) -> None:
        super().__init__(store, playbooks, people)
        self.registry = registry
        self.accounts = accounts
        self.standings = standings or Standings(store)
        self.verifiers = verifiers
        self.committed = committed

    # -- the door ---------------------------------------------------------------------------

    async def submit(self, id: str, command: Command, along: Along | None = None) -> Decision:
        """Decide one command on one request and commit it. Raises a Refusal, which is on record by then."""
        along = along or _ALONE
        facts, parties = await self._facts(id, command)
        key = f"{id}:carry_out"
        needs = [Need("requests", "id", id), *along.needs, *standings.needs(parties.everybody)]
        if along.delivery:
            needs.append(Need("deliveries", "key", along.delivery))
        if isinstance(command, Retry):
            needs.append(Need("outbox", "key", key))
        if isinstance(command, _ENDS_SECRET):
            needs.append(Need("secrets", "key", key))
        if isinstance(command, ChoosePassword):
            needs += [Need("secrets", "key", key), Need("operations", "key", key)]
        same = None
        if isinstance(command, Submit):
            same = Need("requests", "twin", rows.twin(command.playbook, command.subject, command.parameters))
            needs.append(same)
        if along.used is not None:
            needs.append(Need("authenticators", "id", along.used.authenticator.id))

        def run(book: Book) -> Outcome:
            _new(book, along.delivery)
            request = book.request(id)
            twins = book.rows(same) if same else []
            known = facts.but(
                {
                    "now": book.now,
                    "open_twin": twins[0]["id"] if twins else None,
                    **standings.facts(book, parties.everybody, parties.requester, parties.prover),
                }
            )
            events = decide(request, command, known)
            outcome = Outcome()
            if along.used is not None:
                used = compare_and_set(book, along.used)
                outcome.puts.append(("authenticators", rows.authenticator_row(used)))
            for event in events:
                request = evolve(request, event, book.now)
                _consequences(outcome, request, event, book, along)
                standings.count(outcome, request, event, book, self.standings.span)
            if request is not None and events:
                before = book.row("requests", id)
                twin = before["twin"] if before else same.value if same else ""
                outcome.puts.append(("requests", rows.request_row(request, twin)))
                outcome.request = request
                outcome.value = Decision(request, tuple(events))
            along.also(book, outcome)
            _delivered(outcome, book, along.delivery)
            return outcome

        def refused(refusal: no.Refusal, book: Book) -> Outcome:
            outcome = recorded(refusal)
            if refusal.kind == no.PromptedEnough.__name__:
                standings.prompted_too_often(outcome, book, parties.prover, parties.requester)
            _delivered(outcome, book, along.delivery)
            return outcome

        def recorded(refusal: no.Refusal) -> Outcome:
            actor = getattr(command, "actor", getattr(command, "requester", "countersign"))
            name = type(command).__name__
            if not isinstance(command, Submit):
                return Outcome(events=[(id, Refused(name, actor, refusal.kind))])
            asked = _asked(command.playbook, command.subject, command.origin)
            return Outcome(events=[(None, Refused(name, actor, refusal.kind, asked))])

        name = type(command).__name__
        try:
            decision = await self.store.write(Work(run, tuple(needs), refused))
        except no.Refusal as refusal:
            say = log.critical if isinstance(refusal, no.Tampered) else log.info
            say("refused", request_id=id, command=name, reason=refusal.kind)
            raise
        if decision is None:
            decision = Decision(await self.get(id), ())
        if decision.events:
            happened = [type(event).__name__ for event in decision.events]
            log.info("decided", request_id=id, command=name, events=happened, stage=decision.request.stage)
            self.committed(id)
        result: Decision = decision
        return result

    # -- asking -----------------------------------------------------------------------------

    async def open(
        self,
        playbook: str,
        requester: str,
        subject: str,
        answers: Mapping[str, str],
        origin: Origin,
        *,
        known: Mapping[str, Collection[str]] = MappingProxyType({}),
        delivery: str = "",
        card: Callable[[str], Row] | None = None,
    ) -> Request:
        """Open a request from a filled form. Raises a Refusal; nothing is kept of a form that doesn't fit.

        `known`: what may be referred to besides what is the subject's own, by the field's name. `card` gives, for
        the request's name, the row of a chat message that is to become its card.
        """
        found = self.playbooks.by_name.get(playbook)
        try:
            if found is None:
                raise no.UnknownPlaybook
            form = read_form(found, answers, {**await self._references(found, subject), **known})
        except no.Refusal as refusal:
            asked = _asked(playbook, subject, origin)
            await self.record([(None, Refused("Submit", requester, refusal.kind, asked))])
            raise
        while True:
            id = "CS-" + "".join(secrets.choice(ALPHABET) for _ in range(5))
            salts = {name: secrets.token_bytes(32) for name in form.texts}
            texts = [rows.clear_text_row(id, name, text, salts[name]) for name, text in form.texts.items()]
            committed = {name: commitment(name, text, salts[name]) for name, text in form.texts.items()}
            ask = Submit(id, playbook, requester, subject, origin, form.parameters, committed)
            if card is not None:
                texts.append(("posted", card(id)))
            along = Along(also=partial(_put, texts), delivery=delivery)
            try:
                return (await self.submit(id, ask, along)).request
            except no.Conflict:
                if await self.find(id) is None:
                    raise  # it wasn't the name that was taken

    async def _references(self, playbook: Playbook, subject: str) -> Mapping[str, Collection[str]]:
        """What a form about this person may refer to. A field of any other name refers to nothing by itself."""
        if not playbook.fields:
            return {}
        registered = await self.registry.registration(subject)
        accounts = await self.accounts.of(subject)
        return {
            "device": {device.id for device in registered.live},
            "passkey": {passkey.short for passkey in registered.spare},
            "account": {account.name for account in accounts},
            "new_account": (),
        }

    async def begin(self, id: str, actor: str, method: Method) -> tuple[Request, Mapping[str, object]]:
        """Start an answer: a fresh challenge, and what the device page needs to put the question."""
        request = (await self.submit(id, BeginProof(actor, method))).request
        question = await self._question(request, actor, method)
        if request.stage is Stage.AWAITING_PROOF and (await self.playbook_of(request)).device_bound:
            bound = [key for key in question.authenticators if key.device_bound]
            question = replace(question, authenticators=bound)
        return request, await self.verifiers[method].ask(question)

    async def answer(
        self, id: str, actor: str, device: str, method: Method, answer: Mapping[str, str]
    ) -> Decision:
        """An answer given on a registered device: proof by the prover, or consent by an approver."""
        request = await self.get(id)
        kind = Approve if request.stage in (Stage.AWAITING_APPROVAL, Stage.AWAITING_OBJECTION) else Prove
        try:
            question = await self._question(request, actor, method)
        except no.Refusal as refusal:
            await self.record([(id, Refused(kind.__name__, actor, refusal.kind))])
            raise
        verdict = await self.verifiers[method].check(question, answer, self.store.clock())
        along = Along(used=verdict.used, signed=verdict.signed or {})
        if verdict.alarm:
            await self.alarm(verdict.alarm, actor, id)
        checked = verdict.answer
        if isinstance(checked, Checked):
            checked = replace(checked, device=device)  # where it was given; it may be bound to another
        return await self.submit(id, kind(actor, checked), along)

    async def number(self, id: str) -> tuple[Request, str]:
        """The six digits that belong where the request was asked, under a fresh challenge for the code method."""
        request = await self.get(id)
        request = (await self.submit(id, BeginProof(request.prover, Method.CODE))).request
        challenge = request.challenge(request.prover, Method.CODE)
        assert challenge is not None  # noqa: S101  the event just committed made it
        return request, self.store.keys.number(challenge.nonce)

    async def choose(self, id: str, actor: str, device: str, password: str, again: str) -> Decision:
        """The new password, typed twice by whoever proved themself, on the device they used. Sealed until it is set.

        Raises a Refusal: UnfitPassword with the field to change, for a password that is too easy.
        """
        request, person = await self.get(id), await self.people.person(actor)
        try:
            chosen = await fit(password, again, person)
        except no.Refusal as refusal:
            await self.record([(id, Refused("ChoosePassword", actor, refusal.kind))])
            raise
        sealed = self.store.keys.close(chosen.encode(), f"{request.key}:{actor}")
        now = self.store.clock()
        row: Row = {"key": request.key, "request": id, "person": actor, "sealed": sealed, "made_at": now}
        return await self.submit(
            id, ChoosePassword(actor, device), Along(also=partial(_put, [("secrets", row)]))
        )

    async def show_secret(self, id: str, actor: str, device: str) -> str:
        """The secret, once, to whoever proved themself, on the device they used. Deleted in the same commit."""
        key = f"{id}:carry_out"
        found = await self.store.fetch(_secret, key=key)
        if not found:
            await self.submit(id, ShowSecret(actor, device))
            raise no.NothingToSee
        secret = await self.unsealed(found[0])
        await self.submit(id, ShowSecret(actor, device))
        return secret

    async def unsealed(self, row: Row) -> str:
        """What is in a secret's row. Raises Tampered, on record, when its box was changed or moved."""
        try:
            return self.store.keys.open(bytes(row["sealed"]), f"{row['key']}:{row['person']}").decode()
        except no.Tampered:
            await self.store.notice("secrets", row["key"], bytes(row["sealed"]))
            raise

    # -- beside requests --------------------------------------------------------------------

    async def record(self, events: Sequence[tuple[str | None, Notice]], owed: Sequence[Row] = ()) -> None:
        """Put on record what happened without a decision, with what is owed because of it."""
        puts = [("outbox", row) for row in owed]
        await self.store.write(Work(lambda book: Outcome(events=list(events), puts=list(puts))))

    async def alarm(self, what: str, person: str, id: str = "") -> None:
        """Tell security something strange about a person's authenticator, and keep it."""
        log.critical("alarm", request_id=id, person=person, alarm=what)
        effect = Announce("security", "alarm", f"{person}: {what}")
        owed = rows.announcement_row(effect, f"alarm:{secrets.token_hex(8)}", id, self.store.clock())
        await self.record([(id or None, AlarmRaised(person, what))], [owed])
        self.committed(id)

    # -- facts ------------------------------------------------------------------------------

    async def _facts(self, id: str, command: Command) -> tuple[Facts, Parties]:
        """What the decision may know, and about whom it is. Looked up now, whatever a card or a form once said."""
        facts = Facts(now=self.store.clock(), nonce=secrets.token_hex(32))
        agreed: tuple[str, ...] = ()
        if isinstance(command, Submit):
            playbook = self.playbooks.by_name.get(command.playbook)
            requester_id, subject_id = command.requester, command.subject
            parameters = command.parameters
            proving = subject_id if playbook and playbook.prover is Party.SUBJECT else requester_id
            prover = proving
        else:
            request = await self.find(id)
            if request is None:
                return facts, Parties("", "", ())
            agreed = tuple(approval.person for approval in request.approvals)
            playbook, parameters = await self.playbook_of(request), request.parameters
            requester_id, subject_id, proving = request.requester, request.subject, request.prover
            prover = proving
            if isinstance(command, BeginProof | Approve):
                proving = command.actor
        people = await self.people.named(requester_id, subject_id)
        facts = replace(
            facts, playbook=playbook, requester=people.get(requester_id), subject=people.get(subject_id)
        )
        if isinstance(command, _BY_DEVICES):
            registered = await self.registry.registration(proving)
            facts = replace(
                facts,
                methods=registered.methods,
                device_bound=any(key.device_bound for key in registered.proofs),
                young_until=registered.young_until,
            )
        if playbook is not None and playbook.selectors:
            selected = await self.people.selection(playbook, facts.subject, parameters)
            facts = replace(facts, selected=selected)
        actor = getattr(command, "actor", "")
        concerned = (requester_id, subject_id, prover, actor, *agreed)
        return (
            replace(facts, actor=await self.people.person(actor)),
            Parties(requester_id, prover, concerned),
        )

    async def _question(self, request: Request, actor: str, method: Method) -> Question:
        challenge = request.challenge(actor, method)
        if challenge is None:
            raise no.AlreadyClosed if request.stage.closed else no.NoChallenge
        registration = await self.registry.registration(actor)
        return Question(actor, challenge.nonce, request_digest(request), registration.proofs)


def _asked(playbook: str, subject: str, origin: Origin) -> str:
    """What a refused ask was about. Names come from whoever asked, so they are kept short and plain."""
    where = (origin.platform, origin.workspace, origin.account)
    return clean(f"{playbook[:60]} for {subject[:80]}, {', '.join(part[:60] for part in where)}")


def _consequences(outcome: Outcome, request: Request, event: Event, book: Book, along: Along) -> None:
    """What is written because of one event: the event itself, what it makes us owe, its evidence, its ledger row."""
    outcome.events.append((request.id, event))
    for index, effect in enumerate(react(request, event, book.now)):
        outcome.puts.append(("outbox", rows.outbox_row(effect, request, index, book.now)))
    match event:
        case Verified() | Approved() | Hurried():
            proof = _evidence(request, event, book, along.signed)
            outcome.puts.append(("verifications", rows.evidence_row(proof)))
        case FulfilmentOrdered():
            before = book.row(
                "operations", request.key
            )  # where the password that was chosen first was refused
            intended = rows.operation_row(request, book.now)
            epoch = before["epoch"] if before else intended["epoch"]
            outcome.puts.append(("operations", {**intended, "epoch": epoch}))
        case SecretShown() if book.row("secrets", request.key) is None:
            raise no.NothingToSee
        case (
            SecretShown()
            | SecretLapsed()
            | PasswordRefused()
            | Fulfilled()
            | ChangeRejected()
            | GivenUp()
            | Disowned()
            | Stopped()
        ):
            outcome.drops.append(("secrets", request.key))


def _put(puts: Sequence[tuple[str, Row]], book: Book, outcome: Outcome) -> None:
    outcome.puts += puts


def _evidence(
    request: Request, event: Verified | Approved | Hurried, book: Book, signed: Mapping[str, str]
) -> Evidence:
    return Evidence(
        nonce=event.nonce,
        request=request.id,
        purpose=_PURPOSES[type(event)],
        person=event.person,
        method=event.method,
        assurance=event.assurance,
        digest=event.digest,
        device=event.device,
        authenticator=event.authenticator,
        at=book.now,
        until=event.until,
        signed=signed,
    )


def _new(book: Book, key: str) -> None:
    """Raises Repeated when the chat delivery that brought this is done already."""
    if key and (row := book.row("deliveries", key)) is not None and not row["open_since"]:
        raise no.Repeated


def _delivered(outcome: Outcome, book: Book, key: str) -> None:
    """The chat delivery that brought this is done in the same commit."""
    if key and (row := book.row("deliveries", key)) is not None:
        outcome.puts.append(("deliveries", deliveries.done(row)))
