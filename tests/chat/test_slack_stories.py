"""What people live through in Slack, told once for both transports: the real Bolt app in a real workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demo.workspace.people import PARTNER
from flows.model import Stage
from tests.office import Office, buttons, office, words


@pytest.fixture(params=["http", "socket"])
async def acme(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with office(sqlite_url, tmp_path, over=request.param) as made:
        yield made


async def test_a_forgotten_password_from_the_first_word_to_the_new_one(acme: Office) -> None:
    maya = await acme.company.enrolled("maya")
    await acme.connected("maya")
    await acme.says("maya", "I forgot my password")
    proposal = acme.last("maya")
    assert "Password reset?" in words(proposal)
    assert "Nothing has been asked for yet." in words(proposal)
    assert await acme.company.desk.concerning("maya") == []

    await acme.press("maya", "Yes, ask for it")
    (request,) = await acme.company.desk.concerning("maya")
    card = acme.last("maya")
    assert card.ts == proposal.ts, "the proposal became the card"
    assert request.id in words(card)
    assert (request.origin.platform, request.origin.account) == ("slack", "U0MAYA")
    await acme.press("maya", "Open my device page")
    assert acme.last("maya").ts == card.ts, "a link leads away, and nothing is said about it"

    await acme.company.proves(request, maya)
    await acme.settled()
    assert "look at the temporary password" in words(acme.last("maya"))
    secret = await acme.company.desk.show_secret(request.id, "maya", maya.device)
    await acme.settled()
    assert "Done: the change is made and confirmed" in words(acme.last("maya"))
    assert len([m for m in acme.messages("maya") if m.body.get("bot_id")]) == 1, "one card, no trail"

    (room,) = acme.security()
    assert "Password reset for Maya" in words(room)
    assert "passkey" in words(room)
    assert "audit" in words(room)
    assert buttons(room) == []
    assert all(secret not in words(message) for message in [*acme.messages("maya"), room])


async def test_without_a_passkey_the_number_stands_in_the_askers_conversation_only(acme: Office) -> None:
    maya = await acme.company.enrolled("maya", passkey=False)
    await acme.connected("maya")
    await acme.says("maya", "I forgot my password")
    await acme.press("maya", "Yes, ask for it")
    (request,) = await acme.company.desk.concerning("maya")
    challenge = request.challenges[0]
    number = acme.company.store.keys.number(challenge.nonce)
    shown = f"{number[:3]} {number[3:]}"
    assert shown in words(acme.last("maya"))
    assert all(shown not in words(message) for message in acme.security())
    await acme.company.types(request, maya, number)
    await acme.settled()
    assert (await acme.company.desk.get(request.id)).stage is Stage.AWAITING_COLLECTION
    assert shown not in words(acme.last("maya"))


async def test_an_account_that_nobody_connected_gets_a_link_and_nothing_else(acme: Office) -> None:
    await acme.says("maya", "I forgot my password")
    said = acme.last("maya")
    assert "whose account is this" in words(said)
    (link,) = buttons(said)
    assert link["url"].startswith("http://localhost:8080/connect/")


async def test_i_didnt_ask_for_this_stops_what_is_open_and_alarms_security(acme: Office) -> None:
    await acme.company.enrolled("maya")
    await acme.connected("maya")
    request = await acme.company.asks("password_reset", "maya")
    await acme.settled()
    await acme.says("maya", "I didn't ask for this")
    assert (await acme.company.desk.get(request.id)).stage is Stage.AWAITING_PROOF, "help, not a decision"
    await acme.press("maya", f"Stop {request.id}")
    assert (await acme.company.desk.get(request.id)).stage is Stage.DISOWNED
    assert "Somebody may be after the account" in " ".join(map(words, acme.security()))


@pytest.mark.parametrize("change", [{"deleted": True}, {"restricted": True}, {"team": PARTNER}])
async def test_whoever_stops_being_a_member_is_shut_out_with_the_next_press(
    acme: Office, change: dict[str, Any]
) -> None:
    await acme.company.enrolled("maya")
    await acme.connected("maya")
    await acme.says("maya", "I forgot my password")
    (yes, *_) = buttons(acme.last("maya"))
    people = acme.workspace.world.people
    before = people["U0MAYA"]
    click = {"type": "block_actions", "actions": [{"block_id": "b", **yes}], "channel": {"id": before.im}}
    click |= {"container": {"type": "message", "message_ts": acme.last("maya").ts, "channel_id": before.im}}
    people["U0MAYA"] = replace(before, **change)
    await acme.acts.forge("eve", click | {"user": {"id": "U0MAYA", "team_id": "T0ACME"}})
    await acme.settled()
    assert await acme.company.desk.concerning("maya") == []
    assert await acme.refusals() == ["Outsider"]


async def test_guests_apps_leavers_and_strangers_are_refused(acme: Office) -> None:
    for who in ("guest", "ultra"):
        await acme.connected("maya")
        await acme.says(who, "I forgot my password")
        assert "Only full members of this workspace can ask here" in words(acme.last(who))
    assert await acme.company.desk.concerning("maya") == []
