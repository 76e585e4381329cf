"""A first device is new for three days: it proves little until then, whoever asks and whatever else it brings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

import flows.errors as no
from flows.events import Approved, ChallengeIssued, Verified
from flows.model import Asker, Assurance, Party, Playbook, SecretKind
from flows.registration import YOUNG, Registration
from tests.flows.stories import (
    ACCESS,
    ENROLMENT,
    MORNING,
    RESET,
    UNLOCK,
    a_playbook,
    a_request,
    approves,
    asks,
    begins,
    opened,
    proved,
    proves,
    questioned,
)
from tests.flows.test_stories import a_device

SOON = MORNING + timedelta(hours=5)
ADD_DEVICE = a_playbook(
    "add_device",
    connector="countersign",
    tier=2,
    askers=frozenset({Asker.SELF}),
    secret=SecretKind.ENROLMENT_LINK,
)


@pytest.mark.parametrize("playbook", [UNLOCK, RESET, ADD_DEVICE], ids=lambda each: each.name)
def test_a_new_device_serves_its_owner_for_their_own_account_and_another_device(playbook: Playbook) -> None:
    story = a_request(playbook).given(young={"maya": SOON}).when(asks("maya"))
    story.then(*story.happened, does=story.owed)
    story.when(begins("maya")).then(ChallengeIssued)
    story.when(proves("maya"))
    assert Verified in {type(event) for event in story.happened}


def test_a_new_device_opens_no_access_until_three_days_have_passed() -> None:
    story = a_request(ACCESS).given(young={"maya": SOON}).when(asks("maya"))
    story.refused(no.DeviceTooYoung, f"{SOON:%B %Y, %H:%M} UTC")
    story.at(hours=4, minutes=59).when(asks("maya")).refused(no.DeviceTooYoung)
    story.at(hours=5).when(asks("maya"))
    story.then(*story.happened, does=story.owed)


def test_a_device_that_is_new_by_then_neither_begins_nor_proves() -> None:
    opened(ACCESS).given(young={"maya": SOON}).when(begins("maya")).refused(no.DeviceTooYoung)
    questioned(ACCESS).given(young={"maya": SOON}).when(proves("maya")).refused(no.DeviceTooYoung)


def test_an_approver_with_a_new_device_waits_too() -> None:
    story = proved(ACCESS).given(young={"omar": SOON}).when(begins("omar")).refused(no.DeviceTooYoung)
    story.given(young={"omar": MORNING}).when(begins("omar")).then(ChallengeIssued)
    story.given(young={"omar": SOON}).when(approves("omar")).refused(no.DeviceTooYoung)
    story.given(young={"omar": MORNING}).when(approves("omar")).then(Approved)


def test_an_administrator_with_a_new_device_enrols_nobody() -> None:
    a_request(ENROLMENT).given(young={"nina": SOON}).when(asks("nina", "maya")).refused(no.DeviceTooYoung)


def test_only_ones_own_registration_is_open_to_a_new_device() -> None:
    assert ADD_DEVICE.open_to_young
    others = [
        replace(ADD_DEVICE, askers=frozenset({Asker.SELF, Asker.MANAGER})),
        replace(ADD_DEVICE, askers=frozenset({Asker.ADMINISTRATOR}), prover=Party.REQUESTER),
        replace(ADD_DEVICE, connector="directory"),
        replace(ADD_DEVICE, connector="directory", tier=3, assurance=Assurance.PHISHING_RESISTANT),
    ]
    assert [each.open_to_young for each in others] == [False] * 4


def test_everything_is_as_new_as_the_first_device_ever_was() -> None:
    first, second = a_device(), a_device("laptop", registered_at=MORNING + timedelta(hours=71))
    assert Registration("maya").young_until is None
    assert Registration("maya", (second, first)).young_until == MORNING + YOUNG
    gone = replace(first, revoked_at=MORNING)
    assert Registration("maya", (gone, second)).young_until == MORNING + YOUNG
    assert Registration("maya", (first, second), vouched=MORNING).young_until is None


def test_from_a_recovery_on_everything_is_new_again_until_somebody_else_stands_for_it() -> None:
    used = MORNING + timedelta(days=10)
    maya = Registration("maya", (a_device(),), recovered=(used,), vouched=MORNING)
    assert maya.young_until == used + YOUNG
    assert replace(maya, devices=(replace(a_device(), revoked_at=used),)).young_until == used + YOUNG
    assert replace(maya, vouched=used).young_until == used + YOUNG, "they stood for what she had before"
    assert replace(maya, vouched=used + timedelta(minutes=1)).young_until is None
    assert replace(maya, vouched=None).young == ((MORNING, MORNING + YOUNG), (used, used + YOUNG))
