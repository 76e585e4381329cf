"""A real Bolt app hears and answers in our workspace as it would in Slack, over either transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from demo.workspace.elements import Cannot
from demo.workspace.installed import EVENTS, SCOPES
from demo.workspace.people import Json
from tests.contracts.slack_office import Office, actions, button, office, plain


@pytest.fixture(params=["socket", "http"])
async def acme(request: pytest.FixtureRequest) -> AsyncIterator[Office]:
    async with office(request.param) as acme:
        yield acme


# -- writing


async def test_what_somebody_writes_reaches_the_app_and_its_answer_reaches_them(acme: Office) -> None:
    heard: list[Json] = []

    @acme.app.event("message")
    async def listen(event: Json, say: Any) -> None:
        heard.append(event)
        await say(text="Let's get you back in.")

    sent = await acme.acts.say(
        "maya", "I forgot <my> password & @omar knows: https://acme.example/a?b=1&c=2."
    )
    answer = await acme.reply("maya")
    (event,) = heard
    assert event["text"] == (
        "I forgot &lt;my&gt; password &amp; <@U0OMAR> knows: <https://acme.example/a?b=1&amp;c=2>."
    )
    assert (event["user"], event["channel"], event["channel_type"], event["ts"], event["team"]) == (
        "U0MAYA",
        "D0MAYA",
        "im",
        sent.ts,
        "T0ACME",
    )
    assert (answer.body["text"], answer.body["user"]) == ("Let's get you back in.", "U0COUNTERSIGN")
    assert acme.reads("omar") == []


async def test_the_app_hears_a_channel_only_if_it_asked_and_is_in_it() -> None:
    scopes, events = SCOPES | {"channels:history"}, EVENTS | {"message.channels"}
    async with office(scopes=scopes, events=events) as acme:
        heard: list[str] = []

        @acme.app.event("message")
        async def listen(event: Json) -> None:
            heard.append(event["channel"])

        await acme.acts.say("maya", "anybody there?", "#general")
        await acme.acts.say("nina", "all quiet", "#security")
        await acme.until(lambda: heard)
        await acme.workspace.post.idle()
        assert heard == ["C0SECURITY"]
    async with office() as deaf:
        await deaf.acts.say("nina", "all quiet", "#security")
        assert not deaf.workspace.post.deliveries


async def test_nobody_writes_where_they_are_not(acme: Office) -> None:
    for who, channel in (("eve", "#security"), ("eve", "D0MAYA"), ("stranger", "#general")):
        with pytest.raises(Cannot):
            await acme.acts.say(who, "let me in", channel)
    with pytest.raises(Cannot):
        await acme.acts.say("gone", "I used to work here")


# -- commands


async def test_a_command_brings_who_where_and_what_and_its_answer_is_seen_by_one(acme: Office) -> None:
    heard: list[Json] = []

    @acme.app.command("/desk")
    async def listen(ack: Any, body: Json) -> None:
        heard.append(body)
        await ack("What do you need?")

    answer = await acme.acts.command("maya", "/desk  I forgot <it>", "#general")
    (body,) = heard
    assert answer.good
    assert {
        key: body[key] for key in ("command", "text", "user_id", "team_id", "channel_id", "channel_name")
    } == {
        "command": "/desk",
        "text": "I forgot &lt;it&gt;",
        "user_id": "U0MAYA",
        "team_id": "T0ACME",
        "channel_id": "C0GENERAL",
        "channel_name": "general",
    }
    (seen,) = acme.reads("maya", "#general")
    assert seen.body["text"] == "What do you need?"
    assert acme.reads("omar", "#general") == []


async def test_a_command_can_be_answered_to_everybody_or_with_nothing(acme: Office) -> None:
    @acme.app.command("/desk")
    async def listen(ack: Any, command: Json) -> None:
        await (ack(response_type="in_channel", text="For all") if command["text"] else ack())

    await acme.acts.command("maya", "/desk", "#general")
    assert acme.reads("maya", "#general") == []
    await acme.acts.command("maya", "/desk all", "#general")
    assert [each.body["text"] for each in acme.reads("omar", "#general")] == ["For all"]


async def test_an_unknown_command_goes_nowhere(acme: Office) -> None:
    with pytest.raises(Cannot, match="/reset is not a valid command"):
        await acme.acts.command("maya", "/reset me")
    assert not acme.workspace.post.deliveries


# -- messages with buttons


async def posted(acme: Office, *elements: Json, who: str = "maya") -> str:
    """The timestamp of a message with these elements in somebody's im."""
    sent = await acme.client.chat_postMessage(
        channel=f"U0{who.upper()}", text="A card", blocks=[actions(*elements)]
    )
    return str(sent["ts"])


