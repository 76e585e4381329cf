"""A system of the company's own at an https address: asked by signed POST, as Standard Webhooks 1.0.0 writes it.

Whoever answers has shown a certificate of that name; whoever asks has shown, by the signature, that they know the
secret. One call is one attempt over a connection of its own: repeating is the worker's, which reads back first.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import re
import secrets
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from pydantic import Field, SecretStr, field_validator

from flows.model import Receipt
from handlers.answers import whole
from handlers.changes import LARGEST, Asked, Changes, Uncertain, Verbs, read, receipt, shown
from handlers.findings import Finding, Level, certified
from handlers.ports import MissingRight, NoAccount, PolicyRefused, Rejected, Unreachable
from handlers.reach import address, authority, greeted

EXAMPLE = "https://accounts.example.com/countersign"
PREFIX = "whsec_"
SHORTEST_SECRET, LONGEST_SECRET = 24, 64  # bytes, as the specification has it
PROBLEM = "application/problem+json"  # RFC 9457
KINDS: Mapping[str, type[Rejected]] = {
    "urn:countersign:missing-right": MissingRight,
    "urn:countersign:no-account": NoAccount,
    "urn:countersign:policy": PolicyRefused,
}
#: Answers after which nobody knows: the receiver, or something before it, gave up on the way.
GAVE_UP = frozenset({408, 425, 429})
_KEY = re.compile(r"[A-Za-z0-9:_-]{1,200}")  # no full stop, which separates what is signed


class Receiver(Verbs):
    """One receiver. Raises pydantic's ValidationError for what can't be one."""

    url: str = Field(description="Its https address; http is for this machine only.")
    secret: tuple[SecretStr, ...] = Field(
        min_length=1,
        description="What requests are signed with, as `{env: NAME}`; while rotating a list, newest first.",
    )
    ca_file: Path | None = Field(None, description="A PEM file with your own authority; else the system's.")
    answer_within: float = Field(10.0, gt=0, le=15, description="Seconds for each answer.")

    @field_validator("url")
    @classmethod
    def _private(cls, value: str) -> str:
        url = address(value, ("http", "https"), EXAMPLE)
        if url.fragment:
            raise ValueError(f"what follows # is sent to nobody; an example is {EXAMPLE}")
        if url.scheme == "http" and not _this_machine(str(url.hostname)):
            raise ValueError("it must begin with https:// (http is for this machine only)")
        return value

    @field_validator("secret", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return value if isinstance(value, list | tuple) else (value,)

    @field_validator("secret")
    @classmethod
    def _random(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for each in value:
            raw = each.get_secret_value()
            if not raw.startswith(PREFIX) or not SHORTEST_SECRET <= len(_bytes(raw)) <= LONGEST_SECRET:
                raise ValueError(f"a secret is {PREFIX} and the base64 of 24 to 64 random bytes")
        return value

    _authority = field_validator("ca_file")(authority)


class Webhook:
    """A receiver, as we ask it."""

    def __init__(self, given: Receiver, clock: Callable[[], float] = time.time) -> None:
        self._given = given
        self._clock = clock
        self._secrets = [_bytes(each.get_secret_value()) for each in given.secret]
        self._tls = ssl.create_default_context(cafile=str(given.ca_file) if given.ca_file else None)
        self._url = urlsplit(given.url)
        self._host = self._url.hostname
        self._web: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Hang up."""
        if self._web is not None:
            await self._web.close()

    async def look(self) -> list[Finding]:
        """Knock at its door with nothing asked: whether it is there, and that its certificate is its own."""
        tls = self._tls if self._url.scheme == "https" else None
        try:
            ends = await greeted(self._url, tls, self._given.answer_within)
        except Unreachable as failure:
            remedy = "Check `url`, and the receiver's certificate (`ca_file`)."
            return [Finding("receiver", Level.FAIL, str(failure), remedy)]
        if ends is None:
            return [
                Finding("receiver", Level.PASS, f"{self._host} is there, on this machine and without TLS")
            ]
        return [certified("receiver", f"{self._host} is there", ends)]

    async def ask(self, asked: Asked) -> Receipt | None:
        """POST it, signed. Raises Rejected or one of its kinds, Unreachable when nothing was done, else Uncertain."""
        body = asked.document()
        try:
            async with self._session().post(
                self._given.url, data=body, headers=self._headers(asked, body), allow_redirects=False
            ) as answer:
                told = await whole(answer.content, LARGEST)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            # No connection or no trust in it: not a byte of the request has left.
            raise Unreachable(f"{self._host} can't be reached ({_short(error)}).") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Uncertain(f"{self._host} didn't answer ({_short(error)})") from None
        except ValueError as too_much:
            raise Uncertain(str(too_much)) from None
        return _meant(answer, told, asked.secret)

    def _headers(self, asked: Asked, body: bytes) -> Mapping[str, str]:
        id, sent = message(asked), int(self._clock())
        return {
            "Accept": f"application/json, {PROBLEM}",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "User-Agent": "Countersign",
            "webhook-id": id,
            "webhook-timestamp": str(sent),
            "webhook-signature": signature(self._secrets, id, sent, body),
        }

    def _session(self) -> aiohttp.ClientSession:
        """Made at the first use, since it belongs to a loop. No cookie and nothing of the environment goes along."""
        if self._web is None:
            given = self._given
            within = given.answer_within
            self._web = aiohttp.ClientSession(
                # A connection that waited may be closed just as it is used, and then nobody knows what arrived.
                connector=aiohttp.TCPConnector(ssl=self._tls, force_close=True),
                timeout=aiohttp.ClientTimeout(total=within, connect=within / 2),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._web


def connect(entry: Mapping[str, object]) -> Changes:
    """The connector of the kind `webhook`. Raises pydantic's ValidationError."""
    given = Receiver.model_validate(entry)
    return Changes(Webhook(given), given.verbs, given.undoes)


# -- what is sent -----------------------------------------------------------------------------


def message(asked: Asked) -> str:
    """The message's id. To change something again is to say the same again; to look again is another question."""
    if not _KEY.fullmatch(asked.key):
        raise ValueError("a key has letters, digits, colons, hyphens and low lines")
    id = f"{asked.operation}:{asked.key}"
    return f"{id}:{secrets.token_hex(8)}" if asked.operation == "check" else id


def signature(keys: Sequence[bytes], id: str, sent: int, body: bytes) -> str:
    """The header webhook-signature: a `v1` of each key over id, time and body, as the specification has it."""
    signed = f"{id}.{sent}.".encode() + body
    made = (base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)
    return " ".join(f"v1,{each}" for each in made)


# -- what is answered -------------------------------------------------------------------------


def _meant(answer: aiohttp.ClientResponse, told: bytes, secret: str | None) -> Receipt | None:
    """What an answer says of the change. Whatever isn't a clear yes or no leaves it open."""
    status = answer.status
    if status == 200:
        return receipt(told, secret)
    if status == 503 and "Retry-After" in answer.headers:
        raise Unreachable("The receiver asks for some time.")
    if not 400 <= status < 500 or status in GAVE_UP:
        raise Uncertain(f"the receiver answers {status}")
    kind, text = _problem(answer, told, secret)
    if status in (401, 403):
        kind = MissingRight
    raise kind(text or f"The receiver refuses it (HTTP {status}).")


def _problem(answer: aiohttp.ClientResponse, told: bytes, secret: str | None) -> tuple[type[Rejected], str]:
    """Which kind of refusal a problem document names, and its words. Without one it is a refusal all the same."""
    if answer.content_type != PROBLEM:
        return Rejected, ""
    try:
        problem = read(told)
    except Uncertain:
        return Rejected, ""
    words = shown(problem.get("detail"), secret) or shown(problem.get("title"), secret)
    return KINDS.get(str(problem.get("type")), Rejected), words


# -- small ------------------------------------------------------------------------------------


def _bytes(secret: str) -> bytes:
    """What a written secret stands for; nothing for what isn't base64."""
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _short(error: Exception) -> str:
    """What went wrong, in one line: what an operator looks up."""
    return shown(str(error), None) or type(error).__name__
