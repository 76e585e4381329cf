"""A forgotten password from a chat's first word to a real directory, on every platform and against every server."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import flows.errors as no
from flows.commands import Cancel
from flows.model import Stage
from handlers.ldap.accounts import Accounts
from tests.chat.test_stories import PLATFORMS, Chat
from tests.company import Phone
from tests.contracts.test_ldap_people import BOTH, connected
from tests.peers import samba, slapd
from tests.peers.directory import FIRST_PASSWORD
from tests.teams_office import TeamsOffice


@dataclass(frozen=True)
class Desk:
    """A chat in front of a real directory, and somebody in both."""

    acme: Chat
    server: Any
    connector: Accounts
    name: str
    id: str
    phone: Phone

    async def asked(self, text: str) -> Any:
        """Write this to the bot, confirm it, and prove oneself on the device."""
        await self.acme.says("maya", text)
        await self.acme.press("maya", "Yes, ask for it")
        (request, *_) = await self.acme.company.desk.concerning(self.id)
        await self.acme.company.proves(request, self.phone)
        await self.acme.settled()
        return await self.acme.company.desk.get(request.id)


@pytest.fixture(params=BOTH)
def server(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["slack", "teams"])
async def desk(
    request: pytest.FixtureRequest, server: Any, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Desk]:
    name, connector = f"kim{secrets.token_hex(4)}", connected(server, timezone="Europe/Stockholm")
    id = server.hire(name)
    chat = PLATFORMS[request.param](
        sqlite_url,
        tmp_path,
        connectors={"directory": connector},
        people=connector.people,  # type: ignore[call-arg]
    )
    async with chat as acme:
        if isinstance(acme, TeamsOffice):
            acme.tenant.installed("maya")
        await acme.company.house.accounts.connect(id, acme.account("maya").name, "CS-00000")
        phone = await acme.company.enrolled(id)
        yield Desk(acme, server, connector, name, id, phone)
    await connector.close()


async def test_a_forgotten_password(desk: Desk) -> None:
    acme = desk.acme
    request = await desk.asked("I forgot my password")
    assert request.stage is Stage.AWAITING_COLLECTION
    assert f"{desk.name.capitalize()} of Acme" in acme.read(acme.last("maya"))
    secret = await acme.company.desk.show_secret(request.id, desk.id, desk.phone.device)
    await acme.settled()
    assert "Done: the change is made and confirmed" in acme.read(acme.last("maya"))
    assert not desk.server.signs_in(desk.name, FIRST_PASSWORD)
    assert desk.server.signs_in(desk.name, secret)
    _, state = await desk.connector.account(desk.id)
    assert state.must_change
    peer = slapd if isinstance(desk.server, slapd.Slapd) else samba
    assert desk.server.changes(peer.dn(desk.name)) == 1


async def test_a_locked_account(desk: Desk) -> None:
    for _ in range(6):
        desk.server.signs_in(desk.name, "a wrong one")
    assert not desk.server.signs_in(desk.name, FIRST_PASSWORD)
    request = await desk.asked("My account is locked")
    assert request.stage is Stage.FULFILLED
    assert desk.server.signs_in(desk.name, FIRST_PASSWORD)


async def test_whoever_leaves_while_it_is_under_way_gets_nothing(desk: Desk) -> None:
    await desk.acme.says("maya", "I forgot my password")
    await desk.acme.press("maya", "Yes, ask for it")
    (request,) = await desk.acme.company.desk.concerning(desk.id)
    peer = slapd if isinstance(desk.server, slapd.Slapd) else samba
    desk.server.change(peer.disabled(desk.name))
    with pytest.raises(no.InactivePerson):
        await desk.acme.company.desk.submit(request.id, Cancel(desk.id))
    await desk.acme.says("maya", "I forgot my password")
    assert "isn't active any more" in desk.acme.read(desk.acme.last("maya"))
    assert (await desk.connector.account(desk.id))[1].must_change is False
