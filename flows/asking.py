"""Who may ask for what, for whom, and whether whoever has to prove it can be asked."""

from __future__ import annotations

from typing import Any

import flows.errors as no
from flows.commands import Submit
from flows.events import Event, Opened
from flows.model import DEVICE_PAGE, Asker, Facts, Mode, Party, Person, Playbook
from flows.phasing import mode_for, observed
from flows.proving import bound, counting, settled, usable


def open_request(ask: Submit, facts: Facts) -> list[Event]:
    """The requester works here and may ask · the subject works here · no twin is open · the prover can be asked.

    Where the playbook only observes, the prover isn't asked: what would have stood in the way is recorded instead.
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
    if "approvers" not in facts.may_ask_others and playbook.consent:
        raise no.AskedEnough
    prover = ask.subject if playbook.prover is Party.SUBJECT else ask.requester
    try:
        subject = _helped(playbook, subject, facts)
        mode = mode_for(playbook, subject)
        if prover == subject.id and mode is not Mode.OBSERVE:
            _askable(ask, playbook, prover, facts)
    except no.Refusal as why:
        if ask.requester == ask.subject or isinstance(why, no.AlreadyOpen):
            raise
        raise no.NotForThem(why.kind) from None
    if prover != subject.id and mode is not Mode.OBSERVE:
        _askable(ask, playbook, prover, facts)
    asked: dict[str, Any] = {
        "id": ask.id,
        "playbook": playbook.name,
        "playbook_version": playbook.version,
        "playbook_hash": playbook.hash,
        "connector": playbook.connector,
        "verb": playbook.verb,
        "requester": requester.id,
        "subject": subject.id,
        "prover": prover,
        "origin": ask.origin,
        "parameters": dict(sorted(ask.parameters.items())),  # in the order the audit log keeps them, so that
        "commitments": dict(sorted(ask.commitments.items())),  # folding it gives the very same row
    }
    if mode is Mode.OBSERVE:
        return [observed(asked, playbook, facts, _hindrance(ask, playbook, prover, facts))]
    return [Opened(**asked, due_at=facts.now + playbook.prove_within, mode=mode)]


def _hindrance(ask: Submit, playbook: Playbook, prover: str, facts: Facts) -> str:
    """The name of the refusal that the prover would have met; empty where they could have been asked."""
    try:
        _askable(ask, playbook, prover, facts)
    except no.Refusal as why:
        return why.kind
    return ""


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
    bound(playbook, device_bound=facts.device_bound)
    if not usable(playbook, counting(facts)):
        raise no.CodesRest
    settled(playbook, facts)
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
