"""How the matcher does on phrases written without looking at it: python -m tests.bot.phrases_report."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from bot.phrases import Meant, Phrases
from handlers.playbooks import load

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Judged:
    """One phrase: what was expected, what the matcher said, and whether that is right."""

    group: str
    text: str
    expected: str
    said: str
    right: bool


@cache
def phrases() -> Phrases:
    """The matcher over the playbooks that ship."""
    return Phrases(load(ROOT / "playbooks").values())


@cache
def judged() -> tuple[Judged, ...]:
    """Every phrase of the collection."""
    entries = yaml.safe_load((ROOT / "tests/bot/phrases.yaml").read_text("utf-8"))
    return tuple(_judge(entry, phrases().read(entry["text"])) for entry in entries)


def _judge(entry: dict[str, Any], meant: Meant) -> Judged:
    """A proposal is right if it is the one expected, and a choice if all that could be meant are among it."""
    expected, named = str(entry["expect"]), ", ".join(meant.playbooks)
    said = {
        "one": named,
        "several": f"choice of {named}",
        "unknown": "list",
        "disowned": "help_disowned",
        "called": "help_called",
    }.get(meant.kind, meant.kind)
    right = said == expected
    if meant.kind == "several":
        wanted = set(entry["either"]) if expected == "choice" else {expected}
        right = wanted <= set(meant.playbooks)
    return Judged(entry["group"], entry["text"], expected, said, right)


def accuracy(group: str = "") -> float:
    """The share of phrases that are right, of one group or of all."""
    found = [each for each in judged() if group in ("", each.group)]
    return sum(each.right for each in found) / len(found)


def report() -> Iterator[str]:
    """Lines for reading: the groups, then every miss."""
    count = Counter(each.group for each in judged())
    right = Counter(each.group for each in judged() if each.right)
    yield f"{'group':12} right  of"
    for group, many in count.items():
        yield f"{group:12} {right[group]:5} {many:3}"
    yield f"{'all':12} {right.total():5} {count.total():3}  ({accuracy():.0%})"
    yield ""
    for each in judged():
        if not each.right:
            yield f"{each.group}: {each.text!r} is {each.expected}, taken for {each.said}"


if __name__ == "__main__":
    sys.stdout.write("\n".join(report()) + "\n")
