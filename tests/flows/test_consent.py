"""Consent in steps: groups that are asked together, and groups that come afterwards; one person counts once."""

from __future__ import annotations

from datetime import timedelta

import pytest

import flows.errors as no
from flows.commands import Deny, Tick
from flows.effects import Announce, AskApprovers, CarryOut, Tell
from flows.events import (
    ApprovalRequested,
    Approved,
    ChallengeIssued,
    Denied,
    Expired,
    FulfilmentOrdered,
    Verified,
)
from flows.model import ApprovalRule, ConsentStep, Playbook, Stage
from tests.flows.stories import (
    IN_TURN,
    MORNING,
    PEOPLE,
    Story,
    a_playbook,
    approves,
    begins,
    evidence,
    proves,
    questioned,
)
from tests.flows.test_law import authorised

DAY = timedelta(days=1)


def access(*steps: ConsentStep) -> Playbook:
    return a_playbook("add_to_group", tier=2, proof_lasts=timedelta(days=5), consent=steps)


MANAGER = ApprovalRule(1, ("manager",), ("role:approver",))
OWNER = ApprovalRule(1, ("person:sam",))
SECURITY = ApprovalRule(1, ("role:security", "person:sam"))
TOGETHER = access(ConsentStep((MANAGER, OWNER), DAY))


def asking(playbook: Playbook, *people: str) -> Story:
    """Maya has proved herself, and these people are asked first."""
    story = questioned(playbook).when(proves("maya"))
    first = playbook.consent[0]
    return story.then(
        Verified,
        ApprovalRequested(first.places, people, MORNING + first.within),
        does=[AskApprovers(people)],
    )


def agreeing(story: Story, person: str) -> Story:
    """Somebody opens the question and answers it; what comes of it is for the test to say."""
    return story.when(begins(person)).then(ChallengeIssued).when(approves(person))


def test_two_groups_are_asked_together_and_both_have_to_agree() -> None:
    story = agreeing(asking(TOGETHER, "omar", "sam"), "sam").then(Approved)
    agreeing(story, "omar").then(Approved, FulfilmentOrdered, does=[CarryOut])


def test_one_step_comes_after_the_other() -> None:
    story = asking(IN_TURN, "omar")
    story.when(begins("vera")).refused(no.NotAnApprover)
    story.at(hours=20)
    then = ApprovalRequested(1, ("sam", "vera"), MORNING + timedelta(hours=68), 1)
    agreeing(story, "omar").then(Approved, then, does=[AskApprovers(("sam", "vera"))])
    story.stands(Stage.AWAITING_APPROVAL, step=1, due_at=MORNING + timedelta(hours=68))
    story.when(begins("omar")).refused(no.ApprovedAlready)
    agreeing(story, "vera").then(Approved, FulfilmentOrdered, does=[CarryOut])
    assert [(each.person, each.step) for each in story.it.approvals] == [("omar", 0), ("vera", 1)]


def test_whoever_agreed_in_one_step_counts_in_no_other() -> None:
    both = access(ConsentStep((ApprovalRule(1, ("person:sam", "person:nina")),)), ConsentStep((SECURITY,)))
    story = agreeing(asking(both, "nina", "sam"), "sam")
    story.then(Approved, ApprovalRequested, does=[AskApprovers(("vera",))])
    story.when(begins("sam")).refused(no.ApprovedAlready)


def test_a_group_that_has_agreed_needs_nobody_more() -> None:
    two = access(ConsentStep((ApprovalRule(1, ("person:sam", "person:nina")), ApprovalRule(1, ("manager",)))))
    story = agreeing(asking(two, "nina", "omar", "sam"), "sam").then(Approved)
    story.when(begins("nina")).refused(no.EnoughAgreed)
    story.when(Deny("nina")).refused(no.EnoughAgreed)
    agreeing(story, "omar").then(Approved, FulfilmentOrdered, does=[CarryOut])


def test_whoever_is_in_both_groups_makes_room_for_the_other() -> None:
    two = access(
        ConsentStep((ApprovalRule(1, ("person:sam", "person:nina")), ApprovalRule(1, ("person:sam",))))
    )
    story = agreeing(asking(two, "nina", "sam"), "sam").then(Approved)
    agreeing(story, "nina").then(Approved, FulfilmentOrdered, does=[CarryOut])


def test_where_the_first_are_too_few_others_are_asked_instead() -> None:
    story = questioned(IN_TURN).given(left=["omar"]).when(proves("maya"))
    story.then(Verified, ApprovalRequested, does=[AskApprovers(("nina",))])
    agreeing(story, "nina").then(Approved, ApprovalRequested, does=[AskApprovers])


def test_whoever_is_there_again_takes_no_consent_away() -> None:
    story = questioned(access(ConsentStep((MANAGER, OWNER)))).given(left=["omar"]).when(proves("maya"))
    story.then(Verified, ApprovalRequested, does=[AskApprovers(("nina", "sam"))])
    agreeing(story, "nina").then(Approved)
    story.given(people={"omar": PEOPLE["omar"]})
    story.when(begins("omar")).refused(no.EnoughAgreed)
    agreeing(story, "sam").then(Approved, FulfilmentOrdered, does=[CarryOut])


def test_nothing_is_asked_that_too_few_could_ever_agree_to() -> None:
    alone = access(ConsentStep((ApprovalRule(1, ("person:sam",)), ApprovalRule(1, ("person:sam",)))))
    questioned(alone).when(proves("maya")).refused(no.NotAnApprover, "Nobody is left")


def test_a_consent_that_leads_nowhere_is_refused_and_nothing_is_lost() -> None:
    story = asking(IN_TURN, "omar").given(left=["vera", "sam"])
    agreeing(story, "omar").refused(no.NotAnApprover, "Nobody is left")
    story.stands(Stage.AWAITING_APPROVAL, step=0, approvals=())


def test_a_later_no_ends_it_and_so_does_silence() -> None:
    for end, happened in ((Deny("vera"), Denied), (Tick(), Expired)):
        story = agreeing(asking(IN_TURN, "omar"), "omar").then(
            Approved, ApprovalRequested, does=[AskApprovers]
        )
        if end == Tick():
            story.at(hours=49)
        story.when(end).then(happened, does=[Tell, Announce])


@pytest.mark.parametrize("gone", ["omar", "vera"])
def test_authority_takes_every_step(gone: str) -> None:
    story = agreeing(asking(IN_TURN, "omar"), "omar").then(Approved, ApprovalRequested, does=[AskApprovers])
    agreeing(story, "vera").then(Approved, FulfilmentOrdered, does=[CarryOut])
    nonces = {each.person: each.nonce for each in story.it.approvals}
    proofs = [evidence(story.it, "maya")]
    proofs += [evidence(story.it, who, "approve", nonce=nonce) for who, nonce in nonces.items()]
    by = {"manager": "omar", "role:approver": "nina", "role:security": "vera", "person:sam": "sam"}
    assert authorised(story.it, IN_TURN, *proofs, named=by)
    assert not authorised(story.it, IN_TURN, *[each for each in proofs if each.person != gone], named=by)
    moved = {selector: "" if who == gone else who for selector, who in by.items()}
    assert not authorised(story.it, IN_TURN, *proofs, named=moved), "entitled then, and no more"
    swapped = [
        evidence(story.it, who, "approve", nonce=nonces[other])
        for who, other in (("omar", "vera"), ("vera", "omar"))
    ]
    assert not authorised(story.it, IN_TURN, proofs[0], *swapped, named=by), (
        "each in the step that asked them"
    )
