"""Maya, Omar, Nina, Ravi and Eve, and a request of theirs in every stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flows import events
from flows.events import Event
from flows.model import (
    Asker,
    Assurance,
    Field,
    Method,
    Mode,
    ObjectionRule,
    Origin,
    Party,
    Person,
    Phase,
    Playbook,
    Receipt,
    Request,
    SecretKind,
    Stage,
    Verification,
    Wrong,
)
from tests.flows.stories import agreed_by, selection

NOW = datetime(
    2026, 3, 27, 13, 2, tzinfo=UTC
)  # a Friday; in Stockholm 14:02, two days before the clocks change

PEOPLE: Mapping[str, Person] = {
    person.id: person
    for person in (
        Person("p-8841", "Maya Lindqvist", "maya", manager="p-2207", timezone="Europe/Stockholm"),
        Person("p-2207", "Omar Haddad", "omar", timezone="Europe/Stockholm"),
        Person("p-3310", "Nina Okafor", "nina", timezone="Africa/Lagos", roles=frozenset({"finance_owner"})),
        Person("p-5102", "Ravi Menon", "ravi", timezone="Asia/Kolkata", roles=frozenset({"desk_agent"})),
        Person("p-6666", "Eve Castell", "eve", timezone="Europe/Stockholm"),
    )
}
MAYA, OMAR, NINA, RAVI, EVE = PEOPLE

RESET = Playbook(
    name="password_reset",
    version=3,
    hash="a" * 64,
    title="Password reset",
    phrase="Reset the password of {subject}",
    connector="directory",
    verb="reset_password",
    tier=1,
    askers=frozenset({Asker.SELF}),
    prover=Party.SUBJECT,
    assurance=Assurance.MULTI_FACTOR,
    prove_within=timedelta(minutes=10),
    proof_lasts=timedelta(hours=1),
    handed_to="desk_agent",
    secret=SecretKind.TEMPORARY_PASSWORD,
    guidance={
        "requester": "Before the password is reset, its owner confirms on a registered device. It takes a "
        "minute. You won't see the new password: only they do.",
        "subject": "Before we reset it, let's make sure it's you. Confirm on your device page and your temporary "
        "password appears there, once. You choose a new one when you next sign in.",
        "agent": "Ask nothing personal: the registered device answers for them. If they have none, ask an "
        "administrator for a device enrolment instead.",
    },
)
CHOSEN = replace(RESET, hash="c" * 64, verb="set_password", secret=SecretKind.CHOSEN_PASSWORD)
ACCESS = Playbook(
    name="group_access",
    version=5,
    hash="b" * 64,
    title="Group access",
    phrase="Let {subject} read {group} {until}",
    connector="directory",
    verb="add_to_group",
    tier=2,
    askers=frozenset({Asker.SELF}),
    prover=Party.REQUESTER,
    assurance=Assurance.MULTI_FACTOR,
    prove_within=timedelta(minutes=10),
    proof_lasts=timedelta(days=3),
    handed_to="desk_agent",
    fields=(
        Field(
            "group",
            "Group",
            "Which shared folder or tool you need.",
            choices=("finance-share", "payroll", "sales-crm"),
        ),
        Field("until", "For how long", choices=("for one day", "until next Friday", "for 30 days")),
        Field("ticket", "Ticket or project", "If there is one.", required=False, max_length=80),
    ),
    justification=True,
    consent=agreed_by(1, ("manager", "role:finance_owner")),
    guidance={
        "requester": "Read or edit a shared folder or tool for a while. It ends by itself.",
        "approver": "It ends by itself. Agree only if you know what it is for; if you aren't sure, ask first.",
    },
)
LOST = Playbook(
    name="lost_everything",
    version=1,
    hash="d" * 64,
    title="Replacement of all devices",
    phrase="Remove every device of {subject} and enrol a new one",
    connector="countersign",
    verb="re_enrol",
    tier=3,
    askers=frozenset({Asker.MANAGER, Asker.DESK_AGENT}),
    prover=Party.REQUESTER,
    assurance=Assurance.PHISHING_RESISTANT,
    prove_within=timedelta(minutes=10),
    proof_lasts=timedelta(days=5),
    handed_to="administrator",
    consent=agreed_by(1, ("manager", "role:administrator"), timedelta(days=1)),
    objection=ObjectionRule(timedelta(days=1), ("role:security",)),
    secret=SecretKind.ENROLMENT_LINK,
    guidance={"subject": "If you still have a device, you are reading this on it: then object."},
)
#: The same, phased in: where it is offered the old way still works, and where it is observed there is only that.
PHASED = replace(
    ACCESS,
    hash="e" * 64,
    modes=(Phase("group:pilot", Mode.OFFER), Phase("everyone", Mode.OBSERVE)),
    guidance={**ACCESS.guidance, "meanwhile": "Call the desk on 4444, as before."},
)


def looked_up(playbook: Playbook, people: Mapping[str, Person] | None = None) -> Mapping[str, frozenset[str]]:
    """Whom the playbook's selectors name for a request about Maya, as the desk looks them up beside a card."""
    known = PEOPLE if people is None else people
    return selection(playbook, known[MAYA], known.values())


WHY = {"justification": "Closing the first quarter with Nina; I need last year's figures."}


