"""Everything that can go wrong between us and a directory: the right state, a sentence, nothing lost, one change."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.model import Request, Stage
from handlers.fulfilment import ATTEMPTS
from handlers.ldap.accounts import Accounts
from handlers.ports import Rejected, Unreachable
from tests.company import Company, company
from tests.contracts.test_connectors import a_request
from tests.contracts.test_ldap_people import BOTH, connected
from tests.office import free_port
from tests.peers import samba, slapd
from tests.peers.certificates import Authority, Identity
from tests.peers.directory import FIRST_PASSWORD
from tests.peers.proxy import Line, line_to


@dataclass(frozen=True)
class Desk:
    """A house, a directory, and a line between them that may be bad."""

    acme: Company
    server: Any
    connector: Accounts
    line: Line

    @property
    def peer(self) -> Any:
        return slapd if isinstance(self.server, slapd.Slapd) else samba

    async def ordered(self) -> tuple[str, Request]:
        """Somebody new has proved that they want a new password; the change is owed. Gives their name, too."""
        name = f"kim{secrets.token_hex(4)}"
        id = self.server.hire(name)
        phone = await self.acme.enrolled(id)
        request = await self.acme.asks("password_reset", id)
        await self.acme.proves(request, phone)
        return name, request

    async def tried(self, request: Request, times: int = 1) -> Request:
        """The worker tries, each time a while later."""
        for _ in range(times):
            self.acme.hands.forward(seconds=200)
            await self.acme.worker.drain()
        return await self.acme.desk.get(request.id)

    def changes(self, name: str) -> int:
        return int(self.server.changes(self.peer.dn(name)))


@contextlib.asynccontextmanager
async def desk_of(server: Any, url: str, folder: Path, **more: object) -> AsyncIterator[Desk]:
    async with line_to(server.url) as line:
        connector = connected(
            server, **{"servers": [line.url], "answer_within": 1, "connect_within": 1, "pause": 0, **more}
        )
        direct = connected(server)  # people are read over a good line: they aren't what goes wrong here
        async with company(url, folder, connectors={"directory": connector}, people=direct.people) as acme:
            yield Desk(acme, server, connector, line)
        for each in (connector, direct):
            await each.close()


@pytest.fixture(params=BOTH)
async def desk(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_of(request.getfixturevalue(request.param), sqlite_url, tmp_path) as made:
        yield made


#: Pieces that come back before one is lost: from the first answer of a sign-in to past the last reading.
PIECES = range(9)


@pytest.mark.parametrize("piece", PIECES)
async def test_an_answer_that_is_lost_anywhere_is_one_change(desk: Desk, piece: int) -> None:
    name, request = await desk.ordered()
    desk.line.deaf = piece
    request = await desk.tried(request)
    desk.line.deaf = None
    for _ in range(3):
        if request.stage is Stage.AWAITING_FULFILMENT:
            request = await desk.tried(request)
    assert request.stage is Stage.AWAITING_COLLECTION
    assert desk.changes(name) == 1
    assert not desk.server.signs_in(name, FIRST_PASSWORD)


async def test_a_directory_that_hangs_is_given_up_and_asked_again(desk: Desk) -> None:
    name, request = await desk.ordered()
    desk.line.stalls = True
    assert (await desk.tried(request)).stage is Stage.AWAITING_FULFILMENT
    assert desk.changes(name) == 0
    desk.line.stalls = False
    desk.line.goes_on.set()
    assert (await desk.tried(request, 2)).stage is Stage.AWAITING_COLLECTION
    assert desk.changes(name) == 1


async def test_a_directory_that_stays_away_ends_with_a_person(desk: Desk) -> None:
    name, request = await desk.ordered()
    desk.line.port = free_port()
    desk.line.cut()
    request = await desk.tried(request, ATTEMPTS)
    assert request.stage is Stage.AWAITING_OPERATOR
    assert request.reason == "The system could not be reached."
    assert desk.changes(name) == 0


async def test_the_next_server_is_asked_when_one_is_down(desk: Desk) -> None:
    down = f"ldaps://localhost:{free_port()}"
    several = connected(desk.server, servers=[down, desk.line.url], connect_within=1)
    id = desk.server.hire(f"kim{secrets.token_hex(4)}")
    await several.carry_out(a_request("disable", subject=id), "CS-7F3KQ:carry_out", None)
    calls = desk.line.calls
    for verb in ("enable", "disable"):
        await several.carry_out(a_request(verb, subject=id), "CS-7F3KQ:carry_out", None)
    assert desk.line.calls == calls, (
        "the connection is used again, and the one that is down isn't asked at once"
    )
    await several.close()


async def test_a_connection_that_died_while_it_waited_costs_nothing(desk: Desk) -> None:
    """Neither of the calls that come next: they are made over another one, or at the next server."""
    connector = connected(desk.server, servers=[desk.line.url, desk.server.url], connect_within=1)
    id = desk.server.hire(f"kim{secrets.token_hex(4)}")
    assert await connector.people.person(id)
    desk.line.cut()
    await connector.carry_out(a_request("disable", subject=id), "CS-7F3KQ:carry_out", None)
    desk.line.port = free_port()
    desk.line.cut()
    await connector.carry_out(a_request("enable", subject=id), "CS-7F3KQ:carry_out", None)
    await connector.close()


async def test_a_change_isnt_sent_over_a_connection_that_died(desk: Desk) -> None:
    """It would be lost there, and nobody could say whether it was made."""
    id = desk.server.hire(f"kim{secrets.token_hex(4)}")
    entry, _ = await desk.connector.account(id)
    calls = desk.line.calls
    desk.line.cut()
    for _ in range(3):
        await asyncio.sleep(0)  # until the line is really cut
    await desk.connector.ldap.modify(entry.dn, desk.connector.dialect.changes("disable", entry, ""))
    assert desk.line.calls == calls + 1
    assert (await desk.connector.account(id))[1].disabled


async def test_an_answer_that_is_lost_is_asked_for_at_the_next_server(desk: Desk) -> None:
    connector = connected(desk.server, servers=[desk.line.url, desk.server.url], connect_within=1)
    id = desk.server.hire(f"kim{secrets.token_hex(4)}")
    assert await connector.people.person(id)
    desk.line.deaf = 0
    assert await connector.people.person(id)
    assert desk.line.deaf is None, "one was lost"
    await connector.close()


BUSY, UNAVAILABLE = 51, 52


@contextlib.asynccontextmanager
async def troubled(identity: Identity, code: int, *, signs_in: bool) -> AsyncIterator[tuple[str, set[int]]]:
    """A server that answers so, but for a sign-in; gives its address and the kinds of what it was asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    asked: set[int] = set()

    async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            while True:
                number, operation = await heard(reader)
                asked.add(operation)
                writer.write(answered(number, operation, 0 if signs_in and operation == SIGN_IN else code))
                await writer.drain()
        writer.close()

    there = await asyncio.start_server(taken, "127.0.0.1", 0, ssl=context)
    yield f"ldaps://localhost:{there.sockets[0].getsockname()[1]}", asked
    there.close()


