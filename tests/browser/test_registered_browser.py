"""A registered browser signs by itself, without anybody noticing; its copied cookie is worth nothing elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest
from playwright.async_api import Browser, expect

from flows.model import Stage
from tests.browser.site import Site, Visitor, site

SIGN_IN = "This browser isn't signed in"


@pytest.fixture
async def desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with site(sqlite_url, tmp_path) as running:
        yield running


def asked_for(visitor: Visitor) -> list[str]:
    """Every page this browser asks for from now on, as method and path."""
    found: list[str] = []
    visitor.page.on(
        "request",
        lambda request: (
            found.append(f"{request.method} {request.url.removeprefix(visitor.site.url)}")
            if request.is_navigation_request()
            else None
        ),
    )
    return found


async def test_a_cookie_copied_to_another_browser_is_refused(desk: Site, chromium: Browser) -> None:
    maya, eve = await desk.visitor(chromium), await desk.visitor(chromium)
    await maya.enrols("maya", "Maya's phone")
    request = await desk.acme.asks("password_reset", "maya")
    path = f"/requests/{request.id}"
    await maya.page.goto(path)
    await maya.page.get_by_role("button", name="I asked for this").click()
    await expect(maya.page.get_by_role("button", name="Show it now")).to_be_visible()

    await eve.context.add_cookies(await maya.context.cookies())  # type: ignore[arg-type]
    for page in ("/", "/devices", path, "/ask/account_unlock"):
        seen = asked_for(eve)
        await eve.page.goto(page)
        await expect(eve.page.get_by_role("heading", name=SIGN_IN)).to_be_visible()
        assert "Maya" not in await eve.page.content()
        assert len(seen) == 2, "one look, then the way to sign in"
    token = await eve.page.locator('meta[name="csrf"]').get_attribute("content")
    script = """async ([path, csrf, copied]) => {
        const body = new URLSearchParams({csrf, number: "123456", code: "123456"});
        const answer = await fetch(path, {method: "POST", body});
        return [answer.status, await answer.text()];
    }"""
    for act in ("/secret", "/code", "/disown", "/cancel"):
        status, text = await eve.page.evaluate(script, [path + act, token, ""])
        assert (status, "secret" in text.replace("/secret", "")) == (403, False), act
    status, answer = await eve.posts(f"{path}/passkey/begin", {})
    assert (status, "publicKey" in answer) == (403, False)
    assert (await desk.acme.desk.get(request.id)).stage is Stage.AWAITING_COLLECTION
    assert await desk.acme.refusals() == ["UnsignedRequest"]

    await maya.page.get_by_role("button", name="Show it now").click()  # who notices nothing of it
    password = await maya.page.locator("#secret").inner_text()
    assert await desk.acme.directory.bind("maya.lindqvist", password)


async def test_inside_the_pages_nobody_waits_for_a_signature(desk: Site, chromium: Browser) -> None:
    """Links, forms and where they lead are signed beforehand; an address that is typed takes one more step."""
    maya = await desk.visitor(chromium)
    await maya.enrols("maya", "Maya's phone")
    page, seen = maya.page, asked_for(maya)
    await page.get_by_role("link", name="Go to my requests").click()
    await page.get_by_role("link", name="Account unlock").click()
    await page.get_by_role("button", name="Ask for it").click()
    await page.get_by_role("button", name="I asked for this").wait_for()
    path = page.url.removeprefix(desk.url)
    assert seen == ["GET /", "GET /ask/account_unlock", "POST /ask/account_unlock", f"GET {path}"]
    await page.get_by_role("link", name="Cancel it").click()
    await page.get_by_role("button", name="Cancel it").click()
    await page.get_by_text("Cancelled").first.wait_for()
    assert seen[4:] == [f"GET {path}/cancel", f"POST {path}/cancel", f"GET {path}"]
    await page.goto("/devices")
    await expect(page.get_by_role("heading", name="My devices")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="My devices")).to_be_visible()
    assert seen[7:] == ["GET /devices"] * 4
    await page.go_back()
    await expect(page.get_by_text("Cancelled").first).to_be_visible()


async def test_what_is_typed_arrives_as_it_was_signed(desk: Site, chromium: Browser) -> None:
    """Umlauts, signs and line ends: what the script signs is what the browser sends."""
    maya = await desk.visitor(chromium)
    await maya.enrols("maya", "Maya's phone")
    page = maya.page
    for name in ("Mäyas 📱 + 100 % & co.", "a=b;c~d*e-f_g.h!'()", "日本 \u00a0x"):
        await maya.goes("/devices")
        await page.get_by_text("Rename or remove").click()
        await page.get_by_label("New name").fill(name)
        await page.get_by_role("button", name="Rename", exact=True).click()
        await expect(page.get_by_text(" ".join(name.split())).first).to_be_visible()
    field = """() => {
        const form = document.querySelector("main form");
        const area = Object.assign(document.createElement("textarea"), {name: "more"});
        area.value = "one\\ntwo\\r\\nthree\\rfour";
        form.append(area);
    }"""
    await page.get_by_text("Rename or remove").click()
    await page.evaluate(field)
    await page.get_by_label("New name").fill("With lines")
    await page.get_by_role("button", name="Rename", exact=True).click()
    await expect(page.get_by_text("With lines").first).to_be_visible()


async def test_a_browser_that_lost_its_key_is_led_to_sign_in_and_nowhere_else(
    desk: Site, chromium: Browser
) -> None:
    maya = await desk.visitor(chromium)
    await maya.enrols("maya", "Maya's phone")
    page = maya.page
    await page.evaluate(
        "() => new Promise((done) => { indexedDB.deleteDatabase('countersign').onsuccess = done; })"
    )
    seen = asked_for(maya)
    await page.goto("/devices")
    await expect(page.get_by_role("heading", name=SIGN_IN)).to_be_visible()
    await page.wait_for_load_state("networkidle")
    assert seen == ["GET /devices", "GET /sign-in?onward=%2Fdevices"]
    await page.get_by_role("button", name="Sign in with my passkey").click()
    await expect(page.get_by_role("heading", name="My devices")).to_be_visible()


async def test_a_key_that_is_no_longer_the_devices_is_tried_once(desk: Site, chromium: Browser) -> None:
    """A browser whose clock or key the server doesn't take must not turn in circles."""
    maya = await desk.visitor(chromium)
    await maya.enrols("maya", "Maya's phone")
    page = maya.page
    swap = """async (name) => {
        const pair = await crypto.subtle.generateKey({name: "ECDSA", namedCurve: "P-256"}, false, ["sign", "verify"]);
        await new Promise((resolve) => {
            const opening = indexedDB.open("countersign", 1);
            opening.onsuccess = () => {
                const work = opening.result.transaction("keys", "readwrite");
                work.objectStore("keys").put(pair.privateKey, name);
                work.oncomplete = () => { opening.result.close(); resolve(); };
            };
        });
    }"""
    await page.evaluate(swap, await page.evaluate("document.documentElement.dataset.key"))
    seen = asked_for(maya)
    await page.goto("/devices")
    await expect(page.get_by_role("heading", name=SIGN_IN)).to_be_visible()
    assert seen == ["GET /devices", "GET /devices", "GET /sign-in?onward=%2Fdevices"]


