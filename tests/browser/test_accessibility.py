"""Every page in every state, for people who see little, see no colours, point badly, or don't point at all.

axe-core judges what a program can judge; the rest is measured: sizes, contrasts, the order and marks of the focus.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.browser import preview
from tests.browser.measures import BEGIN, CONTRASTS, ERRORS, FORCED, PLACES, SEEN, STOP, TOKENS
from tests.peers import axe

DESK, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
SIGHTS: dict[str, tuple[str, Any]] = {
    "light, wide": ("light", DESK),
    "dark, wide": ("dark", DESK),
    "dark, narrow": ("dark", PHONE),
    "light, narrow": ("light", PHONE),
}
UNFOLD = 'document.querySelectorAll("details").forEach((each) => { each.open = true; })'


@pytest.fixture
async def page(chromium: Browser) -> Page:
    """A tab in which nothing is measured halfway through a fading colour."""
    context = await chromium.new_context(viewport=DESK, reduced_motion="reduce")  # type: ignore[arg-type]
    return await context.new_page()


async def states(page: Page, folder: Path) -> AsyncIterator[str]:
    """Open each state of each page in turn; gives its name."""
    for each in preview.pages():
        await page.goto(preview.render(*each, folder).as_uri())
        yield each[0]


async def sights(page: Page, *names: str) -> AsyncIterator[str]:
    """The page that is open, light and dark, on a desk and on a phone; gives the name of each sight."""
    for name in names or SIGHTS:
        scheme, size = SIGHTS[name]
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await page.set_viewport_size(size)
        yield name


def listed(wrong: list[str]) -> str:
    return "\n".join(["", *wrong])


def test_no_page_is_forgotten() -> None:
    """Whoever adds a template shows its states in preview.py, and everything here looks at them."""
    written = {path.name for path in (preview.WEB / "templates").glob("*.html") if path.name[0] != "_"}
    shown = {template for _, template, _ in preview.pages()}
    assert written - shown == {"base.html"}


@pytest.mark.axe
async def test_axe_finds_nothing_on_any_page(page: Page, tmp_path: Path) -> None:
    """Nothing serious or critical, and nothing less either. A lone sign is no text to it: the next test has those."""
    wrong: list[str] = []
    async for state in states(page, tmp_path):
        await page.evaluate(UNFOLD)
        async for sight in sights(page):
            found = await axe.findings(page)
            wrong += [f"{state} ({sight}) · {each}" for each in found if "only non-text" not in each.advice]
    assert not wrong, listed(wrong)


@pytest.mark.axe
async def test_axe_is_not_silent_by_itself(page: Page) -> None:
    """Grave mistakes in a page of nobody's are found, so that silence about ours means something."""
    mistakes = "<p style='color: #bbb'>Faint</p><input><img src='x'><button></button>"
    await page.set_content(f"<title>A page</title><main><h1>A page</h1>{mistakes}</main>")
    found = {each.rule for each in await axe.findings(page) if each.impact in ("serious", "critical")}
    assert found >= {"color-contrast", "label", "image-alt", "button-name", "html-has-lang"}


async def test_everything_stands_out_and_is_large_enough(page: Page, tmp_path: Path) -> None:
    """Signs and edges 3 : 1 on their ground; 48 px to press each way, one after another as they are read."""
    wrong: list[str] = []
    async for state in states(page, tmp_path):
        await page.evaluate(UNFOLD)
        async for sight in sights(page, "light, wide", "dark, narrow"):
            found = [*await page.evaluate(CONTRASTS), *await page.evaluate(PLACES)]
            wrong += [f"{state} ({sight}) · {each}" for each in found]
    assert not wrong, listed(wrong)


async def test_every_colour_can_be_read_on_every_ground(page: Page, tmp_path: Path) -> None:
    """4.5 : 1, whatever is hovered over, pressed or focused, and when more contrast is asked for."""
    [first, *_] = preview.pages()
    await page.goto(preview.render(*first, tmp_path).as_uri())
    for contrast in ("no-preference", "more"):
        await page.emulate_media(contrast=contrast)  # type: ignore[arg-type]
        async for sight in sights(page):
            assert (contrast, sight, await page.evaluate(TOKENS)) == (contrast, sight, [])


async def test_tab_stops_everywhere_and_one_sees_where(page: Page, tmp_path: Path) -> None:
    """With everything unfolded, on a narrow screen: nothing is passed over, and the focus is nowhere lost."""
    wrong: list[str] = []
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    async for state in states(page, tmp_path):
        await page.evaluate(UNFOLD)
        stops = await page.evaluate(BEGIN)
        found = await page.evaluate(STOP)
        for _ in range(stops - 1):
            await page.keyboard.press("Tab")
            found += await page.evaluate(STOP)
        wrong += [f"{state} · {each}" for each in found]
    assert not wrong, listed(wrong)


async def test_the_focus_goes_to_the_first_thing_wrong(page: Page, tmp_path: Path) -> None:
    """Where the answer was no, the title says so, and the reader is where something is to be changed."""
    wrong: list[str] = []
    noes = 0
    async for state in states(page, tmp_path):
        wrong += [f"{state} · {found}" for found in await page.evaluate(ERRORS)]
        noes += (await page.title()).startswith("Something to change")
    assert not wrong, listed(wrong)
    assert noes >= 5


async def test_nothing_is_hidden_from_whom_motion_or_colours_disturb(page: Page, tmp_path: Path) -> None:
    """The same words, signs and buttons when all stands still, and in the few colours that a system forces."""
    wrong: list[str] = []
    async for state in states(page, tmp_path):
        await page.emulate_media(forced_colors="none", reduced_motion="no-preference")
        seen = await page.evaluate(SEEN)
        await page.emulate_media(reduced_motion="reduce")
        if await page.evaluate("document.getAnimations().length"):
            wrong.append(f"{state} · something still moves")
        for scheme in ("light", "dark"):
            await page.emulate_media(forced_colors="active", color_scheme=scheme)  # type: ignore[arg-type]
            found = await page.evaluate(FORCED)
            if await page.evaluate(SEEN) != seen:
                found.append("something is gone")
            wrong += [f"{state} ({scheme}, few colours) · {each}" for each in found]
    assert not wrong, listed(wrong)
