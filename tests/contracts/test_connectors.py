"""What every connector promises, told once for all of them: one change a key, and a receipt that can be believed."""

from __future__ import annotations

import asyncio
import random
import secrets
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from demo.directory import FIRST_PASSWORD, TRIES, DemoDirectory, create
from flows.model import Method, Origin, Receipt, Request, Stage
from flows.registration import Authenticator, Device, add_authenticator
from handlers.accounts import Accounts
from handlers.connectors import active_directory, command, ldap, scim, webhook
from handlers.connectors.countersign import Countersign
from handlers.ldap.dialect import PASSWORDS, VERBS
from handlers.ports import (
    Bindings,
    Closing,
    Codes,
    Connector,
    Directory,
    Freezes,
    Registry,
    Rejected,
    Unreachable,
)
from handlers.recovery import RecoveryCodes
from handlers.registry import DeviceRegistry
from handlers.standings import Standings
from storage import setup
from storage.seals import Keys, token_hash
from storage.sql import TABLES
from storage.store import Store
from tests.peers import receiver, samba, slapd
from tests.peers.scim import ScimPeer

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
SECRET = "marked-secret-4f1a9c"
EVES, SAMS = "slack/T0ACME/U0EVE", "slack/T0ACME/U0SAM"


def a_request(verb: str, subject: str = "maya", id: str = "CS-7F3KQ", **parameters: str) -> Request:
    """A request whose change is due now."""
    return Request(
        id=id,
        playbook="a_playbook",
        playbook_version=1,
        playbook_hash="0" * 64,
        connector="any",
        verb=verb,
        requester=subject,
        subject=subject,
        prover=subject,
        origin=Origin("page", "desk", subject, ""),
        parameters=parameters,
        commitments={},
        stage=Stage.AWAITING_FULFILMENT,
        version=4,
        opened_at=NOW,
        due_at=None,
    )


# -- registries behind the port -------------------------------------------------------------


@dataclass(slots=True)
class MemoryRegistry:
    """A registry that forgets everything at the end of the test."""

    devices: dict[str, set[str]] = field(default_factory=dict)
    passkeys: dict[str, set[str]] = field(default_factory=dict)
    gone: set[tuple[str, str]] = field(default_factory=set)
    tokens: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    ordered_by: set[tuple[str, str]] = field(default_factory=set)
    codes_by: dict[str, str] = field(default_factory=dict)
    moves: int = 0

    async def freeze(self, person: str, by: str, request: str, *, confirmed: bool) -> None:
        self.moves += (person, request) not in self.ordered_by
        self.ordered_by.add((person, request))

    async def lift(self, person: str, request: str, asked_at: datetime) -> None:
        self.moves += (person, request) not in self.ordered_by
        self.ordered_by.add((person, request))

    async def ordered(self, person: str, request: str) -> bool:
        return (person, request) in self.ordered_by

    async def keep(self, person: str, codes: Sequence[str], request: str) -> None:
        self.moves += self.codes_by.get(person) != request
        self.codes_by[person] = request

    async def kept(self, person: str, request: str) -> bool:
        return self.codes_by.get(person) == request

    async def invite(self, person: str, token: str, request: str, *, first: bool) -> bool:
        if token in self.tokens:
            return False
        if first and self.devices.get(person):
            raise Rejected("An enrolment link works only for someone who never had a device.")
        self.tokens[token] = person
        return True

    async def re_enrol(self, person: str, token: str, request: str) -> bool:
        if token in self.tokens:
            return False
        self.devices[person], self.tokens[token] = set(), person
        return True

    async def invited(self, person: str, token: str) -> bool:
        return self.tokens.get(token) == person

    async def revoke(self, person: str, device: str, request: str) -> bool:
        if device not in self.devices.get(person, ()):
            raise Rejected("There is no such device.")
        changed = (person, device) not in self.gone
        self.gone.add((person, device))
        return changed

    async def revoked(self, person: str, device: str) -> bool:
        return (person, device) in self.gone

    async def revoke_passkey(self, person: str, passkey: str, request: str) -> bool:
        if passkey not in self.passkeys.get(person, ()):
            raise Rejected("There is no such passkey.")
        changed = (person, passkey) not in self.gone
        self.gone.add((person, passkey))
        return changed

    async def passkey_revoked(self, person: str, passkey: str) -> bool:
        return (person, passkey) in self.gone

    async def connect(self, person: str, account: str, request: str) -> bool:
        if self.owners.get(account, "") not in ("", person):
            raise Rejected("That chat account belongs to somebody else here.")
        if self.owners.get(account):
            return False
        self.owners[account] = person
        self.moves += 1
        return True

    async def disconnect(self, person: str, account: str, request: str) -> bool:
        if self.owners.get(account) == "":
            return False
        if self.owners.get(account) != person:
            raise Rejected("There is no such chat account among theirs.")
        self.owners[account] = ""
        self.moves += 1
        return True

    async def connected(self, person: str, account: str) -> bool:
        return self.owners.get(account) == person

    async def changes(self) -> int:
        return len(self.tokens) + len(self.gone) + self.moves