async def test_the_key_cant_be_taken_out(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    await maya.enrols("maya", "Maya's phone")
    script = """() => new Promise((resolve) => {
        const opening = indexedDB.open("countersign", 1);
        opening.onsuccess = () => {
            const asked = opening.result.transaction("keys").objectStore("keys").getAll();
            asked.onsuccess = async () => {
                const said = [];
                for (const key of asked.result) for (const form of ["jwk", "pkcs8"])
                    said.push(await crypto.subtle.exportKey(form, key).then(() => "taken", (error) => error.name));
                resolve(said);
            };
        };
    })"""
    assert await maya.page.evaluate(script) == ["InvalidAccessError"] * 2


async def test_many_windows_are_opened_at_once(desk: Site, chromium: Browser) -> None:
    """A browser that starts again with all its windows: none of them takes another's signature away."""
    maya = await desk.visitor(chromium)
    await maya.enrols("maya", "Maya's phone")
    windows = [await maya.context.new_page() for _ in range(5)]
    paths = ["/", "/devices", "/ask/account_unlock", "/devices", "/"]
    for window, path in zip(windows, paths, strict=True):
        await window.evaluate(f"location.href = '{desk.url}{path}'")
    for window in windows:
        await expect(window.get_by_role("link", name="Maya Lindqvist")).to_be_visible()


async def test_a_device_with_a_sign_in_app_alone_has_a_key_too(desk: Site, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    token = await desk.acme.house.registry.first_link("maya")
    page = maya.page
    await page.goto(f"/enrol/{token}")
    await page.get_by_role("button", name="Begin on this device").click()
    await page.get_by_text("This browser can't create one").click()
    await page.get_by_role("link", name="Register with a sign-in app alone").click()
    await page.get_by_text("I can't scan it").click()
    seed = (await page.locator("#key").inner_text()).replace(" ", "")
    await page.get_by_label("Name of this device").fill("Maya's phone")
    await page.get_by_label("Code from the app").fill(pyotp.TOTP(seed).now())
    await page.get_by_role("button", name="Register this device").click()
    await expect(page.get_by_role("heading", name="This device is registered")).to_be_visible()
    await page.get_by_role("link", name="Go to my requests").click()
    await expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()
