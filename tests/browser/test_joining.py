"""Joining in a real browser, in front of a company sign-on that isn't ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from handlers.recovery import RecoveryCodes, new_codes
from tests.browser.site import Site, site
from tests.peers import emulate

pytestmark = pytest.mark.emulate

PEOPLE = {"maya": "Maya Lindqvist", "eve": "Eve Sandell", "visitor": "Vera Visitor"}


@pytest.fixture
async def desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    sign_on = emulate.SignOn(emulate.free_port())
    async with site(sqlite_url, tmp_path, **sign_on.settings) as running:
        with emulate.signing_on(sign_on, f"{running.url}/join/return", PEOPLE):
            yield running


async def test_maya_joins_with_her_company_account(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    page = maya.page
    await page.goto("/sign-in")
    await page.get_by_role("link", name="Join with my company account").click()
    await page.get_by_role("button", name="Sign on with your company account").click()
    await page.get_by_role("button", name="Maya Lindqvist").click()
    await expect(page.get_by_role("heading", name="Name this device and create its passkey")).to_be_visible()
    assert page.url == f"{desk.url}/enrol", "neither code nor state stay in the address"
    await page.get_by_label("Name of this device").fill("Maya's laptop")
    await page.get_by_role("button", name="Create the passkey").click()
    await maya.without_an_app()
    registration = await desk.acme.house.registry.registration("maya")
    assert [device.name for device in registration.live] == ["Maya's laptop"]


async def test_maya_comes_back_with_her_company_account_and_a_recovery_code(
    desk: Site, chromium: Browser
) -> None:
    """Her phone is gone, and the sign-in app was on it. A wrong code first: the sign-on stands for the right one."""
    await desk.acme.enrolled("maya", app=False)
    codes = new_codes()
    await RecoveryCodes(desk.acme.store).keep("maya", codes, "CS-00000")
    maya = await desk.visitor(chromium)
    page = maya.page
    await page.goto("/sign-in")
    await page.get_by_role("link", name="I lost my device").click()
    await page.get_by_role("button", name="Sign on with my company account").click()
    await page.get_by_role("button", name="Maya Lindqvist").click()
    await page.get_by_role("heading", name="Now one of your recovery codes").wait_for()
    for code in ("AAAA-AAAA-AAAA-AAAA", codes[0]):
        await page.get_by_label("Recovery code").fill(code)
        await page.get_by_role("button", name="Go on").click()
        if code not in codes:
            await expect(page.get_by_text("That didn't match")).to_be_visible()
    await expect(page.get_by_role("heading", name="Name this device and create its passkey")).to_be_visible()
    assert page.url == f"{desk.url}/enrol", "neither the sign-on nor the code stays in the address"
    await page.get_by_label("Name of this device").fill("Maya's new phone")
    await page.get_by_role("button", name="Create the passkey").click()
    await maya.without_an_app()
    registration = await desk.acme.house.registry.registration("maya")
    assert [device.name for device in registration.live] == ["maya's phone", "Maya's new phone"]
    assert len(registration.recovered) == 1


async def test_who_signs_on_as_somebody_without_codes_gets_nothing_with_anybodys(
    desk: Site, chromium: Browser
) -> None:
    await desk.acme.enrolled("maya", app=False)
    codes = new_codes()
    await RecoveryCodes(desk.acme.store).keep("maya", codes, "CS-00000")
    page = (await desk.visitor(chromium)).page
    await page.goto("/recover")
    await page.get_by_role("button", name="Sign on with my company account").click()
    await page.get_by_role("button", name="Eve Sandell").click()
    await page.get_by_label("Recovery code").fill(codes[0])
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_text("That didn't match")).to_be_visible()
    await page.goto("/enrol")
    await expect(page.get_by_text("This enrolment link doesn't work")).to_be_visible()


@pytest.mark.parametrize(("who", "reason"), [("Eve Sandell", "HadADevice"), ("Vera Visitor", "NotToJoin")])
async def test_who_shouldnt_reads_why_and_gets_nothing(
    desk: Site, chromium: Browser, who: str, reason: str
) -> None:
    await desk.acme.enrolled("eve")
    page = (await desk.visitor(chromium)).page
    await page.goto("/join")
    await page.get_by_role("button", name="Sign on with your company account").click()
    await page.get_by_role("button", name=who).click()
    await expect(page.get_by_role("heading", name="You haven't joined yet")).to_be_visible()
    assert await desk.acme.refusals() == [reason]
    await page.go_back()
    await page.goto(f"{desk.url}/enrol")
    await expect(page.get_by_text("This enrolment link doesn't work")).to_be_visible()