@dataclass(slots=True)
class BadLine:
    """Any registry at the end of a bad line: changes are made and their answers lost, or never made at all."""

    inner: Registry
    bindings: Bindings
    freezes: Freezes
    codes: Codes
    arrives: bool

    async def freeze(self, person: str, by: str, request: str, *, confirmed: bool) -> None:
        if self.arrives:
            await self.freezes.freeze(person, by, request, confirmed=confirmed)
            raise TimeoutError("no answer")

    async def lift(self, person: str, request: str, asked_at: datetime) -> None:
        if self.arrives:
            await self.freezes.lift(person, request, asked_at)
            raise TimeoutError("no answer")

    async def ordered(self, person: str, request: str) -> bool:
        return await self.freezes.ordered(person, request)

    async def keep(self, person: str, codes: Sequence[str], request: str) -> None:
        if self.arrives:
            await self.codes.keep(person, codes, request)
            raise TimeoutError("no answer")

    async def kept(self, person: str, request: str) -> bool:
        return await self.codes.kept(person, request)

    async def invite(self, person: str, token: str, request: str, *, first: bool) -> bool:
        if not self.arrives:
            return True
        await self.inner.invite(person, token, request, first=first)
        raise TimeoutError("no answer")

    async def re_enrol(self, person: str, token: str, request: str) -> bool:
        if not self.arrives:
            return True
        await self.inner.re_enrol(person, token, request)
        raise TimeoutError("no answer")

    async def invited(self, person: str, token: str) -> bool:
        return await self.inner.invited(person, token)

    async def revoke(self, person: str, device: str, request: str) -> bool:
        if not self.arrives:
            return True
        await self.inner.revoke(person, device, request)
        raise TimeoutError("no answer")

    async def revoked(self, person: str, device: str) -> bool:
        return await self.inner.revoked(person, device)

    async def revoke_passkey(self, person: str, passkey: str, request: str) -> bool:
        if not self.arrives:
            return True
        await self.inner.revoke_passkey(person, passkey, request)
        raise TimeoutError("no answer")

    async def passkey_revoked(self, person: str, passkey: str) -> bool:
        return await self.inner.passkey_revoked(person, passkey)

    async def connect(self, person: str, account: str, request: str) -> bool:
        if not self.arrives:
            return True
        await self.bindings.connect(person, account, request)
        raise TimeoutError("no answer")

    async def disconnect(self, person: str, account: str, request: str) -> bool:
        if not self.arrives:
            return True
        await self.bindings.disconnect(person, account, request)
        raise TimeoutError("no answer")

    async def connected(self, person: str, account: str) -> bool:
        return await self.bindings.connected(person, account)


SPARE = Authenticator("spare-of-a-phone", "eve", "a-phone", Method.PASSKEY, b"key", 0, NOW)


async def with_a_device(registry: DeviceRegistry, person: str, device: str) -> None:
    """Enrol a device the way a person does, through a link, and one more passkey on it."""
    token = secrets.token_urlsafe(32)
    await registry.invite(person, token, "CS-00000", first=True)
    await registry.open_invitation(token, "browser")
    key = Authenticator(f"key-of-{device}", person, device, Method.PASSKEY, b"key", 0, NOW)
    kept = Device(device, person, "Phone", "0" * 64, NOW)
    await registry.enrol(token_hash(token), token_hash("browser"), kept, key)
    spare = replace(key, id=f"spare-of-{device}")
    await registry.decide("Enrol", person, lambda before, book: add_authenticator(before, spare))


