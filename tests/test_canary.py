"""S9 by canary: the whole job over HTTP with marked secrets, then a search for each of them wherever it may not be.

Searched are standard output, standard error, every log line at every level, every address and redirect, every
audit event, every letter, and the database as it lies on the disk. A secret may stand in the one page that shows
it, and nowhere else.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import logging
import re
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import pyotp
import pytest
import structlog
from aiohttp import web
from sqlalchemy import select

import app as root
from bot.journal import Journal
from bot.web.server import make_app
from bot.web.session import COOKIE
from demo import directory
from demo.directory import DemoDirectory
from flows.model import Person, Receipt, Request, Stage
from handlers import logs
from handlers.connectors.countersign import Countersign
from handlers.house import House, Outside, build
from handlers.ports import By, Rejected
from handlers.settings import Config
from storage.setup import DEMO
from storage.sql import TABLES
from storage.store import Place
from tests.authenticator import SoftAuthenticator
from tests.browser_key import BrowserKey
from tests.company import SECRET_KEY, Hands, handing_out, settings_for
from tests.intruder import Intruder
from tests.peers import mail
from tests.peers.mail import MailServer
from tests.web.wire import BINDING

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "playbooks"
WHY = "Canary-left-my-notes-on-the-Xanadu-train"
NOTE = "Canary-call-me-at-Kubla-4711"


# -- a search that finds --------------------------------------------------------------------------


def spellings(secret: str | bytes) -> Iterator[bytes]:
    """The ways a secret is likely to be written down."""
    raw = secret.encode() if isinstance(secret, str) else secret
    yield raw
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for encoded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw), base64.b32encode(raw)):
        yield encoded.rstrip(b"=")
    if isinstance(secret, str):
        yield quote(secret, safe="").encode()
        yield json.dumps(secret)[1:-1].encode()


def digits(number: str) -> re.Pattern[bytes]:
    """Six digits as people and programs write them, and not as a part of a time, a hash or a longer number."""
    return re.compile(rf"(?<![0-9A-Za-z._-]){number[:3]} ?{number[3:]}(?![0-9A-Za-z_-])".encode())


@dataclass
class Marked:
    """Everything secret that came up, by what it is."""

    secrets: dict[str, list[str | bytes]] = field(default_factory=dict)
    numbers: dict[str, list[str]] = field(default_factory=dict)

    def secret(self, what: str, *found: str | bytes) -> None:
        self.secrets.setdefault(what, []).extend(found)

    def number(self, what: str, found: str) -> str:
        assert re.fullmatch("[0-9]{6}", found)
        self.numbers.setdefault(what, []).append(found)
        return found

    def leaks(self, place: bytes, *, without: Sequence[str] = ()) -> set[str]:
        """What of it stands there in clear."""
        found = {
            what
            for what, values in self.secrets.items()
            for value in values
            if what not in without and any(spelling in place for spelling in spellings(value))
        }
        return found | {
            what
            for what, values in self.numbers.items()
            for value in values
            if what not in without and digits(value).search(place)
        }


def test_the_search_finds_what_is_there() -> None:
    marked = Marked()
    marked.secret("password", "Xk3f-9 pä&")
    marked.secret("seed", b"\x00\xff-twenty-bytes-seed")
    marked.number("number", "048291")
    hidden = ["Xk3f-9 pä&", quote("Xk3f-9 pä&"), "Xk3f-9 pä&".encode().hex(), json.dumps("Xk3f-9 pä&")]
    hidden += [base64.b64encode("Xk3f-9 pä&".encode()).decode()]
    for text in hidden:
        assert marked.leaks(f"a line with {text} in it".encode()) == {"password"}, text
    seed = b"\x00\xff-twenty-bytes-seed"
    for found in (seed, base64.b32encode(seed), seed.hex().encode(), base64.urlsafe_b64encode(seed)):
        assert marked.leaks(b"x'" + found + b"'") == {"seed"}
    for text in ("code=048291", '{"n":"048291"}', "048 291", "type 048291.", "048291"):
        assert marked.leaks(text.encode()) == {"number"}, text
    for text in ("2026-01-01T00:00:00.048291Z", "ab048291cd", "10482911", "4829"):
        assert marked.leaks(text.encode()) == set(), text


# -- a browser ------------------------------------------------------------------------------------


class Browser:
    """One person's browser: a cookie kept by hand, forms and scripts as our own pages send them."""

    def __init__(self, http: aiohttp.ClientSession, base: str, marked: Marked, now: Hands) -> None:
        self._http, self._base, self._marked, self._now = http, base, marked, now
        self._cookie = ""
        self._csrf = ""
        self._key = BrowserKey()
        marked.secret("browser key", self._key.number)
        self.passkeys = SoftAuthenticator(origin=base)
        self.seed = b""
        self.pages: list[str] = []

    async def get(self, path: str) -> str:
        return await self._page("GET", path)

    async def post(self, path: str, **form: str) -> str:
        """Send a form; gives the page one ends at."""
        key = {"key": self._key.point} if path == "/enrol/app" else {}
        return await self._page("POST", path, data=urlencode({"csrf": self._csrf, **key, **form}))

    async def call(self, path: str, **body: object) -> dict[str, Any]:
        """What the page's script asks."""
        headers = {"Content-Type": "application/json", "X-CSRF-Token": self._csrf}
        key = {"key": self._key.point} if path in BINDING else {}
        _, text = await self._send("POST", path, headers, json.dumps({**key, **body}))
        answer: dict[str, Any] = json.loads(text)
        assert "error" not in answer, answer
        return answer

    async def _page(self, method: str, path: str, data: str | None = None) -> str:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if data is not None else {}
        status, text = await self._send(method, path, headers, data)
        while status == 303:
            status, text = await self._send("GET", text, {}, None)
        if csrf := re.search(r'<meta name="csrf" content="([^"]*)"', text):
            self._csrf = csrf[1]
        return text

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], data: str | None
    ) -> tuple[int, str]:
        proof = self._key.proof(method, path, (data or "").encode(), at=self._now())
        mine = {"Origin": self._base, "Cookie": f"{COOKIE}={self._cookie}", "Accept": "text/html"}
        mine["X-Proof"] = proof
        async with self._http.request(
            method, self._base + path, headers={**mine, **headers}, data=data, allow_redirects=False
        ) as answer:
            if COOKIE in answer.cookies:
                self._cookie = answer.cookies[COOKIE].value
                self._marked.secret("cookie", self._cookie.partition(".")[2])
            text = await answer.text()
            self.pages.append(text)
            return answer.status, answer.headers["Location"] if answer.status == 303 else text


