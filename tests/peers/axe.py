"""axe-core, checks of accessibility that aren't ours, as npm installed it: a script that runs inside a page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tests.peers import npm_folder

if TYPE_CHECKING:
    from playwright.async_api import Page

PACKAGE = "axe-core"
SCRIPT = npm_folder.MODULES / PACKAGE / "axe.min.js"
#: WCAG 2.0, 2.1 and 2.2, levels A and AA, and what axe counts as good practice beyond them.
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice")

RUN = """async (tags) => {
    const options = { runOnly: tags, resultTypes: ["violations", "incomplete"], preload: false };
    const found = await axe.run(document, options);
    const each = (sure) => (rule) => rule.nodes.map((node) => ({
        sure,
        rule: rule.id,
        impact: node.impact ?? rule.impact,
        where: node.target.flat().join(" "),
        advice: node.failureSummary.replace(/\\s+/g, " "),
    }));
    return [...found.violations.flatMap(each(true)), ...found.incomplete.flatMap(each(false))];
}"""


@dataclass(frozen=True)
class Finding:
    """One element that breaks one rule, or, when it isn't `sure`, that axe can't judge by itself."""

    sure: bool
    rule: str
    impact: str  # minor, moderate, serious or critical
    where: str  # a CSS selector
    advice: str

    def __str__(self) -> str:
        return f"{self.impact} · {self.rule} · {self.where} · {self.advice}"


def missing() -> str | None:
    """Why it can't be used here, or None when it can."""
    return npm_folder.missing(PACKAGE)


@cache
def _script() -> str:
    return SCRIPT.read_text(encoding="utf-8")


async def findings(page: Page) -> list[Finding]:
    """What axe finds in a page as it is now. Loads itself into the page when it isn't there yet.

    The page's Content-Security-Policy doesn't matter: the script comes from the browser's own tools.
    """
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_script())
    return [Finding(**each) for each in await page.evaluate(RUN, list(TAGS))]
