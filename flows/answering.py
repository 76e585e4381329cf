"""The commands that carry an answer from a registered device: beginning one, proof, consent, shortening a wait."""

from __future__ import annotations

from typing import TypeVar

import flows.errors as no
from flows import given
from flows.commands import Approve, BeginProof, Prove
from flows.consent import asked, enough, entitled, may_hurry, ordered, still_stands
from flows.events import (
    Approved,
    ChallengeIssued,
    Event,
    FulfilmentOrdered,
    Hurried,
    Verified,
)
from flows.model import GUESSES, Assurance, Checked, Facts, Method, Request, Stage, Wrong
from flows.objections import manager_agrees
from flows.proving import (
    PASSKEY_CHALLENGE,
    bound,
    counting,
    demanded,
    failed,
    met,
    settled,
    still_trusted,
    usable,
)
from flows.state import evolve

_Consent = TypeVar("_Consent", Approved, Hurried)


def begin(request: Request, command: BeginProof, facts: Facts) -> list[Event]:
    """A fresh challenge for whoever has to answer now."""
    playbook = given.playbook(facts)
    if request.stage is Stage.AWAITING_APPROVAL:
        entitled(request, command.actor, facts)
        given.permitted(facts)
    elif request.stage is Stage.AWAITING_OBJECTION:
        may_hurry(request, command.actor, facts)
        given.permitted(facts)
    elif command.actor != request.prover:
        raise no.NotYoursToProve
    settled(playbook, facts)
    still_trusted(request, command.actor)
    allowed: tuple[Method, ...] = (Method.PASSKEY,)  # whoever speaks for others uses one
    if request.stage is Stage.AWAITING_PROOF:
        allowed = usable(playbook, facts.methods)
    if command.method not in allowed or command.method not in facts.methods:
        raise no.ProofTooWeak
    if command.method not in counting(facts):
        raise no.CodesRest
    if request.stage is Stage.AWAITING_PROOF:
        bound(playbook, device_bound=facts.device_bound)
    lifetime = PASSKEY_CHALLENGE if command.method is Method.PASSKEY else playbook.prove_within
    expires = facts.now + lifetime
    if command.method is Method.CODE and request.due_at is not None:
        expires = min(expires, request.due_at)
    return [ChallengeIssued(command.actor, command.method, facts.nonce, expires)]


def prove(request: Request, command: Prove, facts: Facts) -> list[Event]:
    """The prover's answer; a right one asks for consent, or orders the change."""
    playbook = given.playbook(facts)
    if command.actor != request.prover:
        raise no.NotYoursToProve
    guessed = (
        command.answer in GUESSES
        if isinstance(command.answer, Wrong)
        else command.answer.method is Method.CODE
    )
    if guessed and not facts.codes_count:
        raise no.CodesRest
    if isinstance(command.answer, Wrong):
        return failed(request, command.actor, command.answer)
    answer = met(request, command.actor, command.answer, facts.now)
    settled(playbook, facts)
    if answer.assurance < demanded(playbook, facts.methods):
        raise no.ProofTooWeak
    bound(playbook, device_bound=answer.device_bound)
    until = facts.now + playbook.proof_lasts
    verified = Verified(
        command.actor,
        answer.method,
        answer.assurance,
        answer.nonce,
        answer.digest,
        answer.device,
        answer.authenticator,
        until,
    )
    if playbook.consent:
        return [verified, asked(request, 0, facts)]
    return [verified, ordered(request, facts, until)]


def approve(request: Request, command: Approve, facts: Facts) -> list[Event]:
    """One more person's consent; the last of a step asks the next one, and the last of all orders the change, or
    begins the wait for objections."""
    actor = command.actor
    entitled(request, actor, facts)
    given.permitted(facts)
    still_trusted(request, actor)
    if isinstance(command.answer, Wrong):
        return failed(request, actor, command.answer)
    approved = _signed(Approved, request, actor, command.answer, facts)
    playbook, earlier = given.playbook(facts), [a.person for a in request.approvals if a.step == request.step]
    agreed = {actor, *(person for person in earlier if person in facts.unfrozen)}
    spoken_for = manager_agrees(playbook, request.prover, given.manager(facts), agreed)
    if not spoken_for or not enough(request.step, request, playbook, facts.selected, agreed):
        return [approved]
    if request.step + 1 < len(playbook.consent):
        after = evolve(request, approved, facts.now)
        return [approved, asked(after, request.step + 1, facts)]
    return [approved, ordered(request, facts, given.proved(request).until)]


def hurry(request: Request, command: Approve, facts: Facts) -> list[Event]:
    """One more person, distinct from everybody who acted, buys the rest of the wait."""
    actor = command.actor
    may_hurry(request, actor, facts)
    given.permitted(facts)
    still_trusted(request, actor)
    if isinstance(command.answer, Wrong):
        return failed(request, actor, command.answer)
    hurried = _signed(Hurried, request, actor, command.answer, facts)
    if not still_stands(request, facts):
        raise no.ConsentLapsed
    return [hurried, FulfilmentOrdered(request.key)]


def _signed(kind: type[_Consent], request: Request, actor: str, answered: Checked, facts: Facts) -> _Consent:
    """What somebody who speaks for another signed, with a passkey on a device that isn't new."""
    answer = met(request, actor, answered, facts.now)
    settled(given.playbook(facts), facts)
    if answer.assurance < Assurance.PHISHING_RESISTANT:
        raise no.ProofTooWeak
    return kind(
        actor,
        answer.method,
        answer.assurance,
        answer.nonce,
        answer.digest,
        answer.device,
        answer.authenticator,
        facts.now + given.playbook(facts).proof_lasts,
    )
