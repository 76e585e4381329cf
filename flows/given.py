"""What a decision takes for granted about a request, or the refusal that says it may not."""

from __future__ import annotations

import flows.errors as no
from flows.model import Facts, Playbook, Request, Verification
from flows.ruling import Ruling


def manager(facts: Facts) -> str | None:
    """The id of the subject's manager, as the directory says now."""
    return facts.subject.manager if facts.subject is not None else None


def proved(request: Request) -> Verification:
    """The proof that it rests on. Raises OutOfTurn before there is one."""
    if request.verification is None:
        raise no.OutOfTurn
    return request.verification


def playbook(facts: Facts) -> Playbook:
    """The playbook, in the version that the request was opened under. Raises UnknownPlaybook."""
    if facts.playbook is None:
        raise no.UnknownPlaybook
    return facts.playbook


def permitted(facts: Facts) -> Ruling:
    """What the company's rules say about this. Raises NotPermitted, with their reason, unless it is a yes."""
    ruling = facts.ruling
    if ruling is None:
        raise no.NotPermitted("They couldn't be asked. Try again soon.")
    if not ruling.permitted:
        raise no.NotPermitted(ruling.why or "No rule permits it. Talk to the desk.")
    return ruling
