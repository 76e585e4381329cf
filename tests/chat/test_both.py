"""A company on Slack and on Teams: one person with two accounts, one request, and its cards in step on both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.commands import Disown
from flows.model import Request, Stage
from tests.office import Office, office
from tests.teams_office import TeamsOffice, beside, settings
from tests.teams_tenant import connector


@dataclass(frozen=True)
class Both:
    """One house behind two chats."""

    slack: Office
    teams: TeamsOffice

    async def settled(self) -> None:
        """Everything has arrived on both."""
        await self.slack.settled()
        await self.teams.settled()

    async def asked(self, where: Office | TeamsOffice) -> Request:
        """Maya asks for a reset on one of them."""
        await where.says("maya", "I forgot my password")
        await where.press("maya", "Yes, ask for it")
        await self.settled()
        found = await self.slack.company.desk.concerning("maya")
        return next(each for each in found if not each.stage.closed)


@pytest.fixture
async def acme(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Both]:
    async with (
        connector() as tenant,
        office(sqlite_url, tmp_path, **settings(tenant)) as slack,
        beside(slack.company, tenant, slack.company.worker.messenger) as teams,
    ):
        both = Both(slack, teams)
        await slack.connected("maya")
        await teams.connected("maya")
        await teams.says("maya", "hello")  # Teams has told where she can be written to
        yield both


async def test_what_is_asked_on_one_is_followed_and_cancelled_on_the_other(acme: Both) -> None:
    await acme.slack.company.enrolled("maya")
    request = await acme.asked(acme.slack)
    assert request.id in acme.slack.read(acme.slack.last("maya"))
    assert request.id in acme.teams.read(acme.teams.last("maya"))
    await acme.teams.press("maya", "Cancel")
    await acme.settled()
    assert (await acme.slack.company.desk.get(request.id)).stage is Stage.CANCELLED
    assert "cancelled" in acme.slack.read(acme.slack.last("maya"))
    assert "cancelled" in acme.teams.read(acme.teams.last("maya"))


async def test_what_is_asked_in_teams_is_stopped_in_slack_and_security_reads_it_on_both(acme: Both) -> None:
    await acme.slack.company.enrolled("maya")
    request = await acme.asked(acme.teams)
    await acme.slack.says("maya", "I didn't ask for this")
    await acme.slack.press("maya", f"Stop {request.id}")
    await acme.settled()
    assert (await acme.slack.company.desk.get(request.id)).stage is Stage.DISOWNED
    for chat in (acme.slack, acme.teams):
        assert "Somebody may be after the account" in " ".join(map(chat.read, chat.security()))


async def test_a_platform_that_is_away_keeps_the_other_from_nothing(acme: Both) -> None:
    await acme.slack.company.enrolled("maya")
    request = await acme.asked(acme.slack)
    for method in ("POST", "PUT"):
        acme.teams.tenant.faults += [(method, 500, {})] * 20
    await acme.slack.press("maya", "Cancel")
    await acme.settled()
    assert "cancelled" in acme.slack.read(acme.slack.last("maya"))
    again = await acme.asked(acme.slack)
    assert again.id != request.id
    await acme.slack.company.desk.submit(again.id, Disown("maya"))
    await acme.settled()
    assert "Somebody may be after the account" in " ".join(map(acme.slack.read, acme.slack.security()))
    assert acme.teams.tenant.faults, "Teams is still away"


async def test_the_number_stands_where_it_was_asked_and_not_on_the_other(acme: Both) -> None:
    await acme.slack.company.enrolled("maya", passkey=False)
    request = await acme.asked(acme.teams)
    number = acme.slack.company.store.keys.number(request.challenges[0].nonce)
    shown = f"{number[:3]} {number[3:]}"
    assert shown in acme.teams.read(acme.teams.last("maya"))
    assert request.id in acme.slack.read(acme.slack.last("maya"))
    assert all(shown not in acme.slack.read(each) for each in acme.slack.said("maya"))


async def test_one_person_has_one_open_request_for_one_thing_on_whatever_account(acme: Both) -> None:
    await acme.slack.company.enrolled("maya")
    await acme.asked(acme.slack)
    await acme.teams.says("maya", "I forgot my password")
    await acme.teams.press("maya", "Yes, ask for it")
    await acme.settled()
    assert len(await acme.slack.company.desk.concerning("maya")) == 1
    assert await acme.slack.refusals() == ["AlreadyOpen"]
    assert "The same request is already open" in acme.teams.read(acme.teams.last("maya"))


async def test_a_device_that_is_added_is_told_in_every_chat_and_nowhere_else(acme: Both) -> None:
    company = acme.slack.company
    company.mailbox.read = False  # it isn't Maya's
    await company.enrolled("maya", told=True)
    await acme.settled()
    for chat in (acme.slack, acme.teams):
        said = " ".join(map(chat.read, chat.said("maya")))
        assert "A device was registered for you" in said
        assert "maya's phone" in said
        assert "If this wasn't you: open your device page (http://localhost:8080)" in said
        assert "device was registered" not in " ".join(map(chat.read, chat.security()))
    assert company.mailbox.announced == []


async def test_whoever_no_chat_reaches_is_named_to_security(acme: Both) -> None:
    company = acme.slack.company
    company.mailbox.read = False
    await company.enrolled("omar", told=True)
    await acme.settled()
    for chat in (acme.slack, acme.teams):
        assert "Somebody couldn't be told what was done in their name" in " ".join(
            map(chat.read, chat.security())
        )
