"""The pretend workspace's page, used as a visitor would: a real Bolt app behind it, a real browser in front."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from demo.workspace.people import Json
from tests.browser.visit import EVERYTHING, FORM, LOOK, Visit
from tests.contracts.slack_office import Office, actions, office, plain
from tests.peers import axe

LOOKS = {
    "small and dark": {"color_scheme": "dark", "viewport": {"width": 320, "height": 640}},
    "a phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
    "a tablet": {"color_scheme": "light", "viewport": {"width": 820, "height": 1100}},
    "a laptop": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 720}},
    "a desk": {"color_scheme": "light", "viewport": {"width": 1600, "height": 1000}},
}


@pytest.fixture
async def acme() -> AsyncIterator[Office]:
    async with office() as made:
        yield made


@pytest.fixture
async def visit(acme: Office, chromium: Browser) -> Visit:
    context = await chromium.new_context(viewport={"width": 1440, "height": 900})
    made = Visit(acme, await context.new_page())

    @acme.app.action(re.compile(".*"))
    async def pressed(ack: Any, body: Json) -> None:
        await ack()
        made.heard.put_nowait(body)

    await made.arrives()
    return made


# -- talking


async def test_a_text_is_answered_and_the_answer_changes_in_place(visit: Visit) -> None:
    @visit.acme.app.event("message")
    async def answer(event: Json, say: Any) -> None:
        await say(
            text="Password reset?",
            blocks=[actions({"type": "button", "action_id": "ask", "text": plain("Yes")})],
        )

    page, messages = visit.page, visit.page.locator("#messages > li")
    await expect(page.get_by_text("This is where you talk with Countersign")).to_be_visible()
    await page.get_by_role("button", name="I forgot my password").click()
    await expect(page.get_by_role("textbox", name="Message to Countersign")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(messages).to_have_count(2)
    await expect(messages.first).to_contain_text("I forgot my password")
    await messages.last.get_by_role("button", name="Yes").click()
    assert (await visit.press())["action_id"] == "ask"
    ts = await messages.last.get_attribute("data-ts")
    sent = visit.acme.workspace.world.message("D0MAYA", str(ts))
    assert sent is not None
    visit.acme.workspace.change(sent, {"text": "It is asked.", "blocks": []})
    await expect(messages.last).to_contain_text("It is asked.")
    await expect(messages.last).to_contain_text("edited")
    await expect(messages).to_have_count(2)
    await expect(page.locator("#announce")).to_have_text("Countersign: It is asked.")


async def test_what_cant_be_sent_is_said_and_not_lost(visit: Visit) -> None:
    await visit.writes("/nonsense please")
    await expect(visit.page.get_by_text("/nonsense is not a valid command.")).to_be_visible()
    await expect(visit.page.get_by_role("textbox", name="Message to")).to_have_value("/nonsense please")


async def test_commands_and_shortcuts_are_offered(visit: Visit) -> None:
    commands: asyncio.Queue[str] = asyncio.Queue()

    @visit.acme.app.command("/desk")
    async def desk(ack: Any, body: Json) -> None:
        await ack(text=f"You said {body['text']}", response_type="ephemeral")
        commands.put_nowait(body["text"])

    page = visit.page
    box = page.get_by_role("textbox", name="Message to")
    await box.press_sequentially("/d")
    await expect(page.get_by_role("option", name="/desk")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(box).to_have_value("/desk ")
    await page.keyboard.type("my password")
    await page.keyboard.press("Enter")
    assert await asyncio.wait_for(commands.get(), 10) == "my password"
    whisper = page.locator("#messages > li").filter(has_text="You said my password")
    await expect(whisper).to_contain_text("Only visible to you")
    await visit.person("Omar").click()
    await expect(page.get_by_text("You are Omar Haddad")).to_be_visible()
    await expect(page.get_by_text("You said my password")).to_have_count(0)


# -- Block Kit


async def test_every_kind_of_block_is_drawn_and_none_as_html(visit: Visit) -> None:
    visit.posts(EVERYTHING)
    message = visit.page.locator("#messages > li").last
    await expect(message.get_by_role("heading", name="A heading & <b>no</b> markup")).to_be_visible()
    section = message.locator(".section")
    for tag, words in {"strong": "bold", "em": "lean", "s": "gone", "code": "code"}.items():
        await expect(section.locator(tag).filter(has_text=words).first).to_have_text(words)
    await expect(section).to_contain_text("@Omar Haddad")
    await expect(section).to_contain_text("👋 <i> snake_case_name not a link")
    await expect(section.locator("blockquote")).to_have_text("quoted")
    await expect(section.locator("pre")).to_have_text("<b>raw</b>")
    await expect(section.locator(".fields li")).to_have_text(["Asked by\nMaya", "Proof\nnone yet"])
    await expect(message.get_by_role("separator")).to_be_attached()
    await expect(message.get_by_role("img", name="A chart")).to_be_visible()
    await expect(message.locator(".context")).to_contain_text("A :wave: line")
    rich = message.locator(".rich")
    await expect(rich.locator("strong")).to_have_text("<script>1</script> *as it is* ")
    await expect(rich.locator("code")).to_have_text("CS-7F3KQ")
    await expect(rich.get_by_role("listitem")).to_have_text("one thing")
    await expect(rich.locator("blockquote")).to_have_text("their own words")
    await expect(message.locator("script, img[src^=http], [href^=javascript], b, i")).to_have_count(0)
    away = message.get_by_role("link", name="Read more")
    await expect(away).to_have_attribute("href", "https://example.com/more")
    await expect(away).to_have_attribute("rel", "noopener noreferrer")
    assert not [each for each in visit.asked if "pictures.example" in each]
    assert visit.complaints == []


async def test_everything_that_can_be_pressed_reaches_the_app_as_it_was_meant(visit: Visit) -> None:
    visit.posts(EVERYTHING)
    page, message = visit.page, visit.page.locator("#messages > li").last
    await message.get_by_role("button", name="Go on").click()
    pressed = await visit.press()
    assert (pressed["block_id"], pressed["action_id"], pressed["value"]) == ("row", "go", "v1")
    await message.locator("select").first.select_option(label="reset")
    assert (await visit.press())["selected_option"]["value"] == "reset"
    await message.locator("select").last.select_option(label="@Omar Haddad")
    assert (await visit.press())["selected_user"] == "U0OMAR"
    await message.locator("input[type=date]").fill("2030-05-17")
    assert (await visit.press())["selected_date"] == "2030-05-17"
    await message.get_by_label("Sunday").check()
    assert (await visit.press())["selected_option"]["value"] == "Sunday"
    await message.get_by_label("Tell Omar").check()
    assert [each["value"] for each in (await visit.press())["selected_options"]] == ["tell"]
    await message.get_by_role("button", name="More choices").click()
    await page.get_by_role("menuitem", name="Forget it").click()
    assert (await visit.press())["selected_option"]["value"] == "Forget it"


async def test_a_dangerous_press_asks_first(visit: Visit) -> None:
    visit.posts(EVERYTHING)
    page = visit.page
    await page.get_by_role("button", name="Stop", exact=True).click()
    question = page.get_by_role("dialog", name="Sure?")
    await expect(question).to_contain_text("It closes at once.")
    await expect(question.get_by_role("button", name="No")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(question).to_have_count(0)
    assert visit.heard.empty()
    await page.get_by_role("button", name="Stop", exact=True).click()
    await page.get_by_role("button", name="Stop it").click()
    assert (await visit.press())["action_id"] == "stop"


# -- forms and the Home tab


async def test_a_form_keeps_what_was_typed_and_says_what_to_change(visit: Visit) -> None:
    sent: asyncio.Queue[Json] = asyncio.Queue()

    @visit.acme.app.shortcut("ask_desk")
    async def open_it(ack: Any, body: Json, client: Any) -> None:
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)
        await ack()

    @visit.acme.app.view("form")
    async def take(ack: Any, view: Json) -> None:
        values = view["state"]["values"]
        if len(values["why"]["value"]["value"]) < 10:
            await ack(response_action="errors", errors={"why": "Say a little more."})
            return
        await ack()
        sent.put_nowait(values)

    page = visit.page
    await page.get_by_role("button", name="Shortcuts").click()
    await page.get_by_role("menuitem", name="Ask the service desk Countersign").click()
    form = page.get_by_role("dialog", name="A form")
    why = form.get_by_label("Why is it needed?")
    await expect(why).to_be_focused()
    await why.fill("lost")
    await form.get_by_role("button", name="Send").click()
    device = form.get_by_label("Which device?")
    await expect(device).to_be_focused()
    await expect(device).to_have_accessible_description("This is needed. Fill it in, then try again.")
    await device.select_option(label="Old phone")
    await form.get_by_role("button", name="Send").click()
    await expect(why).to_be_focused()
    await expect(why).to_have_accessible_description("Whoever has to agree reads this. Say a little more.")
    await expect(why).to_have_value("lost")
    await why.fill("It fell into the lake")
    await form.get_by_role("button", name="Send").click()
    values = await asyncio.wait_for(sent.get(), 10)
    assert values["why"]["value"]["value"] == "It fell into the lake"
    assert values["device"]["value"]["selected_option"]["value"] == "d1"
    assert values["until"]["value"]["selected_date"] is None
    await expect(form).to_have_count(0)


async def test_what_was_typed_outlives_a_change_of_the_form(visit: Visit) -> None:
    screens, page = visit.acme.workspace.screens, visit.page
    view = screens.open("U0MAYA", FORM)
    form = page.get_by_role("dialog", name="A form")
    await form.get_by_label("Why is it needed?").fill("It fell into the lake")
    await form.get_by_label("Which device?").select_option(label="Old phone")
    await form.get_by_label("Which device?").focus()
    more = {"type": "section", "text": plain("It takes about a minute.")}
    screens.update({**FORM, "blocks": [more, *FORM["blocks"]]}, id=view["id"])
    await expect(form.get_by_text("It takes about a minute.")).to_be_visible()
    await expect(form.get_by_label("Why is it needed?")).to_have_value("It fell into the lake")
    await expect(form.get_by_label("Which device?")).to_have_value("d1")
    await expect(form.get_by_label("Which device?")).to_be_focused()


async def test_a_form_is_left_with_escape(visit: Visit) -> None:
    visit.acme.workspace.screens.open("U0MAYA", FORM)
    form = visit.page.get_by_role("dialog", name="A form")
    await expect(form).to_be_visible()
    await visit.page.keyboard.press("Escape")
    await expect(form).to_have_count(0)
    assert visit.acme.workspace.screens.of("U0MAYA").modals == []


async def test_the_home_tab_is_asked_for_and_used(visit: Visit) -> None:
    @visit.acme.app.event("app_home_opened")
    async def show(event: Json, client: Any) -> None:
        blocks = [
            {"type": "header", "text": plain("Hello, Maya")},
            actions({"type": "button", "action_id": "reset", "text": plain("Password reset")}),
        ]
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})

    await visit.page.get_by_role("button", name="Home", exact=True).click()
    await expect(visit.page.get_by_role("heading", name="Hello, Maya")).to_be_visible()
    await visit.page.get_by_role("button", name="Password reset").click()
    assert (await visit.press())["action_id"] == "reset"
    await visit.page.get_by_role("button", name="Messages", exact=True).click()
    await expect(visit.page.get_by_text("This is where you talk with")).to_be_visible()


# -- people and the channel that is watched


async def test_everybody_sees_their_own_and_is_told_of_what_is_new(visit: Visit) -> None:
    page = visit.page
    visit.posts([], "omar", "For Omar alone")
    omar = visit.person("Omar")
    await expect(omar).to_contain_text("one new message")
    await expect(page.get_by_text("For Omar alone")).to_have_count(0)
    await omar.click()
    await expect(page.get_by_text("For Omar alone")).to_be_visible()
    await expect(visit.person("Omar")).to_have_attribute("aria-pressed", "true")
    await expect(page).to_have_title(re.compile("^Omar · "))
    await page.reload()
    await expect(page.get_by_text("You are Omar Haddad")).to_be_visible()


async def test_the_security_channel_is_watched_whoever_is_played(visit: Visit) -> None:
    page, client = visit.page, visit.acme.client
    security = page.get_by_role("complementary", name=re.compile("security"))
    await expect(security).to_contain_text("What security sees appears here")
    blocks = [
        {"type": "section", "text": plain("Password reset for Maya")},
        actions({"type": "button", "action_id": "no", "text": plain("No")}),
    ]
    await client.chat_postMessage(channel="C0SECURITY", text="A report", blocks=blocks)
    await expect(security.get_by_text("Password reset for Maya")).to_be_visible()
    await expect(page.locator("#announce")).to_have_text("In security: Countersign: Password reset for Maya")
    fold = security.get_by_role("button", name=re.compile("security"))
    await fold.click()
    await expect(fold).to_have_attribute("aria-expanded", "false")
    await expect(security.get_by_text("Password reset for Maya")).to_be_hidden()


# -- everybody's eyes and hands


async def test_the_keyboard_alone_reaches_everything(visit: Visit) -> None:
    visit.posts(EVERYTHING)
    page = visit.page
    await expect(page.get_by_role("button", name="Go on")).to_be_visible()
    stops = await page.evaluate(
        """() => [...document.querySelectorAll("button, a[href], input, select, textarea")]
            .filter((each) => each.checkVisibility() && !each.disabled && each.type !== "radio").length"""
    )
    reached = set()
    for _ in range(stops + 20):
        await page.keyboard.press("Tab")
        name, drawn = await page.evaluate(
            """() => {
                const at = document.activeElement, around = at.closest(".writing") ?? at;
                const look = [getComputedStyle(at), getComputedStyle(around)];
                const ringed = ({ outlineStyle, outlineWidth, boxShadow }) =>
                    (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2)
                    || (around !== at && boxShadow !== "none");
                const drawn = look.some(ringed);
                return [at.outerHTML.slice(0, 250), drawn || at.matches("body, iframe")];
            }"""
        )
        assert drawn, f"nobody sees the focus on {name}"
        reached.add(name)
    wanted = (
        "Skip to the chat",
        'data-name="U0EVE"',
        'data-name="row/go"',
        'data-name="row/who"',
        'id="words"',
    )
    assert [each for each in wanted if not any(each in name for name in reached)] == []
    await page.get_by_role("button", name="Shortcuts").press("ArrowDown")
    await expect(page.get_by_role("menuitem", name="Ask the service desk Countersign")).to_be_focused()
    await page.keyboard.press("End")
    await expect(page.get_by_role("menuitem", name="/desk")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Shortcuts")).to_be_focused()


async def test_focus_and_half_typed_words_outlive_what_arrives(visit: Visit) -> None:
    page, workspace = visit.page, visit.acme.workspace
    ts = visit.posts(EVERYTHING)
    await page.get_by_role("textbox", name="Message to").fill("half a sent")
    await page.get_by_role("button", name="Go on").focus()
    message = workspace.world.message("D0MAYA", ts)
    assert message is not None
    changed = [{"type": "section", "text": plain("Changed meanwhile")}, *EVERYTHING]
    workspace.change(message, workspace.content({"text": "Changed", "blocks": changed}))
    await expect(page.locator("#messages").get_by_text("Changed meanwhile")).to_be_visible()
    await expect(page.get_by_role("button", name="Go on")).to_be_focused()
    visit.posts([], text="One more")
    await expect(page.locator("#messages").get_by_text("One more")).to_be_visible()
    await expect(page.get_by_role("button", name="Go on")).to_be_focused()
    await expect(page.get_by_role("textbox", name="Message to")).to_have_value("half a sent")


@pytest.mark.axe
async def test_axe_finds_nothing_on_it(visit: Visit) -> None:
    """The phone's frame shows the device page, which test_accessibility.py looks at in every state."""
    visit.posts(EVERYTHING)
    page, wrong = visit.page, []
    await page.emulate_media(reduced_motion="reduce")
    await expect(page.get_by_role("button", name="Go on")).to_be_attached()
    for scheme in ("light", "dark"):
        for width in (1440, 390):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            await page.set_viewport_size({"width": width, "height": 844})
            wrong += [f"{scheme}, {width}: {found}" for found in await axe.findings(page) if found.sure]
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize("look", LOOKS)
async def test_it_fits_and_can_be_read(look: str, acme: Office, chromium: Browser) -> None:
    context = await chromium.new_context(reduced_motion="reduce", **LOOKS[look])  # type: ignore[arg-type]
    visit = Visit(acme, await context.new_page())
    await visit.arrives()
    visit.posts(EVERYTHING)
    visit.posts([], text="A_very_long_word_that_does_not_break_by_itself" * 4)
    page = visit.page
    await expect(page.get_by_role("button", name="Go on")).to_be_attached()
    narrow = LOOKS[look]["viewport"]["width"] < 760  # type: ignore[index]
    wrong = {"chat": await page.evaluate(LOOK)}
    for pane in ("Phone", "Security") if narrow else ():
        await page.get_by_role("navigation", name="What to look at").get_by_role("button", name=pane).click()
        wrong[pane] = await page.evaluate(LOOK)
    await page.get_by_role("button", name="Break in").click()
    await expect(page.get_by_role("button", name="Begin as Eve")).to_be_visible()
    wrong["a tour"] = await page.evaluate(LOOK)
    visit.acme.workspace.screens.open("U0MAYA", FORM)
    await expect(page.get_by_role("dialog", name="A form")).to_be_visible()
    wrong["a form"] = await page.evaluate(LOOK)
    assert {name: found for name, found in wrong.items() if found} == {}
    assert visit.complaints == []


async def test_the_page_asks_nobody_but_its_own_server_and_the_device_page(visit: Visit) -> None:
    visit.posts(EVERYTHING)
    await expect(visit.page.get_by_role("button", name="Go on")).to_be_visible()
    allowed = (
        visit.acme.workspace.url,
        visit.acme.workspace.url.replace("http", "ws"),
        "http://localhost:9/",
        "chrome-error:",
    )
    assert [each for each in visit.asked if not each.startswith(allowed)] == []
    assert visit.complaints == []
