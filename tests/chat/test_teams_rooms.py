"""Security's channel in Teams: one card, and only those who have the next move see buttons on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.cards import Verb
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


def buttons(card: Json) -> dict[str, Json]:
    """What can be pressed, by its verb."""
    found = [each for each in actions(card["body"]) if each["type"] == "Action.Execute"]
    return {each["verb"]: each for each in found}


async def test_only_whoever_has_the_next_move_sees_its_buttons(acme: TeamsOffice) -> None:
    request, card = await asked(acme)
    assert request.stage is Stage.AWAITING_APPROVAL
    assert actions(card.card["body"]) == []
    assert card.card["refresh"]["userIds"] == ["29:nina", "29:omar"], "Sam asks, and has no Teams"
    nina = await looks(acme, "nina", card)
    assert (nina["statusCode"], nina["type"]) == (200, "application/vnd.microsoft.card.adaptive")
    assert set(buttons(nina["value"])) == {"deny"}
    assert "Open my device page" in [each["title"] for each in actions(nina["value"]["body"])]
    assert nina["value"]["refresh"]["userIds"] == ["29:nina", "29:omar"], (
        "it looks again when the card changes"
    )
    eve = await looks(acme, "eve", card)
    assert eve["value"]["body"] == card.card["body"], "what everybody sees"


async def test_a_press_there_is_that_persons_own(acme: TeamsOffice) -> None:
    request, card = await asked(acme)
    deny = buttons((await looks(acme, "nina", card))["value"])["deny"]
    for person in ("eve", "omar"):
        await acme.post(executed(acme, person, card, {"action": deny, "trigger": "manual"}))
        await acme.settled()
    assert (await acme.company.desk.get(request.id)).stage is Stage.AWAITING_APPROVAL
    assert await acme.refusals() == ["StrangeCard", "StrangeCard"]
    assert "wasn't put here for you" in words(acme.last("eve")), "and they are told so in private"

    await acme.post(executed(acme, "nina", card, {"action": deny, "trigger": "manual"}))
    await acme.settled()
    assert (await acme.company.desk.get(request.id)).stage is Stage.DENIED
    assert "Not approved" in words(card)
    assert "refresh" not in card.card, "nobody has a next move"
    assert acme.security() == [card], "one message, brought up to date"


async def test_a_client_that_looks_presses_nothing(acme: TeamsOffice) -> None:
    request, card = await asked(acme)
    deny = buttons((await looks(acme, "nina", card))["value"])["deny"]
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
