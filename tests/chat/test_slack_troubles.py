"""Slack is slow, says no, or isn't there: nothing is lost, and everything arrives once it is back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from bot.inbox import Inbox
from bot.slack import PATH
from demo.workspace.acts import Acts
from demo.workspace.faults import Fault
from demo.workspace.installed import Installed
from demo.workspace.serve import serving
from demo.workspace.workspace import Workspace
from demo.workspace.world import World
from flows.model import Stage
from handlers.deliveries import Delivery
from storage.sql import TABLES
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


async def test_a_conversation_leaves_no_delivery_undone(acme: Office) -> None:
    await acme.says("maya", "I forgot my password")
    await acme.press("maya", "Yes, ask for it")
    await acme.press("maya", "Cancel")
    assert await acme.slack.inbox.deliveries.waiting() == 0


async def test_a_command_between_two_people_is_answered_in_our_own_conversation(acme: Office) -> None:
    await acme.says("maya", "hello")
    command = {"command": "/desk", "text": "unlock me", "user_id": "U0MAYA", "team_id": "T0ACME"}
    answer = await acme.acts.forge("maya", {**command, "channel_id": "D0OMARMAYA"})
    await acme.settled()
    assert "I've answered you in our direct messages" in answer.body
    assert "Account unlock?" in words(acme.last("maya"))


async def test_a_press_isnt_decided_again_when_its_answer_is_late(acme: Office) -> None:
    await acme.says("maya", "I forgot my password")
    await acme.press("maya", "Yes, ask for it")
    await acme.acts.open_home("maya")
    await acme.settled()
    acme.workspace.calls.faults.append(Fault("views.publish", status=500, times=3))
    home = acme.workspace.world.home("U0MAYA")
    assert home is not None
    rows = [block for block in home["blocks"] if block["type"] == "actions"]
    cancel = next(b["action_id"] for row in rows for b in row["elements"] if words(b["text"]) == "Cancel")
    await acme.acts.press_home("maya", cancel)
    await acme.settled()
    assert acme.workspace.calls.faults == [], "it did go wrong"
    assert await acme.refusals() == []
    (request,) = await acme.company.desk.concerning("maya")
    assert request.stage is Stage.CANCELLED


async def test_a_delivery_that_was_changed_from_outside_holds_nothing_up(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with office(sqlite_url, tmp_path) as acme:
        await acme.company.enrolled("maya")
        await acme.connected("maya")
        message = {
            "type": "message",
            "channel_type": "im",
            "channel": "D0MAYA",
            "user": "U0MAYA",
            "text": "help",
        }
        event = {"type": "event_callback", "event_id": "Ev0LATE", "team_id": "T0ACME", "event": message}
        deliveries = acme.slack.inbox.deliveries
        for key in ("slack:changed", "slack:Ev0LATE"):
            await deliveries.take(Delivery(key, json.dumps(event).encode()))
        table = TABLES["deliveries"]
        await acme.company.store.run(
            update(table).where(table.c.key == "slack:changed").values(body=b"something else")
        )
        async with fronted(acme.company, free_port()) as slack:
            await slack.inbox.idle()
        await acme.settled()
        assert await deliveries.waiting() == 0
        assert "Tampered" in await acme.refusals()
        assert "Password reset" in words(acme.last("maya"))


async def test_what_could_not_be_worked_on_is_given_up_after_two_days_on_record(
    acme: Office,
) -> None:
    deliveries = acme.slack.inbox.deliveries
    await deliveries.take(Delivery("slack:poison", b"{}"))
    acme.company.hands.forward(days=1, hours=23)
    await deliveries.sweep()
    assert await deliveries.waiting() == 1
    acme.company.hands.forward(hours=2)
    await deliveries.sweep()
    assert await deliveries.waiting() == 0
    assert await acme.refusals() == ["Abandoned"]


async def test_what_comes_while_the_undone_are_taken_up_is_begun_once(acme: Office) -> None:
    inbox = Inbox(acme.slack.inbox.deliveries, "slack")
    begun: list[str] = []

    async def comes(key: str) -> None:
        if await inbox.take(Delivery(key, b"{}")):
            begun.append(key)

    async def resumed(delivery: Delivery) -> None:
        begun.append(delivery.key)
        await comes(f"{delivery.key}+")
        await comes(delivery.key)

    await comes("slack:early")
    assert begun == []
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(comes(f"slack:{number}"))
        tasks.create_task(inbox.resume(resumed))
        for number in range(20, 40):
            tasks.create_task(comes(f"slack:{number}"))
    wanted = {"slack:early", *(f"slack:{number}" for number in range(40))}
    assert wanted <= set(begun)
    assert len(begun) == len(set(begun))
