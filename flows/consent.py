"""Consent by others: who is entitled to give it, when there is enough of it, and what comes then.

The decision, the worker, the auditor and the cards share these rules. `selected` is what the directory says now: for
each selector of the playbook, the ids of the active people whom it names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import flows.errors as no
from flows import given
from flows.events import ApprovalRequested, Event, FulfilmentOrdered, ObjectionsInvited, PasswordAsked
from flows.model import ConsentStep, Facts, ObjectionRule, Playbook, Request, SecretKind
from flows.objections import ends_at, kept_for_manager, manager_agrees, never_hurried
from flows.quorum import Group, full, wanted

Selected = Mapping[str, frozenset[str]]


# -- who ----------------------------------------------------------------------------------------


def named(selectors: Collection[str], selected: Selected) -> frozenset[str]:
    """Everybody whom one of the selectors names."""
    return frozenset[str]().union(*(selected.get(selector, frozenset()) for selector in selectors))


def groups(
    step: ConsentStep, selected: Selected, excluded: Collection[str], agreed: Collection[str]
) -> tuple[Group, ...]:
    """Who may fill the places of a step. Whom a rule falls back on counts where too few of the first are there, and
    goes on counting once they have agreed."""
    made = []
    for rule in step.rules:
        first = named(rule.approvers, selected) - set(excluded)
        others = named(rule.otherwise, selected) - set(excluded)
        people = first | (others if len(first) < rule.quorum else others & set(agreed))
        made.append(Group(rule.quorum, people))
    return tuple(made)


def open_groups(request: Request, playbook: Playbook, selected: Selected) -> tuple[Group, ...]:
    """Who may fill the places of the step that is asked now: none of the parties, and nobody who agreed before."""
    if request.step >= len(playbook.consent):
        return ()
    excluded = _parties(request) | {a.person for a in request.approvals if a.step != request.step}
    return groups(playbook.consent[request.step], selected, excluded, _agreed(request, request.step))


def consenting(
    request: Request,
    playbook: Playbook,
    selected: Selected,
    manager: str | None,
    standing: Collection[str] | None = None,
) -> frozenset[str]:
    """Those whose consent would bring the step that is asked one place further. None but what is entitled now.

    `standing`: of those who agreed, who isn't frozen; None where that doesn't matter, as on a card.
    """
    open_ = open_groups(request, playbook, selected)
    agreed = _agreed(request, request.step)
    still = agreed if standing is None else agreed & frozenset(standing)
    counting = still & frozenset[str]().union(*(group.people for group in open_))
    return frozenset(
        person
        for person in wanted(open_, still)
        if person not in agreed and not kept_for_manager(playbook, request.prover, manager, counting, person)
    )


def entitled(request: Request, actor: str, facts: Facts) -> None:
    """Not the requester, not the subject · selected by the playbook, as the directory says now · not yet counted ·
    with a place left to fill."""
    if actor in (request.requester, request.subject):
        raise no.SelfApproval
    playbook, manager = given.playbook(facts), given.manager(facts)
    if any(approval.person == actor for approval in request.approvals):
        raise no.ApprovedAlready
    if not any(actor in group.people for group in open_groups(request, playbook, facts.selected)):
        raise no.NotAnApprover
    if actor in consenting(request, playbook, facts.selected, manager, facts.unfrozen):
        return
    if playbook.objection is not None:
        raise no.NotAnApprover("This takes the agreement of their manager.")
    raise no.EnoughAgreed


def may_hurry(request: Request, actor: str, facts: Facts) -> None:
    """Not for the privileged · nobody who acted before · selected by the playbook, as the directory says now."""
    if facts.subject is None:
        raise no.UnknownPerson
    if never_hurried(facts.subject):
        raise no.NeverHurried
    acted = _parties(request) | {approval.person for approval in request.approvals}
    if actor not in hurriers(given.playbook(facts), facts.selected) - acted:
        raise no.NotYoursToHurry


def hurriers(playbook: Playbook, selected: Selected) -> frozenset[str]:
    """Whom the playbook lets shorten a wait for objections."""
    return named(playbook.objection.hurried_by, selected) if playbook.objection else frozenset()


# -- how much -----------------------------------------------------------------------------------


def enough(
    step: int, request: Request, playbook: Playbook, selected: Selected, agreed: Collection[str]
) -> bool:
    """Whether these people fill every place of one step."""
    rule = playbook.consent[step]
    others = {a.person for a in request.approvals if a.step != step}
    return full(groups(rule, selected, _parties(request) | others, agreed), agreed)


def still_agreed(request: Request, facts: Facts) -> bool:
    """Whether every step is still agreed to: whoever left, moved, rests or agreed too long ago counts no more."""
    playbook = given.playbook(facts)
    return all(
        enough(step, request, playbook, facts.selected, _agreed(request, step, facts.now) & facts.unfrozen)
        for step in range(len(playbook.consent))
    )


def still_stands(request: Request, facts: Facts) -> bool:
    """Whether what was proved and agreed before a wait still carries it: everybody works here, and nobody rests."""
    playbook, manager = given.playbook(facts), given.manager(facts)
    active = all(person is not None and person.active for person in (facts.requester, facts.subject))
    may = frozenset[str]().union(*(group.people for group in open_groups(request, playbook, facts.selected)))
    agreed = _agreed(request, request.step, facts.now) & facts.unfrozen & may
    return (
        active
        and facts.unfrozen >= _parties(request)
        and facts.now < given.proved(request).until
        and still_agreed(request, facts)
        and manager_agrees(playbook, request.prover, manager, agreed)
    )


# -- what comes then ----------------------------------------------------------------------------


def asked(request: Request, step: int, facts: Facts) -> Event:
    """The consent of a step is asked of everybody who can give it. Raises NotAnApprover where they are too few."""
    playbook, manager = given.playbook(facts), given.manager(facts)
    then = request.but({"step": step})
    people = consenting(then, playbook, facts.selected, manager)
    spoken_for = manager_agrees(playbook, request.prover, manager, people)
    if not spoken_for or not full(open_groups(then, playbook, facts.selected), people):
        raise no.NotAnApprover("Nobody is left who could approve this. Talk to the desk.")
    rule = playbook.consent[step]
    return ApprovalRequested(rule.places, tuple(sorted(people)), facts.now + rule.within, step)


def ordered(request: Request, facts: Facts, until: datetime) -> Event:
    """Everything that is demanded is there: the change, or first a wait for objections or the password it sets."""
    playbook = given.playbook(facts)
    if playbook.objection is not None:
        return ObjectionsInvited(wait_ends(playbook.objection, facts, facts.now))
    if playbook.secret is SecretKind.CHOSEN_PASSWORD:
        return PasswordAsked(min(facts.now + playbook.collect_within, until))
    return FulfilmentOrdered(request.key)


def wait_ends(rule: ObjectionRule, facts: Facts, agreed: datetime) -> datetime:
    """When nobody can object any more to what was agreed then, in the subject's time zone of today."""
    if facts.subject is None:
        raise no.UnknownPerson
    return ends_at(agreed, rule.wait, facts.subject.timezone)


def _parties(request: Request) -> frozenset[str]:
    """Those whose consent never counts."""
    return frozenset({request.requester, request.subject, request.prover})


def _agreed(request: Request, step: int, now: datetime | None = None) -> frozenset[str]:
    """Who agreed in a step; with a time, those whose consent still holds then."""
    return frozenset(a.person for a in request.approvals if a.step == step and (now is None or now < a.until))
