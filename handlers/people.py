"""People and roles: who somebody is, which roles they hold, and who may consent, all read at the moment of asking."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol, TypeVar

import flows.errors as no
from flows.model import Person, Playbook
from handlers.ports import By, Directory, Unreachable

T = TypeVar("T")

Answer = tuple[float, asyncio.Future[Sequence[Person]]]  # when it was asked for

RECENT = 60.0  # seconds for which a directory's answer may be shown again
MOST = 10_000  # answers that are remembered


def matching(people: Iterable[Person], by: By, value: str) -> list[Person]:
    """Those of a list whom a Directory would find."""
    match by:
        case "role":
            return [person for person in people if value in person.roles]
        case "manager":
            return [person for person in people if person.manager == value]
        case "group":
            return [p for p in people if value.casefold() in {group.casefold() for group in p.groups}]
        case "owner":
            return []
    name = value.casefold()
    return [p for p in people if value in (p.account, *p.aliases) or p.name.casefold() == name]


class Roster:
    """People listed in the configuration file: for pilots, and until a directory is connected."""

    def __init__(self, people: Sequence[Person]) -> None:
        self._people = {person.id: person for person in people}

    async def person(self, id: str) -> Person | None:
        """The person with this lasting id, or None."""
        return self._people.get(id)

    async def find(self, by: By, value: str) -> Sequence[Person]:
        """Those who hold a role, report to somebody, are called so, or are in a group; the list owns none."""
        return matching(self._people.values(), by, value)


class Recent:
    """A directory whose answers are shown again for a minute: for what people read, never for what is decided.

    `clock` gives seconds that only go forward.
    """

    def __init__(self, directory: Directory, clock: Callable[[], float], keep: float = RECENT) -> None:
        self._directory = directory
        self._clock = clock
        self._keep = keep
        self._answers: OrderedDict[tuple[str, str], Answer] = OrderedDict()

    async def person(self, id: str) -> Person | None:
        """The person with this lasting id as they were a moment ago, or None."""

        async def one() -> Sequence[Person]:
            found = await self._directory.person(id)
            return () if found is None else (found,)

        return next(iter(await self._answer(("id", id), one)), None)

    async def find(self, by: By, value: str) -> Sequence[Person]:
        """Those whom the directory found a moment ago."""
        return await self._answer((by, value), lambda: self._directory.find(by, value))

    @property
    def age(self) -> float:
        """Seconds since the oldest answer that may still be shown was given; 0 where there is none."""
        now = self._clock()
        return max(
            (age for since, _ in self._answers.values() if (age := now - since) < self._keep), default=0.0
        )

    async def _answer(
        self, asked: tuple[str, str], ask: Callable[[], Awaitable[Sequence[Person]]]
    ) -> Sequence[Person]:
        """One question at a time for everybody who asks the same; a failure is nobody's answer later."""
        since, answer = self._answers.get(asked, (float("-inf"), None))
        if answer is None or self._clock() - since >= self._keep:
            answer = asyncio.ensure_future(ask())
            self._answers[asked] = (self._clock(), answer)
            self._answers.move_to_end(asked)
            if len(self._answers) > MOST:
                self._answers.popitem(last=False)
        try:
            return await asyncio.shield(answer)
        except BaseException:
            if answer.done() and self._answers.get(asked, (0.0, None))[1] is answer:
                del self._answers[asked]
            raise


