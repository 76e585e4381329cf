"""The life of a request: TRANSITIONS is the law, decide the policy, evolve the state, react the consequence.

    decide  : (state, command, facts) → events, or a Refusal
    evolve  : (state, event)          → state
    react   : (state, event)          → effects owed to the world

Nothing here knows a clock, a network or a database; `facts.now` is the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import flows.errors as no
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
from flows.digest import request_digest
from flows.effects import Announce, AskApprovers, CarryOut, Effect, SendChallenge, StopOthers, Tell, Write
from flows.events import (
    ApprovalRequested,
    Approved,
    Cancelled,
    ChallengeFailed,
    ChallengeIssued,
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
    Hurried,
    LockedOut,
    Objected,
    ObjectionsInvited,
    Opened,
    PasswordAsked,
    PasswordChosen,
    PasswordRefused,
    RetryOrdered,
    SecretLapsed,
    SecretReady,
    SecretShown,
    Stopped,
    Verified,
)
from flows.model import (
    DEVICE_PAGE,
    GUESSES,
    LIMITS,
    ApprovalRule,
    Asker,
    Assurance,
    Cause,
    Challenge,
    Checked,
    Facts,
    Method,
    ObjectionRule,
    Party,
    Person,
    Playbook,
    Request,
    SecretKind,
    Stage,
    Verification,
    Wrong,
)
from flows.news import News, What, is_told_by_registry
from flows.objections import ends_at, kept_for_manager, manager_agrees, may_object, never_hurried

S = Stage
_Consent = TypeVar("_Consent", Approved, Hurried)

#: The law. (where it stands, what happened) → where it stands then. What isn't here can't happen.
TRANSITIONS: Mapping[tuple[Stage | None, type[Event]], Stage] = {
    (None, Opened): S.AWAITING_PROOF,
    (S.AWAITING_PROOF, ChallengeIssued): S.AWAITING_PROOF,
    (S.AWAITING_PROOF, ChallengeFailed): S.AWAITING_PROOF,
    (S.AWAITING_PROOF, LockedOut): S.LOCKED,
    (S.AWAITING_PROOF, Verified): S.AWAITING_PROOF,
    (S.AWAITING_PROOF, ApprovalRequested): S.AWAITING_APPROVAL,
    (S.AWAITING_PROOF, PasswordAsked): S.AWAITING_PASSWORD,
    (S.AWAITING_PROOF, FulfilmentOrdered): S.AWAITING_FULFILMENT,
    (S.AWAITING_PROOF, Cancelled): S.CANCELLED,
    (S.AWAITING_PROOF, Disowned): S.DISOWNED,
    (S.AWAITING_PROOF, Stopped): S.CANCELLED,
    (S.AWAITING_PROOF, Expired): S.EXPIRED,
    (S.AWAITING_APPROVAL, ChallengeIssued): S.AWAITING_APPROVAL,
    (S.AWAITING_APPROVAL, ChallengeFailed): S.AWAITING_APPROVAL,
    (S.AWAITING_APPROVAL, Approved): S.AWAITING_APPROVAL,
    (S.AWAITING_APPROVAL, ObjectionsInvited): S.AWAITING_OBJECTION,
    (S.AWAITING_APPROVAL, PasswordAsked): S.AWAITING_PASSWORD,
    (S.AWAITING_APPROVAL, FulfilmentOrdered): S.AWAITING_FULFILMENT,
    (S.AWAITING_APPROVAL, Denied): S.DENIED,
    (S.AWAITING_APPROVAL, Cancelled): S.CANCELLED,
    (S.AWAITING_APPROVAL, Disowned): S.DISOWNED,
    (S.AWAITING_APPROVAL, Stopped): S.CANCELLED,
    (S.AWAITING_APPROVAL, Expired): S.EXPIRED,
    (S.AWAITING_OBJECTION, ChallengeIssued): S.AWAITING_OBJECTION,
    (S.AWAITING_OBJECTION, ChallengeFailed): S.AWAITING_OBJECTION,
    (S.AWAITING_OBJECTION, Hurried): S.AWAITING_OBJECTION,
    (S.AWAITING_OBJECTION, FulfilmentOrdered): S.AWAITING_FULFILMENT,
    (S.AWAITING_OBJECTION, Objected): S.DENIED,
    (S.AWAITING_OBJECTION, Cancelled): S.CANCELLED,
    (S.AWAITING_OBJECTION, Disowned): S.DISOWNED,
    (S.AWAITING_OBJECTION, Stopped): S.CANCELLED,
    (S.AWAITING_OBJECTION, Expired): S.EXPIRED,
    (S.AWAITING_PASSWORD, PasswordChosen): S.AWAITING_PASSWORD,
    (S.AWAITING_PASSWORD, FulfilmentOrdered): S.AWAITING_FULFILMENT,
    (S.AWAITING_PASSWORD, Cancelled): S.CANCELLED,
    (S.AWAITING_PASSWORD, Disowned): S.DISOWNED,
    (S.AWAITING_PASSWORD, Stopped): S.CANCELLED,
    (S.AWAITING_PASSWORD, Expired): S.EXPIRED,
    # The worker sees the freeze; what was sent was sent.
    (S.AWAITING_FULFILMENT, Disowned): S.AWAITING_FULFILMENT,
    (S.AWAITING_FULFILMENT, PasswordRefused): S.AWAITING_PASSWORD,
    (S.AWAITING_FULFILMENT, ChangeConfirmed): S.AWAITING_FULFILMENT,
    (S.AWAITING_FULFILMENT, SecretReady): S.AWAITING_COLLECTION,
    (S.AWAITING_FULFILMENT, Fulfilled): S.FULFILLED,
    (S.AWAITING_FULFILMENT, ChangeRejected): S.FAILED,
    (S.AWAITING_FULFILMENT, HandedOver): S.AWAITING_OPERATOR,
    (S.AWAITING_OPERATOR, RetryOrdered): S.AWAITING_FULFILMENT,
    (S.AWAITING_OPERATOR, GivenUp): S.FAILED,
    (S.AWAITING_COLLECTION, SecretShown): S.AWAITING_COLLECTION,
    (S.AWAITING_COLLECTION, SecretLapsed): S.AWAITING_COLLECTION,
    (S.AWAITING_COLLECTION, Disowned): S.DISOWNED,
    (S.AWAITING_COLLECTION, Stopped): S.CANCELLED,
    (S.AWAITING_COLLECTION, Fulfilled): S.FULFILLED,
}

LAPSED = "not collected in time"  # the reason a request carries when nobody looked at its secret
STOPPED = "stopped, because another request was reported"
_STOPS = Object | Cancel | Disown | Stop  # what counts until the change is ordered, however late
_REPORTS = ReportConfirmed | ReportRejected | ReportUnconfirmed  # the worker's words, not a person's
PASSKEY_CHALLENGE = timedelta(minutes=2)  # SP 800-63B-4 section 3.1.6; the code's lives as long as the stage


# -- decide -----------------------------------------------------------------------------------


def decide(request: Request | None, command: Command, facts: Facts) -> list[Event]:
    """The policy: what this command makes happen now. Raises a Refusal; anything unknown is a no."""
    if isinstance(command, Submit):
        if request is not None:
            raise no.Conflict
        return _open(command, facts)
    if request is None:
        raise no.UnknownRequest
    if request.stage.closed:
        raise no.AlreadyClosed
    if isinstance(command, Tick):
        return _expire(request, facts)
    if not isinstance(command, _REPORTS | Stop):
        _works_here(command.actor, facts)
        _not_frozen(request, command, facts)
    late = request.due_at is not None and facts.now >= request.due_at
    if late and not (request.stage is S.AWAITING_OBJECTION and isinstance(command, _STOPS)):
        raise no.TooLate
    if isinstance(command, Stop):
        return _stop(request, command)
    match request.stage, command:
        case ((S.AWAITING_PROOF | S.AWAITING_APPROVAL | S.AWAITING_OBJECTION), BeginProof()):
            return _begin(request, command, facts)
        case S.AWAITING_PROOF, Prove():
            return _prove(request, command, facts)
        case S.AWAITING_APPROVAL, Approve():
            return _approve(request, command, facts)
        case S.AWAITING_APPROVAL, Deny(actor=actor):
            _entitled(request, actor, facts)
            return [Denied(actor)]
        case S.AWAITING_OBJECTION, Approve():
            return _hurry(request, command, facts)
        case S.AWAITING_OBJECTION, Object(actor=actor):
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
            if stage is S.AWAITING_FULFILMENT and actor not in facts.unfrozen:
                raise no.OutOfTurn  # that is on record already
            return [Disowned(actor)]
        case S.AWAITING_PASSWORD, ChoosePassword(actor=actor, device=device):
            _same_device(request, actor, device)
            _still_agreed(request, facts)
            return [PasswordChosen(actor, device), FulfilmentOrdered(request.key)]
        case S.AWAITING_FULFILMENT, ReportConfirmed(receipt=receipt):
            return [ChangeConfirmed(receipt), *_handing_out(facts)]
        case S.AWAITING_FULFILMENT, ReportRejected():
            return _rejected(request, command, facts)
        case S.AWAITING_FULFILMENT, ReportUnconfirmed(reason=reason):
            return [HandedOver(_playbook(facts).handed_to, reason)]
        case S.AWAITING_COLLECTION, ShowSecret(actor=actor, device=device):
            _same_device(request, actor, device)
            return [SecretShown(actor, device), Fulfilled()]
        case S.AWAITING_OPERATOR, (Retry(actor=actor) | GiveUp(actor=actor)):
            if not _holds(_playbook(facts).handed_to, facts) or actor in (request.requester, request.subject):
                raise no.NotYoursToSettle
            return [RetryOrdered(actor) if isinstance(command, Retry) else GivenUp(actor)]
        case S.AWAITING_FULFILMENT | S.FULFILLED, ShowSecret():
            raise no.NothingToSee
        case _:
            raise no.OutOfTurn


def _open(ask: Submit, facts: Facts) -> list[Event]:
    """The requester works here and may ask · the subject works here · no twin is open · the prover can be asked.

    Whoever asks for somebody else reads one and the same sentence, whatever stands in that person's way.
    """
    playbook, requester, subject = facts.playbook, facts.requester, facts.subject
    if playbook is None or playbook.name != ask.playbook:
        raise no.UnknownPlaybook
    if requester is None:
        raise no.UnknownPerson
    if not requester.active:
        raise no.InactivePerson
    asks = may_ask(playbook, requester, subject or Person(ask.subject, "", ""))
    if not (asks and _may_freeze(playbook, requester, subject)):
        raise no.NotYoursToAsk
    if requester.id not in facts.unfrozen:
        raise no.Frozen
    if "others" not in facts.may_ask_others and ask.subject != ask.requester:
        raise no.AskedEnough
    if "approvers" not in facts.may_ask_others and playbook.consent is not None:
        raise no.AskedEnough
    prover = ask.subject if playbook.prover is Party.SUBJECT else ask.requester
    try:
        subject = _helped(playbook, subject, facts)
        if prover == subject.id:
            _askable(ask, playbook, prover, facts)
    except no.Refusal as why:
        if ask.requester == ask.subject or isinstance(why, no.AlreadyOpen):
            raise
        raise no.NotForThem(why.kind) from None
    if prover != subject.id:
        _askable(ask, playbook, prover, facts)
    return [
        Opened(
            id=ask.id,
            playbook=playbook.name,
            playbook_version=playbook.version,
            playbook_hash=playbook.hash,
            connector=playbook.connector,
            verb=playbook.verb,
            requester=requester.id,
            subject=subject.id,
            prover=prover,
            origin=ask.origin,
            parameters=dict(sorted(ask.parameters.items())),  # in the order the audit log keeps them, so that
            commitments=dict(sorted(ask.commitments.items())),  # folding it gives the very same row
            due_at=facts.now + playbook.prove_within,
        )
    ]


def _helped(playbook: Playbook, subject: Person | None, facts: Facts) -> Person:
    """The subject works here, isn't frozen, and nobody has asked for the same already."""
    if subject is None:
        raise no.UnknownPerson
    if not subject.active:
        raise no.InactivePerson
    if subject.id not in facts.unfrozen and not playbook.protects:
        raise no.PersonRests
    if facts.open_twin:
        raise no.AlreadyOpen(f"It is {facts.open_twin}.")
    return subject


