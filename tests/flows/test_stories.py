"""What can happen to a request and to a person's devices, told as stories: every branch of the core is here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import flows.errors as no
from flows import registration as registering
from flows.commands import (
    Approve,
    Cancel,
    ChoosePassword,
    Deny,
    Disown,
    GiveUp,
    Prove,
    ReportConfirmed,
    ReportRejected,
    ReportUnconfirmed,
    Retry,
    ShowSecret,
    Stop,
    Submit,
    Tick,
)
from flows.effects import Announce, AskApprovers, CarryOut, SendChallenge, StopOthers, Tell, Write
from flows.events import (
    ApprovalRequested,
    Approved,
    Cancelled,
    ChallengeFailed,
    ChallengeIssued,
    ChangeConfirmed,
    ChangeRejected,
    Denied,
    Disowned,
    Expired,
    Fulfilled,
    FulfilmentOrdered,
    GivenUp,
    LockedOut,
    Opened,
    PasswordAsked,
    PasswordChosen,
    PasswordRefused,
    RetryOrdered,
    SecretLapsed,
    SecretReady,
    SecretShown,
    Stopped,
    Verified,
)
from flows.model import DEVICE_PAGE, Asker, Assurance, Cause, Method, Origin, Party, Stage, Wrong
from flows.news import News, What
from flows.registration import (
    AuthenticatorRegistered,
    AuthenticatorRevoked,
    DeviceRegistered,
    DeviceRenamed,
    DeviceRevoked,
    Invitation,
    InvitationIssued,
    InvitationOpened,
    Registration,
    SignedIn,
)
from flows.state import STOPPED, evolve
from tests.flows.stories import (
    ACCESS,
    AGREED,
    CODE,
    ENROLMENT,
    MORNING,
    PASSKEY,
    PEOPLE,
    RECEIPT,
    RESET,
    TERMINAL,
    UNLOCK,
    Story,
    a_playbook,
    a_request,
    answer,
    approves,
    asks,
    begins,
    choosing,
    collectable,
    considered,
    every_command,
    handed_over,
    mistypes,
    opened,
    proved,
    proves,
    questioned,
)

CLOSED = [Tell(("maya",), "closed"), Announce("security", "closed")]
WARNED = [Tell(("maya",), "closed"), Announce("security", "alarm"), Write]
ALARM = [Tell(("maya",), "closed"), Announce("security", "alarm"), StopOthers("maya"), Write]

# -- from the first word to the end ---------------------------------------------------------


def test_a_password_is_reset_once_proved_and_shown_once() -> None:
    told = Write(News("maya", What.CHANGE_MADE, MORNING + timedelta(minutes=1)))
    (
        a_request(RESET)
        .when(asks("maya"))
        .then(Opened, does=[SendChallenge("maya"), Announce("security", "opened")])
        .when(begins("maya"))
        .then(ChallengeIssued)
        .at(minutes=1)
        .when(proves("maya"))
        .then(Verified, FulfilmentOrdered("CS-00001:carry_out"), does=[CarryOut("CS-00001:carry_out")])
        .when(ReportConfirmed(RECEIPT))
        .then(
            ChangeConfirmed,
            SecretReady,
            does=[
                told,
                Tell(("maya",), "secret_ready"),
            ],
        )
        .at(minutes=5)
        .when(ShowSecret("maya", "maya's phone"))
        .then(SecretShown, Fulfilled(), does=CLOSED)
        .stands(Stage.FULFILLED, due_at=None, closed_at=MORNING + timedelta(minutes=5), version=8)
    )


def test_a_password_is_set_once_its_owner_proved_themself_and_chose_it() -> None:
    (
        choosing()
        .at(minutes=3)
        .when(ChoosePassword("maya", "maya's phone"))
        .then(
            PasswordChosen("maya", "maya's phone"), FulfilmentOrdered, does=[CarryOut("CS-00001:carry_out")]
        )
        .when(ReportConfirmed(RECEIPT))
        .then(ChangeConfirmed, Fulfilled, does=[Write, *CLOSED])
        .stands(Stage.FULFILLED, due_at=None)
    )


def test_an_account_is_unlocked_with_the_number_and_the_apps_code() -> None:
    story = questioned(UNLOCK, CODE).when(proves("maya", CODE))
    story.then(Verified, FulfilmentOrdered, does=[CarryOut])
    story.when(ReportConfirmed(RECEIPT)).then(ChangeConfirmed, Fulfilled, does=[Write, *CLOSED])
    assert story.it.verification is not None
    assert story.it.verification.assurance is Assurance.MULTI_FACTOR


def test_access_is_given_once_proved_and_approved_by_two_people() -> None:
    (
        questioned(ACCESS)
        .when(proves("maya"))
        .then(Verified, ApprovalRequested, does=[AskApprovers(("nina", "omar", "sam"))])
        .at(hours=20)
        .when(begins("omar"))
        .then(ChallengeIssued)
        .when(approves("omar"))
        .then(Approved)
        .stands(Stage.AWAITING_APPROVAL)
        .at(hours=47)
        .when(begins("nina"))
        .then(ChallengeIssued)
        .when(approves("nina"))
        .then(Approved, FulfilmentOrdered, does=[CarryOut])
    )


def test_for_a_first_device_the_administrator_proves_and_another_agrees() -> None:
    (
        opened(ENROLMENT, "nina", "maya")
        .stands(Stage.AWAITING_PROOF, prover="nina")
        .when(begins("nina"))
        .then(ChallengeIssued)
        .when(proves("nina"))
        .then(Verified, ApprovalRequested, does=[AskApprovers(("omar", "sam"))])
        .when(begins("sam"))
        .then(ChallengeIssued)
        .when(approves("sam"))
        .then(Approved, FulfilmentOrdered, does=[CarryOut])
        .when(ReportConfirmed(RECEIPT))
        .then(ChangeConfirmed, SecretReady, does=[Tell(("nina",), "secret_ready")])
    )


# -- asking ---------------------------------------------------------------------------------


def test_nobody_asks_for_what_there_is_no_playbook_for() -> None:
    a_request().given(playbook=None).when(asks("maya")).refused(no.UnknownPlaybook)
    other = Submit("CS-00001", "another", "maya", "maya", TERMINAL)
    a_request(RESET).when(other).refused(no.UnknownPlaybook)


def test_both_people_have_to_exist_and_to_work_here() -> None:
    a_request().given(unknown=["maya"]).when(asks("maya")).refused(no.UnknownPerson)
    a_request().given(left=["maya"]).when(asks("maya")).refused(no.InactivePerson)
    a_request().given(left=["omar"]).when(asks("omar", "maya")).refused(no.InactivePerson)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"unknown": ["maya"]}, no.UnknownPerson),
        ({"left": ["maya"]}, no.InactivePerson),
        ({"methods": {"maya": []}}, no.NoRegisteredDevice),
        ({"frozen": ["maya"]}, no.PersonRests),
        ({"prompted_enough": True}, no.PromptedEnough),
        ({"waiting": "CS-ABCDE"}, no.AnotherWaits),
        ({"codes_rest": True, "methods": {"maya": [CODE]}}, no.CodesRest),
    ],
)
def test_who_asks_for_somebody_else_reads_the_same_whatever_stands_in_the_way(
    given: dict[str, Any], why: type[no.Refusal]
) -> None:
    """Neither that they exist, nor that they have a device, nor what is asked of them."""
    story = a_request().given(**given).when(asks("ravi", "maya"))
    story.refused(no.NotForThem, no.NotForThem().sentence)
    assert story.refusal is not None
    assert story.refusal.kind == why.__name__, "the log knows better"
    assert not story.refusal.detail
    if why not in (no.PersonRests, no.UnknownPerson):
        a_request().given(**given).when(asks("maya")).refused(why)


def test_a_stranger_asks_for_nobody_and_doesnt_learn_who_there_is() -> None:
    for subject in ("maya", "nobody"):
        a_request().when(asks("eve", subject)).refused(no.NotYoursToAsk)


# -- wearing down, and resting --------------------------------------------------------------


def test_who_asks_on_their_own_device_is_prompted_by_nobody() -> None:
    here = Origin(DEVICE_PAGE, "localhost", "maya's phone", "Maya's phone")
    story = a_request().given(prompted_enough=True, waiting="CS-ABCDE")
    story.when(lambda s: replace(asks("maya")(s), origin=here)).then(Opened, does=[SendChallenge, Announce])
    story = a_request().given(prompted_enough=True)
    story.when(lambda s: replace(asks("ravi", "maya")(s), origin=here)).refused(no.NotForThem)


def test_who_asks_a_lot_of_others_has_to_wait_and_can_still_ask_for_themselves() -> None:
    a_request().given(asked_enough="others").when(asks("ravi", "maya")).refused(no.AskedEnough)
    a_request(ACCESS).given(asked_enough="approvers").when(asks("maya")).refused(no.AskedEnough)
    for enough in ("others", "approvers"):
        a_request().given(asked_enough=enough).when(asks("maya")).then(Opened, does=[SendChallenge, Announce])


def test_while_codes_rest_the_right_one_is_refused_and_a_passkey_counts() -> None:
    story = questioned(UNLOCK, CODE).given(codes_rest=True)
    for command in (proves("maya", CODE), Prove("maya", Wrong.NUMBER), begins("maya", CODE)):
        story.when(command).refused(no.CodesRest)
    story.when(begins("maya")).then(ChallengeIssued)
    story.when(proves("maya")).then(Verified, FulfilmentOrdered, does=[CarryOut])


def test_whoever_is_frozen_can_only_stop_things() -> None:
    a_request().given(frozen=["maya"]).when(asks("maya")).refused(no.Frozen)
    for command in (begins("maya"), proves("maya")):
        questioned().given(frozen=["maya"]).when(command).refused(no.Frozen)
    for approver in ("omar", "nina"):
        proved(ACCESS).given(frozen=[approver]).when(begins(approver)).refused(no.Frozen)
    proved(ACCESS).given(frozen=["maya"]).when(begins("omar")).refused(no.PersonRests)
    proved(ACCESS).given(frozen=["omar"]).when(Deny("omar")).then(Denied, does=CLOSED)
    opened().given(frozen=["maya"]).when(Cancel("maya")).then(Cancelled, does=CLOSED)


def test_the_consent_of_whoever_rests_counts_no_more() -> None:
    story = considered("omar", ACCESS).when(approves("omar")).then(Approved)
    story.given(frozen=["omar"]).when(begins("nina")).then(ChallengeIssued)
    story.when(approves("nina")).then(Approved)
    story.stands(Stage.AWAITING_APPROVAL)


def test_what_protects_goes_on_while_a_person_rests() -> None:
    lift = a_playbook(
        "lift", tier=3, askers=frozenset({Asker.SECURITY}), prover=Party.REQUESTER, protects=True,
        assurance=Assurance.PHISHING_RESISTANT,
    )  # fmt: skip
    eve = {"eve": replace(PEOPLE["eve"], roles=frozenset({"security"}))}
    story = a_request(lift).given(frozen=["maya"], people=eve).when(asks("eve", "maya"))
    story.then(Opened, does=[SendChallenge, Announce, Write])
    story.when(begins("eve")).then(ChallengeIssued)
    story.when(proves("eve")).then(Verified, FulfilmentOrdered, does=[CarryOut])
    a_request(lift).given(frozen=["eve"], people=eve).when(asks("eve", "maya")).refused(no.Frozen)
    a_request(lift).given(frozen=["eve"], people=eve).when(asks("eve")).refused(no.NotYoursToAsk)
    lost = a_playbook("revoke", tier=2, protects=True)
    a_request(lost).given(frozen=["maya"]).when(asks("maya")).refused(no.Frozen)


@pytest.mark.parametrize("begin", [opened, choosing, collectable])
def test_disowning_one_request_stops_the_others_but_for_what_was_sent(begin: Callable[[], Story]) -> None:
    begin().when(Stop("maya")).then(Stopped("maya"), does=CLOSED).stands(Stage.CANCELLED, reason=STOPPED)
    begin().when(Stop("eve")).refused(no.NotYoursToCancel)
    begin().when(Disown("maya")).then(Disowned, does=ALARM).stands(Stage.DISOWNED)


def test_what_the_worker_has_is_reported_and_its_freeze_is_the_workers_to_see() -> None:
    proved(UNLOCK).when(Stop("maya")).then()
    story = proved(UNLOCK).when(Disown("maya"))
    story.then(Disowned("maya"), does=[Announce("security", "alarm"), StopOthers("maya"), Write])
    story.stands(Stage.AWAITING_FULFILMENT)
    story.given(frozen=["maya"]).when(Disown("maya")).refused(no.OutOfTurn)
    story.when(ReportConfirmed(RECEIPT)).then(ChangeConfirmed, Fulfilled, does=[Write, *CLOSED])


def test_the_playbook_says_who_may_ask_for_whom() -> None:
    for requester in ("maya", "omar", "ravi"):
        opened(RESET, requester, "maya").stands(Stage.AWAITING_PROOF, prover="maya")
    for requester in ("eve", "nina"):
        a_request(RESET).when(asks(requester, "maya")).refused(no.NotYoursToAsk)
    opened(ENROLMENT, "sam", "maya")
    a_request(ENROLMENT).when(asks("maya")).refused(no.NotYoursToAsk)


def test_the_same_change_is_not_asked_for_twice() -> None:
    a_request().given(twin="CS-ABCDE").when(asks("maya")).refused(no.AlreadyOpen, "It is CS-ABCDE.")
    opened().when(asks("maya")).refused(no.Conflict)


def test_without_a_device_that_is_strong_enough_there_is_nothing_to_begin() -> None:
    a_request().given(methods={"maya": []}).when(asks("maya")).refused(no.NoRegisteredDevice)
    strong = a_request(ENROLMENT).given(methods={"nina": [CODE]})
    strong.when(asks("nina", "maya")).refused(no.StrongerProofNeeded)


def test_a_command_for_no_request_finds_none() -> None:
    a_request().when(Cancel("maya")).refused(no.UnknownRequest)


def test_answers_are_kept_in_one_order_however_they_were_given() -> None:
    """The audit log sorts them, and folding it has to give the row byte for byte."""
    story = (
        a_request()
        .when(asks("maya", how_long="a day", group="board"))
        .then(Opened, does=[SendChallenge, Announce])
    )
    assert list(story.it.parameters) == ["group", "how_long"]
    turned = Submit("CS-00001", RESET.name, "maya", "maya", TERMINAL, {}, {"why": "1" * 64, "note": "2" * 64})
    story = a_request().when(turned).then(Opened, does=[SendChallenge, Announce])
    assert list(story.it.commitments) == [
        "note",
        "why",
    ]


# -- proving --------------------------------------------------------------------------------


def test_only_the_prover_proves() -> None:
    story = opened(RESET, "omar", "maya").when(begins("omar")).refused(no.NotYoursToProve)
    story.when(begins("maya")).then(ChallengeIssued)
    story.when(proves("omar")).refused(no.NotYoursToProve)


def test_whoever_acts_is_known_works_here_and_is_who_they_say() -> None:
    questioned().given(left=["maya"]).when(proves("maya")).refused(no.InactivePerson)
    questioned().given(unknown=["maya"]).when(proves("maya")).refused(no.InactivePerson)
    story = questioned()
    story.people["maya"] = story.people["eve"]
    story.when(proves("maya")).refused(no.InactivePerson)


def test_a_method_that_is_too_weak_or_not_registered_is_not_begun() -> None:
    opened(ENROLMENT, "nina", "maya").when(begins("nina", CODE)).refused(no.ProofTooWeak)
    opened(RESET).given(methods={"maya": [CODE]}).when(begins("maya", PASSKEY)).refused(no.ProofTooWeak)


def test_from_tier_two_a_passkey_is_taken_wherever_there_is_one() -> None:
    opened(ACCESS).when(begins("maya", CODE)).refused(no.ProofTooWeak)
    story = opened(ACCESS).given(methods={"maya": [CODE]}).when(begins("maya", CODE)).then(ChallengeIssued)
    story.given(methods={"maya": [CODE, PASSKEY]}).when(proves("maya", CODE)).refused(no.ProofTooWeak)
    story.given(methods={"maya": [CODE]}).when(proves("maya", CODE)).then(
        Verified, ApprovalRequested, does=[AskApprovers]
    )


def test_a_weak_proof_by_a_strong_method_is_refused() -> None:
    story = questioned().when(proves("maya", assurance=Assurance.SINGLE_FACTOR)).refused(no.ProofTooWeak)
    story.stands(Stage.AWAITING_PROOF)


def test_a_passkeys_challenge_lasts_two_minutes_and_a_number_as_long_as_the_request() -> None:
    questioned().at(minutes=2).when(proves("maya")).refused(no.ChallengeExpired)
    questioned().at(minutes=1, seconds=59).when(proves("maya")).then(
        Verified, FulfilmentOrdered, does=[CarryOut]
    )
    late = opened().at(minutes=6).when(begins("maya", CODE))
    late.then(ChallengeIssued("maya", CODE, f"{2:064x}", MORNING + timedelta(minutes=10)))
    open_ended = opened().given(due_at=None).at(minutes=6).when(begins("maya", CODE))
    open_ended.then(ChallengeIssued("maya", CODE, f"{2:064x}", MORNING + timedelta(minutes=16)))


def test_a_replaced_challenge_is_void() -> None:
    story = questioned()
    first = answer(story, "maya", PASSKEY).nonce
    story.when(begins("maya")).then(ChallengeIssued)
    story.when(proves("maya", nonce=first)).refused(no.NoChallenge)
    story.when(proves("maya")).then(Verified, FulfilmentOrdered, does=[CarryOut])


def test_a_challenge_of_one_method_leaves_the_others_alone() -> None:
    story = questioned(RESET, CODE).when(begins("maya", PASSKEY)).then(ChallengeIssued)
    passkeys = answer(story, "maya", PASSKEY).nonce
    story.when(proves("maya", CODE, nonce=passkeys)).refused(no.NoChallenge)
    story.when(proves("maya", CODE)).then(Verified, FulfilmentOrdered, does=[CarryOut])
    story.stands(Stage.AWAITING_FULFILMENT, challenges=())


def test_without_a_challenge_there_is_nothing_to_answer() -> None:
    opened().when(proves("maya")).refused(no.NoChallenge)


def test_another_requests_answer_is_refused() -> None:
    questioned().when(proves("maya", digest="0" * 64)).refused(no.WrongChallenge)
    considered("omar").when(approves("omar", digest="0" * 64)).refused(no.WrongChallenge)


def test_the_third_wrong_number_closes_the_request_and_alarms() -> None:
    story = questioned(RESET, CODE)
    for count in (1, 2):
        story.when(mistypes("maya", Wrong.NUMBER)).then(ChallengeFailed("maya", Wrong.NUMBER, count))
    story.when(mistypes("maya", Wrong.NUMBER)).then(
        ChallengeFailed("maya", Wrong.NUMBER, 3), LockedOut("maya", Wrong.NUMBER), does=WARNED
    )
    story.stands(Stage.LOCKED).when(proves("maya", CODE)).refused(no.AlreadyClosed)


def test_the_fifth_wrong_code_closes_the_request_and_alarms() -> None:
    story = questioned(RESET, CODE)
    for count in (1, 2, 3, 4):
        story.when(mistypes("maya", Wrong.CODE)).then(ChallengeFailed("maya", Wrong.CODE, count))
    story.when(mistypes("maya", Wrong.CODE)).then(ChallengeFailed, LockedOut, does=WARNED).stands(
        Stage.LOCKED
    )


def test_a_new_number_does_not_forget_the_wrong_ones() -> None:
    story = questioned(RESET, CODE)
    for _ in range(2):
        story.when(mistypes("maya", Wrong.NUMBER)).then(ChallengeFailed)
        story.when(begins("maya", CODE)).then(ChallengeIssued)
    story.when(mistypes("maya", Wrong.NUMBER)).then(ChallengeFailed, LockedOut, does=WARNED)


def test_wrong_numbers_and_wrong_codes_are_counted_apart() -> None:
    story = questioned(RESET, CODE)
    for wrong in (Wrong.NUMBER, Wrong.CODE, Wrong.NUMBER, Wrong.CODE, Wrong.CODE, Wrong.PASSKEY):
        story.when(mistypes("maya", wrong)).then(ChallengeFailed)
    story.when(proves("maya", CODE)).then(Verified, FulfilmentOrdered, does=[CarryOut])


# -- consenting -----------------------------------------------------------------------------


def test_nobody_consents_to_their_own_request() -> None:
    story = proved(ACCESS)
    for move in (begins("maya"), approves("maya"), Deny("maya")):
        story.when(move).refused(no.SelfApproval)
    by_omar = opened(ACCESS, "omar", "maya").when(begins("maya")).then(ChallengeIssued)
    by_omar.when(proves("maya")).then(
        Verified, ApprovalRequested(2, ("nina", "sam"), MORNING + timedelta(days=2)), does=[AskApprovers]
    )
    by_omar.when(begins("omar")).refused(no.SelfApproval)


def test_whoever_proved_for_somebody_else_does_not_consent_as_well() -> None:
    odd = replace(ENROLMENT, prover=ACCESS.prover, assurance=ENROLMENT.assurance)
    story = opened(odd, "nina", "maya").given(requester="sam", prover="omar").when(begins("omar"))
    story.then(ChallengeIssued).when(proves("omar")).then(
        Verified, ApprovalRequested(1, ("nina",), MORNING + timedelta(days=1)), does=[AskApprovers]
    )
    story.when(begins("omar")).refused(no.NotAnApprover)


def test_only_those_whom_the_playbook_selects_consent() -> None:
    story = proved(ACCESS)
    for move in (begins("eve"), approves("eve"), Deny("ravi")):
        story.when(move).refused(no.NotAnApprover)


def test_a_quorum_counts_people_and_each_once() -> None:
    story = considered("omar").when(approves("omar")).then(Approved)
    for move in (begins("omar"), approves("omar"), Deny("omar")):
        story.when(move).refused(no.ApprovedAlready)
    story.stands(Stage.AWAITING_APPROVAL)


def test_an_approver_who_left_or_moved_consents_no_more() -> None:
    considered("omar").given(left=["omar"]).when(approves("omar")).refused(no.InactivePerson)
    moved = considered("omar").given(managers={"maya": "eve"}).when(approves("omar"))
    moved.refused(no.NotAnApprover).when(begins("eve")).then(ChallengeIssued)


def test_the_consent_of_somebody_who_left_meanwhile_does_not_count() -> None:
    story = considered("omar").when(approves("omar")).then(Approved)
    story.given(left=["omar"]).when(begins("nina")).then(ChallengeIssued)
    story.when(approves("nina")).then(Approved).stands(Stage.AWAITING_APPROVAL)
    story.when(begins("sam")).then(ChallengeIssued)
    story.when(approves("sam")).then(Approved, FulfilmentOrdered, does=[CarryOut])


def test_consent_takes_a_passkey_used_as_one() -> None:
    proved(ACCESS).when(begins("omar", CODE)).refused(no.ProofTooWeak)
    proved(ACCESS).given(methods={"omar": [CODE]}).when(begins("omar")).refused(no.ProofTooWeak)
    considered("omar").when(approves("omar", assurance=Assurance.MULTI_FACTOR)).refused(no.ProofTooWeak)


def test_consents_challenge_is_ones_own_and_expires() -> None:
    considered("omar").when(approves("nina")).refused(no.NoChallenge)
    considered("omar").at(minutes=2).when(approves("omar")).refused(no.ChallengeExpired)
    story = considered("omar").when(begins("nina")).then(ChallengeIssued)
    hers = answer(story, "nina", PASSKEY).nonce
    story.when(approves("omar", nonce=hers)).refused(no.NoChallenge)
    story.when(approves("omar")).then(Approved)
    story.when(approves("nina")).then(Approved, FulfilmentOrdered, does=[CarryOut])


def test_an_approver_who_answers_wrongly_five_times_stops_nobody_else() -> None:
    story = considered("omar")
    for _ in range(5):
        story.when(Approve("omar", Wrong.PASSKEY)).then(ChallengeFailed)
    story.when(Approve("omar", Wrong.PASSKEY)).refused(no.TooManyWrongAnswers)
    story.when(begins("omar")).refused(no.TooManyWrongAnswers)
    story.stands(Stage.AWAITING_APPROVAL).when(begins("nina")).then(ChallengeIssued)


def test_with_nobody_left_to_consent_the_proof_is_not_taken() -> None:
    story = questioned(ACCESS).given(left=["nina", "sam"])
    story.when(proves("maya")).refused(no.NotAnApprover, "Nobody is left").stands(Stage.AWAITING_PROOF)


def test_one_no_by_somebody_entitled_ends_it() -> None:
    story = proved(ACCESS).when(Deny("omar")).then(Denied("omar"), does=CLOSED)
    story.stands(Stage.DENIED, challenges=(), closed_at=MORNING)


# -- time -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("story", "limit", "then"),
    [
        (opened(), timedelta(minutes=10), [Expired]),
        (proved(ACCESS), timedelta(days=2), [Expired]),
        (collectable(), timedelta(minutes=15), [SecretLapsed, Fulfilled]),
    ],
    ids=["proof", "approval", "collection"],
)
def test_what_waits_for_a_person_ends_when_its_time_is_up(
    story: Story, limit: timedelta, then: list[type]
) -> None:
    story.at(seconds=limit.total_seconds() - 1).when(Tick()).then()
    story.at(seconds=limit.total_seconds())
    for command in every_command(story, "maya"):
        if not isinstance(command, Submit | Tick):
            story.when(command).refused(no.TooLate)
    story.when(Tick()).then(*then, does=CLOSED)
    story.stands(Stage.FULFILLED if SecretLapsed in then else Stage.EXPIRED)


@pytest.mark.parametrize("story", [proved(), handed_over()], ids=["fulfilment", "operator"])
def test_what_waits_for_us_never_ends_by_itself(story: Story) -> None:
    story.at(days=400).when(Tick()).then()


# -- changing one's mind --------------------------------------------------------------------


@pytest.mark.parametrize("begin", [opened, proved], ids=["proof", "approval"])
@pytest.mark.parametrize(
    ("command", "event", "stage", "does"),
    [
        (Cancel, Cancelled, Stage.CANCELLED, CLOSED),
        (Disown, Disowned, Stage.DISOWNED, ALARM),
    ],
)
def test_those_concerned_call_it_off_before_the_change(
    begin: Callable[..., Story], command: type, event: type, stage: Stage, does: list[object]
) -> None:
    begin(ACCESS).when(command("maya")).then(event("maya"), does=does).stands(stage)  # type: ignore[arg-type]
    begin(ACCESS).when(command("eve")).refused(no.NotYoursToCancel)


def test_the_prover_disowns_but_only_those_concerned_cancel() -> None:
    story = opened(RESET, "ravi", "maya").given(prover="omar")
    story.when(Cancel("omar")).refused(no.NotYoursToCancel)
    story.when(Disown("omar")).then(
        Disowned("omar"),
        does=[
            Tell(("ravi", "maya"), "closed"),
            Announce("security", "alarm"),
            StopOthers("omar"),
            Write,
            Write,
        ],
    )


def test_once_the_change_is_ordered_it_is_not_called_off() -> None:
    for story in (proved(), collectable(), handed_over()):
        for command in (Cancel("maya"), begins("maya"), proves("maya"), Deny("omar")):
            story.when(command).refused(no.OutOfTurn)


# -- making the change ----------------------------------------------------------------------


def test_a_change_the_system_rejects_fails_the_request() -> None:
    story = proved().when(ReportRejected("The account is gone.")).then(ChangeRejected, does=CLOSED)
    story.stands(Stage.FAILED, reason="The account is gone.")


def test_what_nobody_could_confirm_goes_to_the_desk_which_tries_again_under_the_same_key() -> None:
    story = handed_over().stands(Stage.AWAITING_OPERATOR, reason="The system could not be reached.")
    story.at(days=2).when(Retry("ravi")).then(RetryOrdered("ravi"), does=[CarryOut("CS-00001:carry_out")])
    story.stands(Stage.AWAITING_FULFILMENT, due_at=None)
    story.when(ReportConfirmed(RECEIPT)).then(ChangeConfirmed, SecretReady, does=[Write, Tell])


def test_the_desk_gives_up() -> None:
    handed_over().when(GiveUp("ravi")).then(GivenUp("ravi"), does=CLOSED).stands(Stage.FAILED)


def test_only_the_role_it_was_handed_to_settles_and_never_for_themselves() -> None:
    for command in (Retry, GiveUp):
        handed_over().when(command("eve")).refused(no.NotYoursToSettle)
        handed_over().given(requester="ravi").when(command("ravi")).refused(no.NotYoursToSettle)
        handed_over().given(subject="ravi").when(command("ravi")).refused(no.NotYoursToSettle)


def test_reports_come_only_while_the_change_is_being_made() -> None:
    for report in (ReportConfirmed(RECEIPT), ReportRejected("no"), ReportUnconfirmed("no")):
        for story in (opened(), proved(ACCESS), collectable(), handed_over()):
            story.when(report).refused(no.OutOfTurn)


def test_without_its_playbook_nothing_goes_on() -> None:
    questioned().given(playbook=None).when(begins("maya")).refused(no.UnknownPlaybook)
    questioned().given(playbook=None).when(proves("maya")).refused(no.UnknownPlaybook)
    proved().given(playbook=None).when(ReportConfirmed(RECEIPT)).refused(no.UnknownPlaybook)
    proved().given(playbook=None).when(ReportUnconfirmed("no")).refused(no.UnknownPlaybook)
    handed_over().given(playbook=None).when(Retry("ravi")).refused(no.UnknownPlaybook)
    alone = replace(ACCESS, consent=())
    considered("omar").given(playbook=alone).when(approves("omar")).refused(no.NotAnApprover)
    considered("omar").given(playbook=RESET).when(approves("omar")).refused(no.TooFewToAgree)


# -- the chosen password --------------------------------------------------------------------


def test_a_password_is_chosen_by_its_owner_on_the_device_that_gave_the_proof_in_time() -> None:
    story = choosing()
    story.when(ChoosePassword("maya", "maya's laptop")).refused(no.NotYoursToSee)
    story.when(ChoosePassword("omar", "maya's phone")).refused(no.NotYoursToSee)
    story.at(minutes=15).when(ChoosePassword("maya", "maya's phone")).refused(no.TooLate)
    story.when(Tick()).then(Expired, does=CLOSED)
    choosing().when(Cancel("maya")).then(Cancelled, does=CLOSED)
    choosing().when(Disown("maya")).then(Disowned, does=ALARM)
    proved(RESET).when(ChoosePassword("maya", "maya's phone")).refused(no.OutOfTurn)


def test_a_password_the_system_refuses_is_chosen_again_while_the_proof_holds() -> None:
    refused = ReportRejected("It was used before.", Cause.POLICY)
    chosen = ChoosePassword("maya", "maya's phone")
    story = choosing().when(chosen).then(PasswordChosen, FulfilmentOrdered, does=[CarryOut])
    until = MORNING + timedelta(minutes=15)
    told = [Tell(("maya",), "password_refused")]
    story.when(refused).then(PasswordRefused("It was used before.", until), does=told)
    story.stands(Stage.AWAITING_PASSWORD, cause=Cause.POLICY, due_at=until)
    story.when(chosen).then(PasswordChosen, FulfilmentOrdered, does=[CarryOut])
    story.stands(Stage.AWAITING_FULFILMENT, cause=Cause.OTHER, reason="")
    story.at(hours=2).when(refused).then(ChangeRejected, does=CLOSED)
    story = choosing().when(chosen).then(PasswordChosen, FulfilmentOrdered, does=[CarryOut])
    story.when(ReportRejected("no such account", Cause.ACCOUNT)).then(ChangeRejected, does=CLOSED)


def test_whoever_agreed_has_to_be_entitled_when_the_password_is_chosen() -> None:
    story = considered("omar", AGREED).when(approves("omar"))
    story.then(Approved, PasswordAsked, does=[Tell(("maya",), "password_asked")])
    story.given(managers={"maya": "nina"}).when(ChoosePassword("maya", "maya's phone"))
    story.refused(no.ConsentLapsed)
    story.given(managers={"maya": "omar"}).when(ChoosePassword("maya", "maya's phone"))
    story.then(PasswordChosen, FulfilmentOrdered, does=[CarryOut])


# -- the secret -----------------------------------------------------------------------------


def test_the_secret_is_collected_by_its_owner_on_the_device_that_gave_the_proof() -> None:
    story = collectable()
    story.when(ShowSecret("maya", "maya's laptop")).refused(no.NotYoursToSee)
    story.when(ShowSecret("omar", "maya's phone")).refused(no.NotYoursToSee)
    story.when(ShowSecret("maya", "maya's phone")).then(SecretShown, Fulfilled, does=CLOSED)
    collectable().given(verification=None).when(ShowSecret("maya", "maya's phone")).refused(no.NotYoursToSee)


def test_a_secret_nobody_collects_lapses() -> None:
    story = collectable().at(minutes=15).when(Tick()).then(SecretLapsed, Fulfilled, does=CLOSED)
    story.stands(Stage.FULFILLED, reason="not collected in time")


def test_before_the_change_there_is_nothing_to_see() -> None:
    proved().when(ShowSecret("maya", "maya's phone")).refused(no.NothingToSee)
    opened().when(ShowSecret("maya", "maya's phone")).refused(no.OutOfTurn)


# -- the end --------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage.closed])
def test_a_closed_stage_absorbs_every_command(stage: Stage) -> None:
    story = collectable().given(stage=stage)
    before = story.it
    for actor in ("maya", "omar", "ravi", "eve"):
        for command in every_command(story, actor):
            story.when(command).refused(no.Conflict if isinstance(command, Submit) else no.AlreadyClosed)
    assert story.it == before


def test_what_the_law_does_not_know_is_a_defect_not_a_refusal() -> None:
    with pytest.raises(LookupError, match="Fulfilled can't happen"):
        evolve(opened().it, Fulfilled(), MORNING)
    with pytest.raises(LookupError, match="Expired can't happen to a request that is None"):
        evolve(None, Expired(), MORNING)


# -- devices --------------------------------------------------------------------------------

HOUR = timedelta(hours=1)
LINK = Invitation("link", "maya", "CS-00001", MORNING + HOUR, first=True)
TAKEN = replace(LINK, browser_hash="browser")
AGAIN = replace(TAKEN, first=False)


def a_device(id: str = "phone", person: str = "maya", **more: object) -> registering.Device:
    return replace(
        registering.Device(id, person, f"{person}'s {id}", f"cookie of {id}", MORNING),
        **more,  # type: ignore[arg-type]
    )


def a_proof(
    method: Method = PASSKEY, device: str = "phone", person: str = "maya"
) -> registering.Authenticator:
    return registering.Authenticator(f"{method} of {device}", person, device, method, b"key", 0, MORNING)


NEW = Registration("maya")
SETTLED = Registration("maya", (a_device(),), (a_proof(), a_proof(CODE)))


def after(before: Registration, change: registering.Change) -> Registration:
    """The registration once a change is kept."""
    devices = {d.id: d for d in (*before.devices, *change.devices)}
    keys = {a.id: a for a in (*before.authenticators, *change.authenticators)}
    return Registration(before.person, tuple(devices.values()), tuple(keys.values()))


def test_a_first_link_is_only_for_someone_who_never_had_a_device() -> None:
    change = registering.invite(NEW, LINK)
    assert change.events == (InvitationIssued("maya", "link", "CS-00001", MORNING + HOUR),)
    assert change.invitations == (LINK,)
    with pytest.raises(no.HadADevice):
        registering.invite(after(SETTLED, registering.revoke(SETTLED, "phone", "CS-2", MORNING)), LINK)
    assert registering.invite(SETTLED, replace(LINK, first=False)).invitations


def test_the_first_browser_takes_the_link() -> None:
    change = registering.open_invitation(NEW, LINK, "browser", MORNING)
    assert change.events == (InvitationOpened("maya", "link"),)
    assert change.invitations == (TAKEN,)
    assert registering.open_invitation(NEW, TAKEN, "browser", MORNING).invitations == (TAKEN,)
    with pytest.raises(no.LinkTaken):
        registering.open_invitation(NEW, TAKEN, "another", MORNING)


def test_a_link_that_is_unknown_used_late_or_for_somebody_with_a_device_opens_nothing() -> None:
    for before, link, now, kind in (
        (NEW, None, MORNING, no.LinkUnknown),
        (NEW, replace(TAKEN, used_at=MORNING), MORNING, no.LinkUnknown),
        (NEW, TAKEN, MORNING + HOUR, no.LinkExpired),
        (SETTLED, TAKEN, MORNING, no.HadADevice),
    ):
        with pytest.raises(kind):
            registering.open_invitation(before, link, "browser", now)
        with pytest.raises(kind):
            registering.enrol(before, link, "browser", a_device("laptop"), a_proof(device="laptop"), now)


def enrolled(method: Method = PASSKEY) -> tuple[Registration, Invitation]:
    """Maya's first device, and the link as it is afterwards."""
    change = registering.enrol(NEW, TAKEN, "browser", a_device(), a_proof(method), MORNING)
    (link,) = change.invitations
    return after(NEW, change), link


