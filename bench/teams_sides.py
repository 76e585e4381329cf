"""Three servers that acknowledge a message of Teams', and whoever signs their tokens, each in a process of its own.

issuer        announces the keys and writes a token for the caller. It isn't measured.
teams         the real bot behind its gate, on SQLite with synchronous=FULL: checked, on the disk, answered. What is
              decided afterwards is held back.
cloudadapter  the SDK's own way: CloudAdapterBase with JWT, whose turn handler does nothing.
jwt           aiohttp, and PyJWT with the key at hand: the least that checks a token at each request.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
from aiohttp import ClientSession, web
from botbuilder.core import ActivityHandler
from botbuilder.core.cloud_adapter_base import CloudAdapterBase
from botbuilder.schema import Activity
from botframework.connector.auth import (
    BotFrameworkAuthenticationFactory,
    PasswordServiceClientCredentialFactory,
)

from bot.teams import PATH, Teams
from bot.teams_credentials import Nobody
from bot.web.server import make_app
from demo import directory
from handlers.connectors.countersign import Countersign
from handlers.house import Outside, build
from handlers.settings import Config
from storage.setup import DEMO
from tests.company import Mailbox, settings_for
from tests.teams_issuer import APP, ISSUER, Issuer, claims, signed
from tests.teams_tenant import SECURITY, TENANT, object_id

SERVICE = "https://smba.trafficmanager.net/emea/"


@contextlib.asynccontextmanager
async def issuer(folder: Path) -> AsyncIterator[web.Application]:
    """The announcement and the keys; the token stands in the folder."""
    made = Issuer()
    app = web.Application()

    async def announced(request: web.Request) -> web.StreamResponse:
        made.port = int(str(request.url.port))
        return await made.announced(request)

    app.router.add_get("/openid", announced)
    app.router.add_get("/keys", made.keys)
    (folder / "token").write_text(signed(claims(time.time(), serviceurl=SERVICE)))
    yield app


@contextlib.asynccontextmanager
async def ours(folder: Path, openid_url: str) -> AsyncIterator[web.Application]:
    """Everything up to the acknowledgement. The row stays undone, as if the process ended just then."""
    people = directory.create(folder / "directory.db")
    settings = settings_for(
        f"sqlite:///{folder / 'desk.db'}",
        folder,
        teams_app_id=APP,
        teams_tenant=TENANT,
        teams_channel=SECURITY,
        teams_managed_identity="system",
        teams_openid_url=openid_url,
    )
    outside = Outside(people, {"directory": people}, Mailbox())
    house = await build(settings, Config(demo=True), outside, Countersign, DEMO)
    teams = Teams(house, Nobody())
    teams.inbox.put = lambda key, work: None  # type: ignore[method-assign]
    teams.start()
    await teams.connected()
    app = make_app(house)
    teams.add_routes(app)
    yield app
    await teams.stop()
    await house.close()


@contextlib.asynccontextmanager
async def stock(openid_url: str) -> AsyncIterator[web.Application]:
    """As Microsoft's samples put it together, but for where the keys are announced."""
    known = BotFrameworkAuthenticationFactory.create(
        validate_authority=True,
        to_channel_from_bot_login_url="https://login.microsoftonline.com/botframework.com",
        to_channel_from_bot_oauth_scope=ISSUER,
        to_bot_from_channel_token_issuer=ISSUER,
        oauth_url=ISSUER,
        to_bot_from_channel_open_id_metadata_url=openid_url,
        to_bot_from_emulator_open_id_metadata_url=openid_url,
        credential_factory=PasswordServiceClientCredentialFactory(APP, "a-password"),
    )
    adapter, handler = CloudAdapterBase(known), ActivityHandler()

    async def answer(request: web.Request) -> web.Response:
        activity = Activity().deserialize(await request.json())
        await adapter.process_activity(request.headers["Authorization"], activity, handler.on_turn)
        return web.Response()

    yield _served(answer)


@contextlib.asynccontextmanager
async def bare(openid_url: str) -> AsyncIterator[web.Application]:
    """The token checked at each request, with a key that was fetched before, and nothing else."""
    async with ClientSession() as session, session.get(openid_url) as said:
        announced = await said.json()
    async with ClientSession() as session, session.get(announced["jwks_uri"]) as said:
        key = jwt.PyJWK((await said.json())["keys"][0]).key

    async def answer(request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        said = jwt.decode(token, key, algorithms=["RS256"], audience=APP, issuer=ISSUER)
        activity = json.loads(await request.read())
        return web.Response(status=200 if activity["serviceUrl"] == said["serviceurl"] else 403)

    yield _served(answer)


def _served(answer: Callable[[web.Request], Any]) -> web.Application:
    app = web.Application()
    app.router.add_post(PATH, answer)
    return app


def messages(token: str) -> Callable[[], bytes]:
    """A maker of messages: none like another."""
    run, numbers = secrets.token_hex(4), itertools.count()
    activity = {
        "type": "message",
        "id": "NUMBER",
        "timestamp": "2026-11-26T12:00:00.000Z",
        "channelId": "msteams",
        "serviceUrl": SERVICE,
        "from": {"id": "29:maya", "name": "Maya Lindqvist", "aadObjectId": object_id("maya")},
        "conversation": {"conversationType": "personal", "tenantId": TENANT, "id": "a:maya"},
        "recipient": {"id": f"28:{APP}", "name": "Countersign"},
        "text": "I forgot my password",
        "textFormat": "plain",
        "locale": "en-US",
        "channelData": {"tenant": {"id": TENANT}},
        "entities": [{"type": "clientInfo", "locale": "en-US", "country": "US", "platform": "Web"}],
    }
    before, after = json.dumps(activity).split("NUMBER")

    def make() -> bytes:
        body = f"{before}{run}-{next(numbers)}{after}"
        return (
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Microsoft-SkypeBotApi\r\n"
            f"Content-Type: application/json; charset=utf-8\r\nAuthorization: {token}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    return make
