"""Request types as data: each YAML file of a folder becomes a Playbook, or one error says all that is wrong.

What is hashed, stored and pinned to requests is the validated content as canonical JSON (RFC 8785), never
the file's bytes: comments, layout, key order and spelled-out defaults change nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any

import rfc8785

from flows.model import Playbook
from handlers.playbooks.judge import judge, judge_selectors, shaped
from handlers.playbooks.page import Page, duration, sha256, spelled
from handlers.playbooks.sheet import CAP, ROOT_FIELD, PlaybookError, Problem, Sheet

__all__ = [
    "CAP",
    "PlaybookError",
    "Playbooks",
    "Problem",
    "duration",
    "from_content",
    "load",
    "sha256",
    "spelled",
]


@dataclass(frozen=True, slots=True, eq=False)
class Playbooks(Mapping[str, Playbook]):
    """The playbooks in force by name, the same by hash, by hash the content to store beside each, and each one's
    hash by the name of its file."""

    by_name: Mapping[str, Playbook]
    by_hash: Mapping[str, Playbook]
    contents: Mapping[str, str]
    files: Mapping[str, str]

    def __getitem__(self, name: str) -> Playbook:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    def rows(self) -> list[dict[str, Any]]:
        """Each as hash, name, version and content, to be stored before any request is pinned to it."""
        return [
            {"hash": hash, "name": playbook.name, "version": playbook.version, "content": self.contents[hash]}
            for hash, playbook in self.by_hash.items()
        ]


def load(
    folder: Path,
    *,
    connectors: Mapping[str, frozenset[str]] | None = None,
    schedules: Collection[str] | None = None,
) -> Playbooks:
    """Every *.yaml of a folder. `connectors`: the verbs of each; `schedules`: the names of those there are. Both are
    to check what playbooks ask for.

    Raises PlaybookError with all that is wrong in all files; then none of them is used.
    """
    pages: dict[str, tuple[Path, Page]] = {}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.y*ml")):
        sheet = Sheet(str(path))
        page = _read(sheet, path, connectors, schedules)
        if page is not None and page.name in pages:
            sheet.note(
                ("name",), f"is `{page.name}`, as in {pages[page.name][0].name}", "Choose another name."
            )
        elif page is not None:
            pages[page.name] = path, page
        problems += sheet.problems
    if not pages and not problems:
        problems = [
            Problem(
                str(folder),
                1,
                "the folder",
                "holds no playbook" if folder.is_dir() else "doesn't exist",
                "Name a folder of *.yaml files in COUNTERSIGN_PLAYBOOKS.",
            )
        ]
    if problems:
        raise PlaybookError(problems)
    contents = [(page, page.content()) for _, page in pages.values()]
    files = {
        path.name: sha256(content) for (path, _), (_, content) in zip(pages.values(), contents, strict=True)
    }
    playbooks = [page.playbook(content) for page, content in contents]
    return Playbooks(
        MappingProxyType({playbook.name: playbook for playbook in playbooks}),
        MappingProxyType({playbook.hash: playbook for playbook in playbooks}),
        MappingProxyType({sha256(content): content for _, content in contents}),
        MappingProxyType(files),
    )


def _read(
    sheet: Sheet,
    path: Path,
    connectors: Mapping[str, frozenset[str]] | None,
    schedules: Collection[str] | None,
) -> Page | None:
    if path.suffix != ".yaml":
        sheet.note((), "would be passed over", f"Call it {path.stem}.yaml.")
        return None
    raw = sheet.read(path)
    if raw is None:
        return None
    page = shaped(sheet, raw)
    judge(sheet, page, connectors)
    judge_selectors(sheet, page, schedules)
    sheet.problems.sort(key=attrgetter("line"))
    return None if sheet.problems else Page.model_validate_json(json.dumps(raw))


def from_content(text: str) -> Playbook:
    """A playbook from its stored content, hashed anew: compare `hash` with the one it was pinned by.

    Only its shape is judged, so that rules made stricter since then strand no open request.
    Raises PlaybookError if this isn't canonical content of a playbook.
    """
    try:
        canonical = rfc8785.dumps(json.loads(text)).decode()
        page = Page.model_validate_json(text)
        if text == canonical:
            return page.playbook(text)
        reason = "is not canonical JSON"
    except (ValueError, RecursionError) as error:  # of json, pydantic, rfc8785 and Playbook itself
        reason = f"can't be used ({type(error).__name__})"
    problem = Problem(
        "stored content", 1, ROOT_FIELD, reason, "It was changed after it was stored; restore it."
    )
    raise PlaybookError([problem])
