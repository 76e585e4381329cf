"""Slack: one app over Socket Mode or signed HTTP. A delivery is checked, on the disk, acknowledged, then decided."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Mapping
from typing import Any

import structlog
from aiohttp import web
from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from bot import block_kit, gate
from bot.gate import Refused, SlackPost
from bot.inbox import Inbox
from bot.messenger import ChatMessenger
from bot.slack_client import PACE, PLATFORM, SlackClient
from bot.slack_listeners import listen
from bot.slack_work import SlackWork
from bot.verbs import Chat
from handlers.deliveries import Deliveries, Delivery
from handlers.house import House
from handlers.worker import backoff

log = structlog.get_logger()

PATH = "/slack/events"


class Slack:
    """One workspace's app in front of one house."""

    def __init__(self, house: House, *, pace: float = PACE) -> None:
        settings = house.settings
        assert settings.slack_bot_token and settings.security_channel  # noqa: S101,PT018  settings see to it
        self._settings = settings
        self.client = SlackClient(settings.slack_bot_token, settings.slack_api_url, pace=pace)
        self.messenger = ChatMessenger(house, PLATFORM, self.client, block_kit, settings.security_channel)
        self.inbox = Inbox(Deliveries(house.store), PLATFORM)
        self._app = _bolt(self.client)
        listen(self._app, SlackWork(Chat(house, self.client), self.client, self.inbox))
        self._socket: SocketModeClient | None = None
        self._connecting: asyncio.Task[None] | None = None

    # -- coming and going ---------------------------------------------------------------------------

    def add_routes(self, app: web.Application) -> None:
        """Serve signed HTTP, if there is a secret to check it with."""
        if self._settings.slack_signing_secret:
            app.router.add_post(PATH, self._posted)

    def start(self) -> None:
        """Find out who we are, take up what is undone, then listen. Slack may be away meanwhile; nothing is lost."""
        self._connecting = asyncio.create_task(self._connect())

    async def connected(self) -> None:
        """Wait until Slack knows us and everything undone is taken up."""
        assert self._connecting is not None  # noqa: S101  start() comes first
        await self._connecting

    async def stop(self) -> None:
        """Hang up, and leave what isn't finished in a moment for the next start."""
        if self._connecting is not None:
            self._connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._connecting
        if self._socket is not None:
            await self._socket.close()  # type: ignore[no-untyped-call]
        await self.inbox.stop()

    async def _connect(self) -> None:
        attempt = 0
        while not self.client.team:
            try:
                await self.client.identify()
            except Exception as failure:  # noqa: BLE001  Slack is away, or says no: the doctor tells which
                attempt += 1
                log.error("slack_unreachable", error=type(failure).__name__)
                await asyncio.sleep(backoff(attempt))
        log.info("slack_connected", team=self.client.team)
        await self.inbox.resume(self._resumed)
        if self._settings.slack_app_token:
            web_client = AsyncWebClient(
                token=self._settings.slack_app_token, base_url=self._settings.slack_api_url
            )
            self._socket = SocketModeClient(self._settings.slack_app_token, web_client=web_client)
            self._socket.socket_mode_request_listeners.append(self._enveloped)
            await self._socket.connect()  # type: ignore[no-untyped-call]

    # -- the two ways in ------------------------------------------------------------------------------

    async def _posted(self, request: web.Request) -> web.Response:
        try:
            body = await gate.body_of(request)
            post = gate.slack(request.headers, body, self._settings.slack_signing_secret, time.time())
        except Refused as refused:
            log.warning("slack_refused", status=refused.status, reason=refused.reason)
            return web.Response(status=refused.status)
        if post.kind == "url_verification":
            return web.Response(text=str(post.payload["challenge"]))
        answer = BoltResponse(status=200) if post.kind == "ssl_check" else await self._taken(post)
        headers = {name: values[0] for name, values in answer.headers.items()}
        return web.Response(status=answer.status, text=answer.body, headers=headers)

    async def _enveloped(self, socket: AsyncBaseSocketModeClient, envelope: SocketModeRequest) -> None:
        began = time.time()
        try:
            answer = await self._taken(gate.socket(envelope.payload))
        except Refused as refused:
            log.warning("slack_refused", status=refused.status, reason=refused.reason)
            answer = BoltResponse(status=200)  # said again it would be the same
        await send_async_response(socket, envelope, answer, began)

    async def _taken(self, post: SlackPost) -> BoltResponse:
        """On the disk first. What came before is acknowledged, no more."""
        body = json.dumps(post.payload).encode()
        if await self.inbox.take(Delivery(post.key, body)):
            return await self._dispatch(post.key, post.payload)
        return BoltResponse(status=200)

    async def _resumed(self, delivery: Delivery) -> None:
        await self._dispatch(delivery.key, json.loads(delivery.body))

    async def _dispatch(self, key: str, payload: Mapping[str, Any]) -> BoltResponse:
        request = AsyncBoltRequest(mode="socket_mode", body=dict(payload), context={"delivery": key})
        answer: BoltResponse = await self._app.async_dispatch(request)
        if answer.status == 404:  # nothing we listen to
            await self.inbox.deliveries.finish(key)
        if answer.status != 200:
            return BoltResponse(status=200)
        return answer


def _bolt(client: SlackClient) -> AsyncApp:
    """Bolt behind our own gate: it neither checks signatures nor waits, and asks Slack for nothing."""

    async def authorize(**_: object) -> AuthorizeResult:
        who = client.identity
        return AuthorizeResult(
            enterprise_id=who.get("enterprise_id"),
            team_id=who.get("team_id"),
            bot_user_id=who.get("user_id"),
            bot_id=who.get("bot_id"),
            bot_token=client.web.token,
        )

    quiet = logging.getLogger("slack_bolt")
    quiet.setLevel(logging.ERROR)  # its warnings tell of payloads
    return AsyncApp(
        client=AsyncWebClient(base_url=client.web.base_url),  # the token comes with `authorize`
        logger=quiet,
        authorize=authorize,
        process_before_response=True,
        request_verification_enabled=False,
        ssl_check_enabled=False,
        url_verification_enabled=False,
        attaching_function_token_enabled=False,
        ignoring_self_events_enabled=False,  # our own words are read and left, so that their delivery is done
    )
