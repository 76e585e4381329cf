"""Waves: telling everybody of a group who never had a device that they can join now, and once more after three days.

What they are told holds no token and grants nothing: whoever follows it still has to sign on. Each is on the disk as
soon as they were told, so that a wave that broke off goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select

import flows.errors as no
from handlers.desk import Desk
from handlers.ports import Messenger, Welcoming
from storage.book import Book, Need, Outcome, Work
from storage.sql import TABLES

log = structlog.get_logger()

AGAIN = timedelta(days=3)

_DEVICES, _INVITED = TABLES["devices"], TABLES["invited"]
_owners = select(_DEVICES.c.person).distinct()
_invited = select(_INVITED.c.person, _INVITED.c.told_at)


@dataclass(frozen=True, slots=True)
class Wave:
    """One group, by what became of its people: id → name. `due` are to be told now."""

    joined: dict[str, str]
    told: dict[str, str]
    due: dict[str, str]


class Waves:
    """The people who can join at `address`, and who of them was told. `messenger` is asked for at each telling."""

    def __init__(self, desk: Desk, messenger: Callable[[], Messenger], address: str) -> None:
        self._desk = desk
        self._store = desk.store
        self._messenger = messenger
        self._address = address

    async def of(self, group: str, *, remind: bool) -> Wave:
        """Where everybody of a group who works here stands. With `remind`, whoever was told 3 days ago is due again.

        Raises UnknownGroup where nobody is in it, and DirectoryAway.
        """
        people = {each.id: each.name for each in await self._desk.people.holding(group) if each.active}
        if not people:
            raise no.UnknownGroup
        owners = {row["person"] for row in await self._store.fetch(_owners)}
        told_at: dict[str, datetime] = {
            row["person"]: row["told_at"] for row in await self._store.fetch(_invited)
        }
        wave, late = Wave({}, {}, {}), self._store.clock() - AGAIN
        for id, name in sorted(people.items(), key=lambda item: (item[1].casefold(), item[0])):
            if id in owners:
                wave.joined[id] = name
            elif id in told_at and not (remind and told_at[id] <= late):
                wave.told[id] = name
            else:
                wave.due[id] = name
        return wave

    async def tell(self, person: str, group: str) -> bool:
        """Tell one person of a group. False where there is no way to write to them just now.

        Raises UnknownPerson for whoever isn't in the group, or doesn't work here, and HadADevice.
        """
        found = await self._desk.people.person(person)
        if found is None or not found.active or group not in found.roles:
            raise no.UnknownPerson
        if (await self._desk.registry.registration(person)).devices:
            raise no.HadADevice
        messenger = self._messenger()
        try:
            told = isinstance(messenger, Welcoming) and await messenger.welcome(person, self._address)
        except Exception as failure:  # noqa: BLE001  whatever it is, the next run tries again
            log.warning("not_welcomed", person=person, error=type(failure).__name__)
            told = False
        if told:
            await self._keep(person, group)
        return told

    async def _keep(self, person: str, group: str) -> None:
        def run(book: Book) -> Outcome:
            before = book.row("invited", person)
            times = before["times"] + 1 if before else 1
            row = {"person": person, "wave": group, "told_at": book.now, "times": times}
            return Outcome(puts=[("invited", row)])

        await self._store.write(Work(run, (Need("invited", "person", person),)))
