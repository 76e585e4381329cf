"""What happens when the app is slow, wrong or away: retries, limits, and connections that come and go."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientSession, WSServerHandshakeError, web
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from demo.workspace.acts import Acts
from demo.workspace.answers import SILENT
from demo.workspace.deliver import CLICK, COMMAND, EVENT, Answer
from demo.workspace.installed import Installed, Pace
from demo.workspace.people import APP as COUNTERSIGN
from demo.workspace.serve import listening, serving
from demo.workspace.workspace import Workspace
from demo.workspace.world import World
from tests.contracts.slack_office import APP, BOT, DEVICE_PAGE, SECRET, actions, button, office

QUICK = Pace(answer=1.0, retries=(0.0, 0.01, 0.01))


@dataclass
class Door:
    """An app that does nothing but answer as it is told to. None is no answer at all."""

    answers: list[web.Response | None] = field(default_factory=list)
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def open(self, request: web.Request) -> web.Response:
        self.heard.append((dict(request.headers), await request.read()))
        answer = self.answers.pop(0) if self.answers else web.Response()
        if answer is None:
            await asyncio.Event().wait()
        assert answer is not None
        return answer

    def events(self) -> list[str]:
        return [json.loads(body)["event_id"] for _, body in self.heard]

    def retries(self) -> list[tuple[str | None, str | None]]:
        return [
            (headers.get("X-Slack-Retry-Num"), headers.get("X-Slack-Retry-Reason"))
            for headers, _ in self.heard
        ]


@asynccontextmanager
async def behind(door: Door, pace: Pace = QUICK) -> AsyncIterator[Workspace]:
    """A workspace whose app is behind this door, over signed HTTP."""
    app = web.Application()
    app.router.add_post("/", door.open)
    async with listening(app, patience=0.1) as port:
        installed = Installed(SECRET, BOT, request_url=f"http://localhost:{port}/", pace=pace)
        workspace = Workspace(World(":memory:"), installed, DEVICE_PAGE)
        async with serving(workspace):
            yield workspace


def outcomes(workspace: Workspace) -> list[tuple[int, str]]:
    return [(each.attempt, each.outcome) for each in workspace.post.deliveries]


# -- signed HTTP


async def test_an_event_is_sent_again_until_it_is_acknowledged() -> None:
    door = Door([web.Response(status=500), None, web.Response(status=404)])
    async with behind(door) as workspace:
        await Acts(workspace).say("maya", "hello")
        await workspace.post.idle()
        assert door.retries() == [
            (None, None),
            ("1", "http_error"),
            ("2", "http_timeout"),
            ("3", "http_error"),
        ]
        assert len(set(door.events())) == 1
        assert len({body for _, body in door.heard}) == 1
        assert outcomes(workspace) == [(0, "http 500"), (1, "http_timeout"), (2, "http 404"), (3, "ok")]


async def test_after_three_retries_slack_gives_up() -> None:
    door = Door([web.Response(status=500)] * 9)
    async with behind(door) as workspace:
        await Acts(workspace).say("maya", "hello")
        await workspace.post.idle()
        assert len(door.heard) == 4


async def test_an_app_can_ask_not_to_be_told_again() -> None:
    door = Door([web.Response(status=500, headers={"X-Slack-No-Retry": "1"})])
    async with behind(door) as workspace:
        await Acts(workspace).say("maya", "hello")
        await workspace.post.idle()
        assert len(door.heard) == 1


async def test_an_app_that_is_not_there_is_tried_again() -> None:
    installed = Installed(SECRET, BOT, request_url="http://localhost:9/", pace=QUICK)
    workspace = Workspace(World(":memory:"), installed, DEVICE_PAGE)
    async with serving(workspace):
        await Acts(workspace).say("maya", "hello")
        await workspace.post.idle()
        assert outcomes(workspace) == [(attempt, "connection_failed") for attempt in range(4)]


async def test_every_body_is_signed_and_the_secret_can_be_rotated() -> None:
    door = Door()
    async with behind(door) as workspace:
        await Acts(workspace).command("maya", "/desk hello")
        workspace.post.secret = "another secret"
        await Acts(workspace).shortcut("maya", "ask_desk")
        (first, second) = door.heard
        for secret, good, bad in ((SECRET, first, second), ("another secret", second, first)):
            verifier = SignatureVerifier(secret)
            assert verifier.is_valid_request(good[1], good[0])
            assert not verifier.is_valid_request(bad[1], bad[0])
        assert first[0]["Content-Type"] == second[0]["Content-Type"] == "application/x-www-form-urlencoded"


async def test_a_request_url_is_challenged_before_it_is_used() -> None:
    async with office("http") as acme:
        assert await acme.workspace.post.verify_url()
    async with behind(Door()) as workspace:
        assert not await workspace.post.verify_url()


# -- people who wait


async def press(acts: Acts) -> Answer:
    world, content = acts.workspace.world, acts.workspace.content({"blocks": [actions(button("go"))]})
    im = world.channel("D0MAYA")
    assert im is not None
    card = acts.workspace.say(im, COUNTERSIGN, content, only_for="U0MAYA")  # the app hears of no whisper
    return await acts.press("maya", None, card.ts, "go")


WAITS: list[tuple[Callable[[Acts], Any], str, str]] = [
    (press, SILENT, CLICK),
    (lambda acts: acts.shortcut("maya", "ask_desk"), SILENT, CLICK),
    (lambda acts: acts.command("maya", "/desk"), '/desk failed with the error "operation_timeout"', COMMAND),
]


@pytest.mark.parametrize(("act", "notice", "kind"), WAITS, ids=["press", "shortcut", "command"])
async def test_whoever_waits_too_long_is_told_and_nothing_is_sent_twice(
    act: Callable[[Acts], Any], notice: str, kind: str
) -> None:
    door = Door([None])
    async with behind(door) as workspace:
        seen: list[int] = []
        workspace.world.listeners.append(lambda: seen.append(workspace.screens.of("U0MAYA").busy))
        answer = await act(Acts(workspace))
        assert (answer.status, answer.body, answer.good) == (0, "http_timeout", False)
        assert workspace.screens.of("U0MAYA").notice == notice
        assert [(each.kind, each.outcome) for each in workspace.post.deliveries] == [(kind, "http_timeout")]
        assert (max(seen), workspace.screens.of("U0MAYA").busy) == (1, 0)
        await Acts(workspace).shortcut("maya", "ask_desk")
        assert workspace.screens.of("U0MAYA").notice == ""


async def test_a_command_that_fails_says_so() -> None:
    async with behind(Door([web.Response(status=500)])) as workspace:
        answer = await Acts(workspace).command("maya", "/desk")
        assert answer.status == 500
        assert workspace.screens.of("U0MAYA").notice == '/desk failed with the error "dispatch_failed"'


# -- Socket Mode


@asynccontextmanager
async def linked(workspace: Workspace, listen: Callable[..., Any]) -> AsyncIterator[SocketModeClient]:
    """One connection of Slack's own client, with one listener that acknowledges or doesn't."""
    web_client = AsyncWebClient(APP, base_url=f"{workspace.url}/api/")
    client = SocketModeClient(APP, web_client=web_client)
    client.socket_mode_request_listeners.append(listen)
    before = workspace.post.sockets.count
    await client.connect()
    await workspace.world.until(lambda: workspace.post.sockets.count > before)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def by_link(pace: Pace = QUICK) -> AsyncIterator[Workspace]:
    """A workspace whose app comes over Socket Mode."""
    workspace = Workspace(World(":memory:"), Installed(SECRET, BOT, APP, pace=pace), DEVICE_PAGE)
    async with serving(workspace):
        yield workspace


async def test_an_envelope_that_is_not_acknowledged_comes_again() -> None:
    heard: list[SocketModeRequest] = []

    async def listen(client: SocketModeClient, request: SocketModeRequest) -> None:
        heard.append(request)
        if len(heard) == 2:
            await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))

    async with by_link() as workspace, linked(workspace, listen):
        await Acts(workspace).say("maya", "hello")
        await workspace.post.idle()
    first, second = heard
    assert [(each.retry_attempt, each.retry_reason) for each in heard] == [(0, ""), (1, "timeout")]
    assert first.payload["event_id"] == second.payload["event_id"]
    assert first.envelope_id != second.envelope_id
    assert (first.type, first.accepts_response_payload) == (EVENT, False)


async def test_connections_take_turns() -> None:
    heard: list[tuple[int, str]] = []

    async def listen(client: SocketModeClient, request: SocketModeRequest) -> None:
        heard.append((id(client), request.type))
        await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))

    async with by_link() as workspace, linked(workspace, listen), linked(workspace, listen):
        for _ in range(4):
            await Acts(workspace).shortcut("maya", "ask_desk")
    assert [kind for _, kind in heard] == [CLICK] * 4
    assert len({who for who, _ in heard[:2]}) == len({who for who, _ in heard[2:]}) == 2


@pytest.mark.parametrize("reason", ["refresh_requested", "warning"])
async def test_the_app_comes_back_when_it_is_asked_to_reconnect(reason: str) -> None:
    async with office(pace=Pace(retries=(0.2,) * 20)) as acme:

        @acme.app.event("message")
        async def listen(say: Any) -> None:
            await say(text="Still here.")

        await acme.workspace.post.sockets.refresh(reason)
        await acme.acts.say("maya", "are you there?")
        assert (await acme.reply("maya")).body["text"] == "Still here."
        await acme.workspace.post.sockets.connected()


async def test_a_lost_connection_loses_no_event() -> None:
    async with office(pace=Pace(retries=(0.2,) * 50)) as acme:

        @acme.app.event("message")
        async def listen(say: Any) -> None:
            await say(text="Back again.")

        await acme.workspace.post.sockets.close()
        await acme.acts.say("maya", "are you there?")
        assert (await acme.reply("maya")).body["text"] == "Back again."
        assert outcomes(acme.workspace)[0] == (0, "connection_failed")


async def test_an_address_works_once_and_ten_connections_are_enough() -> None:
    async with by_link() as workspace, ClientSession() as session:
        opener = AsyncWebClient(APP, base_url=f"{workspace.url}/api/")
        urls = [str((await opener.apps_connections_open(app_token=APP))["url"]) for _ in range(11)]
        links = [await session.ws_connect(url) for url in urls]
        hellos = [await link.receive_json() for link in links]
        assert [each["type"] for each in hellos] == ["hello"] * 10 + ["disconnect"]
        assert [each["num_connections"] for each in hellos[:10]] == list(range(1, 11))
        assert hellos[10]["reason"] == "too_many_websockets"
        with pytest.raises(WSServerHandshakeError):
            await session.ws_connect(urls[0])
        for link in links:
            await link.close()


async def test_with_a_request_url_there_is_no_socket_mode() -> None:
    installed = Installed(SECRET, BOT, APP, request_url="http://localhost:9/")
    workspace = Workspace(World(":memory:"), installed, DEVICE_PAGE)
    async with serving(workspace) as url:
        opener = AsyncWebClient(APP, base_url=f"{url}/api/")
        with pytest.raises(SlackApiError, match="socket_mode_not_enabled"):
            await opener.apps_connections_open(app_token=APP)
