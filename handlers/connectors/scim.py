"""Any system that speaks SCIM 2.0: passwords, accounts that are switched on and off, groups."""

from __future__ import annotations

import asyncio
import hashlib
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import TypeVar

from flows.model import Receipt, Request
from handlers.findings import Finding
from handlers.ports import NO_PASSWORD, NoAccount, PolicyRefused, Rejected, Unreachable
from handlers.scim.client import Client, Conflict, Operations, Resource, equals
from handlers.scim.config import ScimServer
from handlers.scim.examine import examined
from handlers.scim.guard import LEFT_ALONE, Guard
from handlers.scim.people import ScimPeople
from handlers.scim.users import Users, members

T = TypeVar("T")

#: How far the server's clock may be behind ours.
SKEW = timedelta(minutes=5)
OPPOSITE = {
    "add_to_group": "remove_from_group",
    "remove_from_group": "add_to_group",
    "disable": "enable",
    "enable": "disable",
}
GROUPS = frozenset({"add_to_group", "remove_from_group"})
#: No `reset_password`: SCIM has no word for a password that has to be changed at the next sign-in (RFC 7643 §4.1.1).
VERBS = frozenset({"set_password", *OPPOSITE})
REMEMBERED = 1000  # passwords the server took: enough for every change that is under way


