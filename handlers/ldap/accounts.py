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
from handlers.ldap.people import LdapPeople
from handlers.ldap.session import Entry, Ldap, Overtaken, added, equals, every, removed
from handlers.ports import NO_PASSWORD, NoAccount, PolicyRefused, Rejected, Unreachable

#: How far a directory's clock may be behind ours.
SKEW = timedelta(minutes=5)
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
        return entry, self.dialect.state(entry)

    async def below(self, filter: str, most: int = 0) -> list[Entry]:
        """People's accounts that match, not more than `most` if that is given. Raises Unreachable."""
        wanted = every(self.dialect.person, filter, self.given.only)
        return await self.ldap.search(self.given.people, wanted, self.dialect.attributes, most=most)

    async def groups(self, name: str, most: int = 0) -> list[Entry]:
        """Groups of this name; all of them without one. Raises Unreachable."""
        wanted = every(self.dialect.group, equals("cn", name) if name else "")
        told = ("cn", *self.dialect.attributes)
        return await self.ldap.search(self.given.groups, wanted, told, most=most) if self.given.groups else []

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

    async def _shown(self, request: Request, entry: Entry, secret: str) -> str:
        """What the directory shows of a change that is in place; empty while it isn't."""
        state, verb = self.dialect.state(entry), request.verb
        match verb:
            case "reset_password" | "set_password":
                must_change = verb == "reset_password"
                if state.must_change is not must_change or (
                    state.changed_at and state.changed_at < request.opened_at - SKEW
                ):
                    return ""
                accepted = await self.ldap.accepts(self.dialect.login(entry), secret)
                if not self.dialect.right(*accepted):
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
            put = added if request.verb == "add_to_group" else removed
            await self.ldap.modify(group.dn, put("member", entry.dn))
        elif request.verb in PASSWORDS:
            await self._set(request.verb, entry, key, secret)
        else:
            await self.ldap.modify(entry.dn, self.dialect.changes(request.verb, entry, secret))

    async def _set(self, verb: str, entry: Entry, key: str, secret: str) -> None:
        """Send a password. One that was sent before and is refused now may be the one that is set already.

        What was sent by a process that is gone isn't known here: then it is the read-back that finds it.
        """
        dialect = self.dialect
        if why := dialect.unfit(secret):
            raise PolicyRefused(why)
        sent = _fingerprint(key, entry.dn, secret)
        again = sent in self._sent
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


def _fingerprint(key: str, account: str, secret: str) -> bytes:
    """Which password of which change was sent, without keeping it."""
    return hashlib.sha256("\0".join((key, account, secret)).encode()).digest()
