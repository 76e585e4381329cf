"""evolve: the state of a request after what happened.

Folding the audit log gives the very row that the store keeps.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flows.events import (
    ApprovalRequested,
    Approved,
    ChallengeFailed,
    ChallengeIssued,
    ChangeConfirmed,
    ChangeRejected,
    Event,
    FulfilmentOrdered,
    HandedOver,
    ObjectionsInvited,
    Observed,
    Opened,
    PasswordAsked,
    PasswordChosen,
    PasswordRefused,
    RetryOrdered,
    SecretLapsed,
    SecretReady,
    Stopped,
    Verified,
)
from flows.law import TRANSITIONS
from flows.model import Cause, Challenge, Mode, Request, Stage, Verification

LAPSED = "not collected in time"  # the reason a request carries when nobody looked at its secret


STOPPED = "stopped, because another request was reported"


def evolve(request: Request | None, event: Event, at: datetime) -> Request:
    """The state after this event. Raises LookupError for what the law doesn't know: a defect, not a refusal."""
    before = None if request is None else request.stage
    stage = TRANSITIONS.get((before, type(event)))
    if stage is None:
        raise LookupError(f"{type(event).__name__} can't happen to a request that is {before}")
    if request is None:
        assert isinstance(event, Opened | Observed)  # noqa: S101  the only events the law knows at None
        return _begun(event, stage, at)
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
        case ApprovalRequested(due_at=due_at, step=step):
            after |= {"due_at": due_at, "challenges": (), "step": step}
        case ObjectionsInvited(due_at=due_at) | PasswordAsked(due_at=due_at) | SecretReady(due_at=due_at):
            after |= {"due_at": due_at, "challenges": ()}
        case PasswordRefused(reason=reason, due_at=due_at):
            after |= {"due_at": due_at, "reason": reason, "cause": Cause.POLICY}
        case PasswordChosen():
            after |= {"reason": "", "cause": Cause.OTHER}
        case Approved(person=person):
            after["challenges"] = tuple(c for c in request.challenges if c.person != person)
            after["approvals"] = (*request.approvals, _remembered(event, at, request.step))
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


def _begun(event: Opened | Observed, stage: Stage, at: datetime) -> Request:
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
        stage=stage,
        version=1,
        opened_at=at,
        due_at=event.due_at if isinstance(event, Opened) else None,
        closed_at=None if isinstance(event, Opened) else at,  # who only observes is done at once
        mode=event.mode if isinstance(event, Opened) else Mode.OBSERVE,
    )


def _remembered(event: Verified | Approved, at: datetime, step: int = 0) -> Verification:
    return Verification(
        event.person, event.method, event.assurance, event.nonce, event.device, at, event.until, step
    )
