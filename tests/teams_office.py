"""A house with its Teams: the real bot behind its real gate, and a Bot Connector that keeps what it is sent.

async with teams_office(database_url, tmp_path) as acme:
    await acme.connected("maya")                       # her Teams account is hers
    await acme.says("maya", "I forgot my password")
    await acme.press("maya", "Yes, ask for it")

It has the same words as tests/office.py, so that a story can be told on either.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bot.journal import Everywhere
from bot.teams import PATH, Teams
from bot.teams_credentials import Credentials
from bot.web.server import make_app
from demo.playground import BOT as APP
from demo.playground import CHANNEL as SECURITY
from demo.playground import TENANT, object_id
from demo.workspace.serve import listening
from flows.accounts import Account
from handlers.ports import Connector, Messenger
from tests.company import Company, Hands, company

Json = dict[str, Any]


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
    tokens: set[str] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def installed(self, person: str, **changed: Any) -> str:
        """This person has the app: their conversation with it."""
        id, conversation = object_id(person), f"a:{person}"
        member = {"id": f"29:{person}", "aadObjectId": id, "name": person.capitalize(), "tenantId": TENANT}
        self.members[conversation] = {id: {**member, "userRole": "user", **changed}}
        return conversation

    async def answer(self, request: web.Request) -> web.Response:
        """One call of the Connector's."""
        found = request.match_info
        self.calls.append((request.method, request.path))
        self.tokens.add(request.headers.get("Authorization", ""))
        for index, (method, status, headers) in enumerate(self.faults):
            if method == request.method:
                del self.faults[index]
                return web.json_response({"error": {"code": "Fault"}}, status=status, headers=headers)
        conversation = found["conversation"]
        if conversation not in self.members and conversation != SECURITY:
            return web.json_response({"error": {"code": "BotNotInConversationRoster"}}, status=403)
        if request.method == "GET":
            return web.json_response({"members": list(self.members.get(conversation, {}).values())})
        body = await request.json()
        card = body["attachments"][0]["content"]
        if request.method == "PUT":
            message = self.messages.get(found["activity"])
            if message is None:
                return web.json_response({"error": {"code": "ActivityNotFound"}}, status=404)
            message.card, message.body, message.changes = card, body, message.changes + 1
        else:
            message = Message(f"17{next(self.numbers):011}", conversation, card, body)
            self.messages[message.id] = message
        return web.json_response({"id": message.id})


@dataclass(frozen=True)
class TeamsOffice:
    """The house, its bot, the tenant, and everybody's hands in it."""

    company: Company
    teams: Teams
    tenant: Tenant
    port: int
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def connected(self, *people: str) -> None:
        """Their Teams accounts are theirs, as if they had connected them; the app is installed."""
        for person in people:
            self.tenant.installed(person)
            account = f"teams/{TENANT}/{object_id(person)}"
            await self.company.house.accounts.connect(person, account, "CS-00000")

    async def settled(self) -> None:
        """Everything on its way has arrived: deliveries, decisions, effects, cards."""
        await self.teams.inbox.idle()
        await self.company.worker.drain()

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

    async def says(self, person: str, text: str) -> None:
        """Write to the bot, and wait until it has answered."""
        status, _ = await self.post(self.activity(person, text=text, textFormat="plain"))
        assert status == 200
        await self.settled()

    async def press(self, person: str, label: str, message: Message | None = None) -> Any:
        """Press the button with this label on the latest message that has one; gives what Teams was answered."""
        for one in [message] if message else reversed(self.messages(person)):
            for action in actions(one):
                if action["title"] == label and action["type"] != "Action.ShowCard":
                    status, answer = await self.post(self.pressed(person, action, one.id))
                    assert status == 200
                    await self.settled()
                    return answer
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

    async def fills(self, person: str, dialog: Any, **values: str) -> Any:
        """Send a dialog's form with these values; gives what Teams was answered."""
        card = dialog["task"]["value"]["card"]["content"]
        (send,) = card["actions"]
        value = {"data": {**send["data"], **values}}
        status, answer = await self.post(
            self.activity(person, type="invoke", name="task/submit", value=value)
        )
        assert status == 200
        await self.settled()
        return answer

    def read(self, message: Message) -> str:
        """Every text in a message."""
        return words(message)

    def said(self, person: str) -> list[Message]:
        """What the bot said to this person."""
        return self.messages(person)

    def account(self, person: str) -> Account:
        """This person's account."""
        return Account("teams", TENANT, object_id(person))

    def links(self, message: Message) -> list[str]:
        """Where a message's links lead."""
        return [action["url"] for action in actions(message) if "url" in action]

    async def refusals(self) -> list[str]:
        """The names of every refusal on record, oldest first."""
        return await self.company.refusals()

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


def settings(tenant: Tenant, **more: Any) -> dict[str, Any]:
    """The settings of a house that is connected to a tenant."""
    return {
        "teams_app_id": APP,
        "teams_tenant": TENANT,
        "teams_channel": SECURITY,
        "teams_service_url": tenant.url,
        "teams_development": True,
        **more,
    }


@contextlib.asynccontextmanager
async def teams_office(
    database_url: str,
    folder: Path,
    *,
    tenant: Tenant | None = None,
    hands: Hands | None = None,
    connectors: Mapping[str, Connector] | None = None,
    signed_in: Credentials | None = None,
    **more: Any,
) -> AsyncIterator[TeamsOffice]:
    """A house and its tenant."""
    async with contextlib.AsyncExitStack() as stack:
        there = tenant or await stack.enter_async_context(connector())
        acme = await stack.enter_async_context(
            company(database_url, folder, hands=hands, connectors=connectors, **settings(there, **more))
        )
        yield await stack.enter_async_context(beside(acme, there, acme.mailbox, signed_in))


@contextlib.asynccontextmanager
async def beside(
    acme: Company, tenant: Tenant, messenger: Messenger, signed_in: Credentials | None = None
) -> AsyncIterator[TeamsOffice]:
    """Teams in front of a house, which goes on telling `messenger`, too."""
    teams = Teams(acme.house, signed_in, limits=())
    acme.worker.messenger = Everywhere(messenger, teams.messenger)
    app = make_app(acme.house)
    teams.add_routes(app)
    async with listening(app, patience=0.1) as port:
        teams.start()
        await teams.connected()
        try:
            yield TeamsOffice(acme, teams, tenant, port)
        finally:
            await teams.stop()
