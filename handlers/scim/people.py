"""The Directory port over SCIM: who works here, under whom, and the roles that groups give, read each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from flows.model import Person
from handlers.ports import NoAccount, Rejected
from handlers.scim.client import Client, Resource
from handlers.scim.config import ScimServer

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class Users:
    """Users and groups by the names that last. Nothing is remembered here."""

    def __init__(self, client: Client, given: ScimServer) -> None:
        self.client = client
        self.given = given

    async def user(self, id: str) -> Resource | None:
        """Whose lasting id this is, or None. Raises Unreachable or Rejected."""
        if self.given.person_id == "id":
            try:
                return await self.client.get("Users", id)
            except NoAccount:
                return None
        found = await self.client.found("Users", "externalId", id) if id else []
        if len(found) > 1:
            raise Rejected("More than one account has this id. Mend the SCIM server.")
        return found[0] if found else None

    async def groups(self, name: str) -> list[Resource]:
        """The groups of this name, with their members: SCIM lets two groups share one. Raises Unreachable."""
        return [
            await self.client.get("Groups", group.id)
            for group in await self.client.found("Groups", "displayName", name)
        ]


class ScimPeople:
    """Everybody whom the server lists with a userName and a lasting id."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self._given = users.given

    async def person(self, id: str) -> Person | None:
        """The person with this lasting id, read fresh, or None. Raises Unreachable or Rejected."""
        user = await self._users.user(id)
        if user is None or not user.text("userName"):
            return None
        manager = _manager(user)
        if manager and self._given.person_id != "id":
            try:
                above = await self._users.client.get("Users", manager)
            except NoAccount:
                manager = ""
            else:
                manager = above.text(self._given.person_id)
        return _person(user, id, manager, await self._roles())

    async def people(self) -> Sequence[Person]:
        """Everybody, read to the end. Whoever shares a lasting id with another is left out. Raises Unreachable."""
        users = await self._users.client.every("Users")
        ids = {user.id: user.text(self._given.person_id) for user in users}
        owners: dict[str, list[Resource]] = {}
        for user in users:
            owners.setdefault(ids[user.id], []).append(user)
        roles = await self._roles()
        return [
            _person(mine[0], id, ids.get(_manager(mine[0]), ""), roles)
            for id, mine in owners.items()
            if id and len(mine) == 1 and mine[0].text("userName")
        ]

    async def _roles(self) -> Mapping[str, frozenset[str]]:
        """Role → the server's ids of those who hold it. A name that two groups share gives nothing."""
        held: dict[str, frozenset[str]] = {}
        for role, names in self._given.roles.items():
            found = [await self._users.groups(name) for name in names]
            held[role] = frozenset().union(*(members(groups[0]) for groups in found if len(groups) == 1))
        return held


def members(group: Resource) -> frozenset[str]:
    """The server's ids of a group's members (RFC 7643 §4.2). Groups inside of it are not followed."""
    return frozenset(each["value"] for each in group.all("members") if isinstance(each.get("value"), str))


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