def _may_freeze(playbook: Playbook, requester: Person, subject: Person | None) -> bool:
    """Whoever lifts freezes, or looks after the installation, is frozen by security alone, or by themself."""
    if subject is None or (playbook.connector, playbook.verb) != ("countersign", "freeze"):
        return True
    return requester.id == subject.id or not subject.roles & {"security", "administrator"}


def _askable(ask: Submit, playbook: Playbook, prover: str, facts: Facts) -> None:
    """The prover has what it takes · isn't asked for something else · wasn't asked too often by the same person.

    Whoever asks on their own registered device isn't prompted by anybody: that they can always do.
    """
    if not facts.methods:
        raise no.NoRegisteredDevice
    if not usable(playbook, facts.methods):
        raise no.StrongerProofNeeded
    _bound(playbook, device_bound=facts.device_bound)
    if not usable(playbook, _counting(facts)):
        raise no.CodesRest
    _settled(playbook, facts)
    if ask.origin.platform == DEVICE_PAGE and ask.requester == prover:
        return
    if not facts.may_prompt:
        raise no.PromptedEnough
    if facts.waiting != "":
        raise no.AnotherWaits(f"It is {facts.waiting}." if facts.waiting else "")


def may_ask(playbook: Playbook, requester: Person, subject: Person) -> bool:
    """True when the playbook lets this person ask for that one."""
    reasons = {
        Asker.SELF: requester.id == subject.id,
        Asker.MANAGER: subject.manager == requester.id,
        Asker.ADMINISTRATOR: "administrator" in requester.roles,
        Asker.DESK_AGENT: "desk_agent" in requester.roles,
        Asker.SECURITY: "security" in requester.roles and requester.id != subject.id,
    }
    return any(reasons[asker] for asker in playbook.askers)