# -- the connectors, each with one verb to try ----------------------------------------------


Changes = Callable[[], Awaitable[int]]


@dataclass(slots=True)
class Trial:
    """A connector, a change to ask of it, the same ask about nobody, and how many changes were really made."""

    connector: Connector
    request: Request
    stranger: Request
    changes: Changes
    undoable: bool
    files: tuple[Path, ...] = ()
    remembers: bool = True  # which key made a change, even after it was undone

    async def carry_out(self, key: str = "CS-7F3KQ:carry_out") -> Receipt:
        return await self.connector.carry_out(self.request, key, SECRET)

    async def check(self, key: str = "CS-7F3KQ:carry_out") -> Receipt | None:
        return await self.connector.check(self.request, key, SECRET)

    async def undo(self, key: str = "CS-7F3KQ:carry_out") -> Receipt:
        return await self.connector.undo(self.request, key)


PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "add_to_group": {"group": "finance-share"},
    "open_door": {"door": "east"},
    "remove_from_group": {"group": "everyone"},
    "revoke_device": {"device": "a-phone"},
    "revoke_passkey": {"passkey": SPARE.short},
    "connect_account": {"new_account": "slack/T0ACME/U0MAYA"},
    "disconnect_account": {"account": EVES},
}
#: Verbs whose change is about something that eve has, and a change of the same kind that must be refused.
EVE = frozenset({"revoke_device", "revoke_passkey", "disconnect_account"})
#: And about ravi, whose only device is gone already, so that it makes one change: the link.
RAVI = frozenset({"re_enrol"})
REFUSED: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "revoke_passkey": ("revoke_passkey", {"passkey": "nobody's"}),
    "connect_account": ("connect_account", {"new_account": SAMS}),
    "disconnect_account": ("connect_account", {"new_account": SAMS}),
    "add_device": ("revoke_device", {"device": "nobody's"}),
    "re_enrol": ("revoke_device", {"device": "nobody's"}),
    # Whom the desk let somebody ask for, may be frozen; what is refused stands in the playbook.
    **dict.fromkeys(
        ("freeze", "keep_frozen", "lift_freeze", "make_codes"), ("revoke_device", {"device": "nobody's"})
    ),
}
DIRECTORY = [("directory", verb) for verb in sorted(DemoDirectory.verbs)]
MEMORY = [("memory", verb) for verb in sorted(Countersign.verbs)]
STORE = [("store", verb) for verb in sorted(Countersign.verbs)]
SERVERS = [
    pytest.param((peer, verb), id=f"{peer}-{verb}", marks=getattr(pytest.mark, peer))
    for peer in ("slapd", "samba")
    for verb in sorted(VERBS)
]
SCIM = [
    pytest.param(("scim", verb), id=f"scim-{verb}", marks=pytest.mark.scim) for verb in sorted(scim.VERBS)
]
OWN = [(system, "open_door") for system in ("webhook", "command")]
#: What needs nothing but its account.
ALONE = frozenset({"unlock", "disable", "enable", "freeze", "keep_frozen", "lift_freeze"})


def whose(verb: str) -> str:
    """Whom a change of our own is about."""
    return "eve" if verb in EVE else "ravi" if verb in RAVI else "maya"


