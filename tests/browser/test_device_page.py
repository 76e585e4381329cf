"""The device page, as people use it and as others try to, in a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest
from playwright.async_api import Browser, expect

from flows.model import Stage
from tests.browser.site import Site, look_alike, site
from tests.company import ON_DEVICE, SHIPPED, TERMINAL


@pytest.fixture
async def desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(sqlite_url, tmp_path) as running:
        yield running


async def test_a_forgotten_password_is_reset_with_a_passkey(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    await maya.enrols("maya", "Maya's phone")
    page = maya.page
    await page.goto("/")
    await page.get_by_role("link", name="Password reset").click()
    await page.get_by_role("button", name="Ask for it").click()
    await expect(page.get_by_text("Maya Lindqvist").first).to_be_visible()
    await page.get_by_role("button", name="I asked for this").click()
    await page.get_by_role("button", name="Show it now").click()
    password = await page.locator("#secret").inner_text()
    assert await desk.acme.directory.bind("maya.lindqvist", password)
    assert password not in page.url
    await page.reload()
    await expect(page.get_by_text(password)).to_have_count(0)


async def test_its_owner_chooses_the_new_password(sqlite_url: str, tmp_path: Path, chromium: Browser) -> None:
    async with site(sqlite_url, tmp_path, playbooks=SHIPPED) as desk:
        maya = await desk.visitor(chromium)
        await maya.enrols("maya", "Maya's phone")
        page = maya.page
        await page.goto("/ask/password_reset")
        await page.get_by_role("button", name="Ask for it").click()
        await page.get_by_role("button", name="I asked for this").click()
        first, again = page.get_by_label("New password"), page.get_by_label("The same once more")
        await first.fill("passwordpassword")
        await again.fill("passwordpassword")
        await page.get_by_role("button", name="Set this password").click()
        await expect(page.get_by_text("too easy to guess")).to_be_visible()
        await expect(first).to_be_focused()
        await expect(first).to_have_value("")
        await first.fill("teal otter quarry kite")
        await again.fill("teal otter quarry kite")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Sign in with the password you chose")).to_be_visible()
        assert "otter" not in await page.content()
        assert await desk.acme.directory.bind("maya.lindqvist", "teal otter quarry kite")


async def test_it_is_reset_with_the_number_and_the_sign_in_app(desk: Site, chromium: Browser) -> None:
    phone = await desk.acme.enrolled("maya", passkey=False)
    request = await desk.acme.asks("password_reset", "maya")
    _, number = await desk.acme.desk.number(request.id)
    maya = await desk.visitor(chromium)
    await maya.becomes(phone)
    page = maya.page
    await page.goto(f"/requests/{request.id}")
    await page.get_by_label("Number from where you asked").fill("000000" if number != "000000" else "111111")
    await page.get_by_label("Code from your sign-in app").fill(phone.code(desk.acme.hands()))
    await page.get_by_role("button", name="Confirm with these").click()
    await expect(page.get_by_text("2 tries left")).to_be_visible()
    await page.get_by_label("Number from where you asked").fill(number)
    await page.get_by_label("Code from your sign-in app").fill(phone.code(desk.acme.hands()))
    await page.get_by_role("button", name="Confirm with these").click()
    await page.get_by_role("button", name="Show it now").click()
    password = await page.locator("#secret").inner_text()
    assert await desk.acme.directory.bind("maya.lindqvist", password)


async def test_without_user_verification_nothing_is_proved(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    await maya.enrols("maya")
    request = await desk.acme.asks("password_reset", "maya")
    await maya.verifies(False)
    await maya.page.goto(f"/requests/{request.id}")
    await maya.page.get_by_role("button", name="I asked for this").click()
    await expect(maya.page.locator("#told")).to_contain_text("Nothing was changed")
    assert (await desk.acme.desk.get(request.id)).stage is Stage.AWAITING_PROOF


async def test_an_answer_is_good_for_its_own_request_once(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    await maya.enrols("maya")
    reset = await desk.acme.asks("password_reset", "maya", origin=ON_DEVICE)
    unlock = await desk.acme.asks("account_unlock", "maya", origin=ON_DEVICE)
    await maya.page.goto(f"/requests/{unlock.id}")
    credential = await maya.answers(f"/requests/{unlock.id}")
    await maya.answers(f"/requests/{reset.id}")  # a challenge stands open there, too
    finish = {"credential": credential}
    status, answer = await maya.posts(f"/requests/{reset.id}/passkey/finish", finish)
    assert "couldn't be used" in answer["error"]
    assert (await desk.acme.desk.get(reset.id)).stage is Stage.AWAITING_PROOF
    status, answer = await maya.posts(f"/requests/{unlock.id}/passkey/finish", finish)
    assert (status, answer["location"]) == (200, f"/requests/{unlock.id}")
    status, answer = await maya.posts(f"/requests/{unlock.id}/passkey/finish", finish)
    assert status == 409
    assert answer["error"]


async def test_another_persons_passkey_proves_nothing(desk: Site, chromium: Browser) -> None:
    maya, eve = await desk.visitor(chromium), await desk.visitor(chromium)
    await maya.enrols("maya")
    await eve.enrols("eve")
    request = await desk.acme.asks("password_reset", "maya")
    own = await desk.acme.asks("password_reset", "eve")
    await eve.page.goto(f"/requests/{own.id}")
    stolen = await eve.answers(f"/requests/{own.id}")
    await maya.page.goto(f"/requests/{request.id}")
    await maya.answers(f"/requests/{request.id}")
    _, answer = await maya.posts(f"/requests/{request.id}/passkey/finish", {"credential": stolen})
    assert "couldn't be used" in answer["error"]
    await eve.page.goto(f"/requests/{request.id}")
    await expect(eve.page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    status, _ = await eve.posts(f"/requests/{request.id}/passkey/begin", {})
    assert status == 409


async def test_an_answer_given_on_another_origin_proves_nothing(desk: Site, chromium: Browser) -> None:
    """A look-alike on another port shares the passkey's host, so the browser would sign for it."""
    maya = await desk.visitor(chromium)
    await maya.enrols("maya")
    request = await desk.acme.asks("password_reset", "maya")
    await maya.page.goto(f"/requests/{request.id}")
    _, begun = await maya.posts(f"/requests/{request.id}/passkey/begin", {})
    async with look_alike() as elsewhere:
        await maya.page.goto(elsewhere)
        script = """async (asked) => {
            const options = PublicKeyCredential.parseRequestOptionsFromJSON(asked);
            return (await navigator.credentials.get({publicKey: options})).toJSON();
        }"""
        lured = await maya.page.evaluate(script, begun["publicKey"])
    await maya.page.goto(f"/requests/{request.id}")
    _, answer = await maya.posts(f"/requests/{request.id}/passkey/finish", {"credential": lured})
    assert "couldn't be used" in answer["error"]
    assert (await desk.acme.desk.get(request.id)).stage is Stage.AWAITING_PROOF


