"""Every shipped playbook from the ask to the evidence, on the real desk, store and worker; and each refusal.

Those about devices, chat accounts, codes and freezes have stories of their own beside this file.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

import flows.errors as no
from demo.company import everything, systems
from demo.directory import DemoDirectory
from demo.systems import DemoSystems
from flows.commands import Deny
from flows.model import Method, Request, Stage
from storage.sql import TABLES
from tests.company import Company, Phone, company

WHY = {"justification": "Her work changed on Monday."}
ACCESS = {"group": "finance-share", "review": "90 days", **WHY}
ROLE = {"group": "team-lead", "review": "180 days", **WHY}
CHANGE = {"system": "billing", "change": "restart", "window": "at once", "way_back": "Start it again.", **WHY}
CHOSEN = "seven Quiet herons 9"
_EVENTS = TABLES["audit_events"]


@pytest.fixture
async def acme(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Company]:
    """The demo's company: every playbook that ships, and a system for each of them."""
    there = systems(DemoDirectory(tmp_path / "directory.db"), tmp_path)
    folder = everything(tmp_path / "playbooks")
    async with company(sqlite_url, tmp_path, playbooks=folder, connectors=there) as running:
        yield running


async def audit(acme: Company, request: Request) -> list[str]:
    """The names of what happened to a request, in order: without what was refused, and so didn't happen, and without
    what the rules said beside it."""
    told = select(_EVENTS.c.type).where(_EVENTS.c.request == request.id).order_by(_EVENTS.c.seq)
    return [row["type"] for row in await acme.store.fetch(told) if row["type"] not in ("Refused", "Ruled")]


async def settled(acme: Company, request: Request) -> Request:
    """The request once the worker has done what is owed."""
    await acme.worker.drain()
    return await acme.desk.get(request.id)


async def phones(acme: Company, *people: str) -> list[Phone]:
    return [await acme.enrolled(person) for person in people]


TWO_AGREED = ["Opened", "ChallengeIssued", "Verified", "ApprovalRequested"] + 2 * [
    "ChallengeIssued",
    "Approved",
]
MADE = ["FulfilmentOrdered", "ChangeConfirmed"]


# -- unlocking --------------------------------------------------------------------------------------


async def test_a_locked_account_opens_once_its_owner_confirmed(acme: Company) -> None:
    (maya,) = await phones(acme, "maya")
    await acme.directory.lock("maya.lindqvist")
    request = await acme.asks("account_unlock", "maya", by="ravi")
    await acme.proves(request, maya)
    assert (await settled(acme, request)).stage is Stage.FULFILLED
    assert not await acme.directory.locked("maya.lindqvist")
    assert await audit(acme, request) == ["Opened", "ChallengeIssued", "Verified", *MADE, "Fulfilled"]


async def test_whoever_asks_for_somebody_cant_confirm_for_them(acme: Company) -> None:
    _, ravi = await phones(acme, "maya", "ravi")
    request = await acme.asks("account_unlock", "maya", by="ravi")
    with pytest.raises(no.NotYoursToProve):
        await acme.proves(request, ravi)
    with pytest.raises(no.NotYoursToAsk):
        await acme.asks("account_unlock", "maya", by="eve")


# -- groups, for good but looked at again -----------------------------------------------------------


async def member(acme: Company) -> Request:
    """Maya is in a group, because Omar agreed."""
    maya, omar = await phones(acme, "maya", "omar")
    request = await acme.asks("group_access", "maya", answers=ACCESS)
    await acme.proves(request, maya)
    await acme.proves(request, omar)
    return await settled(acme, request)


async def test_a_membership_for_good_is_looked_at_again_on_its_day(acme: Company) -> None:
    request = await member(acme)
    assert request.stage is Stage.FULFILLED
    assert request.parameters["review"] == "90 days", "it is part of what was signed"
    assert "finance-share" in await acme.directory.groups("maya.lindqvist")
    assert await reminded(acme, days=89, hours=23) == set()
    assert await acme.worker.outbox.waiting() == (0, None), "a reminder isn't late before its day"
    assert await reminded(acme, hours=1) == {"maya", "omar"}
    assert [notice for _, notice, _ in acme.mailbox.announced].count("review_due") == 1
    assert await reminded(acme, days=30) == {"maya", "omar"}, "once is enough"
    assert len([notice for _, notice, _ in acme.mailbox.told if notice == "review_due"]) == 2


async def reminded(acme: Company, **later: float) -> set[str]:
    """Who has been asked whether it is still needed, so much later."""
    acme.hands.forward(**later)
    await acme.worker.drain()
    return {person for person, notice, _ in acme.mailbox.told if notice == "review_due"}


