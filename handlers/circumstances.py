"""What is known around an act when the rules are asked: people, devices, history, hour, place, chat account.

Only what some rule asks about is looked up. What can't be found out stays unknown, which no rule takes for a yes.
"""

from __future__ import annotations

from collections.abc import Collection, Set
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, bindparam, func, select

from flows.model import Origin, Person
from flows.registration import Registration
from flows.standing import DAY, PersonFrozen
from handlers.accounts import Accounts
from handlers.registry import DeviceRegistry
from handlers.rules.facts import Chat, Who
from handlers.standings import Standings
from storage.sql import TABLES
from storage.store import Store

NEW = timedelta(days=7)  # so long a device counts as new for rules
LATELY = timedelta(days=30)  # so long a freeze is remembered
_DEVICES = ("devices", "device_days", "new_devices")

_REQUESTS, _EVENTS = TABLES["requests"], TABLES["audit_events"]
_opened = select(func.count().label("found")).where(
    _REQUESTS.c.requester == bindparam("person"),
    _REQUESTS.c.opened_at > bindparam("since", type_=_REQUESTS.c.opened_at.type),
    _REQUESTS.c.id != bindparam("but"),
)
_frozen = select(func.count().label("found")).where(
    _EVENTS.c.person == bindparam("person"),
    _EVENTS.c.type == PersonFrozen.__name__,
    _EVENTS.c.at > bindparam("since", type_=_EVENTS.c.at.type),
)


class Circumstances:
    """Looks facts up, each at most once."""

    def __init__(
        self, store: Store, registry: DeviceRegistry, accounts: Accounts, standings: Standings
    ) -> None:
        self._store = store
        self._registry = registry
        self._accounts = accounts
        self._standings = standings

    async def who(self, person: Person, asked: Set[str], but: str = "") -> Who:
        """One person, as far as rules ask. `asked`: the facts' own names; `but`: the request that isn't counted."""
        now = self._store.clock()
        known: dict[str, object] = {
            "groups": person.groups,
            "roles": person.roles,
            "privileged": person.privileged,
            "account_days": _days(person.since, now),
        }
        if not asked.isdisjoint(_DEVICES):
            known |= _of_devices(await self._registry.registration(person.id), now)
        if "requests" in asked:
            known["requests"] = await self._count(_opened, person.id, now - DAY, but=but)
        if "failures" in asked:
            standing = await self._standings.counted(person.id)
            known["failures"] = standing and sum(now - at < DAY for at in standing.failures)
        if "freezes" in asked:
            known["freezes"] = await self._count(_frozen, person.id, now - LATELY)
        return Who(person.id, **{name: known[name] for name in asked})  # type: ignore[arg-type]

    async def chat(self, asked: Collection[str], origin: Origin, owner: str) -> Chat | None:
        """The chat account that it was asked from; None where no chat was."""
        if origin.platform not in ("slack", "teams"):
            return None
        days = None
        if "context.chat.account_days" in asked:
            here = (origin.platform, origin.workspace, origin.account)
            for each in await self._accounts.bindings(owner):
                if (each.account.platform, each.account.workspace, each.account.id) == here:
                    days = _days(each.bound_at, self._store.clock())
        return Chat(origin.platform, days)

    async def _count(self, what: Select[Any], person: str, since: datetime, **more: str) -> int:
        (row,) = await self._store.fetch(what, person=person, since=since, **more)
        return int(row["found"])


def _of_devices(registration: Registration, now: datetime) -> dict[str, object]:
    ages = [now - device.registered_at for device in registration.live]
    return {
        "devices": len(ages),
        "device_days": max(ages, default=timedelta(0)).days,
        "new_devices": sum(age < NEW for age in ages),
    }


def _days(since: datetime | None, now: datetime) -> int | None:
    return None if since is None else (now - since).days


def local(at: datetime, zone: str) -> datetime | None:
    """That moment where somebody is, or None where nobody knows where that is."""
    try:
        return at.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        return None
