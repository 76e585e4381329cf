"""A wave of invitations as an operator sends it: told once, gone on with after a break, reminded after three days."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from typer.testing import Result

from bot import block_kit, socket
from bot.cards import Reply
from bot.console import ServiceClient
from bot.inbox import Unreachable
from bot.journal import Everywhere, Journal
from bot.messenger import ChatMessenger, Content
from flows.model import Person
from handlers.people import Roster
from tests.cli.test_commands import Beside, run, unsaid
from tests.company import SECRET_KEY, Company, Hands, company

SIGN_ON = {
    "oidc_issuer": "https://login.example.com",
    "oidc_client_id": "countersign",
    "oidc_client_secret": "secret",
}
JOIN = "http://localhost:8080/join"


def person(id: str, name: str, *, active: bool = True, role: str = "staff") -> Person:
    return Person(id, name, id, active=active, roles=frozenset({role}))


STAFF = [
    person("maya", "Maya Lindqvist"),
    person("omar", "Omar Haddad"),
    person("nina", "Nina Kowalski"),
    person("ravi", "Ravi Menon"),
    person("eve", "Eve Sandell", active=False),
    person("sam", "Sam Okafor", role="security"),
]


@dataclass
class Office:
    """A company whose people come from a list, behind its socket, and somebody at a terminal."""

    acme: Company
    beside: Beside
    env: Mapping[str, str]

    def invites(self, *more: str, group: str = "staff") -> Result:
        return run("invite", "--group", group, *more, env=self.env)

    def told(self, *more: str) -> dict[str, list[str]]:
        """What a run comes to: ids by what became of them."""
        result = self.invites(*more, "--json")
        assert result.exit_code == 0, result.output
        return {name: sorted(people) for name, people in json.loads(result.stdout).items()}

    @property
    def welcomed(self) -> list[str]:
        return sorted(who for who, _ in self.acme.mailbox.welcomed)


@pytest.fixture
def office(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Office]:
    beside = Beside()
    env = {
        "COUNTERSIGN_SECRET_KEY": SECRET_KEY,
        "COUNTERSIGN_DATABASE_URL": f"sqlite:///{tmp_path / 'desk.db'}",
        "COUNTERSIGN_SOCKET": str(tmp_path / "desk.sock"),
    }
    settings = {} if request.node.get_closest_marker("parametrize") else SIGN_ON

    async def begin() -> Office:
        within = beside.stack.enter_async_context
        there = company(
            env["COUNTERSIGN_DATABASE_URL"], tmp_path, people=Roster(STAFF), hands=Hands(), **settings
        )
        acme = await within(there)
        local = await socket.listen(acme.house, acme.house.settings.socket_path)
        beside.stack.push_async_callback(local.cleanup)
        await acme.enrolled("nina")
        return Office(acme, beside, env)

    structlog.configure(processors=[unsaid])
    try:
        yield beside.do(begin())
    finally:
        beside.end()
        structlog.reset_defaults()


def test_a_group_is_told_once_and_whoever_couldnt_be_is_named(office: Office) -> None:
    office.acme.mailbox.nobody.add("ravi")
    first = office.invites()
    assert first.exit_code == 0, first.output
    assert "Ravi Menon" in first.stdout
    assert "Tell those yourself" in first.stdout
    assert office.acme.mailbox.welcomed == [("maya", JOIN), ("omar", JOIN)]
    assert office.told() == {
        "joined": ["nina"],
        "told_before": ["maya", "omar"],
        "told_now": [],
        "couldnt_be_reached": ["ravi"],
    }
    office.acme.mailbox.nobody.clear()
    assert office.told()["told_now"] == ["ravi"]
    assert office.welcomed == ["maya", "omar", "ravi"], "nobody was told twice"


def test_a_dry_run_tells_nobody(office: Office) -> None:
    assert office.told("--dry-run")["would_be_told"] == ["maya", "omar", "ravi"]
    assert office.welcomed == []
    assert office.told()["told_now"] == ["maya", "omar", "ravi"]


def test_a_wave_that_broke_off_goes_on_where_it_was(office: Office) -> None:
    mailbox = office.acme.mailbox
    mailbox.nobody = {"omar", "ravi"}
    assert office.told()["told_now"] == ["maya"]
    mailbox.nobody = set()
    assert office.told()["told_now"] == ["omar", "ravi"]
    assert office.welcomed == ["maya", "omar", "ravi"]


def test_whoever_hasnt_joined_after_three_days_is_reminded(office: Office) -> None:
    office.told()
    office.acme.hands.forward(days=3, seconds=-1)
    assert office.told("--remind")["told_now"] == []
    office.beside.do(office.acme.enrolled("omar"))
    office.acme.hands.forward(seconds=1)
    assert office.told()["told_now"] == [], "only when it is asked for"
    assert office.told("--remind")["told_now"] == ["maya", "ravi"]
    assert office.told("--remind")["told_now"] == []
    assert office.welcomed == ["maya", "maya", "omar", "ravi", "ravi"]


def test_a_group_of_nobody_is_refused(office: Office) -> None:
    result = office.invites(group="stuff")
    assert result.exit_code == 1
    assert "Nobody who works here is in that group" in result.stderr


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--json",)])
def test_without_a_sign_on_nobody_is_told(office: Office, more: tuple[str, ...]) -> None:
    result = office.invites(*more)
    assert result.exit_code == 1
    assert "COUNTERSIGN_OIDC_ISSUER" in result.output
    assert office.welcomed == []


def test_nobody_is_told_who_isnt_in_the_group(office: Office) -> None:
    """Whoever holds the socket can make nobody else be written to, however they ask."""

    async def asks() -> list[str]:
        client = ServiceClient(office.acme.house.settings.socket_path)
        return [(await client.welcome("staff", who))["refused"] for who in ("sam", "eve", "nobody", "nina")]

    assert office.beside.do(asks()) == ["UnknownPerson"] * 3 + ["HadADevice"]
    assert office.welcomed == []


# -- in chat --------------------------------------------------------------------------------------


class Pigeons:
    """A platform's messages, kept. `absent` can't be written to."""

    workspace = "T0ACME"

    def __init__(self, *absent: str) -> None:
        self.absent = absent
        self.sent: list[tuple[str, Content]] = []

    async def direct(self, user: str) -> str:
        if user in self.absent:
            raise Unreachable
        return f"D-{user}"

    async def post(self, conversation: str, content: Content, thread: str = "") -> str:
        self.sent.append((conversation, content))
        return "1"

    async def update(self, conversation: str, message: str, content: Content) -> bool:
        raise AssertionError("a welcome is never updated")


class Plain:
    """Draws what is said as the value that it is."""

    def message(self, card: object, handle: str, link: str) -> Content:
        raise AssertionError("a welcome is no card")

    def reply(self, said: Reply) -> Content:
        assert block_kit.reply(said)
        return {"said": said}


async def test_a_chat_writes_to_whom_it_can_and_says_to_whom_it_cannot(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with company(sqlite_url, tmp_path) as acme:
        for who in ("maya", "omar"):
            await acme.house.accounts.connect(who, f"slack/T0ACME/U-{who}", "CS-00000")
        line = Pigeons("U-omar")
        chat = ChatMessenger(acme.house, "slack", line, Plain(), "")
        everywhere = Everywhere(Journal(), chat)
        assert [await everywhere.welcome(who, JOIN) for who in ("maya", "omar", "nina")] == [
            True,
            False,
            False,
        ]
        ((where, content),) = line.sent
        assert where == "D-U-maya"
        assert [choice.url for choice in content["said"].choices] == [JOIN]