def shown(page: str, id: str) -> str:
    """What an <output> of a page holds."""
    found = re.search(rf'<output id="{id}"[^>]*>([^<]*)</output>', page)
    assert found, page
    return found[1]


# -- the service, with ears on everything ---------------------------------------------------------


class Quoting:
    """The directory behind both its ports; set to, it repeats the secret it was told in whatever it says."""

    verbs = DemoDirectory.verbs

    def __init__(self, real: DemoDirectory) -> None:
        self._real = real
        self.how = ""
        self.told = ""

    async def carry_out(self, request: Request, key: str, secret: str | None) -> Receipt:
        self.told = secret or ""
        if self.how == "rejects":
            raise Rejected(f"the password {secret} is too short")
        if self.how == "raises":
            raise RuntimeError(f"could not set the password to {secret}")
        return self._quoted(await self._real.carry_out(request, key, secret))

    async def check(self, request: Request, key: str, secret: str | None) -> Receipt | None:
        receipt = await self._real.check(request, key, secret)
        return receipt and self._quoted(receipt)

    def _quoted(self, receipt: Receipt) -> Receipt:
        if self.how != "confirms":
            return receipt
        return Receipt(f"{receipt.reference}/{self.told}", f"The password is {self.told} now.")

    async def undo(self, request: Request, key: str) -> Receipt:
        return await self._real.undo(request, key)

    async def person(self, id: str) -> Person | None:
        if self.how == "breaks":
            raise RuntimeError(f"{id} is the one with the password {self.told}")
        return await self._real.person(id)

    async def find(self, by: By, value: str) -> Sequence[Person]:
        return await self._real.find(by, value)


