"""Notifications in a real browser: the switch on the page, and what the service worker shows and opens.

Chromium can't subscribe without its maker's push service, so `subscribe` alone is answered by the test, with a
subscription at a push service that isn't ours; all that follows is real, and what that service decrypted is what is
delivered to the worker.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Worker, expect

from bot.journal import Everywhere
from bot.push import Pusher
from flows.model import Origin, Request
from handlers import vapid
from handlers.house import House
from tests.browser.site import Site, Visitor, site
from tests.browser.test_keyboard import LOOK
from tests.peers.web_push import PushService

KEY = vapid.new()
SETTINGS = {"vapid_key": KEY, "vapid_contact": "mailto:desk@example.com"}
#: What is delivered to a worker that is still being activated is lost.
ACTIVATED = """async () => {
    const { active } = await navigator.serviceWorker.ready;
    while (active.state !== "activated") await new Promise((next) => { active.onstatechange = next; });
}"""
#: Whether any notification stands there within five seconds.
STANDS = """async () => {
    const { getNotifications } = ServiceWorkerRegistration.prototype;
    const registration = await navigator.serviceWorker.ready;
    const until = performance.now() + 5000;
    while (performance.now() < until) {
        if ((await getNotifications.call(registration)).length) return true;
        await new Promise(requestAnimationFrame);
    }
    return false;
}"""
SOON = 30  # seconds, for a machine with much else to do
IN_SLACK = Origin("slack", "T0ACME", "U0MAYA", "D0MAYA")

#: What stands in for the maker's push service: the browser's part of a subscription, kept as long as the page.
SUBSCRIBES = """(given) => {
    let now = null;
    const made = { toJSON: () => given, unsubscribe: async () => { now = null; return true; } };
    PushManager.prototype.getSubscription = async () => now;
    PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
        if (!userVisibleOnly || applicationServerKey.length !== 65) throw new TypeError("not as Chromium wants it");
        window.subscribed = (window.subscribed || 0) + 1;
        return (now = made);
    };
}"""


class Heard(Pusher):
    """Says when it is done with somebody."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.told: asyncio.Queue[str] = asyncio.Queue()

    async def tell(self, person: str, notice: str, request: Request) -> None:
        await super().tell(person, notice, request)
        self.told.put_nowait(person)


@dataclass
class Desk(Site):
    """A site that notifies devices."""

    pusher: Heard

    async def pushed(self) -> None:
        """Until somebody has been told."""
        async with asyncio.timeout(SOON):
            await self.pusher.told.get()


@pytest.fixture
async def desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with site(sqlite_url, tmp_path, **SETTINGS) as running:
        pusher = Heard(running.acme.house)
        running.acme.worker.messenger = Everywhere(running.acme.mailbox, pusher)
        try:
            yield Desk(running.acme, running.url, running.seen, pusher)
        finally:
            await pusher.close()


async def owner(desk: Desk, chromium: Browser) -> Visitor:
    """Maya at her device page, in a browser that lets us notify her."""
    maya = await desk.visitor(chromium)
    await maya.context.grant_permissions(["notifications"], origin=desk.url)
    await maya.enrols("maya", "Maya's phone")
    return maya


async def delivers(maya: Visitor, data: str) -> None:
    """The browser's own push service has something for the worker, which is at work by then."""
    await maya.page.evaluate(ACTIVATED)
    registrations: list[Any] = []
    found = asyncio.Event()

    def seen(event: Any) -> None:
        registrations.extend(event["registrations"])
        if registrations:
            found.set()

    session = await maya.context.new_cdp_session(maya.page)  # one of its own, which is told what there is
    session.on("ServiceWorker.workerRegistrationUpdated", seen)
    await session.send("ServiceWorker.enable")
    async with asyncio.timeout(SOON):
        await found.wait()
    about = {"origin": maya.site.url, "registrationId": registrations[0]["registrationId"], "data": data}
    for _ in range(
        5
    ):  # a browser without a push service now and then loses what is handed to it by its debugger
        await session.send("ServiceWorker.deliverPushMessage", about)
        if await maya.page.evaluate(STANDS):
            break
    await session.detach()