@pytest.fixture(scope="session")
def filled_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, since its password hashes are slow on purpose; each test gets a copy."""
    path = tmp_path_factory.mktemp("directory") / "directory.db"
    create(path)
    return path


@pytest.fixture
def directory(filled_directory: Path, tmp_path: Path) -> DemoDirectory:
    shutil.copy(filled_directory, tmp_path / "directory.db")
    return DemoDirectory(tmp_path / "directory.db")


Ports = tuple[Registry, Bindings, Freezes, Codes]
Registries = Callable[[str], Awaitable[tuple[Ports, Changes]]]


@pytest.fixture
async def registries(sqlite_url: str) -> AsyncIterator[Registries]:
    """By its kind, a registry where eve alone has a phone and a chat account, ravi had one, and the changes since."""
    stores: list[Store] = []

    async def made(kind: str) -> tuple[Ports, Changes]:
        if kind == "memory":
            devices, passkeys = {"eve": {"a-phone"}, "ravi": set[str]()}, {"eve": {SPARE.short}}
            memory = MemoryRegistry(devices, passkeys, owners={EVES: "eve", SAMS: "sam"})
            return (memory, memory, memory, memory), memory.changes
        keys = Keys(["k" * 43])
        await setup.prepare(sqlite_url, keys, setup.DEMO, NOW)
        store = await Store.open(sqlite_url, keys, clock=lambda: NOW)
        stores.append(store)
        registry, accounts = DeviceRegistry(store), Accounts(store)
        await with_a_device(registry, "eve", "a-phone")
        await with_a_device(registry, "ravi", "ravis-phone")
        await registry.revoke("ravi", "ravis-phone", "CS-00000")
        await accounts.connect("eve", EVES, "CS-00000")
        await accounts.connect("sam", SAMS, "CS-00000")
        events = TABLES["audit_events"].c
        counted = select(events.seq).where(
            (events.type == "InvitationIssued")
            | (events.type == "DeviceRevoked")
            | (events.type == "AuthenticatorRevoked")
            | (events.type == "AccountConnected")
            | (events.type == "AccountDisconnected")
            | (events.type == "PersonFrozen")
            | (events.type == "FreezeLifted")
            | (events.type == "RecoveryCodesMade")
        )
        before = len(await store.fetch(counted))

        async def changes() -> int:
            return len(await store.fetch(counted)) - before

        return (registry, accounts, Standings(store), RecoveryCodes(store)), changes

    yield made
    for store in stores:
        await store.close()


@pytest.fixture
async def hung_up() -> AsyncIterator[list[Closing]]:
    """Connectors that hang up at the end of the test, on the loop they were used on."""
    connectors: list[Closing] = []
    yield connectors
    for connector in connectors:
        await connector.close()


@pytest.fixture(params=[*DIRECTORY, *MEMORY, *STORE, *SERVERS, *SCIM, *OWN], ids="-".join)
async def trial(
    request: pytest.FixtureRequest,
    hung_up: list[Closing],
    directory: DemoDirectory,
    registries: Registries,
    tmp_path: Path,
) -> Trial:
    system, verb = request.param
    parameters = PARAMETERS.get(verb, {})
    if system in ("slapd", "samba"):
        return _on_a_server(request, system, verb)
    if system == "scim":
        made = _over_scim(request.getfixturevalue("scim"), verb)
        assert isinstance(made.connector, Closing)
        hung_up.append(made.connector)
        return made
    if system in ("webhook", "command"):
        there = request.getfixturevalue("doors") if system == "webhook" else receiver.program(tmp_path)
        system_of_ours = (webhook if system == "webhook" else command).connect(there.entry())
        hung_up.append(system_of_ours)
        return _of_our_own(system_of_ours, there, tmp_path)
    if system == "directory":
        return Trial(
            directory,
            a_request(verb, **parameters),
            a_request(verb, subject="nobody", **parameters),
            lambda: directory.changes("maya.lindqvist"),
            verb in ("add_to_group", "remove_from_group"),
            (tmp_path / "directory.db",),
        )
    ports, changes = await registries(system)
    refused, about = REFUSED.get(verb, (verb, {"device": "nobody's"}))
    return Trial(
        Countersign(*ports),
        a_request(verb, subject=whose(verb), **parameters),
        # A link is for anybody the desk let ask; the registry refuses a first one to someone with a device.
        a_request(refused, subject="omar" if refused == "connect_account" else "eve", **about),
        changes,
        undoable=False,
        files=(tmp_path / "desk.db",) if system == "store" else (),
    )


def _on_a_server(request: pytest.FixtureRequest, system: str, verb: str) -> Trial:
    """A real directory, somebody new in it, and what was really changed about them."""
    server = request.getfixturevalue({"slapd": "openldap", "samba": "domain"}[system])
    peer, connect = {"slapd": (slapd, ldap.connect), "samba": (samba, active_directory.connect)}[system]
    name = f"kim{secrets.token_hex(4)}"
    id = server.hire(name, *(["everyone"] if verb == "remove_from_group" else []))
    if verb == "unlock":
        for _ in range(TRIES + 1):
            server.signs_in(name, "a wrong one")
    entries = [peer.dn(name)]
    if verb in PARAMETERS:
        entries.append(f"{'cn' if system == 'slapd' else 'CN'}={PARAMETERS[verb]['group']},{peer.GROUPS}")
    connector = connect(server.entry())
    if verb == "enable":
        server.change(peer.disabled(name))
    before = server.changes(*entries)

    async def changes() -> int:
        return int(server.changes(*entries)) - before

    request.addfinalizer(lambda: asyncio.run(connector.close()))
    asked = a_request(verb, id, **PARAMETERS.get(verb, {}))
    nobody = a_request(verb, "00000000-0000-4000-8000-000000000000", **PARAMETERS.get(verb, {}))
    return Trial(connector, asked, nobody, changes, verb not in PASSWORDS | {"unlock"}, remembers=False)


@pytest.fixture
def doors() -> Iterator[receiver.Receiver]:
    """A receiver of webhooks, as docs/webhook.md writes it."""
    with receiver.receiving() as there:
        yield there


def _of_our_own(connector: Connector, there: receiver.Receiver | receiver.Program, folder: Path) -> Trial:
    """A system of the company's own that honours keys."""
    asked, nobody = (a_request("open_door", whom, door="east") for whom in ("maya", "nobody"))

    async def changes() -> int:
        return there.changes()

    return Trial(connector, asked, nobody, changes, undoable=True, files=(folder / "doors.db",))


