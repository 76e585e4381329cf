"""The Directory port over SCIM: who works here, under whom, and the roles that groups give, read each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from flows.model import Person
from handlers.ports import By, NoAccount
from handlers.scim.client import Resource
from handlers.scim.guard import Guard
from handlers.scim.users import Users, members

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class ScimPeople:
    """Everybody whom the server lists with a userName and a lasting id."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self._given = users.given
        self._guard = Guard(users)

    async def person(self, id: str) -> Person | None:
        """The person with this lasting id, read fresh, or None. Raises Unreachable or Rejected."""
        user = await self._users.user(id)
        return None if user is None else await self._whole(user, await self._held(), await self._protected())

    async def find(self, by: By, value: str) -> Sequence[Person]:
        """Those who hold a role, report to somebody, are called so, or are in a group. Raises Unreachable, Rejected.

        Whoever shares a lasting id with another is nobody. Not every server can be asked who reports to whom, so that
        is read of everybody. Whose a group is, SCIM has no word for: nobody owns one.
        """
        if by == "owner":
            return []
        client, held, protected = self._users.client, await self._held(), await self._protected()
        match by:
            case "name":
                named = [await client.found("Users", each, value) for each in ("userName", "displayName")]
                found = [user for users in named for user in users]
            case "role":
                giving = self._given.roles.get(value, ())
                found = await self._listed(frozenset().union(*(held[name] for name in giving)))
            case "group":
                found = await self._listed(await self._members(value))
            case _:
                boss = await self._users.user(value)
                everybody = await client.every("Users") if boss else []
                found = [user for user in everybody if boss and _manager(user) == boss.id]
        whole = [
            await self._whole(user, held, protected) for user in {user.id: user for user in found}.values()
        ]
        ids = Counter(person.id for person in whole if person)
        return [person for person in whole if person and ids[person.id] == 1]

    async def _whole(
        self, user: Resource, held: Mapping[str, frozenset[str]], protected: frozenset[str]
    ) -> Person | None:
        """A person with manager, groups and roles; None for whoever has no lasting id or no name to sign in with."""
        id = user.text(self._given.person_id)
        if not id or not user.text("userName"):
            return None
        above = _manager(user)
        if above and self._given.person_id != "id":
            boss = await self._by_server(above)
            above = boss.text(self._given.person_id) if boss else ""
        giving = frozenset(name for name, ids in held.items() if user.id in ids)
        return replace(
            _person(user, id, above),
            groups=giving | await self._users.of(user),
            roles=frozenset(role for role, names in self._given.roles.items() if giving & set(names)),
            privileged=user.id in protected,
        )

    async def _listed(self, ids: frozenset[str]) -> list[Resource]:
        """Those of the server's ids that are users'."""
        each = [await self._by_server(id) for id in sorted(ids)]
        return [user for user in each if user is not None]

    async def _by_server(self, id: str) -> Resource | None:
        try:
            return await self._users.client.get("Users", id)
        except NoAccount:
            return None

    async def _protected(self) -> frozenset[str]:
        """The server's ids of those whom it counts as privileged: the untouchable."""
        return await self._guard.protected(strictly=False)

    async def _held(self) -> Mapping[str, frozenset[str]]:
        """Group that gives a role → the server's ids of those in it."""
        giving = sorted({name for names in self._given.roles.values() for name in names})
        return {name: await self._members(name) for name in giving}

    async def _members(self, name: str) -> frozenset[str]:
        """The server's ids of those in the group of this name. A name that two groups share gives nothing."""
        groups = await self._users.groups(name)
        return members(groups[0]) if len(groups) == 1 else frozenset()


def _manager(user: Resource) -> str:
    """The server's id of their manager (RFC 7643 §4.3), or empty."""
    extension = user.values.get(ENTERPRISE)
    manager = extension.get("manager") if isinstance(extension, dict) else None
    value = manager.get("value") if isinstance(manager, dict) else None
    return value if isinstance(value, str) else ""


def _person(user: Resource, id: str, manager: str) -> Person:
    """Without groups and roles. Active is whom the server calls so: where it says nothing, nobody is."""
    name = user.values.get("name")
    formatted = Resource(name).text("formatted") if isinstance(name, dict) else ""
    account = user.text("userName")
    return Person(
        id=id,
        name=user.text("displayName") or formatted or account,
        account=account,
        active=user.values.get("active") is True,
        manager=manager or None,
        timezone=_timezone(user.text("timezone")),
        email=_email(user),
        since=user.created,
    )


def _timezone(name: str) -> str:
    """An IANA name (RFC 7643 §4.1.1), else UTC."""
    try:
        return ZoneInfo(name).key
    except (ValueError, OSError):  # no such key, not a key, or a folder's name
        return "UTC"


def _email(user: Resource) -> str | None:
    """The primary address."""
    primary = [each.get("value") for each in user.all("emails") if each.get("primary") is True]
    return next((value for value in primary if isinstance(value, str) and value), None)
