"""Asks Cedar: what the company's rules say about one act, by one person, as things are.

1. Cedar skips a rule that errs, and may still say Allow. So a yes is an Allow in which nothing erred.
2. A rule with a tier says yes from that tier on. Where it errs, because a fact is unknown, the tier rises all the
   same.
3. So a fact that is taken away never permits anything and never lowers a tier.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import cedarpy
import msgspec

from flows.model import Playbook
from flows.ruling import Fired, Ruling
from handlers.rules.facts import ACTIONS, RECORDS, WHO, Around, Who
from handlers.rules.files import Rule, read

FOLDER = "rules"  # beside the playbooks
_ERRED = re.compile(r"while evaluating policy `(policy\d+)`")
_encode = msgspec.json.Encoder().encode


class Rules:
    """The rules in force, parsed once: a set for each action and playbook, with only what is about them."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.all = tuple(rules)
        self._sets: dict[tuple[str, str], _Set] = {}
        for action in ACTIONS:  # without a playbook: those about all of them
            for name in {"", *(name for rule in rules for name in rule.playbooks)}:
                about = [rule for rule in rules if action in rule.actions and rule.touches(name)]
                self._sets[action, name] = _Set(about)

    @classmethod
    def load(cls, folder: Path, playbooks: Collection[str]) -> Rules:
        """The rules of a folder. Raises PlaybookError with all that is wrong."""
        return cls(read(folder, playbooks))

    def asks_about(self, action: str, playbook: str) -> frozenset[str]:
        """The facts that some rule about these two asks about: nothing else has to be looked up for it."""
        return self._about(action, playbook).reads

    def _about(self, action: str, playbook: str) -> _Set:
        return self._sets.get((action, playbook)) or self._sets[action, ""]

    def judge(self, action: str, principal: Who, playbook: Playbook, around: Around) -> Ruling:
        """What they say. Whatever Cedar can't judge is a no."""
        rules = self._about(action, playbook.name)
        request = {
            "principal": {"type": "Person", "id": principal.id},
            "action": {"type": "Action", "id": action},
            "resource": {"type": "Playbook", "id": playbook.name},
            "context": rules.context(around),
        }
        (result,) = cedarpy.is_authorized_batch(
            [request], rules.parsed, rules.entities(principal, playbook, around)
        )
        reasons = frozenset(result.diagnostics.reasons)  # Cedar names them in no order
        satisfied = [rule for id, rule in rules.by_id.items() if id in reasons]
        erred, strange = rules.erred(result.diagnostics.errors)
        said = bool(satisfied) and result.decision is cedarpy.Decision.Allow
        permitted = said and not strange and all(rule.tier for rule in erred)
        tier = max((rule.tier for rule in (*satisfied, *erred)), default=0)
        fired = [Fired(rule.id, rule.reason, _effect(rule)) for rule in satisfied]
        fired += [Fired(rule.id, rule.reason, "unknown") for rule in erred]
        names = sorted({name for rule in (*satisfied, *erred) for name in rule.reads})
        seen = {name: _seen(name, principal, playbook, around) for name in names}
        return Ruling(permitted, tier, tuple(fired), seen)


class _Set:
    """The rules about one action, under the names that Cedar gave them, and what they ask about."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.parsed = cedarpy.PolicySet.from_str("\n".join(rule.text for rule in rules))
        self.by_id = {f"policy{place}": rule for place, rule in enumerate(rules)}  # in the order of the text
        self.reads = frozenset().union(*(rule.reads for rule in rules))
        self._asked = {place: self._of(place) for place in (*_PEOPLE, "resource", "context")}

    def _of(self, place: str) -> tuple[str, ...]:
        return tuple(
            sorted(name[len(place) + 1 :] for name in self.reads if name.rpartition(".")[0] == place)
        )

    def erred(self, errors: Iterable[str]) -> tuple[list[Rule], bool]:
        """Which rules erred, and whether anything else did."""
        found = [_ERRED.search(error) for error in errors]
        rules = [self.by_id[match[1]] for match in found if match is not None and match[1] in self.by_id]
        return rules, len(rules) < len(found)

    def context(self, around: Around) -> str:
        """What there is around the act, as JSON: only what is asked about, and only what is known."""
        found: dict[str, Any] = {name: _reference(getattr(around, name).id) for name in WHO}
        found |= _known(around, self._asked["context"])
        for name, record in (("place", around.place), ("chat", around.chat)):
            if record is not None:
                found[name] = _known(record, _RECORDS[name])
        return _encode(found).decode()

    def entities(self, principal: Who, playbook: Playbook, around: Around) -> str:
        """The people and the playbook, as JSON. One person may stand in several places."""
        people: dict[str, dict[str, Any]] = {}
        for place, who in _standing(principal, around).items():
            people.setdefault(who.id, {}).update(_known(who, self._asked[place]))
        found = [_entity("Playbook", playbook.name, _known(playbook, self._asked["resource"]))]
        found += [_entity("Person", id, known) for id, known in people.items()]
        return _encode(found).decode()


_PEOPLE = ("principal", *(f"context.{name}" for name in WHO))
_RECORDS = {name: tuple(each.name for each in fields(kind)) for name, kind in RECORDS.items()}


def _standing(principal: Who, around: Around) -> Mapping[str, Who]:
    """Who stands where, as rules name it."""
    return dict(zip(_PEOPLE, (principal, *(getattr(around, name) for name in WHO)), strict=True))


def _seen(name: str, principal: Who, playbook: Playbook, around: Around) -> str:
    """What a rule saw of a fact, in words."""
    place, _, attr = name.rpartition(".")
    if place in _PEOPLE:
        return _word(getattr(_standing(principal, around)[place], attr, None))
    if place == "resource":
        return _word(getattr(playbook, attr, None))
    if place == "context":
        return _word(getattr(around, attr, None))
    record = getattr(around, place.rpartition(".")[2], None)
    return "not told there" if record is None else _word(getattr(record, attr, None))


def _reference(id: str) -> Mapping[str, Any]:
    return {"__entity": {"type": "Person", "id": id}}


def _entity(kind: str, id: str, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"uid": {"type": kind, "id": id}, "attrs": attributes, "parents": ()}


def _known(value: object, names: Iterable[str]) -> dict[str, Any]:
    return {name: found for name in names if (found := getattr(value, name)) is not None}


def _word(value: object) -> str:
    match value:
        case None:
            return "unknown"
        case bool():
            return "yes" if value else "no"
        case frozenset():
            return ", ".join(sorted(value)) or "none"
    return str(value)


def _effect(rule: Rule) -> str:
    if rule.effect == "forbid":
        return "forbids"
    return "raises" if rule.tier else "permits"
