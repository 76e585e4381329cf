"""Many presses at once, and processes that end at the worst moment: one decision each, and none lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.slack import PATH
from demo.workspace.acts import Acts
from demo.workspace.faults import Fault
from demo.workspace.installed import Installed
from demo.workspace.serve import serving
from demo.workspace.workspace import Workspace
from demo.workspace.world import World
from flows.accounts import Account
from storage.sql import TABLES
from tests.chat.child import child, killed
from tests.company import company
from tests.office import APP, BOT, SIGNING, Office, free_port, office, words

AT_ONCE = 50


async def events(acme: Office, kind: str) -> int:
    table = TABLES["audit_events"]
    return len(await acme.company.store.fetch(select(table.c.seq).where(table.c.type == kind)))


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("over", ["http", "socket"])
async def test_fifty_presses_at_once_are_one_decision(
    over: str, rounds: int, sqlite_url: str, tmp_path: Path
) -> None:
    async with office(sqlite_url, tmp_path, over=over) as acme:
        await acme.company.enrolled("maya")
        await acme.connected("maya")
        for done in range(rounds):
            request = await acme.company.asks("password_reset", "maya")
            await acme.settled()
            (message,) = [m for m in acme.messages("maya") if request.id in words(m)]
            presses = [acme.acts.press("maya", None, message.ts, "cancel") for _ in range(AT_ONCE)]
            answers = await asyncio.gather(*presses)
            assert {answer.status for answer in answers} == {200}
            await acme.settled()
            assert await events(acme, "Cancelled") == done + 1
        assert await events(acme, "Refused") == (AT_ONCE - 1) * rounds


@pytest.mark.parametrize("over", ["http", pytest.param("socket", marks=pytest.mark.slow)])
async def test_a_press_survives_a_kill_between_acknowledgement_and_decision(
    over: str, database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}{PATH}" if over == "http" else None
    installed = Installed(SIGNING, BOT, "" if url else APP, url)
    async with company(database_url, tmp_path) as acme:
        await acme.enrolled("maya")
        await acme.house.accounts.connect("maya", "slack/T0ACME/U0MAYA", "CS-00000")
        assert await acme.house.accounts.owner(Account("slack", "T0ACME", "U0MAYA")) == "maya"
    workspace = Workspace(World(":memory:"), installed, "http://localhost:8080")
    acts = Acts(workspace)
    async with serving(workspace) as address:
        async with child(database_url, tmp_path, port, f"{address}/api/", over) as first:
            await acts.say("maya", "I forgot my password")
            proposal = await arrived(workspace, "Password reset?")
            workspace.calls.faults.append(
                Fault("users.info", delay=60, times=20)
            )  # so that nothing can be decided yet
            answer = await acts.press("maya", None, proposal, "ask")
            assert answer.status == 200, "it is acknowledged"
            await killed(first)
        workspace.calls.faults.clear()
        async with child(database_url, tmp_path, port, f"{address}/api/", over):
            await arrived(workspace, "confirm on your registered device")
    async with company(database_url, tmp_path) as acme:
        (request,) = await acme.desk.concerning("maya")
        assert request.origin.platform == "slack"


async def arrived(workspace: Workspace, text: str) -> str:
    """Wait until a message with this text stands in maya's conversation; gives its ts."""
    told = asyncio.Event()
    workspace.world.listeners.append(told.set)
    async with asyncio.timeout(30):
        while True:
            told.clear()
            for message in workspace.world.history("D0MAYA", "U0MAYA"):
                if message.body.get("bot_id") and text in words(message):
                    return message.ts
            await told.wait()