def demanded(playbook: Playbook, methods: frozenset[Method]) -> Assurance:
    """The assurance this change takes: from tier 2 up a passkey wherever the person has one."""
    if playbook.tier >= 2 and Method.PASSKEY in methods:
        return Assurance.PHISHING_RESISTANT
    return playbook.assurance


def usable(playbook: Playbook, methods: frozenset[Method]) -> tuple[Method, ...]:
    """The registered methods that are strong enough, strongest first."""
    least = demanded(playbook, methods)
    good = [method for method in methods if method.assurance >= least]
    return tuple(sorted(good, key=lambda method: method.assurance.rank, reverse=True))


def _counting(facts: Facts) -> frozenset[Method]:
    """The registered methods that count just now."""
    return facts.methods if facts.codes_count else facts.methods - {Method.CODE}


def _not_frozen(request: Request, command: Command, facts: Facts) -> None:
    """Whoever is frozen can only stop things, and nothing goes on for them but what protects them."""
    actor = getattr(command, "actor", "")
    if isinstance(command, Cancel | Disown | Deny | Object | GiveUp):
        return
    if actor not in facts.unfrozen:
        raise no.Frozen
    if not _playbook(facts).protects and not facts.unfrozen >= {
        request.requester,
        request.subject,
        request.prover,
    }:
        raise no.PersonRests


