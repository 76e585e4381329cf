"""A browser's side of the wire, byte for byte, so that it can say what no browser would.

Whatever comes back is looked at: no answer of any page may lack a header, leak an inside or set a loose cookie.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bot.web.session import COOKIE
from tests.browser.site import Site
from tests.browser_key import BrowserKey
from tests.company import Phone

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

BINDING = ("/enrol/begin", "/enrol/finish", "/sign-in/begin", "/sign-in/finish")

Headers = Sequence[tuple[str, str | bytes]]

ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
CONTENT_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "worker-src": "'self'",
    "manifest-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
# What a page would say if it were turned inside out.
INSIDES = re.compile(
    r"Traceback|File &?#?\w*;?\"|line \d+, in |\w(Error|Exception)\b|&lt;\w+ object at|<_io|FileField|aiohttp|sqlite"
    r"|sqlalchemy|site-packages|\b(handlers|storage|flows|bot)\.[a-z_]+|/tmp/",
)


@dataclass(frozen=True)
class Answer:
    """One response. Header names are small letters; a header may stand there more than once."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        return ", ".join(value for known, value in self.headers if known == name)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def token(self) -> str:
        """The form token of a page."""
        found = re.search(r'<meta name="csrf" content="([0-9a-f]*)">', self.text)
        return found[1] if found else ""

    @property
    def cookie(self) -> str:
        """The session's cookie as this answer sets it, or empty."""
        jar: SimpleCookie = SimpleCookie(self.header("set-cookie"))
        return jar[COOKIE].value if COOKIE in jar else ""


@dataclass
class Wire:
    """One browser: a cookie, the token of the last page, a key of its own, and a connection for each request.

    `key` None is a browser that has lost it, or never had the one that goes with its cookie.
    """

    site: Site
    cookie: str = ""
    token: str = ""
    key: BrowserKey | None = field(default_factory=BrowserKey)
    answers: list[Answer] = field(default_factory=list)

    @classmethod
    async def of(cls, site: Site, phone: Phone) -> Wire:
        """The browser that is this registered device."""
        wire = cls(site, phone.cookie, key=phone.key)
        assert (await wire.get("/devices")).status == 200
        return wire

    @classmethod
    async def stranger(cls, site: Site) -> Wire:
        """A browser nobody has registered, which has opened a page of ours once."""
        wire = cls(site)
        assert (await wire.get("/sign-in")).status == 200
        return wire

    # -- as a browser does --------------------------------------------------------------------

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.send("GET", path, [*self._own(), *_named(headers)])

    async def post(self, path: str, form: Mapping[str, str] | None = None, **headers: str) -> Answer:
        """A form of ours, sent by the page it stands on."""
        sent = {"csrf": self.token, **(form or {})}
        if path == "/enrol/app" and self.key is not None:
            sent = {"key": self.key.point, **sent}
        body = urlencode(sent).encode()
        more = [("Origin", self.site.url), ("Content-Type", FORM), *_named(headers)]
        return await self.send("POST", path, [*self._own(), *more], body)

    async def json(self, path: str, body: object) -> Answer:
        """What our own script sends, with this browser's key where one is bound. Bytes are sent as they are."""
        if path in BINDING and isinstance(body, dict) and self.key is not None:
            body = {"key": self.key.point, **body}
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.send("POST", path, [*self.script(), ("Content-Type", JSON)], sent)

    def script(self) -> Headers:
        """The headers that our own script and this browser put before a body."""
        own = [("Origin", self.site.url), ("Accept", JSON), ("X-CSRF-Token", self.token)]
        return [*self._own(), *own]

    # -- as nobody should ---------------------------------------------------------------------

    async def send(self, method: str, path: str | bytes, headers: Headers = (), body: bytes = b"") -> Answer:
        """One request with exactly these headers, and Host and Content-Length if they aren't among them.

        It is signed, if it comes with this browser's own cookie and no other proof.
        """
        named = {name.lower() for name, _ in headers}
        if self.key is not None and self._own() and self._own()[0] in headers and "x-proof" not in named:
            at = self.site.acme.hands()
            headers = [*headers, ("X-Proof", self.key.proof(method, path, body, at=at))]
        more: list[tuple[str, str | bytes]] = [("Connection", "close")]
        if "host" not in named:
            more.append(("Host", self.site.url.partition("://")[2]))
        if (body or method == "POST") and not named & {"content-length", "transfer-encoding"}:
            more.append(("Content-Length", str(len(body))))
        target = path if isinstance(path, bytes) else path.encode()
        lines = [name.encode() + b": " + as_bytes(value) for name, value in [*more, *headers]]
        head = b"\r\n".join([method.encode() + b" " + target + b" HTTP/1.1", *lines])
        answer = await self.raw(head + b"\r\n\r\n" + body)
        sound(answer, static=target.startswith(b"/static/"))
        self.answers.append(answer)
        self.cookie = answer.cookie or self.cookie
        self.token = (
            answer.token if answer.header("content-type").startswith("text/html") else ""
        ) or self.token
        return answer

    async def raw(self, request: bytes) -> Answer:
        """These bytes, whatever they are; nothing is expected of the answer."""
        host, _, port = self.site.url.partition("://")[2].partition(":")
        return await exchange(request, int(port), "127.0.0.1" if host == "localhost" else host)

    def _own(self) -> list[tuple[str, str | bytes]]:
        return [("Cookie", f"{COOKIE}={self.cookie}")] if self.cookie else []