@pytest.mark.parametrize("review", ["400 days", "never", ""])
async def test_there_is_no_membership_without_a_day_to_look_at_it(acme: Company, review: str) -> None:
    await phones(acme, "maya")
    with pytest.raises((no.UnreadableAnswer, no.MissingAnswer)):
        await acme.asks("group_access", "maya", answers={**ACCESS, "review": review})


async def test_a_group_of_the_privileged_is_joined_by_nobody(acme: Company) -> None:
    await phones(acme, "maya")
    with pytest.raises(no.UnreadableAnswer):
        await acme.asks("group_access", "maya", answers={**ACCESS, "group": "server-admins"})


async def test_what_was_refused_is_looked_at_by_nobody_later(acme: Company) -> None:
    maya, omar = await phones(acme, "maya", "omar")
    request = await acme.asks("group_access", "maya", answers=ACCESS)
    await acme.proves(request, maya)
    await acme.desk.submit(request.id, Deny(omar.person))
    assert (await settled(acme, request)).stage is Stage.DENIED
    assert await reminded(acme, days=91) == set()
    assert "finance-share" not in await acme.directory.groups("maya.lindqvist")


# -- roles ------------------------------------------------------------------------------------------


async def test_a_role_is_given_when_the_manager_and_its_owner_agreed(acme: Company) -> None:
    maya, omar, nina = await phones(acme, "maya", "omar", "nina")
    request = await acme.asks("role_change", "maya", answers=ROLE)
    await acme.proves(request, maya)
    await acme.proves(request, omar)
    assert (await settled(acme, request)).stage is Stage.AWAITING_APPROVAL, "one isn't enough"
    with pytest.raises(no.ApprovedAlready):
        await acme.proves(request, omar)
    await acme.proves(request, nina)
    assert (await settled(acme, request)).stage is Stage.FULFILLED
    assert "team-lead" in await acme.directory.groups("maya.lindqvist")
    assert await audit(acme, request) == [*TWO_AGREED, *MADE, "Fulfilled"]


async def test_a_manager_who_asks_for_a_role_doesnt_agree_to_it(acme: Company) -> None:
    omar, nina, sam = await phones(acme, "omar", "nina", "sam")
    request = await acme.asks("role_change", "maya", by="omar", answers=ROLE)
    await acme.proves(request, omar)
    with pytest.raises(no.SelfApproval):
        await acme.proves(request, omar)
    await acme.proves(request, nina)
    await acme.proves(request, sam)
    assert (await settled(acme, request)).stage is Stage.FULFILLED


# -- privileged passwords ---------------------------------------------------------------------------


async def test_a_privileged_password_is_chosen_after_two_others_agreed(acme: Company) -> None:
    ravi, omar, nina = await phones(acme, "ravi", "omar", "nina")
    request = await acme.asks("privileged_password_reset", "ravi", answers=WHY)
    await acme.proves(request, ravi)
    await acme.proves(request, omar)
    with pytest.raises(no.OutOfTurn):
        await acme.desk.choose(request.id, "ravi", ravi.device, CHOSEN, CHOSEN)
    await acme.proves(request, nina)
    await acme.desk.choose(request.id, "ravi", ravi.device, CHOSEN, CHOSEN)
    assert (await settled(acme, request)).stage is Stage.FULFILLED
    assert await acme.directory.bind("ravi.menon", CHOSEN)
    assert await audit(acme, request) == [*TWO_AGREED, "PasswordAsked", "PasswordChosen", *MADE, "Fulfilled"]


async def test_the_ordinary_reset_leaves_a_privileged_account_alone(acme: Company) -> None:
    (ravi,) = await phones(acme, "ravi")
    request = await acme.asks("password_reset", "ravi")
    await acme.proves(request, ravi)
    await acme.desk.choose(request.id, "ravi", ravi.device, CHOSEN, CHOSEN)
    failed = await settled(acme, request)
    assert failed.stage is Stage.FAILED
    assert "privileged" in failed.reason
    assert await acme.directory.changes("ravi.menon") == 0


async def test_the_privileged_reset_leaves_an_ordinary_account_alone(acme: Company) -> None:
    maya, omar, nina = await phones(acme, "maya", "omar", "nina")
    request = await acme.asks("privileged_password_reset", "maya", answers=WHY)
    for phone in (maya, omar, nina):
        await acme.proves(request, phone)
    await acme.desk.choose(request.id, "maya", maya.device, CHOSEN, CHOSEN)
    assert (await settled(acme, request)).stage is Stage.FAILED
    assert await acme.directory.changes("maya.lindqvist") == 0