def _bound(playbook: Playbook, *, device_bound: bool) -> None:
    if playbook.device_bound and not device_bound:
        raise no.DeviceBoundNeeded


def _settled(playbook: Playbook, facts: Facts) -> None:
    """A first device that is new serves for little. Raises DeviceTooYoung, with the time it will be old enough."""
    until = facts.young_until
    if until is not None and facts.now < until and not playbook.open_to_young:
        raise no.DeviceTooYoung(f"It can from {until.day} {until:%B %Y, %H:%M} UTC on.")


def _begin(request: Request, begin: BeginProof, facts: Facts) -> list[Event]:
    playbook = _playbook(facts)
    if request.stage is S.AWAITING_APPROVAL:
        _entitled(request, begin.actor, facts)
    elif request.stage is S.AWAITING_OBJECTION:
        _may_hurry(request, begin.actor, facts)
    elif begin.actor != request.prover:
        raise no.NotYoursToProve
    _settled(playbook, facts)
    _still_trusted(request, begin.actor)
    allowed: tuple[Method, ...] = (Method.PASSKEY,)  # whoever speaks for others uses one
    if request.stage is S.AWAITING_PROOF:
        allowed = usable(playbook, facts.methods)
    if begin.method not in allowed or begin.method not in facts.methods:
        raise no.ProofTooWeak
    if begin.method not in _counting(facts):
        raise no.CodesRest
    if request.stage is S.AWAITING_PROOF:
        _bound(playbook, device_bound=facts.device_bound)
    lifetime = PASSKEY_CHALLENGE if begin.method is Method.PASSKEY else playbook.prove_within
    expires = facts.now + lifetime
    if begin.method is Method.CODE and request.due_at is not None:
        expires = min(expires, request.due_at)
    return [ChallengeIssued(begin.actor, begin.method, facts.nonce, expires)]


