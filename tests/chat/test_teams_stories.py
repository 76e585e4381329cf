"""What is Teams' own: dialogs, the home card, coming and going, presses twice, and what nobody should believe."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.cards import Verb
from bot.handles import Handle
from flows.commands import Disown
from flows.model import Request, Stage
from tests.company import ON_DEVICE
from tests.teams_office import TeamsOffice, teams_office
from tests.teams_tenant import TEAM, TENANT, Json, actions, object_id, words


@pytest.fixture
async def acme(sqlite_url: str, tmp_path: Path) -> AsyncIterator[TeamsOffice]:
    async with teams_office(sqlite_url, tmp_path) as made:
        for person in ("maya", "eve"):
            await made.company.enrolled(person)
        await made.connected("maya", "eve")
        yield made


async def asked(acme: TeamsOffice, person: str = "maya") -> Request:
    """A request that this person asked for in Teams."""
    await acme.says(person, "I forgot my password")
    await acme.press(person, "Yes, ask for it")
    (request,) = await acme.company.desk.concerning(person)
    return request


def action_of(acme: TeamsOffice, person: str, verb: Verb) -> Json:
    """A button of this person's latest message."""
    found = [each for each in actions(acme.last(person)) if each.get("data", {}).get("verb") == verb.value]
    return next(each for each in found if each["type"] != "Action.ShowCard")


# -- dialogs --------------------------------------------------------------------------------------


async def test_a_form_opens_as_a_dialog_says_what_to_change_and_becomes_the_request(
    acme: TeamsOffice,
) -> None:
    await acme.says("maya", "I lost my phone")
    dialog = await acme.press("maya", "Fill in the form")
    assert dialog["task"]["value"]["title"] == "Device removal"
    assert "Which device?" in words(dialog["task"]["value"]["card"]["content"])
    again = await acme.sends("maya", dialog, device="no-such-device")
    assert again["task"]["type"] == "continue"
    assert "Attention" in json.dumps(again), "the error stands at the field"
    assert await acme.company.desk.concerning("maya") == []
    (device,) = (await acme.company.house.registry.registration("maya")).live
    done = await acme.sends("maya", again, device=device.id)
    assert done["task"]["type"] == "message"
    (request,) = await acme.company.desk.concerning("maya")
    assert request.parameters["device"] == device.id
    assert request.id in words(acme.last("maya"))
    assert len(acme.messages("maya")) == 1, "the proposal became the card"


async def test_a_dialog_that_goes_wrong_says_so_and_leaves_nothing_to_do(
    acme: TeamsOffice, sqlite_url: str
) -> None:
    await acme.says("maya", "I lost my phone")
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as database:
        database.execute("ALTER TABLE bindings RENAME TO away")
        answer = await acme.press("maya", "Fill in the form")
        database.execute("ALTER TABLE away RENAME TO bindings")
    assert "nothing was done" in answer["task"]["value"]
    assert await acme.teams.inbox.deliveries.waiting() == 0


async def test_a_dialog_that_nobody_offered_isnt_opened(acme: TeamsOffice) -> None:
    await acme.says("maya", "I lost my phone")
    button = action_of(acme, "maya", Verb.ASK_FORM)
    status, answer = await acme.post(acme.pressed("eve", button, acme.last("maya").id))
    assert (status, answer["task"]["type"]) == (200, "message")
    assert "wasn't put here for you" in answer["task"]["value"]
    assert await acme.refusals() == ["StrangeCard"]


# -- coming, going, and one's own page ---------------------------------------------------------------


async def test_whoever_installs_the_app_is_greeted_with_their_own_page(acme: TeamsOffice) -> None:
    acme.tenant.installed("omar")
    await acme.company.enrolled("omar")
    account = f"teams/{TENANT}/{object_id('omar')}"
    await acme.company.house.accounts.connect("omar", account, "CS-00000")
    await acme.post(acme.activity("omar", type="installationUpdate", action="add"))
    await acme.settled()
    assert "Hello, Omar" in words(acme.last("omar"))
    assert "Nothing waits for you" in words(acme.last("omar"))