def proof(person: str, at: datetime, method: Method = Method.PASSKEY) -> Verification:
    return Verification(person, method, method.assurance, "0" * 64, "d-1", at, at + timedelta(hours=1))


def a_request(
    playbook: Playbook,
    stage: Stage,
    *,
    requester: str = MAYA,
    subject: str = MAYA,
    approved: tuple[str, ...] = (),
) -> Request:
    """A request as the law could have left it in this stage."""
    opened = NOW - timedelta(minutes=2)
    prover = subject if playbook.prover is Party.SUBJECT else requester
    request = Request(
        id="CS-7F3KQ" if playbook in (RESET, CHOSEN) else "CS-M4T9X",
        playbook=playbook.name,
        playbook_version=playbook.version,
        playbook_hash=playbook.hash,
        connector=playbook.connector,
        verb=playbook.verb,
        requester=requester,
        subject=subject,
        prover=prover,
        origin=Origin("slack", "T024BE7LD", "U061F7AUR", "D0G9QPY56"),
        parameters={"group": "finance-share", "until": "until next Friday"} if playbook.fields else {},
        commitments={},
        stage=stage,
        version=4,
        opened_at=opened,
        due_at=NOW + timedelta(minutes=8, seconds=20),
    )
    proved = proof(prover, NOW - timedelta(minutes=1))
    agreed = tuple(proof(person, NOW - timedelta(seconds=30)) for person in approved)
    match stage:
        case Stage.AWAITING_PROOF:
            return request
        case Stage.AWAITING_APPROVAL:
            due = NOW + timedelta(days=2, minutes=-1)
            return replace(request, verification=proved, approvals=agreed, due_at=due)
        case Stage.AWAITING_FULFILMENT:
            return replace(request, verification=proved, approvals=agreed, due_at=None)
        case Stage.AWAITING_OPERATOR:
            reason = "the directory didn't answer in time"
            return replace(request, verification=proved, approvals=agreed, due_at=None, reason=reason)
        case Stage.AWAITING_OBJECTION:
            due = NOW + timedelta(days=1, minutes=-1)
            return replace(request, verification=proved, approvals=agreed, due_at=due)
        case Stage.AWAITING_PASSWORD:
            due = NOW + timedelta(minutes=14, seconds=40)
            return replace(request, verification=proved, approvals=agreed, due_at=due)
        case Stage.AWAITING_COLLECTION:
            receipt = Receipt("dir-20931", "changed")
            due = NOW + timedelta(minutes=14, seconds=40)
            return replace(request, verification=proved, approvals=agreed, due_at=due, receipt=receipt)
        case Stage.FULFILLED:
            receipt = Receipt("dir-20931", "changed")
            over = replace(request, verification=proved, approvals=agreed, receipt=receipt)
        case Stage.FAILED:
            reason = "the account is managed elsewhere"
            over = replace(request, verification=proved, approvals=agreed, reason=reason)
        case Stage.DENIED:
            over = replace(request, verification=proved, approvals=agreed)
        case Stage.OBSERVED:
            over = replace(request, mode=Mode.OBSERVE, version=1)
        case _:
            over = request
    return replace(over, due_at=None, closed_at=NOW - timedelta(seconds=10))


def events_of_every_kind() -> list[Event]:
    """One event of each kind."""
    method, sure, later = Method.PASSKEY, Assurance.PHISHING_RESISTANT, NOW + timedelta(hours=1)
    request = a_request(RESET, Stage.AWAITING_PROOF)
    asked: dict[str, Any] = {
        "id": request.id,
        "playbook": request.playbook,
        "playbook_version": request.playbook_version,
        "playbook_hash": request.playbook_hash,
        "connector": request.connector,
        "verb": request.verb,
        "requester": MAYA,
        "subject": MAYA,
        "prover": MAYA,
        "origin": request.origin,
        "parameters": {},
        "commitments": {},
    }
    opened = events.Opened(**asked, due_at=later)
    observed = events.Observed(**asked, assurance=sure, methods=(method,), quorum=1, approvers=(OMAR,))
    proofs = [
        kind(MAYA, method, sure, "n", "d", "d-1", "a-1", later)
        for kind in (events.Verified, events.Approved, events.Hurried)
    ]
    return [
        opened,
        observed,
        *proofs,
        events.ChallengeIssued(MAYA, method, "n", later),
        events.ChallengeFailed(MAYA, Wrong.PASSKEY, 1),
        events.LockedOut(MAYA, Wrong.PASSKEY),
        events.ApprovalRequested(1, (OMAR,), later),
        events.ObjectionsInvited(later),
        events.Objected(MAYA),
        events.FulfilmentOrdered(request.key),
        events.PasswordAsked(later),
        events.PasswordChosen(MAYA, "d-1"),
        events.PasswordRefused("it was used before", later),
        events.ChangeConfirmed(Receipt("dir-20931", "changed")),
        events.SecretReady(later),
        events.SecretShown(MAYA, "d-1"),
        events.SecretLapsed(),
        events.Stopped(MAYA),
        events.Fulfilled(),
        events.ChangeRejected("the account is managed elsewhere"),
        events.HandedOver("desk_agent", "the directory didn't answer in time"),
        events.RetryOrdered(RAVI),
        events.GivenUp(RAVI),
        events.Denied(OMAR),
        events.Cancelled(MAYA),
        events.Disowned(MAYA),
        events.Expired(),
    ]
