"""Rules as they stand in their files: one statement after the other, each with its line, judged when they load.

Cedar itself says neither on which line it stumbles nor which file a rule came from, so each statement is read alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cedarpy

from handlers.playbooks.sheet import CAP, PlaybookError, Problem
from handlers.rules.facts import ACTIONS, WHO, schema

RAISES = frozenset(
    {"ask", "act"}
)  # what a rule that raises the tier is judged for: now, and again before the change
TIERS = ("1", "2", "3")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,59}")
_MOST = 200  # characters of a reason; it stands on a card


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `tier` is 0 unless it raises; `playbooks` is empty where it is about all; `reads` names its facts."""

    id: str
    reason: str
    effect: str
    tier: int
    actions: frozenset[str]
    playbooks: frozenset[str]
    reads: frozenset[str]
    text: str
    file: str
    line: int
    body: Mapping[str, Any]

    @property
    def unconditional(self) -> bool:
        """Whether it holds for everybody, always."""
        everybody = self.body["principal"] == {"op": "All"}
        return everybody and not self.body["conditions"]

    def touches(self, playbook: str) -> bool:
        """Whether it has a say about this playbook."""
        return not self.playbooks or playbook in self.playbooks


def read(folder: Path, playbooks: Collection[str]) -> tuple[Rule, ...]:
    """Every rule of a folder's *.cedar files. Raises PlaybookError with all that is wrong in all of them."""
    problems: list[Problem] = []
    rules: dict[str, Rule] = {}
    paths = sorted(folder.glob("*.cedar"))
    for path in paths:
        for line, text in _statements(path, problems):
            rule = _rule(str(path), line, text, playbooks, problems)
            if rule is None:
                continue
            if (first := rules.get(rule.id)) is not None:
                wrong = f"is `{rule.id}`, as in {Path(first.file).name}, line {first.line}"
                problems.append(Problem(rule.file, line, "@id", wrong, "Choose another name."))
            rules[rule.id] = rule
    if not paths:
        remedy = (
            "Copy house.cedar from the shipped playbooks/rules: without a rule that permits it, nothing goes."
        )
        problems.append(Problem(str(folder), 1, "the folder", "holds no *.cedar file", remedy))
    if problems:
        raise PlaybookError(problems)
    return tuple(rules.values())


# -- file → statements --------------------------------------------------------------------------

