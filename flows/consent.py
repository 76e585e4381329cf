"""Consent by others: who is entitled to give it, when there is enough of it, and what comes then."""

from __future__ import annotations

from datetime import datetime

import flows.errors as no
from flows import given
from flows.events import Event, FulfilmentOrdered, ObjectionsInvited, PasswordAsked
from flows.model import Facts, ObjectionRule, Request, SecretKind
from flows.objections import ends_at, kept_for_manager, manager_agrees, never_hurried


def may_hurry(request: Request, actor: str, facts: Facts) -> None:
    """Not for the privileged · nobody who acted before · selected by the playbook, as the directory says now."""
    if facts.subject is None:
        raise no.UnknownPerson
    if never_hurried(facts.subject):
        raise no.NeverHurried
    acted = {approval.person for approval in request.approvals}
    if actor not in others(request, facts.hurriers) - acted:
        raise no.NotYoursToHurry


def ordered(request: Request, facts: Facts, until: datetime) -> Event:
    """Everything that is demanded is there: the change, or first a wait for objections or the password it sets."""
    playbook = given.playbook(facts)
    if playbook.objection is not None:
        return ObjectionsInvited(wait_ends(playbook.objection, facts, facts.now))
    if playbook.secret is SecretKind.CHOSEN_PASSWORD:
        return PasswordAsked(min(facts.now + playbook.collect_within, until))
    return FulfilmentOrdered(request.key)


def still_agreed(request: Request, facts: Facts) -> None:
    """Choosing takes its time: whoever left, moved or agreed too long ago counts no more."""
    rule = given.playbook(facts).consent
    agreed = {a.person for a in request.approvals if facts.now < a.until} & facts.approvers & facts.unfrozen
    if rule is not None and len(agreed) < rule.quorum:
        raise no.ConsentLapsed


def kept(request: Request, facts: Facts) -> frozenset[str]:
    """Who can't agree just now because the last place is kept for the manager."""
    playbook, manager = given.playbook(facts), given.manager(facts)
    agreed = {a.person for a in request.approvals} & facts.approvers & facts.unfrozen
    return frozenset(
        person
        for person in facts.approvers
        if kept_for_manager(playbook, request.prover, manager, agreed, person)
    )


def wait_ends(rule: ObjectionRule, facts: Facts, agreed: datetime) -> datetime:
    """When nobody can object any more to what was agreed then, in the subject's time zone of today."""
    if facts.subject is None:
        raise no.UnknownPerson
    return ends_at(agreed, rule.wait, facts.subject.timezone)


def still_stands(request: Request, facts: Facts) -> bool:
    """Whether what was proved and agreed before a wait still carries it: everybody works here, and nobody rests."""
    playbook = given.playbook(facts)
    parties = {request.requester, request.subject, request.prover}
    active = all(person is not None and person.active for person in (facts.requester, facts.subject))
    agreed = {a.person for a in request.approvals if facts.now < a.until} & facts.approvers & facts.unfrozen
    return (
        active
        and facts.unfrozen >= parties
        and facts.now < given.proved(request).until
        and len(agreed) >= given.rule(facts).quorum
        and manager_agrees(playbook, request.prover, given.manager(facts), agreed)
    )


def entitled(request: Request, actor: str, facts: Facts) -> None:
    """Not the requester, not the subject · selected by the playbook, as the directory says now · not yet counted."""
    if actor in (request.requester, request.subject):
        raise no.SelfApproval
    if actor not in others(request, facts.approvers):
        raise no.NotAnApprover
    if actor in kept(request, facts):
        raise no.NotAnApprover("This takes the agreement of their manager.")
    if any(approval.person == actor for approval in request.approvals):
        raise no.ApprovedAlready


def others(request: Request, people: frozenset[str]) -> frozenset[str]:
    """Those of them who are no party to this request."""
    return people - {request.requester, request.subject, request.prover}