@dataclass
class Scene:
    """A running service, its people's browsers, and everything that could be overheard."""

    house: House
    hands: Hands
    directory: DemoDirectory
    quoting: Quoting
    marked: Marked
    http: aiohttp.ClientSession
    addresses: list[str]
    mail: MailServer

    def browser(self) -> Browser:
        return Browser(self.http, self.house.settings.public_url, self.marked, self.hands)

    def code(self, browser: Browser, *, ago: int = 0) -> str:
        """What the sign-in app shows in the next half minute, which begins now."""
        self.hands.forward(seconds=30)
        totp = pyotp.TOTP(base64.b32encode(browser.seed).decode())
        return self.marked.number("code", totp.at(self.hands.now.timestamp() - 30 * ago))

    async def registered(self, token: str) -> Browser:
        """Somebody opens their enrolment link: a passkey first, then a sign-in app."""
        self.marked.secret("enrolment token", token)
        browser = self.browser()
        await browser.get(f"/enrol/{token}")
        await browser.post(f"/enrol/{token}")
        options = await browser.call("/enrol/begin", name="Phone")
        made = json.loads(browser.passkeys.make(options["publicKey"]))
        await browser.call("/enrol/finish", name="Phone", credential=made)
        key = shown(await browser.get("/enrol"), "key")
        browser.seed = base64.b32decode(key.replace(" ", ""))
        self.marked.secret("sign-in app's seed", browser.seed, key, key.replace(" ", ""))
        assert "Device registered" in await browser.post("/enrol/app", code=self.code(browser))
        return browser

    async def asked(self, browser: Browser, playbook: str, **form: str) -> str:
        page = await browser.post(f"/ask/{playbook}", **form)
        found = re.search(r"CS-[0-9A-Z]{5}", page)
        assert found, page
        return found[0]

    async def confirmed(self, browser: Browser, id: str) -> None:
        """With the passkey: proof or consent."""
        options = await browser.call(f"/requests/{id}/passkey/begin")
        credential = json.loads(browser.passkeys.get(options["publicKey"]))
        await browser.call(f"/requests/{id}/passkey/finish", credential=credential)

    async def reaches(self, id: str, stage: Stage) -> None:
        async with asyncio.timeout(20):
            while (await self.house.desk.get(id)).stage is not stage:  # noqa: ASYNC110  as its page would poll
                await asyncio.sleep(0.02)

    async def collected(self, browser: Browser, id: str, what: str) -> str:
        await self.reaches(id, Stage.AWAITING_COLLECTION)
        await browser.get(f"/requests/{id}")
        secret = shown(await browser.post(f"/requests/{id}/secret"), "secret")
        self.marked.secret(what, secret)
        return secret


@pytest.fixture
def overheard(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[[], bytes]]:
    """Everything that was printed or logged so far, at every level, in the format `serve` logs in."""
    before = structlog.get_config()
    logs.configure("json")
    lines, printed = io.StringIO(), list[str]()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.PrintLoggerFactory(lines),
        cache_logger_on_first_use=False,
    )
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "mail.log")  # the mail server's own, which hears its password

    def all_of_it() -> bytes:
        printed.extend(capfd.readouterr())
        return "\n".join([*printed, caplog.text, lines.getvalue()]).encode()

    yield all_of_it
    structlog.configure(**before)


def logged(said: bytes, event: str) -> bool:
    """Whether there is a line of ours about this event."""
    return re.search(rf'"event": ?"{event}"'.encode(), said) is not None


@pytest.fixture
def playbooks(tmp_path: Path) -> Path:
    """With a reset that hands out a temporary password, and also asks for a note and for a reason."""
    folder = tmp_path / "playbooks"
    shutil.copytree(handing_out(), folder)
    page = folder / "password_reset.yaml"
    page.write_text(
        page.read_text() + "\nform:\n  - {name: note, label: Anything else}\njustification: true\n"
    )
    return folder


