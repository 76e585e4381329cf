"""What the Web API does, whoever serves it: Slack's own client against each stand-in that we test with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from demo.workspace.installed import Installed
from demo.workspace.people import Json
from demo.workspace.serve import serving
from demo.workspace.workspace import Workspace
from demo.workspace.world import World
from tests.peers import emulate

#: Everything these tests ask for.
ALL = (
    "chat:write",
    "channels:read",
    "channels:history",
    "im:history",
    "im:read",
    "im:write",
    "users:read",
    "users:read.email",
    "team:read",
)


@dataclass(frozen=True)
class WebApi:
    """One stand-in, served. Its app is in `channel` and not in `elsewhere`; `person` and the bot `app` are users."""

    base_url: str
    token: str
    channel: str
    elsewhere: str
    person: str
    email: str
    app: str
    team: str

    @property
    def client(self) -> AsyncWebClient:
        return AsyncWebClient(self.token, base_url=self.base_url)

    async def call(self, method: str, token: str | None = None, **arguments: Any) -> Json:
        """One call, by POST like everything Slack takes; what came back."""
        client = self.client if token is None else AsyncWebClient(token, base_url=self.base_url)
        answer = await client.api_call(method, json=arguments)
        assert isinstance(answer.data, dict)
        return answer.data

    async def refused(self, method: str, token: str | None = None, **arguments: Any) -> Json:
        """The same for a call that has to fail."""
        with pytest.raises(SlackApiError) as caught:
            await self.call(method, token, **arguments)
        found = caught.value.response.data
        assert isinstance(found, dict)
        return found


#: Serves a stand-in whose token has these scopes, until the test is over.
Opens = Callable[[tuple[str, ...]], Awaitable[WebApi]]


async def workspace(stack: AsyncExitStack, scopes: tuple[str, ...]) -> WebApi:
    """Our own workspace."""
    token = "xoxb-of-this-test"
    installed = Installed("secret", token, "xapp-of-this-test", scopes=frozenset(scopes))
    url = await stack.enter_async_context(
        serving(Workspace(World(":memory:"), installed, "http://localhost:9"))
    )
    return WebApi(
        base_url=f"{url}/api/",
        token=token,
        channel="C0SECURITY",
        elsewhere="C0GENERAL",
        person="U0MAYA",
        email="maya.lindqvist@example.com",
        app="U0COUNTERSIGN",
        team="T0ACME",
    )


async def emulated(stack: AsyncExitStack, scopes: tuple[str, ...]) -> WebApi:
    """One that others made."""
    token = "xoxb-of-this-test"
    team = stack.enter_context(emulate.running({token: scopes}))
    return WebApi(
        base_url=team.url,
        token=token,
        channel=team.channel,
        elsewhere=team.elsewhere,
        person=team.maya,
        email=team.email,
        app=team.bot,
        team=team.id,
    )


SERVED = {"workspace": workspace, "emulate": emulated}


@pytest.fixture(params=["workspace", pytest.param("emulate", marks=pytest.mark.emulate)])
async def slack_web_api(request: pytest.FixtureRequest) -> AsyncIterator[Opens]:
    async with AsyncExitStack() as stack:

        async def opens(scopes: tuple[str, ...] = ALL) -> WebApi:
            return await SERVED[request.param](stack, scopes)

        yield opens


# -- tokens and scopes


async def test_a_token_says_who_the_app_is(slack_web_api: Opens) -> None:
    api = await slack_web_api(ALL)
    who = await api.call("auth.test")
    assert (who["ok"], who["team_id"], who["user_id"]) == (True, api.team, api.app)


async def test_without_a_token_nothing_is_done(slack_web_api: Opens) -> None:
    api = await slack_web_api(ALL)
    assert (await api.refused("auth.test", token=""))["error"] == "not_authed"


@pytest.mark.parametrize(
    "slack_web_api", ["workspace"], indirect=True
)  # emulate takes any token for a developer's
async def test_with_a_wrong_token_nothing_is_done(slack_web_api: Opens) -> None:
    api = await slack_web_api(ALL)
    assert (await api.refused("auth.test", token="xoxb-of-somebody-else"))["error"] == "invalid_auth"


@pytest.mark.parametrize(
    ("method", "needed", "arguments"),
    [
        ("chat.postMessage", "chat:write", {"channel": "channel", "text": "hello"}),
        ("users.info", "users:read", {"user": "person"}),
        ("conversations.open", "im:write", {"users": "person"}),
        ("conversations.info", "channels:read", {"channel": "channel"}),
        ("team.info", "team:read", {}),
    ],
)
async def test_a_method_needs_its_scope_and_names_it(
    slack_web_api: Opens, method: str, needed: str, arguments: Json
) -> None:
    short = await slack_web_api(tuple(scope for scope in ALL if scope != needed and scope != "im:read"))
    refusal = await short.refused(method, **of(short, arguments))
    assert refusal["error"] == "missing_scope"
    assert needed in refusal["needed"].split(",")
    assert needed not in refusal["provided"].split(",")
    enough = await slack_web_api(ALL)
    assert (await enough.call(method, **of(enough, arguments)))["ok"]


def of(api: WebApi, arguments: Json) -> Json:
    """Arguments with the ids that things have there."""
    return {key: getattr(api, value, value) for key, value in arguments.items()}


# -- messages


async def test_a_message_is_posted_changed_and_taken_away(slack_web_api: Opens) -> None:
    api = await slack_web_api(ALL)
    posted = await api.call("chat.postMessage", channel=api.channel, text="Waiting")
    assert (posted["channel"], posted["message"]["text"]) == (api.channel, "Waiting")
    changed = await api.call("chat.update", channel=api.channel, ts=posted["ts"], text="Done")
    assert (changed["ts"], changed["channel"]) == (posted["ts"], api.channel)
    history = await api.call("conversations.history", channel=api.channel)
    assert [each["text"] for each in history["messages"] if each["ts"] == posted["ts"]] == ["Done"]
    gone = await api.call("chat.delete", channel=api.channel, ts=posted["ts"])
    assert gone["ts"] == posted["ts"]
    again = await api.refused("chat.update", channel=api.channel, ts=posted["ts"], text="Too late")
    assert again["error"] == "message_not_found"


async def test_history_comes_newest_first_and_no_two_messages_share_a_time(slack_web_api: Opens) -> None:
    api = await slack_web_api(ALL)
    sent = [
        (await api.call("chat.postMessage", channel=api.channel, text=text))["ts"] for text in ("1", "2", "3")
    ]
    history = await api.call("conversations.history", channel=api.channel, limit=3)
    assert [each["text"] for each in history["messages"]] == ["3", "2", "1"]
    assert sent == sorted(set(sent))


async def test_a_message_needs_a_place_and_words(slack_web_api: Opens) -> None:
    api = await slack_web_api(ALL)
    nowhere = await api.refused("chat.postMessage", channel="C0NOWHERE", text="hello")
    assert nowhere["error"] == "channel_not_found"
    wordless = await api.refused("chat.postMessage", channel=api.channel)
    assert wordless["error"] == "no_text"


async def test_blocks_come_back_as_they_were_sent(slack_web_api: Opens) -> None:
    api = await slack_web_api(ALL)
    button = {
        "type": "button",
        "action_id": "ask",
        "value": "handle-1",
        "text": {"type": "plain_text", "text": "Ask"},
    }
    blocks = [{"type": "actions", "block_id": "buttons", "elements": [button]}]
    posted = await api.call("chat.postMessage", channel=api.channel, text="A card", blocks=blocks)
    (block,) = posted["message"]["blocks"]
    (element,) = block["elements"]
    assert (block["block_id"], element["action_id"], element["value"]) == ("buttons", "ask", "handle-1")


async def test_an_ephemeral_message_is_in_nobody_s_history(slack_web_api: Opens) -> None:
    api = await slack_web_api(ALL)
    before = await api.call("conversations.history", channel=api.channel)
    members = await api.call("conversations.members", channel=api.channel)
    reader = next(each for each in members["members"] if each != api.app)
    whisper = await api.call("chat.postEphemeral", channel=api.channel, user=reader, text="Only you")
    assert whisper["message_ts"]
    after = await api.call("conversations.history", channel=api.channel)
    assert after["messages"] == before["messages"]


# -- people and conversations


async def test_a_person_is_found_by_id(slack_web_api: Opens) -> None:
    api = await slack_web_api(ALL)
    user = (await api.call("users.info", user=api.person))["user"]
    assert (user["id"], user["deleted"], user["is_bot"]) == (api.person, False, False)
    assert user["profile"]["email"] == api.email
    assert (await api.refused("users.info", user="U0NOBODY"))["error"] == "user_not_found"


async def test_the_app_itself_is_known_as_a_bot(slack_web_api: Opens) -> None:
    api = await slack_web_api(ALL)
    assert (await api.call("users.info", user=api.app))["user"]["is_bot"] is True


async def test_a_direct_conversation_is_opened_and_stays_the_same(slack_web_api: Opens) -> None:
    api = await slack_web_api(ALL)
    first = (await api.call("conversations.open", users=api.person))["channel"]["id"]
    second = (await api.call("conversations.open", users=api.person))["channel"]["id"]
    assert first == second
    assert first.startswith("D")
    posted = await api.call("chat.postMessage", channel=first, text="Only between us")
    assert posted["channel"] == first


async def test_a_channel_says_whether_the_app_is_in_it(slack_web_api: Opens) -> None:
    api = await slack_web_api(ALL)
    inside = (await api.call("conversations.info", channel=api.channel))["channel"]
    outside = (await api.call("conversations.info", channel=api.elsewhere))["channel"]
    assert (inside["is_member"], outside["is_member"]) == (True, False)
    refusal = await api.refused("conversations.info", channel="C0NOWHERE")
    assert refusal["error"] == "channel_not_found"


async def test_a_team_has_a_name(slack_web_api: Opens) -> None:
    api = await slack_web_api(ALL)
    team = (await api.call("team.info"))["team"]
    assert team["id"] == api.team
    assert team["name"]
