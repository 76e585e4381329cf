"""Both tours of `make demo`, taken as a visitor would: the real program, a real browser, nothing known beforehand."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from demo import directory
from tests.browser.tourist import Demo, running, tourist
from tests.peers.directory import FIRST_PASSWORD


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Demo]:
    async with running(tmp_path) as started:
        yield started


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
async def test_reset_my_password(demo: Demo, chromium: Browser, width: int, height: int) -> None:
    visitor = await tourist(demo, chromium, viewport={"width": width, "height": height})
    page = visitor.page
    await page.get_by_role("button", name=re.compile("^Reset my password")).click()
    await visitor.reads("Say it in your own words")
    await visitor.lets_it_write()
    await visitor.reads("It asks before it does")
    assert not await visitor.security.locator("> li").count(), "nothing is asked before she says yes"
    await visitor.chat.get_by_role("button", name="Yes, ask for it").click()
    await visitor.reads("Go to your phone")
    await visitor.chat.get_by_role("link", name="Open my device page").click()
    await visitor.reads("Show that it's you")
    code = await page.locator("#code").inner_text()
    await visitor.types_number(code)
    await visitor.reads("Choose your new password")
    password = "Teal otter quarry kite 7"
    await visitor.phone.get_by_label("New password").fill(password)
    await visitor.phone.get_by_label("The same once more").fill(password)
    await visitor.phone.get_by_role("button", name="Set this password").click()
    done = visitor.guide.get_by_role("heading", name=re.compile(r"^Done in \d+ seconds$"))
    await expect(done).to_be_visible(timeout=15_000)
    seconds = int((await done.inner_text()).split()[2])
    assert seconds < 60

    assert await demo.signs_in(password)
    assert not await demo.signs_in(directory.FIRST_PASSWORD)
    card = await visitor.chat.inner_text()
    assert password not in card, "it was typed on the phone and stands nowhere"
    await expect(visitor.chat.get_by_text("Done: the change is made and confirmed")).to_be_attached()
    await expect(visitor.security.locator("> li")).to_have_count(1)
    await expect(visitor.security).to_contain_text("Done: the change is made and confirmed")


@pytest.mark.parametrize(
    "kind", [pytest.param("ldap", marks=pytest.mark.slapd), pytest.param("samba", marks=pytest.mark.samba)]
)
async def test_reset_my_password_at_a_real_directory(kind: str, tmp_path: Path, chromium: Browser) -> None:
    async with running(tmp_path, kind) as demo:
        assert await demo.signs_in(FIRST_PASSWORD)
        visitor = await tourist(demo, chromium)
        await visitor.page.get_by_role("button", name=re.compile("^Reset my password")).click()
        await visitor.lets_it_write()
        await visitor.chat.get_by_role("button", name="Yes, ask for it").click()
        await visitor.chat.get_by_role("link", name="Open my device page").click()
        await visitor.reads("Show that it's you")
        await visitor.types_number(await visitor.page.locator("#code").inner_text())
        password = "Teal otter quarry kite 7"
        await visitor.phone.get_by_label("New password").fill(password)
        await visitor.phone.get_by_label("The same once more").fill(password)
        await visitor.phone.get_by_role("button", name="Set this password").click()
        done = visitor.guide.get_by_role("heading", name=re.compile(r"^Done in \d+ seconds$"))
        await expect(done).to_be_visible(timeout=15_000)
        assert await demo.signs_in(password)
        assert not await demo.signs_in(FIRST_PASSWORD)


async def test_break_in(demo: Demo, chromium: Browser) -> None:
    visitor = await tourist(demo, chromium)
    page, guide, phone = visitor.page, visitor.guide, visitor.phone
    await page.get_by_role("button", name=re.compile("^Break in")).click()
    await visitor.reads("You are Eve, and you have a lot")
    await visitor.presses("Begin as Eve")
    await expect(page.get_by_text("You are Eve Mallory in Maya's chat session")).to_be_visible()

    await visitor.reads("Ask in Maya's name")
    await visitor.lets_it_write()
    await visitor.chat.get_by_role("button", name="Yes, ask for it").click()
    await visitor.fails("Asking isn't getting")
    await expect(guide.get_by_text("Waiting for Maya: confirm on their registered device")).to_be_visible()
    await visitor.presses("Next attempt")

    await visitor.reads("Use the number")
    await visitor.lets_it_write()
    await visitor.fails("The number is no key")
    await visitor.presses("Next attempt")

    await visitor.reads("Follow the link yourself")
    await visitor.chat.get_by_role("link", name="Open my device page").click()
    await visitor.fails("A link carries nothing")
    await expect(phone.get_by_text("There is no such request.")).to_be_visible()
    await expect(phone.get_by_text("Maya")).to_have_count(0)
    await visitor.presses("Next attempt")

    for offer, lesson, answer in (
        ("Send the forged press", "Signed isn't true", "That button wasn't put here for you"),
        ("Send it as Approve", "Nobody approves themself", ""),
        ("Press it as Eve", "Handles have owners", "That button wasn't put here for you"),
        ("Send it again", "Once is once", "The same request is already open"),
    ):
        await visitor.presses(offer)
        await visitor.fails(lesson)
        if answer:
            await expect(guide.get_by_text(answer)).to_be_visible(timeout=15_000)
        await expect(visitor.security).to_contain_text("Waiting for Maya: confirm on their registered device")
        await expect(visitor.security.locator("> li")).to_have_count(1)
        await visitor.presses("Next attempt")

    await visitor.reads("Guess the code")
    await expect(page.get_by_text("with Maya's phone in your hand")).to_be_visible()
    await expect(page.locator("#app")).to_contain_text("Maya's sign-in app is locked")
    for left in ("4 tries left", "3 tries left", "2 tries left", "One try left"):
        await visitor.types_number("000000")
        await expect(phone.get_by_text(left)).to_be_visible()
    await visitor.types_number("000000")
    await visitor.fails("Five guesses, then alarm")
    await expect(
        guide.get_by_text(re.compile("▲ Danger · Somebody may be after the account"))
    ).to_be_visible()
    await visitor.presses("Next attempt")

    await visitor.reads("Talk the desk into it")
    await expect(page.get_by_text("You are Ravi Menon")).to_be_visible()
    await visitor.lets_it_write()
    await visitor.chat.get_by_role("button", name="For somebody else").click()
    await page.get_by_label("Whom is it for?").fill("Maya Lindqvist")
    await page.get_by_role("dialog").get_by_role("button", name="Ask").click()
    await visitor.fails("The desk can't be talked over")
    await visitor.presses("Next attempt")

    await visitor.reads("Now be Maya, for one press")
    await phone.get_by_role("link", name="I didn't ask for this").first.click()
    await phone.get_by_role("button", name="Stop it and tell security").click()
    await visitor.reads("One press is enough")
    await visitor.presses("See what is left")

    await visitor.reads("Eve goes home with nothing")
    await expect(guide.locator(".results li")).to_have_count(10)
    await expect(guide.get_by_text("10 attempts, and Maya's password is the one she had.")).to_be_visible()
    assert await demo.signs_in(directory.FIRST_PASSWORD)
    await expect(visitor.security).to_contain_text("Somebody may be after the account of Maya Lindqvist")


async def test_a_tour_goes_on_only_when_the_step_is_done(demo: Demo, chromium: Browser) -> None:
    visitor = await tourist(demo, chromium)
    page, guide = visitor.page, visitor.guide
    await page.get_by_role("button", name=re.compile("^Reset my password")).click()
    await visitor.reads("Say it in your own words")
    box = page.get_by_role("textbox", name="Message to Countersign")
    await box.fill("What a day")
    await box.press("Enter")
    await expect(visitor.chat.locator("> li")).to_have_count(2)
    await visitor.reads("Say it in your own words")

    await page.get_by_role("navigation", name="Choose who you are").get_by_role("button", name="Omar").click()
    await expect(guide.get_by_text("You are looking at somebody else just now.")).to_be_visible()
    await visitor.presses("Back to the tour")
    await expect(page.get_by_text("You are Maya Lindqvist")).to_be_visible()

    await visitor.lets_it_write()
    await visitor.chat.get_by_role("button", name="Yes, ask for it").click()
    await visitor.reads("Go to your phone")
    await page.reload()
    await visitor.reads("Go to your phone")

    await visitor.chat.get_by_role("button", name="Cancel", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel", exact=True).click()
    await visitor.reads("That request is over")
    await visitor.presses("Ask once more")
    await visitor.reads("Say it in your own words")
    await visitor.presses("Leave the tour")
    await visitor.reads("Take a tour")


async def test_the_phone_tells_what_is_new_and_following_a_link_says_nothing(
    demo: Demo, chromium: Browser
) -> None:
    visitor = await tourist(demo, chromium)
    box = visitor.page.get_by_role("textbox", name="Message to Countersign")
    await box.fill("I forgot my password")
    await box.press("Enter")
    await visitor.chat.get_by_role("button", name="Yes, ask for it").click()
    await expect(visitor.phone.get_by_text("One request waits for you")).to_be_visible(timeout=15_000)
    await visitor.chat.get_by_role("link", name="Open my device page").click()
    await expect(
        visitor.phone.get_by_role("heading", name="Password reset for Maya Lindqvist")
    ).to_be_visible()
    await visitor.chat.get_by_role("button", name="Cancel", exact=True).click()
    await visitor.page.get_by_role("dialog").get_by_role("button", name="Cancel", exact=True).click()
    await expect(visitor.chat.get_by_text("Over: cancelled")).to_be_visible()
    await expect(visitor.chat.get_by_text("Only visible to you")).to_have_count(0)