def _still_trusted(request: Request, actor: str) -> None:
    if any(request.failures.get(f"{actor}:{wrong}", 0) >= most for wrong, most in LIMITS.items()):
        raise no.TooManyWrongAnswers


def _prove(request: Request, prove: Prove, facts: Facts) -> list[Event]:
    playbook = _playbook(facts)
    if prove.actor != request.prover:
        raise no.NotYoursToProve
    guessed = (
        prove.answer in GUESSES if isinstance(prove.answer, Wrong) else prove.answer.method is Method.CODE
    )
    if guessed and not facts.codes_count:
        raise no.CodesRest
    if isinstance(prove.answer, Wrong):
        return _failed(request, prove.actor, prove.answer)
    answer = _met(request, prove.actor, prove.answer, facts.now)
    _settled(playbook, facts)
    if answer.assurance < demanded(playbook, facts.methods):
        raise no.ProofTooWeak
    _bound(playbook, device_bound=answer.device_bound)
    until = facts.now + playbook.proof_lasts
    verified = Verified(
        prove.actor,
        answer.method,
        answer.assurance,
        answer.nonce,
        answer.digest,
        answer.device,
        answer.authenticator,
        until,
    )
    if playbook.consent is None:
        return [verified, _ordered(request, facts, until)]
    asked = tuple(sorted(_others(request, facts.approvers) - _kept(request, facts)))
    spoken_for = manager_agrees(playbook, request.prover, _manager(facts), asked)
    if len(asked) < playbook.consent.quorum or not spoken_for:
        raise no.NotAnApprover("Nobody is left who could approve this. Talk to the desk.")
    return [verified, ApprovalRequested(playbook.consent.quorum, asked, facts.now + playbook.consent.within)]


def _approve(request: Request, approve: Approve, facts: Facts) -> list[Event]:
    rule = _rule(facts)
    actor = approve.actor
    _entitled(request, actor, facts)
    _still_trusted(request, actor)
    if isinstance(approve.answer, Wrong):
        return _failed(request, actor, approve.answer)
    approved = _signed(Approved, request, actor, approve.answer, facts)
    still = facts.approvers & facts.unfrozen  # whoever left, moved or rests counts no more
    agreed = ({a.person for a in request.approvals} & still) | {actor}
    if len(agreed) >= rule.quorum and manager_agrees(
        _playbook(facts), request.prover, _manager(facts), agreed
    ):
        return [approved, _ordered(request, facts, _proved(request).until)]
    return [approved]


def _hurry(request: Request, approve: Approve, facts: Facts) -> list[Event]:
    """One more person, distinct from everybody who acted, buys the rest of the wait."""
    actor = approve.actor
    _may_hurry(request, actor, facts)
    _still_trusted(request, actor)
    if isinstance(approve.answer, Wrong):
        return _failed(request, actor, approve.answer)
    hurried = _signed(Hurried, request, actor, approve.answer, facts)
    if not _still_stands(request, facts):
        raise no.ConsentLapsed
    return [hurried, FulfilmentOrdered(request.key)]


def _signed(kind: type[_Consent], request: Request, actor: str, given: Checked, facts: Facts) -> _Consent:
    """What somebody who speaks for another signed, with a passkey on a device that isn't new."""
    answer = _met(request, actor, given, facts.now)
    _settled(_playbook(facts), facts)
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
        facts.now + _playbook(facts).proof_lasts,
    )