def test_a_link_binds_a_device_with_its_first_authenticator_once() -> None:
    change = registering.enrol(NEW, TAKEN, "browser", a_device(), a_proof(), MORNING)
    assert change.events == (
        DeviceRegistered("maya", "phone", "maya's phone", "CS-00001"),
        AuthenticatorRegistered("maya", "phone", "passkey of phone", PASSKEY),
    )
    assert change.invitations == (replace(TAKEN, used_at=MORNING, browser_hash="cookie of phone"),)
    assert after(NEW, change).methods == {PASSKEY}


def test_in_the_same_sitting_a_sign_in_app_may_follow_and_nothing_else() -> None:
    before, link = enrolled()
    cookie, soon = "cookie of phone", MORNING + timedelta(minutes=9)
    change = registering.enrol(before, link, cookie, a_device(), a_proof(CODE), soon)
    assert change.events == (AuthenticatorRegistered("maya", "phone", "code of phone", CODE),)
    assert change.invitations == (link,)
    both = after(before, change)
    assert both.methods == {PASSKEY, CODE}
    with pytest.raises(no.LinkUnknown):
        registering.enrol(before, link, cookie, a_device(), a_proof(PASSKEY), soon)
    with pytest.raises(no.LinkUnknown):
        registering.enrol(both, link, cookie, a_device(), a_proof(CODE), soon)
    with pytest.raises(no.LinkExpired):
        registering.enrol(before, link, cookie, a_device(), a_proof(CODE), MORNING + registering.CEREMONY)
    with pytest.raises(no.LinkTaken):
        registering.enrol(before, link, "browser", a_device(), a_proof(CODE), soon)
    with pytest.raises(no.LinkUnknown):
        registering.enrol(before, link, cookie, a_device("laptop"), a_proof(CODE, "laptop"), soon)


