"""The documents as tests read them: every page, its code blocks, and what it says about commands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Page:
    """One document."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def prose(self) -> str:
        """Everything outside fenced code."""
        return _FENCE.sub("", self.text)

    def blocks(self, language: str) -> list[str]:
        """The fenced code of one language."""
        return [match[2] for match in _FENCE.finditer(self.text) if match[1] == language]

    def anchors(self) -> set[str]:
        """What a link may point to behind `#`."""
        headings = re.findall(r"^#+ +(.+)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Page]:
    """Every document of the project."""
    found = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
    assert any(path.name == "README.md" for path in found), "there are no documents, so nothing was checked"
    return [Page(path, path.read_text(encoding="utf-8")) for path in found]


def page(name: str) -> Page:
    """One document by its path."""
    return Page(ROOT / name, (ROOT / name).read_text(encoding="utf-8"))
