"""A form in Teams, in Microsoft's own card renderer: what is missing it says, what is wrong we say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.peers import card_renderer
from tests.teams_office import TeamsOffice, teams_office

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.card_renderer

#: A Teams dialog of its medium width, in its light colours, around the renderer.
FRAME = """
<!doctype html><meta charset="utf-8"><title>Dialog</title>
<style>
  body { margin: 24px; width: 512px; font: 14px "Segoe UI", system-ui, sans-serif; color: #242424 }
  .ac-input { font: inherit; padding: 6px 8px; border: 1px solid #d1d1d1; border-radius: 4px; width: 100% }
  .ac-pushButton { font: inherit; font-weight: 600; padding: 6px 20px; border: 0; border-radius: 4px;
                   background: #5b5fc7; color: #fff }
</style>
<div id="dialog"></div>
"""
SHOW = """card => {
  const drawn = new AdaptiveCards.AdaptiveCard();
  drawn.hostConfig = new AdaptiveCards.HostConfig({ fontFamily: "inherit", supportsInteractivity: true });
  drawn.onExecuteAction = action => { window.sent = action.data };
  drawn.parse(card);
  window.sent = null;
  document.getElementById("dialog").replaceChildren(drawn.render());
}"""


@dataclass(frozen=True)
class Dialog:
    """One person's dialog in front of the bot."""

    acme: TeamsOffice
    page: Page
    person: str

    async def shows(self, answer: Any) -> None:
        """Draw what the bot answered."""
        await self.page.evaluate(SHOW, answer["task"]["value"]["card"]["content"])

    async def sends(self) -> Any:
        """Press the button; gives what was sent, None when the renderer keeps it."""
        await self.page.get_by_role("button").click()
        return await self.page.evaluate("window.sent")

    async def answered(self, sent: dict[str, str]) -> Any:
        """What the bot answers to it."""
        value = {"data": sent}
        activity = self.acme.activity(self.person, type="invoke", name="task/submit", value=value)
        status, answer = await self.acme.post(activity)
        assert status == 200
        await self.acme.settled()
        return answer


@pytest.fixture
async def dialog(sqlite_url: str, tmp_path: Path, chromium: Browser) -> AsyncIterator[Dialog]:
    async with teams_office(sqlite_url, tmp_path) as acme:
        await acme.company.enrolled("maya")
        await acme.connected("maya", "ravi")
        await acme.says("ravi", "a colleague forgot her password")
        page = await chromium.new_page(viewport={"width": 560, "height": 420})
        await page.set_content(FRAME)
        await page.add_script_tag(path=card_renderer.SCRIPT)
        yield Dialog(acme, page, "ravi")
        await page.close()


async def test_a_form_says_what_is_missing_and_then_what_is_wrong(dialog: Dialog) -> None:
    page = dialog.page
    await dialog.shows(await dialog.acme.press("ravi", "For somebody else"))
    whom = page.get_by_role("textbox", name="Whom is it for?")
    await whom.fill("")
    assert await dialog.sends() is None, "the renderer keeps what isn't filled in"
    await expect(page.get_by_text("This needs an answer.")).to_be_visible()

    await whom.fill("nobody.at.all")
    answer = await dialog.answered(await dialog.sends())
    assert answer["task"]["type"] == "continue"
    await dialog.shows(answer)
    await expect(page.get_by_text("can't find that person")).to_be_visible()
    assert await whom.input_value() == "nobody.at.all", "what was typed stands there still"

    await whom.fill("maya.lindqvist")
    answer = await dialog.answered(await dialog.sends())
    assert answer["task"]["type"] == "message"
    (request,) = await dialog.acme.company.desk.concerning("maya")
    assert request.requester == "ravi"
