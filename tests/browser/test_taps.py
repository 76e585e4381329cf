"""How many taps and seconds a forgotten password takes, from the first word in Slack to the new one on the screen.

Run it with `-s` to read the figures: pytest -s tests/browser/test_taps.py
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from playwright.async_api import Browser, Locator, expect

from bot.journal import Everywhere
from bot.slack import Slack
from demo.workspace.installed import Installed
from demo.workspace.serve import serving
from demo.workspace.workspace import Workspace
from demo.workspace.world import World
from tests.browser.site import site
from tests.company import SHIPPED
from tests.office import APP, BOT, SIGNING, settings

MOST_TAPS = 4


class Finger:
    """Presses things and counts."""

    def __init__(self) -> None:
        self.taps = 0

    async def taps_on(self, thing: Locator, **how: object) -> None:
        self.taps += 1
        await thing.click(**how)  # type: ignore[arg-type]


async def test_a_forgotten_password_takes_four_taps_with_a_passkey(
    sqlite_url: str, tmp_path: Path, chromium: Browser
) -> None:
    workspace = Workspace(World(":memory:"), Installed(SIGNING, BOT, APP), "http://localhost:1")
    finger = Finger()
    async with (
        serving(workspace) as address,
        site(sqlite_url, tmp_path, playbooks=SHIPPED, **settings("socket", f"{address}/api/")) as desk,
    ):
        workspace.device_page = desk.url
        slack = Slack(desk.acme.house)
        desk.acme.worker.messenger = Everywhere(desk.acme.mailbox, slack.messenger)
        slack.start()
        await slack.connected()
        try:
            maya = await desk.visitor(chromium)
            await maya.enrols("maya", "Maya's phone")
            await desk.acme.house.accounts.connect("maya", "slack/T0ACME/U0MAYA", "CS-00000")
            chat, phone = await (await chromium.new_context()).new_page(), maya.page
            await chat.goto(address)
            await chat.get_by_role("button", name="Maya").first.click()
            box = chat.get_by_role("textbox").first
            began = time.monotonic()
            await box.fill("I forgot my password")
            await box.press("Enter")
            await finger.taps_on(chat.get_by_role("button", name="Yes, ask for it"))
            link = chat.get_by_role("link", name="Open my device page").last
            await expect(link).to_be_visible()
            finger.taps += 1  # on the link, which opens the registered browser
            await phone.goto(str(await link.get_attribute("href")))
            await finger.taps_on(phone.get_by_role("button", name="I asked for this"))
            password = "teal otter quarry kite"
            await phone.get_by_label("New password").fill(password)
            await phone.get_by_label("The same once more").fill(password)
            await finger.taps_on(phone.get_by_role("button", name="Set this password"))
            await expect(phone.get_by_text("Sign in with the password you chose")).to_be_visible()
            seconds = time.monotonic() - began
            assert await desk.acme.directory.bind("maya.lindqvist", password)
            assert password not in await chat.content()
        finally:
            await slack.stop()
    assert finger.taps <= MOST_TAPS
    sys.stdout.write(f"\n{finger.taps} taps, {seconds:.1f} seconds without a person's thinking\n")
