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
from handlers.rules.facts import ACTIONS, OF_PLAYBOOK, RECORDS, WHO, Around, Who
from handlers.rules.files import Rule, read

FOLDER = "rules"  # beside the playbooks
_ERRED = re.compile(r"while evaluating policy `(policy\d+)`")
_encode = msgspec.json.Encoder().encode


class Rules:
    """The rules in force, parsed once: a set for each action, with only what is about it."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.all = tuple(rules)
        self._sets = {action: _Set([r for r in rules if action in r.actions]) for action in ACTIONS}

    @classmethod
    def load(cls, folder: Path, playbooks: Collection[str]) -> Rules:
        """The rules of a folder. Raises PlaybookError with all that is wrong."""
        return cls(read(folder, playbooks))

    def asks_about(self, action: str) -> frozenset[str]:
        """The facts that some rule about this action asks about: nothing else has to be looked up for it."""
        return self._sets[action].reads

    def judge(self, action: str, principal: Who, playbook: Playbook, around: Around) -> Ruling:
        """What they say. Whatever Cedar can't judge is a no."""
        rules = self._sets[action]
        facts = _Facts(principal, playbook, around, rules.reads)
        request = {
            "principal": {"type": "Person", "id": principal.id},
            "action": {"type": "Action", "id": action},
            "resource": {"type": "Playbook", "id": playbook.name},
            "context": facts.context(),
        }
        (result,) = cedarpy.is_authorized_batch([request], rules.parsed, facts.entities())
        satisfied = [rules.by_id[id] for id in result.diagnostics.reasons]
        erred, strange = rules.erred(result.diagnostics.errors)
        said = bool(satisfied) and result.decision is cedarpy.Decision.Allow
        permitted = said and not strange and all(rule.tier for rule in erred)
        tier = max((rule.tier for rule in (*satisfied, *erred)), default=0)
        fired = [Fired(rule.id, rule.reason, _effect(rule)) for rule in satisfied]
        fired += [Fired(rule.id, rule.reason, "unknown") for rule in erred]
        seen = facts.seen(name for rule in (*satisfied, *erred) for name in rule.reads)
        return Ruling(permitted, tier, tuple(fired), seen)


class _Set:
    """The rules about one action, under the names that Cedar gave them."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.parsed = cedarpy.PolicySet.from_str("\n".join(rule.text for rule in rules))
        self.by_id = {f"policy{place}": rule for place, rule in enumerate(rules)}  # in the order of the text
        self.reads = frozenset().union(*(rule.reads for rule in rules))

    def erred(self, errors: Iterable[str]) -> tuple[list[Rule], bool]:
        """Which rules erred, and whether anything else did."""
        found = [_ERRED.search(error) for error in errors]
        rules = [self.by_id[match[1]] for match in found if match is not None and match[1] in self.by_id]
        return rules, len(rules) < len(found)


class _Facts:
    """Facts as Cedar reads them: only those that are asked about, and only those that are known."""

    def __init__(self, principal: Who, playbook: Playbook, around: Around, reads: Collection[str]) -> None:
        self._reads = reads
        self._around = around
        self._who = {"principal": principal, **{f"context.{name}": getattr(around, name) for name in WHO}}
        self._playbook = playbook

    def context(self) -> str:
        """What there is around the act, as JSON."""
        found: dict[str, Any] = {
            name: {"__entity": {"type": "Person", "id": getattr(self._around, name).id}} for name in WHO
        }
        for fact in fields(Around):
            value = getattr(self._around, fact.name)
            if fact.name in RECORDS and value is not None:
                found[fact.name] = _known(value, (each.name for each in fields(value)))
            elif fact.name not in WHO and value is not None and f"context.{fact.name}" in self._reads:
                found[fact.name] = value
        return _encode(found).decode()

    def entities(self) -> str:
        """The people and the playbook, as JSON. One person may stand in several places."""
        people: dict[str, dict[str, Any]] = {}
        for place, who in self._who.items():
            asked = [read.rpartition(".")[2] for read in self._reads if read.rpartition(".")[0] == place]
            people.setdefault(who.id, {}).update(_known(who, asked))
        asked = [name for name in OF_PLAYBOOK if f"resource.{name}" in self._reads]
        found = [_entity("Playbook", self._playbook.name, _known(self._playbook, asked))]
        found += [_entity("Person", id, known) for id, known in people.items()]
        return _encode(found).decode()

    def seen(self, names: Iterable[str]) -> Mapping[str, str]:
        """What rules saw, in words, by the facts' names."""
        return {name: self._word(name) for name in sorted(set(names))}

    def _word(self, name: str) -> str:
        place, _, attr = name.rpartition(".")
        if place in self._who:
            return _word(getattr(self._who[place], attr, None))
        if place == "resource":
            return _word(getattr(self._playbook, attr, None))
        if place == "context":
            return _word(getattr(self._around, attr, None))
        record = getattr(self._around, place.rpartition(".")[2], None)
        return "not told there" if record is None else _word(getattr(record, attr, None))


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
