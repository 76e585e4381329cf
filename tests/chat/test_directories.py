"""A forgotten password from a chat's first word to a real directory, on every platform and against every server."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import flows.errors as no
from flows.commands import Cancel
from flows.model import Stage
from handlers.ldap.accounts import Accounts
from tests.chat.test_stories import PLATFORMS, Chat
from tests.company import SHIPPED, Phone
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
def platform(request: pytest.FixtureRequest) -> Any:
    return PLATFORMS[request.param]


@asynccontextmanager
async def at(platform: Any, server: Any, url: str, folder: Path, **settings: Any) -> AsyncIterator[Desk]:
    """Somebody who was hired today, with a chat account and a registered device."""
    name, connector = f"kim{secrets.token_hex(4)}", connected(server, timezone="Europe/Stockholm")
    id = server.hire(name)
    outside = {"connectors": {"directory": connector}, "people": connector.people}
    async with platform(url, folder, **outside, **settings) as acme:
        if isinstance(acme, TeamsOffice):
            acme.tenant.installed("maya")
        await acme.company.house.accounts.connect(id, acme.account("maya").name, "CS-00000")
        phone = await acme.company.enrolled(id)
        yield Desk(acme, server, connector, name, id, phone)
    await connector.close()


@pytest.fixture
async def desk(platform: Any, server: Any, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with at(platform, server, sqlite_url, tmp_path) as running:
        yield running


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


async def test_a_password_of_their_own_choice(
    platform: Any, server: Any, sqlite_url: str, tmp_path: Path
) -> None:
    chosen = "teal otter quarry Kite 7"  # Samba asks for three kinds of characters
    async with at(platform, server, sqlite_url, tmp_path, playbooks=SHIPPED) as desk:
        acme, home = desk.acme, desk.acme.company.desk
        request = await desk.asked("I forgot my password")
        assert request.stage is Stage.AWAITING_PASSWORD
        assert "choose the new password on the device" in acme.read(acme.last("maya"))
        await home.choose(request.id, desk.id, desk.phone.device, chosen, chosen)
        await acme.settled()
        assert "Sign in with the password you chose" in acme.read(acme.last("maya"))
        assert chosen not in "".join(map(acme.read, acme.said("maya")))
        assert not server.signs_in(desk.name, FIRST_PASSWORD)
        assert server.signs_in(desk.name, chosen)
        _, state = await desk.connector.account(desk.id)
        assert not state.must_change


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
