"""Forms, the Home tab, the slash command and the shortcuts: every other way in that Slack has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from demo.workspace.elements import Cannot
from flows.commands import Cancel
from flows.model import Stage
from tests.office import Office, buttons, office, words


@pytest.fixture
async def acme(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with office(sqlite_url, tmp_path) as made:
        await made.connected("maya", "omar", "ravi", "nina", "sam")
        yield made


def window(acme: Office, person: str) -> dict[str, Any]:
    """The modal on top of this person's window."""
    member = acme.workspace.world.find(person)
    assert member is not None
    view: dict[str, Any] = acme.workspace.screens.of(member.id).modals[-1]
    return view


def no_window(acme: Office, person: str) -> bool:
    member = acme.workspace.world.find(person)
    assert member is not None
    return not acme.workspace.screens.of(member.id).modals


async def test_a_playbook_with_a_required_field_opens_a_form_and_its_message_becomes_the_card(
    acme: Office,
) -> None:
    maya = await acme.company.enrolled("maya")
    await acme.says("maya", "I lost my phone")
    proposal = acme.last("maya")
    await acme.press("maya", "Fill in the form")
    view = window(acme, "maya")
    assert view["title"]["text"] == "Device removal"
    with pytest.raises(Cannot):
        await acme.acts.submit("maya")
    acme.acts.fill("maya", {"device": maya.device})
    await acme.acts.submit("maya")
    await acme.settled()
    assert no_window(acme, "maya")
    (request,) = await acme.company.desk.concerning("maya")
    assert request.parameters == {"device": maya.device}
    assert acme.last("maya").ts == proposal.ts
    assert "maya's phone" in words(acme.last("maya"))


async def test_an_agent_asks_for_somebody_else_and_an_unknown_name_is_said_at_its_field(acme: Office) -> None:
    maya = await acme.company.enrolled("maya")
    await acme.says("ravi", "a colleague forgot her password")
    await acme.press("ravi", "For somebody else")
    acme.acts.fill("ravi", {"for-whom": "nobody.at.all"})
    await acme.acts.submit("ravi")
    await acme.settled()
    assert "can't find that person" in acme.workspace.screens.of("U0RAVI").errors["for-whom"]
    acme.acts.fill("ravi", {"for-whom": "maya.lindqvist"})
    await acme.acts.submit("ravi")
    await acme.settled()
    (request,) = await acme.company.desk.concerning("maya")
    assert (request.requester, request.subject, request.prover) == ("ravi", "maya", "maya")
    assert request.id in words(acme.last("ravi"))
    assert request.id in words(acme.last("maya"))
    await acme.company.proves(request, maya)
    await acme.settled()
    assert "look at the temporary password" in words(acme.last("ravi"))
    assert not [b for b in buttons(acme.last("ravi")) if "device page" in words(b)], "it isn't his to see"


async def test_the_slash_command_is_answered_in_the_direct_messages(acme: Office) -> None:
    await acme.company.enrolled("maya")
    answer = await acme.acts.command("maya", "/desk I forgot my password", "C0GENERAL")
    await acme.settled()
    assert "direct messages" in str(answer.body)
    assert "Password reset?" in words(acme.last("maya"))
    public = [m for m in acme.workspace.world.history("C0GENERAL") if m.body.get("bot_id")]
    assert public == [], "nobody else reads what was asked"


async def test_the_shortcut_asks_what_is_needed_and_for_a_form_only_where_there_is_one(acme: Office) -> None:
    maya = await acme.company.enrolled("maya")
    await acme.acts.shortcut("maya", "ask_desk")
    assert "What do you need?" in words(window(acme, "maya")["blocks"])
    acme.acts.fill("maya", {"playbook": "device_revocation"})
    await acme.acts.submit("maya")
    assert window(acme, "maya")["title"]["text"] == "Device removal"
    assert await acme.company.desk.concerning("maya") == []
    acme.acts.fill("maya", {"device": maya.device})
    await acme.acts.submit("maya")
    await acme.settled()
    (first,) = await acme.company.desk.concerning("maya")
    await acme.company.desk.submit(first.id, Cancel("maya"))  # one at a time waits for her
    await acme.acts.shortcut("maya", "ask_desk")
    acme.acts.fill("maya", {"playbook": "password_reset"})
    await acme.acts.submit("maya")
    await acme.settled()
    assert no_window(acme, "maya")
    opened = [request.playbook for request in await acme.company.desk.concerning("maya")]
    assert sorted(opened) == ["device_revocation", "password_reset"]


