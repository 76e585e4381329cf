"""Teams as Microsoft's own client shows it (it has no dialogs yet): first word, new password, security's channel."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import pytest
from playwright.async_api import expect

from bot.handles import Handle
from demo import playground
from flows.model import Stage
from handlers.posted import Posted
from tests.office import free_port
from tests.peers.playground import command
from tests.teams_office import TeamsOffice, teams_office
from tests.teams_tenant import TENANT, Json, Tenant, actions, object_id

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.playground

SOON = 20_000  # milliseconds, for a shared machine


@dataclass(frozen=True)
class Desk:
    """The house, and Maya before her Teams."""

    acme: TeamsOffice
    page: Page

    async def writes(self, text: str) -> None:
        """Write to the bot."""
        box = self.page.get_by_role("textbox").first
        await box.fill(text)
        await box.press("Enter")

    async def presses(self, label: str) -> None:
        """Press the latest button of this label."""
        await self.page.get_by_role("button", name=label, exact=True).last.click(timeout=SOON)

    async def sees(self, text: str) -> None:
        """Wait until this stands there."""
        await expect(self.page.get_by_text(text).last).to_be_visible(timeout=SOON)


@pytest.fixture
async def desk(sqlite_url: str, tmp_path: Path, chromium: Browser) -> AsyncIterator[Desk]:
    port = free_port()
    tenant = Tenant(url=f"http://127.0.0.1:{port}/_connector")
    async with contextlib.AsyncExitStack() as stack:
        acme = await stack.enter_async_context(teams_office(sqlite_url, tmp_path, tenant=tenant))
        account = f"teams/{TENANT}/{object_id('maya')}"
        await acme.company.house.accounts.connect("maya", account, "CS-00000")
        endpoint = f"http://127.0.0.1:{acme.port}/api/messages"
        address = await stack.enter_async_context(playground.running(command(), tmp_path, port, endpoint))
        page = await chromium.new_page(viewport={"width": 1600, "height": 900})
        stack.push_async_callback(page.close)
        await page.goto(address)
        work = asyncio.create_task(acme.company.worker.run())
        stack.callback(work.cancel)
        yield Desk(acme, page)


async def test_a_forgotten_password_from_the_first_word_to_the_new_one(desk: Desk) -> None:
    maya = await desk.acme.company.enrolled("maya")
    await desk.writes("I forgot my password")
    await desk.sees("Password reset?")
    await desk.presses("Yes, ask for it")
    await desk.sees("Waiting for you: confirm on your registered device")
    (request,) = await desk.acme.company.desk.concerning("maya")
    await desk.acme.company.proves(request, maya)
    await desk.sees("look at the temporary password")
    await desk.acme.company.desk.show_secret(request.id, "maya", maya.device)
    await desk.sees("Done: the change is made and confirmed")
    assert await desk.page.get_by_text("Password reset?").count() == 0, "the proposal became the card"

    await desk.page.get_by_role("treeitem", name="Desk - Security").click()
    await desk.sees("Password reset for Maya")


async def test_what_was_asked_elsewhere_is_told_here_and_can_be_stopped(desk: Desk) -> None:
    await desk.acme.company.enrolled("maya")
    await desk.writes("hello")
    await desk.sees("What can I do for you?")
    request = await desk.acme.company.asks("password_reset", "maya")
    await desk.sees(request.id)
    await desk.presses("I didn't ask for this")
    await desk.presses("I didn't ask for this")
    await desk.sees("Over: somebody it concerns didn't ask for it")
    assert (await desk.acme.company.desk.get(request.id)).stage is Stage.DISOWNED


async def test_one_card_in_the_right_and_in_the_wrong_hand(desk: Desk, tmp_path: Path) -> None:
    """Maya, who is Eve's manager here, may say no to what Sam asks; her card's button is hers alone.

    The Playground posts what any client would send; by itself it doesn't ask for a reader's own view yet.
    """
    acme, page = desk.acme, desk.page
    with closing(sqlite3.connect(tmp_path / "directory.db")) as directory, directory:
        directory.execute("UPDATE people SET manager = 'maya' WHERE id = 'eve'")
    eve, sam = [await acme.company.enrolled(each) for each in ("eve", "sam")]
    await desk.writes("hello")
    await desk.sees("What can I do for you?")
    request = await acme.company.asks("device_recall", "eve", "sam", {"device": eve.device})
    await acme.company.proves(request, sam)
    await desk.sees(request.id)
    hers, room = sorted(
        await Posted(acme.company.store).of(request.id, "teams"), key=lambda each: not each.person
    )
    await page.get_by_role("treeitem", name="Desk - Security").click()
    await desk.sees("Device recall for Eve")
    assert await page.get_by_role("button", name="Deny").count() == 0

    key = acme.teams.messenger.handles.make(Handle("", request.id), f"teams/{TENANT}/{playground.CHANNEL}")
    look = {"type": "Action.Execute", "verb": "look", "data": {"verb": "look", "handle": key}}
    thread = f"{playground.CHANNEL};messageid={room.message}"
    for person, leads in (("maya", [f"http://localhost:8080/requests/{request.id}"]), ("nina", [])):
        shown = await invoked(page, thread, room.message, person, look, "automatic")
        assert [each["url"] for each in actions(shown["value"]) if "url" in each] == leads, person

    asked = await acme.company.desk.get(request.id)
    card = acme.teams.messenger.handles.make(
        Handle("maya", request.id), f"teams/{TENANT}/{hers.conversation}"
    )
    deny = {"type": "Action.Execute", "verb": "deny", "data": {"verb": "deny", "handle": card}}
    await invoked(page, thread, room.message, "nina", deny, "manual")
    await acme.teams.inbox.idle()
    assert (await acme.company.desk.get(request.id)).version == asked.version

    await page.get_by_role("treeitem", name="Personal Chat").click()
    for _ in ("the button", "and what it will do"):
        await desk.presses("Deny")
    await desk.sees("Over: one of the approvers said no")
    assert (await acme.company.desk.get(request.id)).stage is Stage.DENIED
    await page.get_by_role("treeitem", name="Desk - Security").click()
    await desk.sees("Over: one of the approvers said no")


async def invoked(page: Page, where: str, message: str, person: str, action: Json, trigger: str) -> Json:
    """What the bot answers when this person's client runs an action on a message."""
    press = {
        "name": "adaptiveCard/action",
        "value": {"action": action, "trigger": trigger},
        "from": {"id": f"29:{person}"},
        "replyToId": message,
        "conversation": {"id": where},
    }
    answer = await page.request.post(urljoin(page.url, "/_conversation/v1/invoke"), data=press)
    assert answer.ok, await answer.text()
    return dict(await answer.json())