async def shown(maya: Visitor, count: int = 1, body: str = "") -> list[dict[str, Any]]:
    """The notifications that stand there, once there are so many, and the first says so."""
    script = """async ([count, body]) => {
        const { getNotifications } = ServiceWorkerRegistration.prototype;
        const registration = await navigator.serviceWorker.ready;
        for (;;) {
            const found = await getNotifications.call(registration);
            if (found.length === count && (!body || found[0].body === body)) return found.map((each) => ({
                title: each.title, body: each.body, tag: each.tag, stays: each.requireInteraction,
                buttons: each.actions.length, path: each.data.path }));
            await new Promise(requestAnimationFrame);
        }
    }"""
    async with asyncio.timeout(SOON):
        found: list[dict[str, Any]] = await maya.page.evaluate(script, [count, body])
    return found


async def taps(maya: Visitor) -> list[str]:
    """Tap the notification; gives what the worker does about it.

    A browser moves windows for a real tap only, and nobody can tap what a browser without a screen shows: so the two
    ways to do it are answered by the test, and the worker's own listener runs.
    """
    script = """async () => {
        const [notification] = await self.registration.getNotifications();
        const event = new NotificationEvent("notificationclick", { notification });
        const done = new Promise((resolve) => {
            Clients.prototype.openWindow = async (url) => resolve(["opens", url]);
            WindowClient.prototype.focus = async function () { resolve(["focuses", this.url]); };
        });
        self.dispatchEvent(event);
        return done;
    }"""
    found: list[str] = await (await worker(maya)).evaluate(script)
    return found


async def worker(maya: Visitor) -> Worker:
    """The page's service worker."""
    running = maya.context.service_workers
    return running[0] if running else await maya.context.wait_for_event("serviceworker")


async def switched_on(desk: Desk, maya: Visitor, service: PushService) -> Mapping[str, Any]:
    """Press the button; gives the subscription that the page told the server."""
    there = service.subscribes(vapid.public(KEY))
    await maya.page.add_init_script(f"({SUBSCRIBES})({json.dumps(dict(there))})")
    await maya.page.goto("/devices")
    await maya.page.get_by_role("button", name="Notify me on this device").click()
    await expect(maya.page.get_by_role("button", name="Stop notifying me")).to_be_focused()
    assert [each.endpoint for each in await desk.acme.house.subscriptions.of("maya")] == [there["endpoint"]]
    return there


async def test_a_tap_on_the_notification_leads_to_the_request(
    desk: Desk, chromium: Browser, push_service: PushService
) -> None:
    maya = await owner(desk, chromium)
    there = await switched_on(desk, maya, push_service)
    request = await desk.acme.asks("password_reset", "maya", origin=IN_SLACK)
    await desk.pushed()
    (sent,) = push_service.received(there)
    await delivers(maya, json.dumps(sent))
    assert await shown(maya) == [
        {
            "title": "Password reset",
            "body": "Asked in Slack, just now. Nothing happens until you confirm.",
            "tag": request.id,
            "stays": True,
            "buttons": 0,
            "path": f"/requests/{request.id}",
        }
    ]
    await delivers(maya, json.dumps({**sent, "body": "Asked in Slack, 2 minutes ago."}))
    await shown(maya, 1, "Asked in Slack, 2 minutes ago.")  # a newer one takes the place of an older
    assert await taps(maya) == ["opens", f"{desk.url}/requests/{request.id}"]
    assert await shown(maya, 0) == []


async def test_the_page_that_is_open_already_is_brought_to_the_front(
    desk: Desk, chromium: Browser, push_service: PushService
) -> None:
    maya = await owner(desk, chromium)
    await switched_on(desk, maya, push_service)
    request = await desk.acme.asks("password_reset", "maya")
    await maya.page.goto(f"/requests/{request.id}")
    await maya.page.get_by_role("button", name="I asked for this").wait_for()  # past the page that signs
    await delivers(maya, json.dumps({"title": "Password reset", "body": "", "name": request.id}))
    await shown(maya)
    assert await taps(maya) == ["focuses", f"{desk.url}/requests/{request.id}"]


