"""Chat accounts: connected because their owner proved it on a device, and never believed without a seal."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

import flows.errors as no
from flows.accounts import Account
from flows.model import Request, Stage
from handlers.evidence import Auditor
from handlers.findings import Level
from storage.sql import TABLES
from tests.company import TERMINAL, Company, Phone, company

MAYAS = Account("slack", "T0ACME", "U0MAYA")
BINDINGS = TABLES["bindings"]


async def connects(acme: Company, phone: Phone, account: Account = MAYAS) -> Request:
    """Whoever holds this phone proves that the account is theirs."""
    answers = {"new_account": account.name, "shown_as": "Maya (@maya)"}
    known = {"new_account": (account.name,)}
    asked = await acme.desk.open(
        "connect_account", phone.person, phone.person, answers, TERMINAL, known=known
    )
    await acme.proves(asked, phone)
    await acme.worker.drain()
    return await acme.desk.get(asked.id)


async def disconnects(acme: Company, phone: Phone, account: Account = MAYAS) -> Request:
    asked = await acme.asks("disconnect_account", phone.person, answers={"account": account.name})
    await acme.proves(asked, phone)
    await acme.worker.drain()
    return await acme.desk.get(asked.id)


async def test_an_account_is_nobodys_until_its_owner_proves_it(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        assert await acme.house.accounts.owner(MAYAS) is None
        request = await connects(acme, maya)
        assert request.stage is Stage.FULFILLED
        assert await acme.house.accounts.owner(MAYAS) == "maya"
        assert await acme.house.accounts.of("maya") == [MAYAS]
        assert await acme.house.accounts.of("maya", "teams") == []
        assert (await Auditor(acme.store, {}).bindings()).level is Level.PASS


async def test_an_account_that_is_somebodys_is_never_given_to_another(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        maya, eve = await acme.enrolled("maya"), await acme.enrolled("eve")
        await connects(acme, maya)
        request = await connects(acme, eve)
        assert request.stage is Stage.FAILED
        assert "belongs to somebody else" in request.reason
        assert await acme.house.accounts.owner(MAYAS) == "maya"


async def test_an_account_is_connected_only_where_the_link_named_it(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        await acme.enrolled("eve")
        with pytest.raises(no.UnreadableAnswer):
            await acme.asks("connect_account", "eve", answers={"new_account": MAYAS.name})


async def test_a_disconnected_account_is_nobodys_and_can_be_connected_again(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        maya, eve = await acme.enrolled("maya"), await acme.enrolled("eve")
        await connects(acme, maya)
        with pytest.raises(no.UnreadableAnswer):
            await disconnects(acme, eve)
        assert (await disconnects(acme, maya)).stage is Stage.FULFILLED
        assert await acme.house.accounts.owner(MAYAS) is None
        assert await acme.house.accounts.of("maya") == []
        assert (await connects(acme, eve)).stage is Stage.FULFILLED
        assert await acme.house.accounts.owner(MAYAS) == "eve"
        assert (await Auditor(acme.store, {}).bindings()).level is Level.PASS


async def test_a_binding_written_by_hand_is_nobodys(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        await connects(acme, await acme.enrolled("maya"))
        await acme.store.run(BINDINGS.update().values(person="eve"))
        assert await acme.house.accounts.owner(MAYAS) is None
        assert await acme.house.accounts.of("eve") == []
        await acme.worker.drain()
        assert ("security", "tampering", "bindings: slack/T0ACME/U0MAYA") in acme.mailbox.announced


async def test_a_disconnected_account_doesnt_come_back(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        await connects(acme, maya)
        (old,) = await acme.store.fetch(select(BINDINGS))
        await disconnects(acme, maya)
        await acme.store.run(BINDINGS.delete())
        await acme.store.run(BINDINGS.insert().values(**old))
        assert await acme.house.accounts.owner(MAYAS) is None
        await acme.worker.drain()
        assert ("security", "tampering", "bindings: slack/T0ACME/U0MAYA") in acme.mailbox.announced
        assert (await Auditor(acme.store, {}).bindings()).level is Level.FAIL
