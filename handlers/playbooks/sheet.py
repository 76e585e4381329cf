"""One YAML file while it is read: strictly, with the line of everything it says and all that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import (
    BaseModel,
)
from pydantic.fields import FieldInfo

from handlers.playbooks.page import SECTIONS, Page

Loc = tuple[int | str, ...]  # a place in a file, as pydantic names it

CAP = 64 * 1024  # bytes of one file
DEPTH = 8  # levels of nesting; a page needs 4
ROOT_FIELD = "the file"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: where, at which key (dotted, list items counted from 1), what, and what to do."""

    file: str
    line: int
    field: str
    wrong: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field} {self.wrong}. {self.remedy}"


class PlaybookError(Exception):
    """Some playbooks can't be used. Holds every problem found in all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__("\n".join([f"{count} in the playbooks:", *map(str, self.problems)]))


class Sheet:
    """One file while it is read: its tree for finding lines, and what was wrong with it so far."""

    def __init__(
        self, file: str, remedy: Callable[[Loc], str] | None = None, beginning: str = "`name:` and `version:`"
    ) -> None:
        self.file = file
        self.remedy = remedy or remedy_for
        self.beginning = beginning  # the keys that such a file begins with
        self.problems: list[Problem] = []
        self.unread: set[Loc] = set()  # places already told about, whose value is a stand-in
        self.lines: dict[Loc, int] = {(): 1}

    def note(self, loc: Loc, wrong: str, remedy: str = "", *, line: int | None = None) -> None:
        if line is None:
            line = next(self.lines[loc[:n]] for n in range(len(loc), -1, -1) if loc[:n] in self.lines)
        field = ".".join(str(part + 1) if isinstance(part, int) else part for part in loc) or ROOT_FIELD
        self.problems.append(Problem(self.file, line, field, wrong, remedy or self.remedy(loc)))

    # -- bytes → text → tree → plain values

    def read(self, path: Path) -> Mapping[str, Any] | None:
        """What the file says in plain values, or None when that can't be told."""
        try:
            with path.open("rb") as file:
                raw = file.read(CAP + 1)
            if len(raw) <= CAP:
                return self._parsed(raw.decode())
            self.note((), "is larger than 64 KiB", "Such a file is about a page; shorten it.")
        except OSError as error:
            self.note((), f"can't be read ({error.strerror})", "Check what it is and who may read it.")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            self.note((), "is not UTF-8 text", "Save it again as UTF-8.", line=line)
        return None

    def _parsed(self, text: str) -> Mapping[str, Any] | None:
        try:
            tree = yaml.compose(text, Loader=yaml.SafeLoader) if self._plain(text) else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            wrong = f"is not YAML here: {error.problem or error.context}"
            remedy = "Check indentation and colons, and put quotes around text with special signs."
            self.note((), wrong, remedy, line=mark.line + 1 if mark else 1)
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            self.note((), "holds a control character", "Remove it and type the line again.", line=line)
        else:
            if isinstance(tree, yaml.MappingNode):
                return self._mapping(tree, ())
            if not self.problems:
                self.note((), "has no keys", f"Begin with {self.beginning}, each on its own line.")
        return None

    def _plain(self, text: str) -> bool:
        """No aliases, anchors, tags, second document or deep nesting. Events neither recurse nor expand."""
        depth = documents = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 1
            opens = isinstance(event, yaml.CollectionStartEvent)
            depth += opens - isinstance(event, yaml.CollectionEndEvent)
            documents += isinstance(event, yaml.DocumentStartEvent)
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                self.note((), "uses a YAML anchor or alias", "Write the value itself.", line=line)
            elif tag := getattr(event, "tag", None):
                self.note((), "uses a YAML tag", f"Remove `{tag}` and write a plain value.", line=line)
            elif depth > DEPTH:
                self.note((), f"is nested deeper than {DEPTH} levels", "Write it flatter.", line=line)
            elif documents > 1:
                self.note((), "holds more than one document", "Make a file for each.", line=line)
            if self.problems:
                return False
        return True

    def _value(self, node: yaml.Node, loc: Loc) -> object:
        match node:
            case yaml.MappingNode():
                return self._mapping(node, loc)
            case yaml.SequenceNode():
                for index, item in enumerate(node.value):
                    self.lines[*loc, index] = item.start_mark.line + 1
                return [self._value(item, (*loc, index)) for index, item in enumerate(node.value)]
            case _:
                return self._scalar(node, loc)

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:str" or not key.value.isprintable():
                shown = isinstance(key.value, str) and key.value.isprintable()
                here = (*loc, key.value[:40]) if shown else loc
                self.note(here, "is not a plain word", "Write each key here as one plain word.", line=line)
            elif key.value in values:
                first = self.lines[*loc, key.value]
                remedy = f"Keep one; the first is in line {first}."
                self.note((*loc, key.value), "is given twice", remedy, line=line)
            else:
                self.lines[*loc, key.value] = line
                values[key.value] = self._value(value, (*loc, key.value))
        return values

    def _scalar(self, node: yaml.Node, loc: Loc) -> object:
        """Text, true or false, or a decimal number; not what YAML makes of dates, `~` or octals."""
        try:
            value = yaml.constructor.SafeConstructor().construct_object(node)
        except (yaml.YAMLError, ValueError):
            value = None
        if isinstance(value, str):
            if not " ".join(value.split()).isprintable():
                self.unread.add(loc)
                self.note(loc, "holds characters that can't be seen", "Type it again without them.")
                return ""
            return value
        if isinstance(value, bool) or re.fullmatch(r"-?(0|[1-9][0-9]{0,8})", node.value):
            return value
        self.unread.add(loc)
        remedy = f"{self.remedy(loc)} Put it in quotes if it is text.".strip()
        if node.value:
            self.note(loc, f"is `{node.value:.40}`, which YAML reads in its own way", remedy)
        else:
            self.note(loc, "is empty", self.remedy(loc) or "Leave it out.")
        return ""


def keys(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def section(loc: Loc) -> Mapping[str, FieldInfo]:
    """The keys that may stand beside the last one of `loc`."""
    words = [part for part in loc if isinstance(part, str)]
    return keys(SECTIONS[words[0]]) if len(words) > 1 and words[0] in SECTIONS else keys(Page)


def remedy_for(loc: Loc) -> str:
    """The description of the nearest key, which says what to write there."""
    words = [part for part in loc if isinstance(part, str)]
    if not words or words[-1] not in section(loc):
        return ""
    return section(loc)[words[-1]].description or ""
