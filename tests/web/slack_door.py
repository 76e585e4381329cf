"""The address Slack posts to, on a real port, and a caller who can say anything to it, byte for byte."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from bot import gate
from handlers.deliveries import Deliveries, Delivery
from storage import setup
from storage.seals import Keys
from storage.store import Store, utc_now
from tests.company import SECRET_KEY
from tests.web.slack_posts import (
    SECRET,
    Json,
    encoded,
    signed,
)

PATH = "/slack/events"
Headers = Sequence[tuple[str, str | bytes]]


@dataclass
class Door:
    """The gate with a handler of our own behind it that only counts, on a store that outlives a restart."""

    folder: Path
    secrets: tuple[str, ...] = (SECRET,)
    ran: list[str] = field(default_factory=list)

    async def open(self) -> None:
        """Listen. Raises OSError."""
        url, keys = f"sqlite:///{self.folder / 'desk.db'}", Keys([SECRET_KEY])
        await setup.prepare(url, keys, setup.DEMO, utc_now())
        self.store = await Store.open(url, keys)
        self.deliveries = Deliveries(self.store)
        app = web.Application()
        app.router.add_post(PATH, self._delivered)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port: int = self.runner.addresses[0][1]

    async def close(self) -> None:
        await self.runner.cleanup()
        await self.store.close()

    async def _delivered(self, request: web.Request) -> web.Response:
        try:
            body = await gate.body_of(request, patience=0.3)
            post = gate.slack(request.headers, body, self.secrets, time.time())
        except gate.Refused as refusal:
            return web.Response(status=refusal.status)
        if post.kind == "ssl_check":
            return web.Response()
        if post.kind == "url_verification":
            return web.Response(text=post.payload["challenge"])
        if await self.deliveries.take(Delivery(post.key, post.body)):
            self.ran.append(post.key)
        return web.Response()

    async def kept(self) -> int:
        return len(await self.deliveries.undone("slack"))

    # -- from outside ---------------------------------------------------------------------------

    async def post(self, headers: Headers, body: bytes, method: str = "POST", path: str = PATH) -> int:
        """One request with exactly these headers, and Host and Content-Length if they aren't among them."""
        named = {name.lower() for name, _ in headers}
        more: list[tuple[str, str | bytes]] = [("Connection", "close")]
        if "host" not in named:
            more.append(("Host", "desk.example.com"))
        if not named & {"content-length", "transfer-encoding"}:
            more.append(("Content-Length", str(len(body))))
        lines = [
            name.encode() + b": " + (value if isinstance(value, bytes) else value.encode())
            for name, value in [*more, *headers]
        ]
        return await self.raw(
            b"\r\n".join([f"{method} {path} HTTP/1.1".encode(), *lines]) + b"\r\n\r\n" + body
        )

    async def raw(self, request: bytes) -> int:
        """These bytes; gives the status, which is never a 5xx."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(10):
                writer.write(request)
                first = await reader.readline()
                answer = await reader.read(65536)
        finally:
            writer.close()
        status = int(first.split(b" ")[1])
        assert status < 500, first
        assert b"Traceback" not in answer
        return status

    async def genuine(self, payload: Json, secret: str = SECRET, at: float | None = None) -> int:
        """As Slack would send it."""
        body, form = encoded(payload)
        return await self.post(list(signed(body, form, at or time.time(), secret).items()), body)
