"""Who is never changed by request, and which groups none joins or leaves: asked of the directory each time.

An account belongs to its groups, to those that these are in, and to its primary one, which doesn't list it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from handlers.ldap.config import LdapDirectory
from handlers.ldap.names import parts, within
from handlers.ldap.session import Entry, Ldap, equals, every, some
from handlers.ports import Rejected, Unreachable

AT_ONCE = 50  # distinguished names in one filter: servers limit how long one may be
DEEPEST = 200  # searches for the groups that one entry is in
ANY = "(objectClass=*)"
LEFT_ALONE = "This group is never changed by request. An administrator of the directory changes it by hand."
PROTECTED = "This account is never changed by request. An administrator of the directory changes it by hand."
NOT_LISTED = (
    "This account isn't one of those that are changed here. Ask for an ordinary password reset instead."
)


class Ranks(Protocol):
    """How one kind of server tells groups, who is in them, and who runs it. A filter is text of RFC 4515."""

    person: str
    group: str

    @property
    def attributes(self) -> Sequence[str]:
        """What is read of an account's or a group's entry."""
        ...

    @property
    def computed(self) -> Sequence[str]:
        """What the server tells of one entry alone, and not of those that a search finds."""
        ...

    @property
    def transitive(self) -> bool:
        """Whether `holding` and `inside` see groups within groups by themselves."""
        ...

    def holding(self, dn: str) -> str:
        """The filter for groups that list this name."""
        ...

    def primary(self, entry: Entry) -> str:
        """The filter for the group that an account is in without being listed there; empty for none."""
        ...

    def inside(self, group: Entry) -> Sequence[str]:
        """Filters for everybody in a group, one after another."""
        ...

    def untouchable(self, entry: Entry) -> str:
        """Why nothing is ever changed about this entry, or about whoever is in this group; empty for most."""
        ...

    @property
    def administrators(self) -> str:
        """The filter for the directory's own administrators; empty where the directory doesn't mark them."""
        ...

    def highest(self, top: Entry) -> str:
        """The filter for their groups, by a naming context's own entry; empty where nothing tells."""
        ...