@contextlib.asynccontextmanager
async def serving(database_url: str, folder: Path, playbooks: Path) -> AsyncIterator[Scene]:
    """As `serve` runs it, pages, worker, clock and socket, with the time in our hands."""
    hands, marked, addresses = Hands(), Marked(), list[str]()
    marked.secret("secret key", SECRET_KEY)
    marked.secret("mail password", mail.PASSWORD)
    people = directory.create(folder / "directory.db")
    quoting = Quoting(people)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    post = MailServer()
    await post.start()
    settings = settings_for(
        database_url,
        folder,
        smtp_url=post.url(),
        mail_from="countersign@acme.test",
        public_url=f"http://localhost:{port}",
        bind=f"127.0.0.1:{port}",
        playbooks=playbooks,
    )
    outside = Outside(quoting, {"directory": quoting}, Journal())
    house = await build(settings, Config(demo=True), outside, Countersign, DEMO, hands)
    pages = make_app(house)

    async def note(request: web.Request, answer: web.StreamResponse) -> None:
        addresses.append(f"{request.method} {request.path_qs} {answer.headers.get('Location', '')}")

    pages.on_response_prepare.append(note)
    try:
        async with (
            root.running(house, pages),
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
        ):
            yield Scene(house, hands, people, quoting, marked, http, addresses, post)
    finally:
        await house.close()
        await post.stop()


async def rows(scene: Scene, *, leaving_out: str = "") -> bytes:
    """Every value of every table, as it is stored."""
    intruder, found = Intruder(scene.house.settings.database_url), []
    for table in TABLES:
        if table == leaving_out:
            continue
        for row in await intruder.run(f"SELECT * FROM {table}"):  # noqa: S608  a name of ours
            found += [
                bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                for value in row.values()
            ]
    assert len(found) > 100
    return b"\n".join(found)


async def written(scene: Scene) -> bytes:
    """Every letter, as it was sent and as it is read."""
    async with asyncio.timeout(30):
        while (await scene.house.worker.outbox.waiting())[0]:  # noqa: ASYNC110  another task works
            await asyncio.sleep(0.02)
    read = [letter.get_content().encode() for letter in scene.mail.letters]
    return b"\n".join([*scene.mail.raw, *read])


async def on_the_disk(scene: Scene, folder: Path, known: bytes = b"SecretShown") -> bytes:
    """SQLite's files with all that is left in them of earlier pages; nothing on PostgreSQL, whose rows are dumped."""
    await asyncio.sleep(0)
    if Place.parse(scene.house.settings.database_url).path is None:
        return b""
    found = b"".join(path.read_bytes() for path in sorted(folder.glob("desk.db*")))  # noqa: ASYNC240
    assert known in found
    return found


# -- the search -----------------------------------------------------------------------------------


async def the_whole_job(scene: Scene) -> None:
    """Two administrators, a new device for Maya, her resets by code and by passkey, and what goes wrong between."""
    house, marked = scene.house, scene.marked
    nina, sam = [await scene.registered(token) for _, token in await root.first_links(house, "nina", "sam")]
    # a link for Maya: Nina asks and proves, Sam agrees, Nina hands it over
    id = await scene.asked(nina, "device_enrolment", **{"for-whom": "maya"})
    await scene.confirmed(nina, id)
    await scene.confirmed(sam, id)
    link = await scene.collected(nina, id, "enrolment link")
    maya = await scene.registered(link.rpartition("/")[2])
    # a reset by number and code, with a wrong one of each before
    id = await scene.asked(maya, "password_reset", note=NOTE, justification=WHY)
    page = await maya.get(f"/requests/{id}")
    number = marked.number("number", re.search(r'name="number"[^>]*value="([0-9]{6})"', page)[1])  # type: ignore[index]
    wrong = marked.number("number", f"{(int(number) + 1) % 10**6:06d}")
    await maya.post(f"/requests/{id}/code", number=wrong, code=scene.code(maya))
    await maya.post(f"/requests/{id}/code", number=number, code=scene.code(maya, ago=5))
    await maya.post(f"/requests/{id}/code", number=number, code=scene.code(maya))
    password = await scene.collected(maya, id, "password")
    assert await scene.directory.bind("maya.lindqvist", password)
    # and by passkey, in a browser that has signed in again
    maya._cookie = ""
    await maya.get("/sign-in")
    options = await maya.call("/sign-in/begin")
    credential = json.loads(maya.passkeys.get(options["publicKey"]))
    await maya.call("/sign-in/finish", credential=credential, onward="/")
    await maya.get("/")
    id = await scene.asked(maya, "password_reset", note=NOTE, justification=WHY)
    await scene.confirmed(maya, id)
    password = await scene.collected(maya, id, "password")
    assert await scene.directory.bind("maya.lindqvist", password)
    for browser in (maya, nina, sam):  # a look at everything there is to see
        for path in ("/", "/devices", f"/requests/{id}", "/readyz", "/nowhere"):
            await browser.get(path)
    in_pages = [page for browser in (maya, nina, sam) for page in browser.pages]
    for password in marked.secrets["password"]:
        assert sum(str(password) in page for page in in_pages) == 1  # shown once


