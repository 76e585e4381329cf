"""Old rows put back: their seals hold, because they were true once. Their history says otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import flows.errors as no
from flows.model import Method
from handlers.evidence import Auditor
from handlers.findings import Level
from storage.sql import TABLES
from tests.company import Company, company

Row = dict[str, Any]


async def kept(acme: Company, *names: str) -> dict[str, list[Row]]:
    return {name: await acme.store.fetch(select(TABLES[name])) for name in names}


async def put_back(acme: Company, old: dict[str, list[Row]]) -> None:
    for name, rows in old.items():
        await acme.store.run(TABLES[name].delete())
        for row in rows:
            await acme.store.run(TABLES[name].insert().values(**row))


async def events(acme: Company, kind: str) -> int:
    table = TABLES["audit_events"]
    return len(await acme.store.fetch(select(table.c.seq).where(table.c.type == kind)))


async def test_a_revoked_device_doesnt_come_back(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        old = await kept(acme, "devices", "authenticators")
        await acme.house.registry.revoke("maya", maya.device, "CS-00000")
        await put_back(acme, old)
        registration = await acme.house.registry.registration("maya")
        assert registration.live == ()
        assert registration.proofs == ()
        assert await acme.house.registry.device_of(maya.cookie) is None
        with pytest.raises(no.NoRegisteredDevice):
            await acme.asks("password_reset", "maya")
        assert await events(acme, "TamperingNoticed") == 3  # the device, its passkey and its sign-in app
        await acme.worker.drain()
        assert ("security", "tampering") in {(who, what) for who, what, _ in acme.mailbox.announced}
        assert (await Auditor(acme.store, {}).registered()).level is Level.FAIL


async def test_a_device_that_is_gone_is_missed(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        await acme.enrolled("maya")
        auditor = Auditor(acme.store, {})
        assert (await auditor.registered()).level is Level.PASS
        for table in ("authenticators", "devices"):
            await acme.store.run(TABLES[table].delete())
            assert (await auditor.registered()).level is Level.FAIL


async def test_a_change_that_is_gone_from_the_ledger_is_missed(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        await acme.proves(await acme.asks("account_unlock", "maya"), maya)
        auditor = Auditor(acme.store, {})
        assert (await auditor.ledger()).level is Level.PASS
        await acme.store.run(TABLES["operations"].delete())
        assert (await auditor.ledger()).level is Level.FAIL


async def test_a_used_code_isnt_good_again(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya", passkey=False)
        old = await kept(acme, "authenticators")
        first = await acme.asks("password_reset", "maya")
        await acme.types(first, maya)
        await put_back(acme, old)
        with pytest.raises(no.NoRegisteredDevice):
            await acme.asks("account_unlock", "maya")
        assert Method.CODE not in (await acme.house.registry.registration("maya")).methods


async def test_a_finished_request_isnt_done_again(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        maya = await acme.enrolled("maya")
        request = await acme.asks("account_unlock", "maya")
        await acme.proves(request, maya)
        old = await kept(acme, "requests", "outbox", "operations", "verifications")
        await acme.worker.drain()
        changes = await acme.directory.changes("maya.lindqvist")
        await put_back(acme, old)
        await acme.worker.drain()
        assert await acme.directory.changes("maya.lindqvist") == changes
        assert await events(acme, "AuthorityMissing") == 1
