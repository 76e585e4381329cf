"""decide: what a command makes happen to a request, or the refusal that says why nothing does.

    law          TRANSITIONS: where it stands, what happened → where it stands then
    decide       (state, command, facts) → events, or a Refusal      asking · proving · consent · answering
    state        evolve: (state, event) → state
    consequence  react: (state, event) → effects owed to the world

Nothing here knows a clock, a network or a database; `facts.now` is the time.
"""

from __future__ import annotations

import flows.errors as no
from flows import given
from flows.answering import approve, begin, hurry, prove
from flows.asking import open_request
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
from flows.consent import entitled, still_agreed, still_stands, wait_ends
from flows.events import (
    Cancelled,
    ChangeConfirmed,
    ChangeRejected,
    Denied,
    Disowned,
    Event,
    Expired,
    Fulfilled,
    FulfilmentOrdered,
    GivenUp,
    HandedOver,
    Objected,
    PasswordChosen,
    PasswordRefused,
    RetryOrdered,
    SecretLapsed,
    SecretReady,
    SecretShown,
    Stopped,
)
from flows.law import TRANSITIONS
from flows.model import Cause, Facts, Request, SecretKind, Stage
from flows.objections import may_object
from flows.raised import raised

_STOPS = Object | Cancel | Disown | Stop  # what counts until the change is ordered, however late
_REPORTS = ReportConfirmed | ReportRejected | ReportUnconfirmed  # the worker's words, not a person's


def decide(request: Request | None, command: Command, facts: Facts) -> list[Event]:
    """The policy: what this command makes happen now. Raises a Refusal; anything unknown is a no."""
    if isinstance(command, Submit):
        if request is not None:
            raise no.Conflict
        return open_request(command, facts)
    if request is None:
        raise no.UnknownRequest
    if request.stage.closed:
        raise no.AlreadyClosed
    if facts.playbook is not None:
        facts = facts.but({"playbook": raised(facts.playbook, request.tier)})
    if isinstance(command, Tick):
        return _expire(request, facts)
    if not isinstance(command, _REPORTS | Stop):
        _works_here(command.actor, facts)
        _not_frozen(request, command, facts)
    late = request.due_at is not None and facts.now >= request.due_at
    if late and not (request.stage is Stage.AWAITING_OBJECTION and isinstance(command, _STOPS)):
        raise no.TooLate
    if isinstance(command, Stop):
        return _stop(request, command)
    match request.stage, command:
        case ((Stage.AWAITING_PROOF | Stage.AWAITING_APPROVAL | Stage.AWAITING_OBJECTION), BeginProof()):
            return begin(request, command, facts)
        case Stage.AWAITING_PROOF, Prove():
            return prove(request, command, facts)
        case Stage.AWAITING_APPROVAL, Approve():
            return approve(request, command, facts)
        case Stage.AWAITING_APPROVAL, Deny(actor=actor):
            entitled(request, actor, facts)
            return [Denied(actor)]
        case Stage.AWAITING_OBJECTION, Approve():
            return hurry(request, command, facts)
        case Stage.AWAITING_OBJECTION, Object(actor=actor):
            if facts.actor is None or not may_object(request, facts.subject, facts.actor):
                raise no.NotYoursToObject
            return [Objected(actor)]
        case stage, Cancel(actor=actor) if (stage, Cancelled) in TRANSITIONS:
            if actor not in (request.requester, request.subject):
                raise no.NotYoursToCancel
            return [Cancelled(actor)]
        case stage, Disown(actor=actor) if (stage, Disowned) in TRANSITIONS:
            if actor not in (request.requester, request.subject, request.prover):
                raise no.NotYoursToCancel
            if stage is Stage.AWAITING_FULFILMENT and actor not in facts.unfrozen:
                raise no.OutOfTurn  # that is on record already
            return [Disowned(actor)]
        case Stage.AWAITING_PASSWORD, ChoosePassword(actor=actor, device=device):
            _same_device(request, actor, device)
            if not still_agreed(request, facts):
                raise no.ConsentLapsed
            return [PasswordChosen(actor, device), FulfilmentOrdered(request.key)]
        case Stage.AWAITING_FULFILMENT, ReportConfirmed(receipt=receipt):
            return [ChangeConfirmed(receipt), *_handing_out(facts)]
        case Stage.AWAITING_FULFILMENT, ReportRejected():
            return _rejected(request, command, facts)
        case Stage.AWAITING_FULFILMENT, ReportUnconfirmed(reason=reason):
            return [HandedOver(given.playbook(facts).handed_to, reason)]
        case Stage.AWAITING_COLLECTION, ShowSecret(actor=actor, device=device):
            _same_device(request, actor, device)
            return [SecretShown(actor, device), Fulfilled()]
        case Stage.AWAITING_OPERATOR, (Retry(actor=actor) | GiveUp(actor=actor)):
            if not _holds(given.playbook(facts).handed_to, facts) or actor in (
                request.requester,
                request.subject,
            ):
                raise no.NotYoursToSettle
            return [RetryOrdered(actor) if isinstance(command, Retry) else GivenUp(actor)]
        case Stage.AWAITING_FULFILMENT | Stage.FULFILLED, ShowSecret():
            raise no.NothingToSee
        case _:
            raise no.OutOfTurn


