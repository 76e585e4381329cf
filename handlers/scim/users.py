"""Users and groups of a SCIM server by the names that last. Nothing is remembered here."""

from __future__ import annotations

from handlers.ports import NoAccount, Rejected
from handlers.scim.client import Client, Resource, equals
from handlers.scim.config import ScimServer


class Users:
    """Users and groups by the names that last. Nothing is remembered here."""

    def __init__(self, client: Client, given: ScimServer) -> None:
        self.client = client
        self.given = given

    async def user(self, id: str) -> Resource | None:
        """Whose lasting id this is, or None. Raises Unreachable or Rejected."""
        if not id.isprintable():  # no id that a server gave has such a character
            return None
        if self.given.person_id == "id":
            try:
                user = await self.client.get("Users", id)
            except NoAccount:
                return None
            return user if user.id == id else None
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

    async def of(self, user: Resource) -> frozenset[str]:
        """The names of the groups that a user is in (RFC 7643 §4.1.2), also through others where the server says so.

        Costs nothing where they are listed with the user, else one search if the settings want it. Raises Unreachable
        or Rejected.
        """
        if "groups" in user.values:
            listed = (group.get("display") for group in user.all("groups"))
            return frozenset(name for name in listed if isinstance(name, str) and name)
        if not self.given.search_groups:
            return frozenset()
        wanted = equals("members.value", user.id)
        found = await self.client.every("Groups", wanted, attributes="displayName,members.value")
        # Whatever else a server sends that doesn't read filters.
        names = (group.text("displayName") for group in found if user.id in members(group))
        return frozenset(filter(None, names))


def members(group: Resource) -> frozenset[str]:
    """The server's ids of a group's members (RFC 7643 §4.2). Groups inside of it are not followed."""
    return frozenset(each["value"] for each in group.all("members") if isinstance(each.get("value"), str))
