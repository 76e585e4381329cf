"""Synced passkeys and those that stay on one device, through the whole house: kept, demanded, judged again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import flows.errors as no
from flows.model import Method, Stage
from flows.registration import Authenticator
from handlers.verifiers.passkey import CHANGED
from storage.sql import TABLES
from tests.company import Company, company, handing_out_and
from tests.intruder import Intruder

BOUND = """
name: payroll_reset
version: 1
title: Payroll reset
phrase: Reset the payroll password of {subject}
tier: 1
ask:
  who: [self]
proof:
  by: subject
  assurance: phishing_resistant
  device_bound: true
  within: 10 minutes
  lasts: 1 hour
change:
  connector: directory
  verb: unlock
handed_to: desk_agent
"""


@pytest.fixture
async def acme(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Company]:
    folder = handing_out_and(tmp_path, "payroll_reset", BOUND)
    async with company(sqlite_url, tmp_path, playbooks=folder) as running:
        yield running


async def keys_of(acme: Company, person: str) -> list[Authenticator]:
    proofs = (await acme.house.registry.registration(person)).proofs
    return [each for each in proofs if each.method is Method.PASSKEY]


async def key_of(acme: Company, person: str) -> Authenticator:
    (key,) = await keys_of(acme, person)
    return key


async def test_a_passkey_that_stays_on_one_device_is_enough_and_a_synced_one_isnt(acme: Company) -> None:
    maya, eve = await acme.enrolled("maya"), await acme.enrolled("eve", synced=True)
    request = await acme.asks("payroll_reset", "maya")
    await acme.proves(request, maya)
    await acme.worker.drain()
    assert (await acme.desk.get(request.id)).stage is Stage.FULFILLED
    with pytest.raises(no.DeviceBoundNeeded):
        await acme.asks("payroll_reset", "eve")
    reset = await acme.asks("password_reset", "eve")
    await acme.proves(reset, eve)
    assert (await acme.desk.get(reset.id)).stage is Stage.AWAITING_FULFILMENT, "elsewhere it does"


async def test_of_several_passkeys_only_those_that_stay_are_offered(acme: Company) -> None:
    phone = await acme.enrolled("maya")
    cloud = await acme.adds(phone, synced=True)
    request = await acme.asks("payroll_reset", "maya")
    _, asked = await acme.desk.begin(request.id, "maya", Method.PASSKEY)
    offered = [each["id"] for each in asked["allowCredentials"]]  # type: ignore[attr-defined]
    assert offered == [each.id for each in await keys_of(acme, "maya") if not each.synced]
    everything = {**asked, "allowCredentials": []}
    answer = {"credential": cloud.get(everything)}
    with pytest.raises(no.DeviceBoundNeeded):
        await acme.desk.answer(request.id, "maya", phone.device, Method.PASSKEY, answer)
    assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_PROOF
    await acme.proves(request, phone)
    await acme.worker.drain()
    assert (await acme.desk.get(request.id)).stage is Stage.FULFILLED


async def test_a_passkey_that_turns_into_the_other_kind_is_refused_and_security_hears(acme: Company) -> None:
    maya = await acme.enrolled("maya")
    assert maya.passkeys is not None
    request = await acme.asks("password_reset", "maya")
    maya.passkeys.backup_eligible = True
    await acme.proves(request, maya)
    await acme.worker.drain()
    assert (await acme.desk.get(request.id)).stage is Stage.AWAITING_PROOF
    assert ("security", "alarm", f"maya: {CHANGED}") in acme.mailbox.announced
    assert (await key_of(acme, "maya")).synced is False


async def test_a_row_from_before_keeps_its_seal_and_its_passkey_tells_at_its_next_use(acme: Company) -> None:
    maya = await acme.enrolled("maya", synced=True)
    before, keys = await key_of(acme, "maya"), TABLES["authenticators"]
    (row,) = await acme.store.fetch(keys.select().where(keys.c.id == before.id))
    old = dict(row) | {"synced": None}
    await acme.store.run(
        keys.update()
        .where(keys.c.id == before.id)
        .values(synced=None, mac=acme.store.keys.seal("authenticators", old))
    )
    assert (await key_of(acme, "maya")).synced is None
    await acme.proves(await acme.asks("password_reset", "maya"), maya)
    assert (await key_of(acme, "maya")).synced is True


@pytest.mark.parametrize("changed", [{"synced": 1}, {"synced": None}, {"name": "Mine"}], ids=str)
async def test_a_kind_or_a_name_written_by_hand_is_believed_by_nobody(
    acme: Company, sqlite_url: str, changed: dict[str, object]
) -> None:
    await acme.enrolled("maya", app=False)
    key = await key_of(acme, "maya")
    await Intruder(sqlite_url).change("authenticators", key.id, **changed)
    assert (await acme.house.registry.registration("maya")).proofs == ()
