"""What goes wrong on purpose, and what a block that Slack would refuse is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientSession
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.webhook.async_client import AsyncWebhookClient

from demo.workspace.installed import SCOPES, Pace
from demo.workspace.people import Json
from tests.contracts.slack_office import Office, actions, button, field, home, modal, office, plain


@pytest.fixture
async def acme() -> AsyncIterator[Office]:
    async with office() as acme:
        yield acme


async def break_next(acme: Office, **fault: Any) -> None:
    """Let the next calls go wrong, through the endpoint."""
    async with ClientSession() as session, session.post(f"{acme.workspace.url}/faults", json=fault) as answer:
        assert answer.status == 200, await answer.text()


def calls(acme: Office) -> list[tuple[str, str]]:
    return [(each.method, each.outcome) for each in acme.workspace.calls.made]


# -- faults


async def test_too_many_calls_are_told_when_to_come_back(acme: Office) -> None:
    await break_next(acme, method="chat.postMessage", status=429, retry_after=30)
    with pytest.raises(SlackApiError) as caught:
        await acme.client.chat_postMessage(channel="U0MAYA", text="hello")
    assert (caught.value.response.status_code, caught.value.response["error"]) == (429, "ratelimited")
    assert caught.value.response.headers["Retry-After"] == "30"
    assert acme.reads("maya") == []
    await acme.client.chat_postMessage(channel="U0MAYA", text="hello")
    assert calls(acme)[-2:] == [("chat.postMessage", "ratelimited"), ("chat.postMessage", "ok")]


async def test_slack_s_own_client_waits_and_tries_again(acme: Office) -> None:
    acme.client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=2))
    await break_next(acme, method="*", status=429, retry_after=0, times=2)
    await acme.client.chat_postMessage(channel="U0MAYA", text="hello")
    assert [each.body["text"] for each in acme.reads("maya")] == ["hello"]


@pytest.mark.parametrize("status", [500, 503])
async def test_a_broken_server_does_nothing(acme: Office, status: int) -> None:
    await break_next(acme, method="chat.postMessage", status=status)
    with pytest.raises(SlackApiError) as caught:
        await acme.client.chat_postMessage(channel="U0MAYA", text="hello")
    assert caught.value.response.status_code == status
    assert acme.reads("maya") == []


async def test_a_dropped_answer_leaves_what_was_done(acme: Office) -> None:
    acme.client.retry_handlers.clear()
    await break_next(acme, method="chat.postMessage", drop=True)
    with pytest.raises(ClientConnectionError):
        await acme.client.chat_postMessage(channel="U0MAYA", text="hello")
    assert [each.body["text"] for each in acme.reads("maya")] == ["hello"]
    assert calls(acme)[-1] == ("chat.postMessage", "dropped")


async def test_a_channel_takes_one_message_a_second_where_that_is_asked_for() -> None:
    async with office(pace=Pace(messages=1.0)) as acme:
        await acme.client.chat_postMessage(channel="U0MAYA", text="one")
        await acme.client.chat_postMessage(channel="U0OMAR", text="elsewhere")
        with pytest.raises(SlackApiError) as caught:
            await acme.client.chat_postMessage(channel="U0MAYA", text="two")
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["Retry-After"] == "1"
        acme.client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=2))
        await acme.client.chat_postMessage(channel="U0MAYA", text="two")
        assert [each.body["text"] for each in acme.reads("maya")] == ["one", "two"]


async def test_a_response_url_can_fail_too(acme: Office) -> None:
    hook = AsyncWebhookClient(acme.workspace.tickets.response_url("U0MAYA", "D0MAYA"))
    await break_next(acme, method="response_url", status=500)
    assert (await hook.send(text="hello")).status_code == 500
    assert (await hook.send(text="hello")).status_code == 200
    assert len(acme.reads("maya")) == 1
    assert (await hook.send(response_type="ephemeral")).status_code == 400


async def test_faults_can_be_looked_at_and_taken_back(acme: Office) -> None:
    await break_next(acme, method="chat.update", status=429, times=3)
    url = f"{acme.workspace.url}/faults"
    async with ClientSession() as session:
        async with session.get(url) as answer:
            assert [each["times"] for each in await answer.json()] == [3]
        for wrong in (
            {"method": "*"},
            {"method": "*", "status": 418},
            {"nonsense": 1},
            {"method": "*", "times": 0},
        ):
            async with session.post(url, json=wrong) as answer:
                assert answer.status == 400
        async with session.delete(url) as answer:
            assert answer.status == 200
        async with session.get(url) as answer:
            assert await answer.json() == []


async def test_calls_are_remembered_without_their_token(acme: Office) -> None:
    await acme.client.chat_postMessage(channel="U0MAYA", text="hello")
    async with ClientSession() as session, session.get(f"{acme.workspace.url}/calls") as answer:
        text = await answer.text()
        (made,) = [each for each in await answer.json() if each["method"] == "chat.postMessage"]
    assert (made["arguments"]["text"], made["outcome"]) == ("hello", "ok")
    assert acme.workspace.installed.bot_token not in text


# -- blocks


def section(text: str) -> Json:
    return {"type": "section", "text": plain(text)}


@pytest.mark.parametrize(
    ("blocks", "where"),
    [
        ([section("x" * 3001)], "/blocks/0"),
        ([section("")], "/blocks/0/text/text"),
        ([{"type": "header", "text": {"type": "mrkdwn", "text": "*Bold*"}}], "/blocks/0/text/type"),
        ([{"type": "section"}], "/blocks/0"),
        ([actions()], "/blocks/0/elements"),
        ([actions(*[button(f"b{i}") for i in range(26)])], "/blocks/0/elements"),
        ([actions(button("x" * 256))], "/blocks/0/elements/0"),
        ([actions(button("ok", "v" * 2001))], "/blocks/0/elements/0"),
        ([actions(button("same"), button("same"))], "/blocks/0"),
        ([actions(button("one")), actions(button("two"))], "/blocks/1/block_id"),
        ([section("x")] * 51, "/blocks"),
        ([{"type": "marquee", "text": "hello"}], "/blocks/0/type"),
        ([{**section("x"), "colour": "red"}], "/blocks/0"),
        (
            [{**section("x"), "accessory": {"type": "plain_text_input", "action_id": "a"}}],
            "/blocks/0/accessory/type",
        ),
    ],
)
async def test_a_wrong_block_is_named_with_a_pointer(acme: Office, blocks: list[Json], where: str) -> None:
    with pytest.raises(SlackApiError) as caught:
        await acme.client.chat_postMessage(channel="U0MAYA", text="A card", blocks=blocks)
    answer = caught.value.response
    assert answer["error"] == "invalid_blocks"
    assert any(
        message.endswith(f"[json-pointer:{where}]") for message in answer["response_metadata"]["messages"]
    ), answer["response_metadata"]
    assert acme.reads("maya") == []


@pytest.mark.parametrize(
    ("view", "where"),
    [
        (home(), None),
        (modal(), "/view"),
        (modal(field("why"), title=plain("x" * 25)), "/view/title"),
        (modal(field("why"), submit=None), "/view/submit"),
        (modal(field("why"), private_metadata="x" * 3001), "/view/private_metadata"),
        (modal(*[section("x")] * 101), "/view/blocks"),
        ({**home(section("x")), "title": plain("A title")}, "/view"),
        ({**home(section("x")), "colour": "red"}, "/view"),
    ],
)
async def test_a_wrong_view_is_named_too(acme: Office, view: Json, where: str | None) -> None:
    given = {key: value for key, value in view.items() if value is not None}

    async def show() -> None:
        if given["type"] == "home":
            await acme.client.views_publish(user_id="U0MAYA", view=given)
        else:
            trigger = acme.workspace.tickets.trigger("U0MAYA")
            await acme.client.views_open(trigger_id=trigger, view=given)

    if where is None:
        await show()
        return
    with pytest.raises(SlackApiError) as caught:
        await show()
    messages = caught.value.response["response_metadata"]["messages"]
    assert any(message.endswith(f"[json-pointer:{where}]") for message in messages), messages


async def test_a_view_can_be_too_large(acme: Office) -> None:
    view = home(*[section("x" * 2900) for _ in range(100)])
    with pytest.raises(SlackApiError, match="view_too_large"):
        await acme.client.views_publish(user_id="U0MAYA", view=view)


async def test_an_update_without_blocks_takes_them_away_and_says_edited(acme: Office) -> None:
    sent = await acme.client.chat_postMessage(channel="U0MAYA", text="A card", blocks=[section("Waiting")])
    where = {"channel": sent["channel"], "ts": sent["ts"]}
    await acme.client.chat_update(**where, text="A card", blocks=[section("Checking")])
    (message,) = acme.reads("maya")
    assert ("edited" in message.body, message.body["blocks"][0]["text"]["text"]) == (False, "Checking")
    await acme.client.chat_update(**where, text="Done")
    (message,) = acme.reads("maya")
    assert ("edited" in message.body, "blocks" in message.body) == (True, False)


# -- people whom an app should know apart


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("U0MAYA", {"deleted": False, "is_bot": False, "is_restricted": False, "team_id": "T0ACME"}),
        ("U0GUEST", {"deleted": False, "is_restricted": True, "is_ultra_restricted": False}),
        ("U0ULTRA", {"deleted": False, "is_restricted": True, "is_ultra_restricted": True}),
        ("U0GONE", {"deleted": True}),
        ("U0ROBOT", {"deleted": False, "is_bot": True}),
        ("U0STRANGER", {"team_id": "T0PARTNER", "is_stranger": True}),
    ],
)
async def test_users_info_tells_them_apart(acme: Office, who: str, said: Json) -> None:
    user = (await acme.client.users_info(user=who))["user"]
    assert {key: user[key] for key in said} == said


async def test_addresses_are_seen_with_their_own_scope_alone() -> None:
    async with office(scopes=SCOPES - {"users:read.email"}) as acme:
        assert "email" not in (await acme.client.users_info(user="U0MAYA"))["user"]["profile"]


async def test_a_stranger_becomes_known_in_a_shared_channel() -> None:
    async with office(scopes=SCOPES | {"channels:join"}) as acme:
        with pytest.raises(SlackApiError, match="channel_not_found"):
            await acme.client.chat_postMessage(channel="U0STRANGER", text="hello")
        await acme.client.conversations_join(channel="C0PARTNERS")
        assert (await acme.client.users_info(user="U0STRANGER"))["user"]["is_stranger"] is False
