"""A system of the company's own at an https address: asked by signed POST, as Standard Webhooks 1.0.0 writes it.

Whoever answers has shown a certificate of that name; whoever asks has shown, by the signature, that they know the
secret. One call is one attempt over a connection of its own: repeating is the worker's, which reads back first.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import aiohttp

from flows.model import Receipt
from handlers.answers import whole
from handlers.changes import LARGEST, Asked, Changes, Uncertain, Verbs, read, receipt, shown
from handlers.findings import Finding, Level, certified
from handlers.ports import MissingRight, NoAccount, PolicyRefused, Rejected, Unreachable
from handlers.reach import greeted
from handlers.signed import Signed, session, signature

PROBLEM = "application/problem+json"  # RFC 9457
KINDS: Mapping[str, type[Rejected]] = {
    "urn:countersign:missing-right": MissingRight,
    "urn:countersign:no-account": NoAccount,
    "urn:countersign:policy": PolicyRefused,
}
#: Answers after which nobody knows: the receiver, or something before it, gave up on the way.
GAVE_UP = frozenset({408, 425, 429})
_KEY = re.compile(r"[A-Za-z0-9:_-]{1,200}")  # no full stop, which separates what is signed


class Receiver(Signed, Verbs):
    """One receiver. Raises pydantic's ValidationError for what can't be one."""


class Webhook:
    """A receiver, as we ask it."""

    def __init__(self, given: Receiver, clock: Callable[[], float] = time.time) -> None:
        self._given = given
        self._clock = clock
        self._secrets = given.keys
        self._tls = given.tls
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
        """Made at the first use, since it belongs to a loop."""
        if self._web is None:
            self._web = session(self._given, self._tls)
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


def _short(error: Exception) -> str:
    """What went wrong, in one line: what an operator looks up."""
    return shown(str(error), None) or type(error).__name__
