"""A house with its Slack: the real Bolt app, over the workspace's real protocols, on either transport.

async with office(database_url, tmp_path) as acme:
    await acme.connected("maya")                       # her Slack account is hers
    await acme.acts.say("maya", "I forgot my password")
    await acme.settled()
    await acme.press("maya", "Yes, ask for it")
"""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.journal import Everywhere
from bot.slack import PATH, Slack
from bot.web.server import make_app
from demo.workspace.acts import Acts
from demo.workspace.deliver import Answer
from demo.workspace.installed import Installed, Pace
from demo.workspace.people import SECURITY
from demo.workspace.serve import serving
from demo.workspace.workspace import Workspace
from demo.workspace.world import Message, World
from flows.accounts import Account
from handlers.ports import Connector, Directory
from tests.company import Company, Hands, company

SIGNING = "a-signing-secret-for-tests-0123456789"
BOT, APP = "xoxb-for-tests", "xapp-for-tests"


@dataclass(frozen=True)
class Office:
    """The house, its Slack app, the workspace, and everybody's hands in it."""

    company: Company
    slack: Slack
    workspace: Workspace
    acts: Acts

    async def connected(self, *people: str) -> None:
        """Their Slack accounts are theirs, as if they had connected them."""
        for person in people:
            await self.company.house.accounts.connect(person, f"slack/T0ACME/U0{person.upper()}", "CS-00000")

    async def settled(self) -> None:
        """Everything on its way has arrived: deliveries, decisions, effects, cards."""
        await self.workspace.post.idle()
        await self.slack.inbox.idle()
        await self.company.worker.drain()

    def messages(self, person: str) -> list[Message]:
        """What stands in the conversation between this person and the bot, oldest first."""
        member = self.workspace.world.find(person)
        assert member is not None
        return self.workspace.world.history(member.im, member.id)

    def security(self) -> list[Message]:
        """What stands in security's channel."""
        return self.workspace.world.history(SECURITY.id)

    def last(self, person: str) -> Message:
        """The latest message of the bot's there."""
        return [message for message in self.messages(person) if message.body.get("bot_id")][-1]

    async def press(self, person: str, label: str, message: Message | None = None) -> Answer:
        """Press the button with this label on the latest message that has one."""
        for one in [message] if message else reversed(self.messages(person)):
            for button in buttons(one):
                if words(button["text"]) == label:
                    pressed = await self.acts.press(person, None, one.ts, button["action_id"])
                    await self.settled()
                    return pressed
        raise AssertionError(f"{person} sees no button {label!r}; there is {self.labels(person)}")

    async def fills(self, person: str, label: str, *tries: Mapping[str, str]) -> list[str]:
        """Open the form behind the button with this label, and send it with each of these; gives what is wrong."""
        await self.press(person, label)
        wrong = []
        for values in tries:
            self.acts.fill(person, dict(values))
            await self.acts.submit(person)
            await self.settled()
            wrong.append(" ".join(self.workspace.screens.of(self.account(person).id).errors.values()))
        return wrong

    async def meddles(self, person: str, owner: str, label: str) -> None:
        """Press a button that stands in another person's conversation, as whoever holds the signing secret could."""
        theirs = self.last(owner)
        (pressed,) = [each for each in buttons(theirs) if words(each["text"]) == label]
        where = self.workspace.world.people[self.account(owner).id].im
        await self.acts.forge(
            person,
            {
                "type": "block_actions",
                "actions": [{"block_id": "b", **pressed}],
                "channel": {"id": where},
                "container": {"type": "message", "message_ts": theirs.ts, "channel_id": where},
            },
        )
        await self.settled()

    async def says(self, person: str, text: str) -> None:
        """Write to the bot, and wait until it has answered."""
        await self.acts.say(person, text)
        await self.settled()

    def read(self, message: Message) -> str:
        """Every text in a message."""
        return words(message)

    def said(self, person: str) -> list[Message]:
        """What the bot said to this person."""
        return [message for message in self.messages(person) if message.body.get("bot_id")]

    def account(self, person: str) -> Account:
        """This person's account."""
        return Account("slack", "T0ACME", f"U0{person.upper()}")

    def links(self, message: Message) -> list[str]:
        """Where a message's links lead."""
        return [button["url"] for button in buttons(message) if "url" in button]

    async def refusals(self) -> list[str]:
        """The names of every refusal on record, oldest first."""
        return await self.company.refusals()

    def labels(self, person: str) -> list[str]:
        """What can be pressed in a conversation."""
        return [words(button["text"]) for one in self.messages(person) for button in buttons(one)]


