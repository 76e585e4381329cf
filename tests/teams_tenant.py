"""A tenant: the Bot Connector's end, which keeps what it is sent, and everybody's Teams before a bot."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from bot.teams import PATH
from demo.playground import BOT as APP
from demo.playground import CHANNEL as SECURITY
from demo.playground import TENANT, object_id
from demo.workspace.serve import listening
from tests.pieces import in_pieces

Json = dict[str, Any]
TEAM = "19:general@thread.tacv2"  # a channel of a team that has the bot


@dataclass
class Message:
    """One message as it stands now, and how often it was changed."""

    id: str
    conversation: str
    card: Json
    body: Json
    changes: int = 0


@dataclass
class Tenant:
    """The Bot Connector's end: who is in which conversation, and what stands there."""

    url: str = ""
    messages: dict[str, Message] = field(default_factory=dict)
    members: dict[str, dict[str, Json]] = field(default_factory=dict)
    faults: list[tuple[str, int, dict[str, str]]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)  # methods that are never answered
    gone: set[str] = field(default_factory=set)  # conversations that we may not write to any more
    garbage: list[tuple[str, bytes]] = field(default_factory=list)  # methods, and what is answered instead
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    tokens: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def installed(self, person: str, **changed: Any) -> str:
        """This person has the app: their conversation with it."""
        id, conversation = object_id(person), f"a:{person}"
        member = {"id": f"29:{person}", "aadObjectId": id, "name": person.capitalize(), "tenantId": TENANT}
        self.members[conversation] = {id: {**member, "userRole": "user", **changed}}
        return conversation

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One call of the Connector's."""
        found = request.match_info
        self.calls.append((request.method, request.path))
        self.tokens.add(request.headers.get("Authorization", ""))
        if request.method in self.silent:
            await asyncio.Event().wait()
        for index, (method, status, headers) in enumerate(self.faults):
            if method == request.method:
                del self.faults[index]
                return await in_pieces(request, {"error": {"code": "Fault"}}, status, headers)
        for index, (method, body) in enumerate(self.garbage):
            if method == request.method:
                del self.garbage[index]
                return await in_pieces(request, body)
        conversation = found["conversation"].partition(";messageid=")[0]
        if conversation in self.gone or conversation not in {*self.members, SECURITY, TEAM}:
            return await in_pieces(request, {"error": {"code": "BotNotInConversationRoster"}}, 403)
        if request.method == "GET":
            members = self.members.get(conversation, {}).values()
            return await in_pieces(request, {"members": list(members)})
        content = await request.json()
        card = content["attachments"][0]["content"]
        if request.method == "PUT":
            message = self.messages.get(found["activity"])
            if message is None:
                return await in_pieces(request, {"error": {"code": "ActivityNotFound"}}, 404)
            message.card, message.body, message.changes = card, content, message.changes + 1
        else:
            message = Message(f"17{next(self.numbers):011}", conversation, card, content)
            self.messages[message.id] = message
        self.changed.set()
        return await in_pieces(request, {"id": message.id})


