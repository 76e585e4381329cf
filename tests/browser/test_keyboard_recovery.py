"""The ways back in, and the ways to stop somebody else's, with the keyboard alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from flows.model import Stage
from handlers.recovery import RecoveryCodes, new_codes
from tests.browser.keyboard import fill, focused, press, sound
from tests.browser.site import Site, site


@pytest.fixture
async def desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(sqlite_url, tmp_path) as running:
        yield running


async def test_a_lost_device_is_replaced_with_a_recovery_code_and_the_app(
    desk: Site, chromium: Browser
) -> None:
    maya, codes = await desk.acme.enrolled("maya"), new_codes()
    await RecoveryCodes(desk.acme.store).keep("maya", codes, "CS-00000")
    page = (await desk.visitor(chromium)).page
    await page.goto("/sign-in")
    await press(page, "link", "I lost my device")
    await page.get_by_role("heading", name="I lost my device").wait_for()
    await sound(page, "I lost my device")
    await fill(page, "Your account", "maya.lindqvist")
    await fill(page, "Recovery code", codes[0])
    await fill(page, "Code from your sign-in app", "000 000")
    await page.keyboard.press("Enter")
    await page.get_by_text("That didn't match").wait_for()
    await sound(page, "Something to change: I lost my device")
    await focused(page, page.locator("#told"))
    await expect(page.get_by_label("Your account")).to_have_value("maya.lindqvist")
    await fill(page, "Recovery code", codes[0])
    await fill(page, "Code from your sign-in app", maya.code(desk.acme.store.clock()))
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Name this device and create its passkey").wait_for()
    await sound(page, "Name this device")
    await press(page, "button", "Create the passkey")
    await page.get_by_role("heading", name="Add a sign-in app").wait_for()
    assert len((await desk.acme.house.registry.registration("maya")).live) == 2


async def test_somebody_objects_to_being_enrolled_anew(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    await maya.enrols("maya")
    ravi, omar = await desk.acme.enrolled("ravi"), await desk.acme.enrolled("omar")
    request = await desk.acme.asks("lost_everything", "maya", by="ravi")
    await desk.acme.proves(request, ravi)
    await desk.acme.proves(request, omar)
    assert (await desk.acme.desk.get(request.id)).stage is Stage.AWAITING_OBJECTION
    page = maya.page
    await page.goto(f"/requests/{request.id}")
    await page.get_by_role("link", name="I didn't lose anything").wait_for()
    await press(page, "link", "I didn't lose anything")
    await page.get_by_role("heading", name="Object to this?").wait_for()
    await press(page, "button", "Object: stop it now")
    await page.get_by_text("Over").first.wait_for()
    assert (await desk.acme.desk.get(request.id)).stage is Stage.DENIED