async def test_only_its_owner_asks_for_a_privileged_password_and_only_with_a_passkey(acme: Company) -> None:
    await acme.enrolled("ravi", passkey=False)
    with pytest.raises(no.StrongerProofNeeded):
        await acme.asks("privileged_password_reset", "ravi", answers=WHY)
    for other in ("omar", "nina", "eve"):
        with pytest.raises(no.NotYoursToAsk):
            await acme.asks("privileged_password_reset", "ravi", by=other, answers=WHY)


# -- second factors ---------------------------------------------------------------------------------


async def test_second_factors_and_sessions_go_and_the_pass_is_on_the_device_page_alone(acme: Company) -> None:
    maya, omar = await phones(acme, "maya", "omar")
    request = await acme.asks("mfa_reset", "maya", by="ravi", answers=WHY)
    await acme.proves(request, maya)
    await acme.proves(request, omar)
    assert (await settled(acme, request)).stage is Stage.AWAITING_COLLECTION
    assert await acme.directory.sessions("maya.lindqvist") == frozenset()
    assert await acme.directory.second_factors("maya.lindqvist") == {"the pass from the device page"}
    for other in (("ravi", maya.device), ("omar", omar.device)):
        with pytest.raises(no.NotYoursToSee):
            await acme.desk.show_secret(request.id, *other)
    shown = await acme.desk.show_secret(request.id, "maya", maya.device)
    assert (await acme.desk.get(request.id)).stage is Stage.FULFILLED
    agreed = ["Opened", "ChallengeIssued", "Verified", "ApprovalRequested", "ChallengeIssued", "Approved"]
    assert await audit(acme, request) == [*agreed, *MADE, "SecretReady", "SecretShown", "Fulfilled"]
    assert shown not in json.dumps([*acme.mailbox.told, *acme.mailbox.announced])
    assert await acme.directory.bind("maya.lindqvist", "pretend-password"), "the password stays as it is"


async def test_nobody_resets_second_factors_without_the_owners_passkey(acme: Company) -> None:
    maya, ravi = await acme.enrolled("maya", passkey=False), await acme.enrolled("ravi")
    with pytest.raises(no.StrongerProofNeeded):
        await acme.asks("mfa_reset", "maya", answers=WHY)
    await acme.adds(maya)
    request = await acme.asks("mfa_reset", "maya", by="ravi", answers=WHY)
    with pytest.raises(no.NotYoursToProve):
        await acme.proves(request, ravi)
    with pytest.raises(no.ProofTooWeak):
        await acme.desk.begin(request.id, "maya", Method.CODE)
    assert await acme.directory.sessions("maya.lindqvist") == {"a browser at work"}


# -- systems ----------------------------------------------------------------------------------------


async def test_a_system_is_changed_as_its_owners_signed_it(acme: Company, tmp_path: Path) -> None:
    maya, nina, sam = await phones(acme, "maya", "nina", "sam")
    request = await acme.asks("system_change", "maya", answers=CHANGE)
    await acme.proves(request, maya)
    await acme.proves(request, nina)
    assert DemoSystems(tmp_path / "systems.json").ordered() == {}
    await acme.proves(request, sam)
    assert (await settled(acme, request)).stage is Stage.FULFILLED
    ordered = DemoSystems(tmp_path / "systems.json").ordered()
    assert ordered == {request.key: "billing: restart, at once."}
    assert await audit(acme, request) == [*TWO_AGREED, *MADE, "Fulfilled"]
    assert "way_back" in request.commitments, "people's own words are committed to"


@pytest.mark.parametrize("missing", ["system", "change", "window", "way_back", "justification"])
async def test_a_change_of_a_system_says_everything_or_isnt_asked_for(acme: Company, missing: str) -> None:
    await phones(acme, "maya")
    with pytest.raises(no.MissingAnswer):
        await acme.asks("system_change", "maya", answers={k: v for k, v in CHANGE.items() if k != missing})


async def test_only_what_its_owners_named_can_be_done_and_only_they_agree(acme: Company) -> None:
    maya, omar, nina = await phones(acme, "maya", "omar", "nina")
    with pytest.raises(no.UnreadableAnswer):
        await acme.asks("system_change", "maya", answers={**CHANGE, "change": "delete everything"})
    with pytest.raises(no.NotYoursToAsk):
        await acme.asks("system_change", "maya", by="omar", answers=CHANGE)
    request = await acme.asks("system_change", "maya", answers=CHANGE)
    await acme.proves(request, maya)
    with pytest.raises(no.NotAnApprover):
        await acme.proves(request, omar)
    await acme.desk.submit(request.id, Deny(nina.person))
    assert (await settled(acme, request)).stage is Stage.DENIED