@dataclass(frozen=True)
class Client:
    """What people see in Teams, and what it posts to the bot on this port for them."""

    tenant: Tenant
    port: int
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), kw_only=True)

    def messages(self, person: str) -> list[Message]:
        """What stands in the conversation between this person and the bot, oldest first."""
        return [each for each in self.tenant.messages.values() if each.conversation == f"a:{person}"]

    def security(self) -> list[Message]:
        """What stands in security's channel."""
        return [each for each in self.tenant.messages.values() if each.conversation == SECURITY]

    def last(self, person: str) -> Message:
        """The latest message there."""
        return self.messages(person)[-1]

    def activity(self, person: str, **more: Any) -> Json:
        """What Teams would post about this person."""
        return {
            "type": "message",
            "id": f"f:{next(self.numbers)}",
            "timestamp": "2026-11-26T12:00:00.000Z",
            "channelId": "msteams",
            "serviceUrl": self.tenant.url,
            "from": {"id": f"29:{person}", "name": person.capitalize(), "aadObjectId": object_id(person)},
            "conversation": {"conversationType": "personal", "tenantId": TENANT, "id": f"a:{person}"},
            "recipient": {"id": f"28:{APP}", "name": "Countersign"},
            "channelData": {"tenant": {"id": TENANT}},
            "locale": "en-US",
            **more,
        }

    async def post(self, activity: Json, token: str = "") -> tuple[int, Any]:
        """Post it to the bot; gives its status and what it answered."""
        headers = {"Authorization": token} if token else {}
        async with (
            aiohttp.ClientSession() as web,
            web.post(f"http://127.0.0.1:{self.port}{PATH}", json=activity, headers=headers) as answer,
        ):
            return answer.status, await answer.json() if answer.content_type == "application/json" else None

    def pressing(self, person: str, label: str, message: Message | None = None) -> Json:
        """What Teams posts for a press on the latest button of this label that this person sees."""
        for one in [message] if message else reversed(self.messages(person)):
            for action in actions(one):
                if action["title"] == label and action["type"] != "Action.ShowCard":
                    return self.pressed(person, action, one.id)
        raise AssertionError(f"{person} sees no button {label!r}; there is {self.labels(person)}")

    def pressed(self, person: str, action: Json, message: str) -> Json:
        """What Teams posts for a press."""
        if action["type"] == "Action.Execute":
            value: Json = {"action": {**action, "type": "Action.Execute"}, "trigger": "manual"}
            return self.activity(
                person, type="invoke", name="adaptiveCard/action", value=value, replyToId=message
            )
        if action["data"].get("msteams") == {"type": "task/fetch"}:
            data = {name: each for name, each in action["data"].items() if name != "msteams"}
            return self.activity(
                person, type="invoke", name="task/fetch", value={"data": data}, replyToId=message
            )
        return self.activity(person, value=action["data"], replyToId=message)

    def read(self, message: Message) -> str:
        """Every text in a message."""
        return words(message)

    def said(self, person: str) -> list[Message]:
        """What the bot said to this person."""
        return self.messages(person)

    def links(self, message: Message) -> list[str]:
        """Where a message's links lead."""
        return [action["url"] for action in actions(message) if "url" in action]

    def labels(self, person: str) -> list[str]:
        """What can be pressed in a conversation."""
        return [action["title"] for one in self.messages(person) for action in actions(one)]


def actions(thing: Any) -> list[Json]:
    """Every action on a message or in a card, those that unfold first included."""
    card = thing.card if isinstance(thing, Message) else thing
    found: list[Json] = []
    if isinstance(card, Mapping):
        if str(card.get("type", "")).startswith("Action."):
            found.append(dict(card))
        for name, value in card.items():
            if name != "fallback":
                found += actions(value)
    elif isinstance(card, list):
        for each in card:
            found += actions(each)
    return found


def words(thing: Any) -> str:
    """Every text in a message or a card, in one string."""
    card = thing.card if isinstance(thing, Message) else thing
    if isinstance(card, Mapping):
        read = [value for name, value in card.items() if name in TEXTS or not isinstance(value, str)]
        return " ".join(filter(None, map(words, read)))
    if isinstance(card, list):
        return " ".join(filter(None, map(words, card)))
    return card if isinstance(card, str) else ""


TEXTS = ("text", "title", "label")


@contextlib.asynccontextmanager
async def connector() -> AsyncIterator[Tenant]:
    """A Bot Connector on a port of this machine."""
    tenant = Tenant()
    app = web.Application()
    app.router.add_route("*", "/v3/conversations/{conversation}/activities/{activity}", tenant.answer)
    app.router.add_get("/v3/conversations/{conversation}/pagedmembers", tenant.answer)
    app.router.add_route("*", "/v3/conversations/{conversation}/activities", tenant.answer)
    async with listening(app, patience=0.1) as port:
        tenant.url = f"http://localhost:{port}/"
        yield tenant
