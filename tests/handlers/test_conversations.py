"""Where people can be written to: remembered, replaced, forgotten, and never believed from a stranger's hand."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select, update

from flows.accounts import Account
from handlers.conversations import Conversation, Conversations
from storage.sql import TABLES
from tests.company import company

MAYA = Account("teams", "tenant-acme", "aad-maya")
EVE = Account("teams", "tenant-acme", "aad-eve")
THERE = Conversation(MAYA, "a:maya-and-us", "https://smba.trafficmanager.net/emea/")


async def test_a_conversation_is_remembered_by_account_and_by_name(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        known = Conversations(acme.store)
        assert await known.of(MAYA) is None
        await known.keep(THERE)
        assert await known.of(MAYA) == THERE
        assert await known.of(EVE) is None
        assert await known.named("a:maya-and-us") == THERE
        assert await known.newest("tenant-acme") == THERE
        assert await known.newest("tenant-of-others") is None


async def test_a_newer_conversation_takes_the_place_of_the_last_one(
    database_url: str, tmp_path: Path
) -> None:
    async with company(database_url, tmp_path) as acme:
        known = Conversations(acme.store)
        moved = Conversation(MAYA, "a:installed-again", THERE.service)
        await known.keep(THERE)
        await known.keep(moved)
        assert await known.of(MAYA) == moved
        assert await known.named(THERE.conversation) is None
        await known.forget(MAYA)
        assert await known.of(MAYA) is None


async def test_a_conversation_written_by_hand_isnt_believed(database_url: str, tmp_path: Path) -> None:
    async with company(database_url, tmp_path) as acme:
        known, table = Conversations(acme.store), TABLES["conversations"]
        await known.keep(THERE)
        await acme.store.run(update(table).values(service="https://evil.example/"))
        assert await known.of(MAYA) is None
        assert await known.newest("tenant-acme") is None
        events = TABLES["audit_events"]
        noticed = select(events.c.body).where(events.c.type == "TamperingNoticed")
        (told,) = await acme.store.fetch(noticed)
        assert b'"conversations"' in bytes(told["body"])
