"""Passkeys in a real browser: a copy is noticed, a removed device or passkey is out, a security key joins in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from handlers.verifiers.passkey import COPIED
from tests.browser.site import Site, Visitor, site
from tests.company import ON_DEVICE


@pytest.fixture
async def desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(sqlite_url, tmp_path) as running:
        yield running


async def passkey(visitor: Visitor) -> dict[str, Any]:
    """The one passkey in somebody's authenticator, private key and all, as a thief would have it."""
    held = {"authenticatorId": visitor.authenticator}
    (found,) = (await visitor.cdp.send("WebAuthn.getCredentials", held))["credentials"]
    return dict(found)


async def test_a_copy_of_a_passkey_counts_behind_the_real_one_and_security_hears(
    desk: Site, chromium: Browser
) -> None:
    maya, eve = await desk.visitor(chromium), await desk.visitor(chromium)
    await maya.enrols("maya", "Maya's phone")
    copied = await passkey(maya)
    first = await desk.acme.asks("account_unlock", "maya")
    await maya.page.goto(f"/requests/{first.id}")
    await maya.page.get_by_role("button", name="I asked for this").click()
    await expect(maya.page.get_by_text("Done:")).to_be_visible()

    copy = {"authenticatorId": eve.authenticator, "credential": {**copied, "signCount": 0}}
    await eve.cdp.send("WebAuthn.addCredential", copy)
    await eve.page.goto("/sign-in")
    await eve.page.get_by_role("button", name="Sign in with my passkey").click()
    await expect(eve.page.locator("#told")).to_contain_text("no such device")
    await maya.page.goto("/devices")
    await expect(maya.page.get_by_role("heading", name="My devices")).to_be_visible()
    await desk.acme.worker.drain()
    assert ("security", "alarm", f"maya: {COPIED}") in desk.acme.mailbox.announced


async def test_of_two_devices_the_removed_one_is_out_with_cookie_passkey_and_open_page(
    desk: Site, chromium: Browser
) -> None:
    laptop, phone = await desk.visitor(chromium), await desk.visitor(chromium)
    await laptop.enrols("maya", "Work laptop")
    token = "t" * 43
    await desk.acme.house.registry.invite("maya", token, "CS-00000", first=False)
    await phone.opens(token, "Maya's phone")
    waiting = await desk.acme.asks("password_reset", "maya")
    await laptop.page.goto(f"/requests/{waiting.id}")
    registered = (await desk.acme.house.registry.registration("maya")).live
    gone = next(device for device in registered if device.name == "Work laptop")
    await phone.page.goto(f"/devices/{gone.id}/remove")
    await phone.page.get_by_role("button", name="Remove it").click()
    await phone.page.get_by_role("button", name="I asked for this").click()
    await expect(phone.page.get_by_text("Done:")).to_be_visible()

    status, _ = await laptop.posts(f"/requests/{waiting.id}/passkey/begin", {})
    assert status == 403, "the page that stood open"
    await laptop.page.goto("/devices")
    await expect(laptop.page.get_by_role("heading", name="This browser isn't signed in")).to_be_visible()
    await laptop.page.get_by_role("button", name="Sign in with my passkey").click()
    await expect(laptop.page.locator("#told")).to_contain_text("no such device")
    await phone.page.goto(f"/requests/{waiting.id}")
    await phone.page.get_by_role("button", name="I asked for this").click()
    await expect(phone.page.get_by_role("button", name="Show it now")).to_be_visible()


async def test_of_two_passkeys_on_a_laptop_the_removed_one_is_refused_and_the_other_goes_on(
    desk: Site, chromium: Browser
) -> None:
    maya = await desk.visitor(chromium)
    laptops = await with_a_security_key(desk, maya)
    page, security_key = maya.page, maya.authenticator
    await page.goto("/devices")
    await page.get_by_text("Rename or remove").click()
    await page.get_by_role("link", name="Remove only Key on my key ring").click()
    await expect(page.get_by_role("heading", name="Remove this passkey?")).to_be_visible()
    await page.get_by_role("button", name="Remove it").click()
    await expect(page.get_by_role("button", name="I asked for this")).to_be_visible()
    waiting = page.url.rsplit("/", 1)[1]
    status, begun = await maya.posts(f"/requests/{waiting}/passkey/begin", {})
    assert (status, len(begun["publicKey"]["allowCredentials"])) == (200, 2)
    await page.get_by_role("button", name="I asked for this").click()  # with the key itself
    await expect(page.get_by_text("Done:")).to_be_visible()

    reset = await desk.acme.asks("password_reset", "maya", origin=ON_DEVICE)
    await page.goto(f"/requests/{reset.id}")
    status, begun = await maya.posts(f"/requests/{reset.id}/passkey/begin", {})
    assert (status, len(begun["publicKey"]["allowCredentials"])) == (200, 1)
    anyone = {**begun["publicKey"], "allowCredentials": []}  # whatever our page says, it can still sign
    signed = await page.evaluate(SIGN, anyone)
    status, answer = await maya.posts(f"/requests/{reset.id}/passkey/finish", {"credential": signed})
    assert "couldn't be used" in answer["error"]
    await page.goto("/devices")
    await expect(page.get_by_role("heading", name="My devices")).to_be_visible()
    await expect(page.get_by_text("2 passkeys")).to_have_count(0)

    await maya.cdp.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": security_key})
    added = await maya.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": {**INSIDE, **READY}})
    laptop = {"authenticatorId": added["authenticatorId"], "credential": laptops}
    await maya.cdp.send("WebAuthn.addCredential", laptop)
    await page.goto(f"/requests/{reset.id}")
    await page.get_by_role("button", name="I asked for this").click()
    await expect(page.get_by_role("button", name="Show it now")).to_be_visible()


INSIDE = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
READY = {"isUserVerified": True, "automaticPresenceSimulation": True}
SIGN = """async (asked) => {
    const options = PublicKeyCredential.parseRequestOptionsFromJSON(asked);
    return (await navigator.credentials.get({publicKey: options})).toJSON();
}"""


async def with_a_security_key(desk: Site, maya: Visitor) -> dict[str, Any]:
    """A laptop with a passkey of its own, which is given, and a security key, which is the one that is plugged in."""
    await maya.enrols("maya", "Work laptop")
    laptops = await passkey(maya)
    token = "k" * 43
    await desk.acme.house.registry.invite("maya", token, "CS-00000", first=False)
    await maya.page.goto(f"/enrol/{token}")
    await expect(maya.page.get_by_role("heading", name="Add a passkey to Work laptop")).to_be_visible()
    await maya.page.get_by_role("button", name="Begin on this device").click()
    await maya.page.get_by_label("Name of this passkey").fill("Key on my key ring")
    await maya.cdp.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": maya.authenticator})
    options = {**INSIDE, "transport": "usb", **READY}
    added = await maya.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    maya.authenticator = added["authenticatorId"]
    await maya.page.get_by_role("button", name="Create the passkey").click()
    await maya.without_an_app()
    return laptops


async def test_a_security_key_joins_the_laptop_under_its_own_name(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    await with_a_security_key(desk, maya)
    await maya.page.goto("/devices")
    await expect(maya.page.get_by_text("Can confirm with 2 passkeys")).to_be_visible()
    await expect(maya.page.get_by_text("Key on my key ring: a passkey on this device only")).to_be_visible()
