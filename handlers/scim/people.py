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
        return None if user is None else await self._whole(user, await self._roles(), await self._protected())

    async def find(self, by: By, value: str) -> Sequence[Person]:
        """Those who hold a role, report to somebody, or are called so. Raises Unreachable or Rejected.

        Whoever shares a lasting id with another is nobody. Not every server can be asked who reports to whom, so that
        is read of everybody.
        """
        client, roles, protected = self._users.client, await self._roles(), await self._protected()
        match by:
            case "name":
                named = [await client.found("Users", each, value) for each in ("userName", "displayName")]
                found = [user for users in named for user in users]
            case "role":
                each = [await self._by_server(id) for id in sorted(roles.get(value, ()))]
                found = [user for user in each if user is not None]
            case _:
                boss = await self._users.user(value)
                everybody = await client.every("Users") if boss else []
                found = [user for user in everybody if boss and _manager(user) == boss.id]
        whole = [
            await self._whole(user, roles, protected) for user in {user.id: user for user in found}.values()
        ]
        ids = Counter(person.id for person in whole if person)
        return [person for person in whole if person and ids[person.id] == 1]

    async def _whole(
        self, user: Resource, roles: Mapping[str, frozenset[str]], protected: frozenset[str]
    ) -> Person | None:
        """A person with manager and roles; None for whoever has no lasting id or no name to sign in with."""
        id = user.text(self._given.person_id)
        if not id or not user.text("userName"):
            return None
        above = _manager(user)
        if above and self._given.person_id != "id":
            boss = await self._by_server(above)
            above = boss.text(self._given.person_id) if boss else ""
        return replace(_person(user, id, above, roles), privileged=user.id in protected)

    async def _by_server(self, id: str) -> Resource | None:
        try:
            return await self._users.client.get("Users", id)
        except NoAccount:
            return None

    async def _protected(self) -> frozenset[str]:
        """The server's ids of those whom it counts as privileged: the untouchable."""
        return await self._guard.protected(strictly=False)

    async def _roles(self) -> Mapping[str, frozenset[str]]:
        """Role → the server's ids of those who hold it. A name that two groups share gives nothing."""
        held: dict[str, frozenset[str]] = {}
        for role, names in self._given.roles.items():
            found = [await self._users.groups(name) for name in names]
            held[role] = frozenset().union(*(members(groups[0]) for groups in found if len(groups) == 1))
        return held


def _manager(user: Resource) -> str:
    """The server's id of their manager (RFC 7643 §4.3), or empty."""
    extension = user.values.get(ENTERPRISE)
    manager = extension.get("manager") if isinstance(extension, dict) else None
    value = manager.get("value") if isinstance(manager, dict) else None
    return value if isinstance(value, str) else ""


def _person(user: Resource, id: str, manager: str, roles: Mapping[str, frozenset[str]]) -> Person:
    """Active is whom the server calls so: where it says nothing, nobody is."""
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
        roles=frozenset(role for role, held in roles.items() if user.id in held),
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
