"""What people live through in a chat, told once for every platform; and each platform leaves the same log behind."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from sqlalchemy import select

from flows.model import Stage
from storage.sql import TABLES
from tests.office import Office, office
from tests.teams_office import TeamsOffice, teams_office

Chat = Office | TeamsOffice


async def a_forgotten_password_from_the_first_word_to_the_new_one(acme: Chat) -> None:
    maya = await acme.company.enrolled("maya")
    await acme.connected("maya")
    await acme.says("maya", "I forgot my password")
    (proposal,) = acme.said("maya")
    assert "Password reset?" in acme.read(proposal)
    assert "Nothing has been asked for yet." in acme.read(proposal)
    assert await acme.company.desk.concerning("maya") == []

    await acme.press("maya", "Yes, ask for it")
    (request,) = await acme.company.desk.concerning("maya")
    assert request.id in acme.read(acme.last("maya"))
    account = acme.account("maya")
    assert (request.origin.platform, request.origin.account) == (account.platform, account.id)

    await acme.company.proves(request, maya)
    await acme.settled()
    assert "look at the temporary password" in acme.read(acme.last("maya"))
    secret = await acme.company.desk.show_secret(request.id, "maya", maya.device)
    await acme.settled()
    assert "Done: the change is made and confirmed" in acme.read(acme.last("maya"))
    assert len(acme.said("maya")) == 1, "the proposal became the card: one message, no trail"

    (room,) = acme.security()
    assert "Password reset for Maya" in acme.read(room)
    assert "passkey" in acme.read(room)
    assert "audit" in acme.read(room)
    assert acme.links(room) == []
    assert all(secret not in acme.read(message) for message in [*acme.said("maya"), room])


async def without_a_passkey_the_number_stands_in_the_askers_conversation_only(acme: Chat) -> None:
    maya = await acme.company.enrolled("maya", passkey=False)
    await acme.connected("maya")
    await acme.says("maya", "I forgot my password")
    await acme.press("maya", "Yes, ask for it")
    (request,) = await acme.company.desk.concerning("maya")
    number = acme.company.store.keys.number(request.challenges[0].nonce)
    shown = f"{number[:3]} {number[3:]}"
    assert shown in acme.read(acme.last("maya"))
    assert all(shown not in acme.read(message) for message in acme.security())
    await acme.company.types(request, maya, number)
    await acme.settled()
    assert (await acme.company.desk.get(request.id)).stage is Stage.AWAITING_COLLECTION
    assert shown not in acme.read(acme.last("maya"))


async def i_didnt_ask_for_this_stops_what_is_open_and_alarms_security(acme: Chat) -> None:
    await acme.company.enrolled("maya")
    await acme.connected("maya")
    request = await acme.company.asks("password_reset", "maya")
    await acme.settled()
    await acme.says("maya", "I didn't ask for this")
    assert (await acme.company.desk.get(request.id)).stage is Stage.AWAITING_PROOF, "help, not a decision"
    await acme.press("maya", f"Stop {request.id}")
    assert (await acme.company.desk.get(request.id)).stage is Stage.DISOWNED
    assert "Somebody may be after the account" in " ".join(map(acme.read, acme.security()))


async def a_call_from_it_leads_to_help_and_to_no_request(acme: Chat) -> None:
    await acme.company.enrolled("maya")
    await acme.connected("maya")
    await acme.says("maya", "Someone called me from IT and wants a number")
    assert "That wasn't us" in acme.read(acme.last("maya"))
    assert await acme.company.desk.concerning("maya") == []


async def what_was_asked_can_be_cancelled_and_asked_again(acme: Chat) -> None:
    await acme.company.enrolled("maya")
    await acme.connected("maya")
    await acme.says("maya", "My account is locked")
    await acme.press("maya", "Yes, ask for it")
    (first,) = await acme.company.desk.concerning("maya")
    await acme.press("maya", "Cancel")
    assert (await acme.company.desk.get(first.id)).stage is Stage.CANCELLED
    assert "cancelled" in acme.read(acme.last("maya"))
    await acme.press("maya", "Ask again")
    again = next(r for r in await acme.company.desk.concerning("maya") if r.id != first.id)
    assert again.stage is Stage.AWAITING_PROOF
    assert again.id in acme.read(acme.last("maya"))


async def what_nobody_understands_gets_the_list_and_a_press_on_it_the_proposal(acme: Chat) -> None:
    await acme.company.enrolled("maya")
    await acme.connected("maya")
    await acme.says("maya", "xyzzy plugh")
    assert "I didn't find that among what I can do" in acme.read(acme.last("maya"))
    await acme.press("maya", "Account unlock")
    assert "Account unlock?" in acme.read(acme.last("maya"))
    assert await acme.company.desk.concerning("maya") == []


async def what_others_agree_to_is_told_to_all_of_them_and_changes_on_every_card(acme: Chat) -> None:
    maya, sam, omar = [await acme.company.enrolled(each) for each in ("maya", "sam", "omar")]
    for person in ("maya", "sam", "omar", "nina"):
        await acme.connected(person)
        await acme.says(person, "hello")
    request = await acme.company.asks("device_recall", "maya", "sam", {"device": maya.device})
    await acme.company.proves(request, sam)
    await acme.settled()
    for person in ("omar", "nina"):
        assert "Device recall for Maya" in acme.read(acme.last(person))
        assert acme.links(acme.last(person)) == [f"http://localhost:8080/requests/{request.id}"]
    assert "Deny" not in acme.labels("sam")
    assert "Approve" not in " ".join(acme.labels("omar")), "that takes a device"
    await acme.company.proves(request, omar)
    await acme.settled()
    assert (await acme.company.desk.get(request.id)).stage is Stage.FULFILLED
    for person in ("sam", "omar", "nina"):
        assert "Done" in acme.read(acme.last(person))
        assert acme.links(acme.last(person)) == []
    (room,) = acme.security()
    assert "Omar" in acme.read(room)


async def what_goes_on_by_itself_is_stopped_with_one_press(acme: Chat) -> None:
    ravi, omar = [await acme.company.enrolled(each) for each in ("ravi", "omar")]
    for person in ("maya", "ravi", "omar"):
        await acme.connected(person)
        await acme.says(person, "hello")
    request = await acme.company.asks("lost_everything", "maya", "ravi")
    await acme.company.proves(request, ravi)
    await acme.company.proves(request, omar)
    await acme.settled()
    assert "Unless you object, this is done when the time is over" in acme.read(acme.last("maya"))
    assert "Object: stop this" in acme.labels("omar")
    assert "Somebody's devices are all to be replaced" in " ".join(map(acme.read, acme.security()))
    await acme.press("maya", "Object: I didn't lose anything")
    assert (await acme.company.desk.get(request.id)).stage is Stage.DENIED
    for person in ("maya", "ravi", "omar"):
        assert "somebody who was told objected" in acme.read(acme.last(person))
    assert "Object" not in " ".join(acme.labels("omar"))


async def what_one_of_them_denies_is_over_for_all(acme: Chat) -> None:
    maya, sam = [await acme.company.enrolled(each) for each in ("maya", "sam")]
    for person in ("sam", "omar", "nina"):
        await acme.connected(person)
        await acme.says(person, "hello")
    request = await acme.company.asks("device_recall", "maya", "sam", {"device": maya.device})
    await acme.company.proves(request, sam)
    await acme.settled()
    await acme.press("nina", "Deny")
    assert (await acme.company.desk.get(request.id)).stage is Stage.DENIED
    for person in ("sam", "omar", "nina"):
        assert "Not approved" in acme.read(acme.last(person))
    assert "Deny" not in acme.labels("omar")


async def a_form_says_what_is_wrong_with_it_and_becomes_the_request(acme: Chat) -> None:
    await acme.company.enrolled("maya")
    for person in ("maya", "ravi"):
        await acme.connected(person)
    await acme.says("maya", "hello")
    await acme.says("ravi", "a colleague forgot her password")
    first, second = await acme.fills(
        "ravi", "For somebody else", {"for-whom": "nobody.at.all"}, {"for-whom": "maya.lindqvist"}
    )
    assert "can't find that person" in first
    assert second == ""
    (request,) = await acme.company.desk.concerning("maya")
    assert (request.requester, request.subject, request.prover) == ("ravi", "maya", "maya")
    for person in ("maya", "ravi"):
        assert request.id in acme.read(acme.last(person))
    assert "I didn't ask for this" in acme.labels("maya")


async def another_persons_button_is_worth_nothing(acme: Chat) -> None:
    for person in ("maya", "eve"):
        await acme.company.enrolled(person)
        await acme.connected(person)
        await acme.says(person, "hello")
    await acme.says("maya", "I forgot my password")
    await acme.meddles("eve", "maya", "Yes, ask for it")
    assert await acme.company.desk.concerning("maya") == []
    assert await acme.company.desk.concerning("eve") == []
    await acme.press("maya", "Yes, ask for it")
    await acme.meddles("eve", "maya", "Cancel")
    (request,) = await acme.company.desk.concerning("maya")
    assert request.stage is Stage.AWAITING_PROOF
    assert await acme.refusals() == ["StrangeCard", "StrangeCard"]
    assert "wasn't put here for you" in acme.read(acme.last("eve"))


async def an_account_that_was_disconnected_is_nobodys(acme: Chat) -> None:
    maya = await acme.company.enrolled("maya")
    await acme.connected("maya")
    await acme.says("maya", "I forgot my password")
    gone = await acme.company.asks(
        "disconnect_account", "maya", answers={"account": acme.account("maya").name}
    )
    await acme.company.proves(gone, maya)
    await acme.settled()
    await acme.press("maya", "Yes, ask for it")
    await acme.says("maya", "I forgot my password")
    assert "whose account is this" in acme.read(acme.last("maya"))
    assert [each.id for each in await acme.company.desk.concerning("maya")] == [gone.id]
    assert await acme.refusals() == ["NotConnected", "NotConnected"]


STORIES: list[Callable[[Chat], Awaitable[None]]] = [
    a_forgotten_password_from_the_first_word_to_the_new_one,
    without_a_passkey_the_number_stands_in_the_askers_conversation_only,
    i_didnt_ask_for_this_stops_what_is_open_and_alarms_security,
    a_call_from_it_leads_to_help_and_to_no_request,
    what_was_asked_can_be_cancelled_and_asked_again,
    what_nobody_understands_gets_the_list_and_a_press_on_it_the_proposal,
    what_others_agree_to_is_told_to_all_of_them_and_changes_on_every_card,
    what_one_of_them_denies_is_over_for_all,
    what_goes_on_by_itself_is_stopped_with_one_press,
    a_form_says_what_is_wrong_with_it_and_becomes_the_request,
    another_persons_button_is_worth_nothing,
    an_account_that_was_disconnected_is_nobodys,
]
PLATFORMS: dict[str, Callable[[str, Path], AbstractAsyncContextManager[Chat]]] = {
    "slack": office,
    "slack over its socket": lambda url, folder: office(url, folder, over="socket"),
    "teams": teams_office,
}
_ODD = re.compile(r"CS-[0-9A-Z]{5}|[0-9a-f]{32,}|[A-Za-z0-9_-]{20,}|20\d\d-\d\d-[0-9T:.+Z-]+")


PEOPLE = ("maya", "omar", "nina", "ravi", "eve", "sam")


def names_of(acme: Chat, person: str) -> tuple[str, ...]:
    """What a platform calls a person and their conversation, and itself."""
    account = acme.account(person)
    own = (account.name, account.workspace, account.id, f"D0{person.upper()}", f"a:{person}")
    return (*own, account.platform)


async def log_of(acme: Chat) -> list[str]:
    """The audit log, without the platform's own names and whatever is random or a time."""
    events = TABLES["audit_events"]
    names = [name for person in PEOPLE for name in names_of(acme, person)]
    found = await acme.company.store.fetch(select(events.c.type, events.c.body).order_by(events.c.seq))
    lines = []
    for row in found:
        text = json.dumps([row["type"], json.loads(bytes(row["body"]))["data"]], sort_keys=True)
        for name in names:
            text = text.replace(name, "·")
        lines.append(_ODD.sub("~", text))
    return lines


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_a_story_is_the_same_on_every_platform_and_so_is_its_log(
    story: Callable[[Chat], Awaitable[None]], tmp_path: Path
) -> None:
    logs = {}
    for number, (platform, opened) in enumerate(PLATFORMS.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with opened(f"sqlite:///{folder / 'desk.db'}", folder) as acme:
            await story(acme)
            logs[platform] = await log_of(acme)
    assert logs["slack"]
    assert logs["slack over its socket"] == logs["slack"]
    assert logs["teams"] == logs["slack"]


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_an_account_that_nobody_connected_gets_a_link_and_nothing_else(
    platform: str, sqlite_url: str, tmp_path: Path
) -> None:
    async with PLATFORMS[platform](sqlite_url, tmp_path) as acme:
        if isinstance(acme, TeamsOffice):
            acme.tenant.installed("maya")
        await acme.says("maya", "I forgot my password")
        said = acme.last("maya")
        assert "whose account is this" in acme.read(said)
        (link,) = acme.links(said)
        assert link.startswith("http://localhost:8080/connect/")
        assert await acme.company.desk.concerning("maya") == []
        assert await acme.refusals() == ["NotConnected"]
