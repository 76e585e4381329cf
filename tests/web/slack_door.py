"""The address Slack posts to, on a real port, and a caller who can say anything to it, byte for byte."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from bot import gate
from handlers.deliveries import Deliveries, Delivery
from storage import setup
from storage.seals import Keys
from storage.store import Store, utc_now
from tests.company import SECRET_KEY
from tests.web import hostile
from tests.web.slack_posts import SECRET, Json, encoded, signed
from tests.web.wire import Answer

PATH = "/slack/events"


@dataclass(frozen=True)
class Caller(hostile.Caller):
    """Somebody who knows Slack's address."""

    path: str = PATH

    async def says(self, payload: Json, secret: str = SECRET, at: float | None = None) -> Answer:
        """As Slack would send it."""
        body, form = encoded(payload)
        return await self.post(list(signed(body, form, at or time.time(), secret).items()), body)


@dataclass
class Door:
    """The gate with a handler of the test's own behind it, which only counts, and little patience."""

    folder: Path
    secrets: tuple[str, ...] = (SECRET,)
    ran: list[str] = field(default_factory=list)

    async def open(self) -> Caller:
        """Listen, on what was kept before. Raises OSError."""
        url, keys = f"sqlite:///{self.folder / 'desk.db'}", Keys([SECRET_KEY])
        await setup.prepare(url, keys, setup.DEMO, utc_now())
        self._store = await Store.open(url, keys)
        self._deliveries = Deliveries(self._store)
        app = web.Application()
        app.router.add_post(PATH, self._delivered)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return Caller(self._runner.addresses[0][1])

    async def close(self) -> None:
        await self._runner.cleanup()
        await self._store.close()

    async def done(self) -> None:
        """Everything that ran is done: its rows say nothing any more."""
        for key in self.ran:
            await self._deliveries.finish(key)

    async def kept(self) -> int:
        """How many deliveries are kept and not done."""
        return len(await self._deliveries.undone("slack"))

    async def _delivered(self, request: web.Request) -> web.Response:
        try:
            body = await gate.body_of(request, patience=0.3)
            post = gate.slack(request.headers, body, self.secrets, time.time())
        except gate.Refused as refusal:
            return web.Response(status=refusal.status)
        if post.kind not in ("ssl_check", "url_verification") and await self._deliveries.take(
            Delivery(post.key, post.body)
        ):
            self.ran.append(post.key)
        return web.Response()
