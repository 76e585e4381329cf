"""Who somebody is: read anew where something is decided, a minute old at most where it is only shown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

import flows.errors as no
from flows.model import Person
from handlers.people import RECENT, People, Recent, Roster, matching
from handlers.ports import By, Unreachable

MAYA = Person("maya", "Maya Lindqvist", "maya.lindqvist", manager="omar", aliases=frozenset({"maya.l"}))
OMAR = Person("omar", "Omar Haddad", "omar.haddad", roles=frozenset({"security"}))
NINA = Person("nina", "Nina Kowalski", "nina.kowalski", active=False, roles=frozenset({"security"}))


@dataclass
class Busy:
    """A directory that counts, waits when told to, and may be away."""

    people: dict[str, Person] = field(default_factory=lambda: {p.id: p for p in (MAYA, OMAR, NINA)})
    asked: list[str] = field(default_factory=list)
    away: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def person(self, id: str) -> Person | None:
        await self._reached(id)
        return self.people.get(id)

    async def find(self, by: By, value: str) -> Sequence[Person]:
        await self._reached(value)
        return matching(self.people.values(), by, value)

    async def _reached(self, what: str) -> None:
        self.asked.append(what)
        await self.gate.wait()
        if self.away:
            raise Unreachable("away")


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


async def test_an_answer_is_shown_again_for_a_minute_and_no_longer() -> None:
    there, clock = Busy(), Clock()
    recent = Recent(there, clock)
    assert await recent.person("maya") == MAYA
    there.people["maya"] = replace(MAYA, name="Maya Berg")
    clock.now = RECENT - 1
    assert await recent.person("maya") == MAYA
    assert recent.age == RECENT - 1
    clock.now = RECENT
    assert recent.age == 0
    assert await recent.person("maya") == there.people["maya"]
    assert there.asked == ["maya", "maya"]
    assert await recent.person("nobody") is None
    assert list(await recent.find("role", "security")) == [OMAR, NINA]


async def test_the_same_question_is_asked_once_for_everybody_who_waits() -> None:
    there = Busy()
    there.gate.clear()
    recent = Recent(there, Clock())
    waiting = [asyncio.create_task(recent.person("maya")) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    there.gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert answers[1:] == [MAYA] * 4, "one who doesn't wait any more takes nothing from the others"
    assert there.asked == ["maya"]


async def test_a_failure_is_no_answer_for_whoever_asks_next() -> None:
    there = Busy(away=True)
    recent = Recent(there, Clock())
    with pytest.raises(Unreachable):
        await recent.person("maya")
    there.away = False
    assert await recent.person("maya") == MAYA


async def test_a_directory_that_is_away_is_a_sentence() -> None:
    people = People(Busy(away=True), {"security": ["maya"]})
    for asking in (
        people.person("maya"),
        people.holding("security"),
        people.called("Maya"),
        people.leads("omar"),
        people.named("maya", "omar"),
        people.selected(("manager",), MAYA),
    ):
        with pytest.raises(no.DirectoryAway):
            await asking


async def test_roles_come_from_the_directory_and_from_the_configuration() -> None:
    people = People(Roster([MAYA, OMAR, NINA]), {"security": ["maya", "somebody-who-left"]})
    assert {person.id for person in await people.holding("security")} == {"maya", "omar", "nina"}
    assert await people.selected(("manager", "role:security", "person:nina"), MAYA) == {"maya", "omar"}, (
        "nina doesn't work here any more"
    )


@pytest.mark.parametrize("text", ["maya.lindqvist", "maya.l", "Maya Lindqvist", "MAYA LINDQVIST"])
async def test_people_are_found_by_account_alias_and_whole_name(text: str) -> None:
    people = People(Roster([MAYA, OMAR]), {})
    assert [person.id for person in await people.called(text)] == ["maya"]
    assert await people.called("Maya") == []
