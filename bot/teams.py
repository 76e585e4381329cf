"""Microsoft Teams: one bot of one tenant. The only file that knows the Bot Framework's SDK.

Microsoft has archived it. Whatever replaces it has to tell kinds of activities apart and hand back what an invoke is
answered with; token, gate, reading, cards and messages are ours (docs/decisions/0017).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from typing import Any

import structlog
from aiohttp import web
from botbuilder.core import ActivityHandler, BotAdapter, InvokeResponse, TurnContext
from botbuilder.schema import Activity, ActivityTypes, ConversationReference, ResourceResponse

from bot import adaptive, gate, teams_gate
from bot.gate import Refused
from bot.inbox import Inbox
from bot.messenger import ChatMessenger
from bot.teams_client import LIMITS, PLATFORM, Limits, TeamsClient
from bot.teams_credentials import Credentials, credentials
from bot.teams_gate import Allowed, TeamsPost
from bot.teams_shape import Kind, kind_of
from bot.teams_tokens import Tokens
from bot.teams_work import PATIENCE, TeamsWork
from bot.verbs import Chat
from handlers.deliveries import Deliveries, Delivery
from handlers.house import House

log = structlog.get_logger()

PATH = "/api/messages"
Json = Mapping[str, Any]


class Teams:
    """One tenant's bot in front of one house."""

    def __init__(
        self,
        house: House,
        signed_in: Credentials | None = None,
        *,
        limits: Limits = LIMITS,
        patience: float = PATIENCE,
    ) -> None:
        settings = house.settings
        assert settings.teams_app_id and settings.teams_tenant  # noqa: S101,PT018  settings see to it
        tenant, service = settings.teams_tenant, settings.teams_service_url
        signed_in = signed_in or credentials(settings)
        self.client = TeamsClient(
            settings.teams_app_id, tenant, service, house.conversations, signed_in, limits=limits
        )
        self.messenger = ChatMessenger(
            house, PLATFORM, self.client, adaptive, settings.teams_channel or "", self.client
        )
        self.inbox = Inbox(Deliveries(house.store), PLATFORM)
        self._allowed = Allowed(tenant, service)
        self._tokens = Tokens(settings.teams_app_id, settings.teams_openid_url, time.time)
        self._believes = settings.teams_development
        chat = Chat(house, self.client)
        self._turns = Turns(TeamsWork(chat, self.messenger, self.client, self.inbox, patience))
        self._taking_up: asyncio.Task[None] | None = None
        if settings.teams_development:
            log.critical("teams_believes_everybody", remedy="unset COUNTERSIGN_TEAMS_DEVELOPMENT")

    def add_routes(self, app: web.Application) -> None:
        """Serve the address that Teams posts to."""
        app.router.add_post(PATH, self._posted)

    def start(self) -> None:
        """Take up what is undone, and begin with what comes."""
        self._taking_up = asyncio.create_task(self.inbox.resume(self._resumed))

    async def connected(self) -> None:
        """Wait until everything undone is taken up."""
        assert self._taking_up is not None  # noqa: S101  start() comes first
        await self._taking_up

    async def stop(self) -> None:
        """Leave what isn't finished in a moment for the next start."""
        if self._taking_up is not None:
            self._taking_up.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._taking_up
        await self.inbox.stop()
        await self.client.close()
        await self._tokens.close()

    async def _posted(self, request: web.Request) -> web.Response:
        try:
            body = await gate.body_of(request)
            tokens = None if self._believes else self._tokens
            post = await teams_gate.teams(request.headers, body, tokens, self._allowed)
        except Refused as refused:
            log.warning("teams_refused", status=refused.status, reason=refused.reason)
            return web.Response(status=refused.status)
        answer = await self._taken(post)
        return web.Response() if answer is None else web.json_response(answer, dumps=adaptive.written)

    async def _taken(self, post: TeamsPost) -> Json | None:
        """On the disk first. What came before is acknowledged, no more."""
        delivery = Delivery(post.key, json.dumps(post.activity).encode())
        if await self.inbox.take(delivery):
            return await self._turns.run(post.key, post.kind, post.activity)
        return None

    async def _resumed(self, delivery: Delivery) -> None:
        activity = json.loads(delivery.body)
        await self._turns.run(delivery.key, kind_of(activity), activity)


