"""The pictures of docs/pictures, taken of the running demo again.

python -m tests.browser.pictures docs/pictures
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.tourist import Demo, Tourist, running, tourist
from tests.peers import chromium

CRISP = 1.5  # pixels of the picture for each of the page's


async def keep(what: Page | Locator, path: Path) -> None:
    """A picture as it looks at rest; of a part of the page, without the mark of the tour's next step."""
    unmarked = "" if isinstance(what, Page) else ".spot { outline: 0 !important; }"
    await what.screenshot(path=path, animations="disabled", style=unmarked)


async def to_the_phone(visitor: Tourist) -> None:
    """The reset tour, as far as the proof."""
    await visitor.page.locator(".tour").first.click()
    await visitor.lets_it_write()
    await visitor.chat.get_by_role("button", name="Yes, ask for it").last.click()
    await visitor.chat.get_by_role("link", name="Open my device page").last.click()
    await visitor.reads("Show that it's you")
    await expect(visitor.phone.get_by_role("heading", name="Password reset for Maya")).to_be_visible()
    await visitor.page.mouse.move(0, 0)


async def resets(demo: Demo, browser: Browser, folder: Path) -> None:
    """The workspace in the middle of a reset: light, then dark and on a phone's screen."""
    visitor = await tourist(demo, browser, device_scale_factor=CRISP, color_scheme="light")
    await to_the_phone(visitor)
    await keep(visitor.page, folder / "workspace.png")
    await visitor.page.emulate_media(color_scheme="dark")
    await keep(visitor.page, folder / "workspace-dark.png")
    await visitor.page.emulate_media(color_scheme="light")
    await keep(visitor.page.locator("#handset"), folder / "phone.png")
    await keep(visitor.chat.locator("> li").last.locator(".turn"), folder / "card.png")
    await visitor.page.set_viewport_size({"width": 390, "height": 844})
    await (
        visitor.page.get_by_role("navigation", name="What to look at")
        .get_by_role("button", name="Chat")
        .click()
    )
    await keep(visitor.page, folder / "narrow.png")


async def breaks_in(demo: Demo, browser: Browser, folder: Path) -> None:
    """The break-in, from the first attempt to the alarm, and the form of the desk agent."""
    visitor = await tourist(demo, browser, device_scale_factor=CRISP, color_scheme="light")
    page = visitor.page
    await page.locator(".tour").last.click()
    await visitor.presses("Begin as Eve")
    await visitor.fails("Asking isn't getting")  # the request of the reset is open still
    await visitor.presses("Next attempt")
    while not await visitor.guide.get_by_role("heading", name="Guess the code").count():
        await visitor.presses("Skip this one")
    for _ in range(5):
        await expect(visitor.phone.get_by_role("button", name="Confirm with these")).to_be_visible()
        await visitor.types_number("000000")
    await visitor.fails("Five guesses, then alarm")
    await expect(page.locator("#security-messages > li")).to_have_count(2)
    await page.mouse.move(0, 0)
    await keep(page, folder / "break-in.png")
    await keep(page.locator("#security-messages > li").first.locator(".turn"), folder / "security.png")
    await visitor.presses("Next attempt")
    await visitor.lets_it_write()
    await visitor.chat.get_by_role("button", name="For somebody else").click()
    await page.get_by_label("Whom is it for?").fill("Maya Lindqvist")
    await keep(page.get_by_role("dialog"), folder / "modal.png")


async def take(folder: Path) -> None:
    """Every picture, into this folder."""
    with tempfile.TemporaryDirectory() as state:
        async with running(Path(state)) as demo, chromium.running() as browser:
            await resets(demo, browser, folder)
            await breaks_in(demo, browser, folder)


if __name__ == "__main__":
    asyncio.run(take(Path(sys.argv[1])))