class Scim:
    """The Connector port over one server. `people` is its Directory.

    A password can't be read back. So a reset counts only when the server itself took this very password from us,
    and shows that the account was changed since. Whatever else became of an earlier attempt, the same password is
    sent again: nobody has seen it yet, and it is the same change.
    """

    verbs = VERBS

    def __init__(self, given: ScimServer, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = Client(given, clock)
        self._users = Users(self._client, given)
        self._guard = Guard(self._users)
        self.people = ScimPeople(self._users)
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._under_way: set[asyncio.Task[Receipt]] = set()
        #: what was taken (`_fingerprint`) → the account's version before
        self._taken: OrderedDict[bytes, str] = OrderedDict()
        self._sent: OrderedDict[bytes, None] = OrderedDict()  # what may have been taken
        if not given.groups:
            self.verbs = VERBS - GROUPS

    async def close(self) -> None:
        """Hang up, after what is under way."""
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._client.close()

    # -- Connector --------------------------------------------------------------------------------

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        """Make the change, unless it is there already, and read it back.

        Raises Rejected, Unreachable, or anything else when it may have happened. Whoever stops waiting doesn't stop
        the change: what became of it is known to whoever asks next.
        """
        self._asked(request, secret)
        task = asyncio.create_task(self._in_turn(request, key, secret))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        """Whether the server shows the change. Raises Rejected or Unreachable."""
        self._asked(request, secret)
        user = await self._users.user(request.subject)
        if user is None:
            return None
        shown = await self._shown(request, user, _fingerprint(key, user.id, secret or ""))
        return Receipt(key, shown) if shown else None

    async def undo(self, request: Request, key: str) -> Receipt:
        """Bring a membership or an account back. Raises Rejected for what has no way back, or Unreachable."""
        self._asked(request, "none is needed")
        back = OPPOSITE.get(request.verb)
        if back is None:
            raise Rejected(f"`{request.verb}` can't be taken back: the state before it is not kept.")
        return await self.carry_out(request.but({"verb": back}), key, None)

    async def examine(self, needed: Collection[str], account: str) -> list[Finding]:
        """What the server shows of itself and of an account, with nothing changed; what we may, it can't show."""
        return await examined(self._users, self.verbs, needed, account)

    # -- reading ----------------------------------------------------------------------------------

    async def _group(self, name: str) -> Resource:
        found = await self._users.groups(name)
        if len(found) != 1:
            many = "more than one" if found else "no"
            raise Rejected(f"There is {many} group of this name on the SCIM server.")
        return found[0]

    async def _shown(self, request: Request, user: Resource, taken: bytes) -> str:
        """What the server shows of a change that is in place; empty while it isn't."""
        verb = request.verb
        match verb:
            case "set_password":
                before = self._taken.get(taken)
                if before is None or not (_changed_since(request, user) or _moved(before, user)):
                    return ""
                return "The server took the password, and shows that the account was changed."
            case "disable" | "enable":
                done = user.values.get("active") is (verb == "enable")
                return f"The account is {verb}d." if done else ""
            case _:
                name = request.parameters["group"]
                inside = user.id in members(await self._group(name))
                if inside is not (verb == "add_to_group"):
                    return ""
                return f"The account is {'' if inside else 'not '}in {name}."

    # -- changing ---------------------------------------------------------------------------------

    async def _in_turn(self, request: Request, key: str, secret: str | None) -> Receipt:
        lock = self._turns.setdefault(request.subject, asyncio.Lock())
        async with lock:
            if done := await self.check(request, key, secret):
                return done
            await self._change(request, key, secret or "")
            if done := await self.check(request, key, secret):
                return done
        raise RuntimeError(f"the SCIM server does not show the change of {key}")

    async def _change(self, request: Request, key: str, secret: str) -> None:
        user = await self._users.user(request.subject)
        if user is None:
            raise NoAccount("There is no such account on the SCIM server.")
        if why := await self._guard.protects(user):
            raise Rejected(why)
        match request.verb:
            case "set_password":
                await self._reset(request, user, key, secret)
            case "disable" | "enable":
                await self._client.patch("Users", user, _replaced("active", request.verb == "enable"))
            case verb:
                group = await self._group(request.parameters["group"])
                if await self._guard.leaves_alone(group):
                    raise Rejected(LEFT_ALONE)
                put = _joined if verb == "add_to_group" else _left
                await self._client.patch("Groups", group, put(user.id))

    async def _reset(self, request: Request, user: Resource, key: str, secret: str) -> None:
        taken = _fingerprint(key, user.id, secret)
        if user.values.get("active") is not True:
            raise Rejected("The account is disabled. Whoever disabled it has to enable it first.")
        if taken in self._taken:
            return  # it was taken, and only isn't shown yet
        again = taken in self._sent
        _keep(self._sent, taken, None)
        try:
            await self._client.patch("Users", user, _replaced("password", secret), secret)
        except (Rejected, Unreachable, Conflict) as no:  # nothing was changed by this one
            if again and isinstance(no, PolicyRefused):  # such as by a history of passwords
                raise RuntimeError(
                    "the password is refused, but an earlier attempt may have set it"
                ) from None
            if not again:
                self._sent.pop(taken, None)
            raise
        _keep(self._taken, taken, user.version or str(user.modified or ""))

    def _asked(self, request: Request, secret: str | None) -> None:
        if request.verb not in self.verbs:
            raise Rejected(f"The SCIM server has no verb `{request.verb}`.")
        if request.verb == "set_password" and not secret:
            raise Rejected(NO_PASSWORD)
        if request.verb in GROUPS and not request.parameters.get("group"):
            raise Rejected("The request doesn't say which group. Ask again and name one.")

    def _ended(self, task: asyncio.Task[Receipt]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, in case that nobody waits for it any more


def _fingerprint(key: str, account: str, secret: str) -> bytes:
    """Which password of which change was taken, without keeping it."""
    return hashlib.sha256("\0".join((key, account, secret)).encode()).digest()


def _keep(kept: OrderedDict[bytes, T], taken: bytes, what: T) -> None:
    """Remember it, and no more than REMEMBERED."""
    kept[taken] = what
    if len(kept) > REMEMBERED:
        kept.popitem(last=False)


def _changed_since(request: Request, user: Resource) -> bool:
    """Whether the account was changed since the request was opened."""
    return user.modified is not None and user.modified >= request.opened_at - SKEW


def _moved(before: str, user: Resource) -> bool:
    """Whether the account is another than it was. A server that tells neither version nor time shows nothing."""
    now = user.version or str(user.modified or "")
    return bool(now) and now != before


def _replaced(attribute: str, value: object) -> Operations:
    return [{"op": "replace", "path": attribute, "value": value}]


def _joined(id: str) -> Operations:
    return [{"op": "add", "path": "members", "value": [{"value": id}]}]


def _left(id: str) -> Operations:
    """One member less (RFC 7644 §3.5.2.2)."""
    return [{"op": "remove", "path": f"members[{equals('value', id)}]"}]


def connect(entry: Mapping[str, object]) -> Scim:
    """The connector of the kind `scim`. Raises pydantic's ValidationError."""
    return Scim(ScimServer.model_validate(entry))
