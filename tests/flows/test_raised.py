"""A raised tier: what it demands, what it can't be asked for, and that it never falls."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

import flows.errors as no
from flows.authority import authorise, still_ruled
from flows.effects import Announce, AskApprovers, CarryOut, SendChallenge
from flows.events import ApprovalRequested, Approved, ChallengeIssued, FulfilmentOrdered, Opened, Verified
from flows.model import Assurance, Method, Stage
from flows.raised import raised
from flows.ruling import Fired, Ruling
from tests.flows.stories import (
    ACCESS,
    CODE,
    LOST,
    MORNING,
    RESET,
    a_request,
    agreed_by,
    approves,
    asks,
    begins,
    considered,
    evidence,
    opened,
    proved,
    proves,
)

(TWO,) = agreed_by(2, ("manager", "role:administrator"), timedelta(hours=4))
READY = replace(RESET, raised=TWO)
WHY = Fired("new-device", "A device is new.", "raises")
ASKED = [SendChallenge, Announce]
TO_THREE = Ruling(True, 3, (WHY,))


def test_a_raised_request_takes_a_passkey_and_two_others_who_differ() -> None:
    story = (
        a_request(READY)
        .given(ruling=TO_THREE)
        .when(asks("maya"))
        .then(Opened, does=ASKED)
        .stands(Stage.AWAITING_PROOF, tier=3)
    )
    story.when(begins("maya", CODE)).refused(no.ProofTooWeak)
    story.when(begins("maya")).then(ChallengeIssued)
    story.when(proves("maya")).then(Verified, ApprovalRequested, does=[AskApprovers])
    story.when(begins("omar")).then(ChallengeIssued)
    story.when(approves("omar")).then(Approved)
    story.when(begins("nina")).then(ChallengeIssued)
    story.when(approves("nina")).then(Approved, FulfilmentOrdered, does=[CarryOut])


def test_whoever_has_no_passkey_cant_ask_for_what_was_raised() -> None:
    story = a_request(READY).given(ruling=TO_THREE, methods={"maya": {CODE}})
    story.when(asks("maya")).refused(no.StrongerProofNeeded)
    story = a_request(READY).given(methods={"maya": {CODE}}).when(asks("maya"))
    story.then(Opened, does=ASKED).stands(Stage.AWAITING_PROOF, tier=1)


def test_without_enough_who_could_agree_a_raised_tier_is_refused_with_the_rules_reason() -> None:
    a_request(RESET).given(ruling=TO_THREE).when(asks("maya")).refused(no.TooFewToAgree, "A device is new.")
    only_one = replace(RESET, raised=agreed_by(1, ("manager",))[0])
    a_request(only_one).given(ruling=TO_THREE).when(asks("maya")).refused(no.TooFewToAgree)
    story = a_request(only_one).given(ruling=Ruling(True, 2)).when(asks("maya"))
    story.then(Opened, does=ASKED).stands(Stage.AWAITING_PROOF, tier=2)


def test_what_no_rule_permits_is_refused_with_its_reason() -> None:
    forbidden = Ruling(False, 0, (Fired("no", "Not on Sundays.", "forbids"),))
    a_request().given(ruling=forbidden).when(asks("maya")).refused(no.NotPermitted, "Not on Sundays.")
    a_request().given(ruling=Ruling(False)).when(asks("maya")).refused(no.NotPermitted, "No rule permits it.")
    a_request().given(ruling=None).when(asks("maya")).refused(no.NotPermitted, "couldn't be asked")


def test_whoever_the_rules_dont_let_approve_neither_begins_nor_ends_it() -> None:
    proved(ACCESS).given(ruling=Ruling(False)).when(begins("omar")).refused(no.NotPermitted)
    considered("omar").given(ruling=Ruling(False)).when(approves("omar")).refused(no.NotPermitted)


def test_what_is_at_or_below_its_own_tier_changes_nothing() -> None:
    for tier in (None, 0, 1):
        assert raised(READY, tier) is READY
    assert (
        raised(replace(READY, tier=0, assurance=Assurance.SINGLE_FACTOR), 1).assurance
        is Assurance.MULTI_FACTOR
    )
    three = raised(READY, 3)
    assert raised(three, 3) is three
    assert three.hash == READY.hash


def test_a_raised_proof_outlasts_those_who_agree() -> None:
    assert raised(READY, 3).proof_lasts > TWO.within
    with pytest.raises(ValueError, match="same people are asked from every tier on"):
        replace(LOST, raised=TWO)
    agreed = replace(ACCESS, consent=(TWO,))
    assert raised(agreed, 3).consent == (TWO,)


def test_evidence_that_is_enough_for_the_playbook_isnt_for_a_raised_tier() -> None:
    request = opened(READY).it
    proof = evidence(request, "maya", method=Method.CODE, assurance=Assurance.MULTI_FACTOR)
    soon = MORNING + timedelta(minutes=30)
    others = dict.fromkeys(READY.selectors, frozenset({"omar", "nina"}))
    authorise(request, READY, [proof], others, soon, {})
    lifted = replace(request, tier=3)
    with pytest.raises(no.NotAuthorised):
        authorise(lifted, READY, [proof], others, soon, {})
    strong = [evidence(request, "maya"), evidence(request, "omar", "approve")]
    with pytest.raises(no.NotAuthorised):
        authorise(lifted, READY, strong, others, soon, {})
    authorise(lifted, READY, [*strong, evidence(request, "nina", "approve")], others, soon, {})


def test_the_rules_have_a_last_word_before_the_change() -> None:
    request = opened(READY).it
    still_ruled(request, READY, Ruling(True))
    still_ruled(replace(request, tier=None), READY, Ruling(True, 1))
    still_ruled(replace(request, tier=3), READY, TO_THREE)
    for ruling in (Ruling(False, 0, (WHY,)), TO_THREE):
        with pytest.raises(no.NotAuthorised) as told:
            still_ruled(request, READY, ruling)
        assert "A device is new." in told.value.detail
