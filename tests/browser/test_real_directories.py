"""The device page in a real browser, in front of a real directory: what was promised there holds at a sign-in."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.site import site
from tests.company import SHIPPED, handing_out
from tests.contracts.test_ldap_people import BOTH, connected
from tests.peers.directory import FIRST_PASSWORD


@pytest.fixture(params=BOTH)
def server(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@asynccontextmanager
async def proved(
    server: Any, url: str, folder: Path, chromium: Browser, playbooks: Path
) -> AsyncIterator[tuple[str, Page, Any]]:
    """Somebody who was hired today has asked for a reset on their phone, and proved that it is them."""
    name, connector = f"kim{secrets.token_hex(4)}", connected(server)
    id, outside = server.hire(name), {"connectors": {"directory": connector}, "people": connector.people}
    async with site(url, folder, playbooks=playbooks, **outside) as desk:
        kim = await desk.visitor(chromium)
        await kim.enrols(id, "Kim's phone")
        await kim.page.goto("/ask/password_reset")
        await kim.page.get_by_role("button", name="Ask for it").click()
        await kim.page.get_by_role("button", name="I asked for this").click()
        yield name, kim.page, (id, connector)
    await connector.close()


async def test_a_chosen_password_opens_the_account(
    server: Any, sqlite_url: str, tmp_path: Path, chromium: Browser
) -> None:
    async with proved(server, sqlite_url, tmp_path, chromium, SHIPPED) as (name, page, (id, connector)):
        await page.get_by_label("New password").fill("teal otter quarry Kite 7")
        await page.get_by_label("The same once more").fill("teal otter quarry Kite 7")
        await page.get_by_role("button", name="Set this password").click()
        await expect(page.get_by_text("Sign in with the password you chose")).to_be_visible()
        assert server.signs_in(name, "teal otter quarry Kite 7")
        assert not server.signs_in(name, FIRST_PASSWORD)
        assert not (await connector.account(id))[1].must_change


async def test_a_temporary_password_opens_it_until_it_is_changed(
    server: Any, sqlite_url: str, tmp_path: Path, chromium: Browser
) -> None:
    async with proved(server, sqlite_url, tmp_path, chromium, handing_out()) as (name, page, (id, connector)):
        await page.get_by_role("button", name="Show it now").click()
        password = await page.locator("#secret").inner_text()
        assert server.signs_in(name, password)
        assert not server.signs_in(name, FIRST_PASSWORD)
        assert (await connector.account(id))[1].must_change