class Guard:
    """What lies outside of every request, by the settings and by the directory's own marks."""

    def __init__(self, ldap: Ldap, given: LdapDirectory, ranks: Ranks) -> None:
        self._ldap = ldap
        self._given = given
        self._ranks = ranks
        self._contexts: Sequence[str] = ()

    async def protects(self, entry: Entry, *, strictly: bool = True) -> str:
        """Why nothing is changed about an account by request; empty for most. Raises Unreachable.

        `strictly`: raises Rejected, too, while a group that is untouchable isn't there.
        """
        guarded, listed = await self._guarded(strictly), await self._listed()
        if why := self._ranks.untouchable(await self._whole(entry)):
            return why
        if not guarded and not self._ranks.administrators and not self._given.only_members_of:
            return ""
        above = await self._above(entry)
        for group in above:
            if why := self._ranks.untouchable(group):
                return why
            if parts(group.dn) in guarded:
                return PROTECTED
        if self._given.only_members_of and not any(parts(group.dn) in listed for group in above):
            return NOT_LISTED
        return ""

    async def leaves_alone(self, group: Entry) -> bool:
        """Whether no request joins or leaves a group: it, or one that it is in, gives a role or is untouchable.

        Raises Unreachable, and Rejected while a group that the settings name isn't there.
        """
        guarded = await self._guarded(True)
        await self._roles_given()
        return any(
            parts(each.dn) in guarded
            or any(self._given.gives_a_role(cn) for cn in each.all("cn"))
            or bool(self._ranks.untouchable(each))
            for each in (group, *await self._above(group))
        )

    async def administrators(self, most: int) -> tuple[list[Entry], list[str]]:
        """Accounts that are never changed by request, wherever they are and whatever their kind, not many more
        than `most`; and the names among them of which nothing can be read. Raises Unreachable or Rejected.
        """
        ranks, found, unread = self._ranks, dict[str, Entry](), list[str]()
        filters = [every(ranks.person, ranks.administrators)] if ranks.administrators else []
        names, seen = list(self._given.untouchable), set[tuple[str, ...]]()
        for group in await self._highest():
            filters += ranks.inside(group)
        while names and len(found) + len(unread) < most:
            name = names.pop(0)
            if parts(name) in seen:
                continue
            seen.add(parts(name))
            listed = (*ranks.attributes, "objectClass", "member")
            here = await self._ldap.search(name, ANY, listed, below=False)
            if not here:
                unread.append(name)
            elif not await self._ldap.find(name, ranks.group):
                found[here[0].dn] = here[0]
            elif ranks.transitive:
                filters += ranks.inside(here[0])
            else:
                names += here[0].all("member")
        for filter in filters:
            if len(found) >= most:
                break
            among = await self._search(every("(!(objectClass=group))", filter), ranks.attributes, most)
            found |= {entry.dn: entry for entry in among}
        return list(found.values()), unread

    # -- inside -----------------------------------------------------------------------------------

    async def _whole(self, entry: Entry) -> Entry:
        """An account with what the server computes of it."""
        if not self._ranks.computed:
            return entry
        told = await self._ldap.search(entry.dn, ANY, self._ranks.computed, below=False)
        more = told[0].values if told else {}
        return Entry(entry.dn, {**entry.values, **more})

    async def _above(self, entry: Entry) -> list[Entry]:
        """Every group that an entry is in, also through others."""
        ranks = self._ranks
        primary = ranks.primary(entry)
        known = {each.dn: each for each in (await self._groups(primary) if primary else [])}
        asked = [entry.dn, *known]
        for _ in range(DEEPEST):
            found = await self._groups(some(*(ranks.holding(dn) for dn in asked[:AT_ONCE])))
            new = [each for each in found if each.dn not in known]
            known |= {each.dn: each for each in new}
            asked = [*asked[AT_ONCE:], *([] if ranks.transitive else (each.dn for each in new))]
            if not asked:
                return list(known.values())
        raise Unreachable("The directory's groups lie in too many others to be followed.")

    async def _groups(self, filter: str) -> list[Entry]:
        return await self._search(every(self._ranks.group, filter), ("cn", *self._ranks.attributes))

    async def _listed(self) -> frozenset[tuple[str, ...]]:
        """The groups whose members alone are changed, as the directory writes them."""
        found = [await self._ldap.find(name, self._ranks.group) for name in self._given.only_members_of]
        return frozenset(parts(group.dn) for group in found if group)

    async def _guarded(self, strictly: bool) -> frozenset[tuple[str, ...]]:
        """The untouchable groups, as the directory writes them."""
        found = {name: await self._ldap.find(name, self._ranks.group) for name in self._given.untouchable}
        for name, group in found.items():
            if group is None and strictly:
                raise Rejected(
                    f"There is no group {name}, whose members may not be touched. Mend the settings."
                )
        return frozenset(parts(group.dn) for group in found.values() if group)

    async def _roles_given(self) -> None:
        """Raises Rejected unless a search shows every group that gives a role: else what is in it isn't known."""
        names = sorted({name for named in self._given.roles.values() for name in named})
        if not names:
            return
        found = await self._groups(some(*(equals("cn", name) for name in names)))
        there = {cn.casefold() for each in found for cn in each.all("cn")}
        for name in names:
            if name.casefold() not in there:
                raise Rejected(
                    f"There is no group {name}, which gives a role, so no group is changed. Mend the settings."
                )

    async def _highest(self) -> list[Entry]:
        found: list[Entry] = []
        for context in await self._where():
            for top in await self._ldap.search(context, ANY, self._ranks.attributes, below=False):
                if filter := self._ranks.highest(top):
                    found += await self._groups(filter)
        return found

    async def _search(self, filter: str, attributes: Sequence[str], most: int = 0) -> list[Entry]:
        """Entries wherever they are in the directory."""
        return [
            each
            for context in await self._where()
            for each in await self._ldap.search(context, filter, attributes, most=most)
        ]

    async def _where(self) -> Sequence[str]:
        """The naming contexts in which the people and the groups lie (RFC 4512 §5.1). Raises Unreachable."""
        if not self._contexts:
            told = await self._ldap.search("", ANY, ["namingContexts"], below=False)
            contexts = [each for entry in told for each in entry.all("namingContexts")]
            given, those = self._given, dict[str, None]()
            for base in filter(None, (given.people, given.groups, *given.untouchable)):
                around = [each for each in contexts if within(base, each)]
                if around:
                    those[max(around, key=lambda each: len(parts(each)))] = None
                elif base not in given.untouchable:  # one that isn't there is looked for by its name
                    raise Unreachable(f"No naming context of the directory holds {base}. Check that name.")
            self._contexts = tuple(those)
        return self._contexts
