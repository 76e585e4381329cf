"""Security's channel in Teams: one card, and only those who have the next move see buttons on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.cards import Verb
from flows.commands import Deny
from flows.model import Request, Stage
from tests.teams_office import TeamsOffice, teams_office
from tests.teams_tenant import SECURITY, TENANT, Json, Message, actions, words


@pytest.fixture
async def acme(sqlite_url: str, tmp_path: Path) -> AsyncIterator[TeamsOffice]:
    async with teams_office(sqlite_url, tmp_path) as made:
        for person in ("maya", "omar", "nina", "eve"):
            await made.connected(person)
            await made.post(made.activity(person, type="installationUpdate", action="add"))
        await made.settled()
        yield made


async def asked(acme: TeamsOffice) -> tuple[Request, Message]:
    """Sam wants Maya's phone recalled; Omar, her manager, and Nina may agree. And the room's card about it."""
    maya, sam = [await acme.company.enrolled(each) for each in ("maya", "sam")]
    request = await acme.company.asks("device_recall", "maya", "sam", {"device": maya.device})
    await acme.company.proves(request, sam)
    await acme.settled()
    (card,) = acme.security()
    return await acme.company.desk.get(request.id), card


async def looks(acme: TeamsOffice, person: str, card: Message, **value: Json) -> Json:
    """What Teams is answered when this person's client asks for their own view."""
    refresh = {"action": card.card["refresh"]["action"], "trigger": "automatic", **value}
    status, answer = await acme.post(executed(acme, person, card, refresh))
    assert status == 200
    await acme.settled()
    return dict(answer)


def executed(acme: TeamsOffice, person: str, card: Message, value: Json) -> Json:
    made = acme.activity(person, type="invoke", name="adaptiveCard/action", value=value, replyToId=card.id)
    thread = f"{SECURITY};messageid={card.id}"  # as Teams names what stands in a channel
    return {**made, "conversation": {"conversationType": "channel", "tenantId": TENANT, "id": thread}}


def shown(card: Json) -> dict[str, str]:
    """What can be opened or pressed, and where it leads."""
    return {each["title"]: each.get("url", each["type"]) for each in actions(card["body"])}


async def test_only_whoever_has_the_next_move_sees_the_way_to_it(acme: TeamsOffice) -> None:
    request, card = await asked(acme)
    assert request.stage is Stage.AWAITING_APPROVAL
    assert actions(card.card["body"]) == []
    assert card.card["refresh"]["userIds"] == ["29:nina", "29:omar"], "Sam asks, and has no Teams"
    nina = await looks(acme, "nina", card)
    assert (nina["statusCode"], nina["type"]) == (200, "application/vnd.microsoft.card.adaptive")
    assert shown(nina["value"]) == {"Open my device page": f"http://localhost:8080/requests/{request.id}"}
    assert nina["value"]["refresh"]["userIds"] == ["29:nina", "29:omar"], (
        "it looks again when the card changes"
    )
    assert words(nina["value"]).replace("Open my device page", "").split() == words(card.card).split(), (
        "and reads nothing that the room doesn't"
    )
    eve = await looks(acme, "eve", card)
    assert eve["value"]["body"] == card.card["body"], "what everybody sees"


async def test_what_is_pressed_in_ones_own_chat_brings_the_room_up_to_date(acme: TeamsOffice) -> None:
    request, card = await asked(acme)
    await acme.press("nina", "Deny")
    assert (await acme.company.desk.get(request.id)).stage is Stage.DENIED
    assert "Not approved" in words(card)
    assert "refresh" not in card.card, "nobody has a next move"
    assert acme.security() == [card], "one message, brought up to date"


async def test_a_client_that_looks_presses_nothing(acme: TeamsOffice) -> None:
    request, card = await asked(acme)
    (deny,) = [each for each in actions(acme.last("nina")) if each.get("verb") == Verb.DENY.value]
    answer = await looks(acme, "nina", card, action=deny)
    assert "wasn't put here for you" in answer["value"]
    assert (await acme.company.desk.get(request.id)).stage is Stage.AWAITING_APPROVAL
    assert await acme.company.desk.concerning("nina") == []
    assert await acme.teams.inbox.deliveries.waiting() == 0


async def test_whoever_looks_from_elsewhere_or_isnt_one_of_us_sees_nothing(acme: TeamsOffice) -> None:
    _, card = await asked(acme)
    elsewhere = acme.activity(
        "nina", type="invoke", name="adaptiveCard/action", replyToId=card.id,
        value={"action": card.card["refresh"]["action"], "trigger": "automatic"},
    )  # fmt: skip
    assert "wasn't put here for you" in (await acme.post(elsewhere))[1]["value"]
    acme.tenant.installed("omar", userRole="guest")
    assert "Only full members" in (await looks(acme, "omar", card))["value"]
    assert "whose account" not in str(await looks(acme, "ravi", card))
    assert await acme.refusals() == ["StrangeCard", "Outsider", "Outsider"]


async def test_the_key_to_look_opens_nothing_else(acme: TeamsOffice) -> None:
    request, card = await asked(acme)
    handle = card.card["refresh"]["action"]["data"]["handle"]
    for verb in (Verb.DENY, Verb.CANCEL, Verb.DISOWN, Verb.ASK_AGAIN):
        action = {
            "type": "Action.Execute",
            "verb": verb.value,
            "data": {"verb": verb.value, "handle": handle},
        }
        await acme.post(executed(acme, "nina", card, {"action": action, "trigger": "manual"}))
        await acme.settled()
    assert (await acme.company.desk.get(request.id)).stage is Stage.AWAITING_APPROVAL
    assert set(await acme.refusals()) == {"StrangeCard"}


async def test_a_client_that_looks_while_teams_is_silent_gets_a_sentence(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with teams_office(sqlite_url, tmp_path, patience=0.1) as acme:
        await acme.connected("nina", "omar")
        for person in ("nina", "omar"):
            await acme.says(person, "hello")
        _, card = await asked(acme)
        acme.tenant.silent.add("GET")
        assert "took too long" in (await looks(acme, "nina", card))["value"]
        assert await acme.teams.inbox.deliveries.waiting() == 0, "nothing is left to do"


async def test_one_who_cant_be_written_to_any_more_keeps_nobody_from_being_told(acme: TeamsOffice) -> None:
    request, card = await asked(acme)
    acme.tenant.gone.add("a:nina")
    await acme.company.desk.submit(request.id, Deny("omar"))
    await acme.settled()
    assert "Not approved" in words(acme.last("omar"))
    assert "Not approved" in words(card)
    assert actions(acme.last("nina")) != [], "what stands there stays as it was"
    assert acme.company.worker._changed == {}
    acme.tenant.gone.clear()
    await acme.settled()
