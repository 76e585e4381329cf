"""The link that connects a chat account: opened on its owner's device, and by those who shouldn't."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from bot.handles import CONNECT_WITHIN, Handles
from flows.accounts import Account
from tests.browser.site import Site
from tests.web.test_access import pages
from tests.web.wire import Wire

MAYAS = Account("slack", "T0ACME", "U0MAYA")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Site]:
    async with pages(tmp_path) as running:
        yield running


def link(desk: Site, account: Account = MAYAS, shown: str = "Maya Lindqvist (@maya)") -> str:
    token = Handles(desk.acme.store.keys).connecting(account, shown, desk.acme.hands())
    return f"/connect/{token}"


async def test_the_owner_sees_whose_account_it_is_and_connects_it_with_a_proof(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya")
    wire, path = await Wire.of(desk, maya), link(desk)
    asked = await wire.get(path)
    assert "Is this your Slack account?" in asked.text
    assert "Maya Lindqvist (@maya)" in asked.text
    opened = await wire.post(path)
    assert opened.status == 303
    assert await desk.acme.house.accounts.owner(MAYAS) is None, "nothing before the proof"
    page = await wire.get(opened.header("location"))
    assert "Maya Lindqvist (@maya)" in page.text
    (request,) = await desk.acme.desk.concerning("maya")
    await desk.acme.proves(request, maya)
    await desk.acme.worker.drain()
    assert await desk.acme.house.accounts.owner(MAYAS) == "maya"
    assert "Maya Lindqvist (@maya) in Slack" in (await wire.get("/devices")).text
    again = await wire.get(path)
    assert (again.status, again.header("location")) == (303, "/devices")


async def test_without_a_passkey_the_number_stands_on_the_page_it_was_asked_on(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya", passkey=False)
    wire, path = await Wire.of(desk, maya), link(desk)
    await wire.get(path)
    opened = await wire.post(path)
    (request,) = await desk.acme.desk.concerning("maya")
    number = desk.acme.store.keys.number(request.challenges[0].nonce)
    assert number in (await wire.get(opened.header("location"))).text


async def test_somebody_elses_account_is_refused_and_a_stranger_signs_in_first(desk: Site) -> None:
    maya, eve = await desk.acme.enrolled("maya"), await desk.acme.enrolled("eve")
    await desk.acme.house.accounts.connect(maya.person, MAYAS.name, "CS-00000")
    wire, path = await Wire.of(desk, eve), link(desk)
    for answer in (await wire.get(path), await wire.post(path)):
        assert answer.status != 200
    assert await desk.acme.house.accounts.owner(MAYAS) == "maya"
    assert "belongs to somebody else" in unescape((await wire.get(path)).text)
    stranger = await Wire.stranger(desk)
    assert (await stranger.get(path)).header("location").startswith("/sign-in?")


async def test_a_link_that_is_old_or_made_up_connects_nothing(desk: Site) -> None:
    maya = await desk.acme.enrolled("maya")
    wire, path = await Wire.of(desk, maya), link(desk)
    for made_up in ("x", "A" * 200, path.removeprefix("/connect/")[:-2], "%00", "%C3%A9"):
        assert (await wire.get(f"/connect/{made_up}")).status == 404
    desk.acme.hands.now += CONNECT_WITHIN - timedelta(seconds=1)
    assert (await wire.get(path)).status == 200
    desk.acme.hands.now += timedelta(seconds=1)
    late = await wire.get(path)
    assert late.status == 404
    assert "it lasts 15 minutes" in unescape(late.text)
    assert (await wire.post(path)).status == 404