def test_a_link_is_used_by_the_browser_that_took_it_and_for_its_own_person() -> None:
    with pytest.raises(no.LinkTaken):
        registering.enrol(NEW, LINK, "browser", a_device(), a_proof(), MORNING)
    for device, proof in (
        (a_device(person="eve"), a_proof()),
        (a_device(), a_proof(person="eve")),
        (a_device(person="eve"), a_proof(person="eve")),
    ):
        with pytest.raises(no.LinkUnknown):
            registering.enrol(NEW, TAKEN, "browser", device, proof, MORNING)


def test_another_link_adds_a_device_or_one_more_way_on_a_known_one() -> None:
    laptop = registering.enrol(
        SETTLED, AGAIN, "browser", a_device("laptop"), a_proof(device="laptop"), MORNING
    )
    assert {d.id for d in after(SETTLED, laptop).live} == {"phone", "laptop"}
    second = replace(a_proof(), id="second passkey")
    change = registering.enrol(SETTLED, AGAIN, "browser", a_device(), second, MORNING)
    assert change.events == (AuthenticatorRegistered("maya", "phone", "second passkey", PASSKEY),)


def test_a_device_and_its_authenticator_belong_together() -> None:
    for before, device, proof in (
        (Registration("eve"), a_device(), a_proof()),
        (NEW, a_device(person="eve"), a_proof()),
        (NEW, a_device(), a_proof(person="eve")),
        (NEW, a_device(), a_proof(device="laptop")),
    ):
        with pytest.raises(no.UnknownDevice):
            registering.add_device(before, device, proof, "CS-2")


