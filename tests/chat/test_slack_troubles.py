"""Slack is slow, says no, or isn't there: nothing is lost, and everything arrives once it is back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.slack import PATH
from demo.workspace.acts import Acts
from demo.workspace.faults import Fault
from demo.workspace.installed import Installed
from demo.workspace.serve import serving
from demo.workspace.workspace import Workspace
from demo.workspace.world import World
from tests.company import company
from tests.office import BOT, SIGNING, Office, free_port, fronted, office, settings, words


@pytest.fixture
async def acme(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with office(sqlite_url, tmp_path) as made:
        await made.company.enrolled("maya")
        await made.connected("maya")
        yield made


@pytest.mark.parametrize(
    "fault",
    [
        Fault("chat.postMessage", status=429, retry_after=1),
        Fault("chat.postMessage", status=503),
        Fault("users.info", status=429, retry_after=1),
        Fault("chat.update", status=429, retry_after=1),
        Fault("chat.update", drop=True),
    ],
    ids=lambda fault: f"{fault.method} {fault.status or 'lost'}",
)
async def test_what_slack_refuses_for_a_while_arrives_later(acme: Office, fault: Fault) -> None:
    acme.workspace.calls.faults.append(fault)
    await acme.says("maya", "I forgot my password")
    await acme.press("maya", "Yes, ask for it")
    (request,) = await acme.company.desk.concerning("maya")
    assert request.id in words(acme.last("maya"))
    assert acme.workspace.calls.faults == [], "it did go wrong"


async def test_a_form_that_slack_opens_too_late_is_said_and_asked_again(acme: Office) -> None:
    acme.workspace.calls.faults.append(Fault("views.open", status=500, times=9))
    await acme.says("maya", "I lost my phone")
    await acme.press("maya", "Fill in the form")
    assert "couldn't open the form in time" in words(acme.last("maya"))


async def test_what_comes_before_slack_knows_us_is_taken_up_then(sqlite_url: str, tmp_path: Path) -> None:
    port = free_port()
    workspace = Workspace(
        World(":memory:"),
        Installed(SIGNING, BOT, "", f"http://127.0.0.1:{port}{PATH}"),
        "http://localhost:8080",
    )
    acts = Acts(workspace)
    async with (
        serving(workspace) as address,
        company(sqlite_url, tmp_path, **settings("http", f"{address}/api/")) as acme,
    ):
        await acme.enrolled("maya")
        await acme.house.accounts.connect("maya", "slack/T0ACME/U0MAYA", "CS-00000")
        workspace.calls.faults.append(Fault("auth.test", delay=1.0))
        async with fronted(acme, port, wait=False) as slack:
            await acts.say("maya", "I forgot my password")
            await workspace.post.idle()
            assert [each.outcome for each in workspace.post.deliveries] == ["ok"], (
                "it is acknowledged at once"
            )
            assert not slack.client.team
            await slack.connected()
            await slack.inbox.idle()
            assert "Password reset?" in words(workspace.world.history("D0MAYA", "U0MAYA")[-1])


async def test_two_signing_secrets_are_taken_while_one_follows_the_other(
    sqlite_url: str, tmp_path: Path
) -> None:
    newer = "another-signing-secret-for-tests-012345"
    async with office(sqlite_url, tmp_path, secrets=(newer, SIGNING)) as acme:
        for secret in (SIGNING, newer):
            acme.workspace.post.secret = secret
            assert (await acme.acts.command("maya", "/desk")).status == 200
        acme.workspace.post.secret = "a-signing-secret-that-was-retired-0123"
        assert (await acme.acts.command("maya", "/desk")).status == 401
        await acme.settled()


async def test_what_was_delivered_before_a_restart_isnt_done_again(sqlite_url: str, tmp_path: Path) -> None:
    world = World(":memory:")
    async with office(sqlite_url, tmp_path, world=world) as acme:
        await acme.company.enrolled("maya")
        await acme.connected("maya")
        await acme.says("maya", "I forgot my password")
        await acme.press("maya", "Yes, ask for it")
        pressed = acme.workspace.post.deliveries[-1]
        await acme.press("maya", "Cancel")
        hands = acme.company.hands
    async with office(sqlite_url, tmp_path, hands=hands) as acme:
        for _ in range(3):
            assert (await acme.workspace.post.ask(pressed.kind, pressed.payload)).status == 200
        await acme.settled()
        assert len(await acme.company.desk.concerning("maya")) == 1
