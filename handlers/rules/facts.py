"""What a rule may ask about, and the Cedar schema that is made from it.

A fact that isn't known is None here and left out of what Cedar sees: a rule that asks about it errs, and that never
helps anybody. What a place of asking can't tell, as chat platforms tell a bot no address, is no fact of that request
at all: `place` and `chat` are there or not, and a rule says `context has place` before it asks.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_args, get_origin, get_type_hints

from flows.model import Person, Playbook

ACTIONS = ("ask", "approve", "act")
ELSEWHERE = "elsewhere"  # a network that the configuration doesn't name


@dataclass(frozen=True, slots=True)
class Who:
    """One person, as rules see them."""

    id: str
    groups: frozenset[str] | None = field(
        default=None, metadata={"says": "names of the directory's groups they are in"}
    )
    roles: frozenset[str] | None = field(
        default=None, metadata={"says": "the roles they hold, by the directory or the configuration"}
    )
    privileged: bool | None = field(
        default=None, metadata={"says": "whether they are one of the directory's own administrators"}
    )
    account_days: int | None = field(
        default=None, metadata={"says": "how many days ago their account was made"}
    )
    devices: int | None = field(default=None, metadata={"says": "how many devices they have registered"})
    device_days: int | None = field(
        default=None, metadata={"says": "how many days ago the oldest of those was registered; 0 without any"}
    )
    new_devices: int | None = field(
        default=None, metadata={"says": "how many of those were registered within the last 7 days"}
    )
    requests: int | None = field(
        default=None, metadata={"says": "how many requests they opened within the last 24 hours"}
    )
    failures: int | None = field(
        default=None, metadata={"says": "how many wrong numbers and codes they gave within the last 24 hours"}
    )
    freezes: int | None = field(
        default=None, metadata={"says": "how often they were frozen within the last 30 days"}
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device page was opened. Chat platforms tell a bot no address, so a chat has no place."""

    network: str | None = field(
        default=None,
        metadata={"says": "the name of the network, from the configuration; `elsewhere` for all others"},
    )
    country: str | None = field(
        default=None, metadata={"says": "the country's two letters, from the file that the settings name"}
    )


@dataclass(frozen=True, slots=True)
class Chat:
    """The chat account that it was asked from."""

    platform: str | None = field(default=None, metadata={"says": "`slack` or `teams`"})
    account_days: int | None = field(
        default=None, metadata={"says": "how many days ago that account was connected"}
    )


@dataclass(frozen=True, slots=True)
class Around:
    """What there is around an act. `principal`, who does it, stands beside it."""

    requester: Who = field(metadata={"says": "who asked"})
    subject: Who = field(metadata={"says": "whom it is about"})
    hour: int | None = field(
        default=None, metadata={"says": "the hour of the day where the principal is, 0 to 23"}
    )
    weekend: bool | None = field(default=None, metadata={"says": "whether it is Saturday or Sunday there"})
    place: Place | None = field(
        default=None, metadata={"says": "where the device page was opened that it was asked on; nowhere else"}
    )
    chat: Chat | None = field(
        default=None, metadata={"says": "the chat account it was asked from; nowhere else"}
    )


#: What a rule may ask about a playbook, by the names that Playbook has for it.
OF_PLAYBOOK: Mapping[str, str] = {
    "tier": "its own tier, 0 to 3",
    "connector": "the system that makes the change",
    "verb": "what that system does",
    "protects": "whether it takes power away or gives it back",
}

#: Facts whose values are people or records, not plain values.
WHO, RECORDS = ("requester", "subject"), {"place": Place, "chat": Chat}


def told() -> Iterator[tuple[str, str, str]]:
    """Every fact by its name in a rule, its Cedar type, and what it says: the table in docs/policy.md."""
    for name, cedar, says in _attributes(Who):
        yield f"principal.{name}", cedar, says
    for name, cedar, says in _playbook():
        yield f"resource.{name}", cedar, says
    for fact in fields(Around):
        if fact.name in WHO:
            yield f"context.{fact.name}", "Person", fact.metadata["says"]
        elif fact.name in RECORDS:
            for name, cedar, says in _attributes(RECORDS[fact.name]):
                yield f"context.{fact.name}.{name}", cedar, says
        else:
            yield f"context.{fact.name}", _cedar(get_type_hints(Around)[fact.name]), fact.metadata["says"]


def schema() -> str:
    """The Cedar schema of all that, made from the values themselves."""
    person = ", ".join(f"{name}: {cedar}" for name, cedar, _ in _attributes(Who))
    playbook = ", ".join(f"{name}: {cedar}" for name, cedar, _ in _playbook())
    records = "".join(
        f"type {kind.__name__} = {{{', '.join(f'{name}: {cedar}' for name, cedar, _ in _attributes(kind))}}};\n"
        for kind in RECORDS.values()
    )
    around = []
    for fact in fields(Around):
        if fact.name in WHO:
            around.append(f"{fact.name}: Person")
        elif fact.name in RECORDS:
            around.append(f"{fact.name}?: {RECORDS[fact.name].__name__}")
        else:
            around.append(f"{fact.name}: {_cedar(get_type_hints(Around)[fact.name])}")
    return (
        f"entity Person = {{{person}}};\nentity Playbook = {{{playbook}}};\n{records}"
        f"action {', '.join(ACTIONS)} appliesTo {{principal: Person, resource: Playbook, "
        f"context: {{{', '.join(around)}}}}};\n"
    )


def _attributes(kind: type) -> Iterator[tuple[str, str, str]]:
    """A person's are those of the core's Person where it has them, so that the two can't drift apart."""
    hints = get_type_hints(kind)
    core = get_type_hints(Person) if kind is Who else {}
    for fact in fields(kind):
        if fact.name != "id":
            yield fact.name, _cedar(core.get(fact.name, hints[fact.name])), fact.metadata["says"]


def _playbook() -> Iterator[tuple[str, str, str]]:
    hints = get_type_hints(Playbook)
    for name, says in OF_PLAYBOOK.items():
        yield name, _cedar(hints[name]), says


_CEDAR = {str: "String", bool: "Bool", int: "Long", frozenset[str]: "Set<String>"}


def _cedar(hint: Any) -> str:
    """The Cedar type of a Python one. `None` beside it means unknown, which Cedar is never told."""
    if get_origin(hint) is types.UnionType:
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    return _CEDAR[hint]
