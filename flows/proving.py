"""Challenges and their answers: which method will do, for whom, and what a right or a wrong answer leads to."""

from __future__ import annotations

from datetime import datetime, timedelta

import flows.errors as no
from flows.digest import request_digest
from flows.events import ChallengeFailed, Event, LockedOut
from flows.model import LIMITS, Assurance, Checked, Facts, Method, Playbook, Request, Stage, Wrong

PASSKEY_CHALLENGE = timedelta(minutes=2)  # SP 800-63B-4 section 3.1.6; the code's lives as long as the stage


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


def counting(facts: Facts) -> frozenset[Method]:
    """The registered methods that count just now."""
    return facts.methods if facts.codes_count else facts.methods - {Method.CODE}


def bound(playbook: Playbook, *, device_bound: bool) -> None:
    """Raises DeviceBoundNeeded where only a passkey will do that stays on one device."""
    if playbook.device_bound and not device_bound:
        raise no.DeviceBoundNeeded


def settled(playbook: Playbook, facts: Facts) -> None:
    """A first device that is new serves for little. Raises DeviceTooYoung, with the time it will be old enough."""
    until = facts.young_until
    if until is not None and facts.now < until and not playbook.open_to_young:
        raise no.DeviceTooYoung(f"It can from {until.day} {until:%B %Y, %H:%M} UTC on.")


def still_trusted(request: Request, actor: str) -> None:
    """Raises TooManyWrongAnswers for whoever was wrong too often on this request."""
    if any(request.failures.get(f"{actor}:{wrong}", 0) >= most for wrong, most in LIMITS.items()):
        raise no.TooManyWrongAnswers


def met(request: Request, actor: str, answer: Checked, now: datetime) -> Checked:
    """The challenge is this request's own, unused · unexpired · and its answer is bound to what is asked."""
    challenge = request.challenge(actor, answer.method)
    if challenge is None or challenge.nonce != answer.nonce:
        raise no.NoChallenge
    if now >= challenge.expires_at:
        raise no.ChallengeExpired
    if answer.digest != request_digest(request):
        raise no.WrongChallenge
    return answer


def failed(request: Request, actor: str, wrong: Wrong) -> list[Event]:
    """One more wrong answer: it is counted, and the last one that is allowed closes what awaits proof."""
    count = request.failures.get(f"{actor}:{wrong}", 0) + 1
    failed = ChallengeFailed(actor, wrong, count)
    if count < LIMITS[wrong]:
        return [failed]
    if request.stage is Stage.AWAITING_PROOF:
        return [failed, LockedOut(actor, wrong)]
    if count == LIMITS[wrong]:
        return [failed]
    raise no.TooManyWrongAnswers