async def test_somebody_who_didnt_ask_stops_it_and_security_hears(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    await maya.enrols("maya")
    request = await desk.acme.asks("password_reset", "maya", origin=TERMINAL)
    await maya.page.goto(f"/requests/{request.id}")
    await maya.page.get_by_role("link", name="Someone told me to").click()
    await maya.page.get_by_role("button", name="Stop it and tell security").click()
    await expect(maya.page.get_by_text("security knows")).to_be_visible()
    assert (await desk.acme.desk.get(request.id)).stage is Stage.DISOWNED


async def test_a_second_device_is_added_and_the_first_removed(desk: Site, chromium: Browser) -> None:
    laptop, phone = await desk.visitor(chromium), await desk.visitor(chromium)
    await laptop.enrols("maya", "Work laptop")
    page = laptop.page
    await page.goto("/devices")
    await page.get_by_role("link", name="Add another device").click()
    await page.get_by_role("button", name="Ask for it").click()
    await page.get_by_role("button", name="I asked for this").click()
    await page.get_by_role("button", name="Show it now").click()
    link = await page.locator("#secret").inner_text()
    await phone.opens(link.rsplit("/", 1)[1], "Maya's phone")
    await phone.page.goto("/devices")
    await expect(phone.page.get_by_text("Work laptop").first).to_be_visible()
    laptop_id = next(
        d.id for d in (await desk.acme.house.registry.registration("maya")).live if d.name == "Work laptop"
    )
    await phone.page.goto(f"/devices/{laptop_id}/remove")
    await phone.page.get_by_role("button", name="Remove it").click()
    await phone.page.get_by_role("button", name="I asked for this").click()
    await expect(phone.page.get_by_text("Done:")).to_be_visible()
    await page.goto("/")
    await expect(page.get_by_role("heading", name="This browser isn't signed in")).to_be_visible()


async def test_a_lost_cookie_is_renewed_with_the_devices_own_passkey(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    await maya.enrols("maya")
    await maya.context.clear_cookies()
    await maya.page.goto("/devices")
    await maya.page.get_by_role("button", name="Sign in with my passkey").click()
    await expect(maya.page.get_by_role("heading", name="My devices")).to_be_visible()


async def test_a_sign_in_app_is_added_in_the_same_sitting(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    await maya.enrols("maya", app=True)
    await maya.page.get_by_text("I can't scan it").click()
    seed = (await maya.page.locator("#key").inner_text()).replace(" ", "")
    code = maya.page.get_by_label("Code from the app")
    await code.fill("12345")
    await code.fill(pyotp.TOTP(seed).at(desk.acme.hands()))
    await maya.page.get_by_role("button", name="Add the app").click()
    await expect(maya.page.get_by_role("heading", name="This device is registered")).to_be_visible()
    assert len((await desk.acme.house.registry.registration("maya")).methods) == 2