async def test_a_press_on_ones_own_page_asks_and_brings_the_page_up_to_date(acme: TeamsOffice) -> None:
    await acme.says("maya", "home")
    page = acme.last("maya")
    await acme.press("maya", "Account unlock", page)
    (request,) = await acme.company.desk.concerning("maya")
    assert request.id in words(page.card)
    assert page.changes == 1
    assert request.id in words(acme.last("maya")), "its card stands below"


async def test_a_press_that_nobody_offered_changes_no_message(acme: TeamsOffice) -> None:
    await acme.says("maya", "home")
    await acme.says("maya", "hello")
    other = acme.last("maya")
    for handle in ("", "made-up"):
        data = {"verb": Verb.LIST.value, "handle": handle, "at": "home"}
        action = {"type": "Action.Execute", "verb": Verb.LIST.value, "data": data}
        await acme.post(acme.pressed("maya", action, other.id))
        await acme.settled()
    assert other.changes == 0
    assert await acme.refusals() == ["StrangeCard", "StrangeCard"]


async def test_after_the_app_was_removed_nothing_is_sent_and_nothing_waits(acme: TeamsOffice) -> None:
    request = await asked(acme)
    acme.tenant.members.clear()
    await acme.post(acme.activity("maya", type="installationUpdate", action="remove"))
    await acme.settled()
    assert await acme.teams.client.conversations.of(acme.account("maya")) is None
    await acme.company.desk.submit(request.id, Disown("maya"))
    await acme.settled()
    assert "Somebody may be after the account" in " ".join(map(words, acme.security()))
    assert await acme.company.worker.outbox.claim(10, timedelta(minutes=1)) == []


async def test_that_the_app_was_removed_is_believed_when_teams_says_so_too(acme: TeamsOffice) -> None:
    request = await asked(acme)
    await acme.post(acme.activity("maya", type="installationUpdate", action="remove"))
    await acme.settled()
    elsewhere = acme.activity("maya", type="installationUpdate", action="remove")
    await acme.post({**elsewhere, "conversation": {**elsewhere["conversation"], "id": "a:nobody"}})
    await acme.settled()
    await acme.company.desk.submit(request.id, Disown("maya"))
    await acme.settled()
    assert any("Stopped" in words(each) for each in acme.messages("maya"))


async def test_somebody_without_the_app_is_told_nothing_and_reads_the_device_page(acme: TeamsOffice) -> None:
    account = f"teams/{TENANT}/{object_id('omar')}"
    await acme.company.house.accounts.connect("omar", account, "CS-00000")
    await acme.company.enrolled("omar")
    await acme.company.asks("password_reset", "omar")
    await acme.settled()
    assert acme.messages("omar") == []
    assert await acme.company.worker.outbox.claim(10, timedelta(minutes=1)) == []
    (room,) = acme.security()
    assert "I can't write to Omar here, so tell them: it waits on their device page." in words(room)
    acme.tenant.installed("omar")
    await acme.post(acme.activity("omar", type="installationUpdate", action="add"))
    await acme.settled()
    await acme.company.asks("account_unlock", "omar", origin=ON_DEVICE)
    await acme.settled()
    assert "I can't write to" not in words(acme.security()[-1])


# -- payloads nobody should believe ---------------------------------------------------------------------


async def test_another_persons_object_id_is_answered_where_teams_says_that_they_are(
    acme: TeamsOffice,
) -> None:
    forged = acme.activity("eve", text="I forgot my password")
    forged["from"]["aadObjectId"] = object_id("maya")
    assert (await acme.post(forged))[0] == 200
    await acme.settled()
    assert acme.messages("eve") == [], "she doesn't take part in that conversation"
    assert acme.messages("maya") == []
    await acme.says("maya", "hello")
    await acme.post({**forged, "id": "f:again"})
    await acme.settled()
    assert acme.messages("eve") == []


async def test_a_conversation_in_which_others_read_along_isnt_somebodys_own(acme: TeamsOffice) -> None:
    maya, eve = (
        {"id": f"29:{who}", "aadObjectId": object_id(who), "tenantId": TENANT} for who in ("maya", "eve")
    )
    acme.tenant.members["19:both@thread.v2"] = {"maya": maya, "eve": eve}
    room = {"conversationType": "personal", "tenantId": TENANT, "id": "19:both@thread.v2"}
    await acme.post(acme.activity("maya", text="I forgot my password", conversation=room))
    await acme.settled()
    assert acme.tenant.messages == {}
    assert await acme.refusals() == ["Outsider"]