def _over_scim(server: ScimPeer, verb: str) -> Trial:
    """A real SCIM server, somebody new on it, and what was really changed about them."""
    id = server.hire(f"kim{secrets.token_hex(4)}", *(["everyone"] if verb == "remove_from_group" else []))
    if verb == "enable":
        server.change(f"/Users/{id}", {"op": "replace", "path": "active", "value": False})
    about = server.group(PARAMETERS[verb]["group"]) if verb in PARAMETERS else id
    before = server.changes(about)

    async def changes() -> int:
        return server.changes(about) - before

    asked = a_request(verb, id, **PARAMETERS.get(verb, {}))
    nobody = a_request(verb, "0" * 32, **PARAMETERS.get(verb, {}))
    connector = scim.connect(server.entry())
    return Trial(connector, asked, nobody, changes, verb not in PASSWORDS, remembers=False)


async def test_a_change_is_made_and_read_back(trial: Trial) -> None:
    assert await trial.check() is None
    assert await trial.changes() == 0
    receipt = await trial.carry_out()
    assert receipt.reference == "CS-7F3KQ:carry_out"
    assert receipt.observed.endswith(".")
    assert await trial.check() == receipt
    assert await trial.changes() == 1


async def test_the_same_key_twice_makes_one_change(trial: Trial) -> None:
    assert await trial.carry_out() == await trial.carry_out()
    assert await trial.changes() == 1


async def test_the_same_key_at_once_makes_one_change(trial: Trial) -> None:
    receipts = await asyncio.gather(*(trial.carry_out() for _ in range(8)))
    assert len(set(receipts)) == 1
    assert await trial.changes() == 1


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 20])
async def test_after_a_crash_in_the_middle_it_is_known_or_made_once(trial: Trial, turns: int) -> None:
    """Whoever waited is gone, but the change may be on its way: reading back, then asking again, makes one."""
    crashing = asyncio.create_task(trial.carry_out())
    for _ in range(turns):
        await asyncio.sleep(0)
    crashing.cancel()
    await asyncio.gather(crashing, return_exceptions=True)
    receipt = await trial.check() or await trial.carry_out()
    assert await trial.check() == receipt
    assert await trial.changes() == 1


async def test_nobody_and_nothing_are_rejected_and_change_nothing(trial: Trial) -> None:
    with pytest.raises(Rejected) as rejected:
        await trial.connector.carry_out(trial.stranger, "CS-00000:carry_out", SECRET)
    assert str(rejected.value).endswith(".")
    assert await trial.connector.check(trial.stranger, "CS-00000:carry_out", SECRET) is None
    assert await trial.changes() == 0


async def test_a_verb_it_does_not_have_is_rejected(trial: Trial) -> None:
    assert trial.request.verb in trial.connector.verbs
    for verb in ("", "paint", trial.request.verb.upper(), "delete_account"):
        wrong = a_request(verb, **trial.request.parameters)
        for asked in (
            trial.connector.carry_out(wrong, "CS-00000:carry_out", SECRET),
            trial.connector.check(wrong, "CS-00000:carry_out", SECRET),
            trial.connector.undo(wrong, "CS-00000:carry_out"),
        ):
            with pytest.raises(Rejected, match="has no verb"):
                await asked
    assert await trial.changes() == 0


