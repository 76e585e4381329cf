"""A whole house for tests: real store, desk, worker and verifiers around the demo's directory; people with devices.

async with company(database_url, tmp_path) as acme:
    maya = await acme.enrolled("maya")              # a passkey and a sign-in app on one device
    request = await acme.asks("password_reset", "maya")
    await acme.proves(request, maya)                # with her passkey
    await acme.worker.drain()
    password = await acme.desk.show_secret(request.id, "maya", maya.device)
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import json
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pyotp
from sqlalchemy import select

from demo import directory
from demo.directory import DemoDirectory
from flows.model import DEVICE_PAGE, Method, Origin, Request
from flows.news import News
from flows.registration import INIT, SIGN_ON, Authenticator, Device, add_authenticator
from handlers.connectors.countersign import Countersign
from handlers.desk import Decision, Desk
from handlers.house import House, Outside, build, seed_binding
from handlers.ports import Connector, Directory
from handlers.settings import Config, Settings, load_settings
from handlers.worker import Worker
from storage.seals import token_hash
from storage.setup import DEMO
from storage.sql import TABLES
from storage.store import Store
from tests.authenticator import SoftAuthenticator
from tests.browser_key import BrowserKey

SHIPPED, OURS = (Path(__file__).parents[n] / "playbooks" for n in (1, 0))
SECRET_KEY = "a-secret-key-for-tests-only-0123456789-abcdefgh"
_OUTBOX = TABLES["outbox"]
TERMINAL = Origin("terminal", "desk-1", "root", "command line")
#: Asked on one's own device page, where nobody is prompted by anybody: for stories with several requests at once.
ON_DEVICE = Origin(DEVICE_PAGE, "localhost", "their own", "Their own device")


@dataclass
class Hands:
    """A clock that stands still until it is told, so that tests need not wait."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


class Mailbox:
    """A Messenger that keeps what was said."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.announced: list[tuple[str, str, str]] = []
        self.shown: list[tuple[str, int]] = []
        self.notified: list[News] = []
        self.read = True  # whether those it is for are there to read it
        self.welcomed: list[tuple[str, str]] = []
        self.nobody: set[str] = set()  # who can't be written to

    async def tell(self, person: str, notice: str, request: Request) -> None:
        self.told.append((person, notice, request.id))

    async def announce(self, audience: str, notice: str, request: Request | None, detail: str) -> None:
        self.announced.append((audience, notice, detail))

    async def notify(self, news: News, request: Request | None) -> bool:
        self.notified.append(news)
        return self.read

    async def welcome(self, person: str, address: str) -> bool:
        if person in self.nobody:
            return False
        self.welcomed.append((person, address))
        return True

    async def show(self, request: Request) -> None:
        self.shown.append((request.id, request.version))


@dataclass(frozen=True)
class Phone:
    """One person's registered device and what is on it."""

    person: str
    device: str
    cookie: str
    passkeys: SoftAuthenticator | None
    seed: bytes | None
    key: BrowserKey = field(default_factory=BrowserKey)

    def code(self, at: datetime) -> str:
        assert self.seed is not None
        return pyotp.TOTP(base64.b32encode(self.seed).decode()).at(at)


