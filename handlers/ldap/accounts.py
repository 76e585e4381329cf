"""Accounts in a directory: one flow for every kind of server, which a dialect spells for it.

Each change is made once for a key as far as the directory shows: it is looked for before it is made, and again
afterwards. What only the directory can tell is asked of it; nothing is remembered here.
"""

from __future__ import annotations

import asyncio
import hashlib
import weakref
from collections import OrderedDict
from datetime import timedelta

from flows.model import Receipt, Request
from handlers.ldap.config import LdapDirectory
from handlers.ldap.dialect import GROUPS, OPPOSITE, PASSWORDS, VERBS, Dialect, State
from handlers.ldap.guard import LEFT_ALONE, Guard
from handlers.ldap.people import LdapPeople, seen
from handlers.ldap.session import Entry, Ldap, Overtaken, added, equals, every, removed
from handlers.ports import NO_PASSWORD, NoAccount, PolicyRefused, Rejected, Unreachable

#: How far a directory's clock may be behind ours.
SKEW = timedelta(minutes=5)
PRESENT = "That is the account's present password. Choose another one."
REMEMBERED = 1000  # passwords that were sent: enough for every change that is under way


class Accounts:
    """The Connector port over one directory, whose `people` are a Directory."""

    verbs = VERBS

    def __init__(self, given: LdapDirectory, dialect: Dialect) -> None:
        self.ldap = Ldap(given)
        self.guard = Guard(self.ldap, given, dialect)
        self.people = LdapPeople(self.ldap, given, dialect, self.guard)
        self.given = given
        self.dialect = dialect
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._sent: OrderedDict[bytes, None] = (
            OrderedDict()
        )  # passwords that may have been set (`_fingerprint`)
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
            try:
                await self._change(request, key, secret or "")
            except Overtaken:  # look again, once: what is there now may be what is wanted, or be refused
                if done := await self.check(request, key, secret):
                    return done
                await self._change(request, key, secret or "")
            if done := await self.check(request, key, secret):
                return done
        raise RuntimeError(f"the directory does not show the change of {key}")

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        """Whether the directory shows the change. Raises Rejected or Unreachable."""
        self._asked(request, secret)
        entry = await self._found(request.subject)
        if entry is None:
            return None
        shown = await self._shown(request, entry, key, secret or "")
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
        return entry, self.dialect.state(entry)

    async def below(self, filter: str, most: int = 0) -> list[Entry]:
        """People's accounts that match, not more than `most` if that is given. Raises Unreachable."""
        wanted = every(self.dialect.person, filter, self.given.only)
        return await self.ldap.search(self.given.people, wanted, self.dialect.attributes, most=most)

    async def groups(self, name: str, most: int = 0) -> list[Entry]:
        """Groups of this name; all of them without one. Raises Unreachable."""
        wanted = every(self.dialect.group, equals("cn", name) if name else "")
        told, base = ("cn", *self.dialect.attributes), self.given.groups
        return await seen(self.ldap, base, wanted, told, most) if base else []

    async def reads_hashes(self, entry: Entry) -> bool:
        """Whether we are shown what this account's password is checked against. Raises Unreachable."""
        found = await self.ldap.search(entry.dn, "(objectClass=*)", self.dialect.hashes, below=False)
        return any(each.all(name) for each in found for name in self.dialect.hashes)

    async def _found(self, id: str) -> Entry | None:
        found = await self.below(self.dialect.whose(id))
        found = [entry for entry in found if self.dialect.lasting(entry) == id]
        if len(found) > 1:
            raise Rejected("More than one account has this id. Mend the directory.")
        return found[0] if found else None

    async def _inside(self, group: Entry, dn: str) -> bool:
        """Whether this account itself is in a group: asked of the server, since a large one isn't told whole."""
        wanted = every(self.dialect.group, equals("member", dn))
        return bool(await self.ldap.search(group.dn, wanted, ["cn"], below=False))

    async def _group(self, name: str) -> Entry:
        found = await self.groups(name)
        if len(found) != 1:
            raise Rejected("There is no such group below the part of the directory that is served.")
        return found[0]

    async def _accepts(self, entry: Entry, secret: str) -> bool:
        """Whether this account's password is this one."""
        return self.dialect.right(*await self.ldap.accepts(self.dialect.login(entry), secret))

    async def _shown(self, request: Request, entry: Entry, key: str, secret: str) -> str:
        """What the directory shows of a change that is in place; empty while it isn't."""
        state, verb = self.dialect.state(entry), request.verb
        match verb:
            case "reset_password" | "set_password":
                must_change = verb == "reset_password"
                ours = _fingerprint(key, entry.dn, secret) in self._sent
                if state.must_change is not must_change or not (ours or _changed_since(request, state)):
                    return ""
                if not await self._accepts(entry, secret):
                    return ""
                then = ", and has to be changed at the next sign-in" if must_change else ""
                return f"The password is set{then}."
            case "unlock":
                return "" if state.locked or state.disabled else "The account is not locked."
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

    async def _change(self, request: Request, key: str, secret: str) -> None:
        entry, state = await self.account(request.subject)
        if why := await self.guard.protects(entry):
            raise Rejected(why)
        if state.disabled and request.verb in PASSWORDS | {"unlock"}:
            raise Rejected("The account is disabled. Whoever disabled it has to enable it first.")
        if request.verb in GROUPS:
            group = await self._group(request.parameters["group"])
            if await self.guard.leaves_alone(group):
                raise Rejected(LEFT_ALONE)
            await self._move(group, entry, joins=request.verb == "add_to_group")
        elif request.verb in PASSWORDS:
            await self._set(request.verb, entry, state, key, secret)
        elif changes := self.dialect.changes(request.verb, entry, secret):
            await self.ldap.modify(entry.dn, changes)

    async def _move(self, group: Entry, entry: Entry, *, joins: bool) -> None:
        """Into a group or out of it. Raises Overtaken when it is refused because somebody else just did it."""
        try:
            await self.ldap.modify(group.dn, (added if joins else removed)("member", entry.dn))
        except Rejected:  # Active Directory has no answer of its own for that
            if await self._inside(group, entry.dn) is joins:
                raise Overtaken("Somebody else made this change at the same moment.") from None
            raise

    async def _set(self, verb: str, entry: Entry, state: State, key: str, secret: str) -> None:
        """Send a password. One that was sent before and is refused now may be the one that is set already.

        What was sent by a process that is gone isn't known here: then it is the read-back that finds it.
        """
        dialect = self.dialect
        if why := dialect.unfit(secret):
            raise PolicyRefused(why)
        sent = _fingerprint(key, entry.dn, secret)
        again = sent in self._sent
        # A locked account takes none. A wrong one counts as a failure there, until it is set.
        if verb == "set_password" and not (again or state.locked) and await self._accepts(entry, secret):
            raise PolicyRefused(PRESENT)
        self._sent[sent] = None
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)
        try:
            await self.ldap.modify(entry.dn, dialect.changes(verb, entry, secret), dialect.only_if(verb))
        except (Rejected, Unreachable) as no:
            if again and isinstance(no, PolicyRefused):  # such as by a history of passwords
                raise RuntimeError(
                    "the password is refused, but an earlier attempt may have set it"
                ) from None
            if not again:
                self._sent.pop(sent, None)
            raise

    def _asked(self, request: Request, secret: str | None) -> None:
        if request.verb not in self.verbs:
            raise Rejected(f"The directory has no verb `{request.verb}`.")
        if request.verb in PASSWORDS and not secret:
            raise Rejected(NO_PASSWORD)
        if request.verb in GROUPS and not request.parameters.get("group"):
            raise Rejected("The request doesn't say which group. Ask again and name one.")


def _changed_since(request: Request, state: State) -> bool:
    """Whether the password was set since the request was opened, which a process that is gone may have done.

    A temporary password is known to nobody else, so it may have been set by a clock that is behind. A chosen one may
    be the present one: it has to be new by the directory's own clock, which may tell whole seconds only.
    """
    if request.verb == "reset_password":
        return state.changed_at is None or state.changed_at >= request.opened_at - SKEW
    return state.changed_at is not None and state.changed_at >= request.opened_at.replace(microsecond=0)


def _fingerprint(key: str, account: str, secret: str) -> bytes:
    """Which password of which change was sent, without keeping it."""
    return hashlib.sha256("\0".join((key, account, secret)).encode()).digest()