async def test_what_the_change_needs_has_to_be_there(trial: Trial) -> None:
    """Its secret where it hands one over, else its parameter where it has one."""
    bare = a_request(trial.request.verb, trial.request.subject)
    if trial.request.verb in ALONE:
        assert await trial.connector.carry_out(bare, "CS-00000:carry_out", None)
        return
    for secret in (None, ""):
        with pytest.raises(Rejected):
            await trial.connector.carry_out(bare, "CS-00000:carry_out", secret)
        with pytest.raises(Rejected):
            await trial.connector.check(bare, "CS-00000:carry_out", secret)
    assert await trial.changes() == 0


async def test_undoing_twice_is_the_same_as_once_or_impossible(trial: Trial) -> None:
    if trial.remembers:
        with pytest.raises(Rejected):
            await trial.undo()  # nothing was made yet
    await trial.carry_out()
    if not trial.undoable:
        with pytest.raises(Rejected, match="can't be"):
            await trial.undo()
        assert await trial.check() is not None
        assert await trial.changes() == 1
        return
    assert await trial.undo() == await trial.undo()
    assert await trial.changes() == 2
    assert await trial.check() is None
    if trial.remembers:
        with pytest.raises(Rejected, match="taken back"):
            await trial.carry_out()  # a key is for one change, even when that is undone
        assert await trial.changes() == 2


async def test_the_secret_is_in_no_receipt_no_repr_no_error_and_no_file(trial: Trial) -> None:
    said = [
        repr(await trial.carry_out()),
        repr(await trial.check()),
        repr(trial.connector),
        str(trial.connector),
    ]
    for request in (trial.stranger, a_request("paint")):
        with pytest.raises(Rejected) as rejected:
            await trial.connector.carry_out(request, "CS-00000:carry_out", f"{SECRET}-of-another")
        said += [str(rejected.value), repr(rejected.value.__cause__), repr(rejected.value.__context__)]
    assert not [words for words in said if SECRET in words]
    for path in trial.files:
        for file in path.parent.glob(f"{path.name}*"):
            assert SECRET.encode() not in file.read_bytes()


# -- our own --------------------------------------------------------------------------------


@pytest.mark.parametrize(("system", "verb"), MEMORY + STORE)
async def test_a_lost_answer_is_found_by_reading_back(system: str, verb: str, registries: Registries) -> None:
    ports, changes = await registries(system)
    line = BadLine(*ports, arrives=True)
    connector = Countersign(line, line, line, line)
    asked = a_request(verb, whose(verb), **PARAMETERS.get(verb, {}))
    with pytest.raises(TimeoutError):
        await connector.carry_out(asked, asked.key, SECRET)
    assert await connector.check(asked, asked.key, SECRET) is not None
    assert (await connector.carry_out(asked, asked.key, SECRET)).reference == asked.key
    assert await changes() == 1


@pytest.mark.parametrize("verb", sorted(Countersign.verbs))
async def test_a_registry_that_only_says_yes_gets_no_receipt(verb: str) -> None:
    memory = MemoryRegistry({"eve": {"a-phone"}, "ravi": set()}, owners={EVES: "eve", SAMS: "sam"})
    line = BadLine(memory, memory, memory, memory, arrives=False)
    connector = Countersign(line, line, line, line)
    asked = a_request(verb, whose(verb), **PARAMETERS.get(verb, {}))
    with pytest.raises(RuntimeError, match="does not show"):
        await connector.carry_out(asked, asked.key, SECRET)


@pytest.mark.parametrize("system", ["memory", "store"])
async def test_only_an_invitation_is_for_those_who_never_had_a_device(
    system: str, registries: Registries
) -> None:
    ports, _ = await registries(system)
    connector = Countersign(*ports)
    invitation, another = a_request("invite", "eve"), a_request("add_device", "eve")
    with pytest.raises(Rejected, match="never had a device"):
        await connector.carry_out(invitation, invitation.key, SECRET)
    assert (await connector.carry_out(another, another.key, SECRET)).reference == another.key


