"""Socket Mode: WebSocket connections the app opened, envelopes down them, acknowledgements up."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import uuid
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from demo.workspace.installed import APP_ID
from demo.workspace.people import Json

MOST = 10  # connections one app may have open
LASTS = 18060  # seconds Slack says a connection lasts, about


class NoAnswer(Exception):
    """The app did not acknowledge. `reason` is what Slack puts into retry_reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(eq=False, slots=True)
class _Link:
    socket: web.WebSocketResponse
    number: int
    waiting: dict[str, asyncio.Future[Json]] = field(default_factory=dict)


class Sockets:
    """Every open connection. Envelopes go to each in turn, as Slack spreads them."""

    def __init__(self) -> None:
        self._links: list[_Link] = []
        self._tickets: set[str] = set()
        self._numbers = itertools.count(1)
        self._turn = 0
        self._arrived = asyncio.Event()

    @property
    def count(self) -> int:
        """How many connections are open."""
        return len(self._links)

    async def connected(self, patience: float = 10.0) -> None:
        """Wait until there is a connection."""
        await asyncio.wait_for(self._arrived.wait(), patience)

    def ticket(self) -> str:
        """The secret in a new WebSocket address; it works once."""
        ticket = str(uuid.uuid4())
        self._tickets.add(ticket)
        return ticket

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection, from hello to its end."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            raise web.HTTPForbidden
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse(max_msg_size=1024 * 1024)
        await socket.prepare(request)
        if len(self._links) >= MOST:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await socket.close()
            return socket
        link = _Link(socket, next(self._numbers))
        self._links.append(link)
        try:
            await socket.send_json(self._hello(link))
            self._arrived.set()
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    _answered(link, message.data)
        finally:
            self._links.remove(link)
            if not self._links:
                self._arrived.clear()
            for waiting in link.waiting.values():
                if not waiting.done():
                    waiting.set_exception(NoAnswer("connection_failed"))
        return socket

    async def send(
        self, kind: str, payload: Json, *, within: float, attempt: int = 0, reason: str = ""
    ) -> Json:
        """Send one envelope and wait `within` seconds; what came back with the acknowledgement. Raises NoAnswer."""
        if not self._links:
            raise NoAnswer("connection_failed")
        self._turn += 1
        link = self._links[self._turn % len(self._links)]
        envelope: Json = {
            "envelope_id": str(uuid.uuid4()),
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": reason}
        answer = link.waiting[envelope["envelope_id"]] = asyncio.get_running_loop().create_future()
        try:
            await link.socket.send_json(envelope)
            return await asyncio.wait_for(answer, within)
        except TimeoutError:
            raise NoAnswer("timeout") from None
        except ConnectionError:
            raise NoAnswer("connection_failed") from None
        finally:
            del link.waiting[envelope["envelope_id"]]

    async def refresh(self, reason: str = "refresh_requested") -> None:
        """Ask for new connections, as Slack does every few hours, and end the present ones. "warning" ends none."""
        for link in list(self._links):
            host = {"host": f"applink-{link.number}"}
            await link.socket.send_json({"type": "disconnect", "reason": reason, "debug_info": host})
            if reason != "warning":
                await link.socket.close()

    async def close(self) -> None:
        """End every connection without a word, as when the workspace stops."""
        for link in list(self._links):
            await link.socket.close(code=1001)

    def _hello(self, link: _Link) -> Json:
        build = secrets.randbelow(1000)
        return {
            "type": "hello",
            "num_connections": len(self._links),
            "connection_info": {"app_id": APP_ID},
            "debug_info": {
                "host": f"applink-{link.number}",
                "build_number": build,
                "approximate_connection_time": LASTS,
            },
        }


def _answered(link: _Link, text: str) -> None:
    try:
        message = json.loads(text)
        waiting = link.waiting.get(message["envelope_id"])
    except (ValueError, TypeError, KeyError):
        return  # Slack says nothing to that either
    payload = message.get("payload")
    if waiting is not None and not waiting.done():
        waiting.set_result(payload if isinstance(payload, dict) else {})
