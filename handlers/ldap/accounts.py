"""Accounts in a directory: one flow for every kind of server, which a dialect spells for it.

Each change is made once for a key as far as the directory shows: it is looked for before it is made, and again
afterwards. What only the directory can tell is asked of it; nothing is remembered here.
"""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from flows.model import Receipt, Request
from handlers.ldap.config import LdapDirectory
from handlers.ldap.people import LdapPeople, Reader, protected
from handlers.ldap.session import Changes, Entry, Ldap, added, equals, every, removed
from handlers.ports import NoAccount, Rejected

#: How far a directory's clock may be behind ours.
SKEW = timedelta(minutes=5)
OPPOSITE = {
    "add_to_group": "remove_from_group",
    "remove_from_group": "add_to_group",
    "disable": "enable",
    "enable": "disable",
}
PROTECTED = "This account is never changed by request. An administrator of the directory changes it by hand."
GROUPS = frozenset({"add_to_group", "remove_from_group"})
VERBS = frozenset({"reset_password", "unlock", *OPPOSITE})


@dataclass(frozen=True, slots=True)
class State:
    """How an account stands. `changed_at`: not before this was its password set; None where that isn't told."""

    locked: bool
    disabled: bool
    must_change: bool
    changed_at: datetime | None


class Dialect(Reader, Protocol):
    """How one kind of server spells what is done to an account. `person` and `group` match what it is done to."""

    def state(self, entry: Entry) -> State:
        """How an account stands."""
        ...

    def untouchable(self, entry: Entry) -> str:
        """Why nothing is ever changed about this account by request; empty for most."""
        ...

    def changes(self, verb: str, entry: Entry, secret: str) -> Changes:
        """What `reset_password`, `unlock`, `disable` or `enable` writes."""
        ...

    def login(self, entry: Entry) -> str:
        """The name with which this account signs in."""
        ...

    def right(self, accepted: bool, said: str) -> bool:
        """Whether that answer to a sign-in means that the password is right."""
        ...


class Accounts:
    """The Connector port over one directory, whose `people` are a Directory."""

    verbs = VERBS

    def __init__(self, given: LdapDirectory, dialect: Dialect) -> None:
        self.ldap = Ldap(given)
        self.people = LdapPeople(self.ldap, given, dialect)
        self._given = given
        self._dialect = dialect
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        if not given.groups:
            self.verbs = VERBS - GROUPS

    async def close(self) -> None:
        """Hang up."""
        await self.ldap.close()

    # -- Connector --------------------------------------------------------------------------------

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        """Make the change, unless it is there already, and read it back. Raises Rejected or Unreachable."""
        self._asked(request, secret)
        lock = self._turns.setdefault(request.subject, asyncio.Lock())
        async with lock:
            if done := await self.check(request, key, secret):
                return done
            await self._change(request, secret or "")
            if done := await self.check(request, key, secret):
                return done
        raise RuntimeError(f"the directory does not show the change of {key}")

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        """Whether the directory shows the change. Raises Rejected or Unreachable."""
        self._asked(request, secret)
        entry = await self._found(request.subject)
        if entry is None:
            return None
        shown = await self._shown(request, entry, secret or "")
        return Receipt(key, shown) if shown else None

    async def undo(self, request: Request, key: str) -> Receipt:
        """Bring a membership or an account back. Raises Rejected for what has no way back, or Unreachable."""
        self._asked(request, "none is needed")
        back = OPPOSITE.get(request.verb)
        if back is None:
            raise Rejected(f"`{request.verb}` can't be taken back: the state before it is not kept.")
        return await self.carry_out(request.but({"verb": back}), key, None)

    # -- reading ----------------------------------------------------------------------------------

    async def account(self, id: str) -> tuple[Entry, State]:
        """A person's account and how it stands. Raises NoAccount or Unreachable."""
        entry = await self._found(id)
        if entry is None:
            raise NoAccount("There is no such account below the part of the directory that is served.")
        return entry, self._dialect.state(entry)

    async def _found(self, id: str) -> Entry | None:
        dialect = self._dialect
        filter = every(dialect.person, dialect.whose(id), self._given.only)
        found = await self.ldap.search(self._given.people, filter, dialect.attributes)
        if len(found) > 1:
            raise Rejected("More than one account has this id. Mend the directory.")
        return found[0] if found else None

    async def _inside(self, group: Entry, dn: str) -> bool:
        """Whether this account itself is in a group: asked of the server, since a large one isn't told whole."""
        wanted = every(self._dialect.group, equals("member", dn))
        return bool(await self.ldap.search(group.dn, wanted, ["cn"], below=False))

    async def _group(self, name: str) -> Entry:
        filter = every(self._dialect.group, equals("cn", name))
        found = await self.ldap.search(self._given.groups, filter, ["cn"])
        if len(found) != 1:
            raise Rejected("There is no such group below the part of the directory that is served.")
        return found[0]

    async def _shown(self, request: Request, entry: Entry, secret: str) -> str:
        """What the directory shows of a change that is in place; empty while it isn't."""
        state, verb = self._dialect.state(entry), request.verb
        match verb:
            case "reset_password":
                if not state.must_change or (
                    state.changed_at and state.changed_at < request.opened_at - SKEW
                ):
                    return ""
                accepted = await self.ldap.accepts(self._dialect.login(entry), secret)
                if not self._dialect.right(*accepted):
                    return ""
                return "The password is set, and has to be changed at the next sign-in."
            case "unlock":
                return "" if state.locked else "The account is not locked."
            case "disable" | "enable":
                done = state.disabled is (verb == "disable")
                return f"The account is {verb}d." if done else ""
            case _:
                name = request.parameters["group"]
                inside = await self._inside(await self._group(name), entry.dn)
                if inside is not (verb == "add_to_group"):
                    return ""
                return f"The account is {'' if inside else 'not '}in {name}."

    # -- changing ---------------------------------------------------------------------------------

    async def _change(self, request: Request, secret: str) -> None:
        entry, state = await self.account(request.subject)
        why = self._dialect.untouchable(entry)
        if why or await protected(self.ldap, self._given, self._dialect, entry.dn):
            raise Rejected(why or PROTECTED)
        if state.disabled and request.verb in ("reset_password", "unlock"):
            raise Rejected("The account is disabled. Whoever disabled it has to enable it first.")
        if request.verb in GROUPS:
            group = await self._group(request.parameters["group"])
            put = added if request.verb == "add_to_group" else removed
            await self.ldap.modify(group.dn, put("member", entry.dn))
        else:
            await self.ldap.modify(entry.dn, self._dialect.changes(request.verb, entry, secret))

    def _asked(self, request: Request, secret: str | None) -> None:
        if request.verb not in self.verbs:
            raise Rejected(f"The directory has no verb `{request.verb}`.")
        if request.verb == "reset_password" and not secret:
            raise Rejected("No temporary password was made. Check that the playbook hands one out.")
        if request.verb in GROUPS and not request.parameters.get("group"):
            raise Rejected("The request doesn't say which group. Ask again and name one.")


def moment(text: str) -> datetime | None:
    """A generalised time (RFC 4517 §3.3.13) in UTC; None for what isn't one."""
    digits = text.removesuffix("Z").partition(".")[0]
    try:
        return datetime.strptime(f"{digits}+0000", "%Y%m%d%H%M%S%z")
    except ValueError:
        return None