@pytest.mark.parametrize("system", ["memory", "store"])
async def test_who_never_had_a_device_is_enrolled_with_the_same_words(
    system: str, registries: Registries
) -> None:
    ports, _ = await registries(system)
    connector, said = Countersign(*ports), set()
    for person, secret in (("maya", SECRET), ("ravi", f"{SECRET} too")):
        asked = a_request("re_enrol", person)
        said.add((await connector.carry_out(asked, asked.key, secret)).observed.replace(person, "somebody"))
    assert len(said) == 1


# -- the pretend directory ------------------------------------------------------------------


async def test_a_reset_lets_only_the_new_password_in_and_opens_the_account(directory: DemoDirectory) -> None:
    account, reset = "maya.lindqvist", a_request("reset_password")
    assert await directory.bind(account, FIRST_PASSWORD)
    await directory.lock(account)
    assert not await directory.bind(account, FIRST_PASSWORD)
    receipt = await directory.carry_out(reset, reset.key, SECRET)
    assert "has to be changed at the next sign-in" in receipt.observed
    assert await directory.bind(account, SECRET)
    assert not await directory.bind(account, FIRST_PASSWORD)
    assert await directory.must_change(account)
    assert not await directory.locked(account)
    assert await directory.bind("omar.haddad", FIRST_PASSWORD), "nobody else's account was touched"
    assert await directory.changes("omar.haddad") == 0


async def test_wrong_passwords_lock_an_account_and_an_unlock_opens_it(directory: DemoDirectory) -> None:
    account, unlock = "maya.lindqvist", a_request("unlock")
    for _ in range(TRIES):
        assert not await directory.locked(account)
        assert not await directory.bind(account, "guess")
    assert await directory.locked(account)
    assert not await directory.bind(account, FIRST_PASSWORD)
    await directory.carry_out(unlock, unlock.key, None)
    assert not await directory.bind(account, "guess")
    assert await directory.bind(account, FIRST_PASSWORD)
    assert not await directory.bind("nobody", FIRST_PASSWORD)


async def test_ending_one_grant_never_ends_another(directory: DemoDirectory) -> None:
    account, grant = "maya.lindqvist", a_request("add_to_group", group="finance-share")
    await directory.carry_out(grant, "CS-1:carry_out", None)
    await directory.carry_out(grant, "CS-2:carry_out", None)
    await directory.undo(grant, "CS-1:carry_out")
    assert "finance-share" in await directory.groups(account)
    await directory.undo(grant, "CS-2:carry_out")
    assert "finance-share" not in await directory.groups(account)


async def test_a_removal_undone_gives_the_membership_back(directory: DemoDirectory) -> None:
    removal = a_request("remove_from_group", group="everyone")
    assert "no member" in (await directory.carry_out(removal, removal.key, None)).observed
    assert await directory.groups("maya.lindqvist") == frozenset()
    assert "a member" in (await directory.undo(removal, removal.key)).observed
    assert await directory.groups("maya.lindqvist") == {"everyone"}


async def test_a_key_is_for_one_change_and_one_secret(directory: DemoDirectory) -> None:
    reset = a_request("reset_password")
    await directory.carry_out(reset, reset.key, SECRET)
    for other in (a_request("reset_password", "omar"), a_request("unlock"), a_request("unlock", "nobody")):
        with pytest.raises(Rejected, match="belongs to another change"):
            await directory.carry_out(other, reset.key, SECRET)
        with pytest.raises(Rejected, match="belongs to another change"):
            await directory.check(other, reset.key, SECRET)
    # Neither a yes nor a no: the person would be shown a password that doesn't work.
    with pytest.raises(ValueError, match="another secret"):
        await directory.carry_out(reset, reset.key, "another")
    with pytest.raises(ValueError, match="another secret"):
        await directory.check(reset, reset.key, "another")
    assert await directory.bind("maya.lindqvist", SECRET)
    assert await directory.changes("maya.lindqvist") == 1


