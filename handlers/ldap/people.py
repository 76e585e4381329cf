"""Who works here, as a directory says now: the Directory port over LDAP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from flows.model import Person
from handlers.ldap.config import LdapDirectory
from handlers.ldap.guard import ANY, AT_ONCE, Guard, Ranks
from handlers.ldap.names import within
from handlers.ldap.session import Entry, Ldap, equals, every, some
from handlers.ports import By, Unreachable


class Reader(Ranks, Protocol):
    """How one kind of server keeps people. A filter is text of RFC 4515."""

    def lasting(self, entry: Entry) -> str:
        """The id that outlasts every renaming, in its one spelling: servers take others for it, too."""
        ...

    def whose(self, id: str) -> str:
        """The filter for the person with this lasting id."""
        ...

    def called(self, text: str) -> str:
        """The filter for whoever has this account, alias or whole name."""
        ...

    def read(self, entry: Entry, now: datetime) -> Person:
        """The person of an entry, without manager, groups and roles."""
        ...

    @property
    def owner(self) -> str:
        """The attribute in which a group says whose it is."""
        ...


class LdapPeople:
    """People below one name. Managers are named by their lasting ids; roles come from the groups that give them.

    Beside their own entry a person costs one search for the manager, one for all groups, from which the roles follow,
    and what the guard asks.
    """

    def __init__(self, ldap: Ldap, given: LdapDirectory, reader: Reader, guard: Guard) -> None:
        self._ldap = ldap
        self._guard = guard
        self._given = given
        self._reader = reader

    async def person(self, id: str) -> Person | None:
        """The person with this lasting id, or None. Raises Unreachable."""
        found = await self._owners(id)
        return await self._whole(found[0]) if len(found) == 1 else None

    async def _owners(self, id: str) -> list[Entry]:
        found = await self.entries(self._reader.whose(id))
        return [entry for entry in found if self._reader.lasting(entry) == id]

    async def find(self, by: By, value: str) -> Sequence[Person]:
        """Those who hold a role, report to somebody, are called so, are in a group, or own it. Raises Unreachable."""
        match by:
            case "name":
                found = await self.entries(self._reader.called(value))
            case "manager":
                bosses = await self._owners(value)
                found = await self.entries(some(*(equals("manager", boss.dn) for boss in bosses)))
            case "group":
                found = await self._inside(await self._named(value))
            case "owner":
                found = await self._owning(await self._named(value))
            case _:
                found = await self._inside(await self._named(*self._given.roles.get(value, ()), alone=False))
        return [await self._whole(entry) for entry in {entry.dn: entry for entry in found}.values()]

    async def entries(self, filter: str, most: int = 0) -> list[Entry]:
        """People's entries that match, the first `most` if that is given; none match an empty filter.

        Raises Unreachable.
        """
        if not filter:
            return []
        given, reader = self._given, self._reader
        wanted = every(reader.person, filter, given.only)
        return await seen(self._ldap, given.people, wanted, reader.attributes, most)

    # -- inside -----------------------------------------------------------------------------------

    async def _named(self, *names: str, alone: bool = True) -> list[Entry]:
        """The groups of these names. `alone`: none where several share one."""
        found = await self._groups(
            some(*(equals("cn", name) for name in names)),
            "member",
            self._reader.owner,
            *self._reader.attributes,
        )
        return [] if alone and len(found) > 1 else found

    async def _inside(self, groups: Sequence[Entry]) -> list[Entry]:
        filters = [filter for group in groups for filter in self._reader.inside(group)]
        return [entry for filter in filters for entry in await self.entries(filter)]

    async def _owning(self, groups: Sequence[Entry]) -> list[Entry]:
        """The owners who are among the people served: a group that owns another is nobody."""
        owners = [dn for group in groups for dn in group.all(self._reader.owner)]
        return [entry for dn in owners if within(dn, self._given.people) for entry in await self._served(dn)]

    async def _groups(self, filter: str, *attributes: str) -> list[Entry]:
        """Groups that match, below the name that the settings give; none without one."""
        if not (filter and self._given.groups):
            return []
        wanted = every(self._reader.group, filter)
        return await seen(self._ldap, self._given.groups, wanted, ["cn", *attributes])

    async def _whole(self, entry: Entry) -> Person:
        """A person with their manager, their groups and their roles."""
        person = self._reader.read(entry, datetime.now(UTC))
        filters = filter(None, (self._reader.holding(entry.dn), self._reader.primary(entry)))
        groups = frozenset(cn for group in await self._groups(some(*filters)) for cn in group.all("cn"))
        return replace(
            person,
            manager=await self._boss(entry.one("manager")),
            groups=groups,
            roles=self._roles(groups),
            timezone=self._given.timezone,
            privileged=bool(await self._guard.protects(entry, strictly=False)),
        )

    async def _boss(self, dn: str) -> str | None:
        """The lasting id of whoever this is; None for whoever isn't among the people served."""
        found = await self._served(dn) if dn else []
        return self._reader.read(found[0], datetime.now(UTC)).id if found else None

    async def _served(self, dn: str) -> list[Entry]:
        """The person of this name, if they are among those served."""
        wanted = every(self._reader.person, self._given.only)
        return await self._ldap.search(dn, wanted, self._reader.attributes, below=False)

    def _roles(self, groups: frozenset[str]) -> frozenset[str]:
        inside = {group.casefold() for group in groups}
        return frozenset(
            role for role, names in self._given.roles.items() if inside & {each.casefold() for each in names}
        )


async def seen(ldap: Ldap, base: str, filter: str, attributes: Sequence[str], most: int = 0) -> list[Entry]:
    """Entries below a name from the settings. Raises Unreachable where that itself isn't seen."""
    found = await ldap.search(base, filter, attributes, most=most)
    if not found and not await ldap.find(base, ANY):
        raise Unreachable(f"We can't read {base} in the directory. Check that name, and our rights.")
    return found


def in_parts(names: Sequence[str]) -> list[str]:
    """Filters for entries of these distinguished names (RFC 5020)."""
    each_part = [names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE)]
    return [some(*(equals("entryDN", name) for name in part)) for part in each_part]
