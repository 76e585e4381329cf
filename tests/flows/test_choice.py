"""Choice and step-up: the strongest method first, another that is strong enough, and never one that is too weak."""

from __future__ import annotations

from dataclasses import replace

import flows.errors as no
from flows.effects import CarryOut
from flows.events import ChallengeIssued, FulfilmentOrdered, Opened, Verified
from flows.model import Assurance, Method
from flows.proving import usable
from tests.flows.stories import (
    CODE,
    PASSKEY,
    RESET,
    a_playbook,
    a_request,
    asks,
    begins,
    opened,
    proves,
    questioned,
)

BOTH = frozenset(Method)
ADD = a_playbook("add_device", tier=2)
BOUND = a_playbook("bound", assurance=Assurance.PHISHING_RESISTANT, device_bound=True)


def test_the_strongest_comes_first_and_what_is_too_weak_not_at_all() -> None:
    assert usable(RESET, BOTH) == (PASSKEY, CODE)
    assert usable(RESET, frozenset({CODE})) == (CODE,)
    assert usable(ADD, BOTH) == (PASSKEY,), "a passkey is demanded of everyone who has one"
    assert usable(ADD, frozenset({CODE})) == (CODE,)
    assert usable(replace(RESET, assurance=Assurance.PHISHING_RESISTANT), frozenset({CODE})) == ()


def test_another_method_that_is_strong_enough_may_be_chosen() -> None:
    story = opened(RESET).when(begins("maya", PASSKEY)).then(ChallengeIssued)
    story.when(begins("maya", CODE)).then(ChallengeIssued)
    story.when(proves("maya", CODE)).then(Verified, FulfilmentOrdered, does=[CarryOut])


def test_what_is_too_weak_is_refused_and_the_request_goes_on_with_what_is_stronger() -> None:
    """A number and code were begun when there was nothing better; a passkey came in between."""
    story = opened(ADD).given(methods={"maya": {CODE}}).when(begins("maya", CODE)).then(ChallengeIssued)
    story.given(methods={"maya": BOTH}).when(proves("maya", CODE)).refused(no.ProofTooWeak)
    story.when(begins("maya", CODE)).refused(no.ProofTooWeak)
    story.when(begins("maya", PASSKEY)).then(ChallengeIssued)
    story.when(proves("maya", PASSKEY)).then(Verified, FulfilmentOrdered, does=[CarryOut])


def test_with_synced_passkeys_alone_what_wants_one_device_isnt_even_opened() -> None:
    story = a_request(BOUND).given(bound=[]).when(asks("maya"))
    story.refused(no.DeviceBoundNeeded, "security key")
    story.given(bound=["maya"]).when(asks("maya"))
    story.then(Opened, does=story.owed)


def test_the_last_passkey_that_stays_on_one_device_went_meanwhile() -> None:
    opened(BOUND).given(bound=[]).when(begins("maya")).refused(no.DeviceBoundNeeded)


def test_a_synced_passkey_is_no_answer_where_one_device_is_wanted() -> None:
    story = questioned(BOUND).when(proves("maya")).refused(no.DeviceBoundNeeded)
    story.when(proves("maya", device_bound=True)).then(Verified, FulfilmentOrdered, does=[CarryOut])
