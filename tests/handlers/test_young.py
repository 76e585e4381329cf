"""Somebody who has just joined: what their new device serves for, what ends the wait, and what doesn't."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete

import flows.errors as no
from flows.commands import Cancel
from flows.model import Method, Stage
from flows.registration import Authenticator, Device
from storage.seals import token_hash
from storage.sql import TABLES
from tests.authenticator import SoftAuthenticator
from tests.company import Company, Phone, company, handing_out_and

SECOND = """
name: second_device
version: 1
title: A second device
phrase: Give {subject} a second device
tier: 3
ask:
  who: [administrator]
proof:
  by: requester
  assurance: phishing_resistant
  within: 10 minutes
  lasts: 25 hours
consent:
  quorum: 1
  from: [role:administrator]
  within: 1 day
change:
  connector: countersign
  verb: add_device
  hands_out: enrolment_link
handed_to: administrator
"""


@pytest.fixture
async def acme(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Company]:
    folder = handing_out_and(tmp_path, "second_device", SECOND)
    async with company(sqlite_url, tmp_path, playbooks=folder) as running:
        yield running


async def access(acme: Company, who: str = "maya") -> bool:
    """Whether somebody can ask for access now."""
    playbook = acme.house.playbooks.by_name["group_access"]
    answers = {field.name: field.choices[0] if field.choices else "why not" for field in playbook.fields}
    answers |= {"justification": "The quarter's numbers."} if playbook.justification else {}
    try:
        request = await acme.asks("group_access", who, answers=answers)
    except no.DeviceTooYoung:
        return False
    await acme.desk.submit(request.id, Cancel(who))
    return True


async def another(acme: Company, person: str, token: str) -> Phone:
    """Go through a link with another browser of this person's."""
    house, browser, secret = acme.house, secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    invitation = await house.registry.open_invitation(token, browser)
    soft, id = SoftAuthenticator(origin=house.settings.public_url), secrets.token_urlsafe(16)
    made = await house.passkeys.register(
        soft.make(await house.passkeys.offer(person, person, b"c" * 32, ())), b"c" * 32
    )
    device = Device(id, person, "another", token_hash(secret), acme.hands())
    key = Authenticator(made.id, person, id, Method.PASSKEY, made.material, made.counter, acme.hands())
    await house.registry.enrol(invitation.id, token_hash(browser), device, key)
    return Phone(person, id, f"{id}.{secret}", soft, None)


async def test_who_has_just_joined_can_reset_their_password_and_not_ask_for_access(acme: Company) -> None:
    maya = await acme.enrolled("maya", new=True)
    reset = await acme.asks("password_reset", "maya")
    await acme.proves(reset, maya)
    await acme.worker.drain()
    assert (await acme.desk.get(reset.id)).stage is Stage.AWAITING_COLLECTION
    assert not await access(acme)
    acme.hands.forward(hours=72, seconds=-1)
    assert not await access(acme)
    acme.hands.forward(seconds=1)
    assert await access(acme)
    assert await acme.refusals() == ["DeviceTooYoung"] * 2


async def test_those_who_began_the_installation_dont_wait(acme: Company) -> None:
    await acme.enrolled("maya")
    assert await access(acme)


async def test_a_second_device_of_ones_own_waits_as_long_as_the_first(acme: Company) -> None:
    """Eve, who joined as Maya, adds a device of hers: it brings her nothing."""
    phone = await acme.enrolled("maya", new=True)
    acme.hands.forward(hours=71)
    request = await acme.asks("add_device", "maya")
    await acme.proves(request, phone)
    await acme.worker.drain()
    await another(acme, "maya", await acme.desk.show_secret(request.id, "maya", phone.device))
    assert not await access(acme)
    acme.hands.forward(hours=1)
    assert await access(acme), "three days after the first"


async def test_a_second_device_that_administrators_ordered_ends_the_wait(acme: Company) -> None:
    nina, sam = [await acme.enrolled(who) for who in ("nina", "sam")]
    await acme.enrolled("maya", new=True)
    assert not await access(acme)
    request = await acme.asks("second_device", "maya", by="nina")
    await acme.proves(request, nina)
    await acme.proves(request, sam)
    await acme.worker.drain()
    token = await acme.desk.show_secret(request.id, "nina", nina.device)
    assert not await access(acme), "a link isn't a device yet"
    await another(acme, "maya", token)
    assert await access(acme)


async def test_an_enrolment_that_two_people_agreed_to_waits_all_the_same(acme: Company) -> None:
    nina, sam = [await acme.enrolled(who) for who in ("nina", "sam")]
    request = await acme.asks("device_enrolment", "maya", by="nina")
    await acme.proves(request, nina)
    await acme.proves(request, sam)
    await acme.worker.drain()
    await another(acme, "maya", await acme.desk.show_secret(request.id, "nina", nina.device))
    assert not await access(acme)


async def test_an_approver_who_has_just_joined_consents_to_nothing(acme: Company) -> None:
    nina, sam = await acme.enrolled("nina"), await acme.enrolled("sam", new=True)
    request = await acme.asks("device_enrolment", "maya", by="nina")
    await acme.proves(request, nina)
    with pytest.raises(no.DeviceTooYoung):
        await acme.proves(request, sam)
    assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_APPROVAL


async def test_the_worker_judges_it_again(acme: Company) -> None:
    """What was proved on a new device carries nothing, however the request got so far."""
    nina, sam = [await acme.enrolled(who) for who in ("nina", "sam")]
    request = await acme.asks("device_enrolment", "maya", by="nina")
    await acme.proves(request, nina)
    await acme.proves(request, sam)
    links = TABLES["invitations"]
    await acme.store.run(delete(links).where(links.c.person == "sam"))  # nobody stands for it any more
    acme.hands.forward(seconds=1)
    await acme.worker.drain()
    assert (await acme.desk.get(request.id)).stage is Stage.FAILED
    assert [notice for _, notice, _ in acme.mailbox.announced].count("not_authorised") == 1
    assert not (await acme.house.registry.registration("maya")).devices


async def test_a_used_link_that_is_taken_away_doesnt_shorten_the_wait(acme: Company) -> None:
    await acme.enrolled("maya", new=True)
    links = TABLES["invitations"]
    await acme.store.run(delete(links).where(links.c.person == "maya"))
    acme.hands.forward(hours=72, seconds=-1)
    assert not await access(acme)
    acme.hands.forward(seconds=1)
    assert await access(acme)


async def test_a_link_put_there_by_hand_vouches_for_nobody(acme: Company) -> None:
    await acme.enrolled("maya", new=True)
    links = TABLES["invitations"]
    await acme.store.run(links.update().where(links.c.person == "maya").values(request="init"))
    assert not await access(acme)
    acme.hands.forward(hours=72 - 1)
    assert not await access(acme)
