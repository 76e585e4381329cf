"""A visitor's browser in front of the pretend workspace's page, and what the page is judged by."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from playwright.async_api import Locator, Page, expect

from demo.workspace.people import APP, Json
from tests.contracts.slack_office import Office, modal, plain

#: What is wrong with the page for people who don't see or point, or who see it small. Empty when nothing is.
LOOK = """() => {
    const wrong = [], root = document.documentElement;
    const shown = (each) => each.checkVisibility({ visibilityProperty: true }) && each.getClientRects().length > 0;
    const all = (what) => [...document.querySelectorAll(what)].filter(shown);
    const labels = (each) => [...(each.labels ?? [])].map((label) => label.textContent).join("");
    const words = (each) => (each.getAttribute("aria-label") || labels(each) || each.textContent || "").trim();
    if (root.scrollWidth > innerWidth) {
        const wide = all("body *").filter((each) => each.getBoundingClientRect().right > innerWidth + 1);
        wrong.push("scrolls sideways: " + (wide.at(-1) ?? root).outerHTML.slice(0, 120));
    }
    const headings = [...document.querySelectorAll("h1")];
    if (headings.length !== 1 || !words(headings[0])) wrong.push("not one heading");
    for (const each of all("button, a[href], input, select, textarea, iframe, [role=img]"))
        if (!words(each) && !each.title) wrong.push("no name: " + each.outerHTML.slice(0, 120));
    for (const kind of ["aria-describedby", "aria-labelledby", "aria-controls"])
        for (const each of all(`[${kind}]`))
            for (const id of each.getAttribute(kind).trim().split(/ +/))
                if (!document.getElementById(id)) wrong.push("points at nothing: " + id);
    const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
    for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) wrong.push("twice: " + id);
    for (const each of document.querySelectorAll("[tabindex]"))
        if (each.tabIndex > 0) wrong.push("an order of its own: " + each.outerHTML.slice(0, 80));
    const least = innerWidth < 760 ? 44 : 32;
    for (const each of all("button, .press")) {
        const box = each.getBoundingClientRect();
        if (Math.min(box.height, box.width) < least)
            wrong.push(`small (${box.width} × ${box.height}): ${each.outerHTML.slice(0, 80)}`);
    }
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgb = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const linear = (part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const light = (colour) => {
        const [r, g, b] = colour.map((part) => linear(part / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (each) => {
        for (let at = each; at; at = at.parentElement) {
            const colour = rgb(getComputedStyle(at).backgroundColor);
            if (colour[3] > 250) return colour;
        }
        return [255, 255, 255, 255];
    };
    for (const each of all("body *")) {
        const says = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!says || each.closest(".hush, [aria-hidden=true], option") || each.disabled) continue;
        const [a, b] = [light(rgb(getComputedStyle(each).color)), light(behind(each))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) wrong.push(`hard to read (${ratio.toFixed(2)}): ${each.outerHTML.slice(0, 100)}`);
    }
    return wrong;
}"""

EVERYTHING: list[Json] = [
    {"type": "header", "text": plain("A heading & <b>no</b> markup")},
    {
        "type": "section",
        "text": {
            "type": "mrkdwn",
            "text": "*bold* _lean_ ~gone~ `code` <@U0OMAR> <#C0SECURITY> <https://example.com/x|a page> "
            ":wave: &lt;i&gt; snake_case_name <javascript:alert(1)|not a link>\n&gt; quoted\n```\n<b>raw</b>\n```",
        },
        "fields": [plain("Asked by\nMaya"), {"type": "mrkdwn", "text": "*Proof*\nnone yet"}],
        "accessory": {
            "type": "static_select",
            "action_id": "chosen",
            "placeholder": plain("Choose a kind"),
            "options": [{"text": plain(each), "value": each} for each in ("unlock", "reset")],
        },
    },
    {"type": "divider"},
    {
        "type": "image",
        "image_url": "https://pictures.example/chart.png",
        "alt_text": "A chart",
        "title": plain("By week"),
    },
    {
        "type": "context",
        "elements": [
            {"type": "plain_text", "text": "A :wave: line", "emoji": False},
            {"type": "mrkdwn", "text": "and *more*"},
        ],
    },
    {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_section",
                "elements": [
                    {"type": "text", "text": "<script>1</script> *as it is* ", "style": {"bold": True}},
                    {"type": "text", "text": "CS-7F3KQ", "style": {"code": True}},
                ],
            },
            {
                "type": "rich_text_list",
                "style": "bullet",
                "elements": [
                    {"type": "rich_text_section", "elements": [{"type": "text", "text": "one thing"}]}
                ],
            },
            {"type": "rich_text_quote", "elements": [{"type": "text", "text": "their own words"}]},
        ],
    },
    {
        "type": "actions",
        "block_id": "row",
        "elements": [
            {"type": "button", "action_id": "go", "text": plain("Go on"), "style": "primary", "value": "v1"},
            {
                "type": "button",
                "action_id": "stop",
                "text": plain("Stop"),
                "style": "danger",
                "confirm": {
                    "title": plain("Sure?"),
                    "text": plain("It closes at once."),
                    "confirm": plain("Stop it"),
                    "deny": plain("No"),
                },
            },
            {
                "type": "button",
                "action_id": "away",
                "text": plain("Read more"),
                "url": "https://example.com/more",
            },
            {"type": "datepicker", "action_id": "day", "placeholder": plain("Which day?")},
            {"type": "users_select", "action_id": "who", "placeholder": plain("Who?")},
            {
                "type": "radio_buttons",
                "action_id": "until",
                "options": [{"text": plain(each), "value": each} for each in ("Friday", "Sunday")],
            },
            {
                "type": "checkboxes",
                "action_id": "also",
                "options": [{"text": plain("Tell Omar"), "value": "tell"}],
            },
            {
                "type": "overflow",
                "action_id": "more",
                "options": [{"text": plain(each), "value": each} for each in ("Print it", "Forget it")],
            },
        ],
    },
]

FORM = modal(
    {
        "type": "input",
        "block_id": "why",
        "label": plain("Why is it needed?"),
        "hint": plain("Whoever has to agree reads this."),
        "element": {"type": "plain_text_input", "action_id": "value", "multiline": True, "max_length": 100},
    },
    {
        "type": "input",
        "block_id": "device",
        "label": plain("Which device?"),
        "element": {
            "type": "static_select",
            "action_id": "value",
            "options": [{"text": plain("Old phone"), "value": "d1"}],
        },
    },
    {
        "type": "input",
        "block_id": "until",
        "optional": True,
        "label": plain("Until when?"),
        "element": {"type": "datepicker", "action_id": "value"},
    },
)


@dataclass
class Visit:
    """A visitor's browser in front of the page, and the app's side behind it."""

    acme: Office
    page: Page
    asked: list[str] = field(default_factory=list)  # every address the browser asked for
    complaints: list[str] = field(default_factory=list)  # what the browser complained about
    heard: asyncio.Queue[Json] = field(default_factory=asyncio.Queue)  # every press and form the app was sent

    async def arrives(self) -> None:
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console", lambda line: self.complaints.append(line.text) if "Policy" in line.text else None
        )
        await self.page.goto(self.acme.workspace.url)
        await expect(self.person("Maya")).to_have_attribute("aria-pressed", "true")
        await expect(self.page.get_by_role("textbox", name="Message to Countersign")).to_be_visible()

    def person(self, name: str) -> Locator:
        """The button that makes a visitor somebody."""
        return self.page.get_by_role("navigation", name="Choose who you are").get_by_role("button", name=name)

    async def writes(self, text: str) -> None:
        box = self.page.get_by_role("textbox", name="Message to")
        await box.fill(text)
        await box.press("Enter")

    async def press(self) -> Json:
        """The next action that the app was sent."""
        payload = await asyncio.wait_for(self.heard.get(), 10)
        action: Json = payload["actions"][0]
        return action

    def posts(self, blocks: list[Json], who: str = "maya", text: str = "A message") -> str:
        """The app says something to somebody."""
        workspace = self.acme.workspace
        place = workspace.world.channel(f"D0{who.upper()}")
        assert place is not None
        return workspace.say(place, APP, workspace.content({"text": text, "blocks": blocks})).ts