async def test_a_busy_or_missing_file_is_unreachable_and_unchanged(
    directory: DemoDirectory, tmp_path: Path
) -> None:
    unlock = a_request("unlock")
    hasty = DemoDirectory(tmp_path / "directory.db", patience=0.01)
    other = sqlite3.connect(tmp_path / "directory.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unreachable):
        await hasty.carry_out(unlock, unlock.key, None)
    other.close()
    assert await hasty.check(unlock, unlock.key, None) is None
    nowhere = DemoDirectory(tmp_path / "nowhere.db")
    for asked in (nowhere.carry_out(unlock, unlock.key, None), nowhere.check(unlock, unlock.key, None)):
        with pytest.raises(Unreachable):
            await asked
    assert not (tmp_path / "nowhere.db").exists()


async def test_a_leavers_account_is_left_alone(directory: DemoDirectory, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "directory.db") as db:
        db.execute("UPDATE people SET active = 0 WHERE id = 'maya'")
    db.close()
    reset = a_request("reset_password")
    with pytest.raises(Rejected, match="isn't active"):
        await directory.carry_out(reset, reset.key, SECRET)
    assert await directory.bind("maya.lindqvist", FIRST_PASSWORD)
    maya = await directory.person("maya")
    assert maya is not None
    assert not maya.active


CHILD = """
import asyncio, sys
from pathlib import Path
from demo.directory import DemoDirectory
from tests.contracts.test_connectors import SECRET, a_request

reset = a_request("reset_password")
print("ready", flush=True)
asyncio.run(DemoDirectory(Path(sys.argv[1])).carry_out(reset, sys.argv[2], SECRET))
"""


async def test_a_killed_process_leaves_the_change_with_its_key_or_neither(
    directory: DemoDirectory, tmp_path: Path
) -> None:
    chance = random.Random(7)
    reset = a_request("reset_password")
    for round in range(6):
        key = f"CS-{round}:carry_out"
        command = (sys.executable, "-c", CHILD, str(tmp_path / "directory.db"), key)
        child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        assert child.stdout is not None
        assert await child.stdout.readline() == b"ready\n"
        try:
            await asyncio.wait_for(child.wait(), timeout=chance.uniform(0, 0.12))
        except TimeoutError:
            child.kill()
            await child.wait()
        known = await directory.check(reset, key, SECRET)
        assert await directory.changes("maya.lindqvist") == round + (known is not None)
        await directory.carry_out(reset, key, SECRET)
        assert await directory.changes("maya.lindqvist") == round + 1


async def test_who_works_in_the_pretend_company(directory: DemoDirectory) -> None:
    port: Directory = directory
    people = {person.id: person for person in await directory.people()}
    assert {person.name for person in people.values()} == {
        "Maya Lindqvist",
        "Omar Haddad",
        "Nina Kowalski",
        "Ravi Menon",
        "Eve Mallory",
        "Sam Okafor",
    }
    assert people["maya"].manager == "omar"
    assert {id for id, person in people.items() if "administrator" in person.roles} == {"nina", "sam"}
    assert {id for id, person in people.items() if "desk_agent" in person.roles} == {"ravi"}
    assert people["eve"].roles == frozenset()
    assert people["omar"].groups == {"everyone", "finance-share"}
    assert all(person.since is not None and person.since.tzinfo for person in people.values())
    assert [person.id for person in await port.find("group", "finance-share")] == ["omar"]
    assert [person.id for person in await port.find("owner", "finance-share")] == ["sam"]
    assert await port.find("owner", "no-such-group") == []
    assert await port.person("maya") == people["maya"]
    assert await port.person("maya.lindqvist") is None
    assert directory.demo, "production has to be able to refuse it"


async def test_making_it_again_leaves_it_as_it_is(directory: DemoDirectory, tmp_path: Path) -> None:
    reset = a_request("reset_password")
    await directory.carry_out(reset, reset.key, SECRET)
    again = await asyncio.to_thread(create, tmp_path / "directory.db")
    assert await again.bind("maya.lindqvist", SECRET)
    assert await again.changes("maya.lindqvist") == 1
    fresh = await asyncio.to_thread(create, tmp_path / "fresh.db")
    assert (tmp_path / "fresh.db").stat().st_mode & 0o077 == 0, "it holds password hashes"
    assert await fresh.bind("sam.okafor", FIRST_PASSWORD)


async def test_equal_passwords_have_unequal_hashes(directory: DemoDirectory, tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "directory.db")
    hashes = [row[0] for row in db.execute("SELECT hash FROM accounts")]
    db.close()
    assert len(set(hashes)) == len(hashes) == 6
