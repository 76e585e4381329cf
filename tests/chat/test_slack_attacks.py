"""Perfectly signed clicks that nobody should believe: on cards never posted, in other hands, with edited values."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.cards import Verb
from bot.handles import Handle
from demo.workspace.deliver import CLICK
from flows.model import Request, Stage
from tests.office import Office, buttons, office, words


@pytest.fixture
async def acme(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with office(sqlite_url, tmp_path) as made:
        for person in ("maya", "eve"):
            await made.company.enrolled(person)
        await made.connected("maya", "eve")
        yield made


async def asked(acme: Office, person: str = "maya") -> Request:
    """A request that this person asked for in Slack."""
    await acme.says(person, "I forgot my password")
    await acme.press(person, "Yes, ask for it")
    (request,) = await acme.company.desk.concerning(person)
    return request


def handle_of(acme: Office, person: str, verb: Verb) -> str:
    """The handle that a button on this person's latest card carries."""
    return next(str(b["value"]) for b in buttons(acme.last(person)) if b["action_id"].startswith(verb.value))


def click(verb: str, handle: str, *, channel: str = "D0EVE", ts: str = "1700000000.000100") -> dict[str, Any]:
    """A press as Slack sends it, whoever made it up."""
    action = {"action_id": verb, "block_id": "b", "type": "button", "value": handle, "action_ts": "1.1"}
    container = {"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": False}
    return {"type": "block_actions", "actions": [action], "container": container, "channel": {"id": channel}}


async def test_a_click_on_a_card_that_was_never_posted_is_refused(acme: Office) -> None:
    request = await asked(acme)
    for handle in ("", request.id, "A" * 200, secrets.token_urlsafe(150)):
        assert (await acme.acts.forge("eve", click("cancel", handle))).status == 200
    await acme.settled()
    assert (await acme.company.desk.get(request.id)).stage is Stage.AWAITING_PROOF
    assert (await acme.refusals()).count("StrangeCard") == 4
    assert "wasn't put here for you" in words(acme.last("eve"))


async def test_somebody_elses_handle_is_worth_nothing_in_another_hand_or_another_place(acme: Office) -> None:
    request = await asked(acme)
    handle = handle_of(acme, "maya", Verb.CANCEL)
    await acme.acts.forge("eve", click("cancel", handle, channel="D0MAYA"))
    await acme.acts.forge("eve", click("cancel", handle, channel="D0EVE"))
    await acme.acts.forge("maya", click("cancel", handle, channel="C0GENERAL"))
    await acme.settled()
    assert (await acme.company.desk.get(request.id)).stage is Stage.AWAITING_PROOF
    assert (await acme.refusals()).count("StrangeCard") == 3


async def test_another_verb_on_ones_own_card_does_no_more_than_that_person_may(acme: Office) -> None:
    request = await asked(acme)
    handle = handle_of(acme, "maya", Verb.CANCEL)
    for verb in (
        "approve",
        "deny",
        "retry",
        "give_up",
        "show_secret",
        "begin_passkey",
        "answer_code",
        "no_such",
        "ask",
    ):
        answer = await acme.acts.forge("maya", click(verb, handle, channel="D0MAYA", ts=acme.last("maya").ts))
        assert answer.status == 200
    await acme.settled()
    assert (await acme.company.desk.get(request.id)).stage is Stage.AWAITING_PROOF
    assert len(await acme.company.desk.concerning("maya")) == 1
    assert {"StrangeCard", "OutOfTurn", "UnknownPlaybook"} == set(await acme.refusals()), (
        "each no is on record"
    )


async def test_a_payload_that_names_another_person_is_judged_by_its_handle(acme: Office) -> None:
    """Whoever holds the signing secret may write any user into a payload, but can't make that user's handle."""
    request = await asked(acme)
    place = "slack/T0ACME/D0EVE"
    eves = acme.slack.messenger.handles.make(Handle("eve", request.id), place)
    forged = click("cancel", eves) | {"user": {"id": "U0MAYA", "team_id": "T0ACME", "username": "maya"}}
    await acme.acts.forge("eve", forged)
    await acme.acts.forge("eve", click("cancel", eves))
    await acme.settled()
    assert (await acme.company.desk.get(request.id)).stage is Stage.AWAITING_PROOF
    assert {"StrangeCard", "NotYoursToCancel"} <= set(await acme.refusals())


async def test_a_form_with_fields_that_it_doesnt_have_is_refused(acme: Office) -> None:
    handle = acme.slack.messenger.handles.make(Handle("eve", playbook="password_reset"), "slack/T0ACME/form")
    values = {
        "for-whom": {"value": {"type": "plain_text_input", "value": "maya"}},
        "verb": {"value": {"type": "plain_text_input", "value": "unlock"}},
    }
    view = {"id": "V0FORGED", "type": "modal", "callback_id": "send_form", "private_metadata": handle}
    await acme.acts.forge("eve", {"type": "view_submission", "view": view | {"state": {"values": values}}})
    del values["verb"]
    await acme.acts.forge("eve", {"type": "view_submission", "view": view | {"state": {"values": values}}})
    await acme.settled()
    assert await acme.company.desk.concerning("maya") == []
    assert "You can't ask this for that person" in words(acme.last("eve"))


async def test_what_somebody_writes_is_shown_as_text_and_pings_nobody(acme: Office) -> None:
    await acme.says("maya", "<!channel> <https://evil.example|bank.example> *bold* password \u202egnp.exe")
    message = acme.last("maya")
    assert "mrkdwn" not in str(message.body["blocks"])
    assert "\u202e" not in words(message)
    assert "<!channel>" not in message.body["text"]


async def test_the_same_press_again_and_again_is_one_decision(acme: Office) -> None:
    request = await asked(acme)
    payload = click("cancel", handle_of(acme, "maya", Verb.CANCEL), channel="D0MAYA", ts=acme.last("maya").ts)
    payload |= {
        "user": {"id": "U0MAYA", "team_id": "T0ACME"},
        "team": {"id": "T0ACME"},
        "trigger_id": "1.1.a",
    }
    for _ in range(5):
        assert (await acme.workspace.post.ask(CLICK, payload)).status == 200
    await acme.settled()
    assert (await acme.company.desk.get(request.id)).stage is Stage.CANCELLED
    assert await acme.refusals() == []


@pytest.mark.parametrize("way", ["command", "event"])
async def test_what_is_written_in_somebodys_name_is_answered_in_their_own_conversation(
    acme: Office, way: str
) -> None:
    text = "I forgot my password"
    command = {"command": "/desk", "text": text, "user_id": "U0MAYA", "channel_id": "D0EVE"}
    event = {"type": "message", "channel_type": "im", "channel": "D0EVE", "user": "U0MAYA", "text": text}
    payload = {
        "command": command,
        "event": {"type": "event_callback", "event_id": "Ev0FORGED", "event": {**event, "ts": "1.2"}},
    }[way]
    await acme.acts.forge("eve", {"team_id": "T0ACME", **payload})
    await acme.settled()
    assert acme.messages("eve") == []
    assert "Password reset?" in words(acme.last("maya"))
    assert await acme.slack.inbox.deliveries.waiting() == 0
