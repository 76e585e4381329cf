"""Who somebody is: read anew where something is decided, a minute old at most where it is only shown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import flows.errors as no
from flows.model import Person
from handlers.people import RECENT, Given, People, Recent, Roster, matching
from handlers.ports import By, Unreachable
from handlers.settings import SettingsError, load_config

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
    people = People(Busy(away=True), Given({"security": ["maya"]}))
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
    people = People(Roster([MAYA, OMAR, NINA]), Given({"security": ["maya", "somebody-who-left"]}))
    assert {person.id for person in await people.holding("security")} == {"maya", "omar", "nina"}
    selectors = ("manager", "role:security", "person:nina")
    assert await people.selected(selectors, MAYA) == {"maya", "omar"}, "nina doesn't work here any more"


# -- whom selectors name --------------------------------------------------------------------

SAM = Person("sam", "Sam Okafor", "sam.okafor", groups=frozenset({"finance-share", "Ops"}))
EVE = Person("eve", "Eve Mallory", "eve.mallory", manager="eve", active=False, groups=frozenset({"Ops"}))
EVERYBODY = [MAYA, replace(OMAR, manager="sam"), NINA, SAM, EVE]


@dataclass
class OnCall:
    """A schedule that says what it is told."""

    named: frozenset[str]
    among: str = "group:Ops"

    async def on_call(self) -> frozenset[str]:
        return self.named


def company(*on_call: str, among: str = "group:Ops", **more: Any) -> People:
    given = {"schedules": {"security": OnCall(frozenset(on_call), among)}, **more}
    return People(Roster(EVERYBODY), Given(**given))


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("manager", {"omar"}),
        ("manager_of_manager", {"sam"}),
        ("group:ops", {"sam"}),  # eve doesn't work here any more
        ("group:finance-share", {"sam"}),
        ("group:", set()),
        ("group", set()),
        ("role:security", {"omar"}),
        ("person:sam", {"sam"}),
        ("person:eve", set()),
        ("owner", {"sam"}),
        ("on_call:security", {"sam"}),
        ("on_call:weekend", set()),
        ("on_call", set()),
        ("everybody", set()),
    ],
)
async def test_a_selector_names_active_people_as_the_directory_says_now(
    selector: str, selected: set[str]
) -> None:
    people = company("sam", owners={"Finance-Share": ["sam", "eve", "gone"]})
    assert await people.selected([selector], MAYA, {"group": "finance-share"}) == selected


async def test_whoever_has_nobody_above_them_has_no_managers_manager() -> None:
    people = company()
    for subject in (None, SAM, replace(MAYA, manager="gone"), replace(MAYA, manager="sam")):
        assert await people.selected(["manager_of_manager"], subject) == set()
    assert await people.selected(["manager"], None) == set()


async def test_without_a_group_in_the_form_nobody_owns_it() -> None:
    people = company(owners={"": ["sam"], "finance": ["sam"]})
    for parameters in ({}, {"group": ""}, {"group": "other"}, {"Group": "finance"}):
        assert await people.selected(["owner"], MAYA, parameters) == set()
    assert await people.selected(["owner"], MAYA) == set()


async def test_a_schedule_alone_gives_no_authority() -> None:
    assert await company("maya", "omar", "eve", "nobody").selected(["on_call:security"], None) == set()
    by_role = company("omar", "sam", "nina", among="role:security")
    assert await by_role.selected(["on_call:security"], None) == {"omar"}


async def test_whoever_is_on_call_is_meant_by_id_or_by_an_account_of_theirs_alone() -> None:
    assert await company("Sam.Okafor").selected(["on_call:security"], None) == {"sam"}
    twins = [SAM, replace(SAM, id="other"), replace(SAM, id="third", account="sam")]
    people = People(Roster(twins), Given(schedules={"s": OnCall(frozenset({"sam.okafor"}))}))
    assert await people.selected(["on_call:s"], None) == set(), "which of them is meant?"
    people = People(Roster(twins), Given(schedules={"s": OnCall(frozenset({"sam"}))}))
    assert await people.selected(["on_call:s"], None) == {"sam"}, "an id goes before an account"


async def test_a_list_of_people_knows_who_is_in_a_group_and_owns_none() -> None:
    there = Roster([replace(MAYA, groups=frozenset({"Finance Share", "everyone"})), OMAR])
    assert [each.id for each in await there.find("group", "finance share")] == ["maya"]
    for nobody in ("finance", "*", ""):
        assert await there.find("group", nobody) == []
    assert await there.find("owner", "Finance Share") == []


@pytest.mark.parametrize(
    ("written", "since"),
    [
        ("2024-03-04", datetime(2024, 3, 4, tzinfo=UTC)),
        ("2024-03-04T09:30:00+01:00", datetime(2024, 3, 4, 8, 30, tzinfo=UTC)),
        ("2024-03-04 09:30:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("long ago", None),
    ],
)
def test_a_listed_person_has_groups_and_a_day_they_began(
    tmp_path: Path, written: str, since: datetime | None
) -> None:
    file = tmp_path / "countersign.yaml"
    file.write_text(f"people: [{{id: maya, name: Maya Lindqvist, groups: [finance], since: {written}}}]")
    if since is None:
        with pytest.raises(SettingsError, match=r"people\.0\.since"):
            load_config(file)
    else:
        (maya,) = [each.person() for each in load_config(file).people]
        assert (maya.groups, maya.since) == ({"finance"}, since)


@pytest.mark.parametrize("text", ["maya.lindqvist", "maya.l", "Maya Lindqvist", "MAYA LINDQVIST"])
async def test_people_are_found_by_account_alias_and_whole_name(text: str) -> None:
    people = People(Roster([MAYA, OMAR]), Given())
    assert [person.id for person in await people.called(text)] == ["maya"]
    assert await people.called("Maya") == []
