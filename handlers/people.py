"""People and roles: who somebody is, which roles they hold, and who may consent, all read at the moment of asking."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

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
        """Those who hold a role, report to somebody, or are called so."""
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


class People:
    """A directory's people with the roles that the configuration gives them. All of it raises DirectoryAway."""

    def __init__(self, directory: Directory, roles: Mapping[str, Sequence[str]]) -> None:
        self._directory = directory
        self._roles = roles

    async def person(self, id: str) -> Person | None:
        """The person with their roles, or None."""
        found = await _answered(self._directory.person(id))
        return None if found is None else self._with_roles(found)

    async def holding(self, role: str) -> list[Person]:
        """Everybody who holds a role, by the directory or by the configuration."""
        found = [self._with_roles(person) for person in await _answered(self._directory.find("role", role))]
        named = await self.named(*(set(self._roles.get(role, ())) - {person.id for person in found}))
        return found + list(named.values())

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

    async def selection(self, playbook: Playbook, subject: Person | None) -> Mapping[str, frozenset[str]]:
        """For each selector of a playbook the active people whom it names, as the directory says now."""
        selectors = sorted(playbook.selectors)
        found = await asyncio.gather(*(self.selected((selector,), subject) for selector in selectors))
        return dict(zip(selectors, found, strict=True))

    async def selected(self, selectors: Iterable[str], subject: Person | None) -> frozenset[str]:
        """Active people whom the selectors name, as the directory says now.

        `manager` is the subject's, `role:NAME` whoever holds it, `person:ID` that one.
        """
        chosen: dict[str, Person] = {}
        for selector in selectors:
            kind, _, value = selector.partition(":")
            match kind:
                case "manager" if subject is not None and subject.manager:
                    chosen |= await self.named(subject.manager)
                case "role":
                    chosen |= {person.id: person for person in await self.holding(value)}
                case "person":
                    chosen |= await self.named(value)
        return frozenset(id for id, person in chosen.items() if person.active)

    def _with_roles(self, person: Person) -> Person:
        held = {role for role, holders in self._roles.items() if person.id in holders}
        return replace(person, roles=person.roles | held) if held else person


async def _answered(asked: Awaitable[T]) -> T:
    """A directory's answer. Raises DirectoryAway."""
    try:
        return await asked
    except Unreachable:
        raise no.DirectoryAway from None