async def test_no_secret_is_where_it_may_not_be(
    database_url: str, tmp_path: Path, playbooks: Path, overheard: Callable[[], bytes]
) -> None:
    async with serving(database_url, tmp_path, playbooks) as scene:
        await the_whole_job(scene)
        marked = scene.marked
        assert len(marked.secrets["password"]) == 2
        assert set(marked.secrets) == {
            "secret key",
            "mail password",
            "cookie",
            "browser key",
            "enrolment token",
            "enrolment link",
            "sign-in app's seed",
            "password",
        }
        assert {what: len(found) for what, found in marked.numbers.items()} == {"code": 6, "number": 2}
        texts = Marked({"free text": [WHY, NOTE]})

        said = overheard()
        assert logged(said, "decided")  # the ears are open
        assert logged(said, "http")
        assert (marked.leaks(said), texts.leaks(said)) == (set(), set())

        stored = await rows(scene)
        assert b"SecretShown" in stored
        assert marked.leaks(stored) == set()
        assert marked.leaks(await on_the_disk(scene, tmp_path), without=("number", "code")) == set()
        assert texts.leaks(stored) == {"free text"}  # in the one table it can be erased from
        assert texts.leaks(await rows(scene, leaving_out="clear_texts")) == set()

        events = await scene.house.store.fetch(select(TABLES["audit_events"]))
        for event in events:
            assert marked.leaks(bytes(event["body"])) | texts.leaks(bytes(event["body"])) == set(), event[
                "type"
            ]

        letters = await written(scene)
        assert letters.count(b"Your password was changed.") >= 2
        assert letters.count(b"A device was registered for you.") >= 3
        assert (marked.leaks(letters), texts.leaks(letters)) == (set(), set())

        visited = "\n".join(scene.addresses).encode()
        assert marked.leaks(visited, without=("enrolment token",)) | texts.leaks(visited) == set()
        for token in marked.secrets["enrolment token"]:
            uses = [address.split(" ")[0] for address in scene.addresses if str(token) in address]
            assert uses == ["GET", "POST"]  # looked at, then taken: after that it stands in no address


async def test_the_database_left_behind_holds_no_secret(
    sqlite_url: str, tmp_path: Path, playbooks: Path, overheard: Callable[[], bytes]
) -> None:
    """After a stop, with everything that was deleted still in the free pages of the file."""
    async with serving(sqlite_url, tmp_path, playbooks) as scene:
        await the_whole_job(scene)
    assert scene.marked.leaks(overheard()) == set()
    left = b"".join(path.read_bytes() for path in tmp_path.glob("desk.db*"))  # noqa: ASYNC240
    assert scene.marked.leaks(left, without=("number", "code")) == set()
    with contextlib.closing(sqlite3.connect(tmp_path / "desk.db")) as db:
        (count,) = db.execute("SELECT count(*) FROM secrets").fetchone()
    assert count == 0