async def test_a_message_can_be_shown_to_the_desk(acme: Office) -> None:
    await acme.company.enrolled("maya")
    message = await acme.acts.say("omar", "Somebody called me and said they were from IT", "C0GENERAL")
    await acme.acts.message_shortcut("maya", "report_message", "C0GENERAL", message.ts)
    await acme.settled()
    assert "That wasn't us" in words(acme.last("maya"))


async def test_the_home_tab_shows_what_waits_and_asks(acme: Office) -> None:
    await acme.company.enrolled("maya")
    await acme.acts.open_home("maya")
    await acme.settled()
    home = acme.workspace.world.home("U0MAYA")
    assert home is not None
    assert "Hello, Maya" in words(home["blocks"])
    assert "Nothing waits for you" in words(home["blocks"])
    rows = [block for block in home["blocks"] if block["type"] == "actions"]
    offered = {words(e["text"]): e["action_id"] for row in rows for e in row["elements"]}
    await acme.acts.press_home("maya", offered["Device removal"])
    assert window(acme, "maya")["title"]["text"] == "Device removal"
    await acme.acts.dismiss("maya")
    await acme.acts.press_home("maya", offered["Password reset"])
    await acme.settled()
    (request,) = await acme.company.desk.concerning("maya")
    assert request.id in words(acme.last("maya")), "its card is in the messages"
    home = acme.workspace.world.home("U0MAYA")
    assert home is not None
    assert request.id in words(home["blocks"])


async def test_asking_again_opens_a_new_request_for_the_same(acme: Office) -> None:
    await acme.company.enrolled("maya")
    await acme.says("maya", "I forgot my password")
    await acme.press("maya", "Yes, ask for it")
    (first,) = await acme.company.desk.concerning("maya")
    await acme.press("maya", "Cancel")
    over = acme.last("maya")
    assert "cancelled" in words(over)
    await acme.press("maya", "Ask again")
    again = next(r for r in await acme.company.desk.concerning("maya") if r.id != first.id)
    assert again.stage is Stage.AWAITING_PROOF
    assert again.id in words(acme.last("maya"))
    assert first.id in words(over), "the card of the first stays its own"


async def test_asking_again_for_somebody_else_fills_the_form(acme: Office) -> None:
    await acme.company.enrolled("maya")
    request = await acme.company.asks("password_reset", "maya", "ravi")
    await acme.settled()
    await acme.press("ravi", "Cancel")
    await acme.press("ravi", "Ask again")
    (field,) = [block for block in window(acme, "ravi")["blocks"] if block.get("block_id") == "for-whom"]
    assert field["element"]["initial_value"] == "maya.lindqvist"
    assert request.subject == "maya"


async def test_approvers_get_a_card_each_and_all_of_them_end_together(acme: Office) -> None:
    nina, sam = await acme.company.enrolled("nina"), await acme.company.enrolled("sam")
    asked = await acme.company.asks("device_enrolment", "maya", "nina")
    await acme.company.proves(asked, nina)
    await acme.settled()
    assert asked.id in words(acme.last("sam"))
    assert asked.id in words(acme.last("omar"))
    assert "Open my device page" in acme.labels("sam")
    await acme.company.proves(asked, sam)
    await acme.settled()
    for person in ("sam", "omar"):
        assert "Open my device page" not in acme.labels(person)
        assert "Deny" not in acme.labels(person)


async def test_one_approvers_no_ends_it_for_all(acme: Office) -> None:
    nina = await acme.company.enrolled("nina")
    await acme.company.enrolled("sam")
    asked = await acme.company.asks("device_enrolment", "maya", "nina")
    await acme.company.proves(asked, nina)
    await acme.settled()
    await acme.press("omar", "Deny")
    assert (await acme.company.desk.get(asked.id)).stage is Stage.DENIED
    for person in ("nina", "sam", "omar"):
        assert "Not approved" in words(acme.last(person))
        assert "Deny" not in acme.labels(person)