def test_an_authenticator_goes_on_a_device_that_counts() -> None:
    gone = after(SETTLED, registering.revoke(SETTLED, "phone", "CS-2", MORNING))
    with pytest.raises(no.UnknownDevice):
        registering.add_authenticator(gone, a_proof())
    with pytest.raises(no.UnknownDevice):
        registering.add_authenticator(NEW, a_proof())


def test_a_device_gets_a_name_people_can_read() -> None:
    change = registering.rename(SETTLED, "phone", "  My \t  phone ")
    assert change.events == (DeviceRenamed("maya", "phone", "My phone"),)
    assert change.devices == (a_device(name="My phone"),)
    assert registering.named("x" * 40) == "x" * 40
    for name in ("", "   ", "x" * 41, "a\u202eb", "a\x00b"):
        with pytest.raises(no.BadName):
            registering.rename(SETTLED, "phone", name)
    with pytest.raises(no.UnknownDevice):
        registering.rename(SETTLED, "eve's phone", "Mine")


def test_a_revoked_device_and_everything_on_it_count_no_more() -> None:
    lost = replace(a_proof(device="laptop"), revoked_at=MORNING)
    before = Registration(
        "maya", (a_device(), a_device("laptop")), (*SETTLED.authenticators, a_proof(device="laptop"), lost)
    )
    now = MORNING + HOUR
    change = registering.revoke(before, "phone", "CS-2", now)
    assert change.events == (DeviceRevoked("maya", "phone", "CS-2"),)
    assert change.devices == (a_device(revoked_at=now, cookie_hash=""),)
    assert {(a.device, a.revoked_at) for a in change.authenticators} == {("phone", now)}
    left = after(before, registering.revoke(before, "laptop", "CS-3", now))
    assert [d.id for d in left.live] == ["phone"]
    assert left.methods == {PASSKEY, CODE}
    assert after(left, registering.revoke(left, "phone", "CS-4", now)).methods == frozenset()
    with pytest.raises(no.UnknownDevice):
        registering.revoke(left, "laptop", "CS-5", now)