async def test_a_chosen_password_is_where_it_was_typed_and_nowhere_else(
    database_url: str, tmp_path: Path, overheard: Callable[[], bytes]
) -> None:
    async with serving(database_url, tmp_path, SHIPPED) as scene:
        links = await root.first_links(scene.house, "nina", "sam")
        nina, _ = [await scene.registered(token) for _, token in links]
        id = await scene.asked(nina, "password_reset")
        await scene.confirmed(nina, id)
        marked = scene.marked
        for word in ("weak", "other", "good"):
            marked.secret("password", f"{word}-{secrets.token_hex(3 if word == 'weak' else 12)}")
        weak, other, good = map(str, marked.secrets["password"])
        for password, again in ((weak, weak), (other, good)):
            page = await nina.post(f"/requests/{id}/password", password=password, again=again)
            assert "That password can" in page
        await nina.post(f"/requests/{id}/password", password=good, again=good)
        await scene.reaches(id, Stage.FULFILLED)
        assert await scene.directory.bind("nina.kowalski", good)
        assert "Sign in with the password you chose" in await nina.get(f"/requests/{id}")
        assert not any(str(each) in page for page in nina.pages for each in marked.secrets["password"])
        assert marked.leaks(overheard()) == set()
        stored = await rows(scene)
        assert b"PasswordChosen" in stored
        assert marked.leaks(stored) == set()
        disk = await on_the_disk(scene, tmp_path, b"PasswordChosen")
        assert marked.leaks(disk, without=("number", "code")) == set()


# -- when something breaks ------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["raises", "rejects", "confirms"])
async def test_a_system_that_quotes_the_secret_is_not_repeated(
    database_url: str, tmp_path: Path, playbooks: Path, overheard: Callable[[], bytes], how: str
) -> None:
    async with serving(database_url, tmp_path, playbooks) as scene:
        links = await root.first_links(scene.house, "nina", "sam")
        nina = await scene.registered(links[0][1])
        scene.quoting.how = how
        id = await scene.asked(nina, "password_reset", note=NOTE, justification=WHY)
        await scene.confirmed(nina, id)
        if how == "raises":
            async with asyncio.timeout(20):
                while not logged(overheard(), "attempt_failed"):  # noqa: ASYNC110  that is all there is to see
                    await asyncio.sleep(0.02)
            scene.quoting.how = ""
            scene.hands.forward(seconds=5)
        await scene.reaches(id, Stage.FAILED if how == "rejects" else Stage.AWAITING_COLLECTION)
        assert len(scene.quoting.told) > 10
        scene.marked.secret("password", scene.quoting.told)
        page = await nina.get(f"/requests/{id}")
        assert scene.marked.leaks(page.encode()) == set()
        assert scene.marked.leaks(overheard()) == set()
        assert scene.marked.leaks(await rows(scene)) == set()


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_holds_no_message(form: str) -> None:
    """Ours and the libraries', with the causes behind them; `serve` is a process of its own, and so is this."""
    program = f"""
import logging, structlog
from handlers import logs
logs.configure({form!r})
def fails():
    try:
        raise KeyError("Xk3f-first")
    except KeyError as cause:
        raise ValueError("Xk3f-second") from cause
for log in (structlog.get_logger(), logging.getLogger("library")):
    try:
        fails()
    except ValueError:
        log.exception("defect")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    said = done.stdout + done.stderr
    assert "Xk3f" not in said
    for what in ("defect", "KeyError", "ValueError", "in fails"):
        assert said.count(what) >= 2, said


async def test_a_defects_traceback_names_places_and_no_secret(
    database_url: str, tmp_path: Path, playbooks: Path, overheard: Callable[[], bytes]
) -> None:
    async with serving(database_url, tmp_path, playbooks) as scene:
        links = await root.first_links(scene.house, "nina", "sam")
        nina = await scene.registered(links[0][1])
        id = await scene.asked(nina, "password_reset", note=NOTE, justification=WHY)
        await scene.confirmed(nina, id)
        await scene.collected(nina, id, "password")
        scene.quoting.how = "breaks"
        page = await nina.get(f"/requests/{id}")
        assert scene.marked.leaks(page.encode()) == set()
        said = overheard()
        assert logged(said, "defect")
        assert b"RuntimeError" in said
        assert b"session.py" in said  # where it happened is what an operator needs
        assert scene.marked.leaks(said) == set()