class Turns(ActivityHandler):  # type: ignore[misc]  # the SDK has no types
    """The SDK's own handler. It is shown what it tells activities apart by; we go on with what came."""

    def __init__(self, work: TeamsWork) -> None:
        super().__init__()
        self._work = work

    async def run(self, key: str, kind: Kind, activity: Json) -> Json | None:
        """One turn. Gives what an invoke is answered with. A defect leaves the delivery undone."""
        adapter = Answers()
        turn = TurnContext(adapter, Activity(type=activity["type"], name=activity.get("name")))
        turn.turn_state["came"] = (key, kind, activity)
        try:
            await self.on_turn(turn)
        except Exception as error:  # noqa: BLE001  a defect of ours
            log.error("listener_failed", delivery=key, error=type(error).__name__)
        return adapter.body

    async def on_message_activity(self, turn: TurnContext) -> None:
        """Something was written, or a button of the older kind pressed."""
        key, kind, activity = turn.turn_state["came"]
        if kind == "submit":
            self._work.pressed(key, activity, kind)
        else:
            self._work.written(key, activity)

    async def on_invoke_activity(self, turn: TurnContext) -> InvokeResponse:
        """A button was pressed, a dialog is wanted or filled in, or somebody looks at a room's card."""
        key, kind, activity = turn.turn_state["came"]
        body: Json | None = None
        match kind:
            case "execute":
                body = self._work.pressed(key, activity, kind)
            case "look":
                body = await self._work.looked(key, activity)
            case "fetch":
                body = await self._work.fetched(key, activity)
            case "filled":
                body = await self._work.filled(key, activity)
            case _:
                self._work.nothing(key)
        return InvokeResponse(status=200, body=body)

    async def on_installation_update(self, turn: TurnContext) -> None:
        """The app was installed or removed."""
        key, kind, activity = turn.turn_state["came"]
        (self._work.arrived if kind == "arrived" else self._work.left)(key, activity)

    async def on_conversation_update_activity(self, turn: TurnContext) -> None:
        """Somebody came or went: the installation says what we need to know."""
        self._work.nothing(turn.turn_state["came"][0])

    async def on_unrecognized_activity_type(self, turn: TurnContext) -> None:
        """Whatever else there is."""
        self._work.nothing(turn.turn_state["came"][0])

    on_message_reaction_activity = on_unrecognized_activity_type
    on_message_update_activity = on_unrecognized_activity_type
    on_message_delete_activity = on_unrecognized_activity_type
    on_event_activity = on_unrecognized_activity_type
    on_typing_activity = on_unrecognized_activity_type
    on_end_of_conversation_activity = on_unrecognized_activity_type


class Answers(BotAdapter):  # type: ignore[misc]  # the SDK has no types
    """What the SDK sends its answers through. It keeps an invoke's; messages go through TeamsClient instead."""

    def __init__(self) -> None:
        super().__init__()
        self.body: Json | None = None

    async def send_activities(
        self, context: TurnContext, activities: list[Activity]
    ) -> list[ResourceResponse]:
        """Keep the answer to an invoke."""
        for activity in activities:
            if activity.type != ActivityTypes.invoke_response:
                raise RuntimeError("messages go through TeamsClient")
            self.body = activity.value.body
        return [ResourceResponse() for _ in activities]

    async def update_activity(self, context: TurnContext, activity: Activity) -> None:
        """Not this way."""
        raise RuntimeError("messages go through TeamsClient")

    async def delete_activity(self, context: TurnContext, reference: ConversationReference) -> None:
        """Not this way."""
        raise RuntimeError("messages go through TeamsClient")