def _may_hurry(request: Request, actor: str, facts: Facts) -> None:
    """Not for the privileged · nobody who acted before · selected by the playbook, as the directory says now."""
    if facts.subject is None:
        raise no.UnknownPerson
    if never_hurried(facts.subject):
        raise no.NeverHurried
    acted = {approval.person for approval in request.approvals}
    if actor not in _others(request, facts.hurriers) - acted:
        raise no.NotYoursToHurry


def _ordered(request: Request, facts: Facts, until: datetime) -> Event:
    """Everything that is demanded is there: the change, or first a wait for objections or the password it sets."""
    playbook = _playbook(facts)
    if playbook.objection is not None:
        return ObjectionsInvited(_ends_at(playbook.objection, facts, facts.now))
    if playbook.secret is SecretKind.CHOSEN_PASSWORD:
        return PasswordAsked(min(facts.now + playbook.collect_within, until))
    return FulfilmentOrdered(request.key)


def _still_agreed(request: Request, facts: Facts) -> None:
    """Choosing takes its time: whoever left, moved or agreed too long ago counts no more."""
    rule = _playbook(facts).consent
    agreed = {a.person for a in request.approvals if facts.now < a.until} & facts.approvers & facts.unfrozen
    if rule is not None and len(agreed) < rule.quorum:
        raise no.ConsentLapsed


def _kept(request: Request, facts: Facts) -> frozenset[str]:
    """Who can't agree just now because the last place is kept for the manager."""
    playbook, manager = _playbook(facts), _manager(facts)
    agreed = {a.person for a in request.approvals} & facts.approvers & facts.unfrozen
    return frozenset(
        person
        for person in facts.approvers
        if kept_for_manager(playbook, request.prover, manager, agreed, person)
    )


def _manager(facts: Facts) -> str | None:
    return facts.subject.manager if facts.subject is not None else None


def _ends_at(rule: ObjectionRule, facts: Facts, agreed: datetime) -> datetime:
    if facts.subject is None:
        raise no.UnknownPerson
    return ends_at(agreed, rule.wait, facts.subject.timezone)


def _still_stands(request: Request, facts: Facts) -> bool:
    """Whether what was proved and agreed before a wait still carries it: everybody works here, and nobody rests."""
    playbook = _playbook(facts)
    parties = {request.requester, request.subject, request.prover}
    active = all(person is not None and person.active for person in (facts.requester, facts.subject))
    agreed = {a.person for a in request.approvals if facts.now < a.until} & facts.approvers & facts.unfrozen
    return (
        active
        and facts.unfrozen >= parties
        and facts.now < _proved(request).until
        and len(agreed) >= _rule(facts).quorum
        and manager_agrees(playbook, request.prover, _manager(facts), agreed)
    )


def _rejected(request: Request, report: ReportRejected, facts: Facts) -> list[Event]:
    """What the system's rules say about a chosen password isn't the last word while the proof still holds."""
    playbook = _playbook(facts)
    if playbook.secret is SecretKind.CHOSEN_PASSWORD and report.cause is Cause.POLICY:
        due_at = min(facts.now + playbook.collect_within, _proved(request).until)
        if facts.now < due_at:
            return [PasswordRefused(report.reason, due_at)]
    return [ChangeRejected(report.reason, report.cause)]


def _proved(request: Request) -> Verification:
    if request.verification is None:
        raise no.OutOfTurn
    return request.verification


def _same_device(request: Request, actor: str, device: str) -> None:
    """What is secret is for whoever proved themself, on the device that they proved it on."""
    proof = request.verification
    if proof is None or actor != proof.person or device != proof.device:
        raise no.NotYoursToSee


def _entitled(request: Request, actor: str, facts: Facts) -> None:
    """Not the requester, not the subject · selected by the playbook, as the directory says now · not yet counted."""
    if actor in (request.requester, request.subject):
        raise no.SelfApproval
    if actor not in _others(request, facts.approvers):
        raise no.NotAnApprover
    if actor in _kept(request, facts):
        raise no.NotAnApprover("This takes the agreement of their manager.")
    if any(approval.person == actor for approval in request.approvals):
        raise no.ApprovedAlready


