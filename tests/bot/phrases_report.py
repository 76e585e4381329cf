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
from flows.model import Asker, Playbook
from handlers.playbooks import load

ROOT = Path(__file__).parents[2]
FEWER = {"disowned": "help_disowned", "called": "help_called", "unknown": "list"}


@dataclass(frozen=True)
class Judged:
    """One phrase: what it is, and what the matcher took it for."""

    group: str
    text: str
    expected: str
    said: str
    right: bool
    offered: bool  # not right, yet what is expected stands in the choice that was given

    @property
    def led_on(self) -> bool:
        """A request was proposed, or stood in a choice."""
        return self.said != "list" and not self.said.startswith("help_")


@cache
def offered(*, more: bool = False) -> tuple[Playbook, ...]:
    """The playbooks that ship; with `more` those that need further systems, too."""
    folders = [ROOT / "playbooks", *([ROOT / "playbooks" / "more"] if more else [])]
    return tuple(playbook for folder in folders for playbook in load(folder).values())


@cache
def phrases(*, more: bool = False) -> Phrases:
    """The matcher over them."""
    return Phrases(offered(more=more))


@cache
def judged(*, more: bool = False) -> tuple[Judged, ...]:
    """Every phrase of the collection, read as an employee's who may ask for themself only."""
    entries = yaml.safe_load((ROOT / "tests/bot/phrases.yaml").read_text("utf-8"))
    own = {each.name for each in offered(more=more) if Asker.SELF in each.askers}
    return tuple(_judge(entry, phrases(more=more).read(entry["text"], own)) for entry in entries)


def _judge(entry: dict[str, Any], meant: Meant) -> Judged:
    """A proposal is right if it is the one expected, a choice if it is of those expected and no others."""
    expected = set(entry.get("either", [entry["expect"]]))
    said = set(meant.playbooks) or {FEWER.get(meant.kind, meant.kind)}
    return Judged(
        entry["group"],
        entry["text"],
        " or ".join(sorted(expected)),
        " or ".join(sorted(said)),
        right=said == expected,
        offered=expected < said,
    )


def accuracy(group: str = "", *, more: bool = False) -> float:
    """The share of phrases that are right, of one group or of all."""
    found = [each for each in judged(more=more) if group in ("", each.group)]
    return sum(each.right for each in found) / len(found)


def report() -> Iterator[str]:
    """Lines for reading: the groups, then every miss."""
    of = Counter(each.group for each in judged())
    right = Counter(each.group for each in judged() if each.right)
    among = Counter(each.group for each in judged() if each.offered)
    yield "group        right   of         offered in a choice with others"
    for group, many in of.items():
        yield f"{group:12} {right[group]:5} {many:4} {right[group] / many:6.0%} {among[group]:8}"
    yield f"{'all':12} {right.total():5} {of.total():4} {accuracy():6.1%} {among.total():8}"
    yield ""
    for each in judged():
        if not each.right:
            yield f"{each.group}: {each.text!r} is {each.expected}, taken for {each.said}"


if __name__ == "__main__":
    sys.stdout.write("\n".join(report()) + "\n")