def buttons(message: Message) -> list[dict[str, Any]]:
    """Every button on a message."""
    rows = [block for block in message.body.get("blocks") or [] if block["type"] == "actions"]
    return [element for row in rows for element in row["elements"] if element["type"] == "button"]


def words(thing: Any) -> str:
    """Every text in a block, a message or a view, in one string."""
    if isinstance(thing, Message):
        thing = thing.body.get("blocks") or thing.body
    if isinstance(thing, Mapping):
        return " ".join(
            filter(None, (words(v) for k, v in thing.items() if k in TEXTS or not isinstance(v, str)))
        )
    if isinstance(thing, list):
        return " ".join(filter(None, map(words, thing)))
    return thing if isinstance(thing, str) else ""


TEXTS = ("text", "alt_text")


@contextlib.asynccontextmanager
async def office(
    database_url: str,
    folder: Path,
    *,
    over: str = "http",
    world: World | None = None,
    hands: Hands | None = None,
    connectors: Mapping[str, Connector] | None = None,
    people: Directory | None = None,
    secrets: tuple[str, ...] = (SIGNING,),
    **more: Any,
) -> AsyncIterator[Office]:
    """A house and its workspace. `over`: "http" or "socket"; `more` settings of the house."""
    port = free_port()
    url = f"http://127.0.0.1:{port}{PATH}" if over == "http" else None
    patient = Pace(answer=30.0)  # a shared machine has slow moments; tests/contracts hold us to three seconds
    installed = Installed(SIGNING, BOT, "" if url else APP, url, pace=patient)
    workspace = Workspace(world or World(":memory:"), installed, "http://localhost:8080")
    async with (
        serving(workspace) as address,
        company(
            database_url,
            folder,
            hands=hands,
            connectors=connectors,
            people=people,
            **settings(over, f"{address}/api/", secrets),
            **more,
        ) as acme,
        fronted(acme, port) as slack,
    ):
        if not url:
            await workspace.post.sockets.connected()
        yield Office(acme, slack, workspace, Acts(workspace))


def settings(over: str, api_url: str, secrets: tuple[str, ...] = (SIGNING,)) -> dict[str, Any]:
    """The settings of a house that is connected to a workspace, over HTTP or Socket Mode."""
    return {
        "slack_bot_token": BOT,
        "slack_app_token": APP if over == "socket" else None,
        "slack_signing_secret": secrets if over == "http" else (),
        "slack_api_url": api_url,
        "security_channel": SECURITY.id,
    }


@contextlib.asynccontextmanager
async def fronted(acme: Company, port: int, *, wait: bool = True) -> AsyncIterator[Slack]:
    """Slack in front of a house, served on a port; connected, unless nobody waits for it."""
    slack = Slack(acme.house, pace=0.0)
    acme.worker.messenger = Everywhere(acme.mailbox, slack.messenger)
    app = make_app(acme.house)
    slack.add_routes(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    slack.start()
    if wait:
        await slack.connected()
    try:
        yield slack
    finally:
        await slack.stop()
        await runner.cleanup()


def free_port() -> int:
    """A port that nobody listens on, and none that the system gives to whoever connects."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as found:
            found.bind(("127.0.0.1", port))
            return port