def _not_frozen(request: Request, command: Command, facts: Facts) -> None:
    """Whoever is frozen can only stop things, and nothing goes on for them but what protects them."""
    actor = getattr(command, "actor", "")
    if isinstance(command, Cancel | Disown | Deny | Object | GiveUp):
        return
    if actor not in facts.unfrozen:
        raise no.Frozen
    if not given.playbook(facts).protects and not facts.unfrozen >= {
        request.requester,
        request.subject,
        request.prover,
    }:
        raise no.PersonRests


def _rejected(request: Request, report: ReportRejected, facts: Facts) -> list[Event]:
    """What the system's rules say about a chosen password isn't the last word while the proof still holds."""
    playbook = given.playbook(facts)
    if playbook.secret is SecretKind.CHOSEN_PASSWORD and report.cause is Cause.POLICY:
        due_at = min(facts.now + playbook.collect_within, given.proved(request).until)
        if facts.now < due_at:
            return [PasswordRefused(report.reason, due_at)]
    return [ChangeRejected(report.reason, report.cause)]


def _same_device(request: Request, actor: str, device: str) -> None:
    """What is secret is for whoever proved themself, on the device that they proved it on."""
    proof = request.verification
    if proof is None or actor != proof.person or device != proof.device:
        raise no.NotYoursToSee


def _works_here(actor: str, facts: Facts) -> None:
    if facts.actor is None or facts.actor.id != actor or not facts.actor.active:
        raise no.InactivePerson


def _holds(role: str, facts: Facts) -> bool:
    return facts.actor is not None and role in facts.actor.roles


def _handing_out(facts: Facts) -> list[Event]:
    playbook = given.playbook(facts)
    if not playbook.secret.shown:
        return [Fulfilled()]
    return [SecretReady(facts.now + playbook.collect_within)]


def _stop(request: Request, stop: Stop) -> list[Event]:
    """Whatever hasn't been sent yet; nothing happens where the worker or an operator has the next move."""
    if stop.person not in (request.requester, request.subject, request.prover):
        raise no.NotYoursToCancel
    return [Stopped(stop.person)] if (request.stage, Stopped) in TRANSITIONS else []


def _expire(request: Request, facts: Facts) -> list[Event]:
    if request.due_at is None or facts.now < request.due_at:
        return []
    match request.stage:
        case Stage.AWAITING_COLLECTION:
            return [SecretLapsed(), Fulfilled()]
        case Stage.AWAITING_OBJECTION:
            return _after_the_wait(request, facts)
        case _:
            return [Expired()]


def _after_the_wait(request: Request, facts: Facts) -> list[Event]:
    """Nobody objected: the change, if what carries it still stands and the wait is over in today's time zone, too."""
    rule = given.playbook(facts).objection
    if rule is None or not still_stands(request, facts):
        return [Expired()]
    if facts.now < wait_ends(rule, facts, max(approval.at for approval in request.approvals)):
        return []
    return [FulfilmentOrdered(request.key)]