def test_one_passkey_goes_and_its_device_goes_on_with_the_others() -> None:
    spare = replace(a_proof(), id="spare key")
    before = Registration("maya", (a_device(),), (a_proof(), spare))
    now = MORNING + HOUR
    change = registering.revoke_passkey(before, spare.short, "CS-2", now)
    assert change.events == (AuthenticatorRevoked("maya", "phone", "spare key", "CS-2"),)
    assert (change.devices, change.authenticators) == ((), (replace(spare, revoked_at=now),))
    left = after(before, change)
    assert (left.live, left.proofs) == (before.devices, (a_proof(),))
    with pytest.raises(no.UnknownPasskey):
        registering.revoke_passkey(left, spare.short, "CS-3", now)
    with pytest.raises(no.UnknownPasskey):
        registering.sign_in(left, spare, "new cookie", "new key")


def test_the_last_thing_on_a_device_goes_only_with_the_device() -> None:
    elsewhere = Registration("maya", (a_device(), a_device("laptop")), (a_proof(), a_proof(device="laptop")))
    assert elsewhere.spare == ()
    with pytest.raises(no.LastOnDevice):
        registering.revoke_passkey(elsewhere, a_proof().short, "CS-2", MORNING)
    with_app = registering.revoke_passkey(SETTLED, a_proof().short, "CS-2", MORNING)
    assert after(SETTLED, with_app).methods == {CODE}


