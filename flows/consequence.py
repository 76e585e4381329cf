"""react: what is owed to the world because of what happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flows.effects import (
    Announce,
    AskApprovers,
    CarryOut,
    Effect,
    Remind,
    SendChallenge,
    StopOthers,
    Tell,
    Write,
)
from flows.events import (
    ApprovalRequested,
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
    LockedOut,
    Objected,
    ObjectionsInvited,
    Observed,
    Opened,
    PasswordAsked,
    PasswordRefused,
    RetryOrdered,
    SecretReady,
    Stopped,
)
from flows.model import Request
from flows.news import News, What, is_told_by_registry
from flows.review import review_at


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
        case Observed():  # nothing happens to anybody, so nobody else has to hear of it
            return (Tell((request.requester,), "closed"),)
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
        case Fulfilled() if (again := review_at(request)) is not None:
            agreed = (approval.person for approval in request.approvals)
            everybody = tuple(dict.fromkeys((*concerned, *agreed)))
            return (
                Tell(concerned, "closed"),
                Announce("security", "closed"),
                Remind(everybody, "review_due", again),
            )
        case Fulfilled() | ChangeRejected() | GivenUp() | Denied() | Cancelled() | Expired() | Stopped():
            return (Tell(concerned, "closed"), Announce("security", "closed"))
        case _:
            return ()
