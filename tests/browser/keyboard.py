"""Going through the device page as somebody does who only has a keyboard, seeing at each stop where one is."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, Page, expect

#: What is wrong with a page for people who don't see or point, or who see it small. Empty when nothing is.
LOOK = """() => {
    const wrong = [], root = document.documentElement, all = (what) => [...document.querySelectorAll(what)];
    const words = (each) => (each.getAttribute("aria-label") || each.textContent || "").trim();
    document.querySelectorAll("details").forEach((each) => { each.open = true; });
    if (root.lang !== "en") wrong.push("no language");
    if (!/^\\S.* · Countersign$/.test(document.title)) wrong.push("no title: " + document.title);
    if (all("h1").length !== 1 || !words(all("h1")[0])) wrong.push("not one heading");
    if (all("main").length !== 1) wrong.push("not one main part");
    if (root.scrollWidth > innerWidth) {
        const wide = all("body *").filter((each) => each.getBoundingClientRect().right > innerWidth + 1);
        wrong.push("scrolls sideways: " + (wide.at(-1) || root).outerHTML.slice(0, 120));
    }
    for (const field of all("input:not([type=hidden]), select, textarea")) {
        if (![...field.labels].some(words)) wrong.push("no label: " + field.name);
        if (field.getAttribute("aria-invalid") === "true" && !field.getAttribute("aria-describedby"))
            wrong.push("an error nobody hears: " + field.name);
    }
    for (const kind of ["aria-describedby", "aria-labelledby"])
        for (const each of all(`[${kind}]`))
            for (const id of each.getAttribute(kind).trim().split(/ +/))
                if (!document.getElementById(id)) wrong.push("points at nothing: " + id);
    for (const each of all("button, a[href], summary, [role=img]"))
        if (!words(each)) wrong.push("no name: " + each.outerHTML.slice(0, 120));
    for (const each of all("img:not([alt])")) wrong.push("no alternative: " + each.src);
    const ids = all("[id]").map((each) => each.id);
    for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) wrong.push("twice: " + id);
    for (const each of all("[tabindex]"))
        if (each.tabIndex > 0) wrong.push("an order of its own: " + each.outerHTML.slice(0, 80));
    return wrong;
}"""

#: Where the focus is, and whether somebody looking would see it there.
FOCUS = """() => {
    const at = document.activeElement, look = getComputedStyle(at), box = at.getBoundingClientRect();
    const onScreen = box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight
        && box.right > 0 && box.left < innerWidth;
    const drawn = look.outlineStyle !== "none" && parseFloat(look.outlineWidth) >= 2;
    return [at === document.body, onScreen && drawn, at.outerHTML.slice(0, 100)];
}"""


async def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the focus is there, and see it at each stop on the way."""
    await wanted.wait_for()
    for _ in range(40):
        await page.keyboard.press("Tab")
        nowhere, visible, what = await page.evaluate(FOCUS)
        assert visible or nowhere, what
        if await wanted.evaluate("(each) => each === document.activeElement"):
            return
    raise AssertionError(f"Tab doesn't lead to {wanted}")


async def press(page: Page, role: Any, name: str, key: str = "Enter") -> None:
    """Go to a button or link with Tab and press it."""
    wanted = page.get_by_role(role, name=name)
    await tab_to(page, wanted)
    await page.keyboard.press(key)


async def fill(page: Page, label: str, text: str) -> None:
    """Go to a field with Tab and type."""
    await tab_to(page, page.get_by_label(label))
    await page.keyboard.type(text)


async def sound(page: Page, title: str) -> None:
    """The page's title names this state, and nothing on it is out of reach."""
    await expect(page).to_have_title(f"{title} · Countersign")
    assert await page.evaluate(LOOK) == []


async def focused(page: Page, wanted: Locator) -> None:
    """The focus went there by itself, and one sees it.

    After what leads to a page with the same field on it, wait for that page's title first (`sound`): until it comes,
    the field of the page before has the focus, and says nothing about the next.
    """
    await expect(wanted).to_be_focused()
    _, visible, what = await page.evaluate(FOCUS)
    assert visible, what
