"""The real service on a real port, for tests that drive it with a browser."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import Browser, BrowserContext, CDPSession, Page

from bot.web.server import make_app
from bot.web.session import COOKIE
from tests.company import Company, Hands, Phone, company

# Keeps a key where our own script looks for it, as little able to be taken out as one that was made there.
KEEP = """async ([name, jwk]) => {
    const key = await crypto.subtle.importKey("jwk", jwk, {name: "ECDSA", namedCurve: "P-256"}, false, ["sign"]);
    await new Promise((resolve, reject) => {
        const opening = indexedDB.open("countersign", 1);
        opening.onupgradeneeded = () => opening.result.createObjectStore("keys");
        opening.onsuccess = () => {
            const work = opening.result.transaction("keys", "readwrite");
            work.objectStore("keys").put(key, name);
            work.oncomplete = () => { opening.result.close(); resolve(); };
            work.onerror = opening.onerror = reject;
        };
    });
}"""


class Now(Hands):
    """The real time: a browser has no other."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Site:
    """A company whose device page is open to browsers."""

    acme: Company
    url: str
    seen: list[str]

    async def visitor(self, browser: Browser, **options: Any) -> Visitor:
        """A browser of somebody's own, with a passkey-capable platform authenticator."""
        context = await browser.new_context(base_url=self.url, **options)
        page = await context.new_page()
        cdp = await context.new_cdp_session(page)
        await cdp.send("WebAuthn.enable", {"enableUI": False})
        added = await cdp.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                    "automaticPresenceSimulation": True,
                }
            },
        )
        return Visitor(self, context, page, cdp, added["authenticatorId"])


@dataclass
class Visitor:
    """One browser."""

    site: Site
    context: BrowserContext
    page: Page
    cdp: CDPSession
    authenticator: str

    async def verifies(self, able: bool) -> None:
        """Whether the fingerprint, face or screen lock is recognised from now on."""
        state = {"authenticatorId": self.authenticator, "isUserVerified": able}
        await self.cdp.send("WebAuthn.setUserVerified", state)

    async def enrols(self, person: str, name: str = "", *, app: bool = False) -> None:
        """Open an enrolment link and register this browser."""
        token = await self.site.acme.house.registry.first_link(person)
        await self.opens(token, name, app=app)

    async def opens(self, token: str, name: str = "", *, app: bool = False) -> None:
        """Go through an enrolment link's pages."""
        page = self.page
        await page.goto(f"/enrol/{token}")
        await page.get_by_role("button", name="Begin on this device").click()
        if name:
            await page.get_by_label("Name of this device").fill(name)
        await page.get_by_role("button", name="Create the passkey").click()
        await page.get_by_role("heading", name="Add a sign-in app").wait_for()
        if not app:
            await self.without_an_app()

    async def without_an_app(self) -> None:
        """The passkey is enough. Waits for where that leads: whoever goes elsewhere before would be held up by it."""
        await self.page.get_by_role("link", name="Do it without an app").click()
        await self.page.get_by_role("heading", name="This device is registered").wait_for()

    async def becomes(self, phone: Phone) -> None:
        """Take over the cookie and the key of a device that was registered without a browser."""
        await self.context.add_cookies([self.cookie_of(phone)])
        await self.page.goto("/sign-in")
        await self.page.evaluate(KEEP, [phone.key.name, phone.key.jwk])

    def cookie_of(self, phone: Phone) -> Any:
        """The cookie of a device, as a browser keeps it."""
        where = {"domain": "localhost", "path": "/", "secure": True, "httpOnly": True, "sameSite": "Lax"}
        return {"name": COOKIE, "value": phone.cookie, **where}

    async def goes(self, path: str) -> None:
        """Type an address, and wait until this browser has shown who it is."""
        await self.page.goto(path)
        await self.arrived()

    async def arrived(self) -> None:
        """The page that was asked for is here, no longer the one before it."""
        await self.page.wait_for_function("!document.querySelector('[data-show]')")

    async def posts(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        """What our own script would send, or something like it; gives the status and the JSON."""
        script = """async ([path, body, headers]) => {
            const token = document.querySelector('meta[name="csrf"]').content;
            const text = JSON.stringify(body), proof = await browserKey.sign("POST", path, text);
            const sent = {"Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": token,
                          "X-Proof": proof};
            const answer = await fetch(path, {method: "POST", headers: {...sent, ...headers}, body: text});
            return [answer.status, await answer.json().catch(() => null)];
        }"""
        await self.arrived()
        status, answer = await self.page.evaluate(script, [path, body, headers])
        return status, answer

    async def answers(self, path: str) -> Any:
        """Begin a passkey ceremony for a request and give the credential instead of sending it."""
        script = """async (path) => {
            const token = document.querySelector('meta[name="csrf"]').content;
            const proof = await browserKey.sign("POST", path + "/passkey/begin", "{}");
            const headers = {"Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": token,
                             "X-Proof": proof};
            const begun = await (await fetch(path + "/passkey/begin", {method: "POST", headers, body: "{}"})).json();
            const asked = PublicKeyCredential.parseRequestOptionsFromJSON(begun.publicKey);
            return (await navigator.credentials.get({publicKey: asked})).toJSON();
        }"""
        await self.arrived()
        return await self.page.evaluate(script, path)


@contextlib.asynccontextmanager
async def look_alike() -> AsyncIterator[str]:
    """Somebody else's page on another port of the same host."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>Countersign</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0)
    await server.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://localhost:{port}/"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def site(database_url: str, folder: Path, **settings: object) -> AsyncIterator[Site]:
    """A company with its pages served, its worker working and its clock ticking."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://localhost:{port}"
    bind = f"127.0.0.1:{port}"
    async with company(database_url, folder, hands=Now(), public_url=url, bind=bind, **settings) as acme:
        seen: list[str] = []
        runner = web.AppRunner(make_app(acme.house), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        worker = asyncio.create_task(acme.worker.run())
        acme.house.clock.start()
        try:
            yield Site(acme, url, seen)
        finally:
            acme.house.clock.stop()
            worker.cancel()
            await runner.cleanup()
            await acme.worker.rest()