def _others(request: Request, people: frozenset[str]) -> frozenset[str]:
    return people - {request.requester, request.subject, request.prover}


def _met(request: Request, actor: str, answer: Checked, now: datetime) -> Checked:
    """The challenge is this request's own, unused · unexpired · and its answer is bound to what is asked."""
    challenge = request.challenge(actor, answer.method)
    if challenge is None or challenge.nonce != answer.nonce:
        raise no.NoChallenge
    if now >= challenge.expires_at:
        raise no.ChallengeExpired
    if answer.digest != request_digest(request):
        raise no.WrongChallenge
    return answer


def _failed(request: Request, actor: str, wrong: Wrong) -> list[Event]:
    count = request.failures.get(f"{actor}:{wrong}", 0) + 1
    failed = ChallengeFailed(actor, wrong, count)
    if count < LIMITS[wrong]:
        return [failed]
    if request.stage is S.AWAITING_PROOF:
        return [failed, LockedOut(actor, wrong)]
    if count == LIMITS[wrong]:
        return [failed]
    raise no.TooManyWrongAnswers


def _works_here(actor: str, facts: Facts) -> None:
    if facts.actor is None or facts.actor.id != actor or not facts.actor.active:
        raise no.InactivePerson


def _holds(role: str, facts: Facts) -> bool:
    return facts.actor is not None and role in facts.actor.roles


def _handing_out(facts: Facts) -> list[Event]:
    playbook = _playbook(facts)
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
        case S.AWAITING_COLLECTION:
            return [SecretLapsed(), Fulfilled()]
        case S.AWAITING_OBJECTION:
            return _after_the_wait(request, facts)
        case _:
            return [Expired()]


def _after_the_wait(request: Request, facts: Facts) -> list[Event]:
    """Nobody objected: the change, if what carries it still stands and the wait is over in today's time zone, too."""
    rule = _playbook(facts).objection
    if rule is None or not _still_stands(request, facts):
        return [Expired()]
    if facts.now < _ends_at(rule, facts, max(approval.at for approval in request.approvals)):
        return []
    return [FulfilmentOrdered(request.key)]


def _playbook(facts: Facts) -> Playbook:
    if facts.playbook is None:
        raise no.UnknownPlaybook
    return facts.playbook


def _rule(facts: Facts) -> ApprovalRule:
    rule = _playbook(facts).consent
    if rule is None:
        raise no.OutOfTurn
    return rule


# -- evolve -----------------------------------------------------------------------------------


def evolve(request: Request | None, event: Event, at: datetime) -> Request:
    """The state after this event. Raises LookupError for what the law doesn't know: a defect, not a refusal."""
    before = None if request is None else request.stage
    stage = TRANSITIONS.get((before, type(event)))
    if stage is None:
        raise LookupError(f"{type(event).__name__} can't happen to a request that is {before}")
    if request is None:
        assert isinstance(event, Opened)  # noqa: S101  the only event the law knows at None
        return _opened(event, at)
    after: dict[str, Any] = {"stage": stage, "version": request.version + 1}
    if stage.closed:
        after |= {"due_at": None, "closed_at": at, "challenges": ()}
    match event:
        case ChallengeIssued(person=person, method=method, nonce=nonce, expires_at=expires):
            rest = tuple(c for c in request.challenges if (c.person, c.method) != (person, method))
            after["challenges"] = (*rest, Challenge(person, method, nonce, expires))
        case ChallengeFailed(person=person, wrong=wrong, count=count):
            after["failures"] = {**request.failures, f"{person}:{wrong}": count}
        case Verified():
            after |= {"verification": _remembered(event, at), "challenges": ()}
        case (
            ApprovalRequested(due_at=due_at)
            | ObjectionsInvited(due_at=due_at)
            | PasswordAsked(due_at=due_at)
            | SecretReady(due_at=due_at)
        ):
            after |= {"due_at": due_at, "challenges": ()}
        case PasswordRefused(reason=reason, due_at=due_at):
            after |= {"due_at": due_at, "reason": reason, "cause": Cause.POLICY}
        case PasswordChosen():
            after |= {"reason": "", "cause": Cause.OTHER}
        case Approved(person=person):
            after["challenges"] = tuple(c for c in request.challenges if c.person != person)
            after["approvals"] = (*request.approvals, _remembered(event, at))
        case FulfilmentOrdered() | RetryOrdered():
            after |= {"due_at": None, "challenges": ()}
        case ChangeConfirmed(receipt=receipt):
            after["receipt"] = receipt
        case ChangeRejected(reason=reason, cause=cause):
            after |= {"reason": reason, "cause": cause}
        case HandedOver(reason=reason):
            after["reason"] = reason
        case SecretLapsed():
            after["reason"] = LAPSED
        case Stopped():
            after["reason"] = STOPPED
    return request.but(after)


