"""A house with its Teams: the real bot behind its real gate, and a Bot Connector that keeps what it is sent.

async with teams_office(database_url, tmp_path) as acme:
    await acme.connected("maya")                       # her Teams account is hers
    await acme.says("maya", "I forgot my password")
    await acme.press("maya", "Yes, ask for it")

It has the same words as tests/office.py, so that a story can be told on either.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.journal import Everywhere
from bot.teams import Teams
from bot.teams_credentials import Credentials
from bot.teams_work import PATIENCE
from bot.web.server import make_app
from demo.workspace.serve import listening
from flows.accounts import Account
from handlers.ports import Connector, Directory, Messenger
from tests.company import Company, Hands, company
from tests.teams_tenant import APP, SECURITY, TENANT, Client, Message, Tenant, connector, object_id, words


@dataclass(frozen=True)
class TeamsOffice(Client):
    """The house, its bot, and everybody's Teams before it."""

    company: Company
    teams: Teams

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

    async def says(self, person: str, text: str) -> None:
        """Write to the bot, and wait until it has answered."""
        status, _ = await self.post(self.activity(person, text=text, textFormat="plain"))
        assert status == 200
        await self.settled()

    async def press(self, person: str, label: str, message: Message | None = None) -> Any:
        """Press the button with this label on the latest message that has one; gives what Teams was answered."""
        status, answer = await self.post(self.pressing(person, label, message))
        assert status == 200
        await self.settled()
        return answer

    async def fills(self, person: str, label: str, *tries: Mapping[str, str]) -> list[str]:
        """Open the form behind the button with this label, and send it with each of these; gives what is wrong."""
        dialog, wrong = await self.press(person, label), []
        for values in tries:
            dialog = await self.sends(person, dialog, **values)
            again = dialog["task"]["type"] == "continue"
            wrong.append(words(dialog["task"]["value"]["card"]["content"]) if again else "")
        return wrong

    async def meddles(self, person: str, owner: str, label: str) -> None:
        """Press a button of another person's in one's own conversation, as whoever holds a token could."""
        theirs = self.pressing(owner, label)
        await self.post(
            {**theirs, **{name: self.activity(person)[name] for name in ("from", "conversation")}}
        )
        await self.settled()

    async def sends(self, person: str, dialog: Any, **values: str) -> Any:
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

    def account(self, person: str) -> Account:
        """This person's account."""
        return Account("teams", TENANT, object_id(person))

    async def refusals(self) -> list[str]:
        """The names of every refusal on record, oldest first."""
        return await self.company.refusals()


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
    people: Directory | None = None,
    signed_in: Credentials | None = None,
    patience: float = PATIENCE,
    **more: Any,
) -> AsyncIterator[TeamsOffice]:
    """A house and its tenant."""
    async with contextlib.AsyncExitStack() as stack:
        there = tenant or await stack.enter_async_context(connector())
        acme = await stack.enter_async_context(
            company(
                database_url,
                folder,
                hands=hands,
                connectors=connectors,
                people=people,
                **settings(there, **more),
            )
        )
        yield await stack.enter_async_context(beside(acme, there, acme.mailbox, signed_in, patience=patience))


@contextlib.asynccontextmanager
async def beside(
    acme: Company,
    tenant: Tenant,
    messenger: Messenger,
    signed_in: Credentials | None = None,
    *,
    port: int = 0,
    patience: float = PATIENCE,
) -> AsyncIterator[TeamsOffice]:
    """Teams in front of a house, which goes on telling `messenger`, too."""
    teams = Teams(acme.house, signed_in, limits=(), patience=patience)
    acme.worker.messenger = Everywhere(messenger, teams.messenger)
    app = make_app(acme.house)
    teams.add_routes(app)
    async with listening(app, port, patience=0.1) as taken:
        teams.start()
        await teams.connected()
        try:
            yield TeamsOffice(tenant, taken, acme, teams)
        finally:
            await teams.stop()
