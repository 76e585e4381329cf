"""Three servers that acknowledge a slash command, each in a process of its own on the last core.

aiohttp   checks the signature by hand and answers. Nothing acknowledges for less.
bolt      a stock Bolt echo: `process_before_response`, its own verification on, one workspace.
ours      the real app on SQLite with synchronous=FULL: checked, on the disk, acknowledged. What is decided after
          the acknowledgement is held back, so that both sides do the same work: to take it and say so.
hung      the real app, deciding, while whatever it needs from outside hangs: directory, connectors, Slack itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, redirect_stderr
from multiprocessing.connection import Connection
from pathlib import Path

from aiohttp import web
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bench.slack import desk
from bench.slack.caller import PATH, SECRET
from demo import directory
from demo.directory import DemoDirectory
from flows.model import Person, Receipt, Request
from handlers import logs
from handlers.ports import By
from tests.browser.site import Now
from tests.company import Company, Mailbox


@contextlib.asynccontextmanager
async def bare_aiohttp() -> AsyncIterator[web.Application]:
    """The signature and the window checked over the raw bytes, and nothing else."""

    async def acknowledge(request: web.Request) -> web.Response:
        body, headers = await request.read(), request.headers
        stamp = headers["X-Slack-Request-Timestamp"]
        said = b"v0:" + stamp.encode() + b":" + body
        ours = "v0=" + hmac.new(SECRET.encode(), said, hashlib.sha256).hexdigest()
        right = hmac.compare_digest(ours, headers["X-Slack-Signature"])
        if not right or abs(time.time() - int(stamp)) > 300:
            return web.Response(status=401)
        return web.Response()

    yield _served([web.post(PATH, acknowledge)])


@contextlib.asynccontextmanager
async def bare_bolt() -> AsyncIterator[web.Application]:
    """One listener that acknowledges, behind Bolt's own server. Bolt asks one time who it is, and remembers."""

    async def who(request: web.Request) -> web.Response:
        return web.json_response(desk.WHO)

    async with listening(_served([web.post("/api/auth.test", who)])) as port:
        client = AsyncWebClient(token=desk.TOKEN, base_url=f"http://127.0.0.1:{port}/api/")
        app = AsyncApp(client=client, signing_secret=SECRET, process_before_response=True)

        @app.command("/desk")
        async def acknowledge(ack: AsyncAck) -> None:
            await ack()

        yield app.web_app(PATH)


def _served(routes: Sequence[web.RouteDef]) -> web.Application:
    app = web.Application()
    app.add_routes(routes)
    return app


# -- ours -----------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def acknowledging(folder: Path) -> AsyncIterator[web.Application]:
    """Everything up to the acknowledgement. The row stays undone, as if the process ended just then."""
    people = directory.create(folder / "directory.db")
    async with desk.acme(folder, people, {"directory": people}) as (house, slack):
        slack.inbox.put = lambda key, work: None  # type: ignore[method-assign]
        yield desk.pages(house, slack)


class Hanging(DemoDirectory):
    """A directory and a connector that answer until they hang, and then never again."""

    hung = False

    async def person(self, id: str) -> Person | None:
        await self._reached()
        return await super().person(id)

    async def find(self, by: By, value: str) -> Sequence[Person]:
        await self._reached()
        return await super().find(by, value)

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        await self._reached()
        return await super().carry_out(request, key, secret)

    async def _reached(self) -> None:
        if self.hung:
            await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def hanging(folder: Path) -> AsyncIterator[web.Application]:
    """Changes are under way that never come to an end, and every delivery waits for Slack, which says nothing."""
    directory.create(folder / "directory.db")
    people = Hanging(folder / "directory.db")
    silent = await asyncio.start_server(_say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    api = f"http://127.0.0.1:{port}/api/"
    async with desk.acme(folder, people, {"directory": people}, api) as (house, slack):
        house.worker.messenger = slack.messenger
        company = Company(house, people, Mailbox(), Now())
        for person in ("maya", "omar", "nina", "ravi", "eve", "sam"):
            phone = await company.enrolled(person)
            await house.accounts.connect(person, f"slack/T0ACME/U0{person.upper()}", "CS-00000")
            for playbook in ("password_reset", "account_unlock"):
                await company.proves(await company.asks(playbook, person), phone)
        people.hung = True
        working = asyncio.create_task(house.worker.run())
        yield desk.pages(house, slack)
        working.cancel()
        await slack.inbox.stop(patience=0.0)
    silent.close()


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


# -- Slack's own Web API ----------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def web_api() -> AsyncIterator[web.Application]:
    """Says yes to everything, and knows everybody."""
    numbers = itertools.count(1)

    async def answer(request: web.Request) -> web.Response:
        said = {**request.query, **await request.post()}
        if request.content_type == "application/json":
            said |= await request.json()
        found: dict[str, object] = {"ok": True, "ts": f"1900000000.{next(numbers):06}"}
        match request.match_info["method"]:
            case "users.info":
                found["user"] = {"id": said["user"], "team_id": "T0ACME", "name": said["user"], "profile": {}}
            case "conversations.open":
                found["channel"] = {"id": f"D{str(said['users'])[1:]}"}
        return web.json_response(found)

    yield _served([web.route("*", "/api/{method}", answer)])


# -- a process of its own ---------------------------------------------------------------------------------

Served = AbstractAsyncContextManager[web.Application]


def _server(kind: str, folder: Path, api: str) -> Served:
    match kind:
        case "aiohttp":
            return bare_aiohttp()
        case "bolt":
            return bare_bolt()
        case "ours":
            return acknowledging(folder)
        case "hung":
            return hanging(folder)
        case "api":
            return web_api()
        case "issuer" | "teams" | "cloudadapter" | "jwt":
            return _of_teams(kind, folder, api)
        case _:
            return desk.working(kind, folder, api)


def _of_teams(kind: str, folder: Path, api: str) -> Served:
    from bench import teams_sides as sides  # its libraries take long to import

    match kind:
        case "issuer":
            return sides.issuer(folder)
        case "teams":
            return sides.ours(folder, api)
        case "cloudadapter":
            return sides.stock(api)
        case _:
            return sides.bare(api)


def serve(kind: str, folder: Path, ready: Connection, api: str = "") -> None:
    """Serve until told to stop, on the last core, Slack's API on the first. Sends the port when there is one."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(
        0, cores[:1] if kind in ("api", "issuer") else cores[-1:]
    )  # before there are threads: they follow
    with redirect_stderr(Path(os.devnull).open("w")):  # every line is made and written, but to /dev/null
        logs.configure("json")
        asyncio.run(_serve(kind, folder, ready, api))


async def _serve(kind: str, folder: Path, ready: Connection, api: str) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with _server(kind, folder, api) as app, listening(app) as port:
        ready.send(port)
        await stopped.wait()


@contextlib.asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[int]:
    """The port of this machine on which an application is served."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
