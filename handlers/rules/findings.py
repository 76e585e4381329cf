"""What can be seen of rules without asking them: which can never have a say, and which contradict one another.

It compares scopes and what stands in conditions side by side; it solves nothing. docs/policy.md says what it misses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import flows.errors as no
from flows.model import Playbook
from flows.raised import raised
from handlers.findings import Finding, Level
from handlers.rules.facts import ACTIONS, ELSEWHERE
from handlers.rules.files import Rule, path_of

#: Roles that Countersign itself knows, besides those of the configuration and of playbooks.
ROLES = frozenset({"administrator", "desk_agent", "security"})
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}
_RANGES = {"resource.tier": (0, 3), "context.hour": (0, 23)}


@dataclass(frozen=True, slots=True)
class Known:
    """What names may stand in a rule: the playbooks in force, and the configuration's roles and networks."""

    playbooks: Mapping[str, Playbook]
    roles: Collection[str] = ()
    networks: Collection[str] = ()

    def values(self) -> Mapping[str, Collection[str]]:
        """The values that a fact can have at all."""
        return {
            "resource.connector": {playbook.connector for playbook in self.playbooks.values()},
            "resource.verb": {playbook.verb for playbook in self.playbooks.values()},
            "context.place.network": {*self.networks, ELSEWHERE},
            "context.chat.platform": {"slack", "teams"},
        }


def findings(rules: Sequence[Rule], known: Known) -> list[Finding]:
    """All that can be seen, rule by rule. What fails can never be meant; a warning may be."""
    found = [*_unpermitted(rules)]
    for rule in rules:
        found += [_finding(rule, Level.FAIL, *said) for said in _idle(rule, known)]
        found += [_finding(rule, Level.WARN, *said) for said in _doubtful(rule, known)]
    for rule, other in permutations(rules, 2):
        if (said := _beside(rule, other)) is not None:
            found.append(_finding(rule, Level.FAIL, *said))
    return found


def _finding(rule: Rule, level: Level, seen: str, remedy: str) -> Finding:
    return Finding(rule.id, level, f"{seen} ({Path(rule.file).name}, line {rule.line})", remedy)


def _unpermitted(rules: Sequence[Rule]) -> Iterator[Finding]:
    for action in ACTIONS:
        if not any(rule.effect == "permit" and not rule.tier and action in rule.actions for rule in rules):
            seen = f"no rule permits anybody to {action}, so nothing goes"
            yield Finding(action, Level.FAIL, seen, "Put the shipped house.cedar back, or write a permit.")


def _idle(rule: Rule, known: Known) -> Iterator[tuple[str, str]]:
    """Why one rule, by itself, can never have a say."""
    about = [playbook for playbook in known.playbooks.values() if rule.touches(playbook.name)]
    if rule.tier and all(playbook.tier >= rule.tier for playbook in about):
        yield (
            f"raises nothing: all that it is about is at tier {rule.tier} already",
            "Raise the tier, or drop it.",
        )
    parts = list(_conjuncts(rule))
    if any(part == {"Value": False} for part in parts):
        yield "never fires: its condition is false", "Drop it."
    tests = [test for part in parts if (test := _test(part)) is not None]
    if any(_excluded(one, other) for one, other in combinations(tests, 2)):
        yield "never fires: two parts of its condition can't both be true", "Change one of them."
    values = known.values()
    for path, value in _compared(rule.body["conditions"]):
        if path in values and value not in values[path]:
            there = ", ".join(sorted(values[path])) or "none"
            yield f"asks for the {path.rpartition('.')[2]} `{value}`, which isn't there", f"There is {there}."
        low, high = _RANGES.get(path, (value, value))
        if isinstance(value, int) and not low <= value <= high:
            yield f"compares {path} with {value}, which it never is", f"It is {low} to {high}."


def _doubtful(rule: Rule, known: Known) -> Iterator[tuple[str, str]]:
    """What may be meant, but should be known."""
    roles = {*ROLES, *known.roles, *(p.handed_to for p in known.playbooks.values())}
    for path, value in _compared(rule.body["conditions"]):
        if path.endswith(".roles") and value not in roles:
            yield f"asks for the role `{value}`, which the configuration doesn't give", "Check its name."
    for playbook in known.playbooks.values():
        if rule.tier and rule.touches(playbook.name):
            try:
                raised(playbook, rule.tier)
            except no.TooFewToAgree:
                seen = f"refuses {playbook.name} where it fires: too few are named there to agree at tier {rule.tier}"
                yield (
                    seen,
                    f"Write `raised` with a larger quorum into {playbook.name}.yaml, if it should go on.",
                )


