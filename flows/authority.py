"""Authority, derived from evidence alone: may this change be made, now?

The worker asks this right before it acts and the auditor asks it years later. Neither believes the
request's stage: they look at verifications and approvals, each sealed in a row of its own.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flows.digest import request_digest
from flows.errors import NotAuthorised
from flows.model import Assurance, Method, ObjectionRule, Party, Person, Playbook, Request
from flows.objections import ends_at, manager_agrees, never_hurried

#: Where the flags stand in authenticator data, and which bit says that the passkey may be copied to other devices.
FLAGS, BACKUP_ELIGIBLE = 32, 0x08


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sealed proof: who met which challenge for which digest, on what, and what a verifier can re-check.

    `purpose` is `prove`, `approve`, `hurry` or `sign_in`; `signed` holds the public parts of a passkey's answer.
    """

    nonce: str
    request: str
    purpose: str
    person: str
    method: Method
    assurance: Assurance
    digest: str
    device: str
    authenticator: str
    at: datetime
    until: datetime
    signed: Mapping[str, str]

    @property
    def device_bound(self) -> bool:
        """True where a passkey signed that it stays on one device: flag BE is 0 (WebAuthn Level 3 section 6.1).

        It reads what was signed, so it holds as far as a verifier finds the signature right.
        """
        if self.method is not Method.PASSKEY:
            return False
        text = self.signed.get("authenticator_data", "")
        try:
            data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            return False
        return len(data) > FLAGS and not data[FLAGS] & BACKUP_ELIGIBLE


@dataclass(frozen=True, slots=True)
class Today:
    """What the directory says now about a change that could be objected to: whom it is for, who may hurry it."""

    subject: Person
    hurriers: frozenset[str]


def authorise(
    request: Request,
    playbook: Playbook,
    evidence: Sequence[Evidence],
    approvers: frozenset[str],
    now: datetime,
    young: Mapping[str, Sequence[tuple[datetime, datetime]]],
    today: Today | None = None,
) -> None:
    """Raise NotAuthorised unless the evidence carries this change. Fails closed at each step.

    1. The playbook is the one pinned to the request, and the request says what that playbook says.
    2. The person the playbook names proved themself, strongly enough, for this digest, and it still holds (S1);
       with a passkey that stays on one device, where the playbook demands that.
    3. Enough distinct others consented, for this digest, each entitled even now (S2).
    4. Where others could object: the manager's passkey is there, and the wait is over, or was bought. Whether anybody
       objected is for the request's history to say, which the worker folds before it asks here.

    `young`: from when until when somebody's devices were new; what they proved in that time counts for little.
    """
    # 1
    if (playbook.name, playbook.version, playbook.hash) != (
        request.playbook,
        request.playbook_version,
        request.playbook_hash,
    ):
        raise NotAuthorised("The playbook isn't the one that was pinned.")
    if (playbook.connector, playbook.verb) != (request.connector, request.verb):
        raise NotAuthorised("The change isn't the one the playbook names.")
    # 2
    prover = request.subject if playbook.prover is Party.SUBJECT else request.requester
    digest = request_digest(request)
    good = [e for e in evidence if e.request == request.id and e.digest == digest and e.at <= now < e.until]
    if not playbook.open_to_young:
        good = [e for e in good if not any(since <= e.at < until for since, until in young.get(e.person, ()))]
    proofs = [e for e in good if e.purpose == "prove" and e.person == prover == request.prover]
    if playbook.device_bound:
        proofs = [e for e in proofs if e.device_bound]
    if not any(e.assurance >= playbook.assurance for e in proofs):
        raise NotAuthorised("There is no valid proof by the person the playbook names.")
    # 3
    if playbook.consent is None:
        return
    excluded = {request.requester, request.subject, prover}
    consenting = {
        e.person
        for e in good
        if e.purpose == "approve" and e.assurance >= Assurance.PHISHING_RESISTANT and e.person in approvers
    } - excluded
    if len(consenting) < playbook.consent.quorum:
        raise NotAuthorised("Fewer people consented than the playbook demands.")
    # 4
    if playbook.objection is None:
        return
    if today is None or today.subject.id != request.subject:
        raise NotAuthorised("Nobody looked up whom this is about.")
    if not manager_agrees(playbook, prover, today.subject.manager, consenting):
        raise NotAuthorised("The manager's passkey is missing.")
    acted = excluded | {e.person for e in good if e.purpose == "approve"}
    newest = max(e.at for e in good if e.purpose == "approve" and e.person in consenting)
    if not _waited(playbook.objection, newest, now, today) and not _bought(good, acted, today):
        raise NotAuthorised("Those who were told still have time to object.")


def _waited(rule: ObjectionRule, agreed: datetime, now: datetime, today: Today) -> bool:
    """Whether the wait since the newest consent is over."""
    return now >= ends_at(agreed, rule.wait, today.subject.timezone)


def _bought(good: Sequence[Evidence], acted: frozenset[str] | set[str], today: Today) -> bool:
    """Whether one more person, entitled even now and distinct from everybody who acted, bought the rest of it."""
    return not never_hurried(today.subject) and any(
        e.purpose == "hurry"
        and e.assurance >= Assurance.PHISHING_RESISTANT
        and e.person in today.hurriers - acted
        for e in good
    )
