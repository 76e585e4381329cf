"""Authority, derived from evidence alone: may this change be made, now?

The worker asks this right before it acts and the auditor asks it years later. Neither believes the
request's stage: they look at verifications and approvals, each sealed in a row of its own.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flows.consent import Selected, groups, hurriers
from flows.digest import request_digest
from flows.errors import NotAuthorised
from flows.model import Assurance, Method, Mode, Party, Person, Playbook, Request
from flows.objections import ends_at, manager_agrees, never_hurried
from flows.quorum import filled, full
from flows.raised import raised
from flows.ruling import Ruling

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


def authorise(
    request: Request,
    playbook: Playbook,
    evidence: Sequence[Evidence],
    selected: Selected,
    now: datetime,
    young: Mapping[str, Sequence[tuple[datetime, datetime]]],
    subject: Person | None = None,
) -> None:
    """Raise NotAuthorised unless the evidence carries this change. Fails closed at each step.

    1. The playbook is the one pinned to the request, the request says what that playbook says, and it isn't observed.
    2. The person the playbook names proved themself, strongly enough, for this digest, and it still holds (S1);
       with a passkey that stays on one device, where the playbook demands that. Where a rule raised the tier, that
       is what the playbook demands from that tier on.
    3. Enough distinct others consented in each step, for this digest, each entitled even now (S2).
    4. Where others could object: the manager's passkey is there, and the wait is over, or was bought. Whether anybody
       objected is for the request's history to say, which the worker folds before it asks here.

    `selected`: for each selector of the playbook, whom the directory names now, without those who are frozen;
    `subject`: whom it is about, as the directory says now;
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
    if request.mode is Mode.OBSERVE:
        raise NotAuthorised("It was asked where the playbook only observes.")
    # 2
    playbook = raised(playbook, request.tier)
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
    consents = [e for e in good if e.purpose == "approve" and e.assurance >= Assurance.PHISHING_RESISTANT]
    counted = _consented(request, playbook, consents, selected)
    # 4
    if playbook.objection is None:
        return
    if subject is None or subject.id != request.subject:
        raise NotAuthorised("Nobody looked up whom this is about.")
    if not manager_agrees(playbook, prover, subject.manager, counted):
        raise NotAuthorised("The manager's passkey is missing.")
    acted = {request.requester, request.subject, prover, *(e.person for e in good if e.purpose == "approve")}
    newest = max(e.at for e in consents if e.person in counted)
    bought = not never_hurried(subject) and any(
        e.purpose == "hurry"
        and e.assurance >= Assurance.PHISHING_RESISTANT
        and e.person in hurriers(playbook, selected) - acted
        for e in good
    )
    if not bought and now < ends_at(newest, playbook.objection.wait, subject.timezone):
        raise NotAuthorised("Those who were told still have time to object.")


def still_ruled(request: Request, playbook: Playbook, ruling: Ruling) -> None:
    """Raise NotAuthorised unless the rules permit the change now, from no higher tier on than it was carried."""
    if not ruling.permitted:
        raise NotAuthorised(f"The company's rules don't allow it now. {ruling.why}".strip())
    if max(playbook.tier, ruling.tier) > max(playbook.tier, request.tier or 0):
        raise NotAuthorised(f"The company's rules ask for more by now. {ruling.why}".strip())


def _consented(
    request: Request, playbook: Playbook, consents: Sequence[Evidence], selected: Selected
) -> frozenset[str]:
    """Everybody who counts in some step. Raises NotAuthorised where a place of a step isn't filled.

    A consent belongs to the step that the request's history gives it, and a person counts in one step only.
    """
    steps = {approval.nonce: approval.step for approval in request.approvals}
    counted = frozenset[str]()
    for index, step in enumerate(playbook.consent):
        agreed = {e.person for e in consents if steps.get(e.nonce, 0) == index}
        excluded = {request.requester, request.subject, request.prover} | counted
        open_ = groups(step, selected, excluded, agreed)
        if not full(open_, agreed):
            raise NotAuthorised("Fewer people consented than the playbook demands.")
        counted = counted.union(*filled(open_, agreed))
    return counted