@pytest.mark.parametrize(
    "data", ["", "no JSON", "{}", '{"title": "x", "body": "y", "name": "//evil.example"}']
)
async def test_what_cant_be_read_leads_to_the_first_page(
    desk: Desk, chromium: Browser, push_service: PushService, data: str
) -> None:
    """Something has to be shown: a browser takes the permission away for a push that shows nothing."""
    maya = await owner(desk, chromium)
    await switched_on(desk, maya, push_service)
    await delivers(maya, data)
    (found,) = await shown(maya)
    assert (found["title"], found["path"]) == ("Countersign", "/")


async def test_it_stays_on_until_it_is_switched_off(
    desk: Desk, chromium: Browser, push_service: PushService
) -> None:
    maya = await owner(desk, chromium)
    await switched_on(desk, maya, push_service)
    await maya.page.get_by_role("button", name="Stop notifying me").click()
    await expect(maya.page.get_by_role("button", name="Notify me on this device")).to_be_focused()
    assert await desk.acme.house.subscriptions.of("maya") == []
    assert await maya.page.evaluate(LOOK) == []


async def test_a_subscription_that_the_browser_lost_isnt_called_on(
    desk: Desk, chromium: Browser, push_service: PushService
) -> None:
    maya = await owner(desk, chromium)
    await switched_on(desk, maya, push_service)
    await maya.page.reload()  # the stand-in for the maker's service is made anew, and has forgotten it
    await expect(maya.page.get_by_role("button", name="Notify me on this device")).to_be_visible()


async def test_a_subscription_that_is_replaced_is_told_to_us(
    desk: Desk, chromium: Browser, push_service: PushService
) -> None:
    maya = await owner(desk, chromium)
    await switched_on(desk, maya, push_service)
    moved = push_service.subscribes(vapid.public(KEY))
    running = await worker(maya)
    script = """async (given) => {
        PushManager.prototype.subscribe = async (wanted) => {
            if (wanted.applicationServerKey.length !== 65) throw new TypeError("not as Chromium wants it");
            return { toJSON: () => given };
        };
        const event = new ExtendableEvent("pushsubscriptionchange");
        const done = new Promise((resolve) => { event.waitUntil = resolve; });
        self.dispatchEvent(event);
        await (await done);
    }"""
    await running.evaluate(script, dict(moved))
    assert [each.endpoint for each in await desk.acme.house.subscriptions.of("maya")] == [moved["endpoint"]]


async def test_a_push_service_that_cant_be_reached_is_told_plainly(desk: Desk, chromium: Browser) -> None:
    maya = await owner(desk, chromium)
    await maya.page.goto("/devices")
    await maya.page.get_by_role("button", name="Notify me on this device").click()
    await expect(maya.page.get_by_text("push service didn't take it")).to_be_focused()
    assert await desk.acme.house.subscriptions.of("maya") == []


async def test_a_browser_that_blocks_it_is_told_what_to_do(desk: Desk, chromium: Browser) -> None:
    maya = await desk.visitor(chromium)
    await maya.context.grant_permissions(["geolocation"], origin=desk.url)  # and no other
    await maya.enrols("maya")
    await maya.page.goto("/devices")
    await expect(maya.page.get_by_text("This browser blocks notifications")).to_be_visible()
    await expect(maya.page.get_by_role("button", name="Notify me")).to_have_count(0)


async def test_a_browser_that_cant_is_told_where_it_can(desk: Desk, chromium: Browser) -> None:
    maya = await owner(desk, chromium)
    await maya.page.add_init_script("delete window.PushManager")
    await maya.page.goto("/devices")
    await expect(maya.page.get_by_text("This browser can't be notified")).to_be_visible()
    assert await maya.page.evaluate(LOOK) == []