def test_no_passkey_goes_that_isnt_theirs_or_is_none() -> None:
    for named in (a_proof(CODE).short, a_proof(person="eve", device="hers").short, a_proof().id, ""):
        with pytest.raises(no.UnknownPasskey):
            registering.revoke_passkey(SETTLED, named, "CS-2", MORNING)


def test_a_passkey_has_a_short_name_that_fits_an_address_however_long_its_id() -> None:
    long = replace(a_proof(), id="x" * 1364)
    assert len(long.short) == 22
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", long.short)
    assert long.short != replace(long, id="x" * 1363).short


def test_a_proof_moves_its_counter_on() -> None:
    used = registering.used(a_proof(), 7, True, MORNING)
    assert used == replace(a_proof(), counter=7, backed_up=True, used_at=MORNING)


def test_signing_in_gives_the_passkeys_own_device_a_new_cookie_and_key() -> None:
    change = registering.sign_in(SETTLED, a_proof(), "new cookie", "new key")
    assert change.events == (SignedIn("maya", "phone", "passkey of phone"),)
    assert change.devices == (a_device(cookie_hash="new cookie", key="new key"),)
    gone = after(SETTLED, registering.revoke(SETTLED, "phone", "CS-2", MORNING))
    with pytest.raises(no.UnknownDevice):
        registering.sign_in(gone, a_proof(), "new cookie", "new key")


def test_after_five_wrong_answers_an_approvers_challenge_is_closed() -> None:
    story = considered("omar")
    for _ in range(5):
        story.when(Approve("omar", Wrong.PASSKEY)).then(ChallengeFailed)
    story.when(approves("omar")).refused(no.TooManyWrongAnswers)


def test_a_link_adds_nothing_to_another_device_than_the_one_it_is_shown_with() -> None:
    both = Registration("maya", (a_device(), a_device("laptop")), SETTLED.authenticators)
    with pytest.raises(no.Refusal):
        registering.enrol(both, AGAIN, "browser", a_device("laptop"), replace(a_proof(), id="new"), MORNING)
