"""Whom a playbook asks, through the real desk and worker: read at the click, and again before the change."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import flows.errors as no
from demo import directory
from flows.model import Person, Stage
from handlers.people import matching
from handlers.ports import By
from tests.company import SHIPPED, company

PLAYBOOK = """\
name: share_access
version: 1
title: Access to a share
phrase: Give {subject} access to a share
tier: 2
ask: {who: [self]}
proof: {by: subject, assurance: multi_factor, within: 10 minutes, lasts: 2 days}
consent: {quorum: 1, from: ["SELECTOR"], within: 1 day}
form:
  - {name: group, label: "Which share?", choices: [finance-share, everyone]}
change: {connector: directory, verb: add_to_group}
handed_to: desk_agent
"""
ASKED = {"group": "finance-share"}


@dataclass
class Moving:
    """The pretend company, in which people move: into groups and out of them, and owners change."""

    people: dict[str, Person] = field(
        default_factory=lambda: {person.id: person for person in directory.PEOPLE}
    )
    owners: dict[str, str] = field(default_factory=lambda: {"finance-share": "sam", "everyone": "nina"})

    async def person(self, id: str) -> Person | None:
        return self.people.get(id)

    async def find(self, by: By, value: str) -> Sequence[Person]:
        if by == "owner":
            return [person for person in self.people.values() if person.id == self.owners.get(value)]
        return matching(self.people.values(), by, value)

    def move(self, id: str, *groups: str) -> None:
        self.people[id] = replace(self.people[id], groups=frozenset(groups))


def asking(folder: Path, selector: str) -> Path:
    """A folder with the one playbook that asks whom this selector names."""
    made = folder / "playbooks"
    made.mkdir()
    shutil.copytree(SHIPPED / "rules", made / "rules")
    (made / "share_access.yaml").write_text(PLAYBOOK.replace("SELECTOR", selector))
    return made


@pytest.mark.parametrize(
    ("selector", "agrees", "refused"),
    [("owner", "sam", "nina"), ("manager_of_manager", "nina", "omar"), ("group:Data Owners", "eve", "sam")],
)
async def test_whoever_is_asked_agrees_and_nobody_else(
    tmp_path: Path, selector: str, agrees: str, refused: str
) -> None:
    there = Moving()
    there.move("eve", "data owners")
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    async with company(url, tmp_path, playbooks=asking(tmp_path, selector), people=there) as acme:
        maya, other, right = [await acme.enrolled(each) for each in ("maya", refused, agrees)]
        request = await acme.asks("share_access", "maya", answers=ASKED)
        await acme.proves(request, maya)
        with pytest.raises(no.NotAnApprover):
            await acme.proves(request, other)
        await acme.proves(request, right)
        await acme.worker.drain()
        assert "finance-share" in await acme.directory.groups("maya.lindqvist")


@pytest.mark.parametrize("selector", ["owner", "group:data owners"])
async def test_whoever_moved_away_after_they_agreed_doesnt_count_when_the_change_is_made(
    tmp_path: Path, selector: str
) -> None:
    there = Moving()
    there.move("sam", "data owners")
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    async with company(url, tmp_path, playbooks=asking(tmp_path, selector), people=there) as acme:
        maya, sam = await acme.enrolled("maya"), await acme.enrolled("sam")
        request = await acme.asks("share_access", "maya", answers=ASKED)
        await acme.proves(request, maya)
        await acme.proves(request, sam)
        there.move("sam")
        there.owners["finance-share"] = "nina"
        await acme.worker.drain()
        left = await acme.desk.find(request.id)
        assert left is not None
        assert left.stage is not Stage.FULFILLED
        assert "finance-share" not in await acme.directory.groups("maya.lindqvist")


async def test_a_directory_that_is_moved_between_card_and_click_decides_at_the_click(tmp_path: Path) -> None:
    there = Moving()
    there.move("sam", "data owners")
    url, playbooks = f"sqlite:///{tmp_path / 'desk.db'}", asking(tmp_path, "group:data owners")
    async with company(url, tmp_path, playbooks=playbooks, people=there) as acme:
        maya, sam = await acme.enrolled("maya"), await acme.enrolled("sam")
        request = await acme.asks("share_access", "maya", answers=ASKED)
        await acme.proves(request, maya)
        there.move("sam", "everyone")
        with pytest.raises(no.NotAnApprover):
            await acme.proves(request, sam)