def _opened(event: Opened, at: datetime) -> Request:
    return Request(
        id=event.id,
        playbook=event.playbook,
        playbook_version=event.playbook_version,
        playbook_hash=event.playbook_hash,
        connector=event.connector,
        verb=event.verb,
        requester=event.requester,
        subject=event.subject,
        prover=event.prover,
        origin=event.origin,
        parameters=event.parameters,
        commitments=event.commitments,
        stage=S.AWAITING_PROOF,
        version=1,
        opened_at=at,
        due_at=event.due_at,
    )


def _remembered(event: Verified | Approved, at: datetime) -> Verification:
    return Verification(
        event.person, event.method, event.assurance, event.nonce, event.device, at, event.until
    )


# -- react ------------------------------------------------------------------------------------


def react(request: Request, event: Event, at: datetime) -> Sequence[Effect]:
    """What this event makes us owe. `request` is the state after it."""
    concerned = tuple(dict.fromkeys((request.requester, request.subject)))

    def write(what: What, *people: str) -> tuple[Effect, ...]:
        return tuple(Write(News(person, what, at)) for person in people)

    match event:
        case Opened():
            asker = () if request.prover == request.requester else (Tell((request.requester,), "opened"),)
            others = write(What.REQUEST_OPENED, *(concerned[1:]))  # the subject, where somebody else asks
            return (SendChallenge(request.prover), *asker, Announce("security", "opened"), *others)
        case ApprovalRequested(approvers=people):
            return (AskApprovers(people),)
        case ObjectionsInvited():
            agreed = (approval.person for approval in request.approvals)
            everybody = tuple(dict.fromkeys((request.subject, *concerned, request.prover, *agreed)))
            news = write(What.OBJECTIONS_INVITED, request.subject)
            return (
                Tell(everybody, "objections_invited"),
                Announce("security", "objections_invited", request.subject),
                *news,
            )
        case Objected():
            agreed = (approval.person for approval in request.approvals)
            everybody = tuple(dict.fromkeys((*concerned, *agreed)))
            news = write(What.OBJECTED, request.subject)
            return (Tell(everybody, "closed"), Announce("security", "objected"), *news)
        case PasswordAsked() if request.approvals:
            return (Tell((request.prover,), "password_asked"),)
        case PasswordRefused():
            return (Tell((request.prover,), "password_refused"),)
        case FulfilmentOrdered(key=key):
            return (CarryOut(key),)
        case RetryOrdered():
            return (CarryOut(request.key),)
        case ChangeConfirmed() if not is_told_by_registry(request):
            return write(What.CHANGE_MADE, request.subject)
        case SecretReady():
            return (Tell((request.prover,), "secret_ready"),)
        case HandedOver(role=role):
            return (Tell(concerned, "handed_over"), Announce(role, "handed_over"))
        case Disowned(person=person):
            told = (Tell(concerned, "closed"),) if request.stage.closed else ()
            news = write(What.REQUEST_DISOWNED, *concerned)
            return (*told, Announce("security", "alarm"), StopOthers(person), *news)
        case LockedOut():
            news = write(What.REQUEST_LOCKED, *concerned)
            return (Tell(concerned, "closed"), Announce("security", "alarm"), *news)
        case Fulfilled() | ChangeRejected() | GivenUp() | Denied() | Cancelled() | Expired() | Stopped():
            return (Tell(concerned, "closed"), Announce("security", "closed"))
        case _:
            return ()
