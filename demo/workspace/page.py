"""The page's own API: who can be played, what each person sees as it changes, and what they do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from demo.workspace import payloads
from demo.workspace.acts import Acts
from demo.workspace.answers import SILENT
from demo.workspace.deliver import Answer
from demo.workspace.elements import Cannot
from demo.workspace.people import APP, Json, Member
from demo.workspace.seen import people, seen, settings
from demo.workspace.workspace import Workspace

STATIC = Path(__file__).parent / "static"
GONE = "That form isn't open any more."


class Malformed(Exception):
    """The page asked for something that isn't there to be asked. The text says what."""


class Page:
    """The page over one workspace. Its contract is in docs/workspace.md."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.acts = Acts(workspace)
        self._open: set[web.WebSocketResponse] = set()
        self.kinds: dict[str, Callable[[str, Json], Awaitable[object]]] = {
            "message": lambda who, on: self.acts.say(who, _text(on, "text"), _text(on, "conversation")),
            "command": lambda who, on: self.acts.command(who, _text(on, "text"), _text(on, "conversation")),
            "shortcut": lambda who, on: self.acts.shortcut(who, _text(on, "callback_id")),
            "message_shortcut": lambda who, on: self.acts.message_shortcut(
                who, _text(on, "callback_id"), _text(on, "conversation"), _text(on, "ts")
            ),
            "home": lambda who, on: self.acts.open_home(who),
            "press": self._press,
            "submit": self._submit,
            "close": self._close,
            "read": self._read,
        }

    def routes(self) -> list[web.AbstractRouteDef]:
        """Its endpoints and files."""
        return [
            web.get("/", self._index),
            web.static("/static", STATIC),
            web.get("/page/people", self._people),
            web.get("/page/settings", self._settings),
            web.get("/page/live", self._live),
            web.post("/page/act", self._act),
            web.post("/page/forge", self._forge),
        ]

    async def close(self) -> None:
        """Let go of everybody who watches."""
        for socket in list(self._open):
            await socket.close(code=1001)

    # -- looking

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / "index.html")

    async def _people(self, request: web.Request) -> web.Response:
        return web.json_response(people())

    async def _settings(self, request: web.Request) -> web.Response:
        return web.json_response(settings(self.workspace))

    async def _live(self, request: web.Request) -> web.StreamResponse:
        member = self.workspace.world.find(request.query.get("as", ""))
        if member is None or not member.human or member.deleted:
            raise web.HTTPNotFound
        socket = web.WebSocketResponse(heartbeat=30.0, max_msg_size=1024)
        await socket.prepare(request)
        self._open.add(socket)
        pushing = asyncio.create_task(self._push(socket, member))
        try:
            async for _ in socket:
                pass  # the page says nothing here
        finally:
            self._open.discard(socket)
            pushing.cancel()
            await asyncio.gather(pushing, return_exceptions=True)
        return socket

    async def _push(self, socket: web.WebSocketResponse, member: Member) -> None:
        """Send what this person sees, now and after every change of it."""
        changed, last = asyncio.Event(), ""
        self.workspace.world.listeners.append(changed.set)
        try:
            while True:
                changed.clear()
                now = json.dumps(seen(self.workspace, member))
                if now != last:
                    await socket.send_str(now)
                last = now
                await changed.wait()
        except ConnectionError:
            pass  # the page was closed
        finally:
            self.workspace.world.listeners.remove(changed.set)

    # -- doing

    async def _act(self, request: web.Request) -> web.Response:
        return await self._answered(request, self._done)

    async def _forge(self, request: web.Request) -> web.Response:
        return await self._answered(request, self._forged)

    async def _answered(
        self, request: web.Request, do: Callable[[str, Json], Awaitable[object]]
    ) -> web.Response:
        try:
            on = _object(await request.read())
            who = _text(on, "as")
            done = await do(who, on)
        except Cannot as cannot:
            return web.json_response({"ok": False, "error": str(cannot)})
        except Malformed as malformed:
            return web.json_response({"ok": False, "error": str(malformed)}, status=400)
        if isinstance(done, Answer) and not done.good:
            member = self.workspace.world.find(who)
            notice = self.workspace.screens.of(member.id).notice if member else ""
            refused = f"{APP.name} refused that (HTTP {done.status})." if done.status else SILENT
            return web.json_response({"ok": False, "error": notice or refused})
        return web.json_response({"ok": True})

    async def _done(self, who: str, on: Json) -> object:
        do = self.kinds.get(_text(on, "kind"))
        if do is None:
            raise Malformed(f"There is no kind {_text(on, 'kind')}.")
        return await do(who, on)

    async def _forged(self, who: str, on: Json) -> object:
        """A press that nobody was offered; where no conversation is named, on a Home tab."""
        world, ts = self.workspace.world, _text(on, "ts", "")
        where = (_text(on, "block_id", ""), _text(on, "action_id"), _text(on, "value", ""))
        channel = world.channel(_text(on, "conversation", "")) if ts else None
        message = world.message(channel.id, ts) if channel else None
        click = payloads.made_up_click(channel, ts, message.body if message else None, where)
        return await self.acts.forge(who, click)

    async def _press(self, who: str, on: Json) -> Answer:
        place = {"block_id": _text(on, "block_id")}
        action_id, value = _text(on, "action_id"), on.get("value")
        if on.get("view") == "home":
            return await self.acts.press_home(who, action_id, value, **place)
        if "view" in on:
            self._on_top(who, _text(on, "view"))
            return await self.acts.press_modal(who, action_id, value, **place)
        channel, ts = _text(on, "conversation"), _text(on, "ts")
        return await self.acts.press(who, channel, ts, action_id, value, **place)

    async def _submit(self, who: str, on: Json) -> Answer:
        self._on_top(who, _text(on, "modal"))
        values = on.get("values")
        if not isinstance(values, dict) or not all(isinstance(each, dict) for each in values.values()):
            raise Malformed("values holds, for every block, what was typed by action.")
        typed = {block: value for block, each in values.items() for value in each.values()}
        self.acts.fill(who, typed)
        return await self.acts.submit(who)

    async def _close(self, who: str, on: Json) -> None:
        self._on_top(who, _text(on, "modal"))
        await self.acts.dismiss(who)

    async def _read(self, who: str, on: Json) -> None:
        self.acts.read(who, _text(on, "conversation"))

    def _on_top(self, who: str, id: str) -> None:
        """Nobody presses in a form that was replaced while they looked at it."""
        member = self.workspace.world.find(who)
        modals = self.workspace.screens.of(member.id).modals if member else []
        if not modals or modals[-1]["id"] != id:
            raise Cannot(GONE)


def _object(body: bytes) -> Json:
    try:
        found = json.loads(body)
    except ValueError:
        raise Malformed("That isn't JSON.") from None
    if not isinstance(found, dict):
        raise Malformed("Send an object.")
    return found


def _text(on: Json, key: str, default: str | None = None) -> str:
    value = on.get(key, default)
    if not isinstance(value, str):
        raise Malformed(f"{key} is needed, as text.")
    return value