def _beside(rule: Rule, other: Rule) -> tuple[str, str] | None:
    """What another rule makes of this one."""
    within = rule.actions <= other.actions and (not other.playbooks or rule.playbooks <= other.playbooks)
    if other.playbooks and not rule.playbooks:
        within = False
    if not within:
        return None
    if rule.effect == "permit" and other.effect == "forbid" and other.unconditional:
        return f"never permits: `{other.id}` forbids all of it", "Drop one of the two."
    alike = rule.effect == other.effect and bool(rule.tier) == bool(other.tier)
    same = rule.body["principal"] == other.body["principal"] or other.body["principal"] == {"op": "All"}
    if not (alike and same and rule.tier <= other.tier) or not _implies(rule, other):
        return None
    if (
        _implies(other, rule)
        and rule.tier == other.tier
        and (rule.file, rule.line) < (other.file, other.line)
    ):
        return None  # they say the same: one of them is told
    return f"adds nothing: whenever it fires, `{other.id}` does too, and says as much", "Drop one of the two."


# -- conditions ---------------------------------------------------------------------------------


def _implies(rule: Rule, other: Rule) -> bool:
    """Whether the first one's conditions hold only where the other's do, as far as their parts show."""
    mine = list(_conjuncts(rule))
    return all(any(_covers(part, theirs) for part in mine) for theirs in _conjuncts(other))


def _conjuncts(rule: Rule) -> Iterator[Any]:
    for condition in rule.body["conditions"]:
        if condition["kind"] == "unless":
            yield {"!": {"arg": condition["body"]}}
        else:
            yield from _parts(condition["body"])


def _parts(node: Any) -> Iterator[Any]:
    match node:
        case {"&&": {"left": left, "right": right}}:
            yield from _parts(left)
            yield from _parts(right)
        case _:
            yield node


def _covers(part: Any, other: Any) -> bool:
    if part == other:
        return True
    one, two = _test(part), _test(other)
    if one is None or two is None or one[0] != two[0]:
        return False
    (_, sign, value), (_, limit, bound) = one, two
    if not isinstance(value, int) or not isinstance(bound, int):
        return False
    low = {">": value + 1, ">=": value, "==": value}.get(sign)
    high = {"<": value - 1, "<=": value, "==": value}.get(sign)
    match limit:
        case ">" | ">=":
            return low is not None and low >= bound + (limit == ">")
        case "<" | "<=":
            return high is not None and high <= bound - (limit == "<")
    return False


def _test(part: Any) -> tuple[str, str, Any] | None:
    """`context.hour < 6` as its path, its sign and its value; None for anything else."""
    if not isinstance(part, dict) or len(part) != 1:
        return None
    ((sign, sides),) = part.items()
    if sign not in _MIRRORED:
        return None
    match sides:
        case {"left": left, "right": {"Value": value}} if (path := path_of(left)) is not None:
            return path, sign, value
        case {"left": {"Value": value}, "right": right} if (path := path_of(right)) is not None:
            return path, _MIRRORED[sign], value
    return None


def _excluded(one: tuple[str, str, Any], other: tuple[str, str, Any]) -> bool:
    """Whether both can't be true of one value."""
    if one[0] != other[0]:
        return False
    if one[1] == other[1] == "==":
        return bool(one[2] != other[2])
    if not (type(one[2]) is type(other[2]) is int):
        return False
    lows = [value + (sign == ">") for _, sign, value in (one, other) if sign in (">", ">=", "==")]
    highs = [value - (sign == "<") for _, sign, value in (one, other) if sign in ("<", "<=", "==")]
    return bool(lows and highs) and max(lows) > min(highs)


def _compared(node: Any) -> Iterator[tuple[str, Any]]:
    """Every fact with each value that it is compared with, wherever that stands."""
    match node:
        case {"contains": {"left": left, "right": {"Value": value}}} if path := path_of(left):
            yield path, value
        case {"contains": {"left": {"Set": values}, "right": right}} if path := path_of(right):
            yield from ((path, each["Value"]) for each in values if "Value" in each)
        case {"containsAny": {"left": left, "right": {"Set": values}}} if path := path_of(left):
            yield from ((path, each["Value"]) for each in values if "Value" in each)
        case dict():
            if (test := _test(node)) is not None:
                yield test[0], test[2]
            for inner in node.values():
                yield from _compared(inner)
        case list():
            for inner in node:
                yield from _compared(inner)
