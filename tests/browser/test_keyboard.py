"""The device page without a mouse, without script, in the dark and on a very small screen."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from flows.model import Stage
from tests.browser import preview
from tests.browser.keyboard import LOOK, fill, focused, press, sound, tab_to
from tests.browser.site import Site, site


@pytest.fixture
async def desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(sqlite_url, tmp_path) as running:
        yield running


async def test_a_password_is_reset_with_the_keyboard_alone(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    await maya.enrols("maya", "Maya's phone")
    page = maya.page
    await maya.goes("/")
    await sound(page, "My requests")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await press(page, "link", "Password reset")
    await page.get_by_role("button", name="Ask for it").wait_for()
    await sound(page, "Password reset")
    await press(page, "button", "Ask for it")

    yes = page.get_by_role("button", name="I asked for this")
    await yes.wait_for()
    await sound(page, "Confirm password reset")
    await maya.verifies(False)
    await press(page, "button", "I asked for this", "Space")
    await focused(page, page.locator("#told"))  # what went wrong is where the reader is now
    assert await page.locator("#told").get_attribute("role") == "alert"
    await expect(page.locator("#told")).to_contain_text("Nothing was changed")
    await maya.verifies(True)
    await press(page, "button", "I asked for this", "Space")

    await press(page, "button", "Show it now")
    await page.locator("#secret").wait_for()
    await sound(page, "Temporary password, shown once")
    await tab_to(page, page.get_by_role("button", name="Copy it"))
    password = await page.locator("#secret").inner_text()
    assert await desk.acme.directory.bind("maya.lindqvist", password)
    await press(page, "link", "I've got it")
    await expect(page).to_have_title("My requests · Countersign")


async def test_the_codes_are_typed_and_a_wrong_one_is_found_at_once(desk: Site, chromium: Browser) -> None:
    phone = await desk.acme.enrolled("maya", passkey=False)
    request = await desk.acme.asks("password_reset", "maya")
    _, number = await desk.acme.desk.number(request.id)
    maya = await desk.visitor(chromium)
    await maya.becomes(phone)
    page = maya.page
    await page.goto(f"/requests/{request.id}")
    await fill(page, "Number from where you asked", number)
    await fill(page, "Code from your sign-in app", "000 000")
    await page.keyboard.press("Enter")

    code = page.get_by_label("Code from your sign-in app")
    await sound(page, "Something to change: Confirm password reset")
    await focused(page, code)
    assert await code.get_attribute("aria-invalid") == "true"
    await expect(code).to_have_accessible_description(re.compile("4 tries left"))
    await expect(page.get_by_label("Number from where you asked")).to_have_value(f"{number[:3]} {number[3:]}")
    await page.keyboard.type(phone.code(desk.acme.hands()))
    await page.keyboard.press("Enter")
    await press(page, "button", "Show it now")
    assert await desk.acme.directory.bind("maya.lindqvist", await page.locator("#secret").inner_text())


async def test_what_nobody_asked_for_is_stopped_with_the_keyboard(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    await maya.enrols("maya")
    request = await desk.acme.asks("password_reset", "maya")
    page = maya.page
    await page.goto(f"/requests/{request.id}")
    await press(page, "link", "Someone told me to")
    stop = page.get_by_role("button", name="Stop it and tell security")
    await stop.wait_for()
    await sound(page, "You didn't ask for this?")
    await press(page, "button", "Stop it and tell security", "Space")
    await expect(page.get_by_text("security knows")).to_be_visible()
    assert "stopped" in (await page.title()).lower()
    assert await page.evaluate(LOOK) == []
    assert (await desk.acme.desk.get(request.id)).stage is Stage.DISOWNED


async def test_without_script_a_page_says_what_is_needed_and_shows_nothing(
    desk: Site, chromium: Browser
) -> None:
    phone = await desk.acme.enrolled("maya")
    request = await desk.acme.asks("password_reset", "maya")
    maya = await desk.visitor(chromium, java_script_enabled=False)
    await maya.context.add_cookies([maya.cookie_of(phone)])
    for path in ("/", "/devices", f"/requests/{request.id}"):
        await maya.page.goto(path)
        await expect(maya.page.get_by_role("heading", name="One moment")).to_be_visible()
        content = await maya.page.content()
        assert ("This page needs JavaScript" in content, "Maya" in content) == (True, False)


async def test_every_page_fits_a_small_dark_screen(tmp_path: Path, chromium: Browser) -> None:
    """Every page in every state, 320 px wide, with everything unfolded and names that don't break by themselves."""
    look = {"color_scheme": "dark", "viewport": {"width": 320, "height": 640}}
    page = await (await chromium.new_context(**look)).new_page()  # type: ignore[arg-type]
    wrong, titles = {}, {}
    for each in preview.pages():
        path = preview.render(*each, tmp_path)
        long = path.read_text().replace("Lindqvist", "Lindqvist-Schwarzenberger-Fürstenau")
        path.write_text(
            long.replace("Maya's phone", "M" * 40).replace("Work laptop", "Arbeitsplatzrechner" * 2)
        )
        await page.goto(path.as_uri())
        found = await page.evaluate(LOOK)
        shade = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        if shade != "rgb(17, 20, 24)":
            found.append(f"it isn't dark: {shade}")
        if found:
            wrong[each[0]] = found
        titles[each[0]] = await page.title()
    assert wrong == {}
    states = [
        title
        for name, title in titles.items()
        if name in ("request-done", "request-denied", "request-failed")
    ]
    assert len(set(states)) == 3
    assert len(titles) >= 40