@pytest.mark.slapd
@pytest.mark.parametrize("code", [BUSY, UNAVAILABLE])
async def test_the_next_server_is_asked_when_one_is_busy(tmp_path: Path, code: int) -> None:
    """One takes every sign-in and does nothing else; what it was asked for is done once, by the next."""
    authority = Authority(tmp_path)
    identity = authority.sign("localhost", "127.0.0.1")
    with slapd.running(authority=authority, identity=identity) as server:
        name = f"kim{secrets.token_hex(4)}"
        id = server.hire(name)
        async with troubled(identity, code, signs_in=True) as (url, asked):
            several, alone = connected(server, servers=[url, server.url]), connected(server, servers=[url])
            assert await several.people.person(id)
            await several.carry_out(a_request("disable", subject=id), "k:carry_out", None)
            assert server.changes(slapd.dn(name)) == 1
            with pytest.raises(Unreachable):
                await alone.people.person(id)
            for each in (several, alone):
                await each.close()
        assert {SEARCH, MODIFY} <= asked


@pytest.mark.slapd
async def test_a_password_isnt_wrong_because_a_server_is_busy(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    identity = authority.sign("localhost", "127.0.0.1")
    with slapd.running(authority=authority, identity=identity) as server:
        async with troubled(identity, BUSY, signs_in=False) as (url, asked):
            several, alone = connected(server, servers=[url, server.url]), connected(server, servers=[url])
            assert (await several.ldap.accepts(slapd.dn("maya"), FIRST_PASSWORD))[0]
            with pytest.raises(Unreachable):
                await alone.ldap.accepts(slapd.dn("maya"), FIRST_PASSWORD)
            for each in (several, alone):
                await each.close()
        assert SIGN_IN in asked


SEARCH, MODIFY, SIGN_IN = 0x63, 0x66, 0x60  # RFC 4511 §4.2, §4.5, §4.6
ANSWERS = {SIGN_IN: 0x61, SEARCH: 0x65, MODIFY: 0x67}


async def heard(reader: asyncio.StreamReader) -> tuple[int, int]:
    """The number and the kind of the next message (RFC 4511 §4.1.1)."""
    _, length = await reader.readexactly(2)
    if length > 0x80:
        length = int.from_bytes(await reader.readexactly(length - 0x80), "big")
    message = await reader.readexactly(length)
    digits = message[1]
    return int.from_bytes(message[2 : 2 + digits], "big"), message[2 + digits]


def answered(number: int, operation: int, code: int) -> bytes:
    """This result, as an answer to that message."""
    result = bytes([0x0A, 1, code, 4, 0, 4, 0])
    body = bytes([2, 4, *number.to_bytes(4, "big"), ANSWERS.get(operation, 0x78), len(result)]) + result
    return bytes([0x30, len(body)]) + body


async def test_a_policys_no_is_told_apart(desk: Desk) -> None:
    id = desk.server.hire(f"kim{secrets.token_hex(4)}")
    with pytest.raises(Rejected, match="policy refuses"):
        await desk.connector.carry_out(a_request("reset_password", subject=id), "k", "short")


# -- certificates: OpenLDAP's server takes any that we give it ------------------------------------------


@pytest.mark.slapd
@pytest.mark.parametrize("wrong", ["authority", "name", "expired"])
async def test_a_server_that_cant_show_who_it_is_is_told_nothing(wrong: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    ours, other = Authority(tmp_path), Authority(tmp_path / "other", "Another authority")
    identity = {
        "authority": lambda: other.sign("localhost", "127.0.0.1"),
        "name": lambda: ours.sign("ldap.elsewhere.example"),
        "expired": lambda: ours.sign("localhost", "127.0.0.1", expired=True),
    }[wrong]()
    with slapd.running(identity=identity, authority=ours) as server:
        connector = connected(server)
        with pytest.raises(Unreachable, match="can't be reached"):
            await connector.people.find("name", "maya")
        (told, *_) = await connector.examine({"unlock"}, "")
        assert "certificate" in told.seen.lower()
        assert told.remedy
        await connector.close()


@pytest.mark.slapd
async def test_starttls_comes_before_anything_is_said(openldap: Any) -> None:
    plain = connected(openldap, servers=[openldap.plain])
    assert len(await plain.people.find("name", "maya")) == 1
    await plain.close()
    other = connected(openldap, servers=[openldap.plain], ca_file=None)
    with pytest.raises(Unreachable):
        await other.people.find("name", "maya")
    await other.close()


# -- answers of OpenLDAP's that are rare --------------------------------------------------------------------


@pytest.mark.slapd
async def test_what_another_server_keeps_is_refused_in_words(openldap: Any) -> None:
    dn = f"cn=elsewhere-{secrets.token_hex(4)},{slapd.PEOPLE}"
    openldap.change(
        f"dn: {dn}\nchangetype: add\nobjectClass: referral\nobjectClass: extensibleObject\n"
        f"cn: {dn[3:].partition(',')[0]}\nref: ldaps://ldap.elsewhere.example/{dn}"
    )
    connector = connected(openldap)
    changes = connector.dialect.changes("disable", (await connector.below("(uid=maya)"))[0], "")
    with pytest.raises(Rejected, match="kept by another server"):
        await connector.ldap.modify(dn, changes)
    await connector.close()


@pytest.mark.slapd
@pytest.mark.parametrize(
    ("code", "stage", "reason"),
    [
        (
            80,
            Stage.AWAITING_OPERATOR,
            "The change could not be confirmed.",
        ),  # other, as with a full disk
        (51, Stage.AWAITING_OPERATOR, "The system could not be reached."),  # busy
        (52, Stage.AWAITING_OPERATOR, "The system could not be reached."),  # unavailable
        (53, Stage.FAILED, "The directory's policy refuses that"),  # unwilling to perform
        (50, Stage.FAILED, "The service account may not do that"),  # insufficient access rights
        (16, Stage.FAILED, "Somebody else changed the entry at the same moment"),  # no such attribute
        (65, Stage.FAILED, "The directory can't do that, whoever asks"),  # object class violation
        (21, Stage.FAILED, "The directory can't do that, whoever asks"),  # invalid attribute syntax
    ],
)
async def test_a_server_in_trouble_ends_with_a_sentence_and_without_a_change(
    openldap: Any, sqlite_url: str, tmp_path: Path, code: int, stage: Stage, reason: str
) -> None:
    async with desk_of(openldap, sqlite_url, tmp_path) as desk:
        name, request = await desk.ordered()
        openldap.breaks(name, code)
        request = await desk.tried(request, ATTEMPTS)
        assert request.stage is stage
        assert request.reason.startswith(reason)
        assert openldap.signs_in(name, FIRST_PASSWORD)
        assert desk.changes(name) == 0