async def test_a_press_says_who_where_what_and_which_message(acme: Office) -> None:
    heard: list[Json] = []

    @acme.app.action("approve")
    async def listen(ack: Any, body: Json) -> None:
        heard.append(body)
        await ack()

    ts = await posted(acme, button("approve", "handle-1"), button("deny", "handle-1"))
    await acme.acts.press("maya", None, ts, "approve")
    (body,) = heard
    (action,) = body["actions"]
    assert (action["action_id"], action["block_id"], action["value"]) == ("approve", "buttons", "handle-1")
    assert (body["user"]["id"], body["user"]["team_id"], body["team"]["id"]) == ("U0MAYA", "T0ACME", "T0ACME")
    assert body["container"] == {
        "type": "message",
        "message_ts": ts,
        "channel_id": "D0MAYA",
        "is_ephemeral": False,
    }
    assert (body["channel"]["id"], body["message"]["ts"]) == ("D0MAYA", ts)
    assert body["state"] == {"values": {}}
    assert body["trigger_id"]
    assert body["response_url"]


async def test_what_is_chosen_is_in_the_action_and_stays_in_the_state(acme: Office) -> None:
    heard: list[Json] = []

    @acme.app.action({"block_id": "buttons"})
    async def listen(ack: Any, body: Json) -> None:
        heard.append(body)
        await ack()

    options = [{"text": plain(name), "value": name} for name in ("red", "blue")]
    select = {"type": "static_select", "action_id": "colour", "options": options}
    ts = await posted(acme, select, button("go"))
    await acme.acts.press("maya", None, ts, "colour", "blue")
    await acme.acts.press("maya", None, ts, "go")
    chosen, gone = heard
    assert chosen["actions"][0]["selected_option"]["value"] == "blue"
    assert gone["state"]["values"]["buttons"]["colour"]["selected_option"]["value"] == "blue"
    with pytest.raises(Cannot):
        await acme.acts.press("maya", None, ts, "colour", "green")


async def test_a_press_can_be_answered_in_place_or_beside_or_by_taking_the_card_away(acme: Office) -> None:
    @acme.app.action("replace")
    async def replace(ack: Any, respond: Any) -> None:
        await ack()
        await respond("Done.", replace_original=True)

    @acme.app.action("delete")
    async def delete(ack: Any, respond: Any) -> None:
        await ack()
        await respond(delete_original=True)

    @acme.app.action("whisper")
    async def whisper(ack: Any, respond: Any) -> None:
        await ack()
        await respond("Between us", replace_original=False)

    ts = await posted(acme, button("replace"), button("delete"), button("whisper"))
    await acme.acts.press("maya", None, ts, "whisper")
    aside = await acme.until(lambda: [each for each in acme.reads("maya") if each.only_for])
    assert [each.body["text"] for each in aside] == ["Between us"]
    assert "blocks" in acme.reads("maya")[0].body
    await acme.acts.press("maya", None, ts, "replace")
    await acme.until(lambda: acme.reads("maya")[0].body["text"] == "Done.")
    assert "blocks" not in acme.reads("maya")[0].body
    other = await posted(acme, button("delete"))
    await acme.acts.press("maya", None, other, "delete")
    await acme.until(lambda: other not in [each.ts for each in acme.reads("maya")])


async def test_an_ephemeral_card_is_pressed_by_its_reader_alone(acme: Office) -> None:
    heard: list[Json] = []

    @acme.app.action("go")
    async def listen(ack: Any, body: Json, respond: Any) -> None:
        heard.append(body)
        await ack()
        await respond("Gone on.", replace_original=True)

    sent = await acme.client.chat_postEphemeral(
        channel="C0SECURITY", user="U0SAM", text="Only you", blocks=[actions(button("go"))]
    )
    ts = sent["message_ts"]
    with pytest.raises(Cannot):
        await acme.acts.press("nina", "#security", ts, "go")
    await acme.acts.press("sam", "#security", ts, "go")
    await acme.until(lambda: acme.reads("sam", "#security")[0].body["text"] == "Gone on.")
    assert heard[0]["container"]["is_ephemeral"] is True
    assert "message" not in heard[0]
    assert acme.reads("nina", "#security") == []


async def test_another_app_s_buttons_are_its_own(acme: Office) -> None:
    robot, security = acme.workspace.world.find("robot"), acme.workspace.world.channel("#security")
    assert robot is not None
    assert security is not None
    content = acme.workspace.content({"text": "Build failed", "blocks": [actions(button("approve"))]})
    message = acme.workspace.say(security, robot, content)
    with pytest.raises(Cannot):
        await acme.acts.press("sam", "#security", message.ts, "approve")


async def test_what_is_not_there_cannot_be_pressed(acme: Office) -> None:
    ts = await posted(acme, button("approve"))
    said = await acme.acts.say("maya", "hello")
    for who, channel, which, action in (
        ("maya", None, ts, "deny"),
        ("maya", None, "1.000001", "approve"),
        ("maya", None, said.ts, "approve"),
        ("eve", "D0MAYA", ts, "approve"),
    ):
        with pytest.raises(Cannot):
            await acme.acts.press(who, channel, which, action)