class Schedule(Protocol):
    """Who is on call."""

    among: str  # the selector of those who may be: a schedule alone gives no authority

    async def on_call(self) -> frozenset[str]:
        """Ids or accounts of whoever is on call now; nobody's where that can't be told."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """What the configuration says of people: who holds a role, who owns a group, by id, and who is on call."""

    roles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    owners: Mapping[str, Sequence[str]] = field(default_factory=dict)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)


#: A request without a form.
NOTHING: Mapping[str, str] = MappingProxyType({})


class People:
    """A directory's people with what the configuration says of them. All of it raises DirectoryAway."""

    def __init__(self, directory: Directory, given: Given) -> None:
        self._directory = directory
        self._roles = given.roles
        self._owners = {group.casefold(): ids for group, ids in given.owners.items()}
        self._schedules = given.schedules

    async def person(self, id: str) -> Person | None:
        """The person with their roles, or None."""
        found = await _answered(self._directory.person(id))
        return None if found is None else self._with_roles(found)

    async def holding(self, role: str) -> list[Person]:
        """Everybody who holds a role, by the directory or by the configuration."""
        found = [self._with_roles(person) for person in await _answered(self._directory.find("role", role))]
        named = await self.named(*(set(self._roles.get(role, ())) - {person.id for person in found}))
        return found + list(named.values())

    async def inside(self, group: str) -> list[Person]:
        """Everybody in the directory's group of this name."""
        found = await _answered(self._directory.find("group", group))
        return [self._with_roles(person) for person in found]

    async def owning(self, group: str) -> list[Person]:
        """Everybody who owns the group of this name, by the directory or by the configuration."""
        if not group:
            return []
        found = [self._with_roles(each) for each in await _answered(self._directory.find("owner", group))]
        return found + list((await self.named(*self._owners.get(group.casefold(), ()))).values())

    async def called(self, text: str) -> list[Person]:
        """Everybody with this account, alias or whole name."""
        return [self._with_roles(person) for person in await _answered(self._directory.find("name", text))]

    async def leads(self, id: str) -> bool:
        """Whether somebody reports to this person."""
        return bool(await _answered(self._directory.find("manager", id)))

    async def named(self, *ids: str) -> dict[str, Person]:
        """Those of the given ids that exist."""
        apart = set(ids)
        if len(apart) == 1:  # most people ask for themselves
            found = [await self.person(*apart)]
        else:
            found = await asyncio.gather(*(self.person(id) for id in apart))
        return {person.id: person for person in found if person is not None}

    async def selection(
        self, playbook: Playbook, subject: Person | None, parameters: Mapping[str, str]
    ) -> Mapping[str, frozenset[str]]:
        """For each selector of a playbook the active people whom it names, as the directory says now."""
        selectors = sorted(playbook.selectors)
        found = await asyncio.gather(*(self.selected((each,), subject, parameters) for each in selectors))
        return dict(zip(selectors, found, strict=True))

    async def selected(
        self, selectors: Iterable[str], subject: Person | None, parameters: Mapping[str, str] = NOTHING
    ) -> frozenset[str]:
        """Active people whom the selectors name, as the directory says now.

        `parameters`: what the form says in clear. Whatever can't be told, or isn't known here, selects nobody.
        """
        chosen = [await self._chosen(selector, subject, parameters) for selector in selectors]
        return frozenset(person.id for people in chosen for person in people if person.active)

    async def _chosen(
        self, selector: str, subject: Person | None, parameters: Mapping[str, str]
    ) -> Collection[Person]:
        kind, _, value = selector.partition(":")
        match kind:
            case "manager":
                return await self._above(subject)
            case "manager_of_manager":
                return [boss for one in await self._above(subject) for boss in await self._above(one)]
            case "group":
                return await self.inside(value)
            case "role":
                return await self.holding(value)
            case "person":
                return (await self.named(value)).values()
            case "owner":
                return await self.owning(parameters.get("group", ""))
            case "on_call" if value in self._schedules:
                return await self._on_call(self._schedules[value])
            case _:
                return []

    async def _above(self, person: Person | None) -> Collection[Person]:
        """The manager, if there is one."""
        return (await self.named(person.manager)).values() if person and person.manager else []

    async def _on_call(self, schedule: Schedule) -> Collection[Person]:
        """Those on call among those who may be. An account that isn't one person's alone is nobody's."""
        named = await schedule.on_call()
        if not named:
            return []
        able = await self._chosen(schedule.among, None, NOTHING)
        ids = {person.id for person in able}
        accounts = Counter(person.account.casefold() for person in able)
        meant = {name.casefold() for name in named - ids if accounts[name.casefold()] == 1}
        return [person for person in able if person.id in named or person.account.casefold() in meant]

    def _with_roles(self, person: Person) -> Person:
        held = {role for role, holders in self._roles.items() if person.id in holders}
        return replace(person, roles=person.roles | held) if held else person


async def _answered(asked: Awaitable[T]) -> T:
    """A directory's answer. Raises DirectoryAway."""
    try:
        return await asked
    except Unreachable:
        raise no.DirectoryAway from None
