"""Each way through the device page from its first stop to its end, with the keyboard alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest
from playwright.async_api import Browser, Page, expect

from bot.handles import Handles
from flows.accounts import Account
from flows.model import Request, Stage
from tests.browser.keyboard import fill, focused, press, sound, tab_to
from tests.browser.site import Site, Visitor, site
from tests.company import SHIPPED

WANTED = {"group": "finance-share", "review": "90 days", "justification": "Closing the quarter"}


@pytest.fixture
async def desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(sqlite_url, tmp_path) as running:
        yield running


async def confirms(page: Page, title: str) -> None:
    """The passkey, on the page of a request of one's own."""
    await page.get_by_role("button", name="I asked for this").wait_for()
    await sound(page, title)
    await press(page, "button", "I asked for this")


async def unfolds(page: Page, words: str) -> None:
    """Open what is folded away under these words, without having seen it."""
    await tab_to(page, page.locator("summary", has_text=words))
    await page.keyboard.press("Enter")


async def replaces(page: Page, text: str) -> None:
    """Type over all that stands in the field one is in."""
    await page.keyboard.press("Control+A")
    await page.keyboard.type(text)


async def test_a_device_is_registered_by_link_with_a_passkey_and_an_app(
    desk: Site, chromium: Browser
) -> None:
    maya = await desk.visitor(chromium)
    page = maya.page
    await page.goto(f"/enrol/{await desk.acme.house.registry.first_link('maya')}")
    await sound(page, "Register this device")
    await press(page, "button", "Begin on this device")
    name = page.get_by_label("Name of this device")
    await focused(page, name)
    await sound(page, "Name this device")
    await page.keyboard.press("Control+A")
    await page.keyboard.press("Backspace")
    await page.keyboard.press("Enter")
    await focused(page, name)  # the browser says that it can't stay empty
    await page.keyboard.type("Maya's phone")
    await maya.verifies(False)
    await press(page, "button", "Create the passkey")
    await focused(page, page.locator("#told"))
    await maya.verifies(True)
    await press(page, "button", "Create the passkey", "Space")

    await page.get_by_role("heading", name="Add a sign-in app").wait_for()
    await sound(page, "Add a sign-in app")
    await page.reload()
    await unfolds(page, "I can't scan it")
    seed = (await page.locator("#key").inner_text()).replace(" ", "")
    await fill(page, "Code from the app", "000 000")
    await page.keyboard.press("Enter")
    code = page.get_by_label("Code from the app")
    await expect(page).to_have_title("Something to change: Add a sign-in app · Countersign")
    await focused(page, code)
    await page.keyboard.type(pyotp.TOTP(seed).at(desk.acme.hands()))
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="This device is registered").wait_for()
    await sound(page, "Device registered")
    assert len((await desk.acme.house.registry.registration("maya")).methods) == 2
    await press(page, "link", "Go to my requests")
    await expect(page).to_have_title("My requests · Countersign")


