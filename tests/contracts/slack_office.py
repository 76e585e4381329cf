"""A workspace with a real Bolt app in it, over Socket Mode or signed HTTP. Only the workspace is ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from demo.workspace.acts import Acts
from demo.workspace.installed import Installed
from demo.workspace.people import Json
from demo.workspace.serve import listening, serving
from demo.workspace.workspace import Workspace
from demo.workspace.world import Message, World

T = TypeVar("T")
SECRET = "the signing secret of this test"
BOT, APP = "xoxb-of-this-test", "xapp-of-this-test"
DEVICE_PAGE = "http://localhost:9"


@dataclass(frozen=True)
class Office:
    """What a test has in hand. `acts` does what people do, `app` takes listeners, `client` is the app's own."""

    workspace: Workspace
    acts: Acts
    app: AsyncApp
    client: AsyncWebClient

    async def until(self, true: Callable[[], T]) -> T:
        return await self.workspace.world.until(true)

    def reads(self, who: str, channel: str | None = None) -> list[Message]:
        """The conversation as this person sees it."""
        member = self.workspace.world.find(who)
        assert member is not None
        place = self.workspace.world.channel(channel or member.im)
        assert place is not None
        return self.workspace.world.history(place.id, member.id)

    async def reply(self, who: str, number: int = 1) -> Message:
        """The app's message in this person's im, once there are `number` of them."""

        def written() -> list[Message]:
            found = [each for each in self.reads(who) if each.body.get("bot_id")]
            return found if len(found) >= number else []

        return (await self.until(written))[number - 1]

    def notice(self, who: str) -> str:
        """What this person's window says in passing."""
        return self.workspace.screens.of(f"U0{who.upper()}").notice


@asynccontextmanager
async def office(transport: str = "socket", **installed: Any) -> AsyncIterator[Office]:
    """An office for one test. `installed` are arguments of Installed."""
    client = AsyncWebClient(token=BOT)
    app = AsyncApp(client=client, signing_secret=SECRET)
    async with AsyncExitStack() as stack:
        given = {"signing_secret": SECRET, "bot_token": BOT, "app_token": APP, **installed}
        if transport == "http":
            port = await stack.enter_async_context(listening(app.web_app(path="/slack/events"), patience=0.1))
            given["request_url"] = f"http://localhost:{port}/slack/events"
        workspace = Workspace(World(":memory:"), Installed(**given), DEVICE_PAGE)
        url = await stack.enter_async_context(serving(workspace))
        client.base_url = f"{url}/api/"
        if transport == "socket":
            link = AsyncSocketModeHandler(app, APP, web_client=AsyncWebClient(APP, base_url=client.base_url))
            await link.connect_async()
            stack.push_async_callback(link.close_async)
            await workspace.post.sockets.connected()
        yield Office(workspace, Acts(workspace), app, client)


# -- blocks the tests speak with


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def button(action_id: str, value: str = "") -> Json:
    more = {"value": value} if value else {}
    return {"type": "button", "action_id": action_id, "text": plain(action_id), **more}


def actions(*elements: Json, block_id: str = "buttons") -> Json:
    return {"type": "actions", "block_id": block_id, "elements": list(elements)}


def field(block_id: str, *, optional: bool = False, **element: Any) -> Json:
    part = {"type": "plain_text_input", "action_id": "value", **element}
    return {
        "type": "input",
        "block_id": block_id,
        "label": plain(block_id),
        "element": part,
        "optional": optional,
    }


def modal(*blocks: Json, **more: Any) -> Json:
    view = {"type": "modal", "callback_id": "form", "title": plain("A form"), "submit": plain("Send")}
    return {**view, "blocks": list(blocks), **more}


def home(*blocks: Json) -> Json:
    return {"type": "home", "blocks": list(blocks)}
