"""The one door. Every change to a request goes through Desk.submit.

Gather facts, without holding a transaction · decide on the state as the commit finds it · commit state,
audit events, evidence and owed effects together · answer. Nothing outside has changed by then.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog
from sqlalchemy import bindparam, select

import flows.errors as no
from flows.authority import Evidence
from flows.commands import (
    Approve,
    BeginProof,
    Command,
    Prove,
    ShowSecret,
    Submit,
)
from flows.digest import commitment, request_digest
from flows.events import (
    Approved,
    ChangeRejected,
    Event,
    FulfilmentOrdered,
    GivenUp,
    Refused,
    SecretLapsed,
    SecretShown,
    Verified,
)
from flows.model import Checked, Facts, Method, Origin, Party, Playbook, Request, Stage
from flows.request import decide, evolve, react
from handlers.forms import read_form
from handlers.people import People
from handlers.playbooks import Playbooks, from_content
from handlers.ports import Question, Used, Verifier
from handlers.registry import DeviceRegistry, compare_and_set
from storage import codec, rows
from storage.book import Book, Need, Outcome, Work
from storage.sql import TABLES, Row
from storage.store import Store

log = structlog.get_logger()

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: no I, L, O or U to misread on the phone

_REQUESTS = TABLES["requests"]
_SECRETS = TABLES["secrets"]
_request = select(_REQUESTS).where(_REQUESTS.c.id == bindparam("id"))
_concerning = (
    select(_REQUESTS)
    .where(
        (_REQUESTS.c.requester == bindparam("person"))
        | (_REQUESTS.c.subject == bindparam("person"))
        | (_REQUESTS.c.prover == bindparam("person"))
    )
    .order_by(_REQUESTS.c.opened_at.desc())
    .limit(bindparam("most"))
)
_in_stage = select(_REQUESTS).where(_REQUESTS.c.stage == bindparam("stage")).order_by(_REQUESTS.c.opened_at)
_overdue = (
    select(_REQUESTS.c.id)
    .where(_REQUESTS.c.due_at.is_not(None), _REQUESTS.c.due_at <= bindparam("now"))
    .order_by(_REQUESTS.c.due_at)
    .limit(500)
)
_TEXTS = TABLES["clear_texts"]
_texts = select(_TEXTS).where(_TEXTS.c.request == bindparam("request"))
_PLAYBOOKS = TABLES["playbooks"]
_playbook = select(_PLAYBOOKS).where(_PLAYBOOKS.c.hash == bindparam("hash"))
_secret = select(_SECRETS).where(_SECRETS.c.key == bindparam("key"))


@dataclass(frozen=True, slots=True)
class Decision:
    """What came of a command: the request as it is now, and what happened."""

    request: Request
    events: tuple[Event, ...]

    def __contains__(self, kind: type) -> bool:
        return any(isinstance(event, kind) for event in self.events)


@dataclass(frozen=True, slots=True)
class Along:
    """What is committed along with a decision, or makes the commit refuse it."""

    needs: tuple[Need, ...] = ()
    used: Used | None = None
    signed: Mapping[str, str] = field(default_factory=dict)
    also: Callable[[Book, Outcome], None] = lambda book, outcome: None


class Desk:
    """Everything a person, the clock or the worker can do to a request."""

    def __init__(
        self,
        store: Store,
        playbooks: Playbooks,
        people: People,
        registry: DeviceRegistry,
        verifiers: Mapping[Method, Verifier],
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self.store = store
        self.playbooks = playbooks
        self.people = people
        self.registry = registry
        self.verifiers = verifiers
        self.committed = committed

    # -- the door ---------------------------------------------------------------------------

    async def submit(self, id: str, command: Command, along: Along | None = None) -> Decision:
        """Decide one command on one request and commit it. Raises a Refusal, which is on record by then."""
        along = along or Along()
        facts = await self._facts(id, command)
        key = f"{id}:carry_out"
        needs = [
            Need("requests", "id", id),
            Need("outbox", "key", key),
            Need("secrets", "key", key),
            *along.needs,
        ]
        same = None
        if isinstance(command, Submit):
            same = Need("requests", "twin", rows.twin(command.playbook, command.subject, command.parameters))
            needs.append(same)
        if along.used is not None:
            needs.append(Need("authenticators", "id", along.used.authenticator.id))

        def run(book: Book) -> Outcome:
            request = book.request(id)
            twins = book.rows(same) if same else []
            known = replace(facts, now=book.now, open_twin=twins[0]["id"] if twins else None)
            events = decide(request, command, known)
            outcome = Outcome()
            if along.used is not None:
                used = compare_and_set(book, along.used)
                outcome.puts.append(("authenticators", rows.authenticator_row(used)))
            for event in events:
                request = evolve(request, event, book.now)
                outcome.events.append((id, event))
                for index, effect in enumerate(react(request, event)):
                    outcome.puts.append(("outbox", rows.outbox_row(effect, request, index, book.now)))
                if isinstance(event, Verified | Approved):
                    proof = _evidence(request, event, book, along.signed)
                    outcome.puts.append(("verifications", rows.evidence_row(proof)))
                if isinstance(event, FulfilmentOrdered):
                    outcome.puts.append(("operations", rows.operation_row(request, book.now)))
                if isinstance(event, SecretShown) and book.row("secrets", key) is None:
                    raise no.NothingToSee
                if isinstance(event, SecretShown | SecretLapsed | ChangeRejected | GivenUp):
                    outcome.drops.append(("secrets", key))
            if request is not None and events:
                outcome.puts.append(("requests", rows.request_row(request)))
                outcome.value = Decision(request, tuple(events))
            along.also(book, outcome)
            return outcome

        def refused(refusal: no.Refusal) -> Outcome:
            actor = getattr(command, "actor", getattr(command, "requester", "countersign"))
            where = None if isinstance(command, Submit) else id
            return Outcome(events=[(where, Refused(type(command).__name__, actor, refusal.kind))])

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
            self.committed()
        result: Decision = decision
        return result

    # -- asking -----------------------------------------------------------------------------

    async def open(
        self, playbook: str, requester: str, subject: str, answers: Mapping[str, str], origin: Origin
    ) -> Request:
        """Open a request from a filled form. Raises a Refusal; nothing is kept of a form that doesn't fit."""
        found = self.playbooks.by_name.get(playbook)
        if found is None:
            raise no.UnknownPlaybook
        form = read_form(found, answers)
        while True:
            id = "CS-" + "".join(secrets.choice(_ALPHABET) for _ in range(5))
            salts = {name: secrets.token_bytes(32) for name in form.texts}
            texts = [rows.clear_text_row(id, name, text, salts[name]) for name, text in form.texts.items()]
            committed = {name: commitment(name, text, salts[name]) for name, text in form.texts.items()}
            ask = Submit(id, playbook, requester, subject, origin, form.parameters, committed)
            along = Along(also=partial(_put, texts))
            try:
                return (await self.submit(id, ask, along)).request
            except no.Conflict:
                if await self.find(id) is None:
                    raise  # it wasn't the name that was taken

    async def begin(self, id: str, actor: str, method: Method) -> tuple[Request, Mapping[str, object]]:
        """Start an answer: a fresh challenge, and what the device page needs to put the question."""
        request = (await self.submit(id, BeginProof(actor, method))).request
        question = await self._question(request, actor, method)
        return request, await self.verifiers[method].ask(question)

    async def answer(
        self, id: str, actor: str, device: str, method: Method, answer: Mapping[str, str]
    ) -> Decision:
        """An answer given on a registered device: proof by the prover, or consent by an approver."""
        request = await self.get(id)
        if request.stage.closed:
            raise no.AlreadyClosed
        question = await self._question(request, actor, method)
        verdict = await self.verifiers[method].check(question, answer, self.store.clock())
        kind = Approve if request.stage is Stage.AWAITING_APPROVAL else Prove
        along = Along(used=verdict.used, signed=verdict.signed or {})
        if verdict.alarm:
            log.critical("alarm", request_id=id, person=actor, alarm=verdict.alarm)
        checked = verdict.answer
        if isinstance(checked, Checked):
            checked = replace(
                checked, device=device
            )  # where it was given, which need not be where it was bound
        return await self.submit(id, kind(actor, checked), along)

    async def number(self, id: str) -> tuple[Request, str]:
        """The six digits that belong where the request was asked, under a fresh challenge for the code method."""
        request = await self.get(id)
        request = (await self.submit(id, BeginProof(request.prover, Method.CODE))).request
        challenge = request.challenge(request.prover, Method.CODE)
        assert challenge is not None  # noqa: S101  the event just committed made it
        return request, self.store.keys.number(challenge.nonce)

    async def show_secret(self, id: str, actor: str, device: str) -> str:
        """The secret, once, to whoever proved themself, on the device they used. Deleted in the same commit."""
        key = f"{id}:carry_out"
        found = await self.store.fetch(_secret, key=key)
        if not found:
            await self.submit(id, ShowSecret(actor, device))
            raise no.NothingToSee
        secret = self.store.keys.open(bytes(found[0]["sealed"]), f"{key}:{found[0]['person']}").decode()
        await self.submit(id, ShowSecret(actor, device))
        return secret

    # -- reading ----------------------------------------------------------------------------

    async def find(self, id: str) -> Request | None:
        """A request as it stands, or None. Raises Tampered when its row was changed from outside."""
        found = await self.store.fetch(_request, id=id)
        return self._read(found[0]) if found else None

    async def get(self, id: str) -> Request:
        """A request as it stands. Raises UnknownRequest."""
        found = await self.find(id)
        if found is None:
            raise no.UnknownRequest
        return found

    async def concerning(self, person: str, most: int = 50) -> list[Request]:
        """The person's requests as requester, subject or prover, newest first."""
        return self._readable(await self.store.fetch(_concerning, person=person, most=most))

    async def awaiting_approval_by(self, person: str) -> list[Request]:
        """Requests this person can consent to now, oldest first."""
        waiting = self._readable(await self.store.fetch(_in_stage, stage=Stage.AWAITING_APPROVAL.value))
        return [request for request in waiting if await self.may_approve(request, person)]

    async def awaiting_operator(self, role: str) -> list[Request]:
        """Cases that were handed to a role, oldest first."""
        cases = self._readable(await self.store.fetch(_in_stage, stage=Stage.AWAITING_OPERATOR.value))
        return [case for case in cases if (await self.playbook_of(case)).handed_to == role]

    async def overdue(self) -> list[str]:
        """Names of requests whose time has run out."""
        return [row["id"] for row in await self.store.fetch(_overdue, now=self.store.clock())]

    async def may_approve(self, request: Request, person: str) -> bool:
        """Whether this person's consent would count now."""
        if request.stage is not Stage.AWAITING_APPROVAL or person in (request.requester, request.subject):
            return False
        if any(approval.person == person for approval in request.approvals):
            return False
        return person in await self.approvers(request)

    async def approvers(self, request: Request) -> frozenset[str]:
        """Whom the pinned playbook lets consent, as the directory says now."""
        playbook = await self.playbook_of(request)
        if playbook.consent is None:
            return frozenset()
        return await self.people.approvers(playbook.consent, await self.people.person(request.subject))

    async def texts(self, id: str) -> dict[str, str]:
        """The free-text answers of a request that haven't been erased, by field."""
        return {row["field"]: row["content"] for row in await self.store.fetch(_texts, request=id)}

    async def playbook_of(self, request: Request) -> Playbook:
        """The version of the playbook that is pinned to this request."""
        found = self.playbooks.by_hash.get(request.playbook_hash)
        if found is None:
            kept = await self.store.fetch(_playbook, hash=request.playbook_hash)
            found = from_content(kept[0]["content"]) if kept else None
        if found is None or found.hash != request.playbook_hash:
            raise no.Tampered
        return found

    def _read(self, row: Row) -> Request:
        if not self.store.keys.holds("requests", row):
            raise no.Tampered
        return codec.request(row["state"])

    def _readable(self, found: Sequence[Row]) -> list[Request]:
        return [codec.request(row["state"]) for row in found if self.store.keys.holds("requests", row)]

    # -- facts ------------------------------------------------------------------------------

    async def _facts(self, id: str, command: Command) -> Facts:
        """What the decision may know. Looked up now, whatever a card or a form once said."""
        facts = Facts(now=self.store.clock(), nonce=secrets.token_hex(32))
        if isinstance(command, Submit):
            playbook = self.playbooks.by_name.get(command.playbook)
            requester_id, subject_id = command.requester, command.subject
            proving = subject_id if playbook and playbook.prover is Party.SUBJECT else requester_id
        else:
            request = await self.find(id)
            if request is None:
                return facts
            playbook = await self.playbook_of(request)
            requester_id, subject_id, proving = request.requester, request.subject, request.prover
            if isinstance(command, BeginProof):
                proving = command.actor
        people = await self.people.named(requester_id, subject_id)
        facts = replace(
            facts,
            playbook=playbook,
            requester=people.get(requester_id),
            subject=people.get(subject_id),
            methods=(await self.registry.registration(proving)).methods,
        )
        if playbook is not None and playbook.consent is not None:
            facts = replace(facts, approvers=await self.people.approvers(playbook.consent, facts.subject))
        return replace(facts, actor=await self.people.person(getattr(command, "actor", "")))

    async def _question(self, request: Request, actor: str, method: Method) -> Question:
        challenge = request.challenge(actor, method)
        if challenge is None:
            raise no.NoChallenge
        registration = await self.registry.registration(actor)
        return Question(actor, challenge.nonce, request_digest(request), registration.proofs)


def _put(puts: Sequence[tuple[str, Row]], book: Book, outcome: Outcome) -> None:
    outcome.puts += puts


def _evidence(
    request: Request, event: Verified | Approved, book: Book, signed: Mapping[str, str]
) -> Evidence:
    return Evidence(
        nonce=event.nonce,
        request=request.id,
        purpose="prove" if isinstance(event, Verified) else "approve",
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
