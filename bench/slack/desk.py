"""The whole desk for whole flows: many people, each with a device, a sign-in app and a Slack account of their own.

decides   what is said to people is counted and not drawn. Everything is decided, kept, proved and fulfilled.
draws     and every card is drawn as Slack would be given it, at each change.
speaks    and given to Slack: to a Web API that says yes to everything, on another core.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp
from aiohttp import web

from bench.slack.caller import SECRET
from bot.slack import Slack
from bot.slack_client import SlackClient
from bot.verbs import Profile
from bot.web.server import make_app
from flows.accounts import Account
from flows.model import Person, Receipt, Request
from handlers.connectors.countersign import Countersign
from handlers.deliveries import Delivery
from handlers.house import House, Outside, build
from handlers.people import Roster
from handlers.ports import Connector, Directory
from handlers.settings import Config
from storage.setup import DEMO
from tests.browser.site import Now
from tests.company import Company, Mailbox, handing_out, settings_for

TOKEN = "xoxb-for-benchmarks"  # noqa: S105  nobody's
TEAM = "T0ACME"
COMPANY = 1_500  # people in the directory, whether or not they ask
WHO = {"ok": True, "team_id": TEAM, "user_id": "U0BOT", "bot_id": "B0BOT", "enterprise_id": None}


@dataclass(frozen=True, slots=True)
class Employee:
    """Somebody who will ask once, and what is in their hands."""

    person: str
    device: str
    cookie: str
    seed: str
    key: str  # its browser's, as a number

    @property
    def user(self) -> str:
        """Their Slack user."""
        return f"U{self.person.upper()}"

    @property
    def conversation(self) -> str:
        """Their conversation with the app."""
        return f"D{self.person.upper()}"

    def code(self) -> str:
        """Their sign-in app's code, now."""
        return pyotp.TOTP(self.seed).now()


class Counting:
    """A connector that makes every change at once, and counts them."""

    verbs = frozenset({"reset_password", "unlock", "add_to_group", "remove_from_group"})
    demo = True

    def __init__(self) -> None:
        self.made: dict[str, Receipt] = {}

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        return self.made.setdefault(key, Receipt(f"change-{len(self.made)}", "The account is open."))

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        return self.made.get(key)

    async def undo(self, request: Request, key: str) -> Receipt:
        raise NotImplementedError


class Silent(SlackClient):
    """Slack answers at once, and nothing is sent."""

    said = itertools.count(1)

    async def post(self, channel: str, content: Mapping[str, Any], thread: str = "") -> str:
        return f"1900000000.{next(self.said):06}"

    async def whisper(self, channel: str, user: str, content: Mapping[str, Any]) -> None:
        next(self.said)

    async def update(self, channel: str, ts: str, content: Mapping[str, Any]) -> bool:
        return next(self.said) > 0

    async def direct(self, user: str) -> str:
        return f"D{user[1:]}"

    async def profile(self, account: Account) -> Profile | None:
        return Profile(account.id, True)


class Numbers(Mailbox):
    """Counts what would be said. The number that belongs where it was asked is made, as Slack's messenger does."""

    house: House

    async def tell(self, person: str, notice: str, request: Request) -> None:
        if notice == "challenge":
            await self.house.desk.number(request.id)


@contextlib.asynccontextmanager
async def acme(
    folder: Path, people: Directory, connectors: Mapping[str, Connector], api: str = "http://127.0.0.1:9/api/"
) -> AsyncIterator[tuple[House, Slack]]:
    """The house and its Slack app, as `serve` puts them together, but for who Slack says that we are."""
    settings = settings_for(
        f"sqlite:///{folder / 'desk.db'}",
        folder,
        playbooks=handing_out(),
        slack_bot_token=TOKEN,
        slack_signing_secret=(SECRET,),
        slack_api_url=api,
        security_channel="C0SECURITY",
    )
    outside = Outside(people, connectors, Mailbox())
    house = await build(settings, Config(demo=True), outside, Countersign, DEMO)
    try:
        slack = Slack(house, pace=0.0)
        slack.client.identity = WHO
        await slack.inbox.resume(_left)
        yield house, slack
    finally:
        await house.close()


async def _left(delivery: Delivery) -> None:
    """What a desk that was copied had not done stays undone."""


def pages(house: House, slack: Slack) -> web.Application:
    """Everything that is served: the device page and Slack's address."""
    app = make_app(house)
    slack.add_routes(app)
    return app


def people() -> list[Person]:
    """The company."""
    return [Person(f"p{n:05}", f"Maya Lindqvist {n}", f"maya.{n}", manager="omar") for n in range(COMPANY)]


async def hire(folder: Path, count: int) -> None:
    """Fill an empty folder: so many registered and connected, and written down in employees.json."""
    everybody = people()
    async with acme(folder, Roster(everybody), {"directory": Counting()}) as (house, _):
        company = Company(house, None, Mailbox(), Now())  # type: ignore[arg-type]  it isn't asked

        async def one(person: Person) -> Employee:
            phone = await company.enrolled(person.id, passkey=False)
            assert phone.seed is not None
            found = Employee(
                person.id,
                phone.device,
                phone.cookie,
                base64.b32encode(phone.seed).decode().rstrip("="),
                phone.key.number,
            )
            await house.accounts.connect(person.id, f"slack/{TEAM}/{found.user}", "CS-00000")
            return found

        hired = [await asyncio.gather(*map(one, everybody[:count][n : n + 64])) for n in range(0, count, 64)]
    kept = [[e.person, e.device, e.cookie, e.seed, e.key] for some in hired for e in some]
    (folder / "employees.json").write_text(json.dumps(kept))


def employees(folder: Path) -> list[Employee]:
    """Everybody who was hired."""
    return [Employee(*each) for each in json.loads((folder / "employees.json").read_text())]


@contextlib.asynccontextmanager
async def working(kind: str, folder: Path, api: str) -> AsyncIterator[web.Application]:
    """The desk at work."""
    async with acme(folder, Roster(people()), {"directory": Counting()}, api) as (house, slack):
        if kind != "speaks":
            slack.client.__class__ = Silent
        house.worker.messenger = slack.messenger
        if kind == "decides":
            house.worker.messenger = numbers = Numbers()
            numbers.house = house
        work = asyncio.create_task(house.worker.run())
        yield pages(house, slack)
        work.cancel()
        await house.worker.rest()
        await slack.inbox.stop()