async def test_somebody_elses_handle_is_worth_nothing_in_another_hand_or_another_place(
    acme: TeamsOffice,
) -> None:
    request = await asked(acme)
    button = action_of(acme, "maya", Verb.CANCEL)
    await acme.post(acme.pressed("eve", button, acme.last("maya").id))
    elsewhere = acme.pressed("maya", button, acme.last("maya").id)
    elsewhere["conversation"]["id"] = "a:eve"
    await acme.post(elsewhere)
    await acme.settled()
    assert (await acme.company.desk.get(request.id)).stage is Stage.AWAITING_PROOF
    assert sorted(await acme.refusals()) == ["Outsider", "StrangeCard"]


async def test_a_payload_that_names_another_person_is_judged_by_its_handle(acme: TeamsOffice) -> None:
    request = await asked(acme)
    place = f"teams/{TENANT}/a:maya"
    eves = acme.teams.messenger.handles.make(Handle("eve", request.id), place)
    button = action_of(acme, "maya", Verb.CANCEL)
    await acme.post(acme.pressed("maya", {**button, "data": {**button["data"], "handle": eves}}, "1"))
    await acme.settled()
    assert (await acme.company.desk.get(request.id)).stage is Stage.AWAITING_PROOF
    assert await acme.refusals() == ["StrangeCard"]


@pytest.mark.parametrize(
    "change", [{"userRole": "guest"}, {"tenantId": "0" * 8 + TENANT[8:]}, {"userRole": "anonymous"}]
)
async def test_guests_and_strangers_are_refused(acme: TeamsOffice, change: Json) -> None:
    acme.tenant.installed("maya", **change)
    await acme.says("maya", "I forgot my password")
    assert await acme.refusals() == ["Outsider"]
    assert "Only full members" in words(acme.last("maya"))


async def test_what_is_written_in_a_channel_is_answered_in_private(acme: TeamsOffice) -> None:
    await acme.says("maya", "hello")
    channel = {"conversationType": "channel", "tenantId": TENANT, "id": TEAM}
    await acme.post(acme.activity("maya", text="<at>Countersign</at> unlock me", conversation=channel))
    await acme.settled()
    assert "Account unlock?" in words(acme.last("maya"))
    assert {message.conversation for message in acme.tenant.messages.values()} == {"a:maya"}


async def test_whoever_writes_in_a_channel_without_the_app_reads_there_what_to_do(acme: TeamsOffice) -> None:
    thread = f"{TEAM};messageid=1700000000000"
    channel = {"conversationType": "channel", "tenantId": TENANT, "id": thread}
    asking = acme.activity("omar", text="<at>Countersign</at> unlock me", conversation=channel)
    await acme.post(asking)
    await acme.settled()
    (said,) = acme.tenant.messages.values()
    assert said.conversation == TEAM
    assert "I answer in private only" in words(said)
    assert "Omar" not in words(said)
    assert "unlock" not in words(said)
    assert await acme.refusals() == ["Outsider"]


# -- Teams is slow, says no, or isn't there ---------------------------------------------------------------


@pytest.mark.parametrize("status", [412, 429, 502, 504])
async def test_what_teams_refuses_for_a_while_arrives_later(acme: TeamsOffice, status: int) -> None:
    for method in ("POST", "PUT", "GET"):
        acme.tenant.faults.append((method, status, {"Retry-After": "0"}))
    request = await asked(acme)
    assert request.id in words(acme.last("maya"))
    assert acme.tenant.faults == [], "it did go wrong"


async def test_a_card_that_was_deleted_is_posted_anew(acme: TeamsOffice) -> None:
    request = await asked(acme)
    acme.tenant.messages.clear()
    await acme.company.desk.submit(request.id, Disown("maya"))
    await acme.settled()
    assert request.id in words(acme.last("maya"))