@dataclass(frozen=True)
class Company:
    """The house and everybody in it."""

    house: House
    directory: DemoDirectory
    mailbox: Mailbox
    hands: Hands

    @property
    def desk(self) -> Desk:
        return self.house.desk

    @property
    def store(self) -> Store:
        return self.house.store

    @property
    def worker(self) -> Worker:
        return self.house.worker

    async def enrolled(
        self,
        person: str,
        *,
        passkey: bool = True,
        app: bool = True,
        told: bool = False,
        new: bool = False,
        synced: bool = False,
    ) -> Phone:
        """Register a device through an enrolment link, in one browser, as one of those who began the installation:
        it serves for everything at once. `new`: as everybody after them, whose first device has to wait.

        With `told` its owner is told of it, as always; most stories begin later, when that is past. `synced`: its
        passkey may be copied to other devices.
        """
        house, now = self.house, self.hands()
        token, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        await house.registry.invite(person, token, SIGN_ON if new else INIT, first=True)
        invitation = await house.registry.open_invitation(token, browser)
        id, secret = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
        signs = BrowserKey()
        device = Device(id, person, f"{person[:20]}'s phone", token_hash(secret), now, key=signs.point)
        soft = SoftAuthenticator(origin=house.settings.public_url) if passkey else None
        browser_hash, seed = token_hash(browser), None
        if soft is not None:
            soft.backup_eligible = synced
            offered = await house.passkeys.offer(person, person, b"c" * 32, ())
            made = await house.passkeys.register(soft.make(offered), b"c" * 32)
            key = Authenticator(
                made.id, person, id, Method.PASSKEY, made.material, made.counter, now, synced=made.synced
            )
            await house.registry.enrol(invitation.id, browser_hash, device, key)
            browser_hash = device.cookie_hash
        if app:
            seed = secrets.token_bytes(20)
            sealed = house.store.keys.close(seed, seed_binding(person))
            key = Authenticator(f"app-{id}", person, id, Method.CODE, sealed, 0, now)
            await house.registry.enrol(invitation.id, browser_hash, device, key)
        if not told:
            await self.store.run(_OUTBOX.delete().where(_OUTBOX.c.key.startswith("news:")))
        return Phone(person, id, f"{id}.{secret}", soft, seed, signs)

    async def adds(self, phone: Phone, name: str = "Another", *, synced: bool = False) -> SoftAuthenticator:
        """One more passkey on a device that somebody has."""
        house, soft = self.house, SoftAuthenticator(self.house.settings.public_url, backup_eligible=synced)
        offered = await house.passkeys.offer(phone.person, phone.person, b"c" * 32, ())
        made = await house.passkeys.register(soft.make(offered), b"c" * 32)
        common = (phone.person, phone.device, Method.PASSKEY, made.material, made.counter, self.hands())
        key = Authenticator(made.id, *common, synced=made.synced, name=name)
        await house.registry.decide(
            "Enrol", phone.person, lambda before, book: add_authenticator(before, key)
        )
        return soft

    async def refusals(self) -> list[str]:
        """The names of every refusal on record, oldest first."""
        events = TABLES["audit_events"]
        told = select(events.c.body).where(events.c.type == "Refused").order_by(events.c.seq)
        return [json.loads(bytes(row["body"]))["data"]["reason"] for row in await self.store.fetch(told)]

    async def asks(
        self,
        playbook: str,
        subject: str,
        by: str = "",
        answers: Mapping[str, str] | None = None,
        origin: Origin = TERMINAL,
    ) -> Request:
        return await self.desk.open(playbook, by or subject, subject, answers or {}, origin)

    async def proves(self, request: Request, phone: Phone) -> Decision:
        """Answer with the passkey on this phone: proof, or consent, by the request's stage."""
        assert phone.passkeys is not None
        _, asked = await self.desk.begin(request.id, phone.person, Method.PASSKEY)
        answer = {"credential": phone.passkeys.get(asked)}
        return await self.desk.answer(request.id, phone.person, phone.device, Method.PASSKEY, answer)

    async def types(self, request: Request, phone: Phone, number: str = "", code: str = "") -> Decision:
        """Answer with the number and the sign-in app's code, the right ones unless told otherwise."""
        if not number:
            _, number = await self.desk.number(request.id)
        answer = {"number": number, "code": code or phone.code(self.hands())}
        return await self.desk.answer(request.id, phone.person, phone.device, Method.CODE, answer)


def settings_for(database_url: str, folder: Path, **more: object) -> Settings:
    """Settings as a test house has them."""
    given = {
        "database_url": database_url,
        "public_url": "http://localhost:8080",
        "bind": "127.0.0.1:8080",
        "secret_key": (SECRET_KEY,),
        "socket": folder / "desk.sock",
    }
    return load_settings(**{**given, **more})


@contextlib.asynccontextmanager
async def company(
    database_url: str,
    folder: Path,
    *,
    connectors: Mapping[str, Connector] | None = None,
    people: Directory | None = None,
    hands: Hands | None = None,
    **settings: object,
) -> AsyncIterator[Company]:
    """A house on an empty or an existing database. `connectors` and `people` replace the directory's own.

    Its playbooks are the shipped ones, but a reset hands out a temporary password, which most stories are about.
    """
    settings.setdefault("playbooks", handing_out())
    hands, mailbox = hands or Hands(), Mailbox()
    acme = _directory(folder / "directory.db")
    outside = Outside(people or acme, {"directory": acme, **(connectors or {})}, mailbox)
    house = await build(
        settings_for(database_url, folder, **settings), Config(demo=True), outside, Countersign, DEMO, hands
    )
    try:
        yield Company(house, acme, mailbox, hands)
    finally:
        await house.close()


@cache
def handing_out() -> Path:
    """A folder of the shipped playbooks with the ones of these tests in place of their namesakes."""
    folder = Path(tempfile.mkdtemp(prefix="countersign-playbooks-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for path in [*SHIPPED.glob("*.yaml"), *OURS.glob("*.yaml")]:
        shutil.copy(path, folder)
    shutil.copytree(SHIPPED / "rules", folder / "rules")
    return folder


def handing_out_and(folder: Path, name: str, playbook: str) -> Path:
    """The same with one more of this name, in a folder of its own below this one."""
    more = folder / "playbooks"
    shutil.copytree(handing_out(), more)
    (more / f"{name}.yaml").write_text(playbook)
    return more


def _directory(path: Path) -> DemoDirectory:
    """The pretend company's directory: an existing one goes on, a new one is a copy of one made for the whole run."""
    if not path.exists():
        path.write_bytes(_filled())
    return directory.create(path)


@cache
def _filled() -> bytes:
    """A directory as it begins. Its password hashes are slow on purpose, so it is made once."""
    with tempfile.TemporaryDirectory() as folder:
        directory.create(Path(folder) / "directory.db")
        return (Path(folder) / "directory.db").read_bytes()


def credential(text: str) -> dict[str, object]:
    """A credential's JSON text as an object, to change it in a test."""
    found: dict[str, object] = json.loads(text)
    return found