async def test_who_comes_back_signs_in_and_is_where_they_were(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    await maya.enrols("maya")
    await maya.context.clear_cookies()
    await maya.page.goto("/devices")
    await sound(maya.page, "Sign in")
    await press(maya.page, "button", "Sign in with my passkey")
    await expect(maya.page).to_have_title("My devices · Countersign")


async def test_something_is_asked_for_and_taken_back(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    await maya.enrols("maya")
    page = maya.page
    await page.goto("/")
    await press(page, "link", "Group access")
    await page.get_by_label("Which group?").wait_for()
    await sound(page, "Group access")
    await fill(page, "Which group?", "fin")  # as far as it takes to choose one
    await fill(page, "When does somebody look at it again?", "90")
    await fill(page, "Why is it needed?", " ")
    await press(page, "button", "Ask for it")
    await expect(page).to_have_title("Something to change: Group access · Countersign")
    why = page.get_by_label("Why is it needed?")
    await focused(page, why)
    await expect(page.get_by_label("Which group?")).to_have_value("finance-share")
    await replaces(page, "Closing the quarter")
    await press(page, "button", "Ask for it")
    await page.get_by_role("button", name="I asked for this").wait_for()
    await sound(page, "Confirm group access")
    await press(page, "link", "Cancel it")
    await page.get_by_role("button", name="Cancel it").wait_for()
    await sound(page, "Cancel this request?")
    await press(page, "button", "Cancel it")
    await expect(page.locator(".status")).to_contain_text("Cancelled")
    (request,) = await desk.acme.desk.concerning("maya")
    assert request.stage is Stage.CANCELLED


@pytest.fixture
async def asked(desk: Site) -> Request:
    """Maya has asked for a group and shown that it's her; somebody else has to agree."""
    maya = await desk.acme.enrolled("maya")
    request = await desk.acme.asks("group_access", "maya", answers=WANTED)
    await desk.acme.proves(request, maya)
    return request


async def reads(desk: Site, chromium: Browser, person: str, request: Request) -> Visitor:
    """Somebody has opened a request on a device of their own."""
    visitor = await desk.visitor(chromium)
    await visitor.enrols(person)
    await visitor.page.goto(f"/requests/{request.id}")
    await visitor.page.get_by_role("button", name="Approve").wait_for()
    await sound(visitor.page, "Approve group access?")
    return visitor


async def test_somebody_elses_request_is_approved(desk: Site, chromium: Browser, asked: Request) -> None:
    omar = await reads(desk, chromium, "omar", asked)
    await omar.verifies(False)
    await press(omar.page, "button", "Approve")
    await focused(omar.page, omar.page.locator("#told"))
    await omar.verifies(True)
    await press(omar.page, "button", "Approve", "Space")
    await expect(omar.page.locator(".status")).to_contain_text("Done")
    await sound(omar.page, "Group access: done")
    assert (await desk.acme.desk.get(asked.id)).stage is Stage.FULFILLED


async def test_somebody_elses_request_is_denied(desk: Site, chromium: Browser, asked: Request) -> None:
    omar = await reads(desk, chromium, "omar", asked)
    await press(omar.page, "link", "Deny")
    await omar.page.get_by_role("button", name="Deny it").wait_for()
    await sound(omar.page, "Deny this request?")
    await press(omar.page, "button", "Deny it")
    await expect(omar.page.locator(".status")).to_contain_text("Not approved")
    assert (await desk.acme.desk.get(asked.id)).stage is Stage.DENIED


async def test_a_device_is_added_renamed_and_removed(desk: Site, chromium: Browser) -> None:
    maya, phone = await desk.visitor(chromium), await desk.visitor(chromium)
    await maya.enrols("maya", "Work laptop")
    page = maya.page
    await page.goto("/devices")
    await press(page, "link", "Add another device")
    await press(page, "button", "Ask for it")
    await confirms(page, "Confirm another device")
    await press(page, "button", "Show it now")
    await page.locator("#secret").wait_for()
    await sound(page, "Enrolment link, shown once")
    await phone.opens((await page.locator("#secret").inner_text()).rsplit("/", 1)[1], "Maya's phone")

    await page.goto("/devices")
    await unfolds(page, "Rename or remove Work laptop")
    await tab_to(page, page.get_by_label("New name").and_(page.locator(":visible")))
    await page.keyboard.type(" ")
    await page.keyboard.press("Enter")
    await expect(page).to_have_title("Something to change: My devices · Countersign")
    await focused(page, page.locator("[aria-invalid=true]"))
    await replaces(page, "Maya's laptop")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Maya's laptop", exact=True).first).to_be_visible()
    await sound(page, "My devices")

    await page.reload()
    await unfolds(page, "Rename or remove Maya's phone")
    await press(page, "link", "Remove Maya's phone")
    await page.get_by_role("button", name="Remove it").wait_for()
    await sound(page, "Remove Maya's phone?")
    await press(page, "button", "Remove it")
    await confirms(page, "Confirm device removal")
    await expect(page.get_by_text("Done:")).to_be_visible()
    left = (await desk.acme.house.registry.registration("maya")).live
    assert [device.name for device in left] == ["Maya's laptop"]


async def test_a_chat_account_is_connected(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    await maya.enrols("maya")
    page, account = maya.page, Account("slack", "T0ACME", "U0MAYA")
    token = Handles(desk.acme.store.keys).connecting(account, "Maya Lindqvist (@maya)", desk.acme.hands())
    await page.goto(f"/connect/{token}")
    await sound(page, "Is this your Slack account?")
    await press(page, "button", "Yes, it is mine")
    await confirms(page, "Confirm chat account")
    await expect(page.get_by_text("Done:")).to_be_visible()
    assert await desk.acme.house.accounts.owner(account) == "maya"


async def test_a_new_password_is_chosen(sqlite_url: str, tmp_path: Path, chromium: Browser) -> None:
    async with site(sqlite_url, tmp_path, playbooks=SHIPPED) as desk:
        maya = await desk.visitor(chromium)
        await maya.enrols("maya")
        page = maya.page
        await page.goto("/ask/password_reset")
        await press(page, "button", "Ask for it")
        await confirms(page, "Confirm password reset")
        await page.get_by_label("New password").wait_for()
        await sound(page, "Choose your new password")
        await fill(page, "New password", "teal otter quarry kite")
        await fill(page, "The same once more", "teal otter quarry kit")
        await page.keyboard.press("Enter")
        await sound(page, "Something to change: Choose your new password")
        await focused(page, page.get_by_label("The same once more"))
        await page.goto(page.url.removesuffix("/password"))
        await fill(page, "New password", "teal otter quarry kite")
        await fill(page, "The same once more", "teal otter quarry kite")
        await press(page, "button", "Set this password")
        await expect(page.get_by_text("Sign in with the password you chose")).to_be_visible()
        assert await desk.acme.directory.bind("maya.lindqvist", "teal otter quarry kite")
