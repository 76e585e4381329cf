"""People and roles: who somebody is, which roles they hold, and who may consent, all read at the moment of asking."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from flows.model import ApprovalRule, Person
from handlers.ports import Directory


class Roster:
    """People listed in the configuration file: for pilots, and until a directory is connected."""

    def __init__(self, people: Sequence[Person]) -> None:
        self._people = {person.id: person for person in people}

    async def person(self, id: str) -> Person | None:
        """The person with this lasting id, or None."""
        return self._people.get(id)

    async def people(self) -> Sequence[Person]:
        """Everybody."""
        return tuple(self._people.values())


class People:
    """A directory's people with the roles that the configuration gives them."""

    def __init__(self, directory: Directory, roles: Mapping[str, Sequence[str]]) -> None:
        self._directory = directory
        self._roles = roles

    async def person(self, id: str) -> Person | None:
        """The person with their roles, or None."""
        found = await self._directory.person(id)
        return None if found is None else self._with_roles(found)

    async def people(self) -> Sequence[Person]:
        """Everybody, with their roles."""
        return [self._with_roles(person) for person in await self._directory.people()]

    async def leads(self, id: str) -> bool:
        """Whether somebody reports to this person."""
        return any(person.manager == id for person in await self._directory.people())

    async def named(self, *ids: str) -> dict[str, Person]:
        """Those of the given ids that exist."""
        apart = set(ids)
        if len(apart) == 1:  # most people ask for themselves
            found = [await self.person(*apart)]
        else:
            found = await asyncio.gather(*(self.person(id) for id in apart))
        return {person.id: person for person in found if person is not None}

    async def approvers(self, rule: ApprovalRule, subject: Person | None) -> frozenset[str]:
        """Active people whom the rule selects, as the directory says now.

        `manager` is the subject's, `role:NAME` whoever holds it, `person:ID` that one.
        """
        chosen: set[str] = set()
        everybody = {person.id: person for person in await self.people()}
        for selector in rule.approvers:
            kind, _, value = selector.partition(":")
            match kind:
                case "manager" if subject is not None and subject.manager:
                    chosen.add(subject.manager)
                case "role":
                    chosen |= {person.id for person in everybody.values() if value in person.roles}
                case "person":
                    chosen.add(value)
        return frozenset(id for id in chosen if id in everybody and everybody[id].active)

    def _with_roles(self, person: Person) -> Person:
        held = {role for role, holders in self._roles.items() if person.id in holders}
        return replace(person, roles=person.roles | held) if held else person
