"""Who is never changed by request on a SCIM server, and which groups none joins or leaves, also through others."""

from __future__ import annotations

from collections.abc import Collection

from handlers.ports import NoAccount, Rejected, Unreachable
from handlers.scim.client import Resource
from handlers.scim.users import Users, members

MOST = 500  # groups within groups that are followed: whoever has more isn't changed
LEFT_ALONE = "This group is never changed by request. An administrator changes it by hand."
PROTECTED = "This account is never changed by request. An administrator changes it by hand."
NOT_LISTED = (
    "This account isn't one of those that are changed here. Ask for an ordinary password reset instead."
)


class Guard:
    """What the settings put outside of every request, read of the server each time.

    Not every server can be asked in what a group is (RFC 7643 §4.1.2 makes `groups` a user's alone), so those that
    the settings name are followed down.
    """

    def __init__(self, users: Users) -> None:
        self._users = users
        self._given = users.given

    async def protects(self, user: Resource) -> str:
        """Why nothing is changed about an account by request; empty for most. Raises Rejected or Unreachable.

        It is in an untouchable group, or in none of those whose members alone are changed; also through others.
        """
        if user.id in await self.protected():
            return PROTECTED
        listed = self._given.only_members_of
        if listed and not any(user.id in members(group) for group in await self._below(listed)):
            return NOT_LISTED
        return ""

    async def protected(self, *, strictly: bool = True) -> frozenset[str]:
        """The server's ids of everybody in an untouchable group, also through others.

        Raises Unreachable, and Rejected while one of those groups is missing, unless that shall not matter.
        """
        below = await self._below(self._given.untouchable_groups, strictly=strictly)
        return frozenset().union(*(members(group) for group in below))

    async def leaves_alone(self, group: Resource) -> bool:
        """Whether a group is untouchable, gives a role, or is in one of those. Raises Rejected or Unreachable."""
        named = group.text("displayName").casefold() in self._given.left_alone
        return named or group.id in {each.id for each in await self._below(self._given.left_alone)}

    async def _below(self, names: Collection[str], *, strictly: bool = True) -> list[Resource]:
        """The groups of these names, and every one inside. `strictly`: Rejected while there is none of a name."""
        found: dict[str, Resource] = {}
        for name in sorted(names):
            groups = await self._users.groups(name)
            if not groups and strictly:
                raise Rejected(
                    f"There is no group {name}, which is out of reach of requests. Mend the settings."
                )
            found |= {each.id: each for each in groups}
        new = list(found.values())
        known: frozenset[str] | None = (
            None  # every group's id, asked for once and only where members have no type
        )
        while new:
            sure, unsure = _inner(new.pop())
            if unsure and known is None:
                every = await self._users.client.every("Groups", attributes="displayName")
                known = frozenset(each.id for each in every)
            for id in (sure | (unsure & (known or frozenset()))) - found.keys():
                if len(found) >= MOST:
                    raise Unreachable(f"More than {MOST} groups are out of reach, too many to be followed.")
                if inner := await self._group(id):
                    found[id] = inner
                    new.append(inner)
        return list(found.values())

    async def _group(self, id: str) -> Resource | None:
        """None for one that is gone meanwhile."""
        try:
            return await self._users.client.get("Groups", id)
        except NoAccount:
            return None


def _inner(group: Resource) -> tuple[frozenset[str], frozenset[str]]:
    """Members that are groups, and those of which nothing tells (RFC 7643 §8.7.1: `type` may be left out)."""
    told = {
        str(each["value"]): str(each.get("type") or "").casefold()
        for each in group.all("members")
        if isinstance(each.get("value"), str)
    }
    sure = frozenset(id for id, kind in told.items() if kind == "group")
    return sure, frozenset(id for id, kind in told.items() if kind not in ("user", "group"))
