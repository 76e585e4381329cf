"""The ways in, and the way to make a wait shorter, with the keyboard alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from flows.model import Stage
from tests.browser.keyboard import fill, focused, press, sound, tab_to
from tests.browser.site import Site, site
from tests.peers import emulate


@pytest.fixture
async def desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(sqlite_url, tmp_path) as running:
        yield running


async def registers(page: Page, name: str) -> None:
    """From naming the device to the page that says that it is registered."""
    field = page.get_by_label("Name of this device")
    await sound(page, "Name this device")
    await focused(page, field)
    await page.keyboard.press("Control+A")
    await page.keyboard.type(name)
    await page.keyboard.press("Enter")
    await sound(page, "Add a sign-in app")
    await press(page, "link", "Do it without an app")
    await sound(page, "Device registered")


@pytest.mark.emulate
async def test_somebody_joins_with_their_company_account(
    sqlite_url: str, tmp_path: Path, chromium: Browser
) -> None:
    sign_on = emulate.SignOn(emulate.free_port())
    async with site(sqlite_url, tmp_path, **sign_on.settings) as desk:
        with emulate.signing_on(sign_on, f"{desk.url}/join/return", {"maya": "Maya Lindqvist"}):
            page = (await desk.visitor(chromium)).page
            await page.goto("/sign-in")
            await press(page, "link", "Join with my company account")
            await sound(page, "Join")
            await press(page, "button", "Sign on with your company account")
            theirs = page.get_by_role("button", name="Maya Lindqvist")
            await theirs.focus()  # how one gets there is up to the company's sign-on
            await page.keyboard.press("Enter")
            await registers(page, "Maya's laptop")
            await press(page, "link", "Go to my requests")
            await expect(page).to_have_title("My requests · Countersign")
            (device,) = (await desk.acme.house.registry.registration("maya")).live
            assert device.name == "Maya's laptop"


@pytest.mark.emulate
async def test_somebody_who_cant_join_reads_why_and_finds_the_way_on(
    sqlite_url: str, tmp_path: Path, chromium: Browser
) -> None:
    sign_on = emulate.SignOn(emulate.free_port())
    async with site(sqlite_url, tmp_path, **sign_on.settings) as desk:
        with emulate.signing_on(sign_on, f"{desk.url}/join/return", {"visitor": "Vera Visitor"}):
            page = (await desk.visitor(chromium)).page
            await page.goto("/join")
            await press(page, "button", "Sign on with your company account", "Space")
            theirs = page.get_by_role("button", name="Vera Visitor")
            await theirs.focus()
            await page.keyboard.press("Enter")
            await sound(page, "Not joined")
            await tab_to(page, page.get_by_role("button", name="Begin again"))
            await press(page, "link", "Go to the start page")
            await expect(page).to_have_title("Sign in · Countersign")


async def test_a_first_device_is_prepared_by_one_person_confirmed_by_another_and_registered_by_a_third(
    desk: Site, chromium: Browser
) -> None:
    sam, omar = await desk.visitor(chromium), await desk.visitor(chromium)
    await sam.enrols("sam")
    await omar.enrols("omar")
    await sam.page.goto("/")
    await press(sam.page, "link", "Device enrolment")
    await sam.page.get_by_role("button", name="Ask for it").wait_for()
    await sound(sam.page, "Device enrolment")
    await fill(sam.page, "Whom is it for?", "maya.lindqvist")
    await press(sam.page, "button", "Ask for it")
    await sound(sam.page, "Confirm device enrolment")
    await press(sam.page, "button", "I asked for this")
    await expect(sam.page.locator(".status")).to_contain_text("Waiting")

    (request,) = await desk.acme.desk.concerning("maya")
    await omar.page.goto(f"/requests/{request.id}")
    await omar.page.get_by_role("button", name="Approve").wait_for()
    await sound(omar.page, "Approve device enrolment?")
    await press(omar.page, "button", "Approve")

    await press(sam.page, "button", "Show it now")  # the page has noticed by itself
    await sam.page.locator("#secret").wait_for()
    await sound(sam.page, "Enrolment link, shown once")
    link = await sam.page.locator("#secret").inner_text()
    await press(sam.page, "link", "I passed it on")
    await expect(sam.page).to_have_title("My requests · Countersign")

    maya = (await desk.visitor(chromium)).page
    await maya.goto(link)
    await sound(maya, "Register this device")
    await press(maya, "button", "Begin on this device")
    await registers(maya, "Maya's phone")
    (device,) = (await desk.acme.house.registry.registration("maya")).live
    assert device.name == "Maya's phone"


async def test_security_shortens_a_wait(desk: Site, chromium: Browser) -> None:
    sam = await desk.visitor(chromium)
    await sam.enrols("sam")
    _, ravi, omar = [await desk.acme.enrolled(each) for each in ("maya", "ravi", "omar")]
    request = await desk.acme.asks("lost_everything", "maya", by="ravi")
    await desk.acme.proves(request, ravi)
    await desk.acme.proves(request, omar)
    assert (await desk.acme.desk.get(request.id)).stage is Stage.AWAITING_OBJECTION
    page = sam.page
    await page.goto("/")
    await press(page, "link", "Replacement of all devices for Maya Lindqvist")
    await page.get_by_role("button", name="Shorten the wait").wait_for()
    await sam.verifies(False)
    await press(page, "button", "Shorten the wait")
    await focused(page, page.locator("#told"))
    assert (await desk.acme.desk.get(request.id)).stage is Stage.AWAITING_OBJECTION
    await sam.verifies(True)
    await press(page, "button", "Shorten the wait", "Space")
    await expect(page.locator(".stage")).to_contain_text("look at the enrolment link")
    assert (await desk.acme.desk.get(request.id)).stage is Stage.AWAITING_COLLECTION