_PIECE = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|;|\s+|[^\s";/]+|.', re.DOTALL)


def _statements(path: Path, problems: list[Problem]) -> Iterator[tuple[int, str]]:
    """Each statement with the line it begins on. A `;` in a text or a comment ends none."""
    try:
        raw = path.read_bytes()
        text = raw.decode()
    except OSError as error:
        remedy = "Check what it is and who may read it."
        problems.append(Problem(str(path), 1, "the file", f"can't be read ({error.strerror})", remedy))
        return
    except UnicodeDecodeError:
        problems.append(Problem(str(path), 1, "the file", "is not UTF-8 text", "Save it again as UTF-8."))
        return
    if len(raw) > CAP:
        remedy = "Split it: rules may stand in several files."
        problems.append(Problem(str(path), 1, "the file", "is larger than 64 KiB", remedy))
        return
    line, begun, parts = 1, 0, list[str]()
    for piece in _PIECE.findall(text):
        if not piece.isspace() and not piece.startswith("//"):
            begun = begun or line
            parts.append(piece)
            if piece == ";":
                yield begun, "".join(parts)
                begun, parts = 0, []
        elif parts:
            parts.append(" " if piece.startswith("//") else piece)
        line += piece.count("\n")
    if begun:
        yield begun, "".join(parts)  # without its `;`, which Cedar will say


# -- statement → rule ---------------------------------------------------------------------------


def _rule(
    file: str, line: int, text: str, playbooks: Collection[str], problems: list[Problem]
) -> Rule | None:
    """The rule, or None and what is wrong with it."""
    before = len(problems)

    def note(what: str, wrong: str, remedy: str) -> None:
        problems.append(Problem(file, line, what, wrong, remedy))

    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        note("the rule", f"isn't Cedar: {error}", "Check its brackets and commas, and the `;` at its end.")
        return None
    if parsed["templates"] or len(parsed["staticPolicies"]) != 1:
        note("the rule", "has places to fill in", "Write names in place of `?principal` and `?resource`.")
        return None
    (body,) = parsed["staticPolicies"].values()
    marks = body.get("annotations", {})
    id, reason, tier = (marks.get(name) or "" for name in ("id", "reason", "tier"))
    if not _NAME.fullmatch(id):
        wrong = f"is `{id[:60]}`, which doesn't fit" if id else "is missing"
        note("@id", wrong, 'Write @id("a-name-of-its-own") before it, in small letters, digits and hyphens.')
    if not reason.endswith((".", "?", "!")) or not reason.isprintable() or len(reason) > _MOST:
        wrong = "isn't one whole sentence" if reason else "is missing"
        remedy = 'Write @reason("What whoever is told no should read.") before it, at most 200 characters.'
        note("@reason", wrong, remedy)
    if unknown := sorted(marks.keys() - {"id", "reason", "tier"}):
        note(f"@{unknown[0]}", "says nothing to Countersign", "Leave it out, or write a comment.")
    actions, about = _actions(body["action"]), _playbooks(body["resource"])
    if "tier" in marks:
        _judge_tier(body["effect"], tier, actions, note)
    for name in sorted(about - set(playbooks)):
        note("the rule", f"names the playbook `{name}`, which isn't there", f"There is {_either(playbooks)}.")
    if asked := sorted(_unsure(body["conditions"])):
        remedy = "Leave it out: a rule that asks about what isn't known never helps anybody."
        note("the rule", f"asks whether there is `{asked[0]}`", remedy)
    if whole := sorted(_whole(body["conditions"])):
        remedy = "Ask about its parts: what is unknown in it would pass for an answer."
        note("the rule", f"compares `{whole[0]}` as a whole", remedy)
    result = cedarpy.validate_policies(text, _schema())
    for each in result.errors:
        said = re.sub(r"^\[policy0\] for policy `policy0`, ", "", str(each))
        note("the rule", f"doesn't fit: {said}", "docs/policy.md lists what a rule may ask about.")
    if len(problems) > before:
        return None
    reads = frozenset(_reads(body["conditions"]))
    return Rule(id, reason, body["effect"], int(tier or 0), actions, about, reads, text, file, line, body)


def _judge_tier(effect: str, tier: str, actions: frozenset[str], note: Any) -> None:
    """What raises says yes, from a tier on; and it is asked once more before the change is made."""
    if tier not in TIERS:
        note("@tier", f"is `{tier[:20]}`, not one of {', '.join(TIERS)}", 'Write @tier("2") or @tier("3").')
    if effect != "permit":
        note("@tier", "stands before a `forbid`", "A rule forbids, or it permits from a tier on: keep one.")
    if actions != RAISES:
        remedy = 'Write `action in [Action::"ask", Action::"act"]`: it is judged again before the change.'
        note("@tier", "stands before a rule for other actions", remedy)


def _actions(scope: Mapping[str, Any]) -> frozenset[str]:
    """Which actions a rule is about."""
    named = scope.get("entities") or ([scope["entity"]] if "entity" in scope else [])
    return frozenset(each["id"] for each in named) if named else frozenset(ACTIONS)


def _playbooks(scope: Mapping[str, Any]) -> frozenset[str]:
    """Which playbooks a rule names; none where it is about all."""
    named = scope.get("entities") or ([scope["entity"]] if "entity" in scope else [])
    return frozenset(each["id"] for each in named)


@cache
def _schema() -> cedarpy.Schema:
    return cedarpy.Schema.from_str(schema())


def _either(words: Collection[str]) -> str:
    return " or ".join(f"`{word}`" for word in sorted(words)) or "none"


# -- what a rule asks about ---------------------------------------------------------------------


def _reads(node: Any) -> Iterator[str]:
    """The facts that an expression asks about, by name. Of what is chosen while it runs, every one it could be."""
    match node:
        case {".": {"left": left, "attr": attr}}:
            if (path := path_of(node)) is not None:
                yield path
                return
            yield from _reads(left)
            yield from (f"{who}.{attr}" for who in ("principal", *(f"context.{name}" for name in WHO)))
        case {"has": _}:
            return
        case {"Value": _} | {"Var": _}:
            return
        case dict():
            for inner in node.values():
                yield from _reads(inner)
        case list():
            for inner in node:
                yield from _reads(inner)


def path_of(node: Any) -> str | None:
    """`context.subject.roles` of an expression that is just that, or None."""
    match node:
        case {"Var": name}:
            return str(name)
        case {".": {"left": left, "attr": attr}}:
            path = path_of(left)
            return None if path is None else f"{path}.{attr}"
    return None


def _whole(node: Any) -> Iterator[str]:
    """What is used as a value though it is a record, in which something may be unknown without an error."""
    match node:
        case {"has": {"left": left}} | {".": {"left": left}} if path_of(left) is None:
            yield from _whole(left)
        case {"has": _}:
            return
        case {".": _} | {"Var": _}:
            if path_of(node) in ("context", "context.place", "context.chat"):
                yield str(path_of(node))
        case dict():
            for inner in node.values():
                yield from _whole(inner)
        case list():
            for inner in node:
                yield from _whole(inner)


def _unsure(node: Any) -> Iterator[str]:
    """What an expression asks the presence of, but for what some places of asking can't tell."""
    match node:
        case {"has": {"left": left, "attr": attr}}:
            path = f"{path_of(left) or 'it'}.{attr}"
            if path not in ("context.place", "context.chat"):
                yield path
        case dict():
            for inner in node.values():
                yield from _unsure(inner)
        case list():
            for inner in node:
                yield from _unsure(inner)