async def exchange(request: bytes, port: int, host: str = "127.0.0.1", *, patience: float = 10.0) -> Answer:
    """Send these bytes, whatever they are, and read what is answered within `patience` seconds."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        async with asyncio.timeout(patience):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head[:-4].decode("latin-1").split("\r\n")
            pairs = [line.partition(": ")[::2] for line in lines]
            headers = tuple((name.lower(), value) for name, value in pairs)
            size = int(dict(headers).get("content-length", 0))
            body = b"" if request.startswith(b"HEAD ") else await reader.readexactly(size)
            if "transfer-encoding" in dict(headers):
                assert await reader.read() == b"0\r\n\r\n"  # only what has no body comes in pieces
    finally:
        writer.close()
    return Answer(int(first.split(" ")[1]), headers, body)


def sound(answer: Answer, *, static: bool = False) -> None:
    """What holds for every answer of every page, whoever asked and whatever for."""
    assert answer.status < 500, answer
    for name, value in ALWAYS.items():
        assert answer.header(name) == value, (name, answer)
    assert "camera=()" in answer.header("permissions-policy")
    policy = dict(rule.strip().split(" ", 1) for rule in answer.header("content-security-policy").split(";"))
    assert policy == CONTENT_POLICY
    if static and answer.status in (200, 206, 304):
        assert answer.header("cache-control") == "public, max-age=300"
        assert not answer.header("set-cookie")
    else:
        assert answer.header("cache-control") == "no-store", answer
    for name, value in answer.headers:
        if name == "set-cookie":
            parts = value.split("; ")
            assert parts[0].startswith(f"{COOKIE}=")
            assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(parts), value
            assert not any(part.lower().startswith("domain") for part in parts), value
    location = answer.header("location")
    assert location == "" or re.fullmatch(r"/(?!/)[!-\[\]-~]*", location), location
    assert location == "/enrol/done" or not location.startswith("/enrol/")
    if not static:
        found = INSIDES.search(answer.body.decode(errors="replace"))
        assert found is None, (found, answer.body)


def state(folder: Path) -> str:
    """A fingerprint of everything that is kept: every row of the house and of the directory."""
    digest = hashlib.sha256()
    for name in ("desk.db", "directory.db"):
        with closing(sqlite3.connect(f"file:{folder / name}?mode=ro", uri=True)) as db:
            for line in db.iterdump():
                digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _named(headers: Mapping[str, str]) -> Headers:
    return [(name.replace("_", "-"), value) for name, value in headers.items()]


def as_bytes(value: str | bytes) -> bytes:
    """A header's value as it is sent."""
    return value if isinstance(value, bytes) else value.encode()
