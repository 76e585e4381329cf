"""SCIM 2.0 as we use it: over TLS, with one token, never following, never waiting for ever, never taking too much.

Whatever goes into a filter goes through `equals`, whatever goes into a path through `place`. A write carries the
version that was read (RFC 7644 §3.14), so that nobody else's change is written over.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from yarl import URL

from handlers.answers import whole
from handlers.ports import MissingRight, NoAccount, PolicyRefused, Rejected, Unreachable
from handlers.reach import greeted
from handlers.scim.config import ScimServer

LARGEST = 1024 * 1024  # bytes of one answer
PAGE = 100  # entries asked for at a time
MOST = 100_000  # entries of one list: whoever has more isn't read one by one
PAUSE, LONGEST_PAUSE = 2.0, 60.0  # seconds in which a server that failed isn't asked; doubled each time
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
FOLDED = frozenset({"userName", "displayName"})  # compared without case (RFC 7643 §4.1.1, §8.7.1)
#: Of an address. Escaped as they are, some servers take them for what they aren't any more.
SEPARATING = frozenset("/\\%?#;")

Operations = Sequence[Mapping[str, object]]


class Uncertain(Exception):
    """The answer to a change was lost or can't be read: it may have happened."""


class Conflict(Exception):
    """Somebody else changed the entry since it was read. Ours was not written over theirs."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One user or group, as the server told it."""

    values: Mapping[str, Any]
    etag: str = ""

    def text(self, name: str) -> str:
        """A value that is text; empty for anything else."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    def all(self, name: str) -> list[Mapping[str, Any]]:
        """A value with several parts, each with parts of its own."""
        values = self.values.get(name)
        return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []

    @property
    def id(self) -> str:
        """The server's own lasting name for it (RFC 7643 §3.1)."""
        return self.text("id")

    @property
    def version(self) -> str:
        """Its version as an entity tag; empty where the server gives none that fits into a header."""
        version = self._meta.get("version") or self.etag
        good = isinstance(version, str) and version.isascii() and version.isprintable()
        return version if good else ""

    @property
    def modified(self) -> datetime | None:
        """When it was last changed, by the server's clock; None where that isn't told."""
        return self._moment("lastModified")

    @property
    def created(self) -> datetime | None:
        """When it was made, by the server's clock; None where that isn't told."""
        return self._moment("created")

    def _moment(self, name: str) -> datetime | None:
        """A time of the server's (RFC 7643 §2.3.5) in UTC; None for what is none."""
        try:
            moment = datetime.fromisoformat(str(self._meta.get(name)))
            return moment.astimezone(UTC) if moment.tzinfo else None
        except (ValueError, OverflowError):  # the second for what has no UTC, such as the first hour of all
            return None

    @property
    def _meta(self) -> Mapping[str, Any]:
        meta = self.values.get("meta")
        return meta if isinstance(meta, dict) else {}


@dataclass(slots=True)
class Breaker:
    """Until when a server that failed isn't asked."""

    clock: Callable[[], float]
    pause: float = 0.0
    until: float = field(default=float("-inf"))

    def ready(self) -> None:
        """Raises Unreachable during a pause."""
        if self.clock() < self.until:
            raise Unreachable("The SCIM server didn't answer a moment ago, so it isn't asked yet.")

    def failed(self) -> None:
        self.pause = min(max(self.pause * 2, PAUSE), LONGEST_PAUSE)
        self.until = self.clock() + self.pause

    def answered(self) -> None:
        self.pause, self.until = 0.0, float("-inf")


class Client:
    """A SCIM server, as the owner of one token sees it."""

    def __init__(self, given: ScimServer, clock: Callable[[], float] = time.monotonic) -> None:
        self._given = given
        self._tls = ssl.create_default_context(cafile=str(given.ca_file) if given.ca_file else None)
        self._breaker = Breaker(clock)
        self._web: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Hang up."""
        if self._web is not None:
            await self._web.close()

    async def get(self, kind: str, id: str) -> Resource:
        """One entry of `Users` or `Groups`, read fresh. Raises NoAccount, Unreachable or Rejected."""
        found = await self._call("GET", place(kind, id))
        if found.id != id and SEPARATING & set(id):  # read as a place on the way there, which isn't an entry
            raise NoAccount("There is no such entry on the SCIM server.")
        if found.id != id:
            raise Unreachable("The SCIM server answers with another entry than it was asked for.")
        return found

    async def found(self, kind: str, attribute: str, value: str) -> list[Resource]:
        """Entries with this very value, whatever else the server sends. Raises Unreachable or Rejected."""
        fold = str.casefold if attribute in FOLDED else str
        entries = await self.every(kind, equals(attribute, value))
        return [entry for entry in entries if fold(entry.text(attribute)) == fold(value)]

    async def every(self, kind: str, filter: str = "", *, attributes: str = "") -> list[Resource]:
        """All entries, page by page (RFC 7644 §3.4.2.4), or none. Raises Unreachable or Rejected.

        `attributes`: what is told of each, besides its id (§3.9); everything without.
        """
        asked = {"filter": filter, "attributes": attributes}
        entries: dict[str, Resource] = {}
        start = 1
        while True:
            query = {"startIndex": str(start), "count": str(PAGE), **{k: v for k, v in asked.items() if v}}
            page = await self._call("GET", f"{kind}?{urlencode(query, quote_via=quote)}")
            total, given = page.values.get("totalResults"), page.all("Resources")
            if (
                not isinstance(total, int)
                or total < 0
                or not all(isinstance(it.get("id"), str) for it in given)
            ):
                raise Unreachable("The SCIM server's list can't be read.")
            entries |= {each["id"]: Resource(each) for each in given}
            start += len(given)
            if len(entries) > MOST:
                raise Unreachable(f"The SCIM server lists more than {MOST} entries.")
            if start > total:
                break
            if not given:
                raise Unreachable("The SCIM server left out a part of its list.")
        if len(entries) < total:
            raise Unreachable("The SCIM server's list changed while it was read.")
        return list(entries.values())

    async def first(self, kind: str) -> Resource | None:
        """Any entry of `Users` or `Groups`, or None. Raises Unreachable or Rejected."""
        page = await self._call("GET", f"{kind}?startIndex=1&count=1")
        return next((Resource(each) for each in page.all("Resources")), None)

    async def features(self) -> Resource:
        """What the server says that it can (RFC 7644 §4); nothing where it doesn't say. Raises Unreachable."""
        try:
            return await self._call("GET", "ServiceProviderConfig")
        except NoAccount:
            return Resource({})

    async def visit(self) -> datetime | None:
        """Greet the server; gives its certificate's end, None without TLS. Raises Unreachable."""
        url = urlsplit(self._given.url)
        return await greeted(url, self._tls if url.scheme == "https" else None, self._given.connect_within)

    async def patch(self, kind: str, entry: Resource, operations: Operations, secret: str = "") -> None:
        """Change an entry that is still as it was read, all of it or nothing (RFC 7644 §3.5.2).

        `secret` is blanked in whatever the server says of it. Raises Rejected or one of its kinds, Unreachable when
        nothing was changed, Conflict when somebody else was faster, and Uncertain when it may have happened.
        """
        body = {"schemas": [PATCH], "Operations": list(operations)}
        await self._call("PATCH", place(kind, entry.id), body, entry.version, secret)

    # -- one call -----------------------------------------------------------------------------------

    async def _call(
        self, method: str, where: str, body: object = None, version: str = "", secret: str = ""
    ) -> Resource:
        self._breaker.ready()
        headers = {"If-Match": version} if version else {}
        if body is not None:
            headers["Content-Type"] = "application/scim+json"
        url = URL(f"{self._given.url}/{where}", encoded=True)
        data = None if body is None else json.dumps(body).encode()
        try:
            async with self._session().request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as answer:
                said = await whole(answer.content, LARGEST)
                status, etag = answer.status, answer.headers.get("ETag", "")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            self._breaker.failed()
            raise Unreachable(f"The SCIM server can't be reached ({type(error).__name__}).") from None
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self._breaker.failed()
            raise _lost(method, type(error).__name__) from None
        found = _read(said)
        if status == 204 or (status in (200, 201) and found is not None):
            self._breaker.answered()
            return Resource(found or {}, etag)
        no = _no(method, status, found or {}, bool(version), secret)
        if isinstance(no, Uncertain | Unreachable):
            self._breaker.failed()
        else:
            self._breaker.answered()
        raise no

    def _session(self) -> aiohttp.ClientSession:
        if self._web is None or self._web.closed:
            given = self._given
            self._web = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=given.answer_within, sock_connect=given.connect_within),
                headers={
                    "Authorization": f"Bearer {given.token.get_secret_value()}",
                    "Accept": "application/scim+json, application/json",
                    "Accept-Encoding": "identity",
                },
            )
        return self._web


# -- what goes into a filter and a path -------------------------------------------------------------------


def equals(attribute: str, value: str) -> str:
    """A filter for one value, written as a JSON string (RFC 7644 §3.4.2.2): nothing of it is read as a filter."""
    return f"{attribute} eq {json.dumps(value)}"


def place(kind: str, id: str) -> str:
    """Where an entry is. Raises NoAccount for an id that names another place, or none."""
    try:
        written = quote(id, safe="")
    except UnicodeEncodeError:  # half a character: no server has that
        written = ""
    if written in ("", ".", ".."):
        raise NoAccount("There is no such entry on the SCIM server.")
    return f"{kind}/{written}"


# -- what comes back --------------------------------------------------------------------------------------


def _read(said: bytes) -> dict[str, Any] | None:
    """An answer's values; None for what isn't a JSON object."""
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _lost(method: str, why: str) -> Exception:
    if method == "GET":
        return Unreachable(f"The SCIM server doesn't answer so that it can be read ({why}).")
    return Uncertain(f"the answer to a change was lost ({why})")


def _no(method: str, status: int, found: Mapping[str, Any], conditional: bool, secret: str) -> Exception:
    """A server's no in our own words (RFC 7644 §3.12). Whoever sends us elsewhere has changed nothing."""
    code = found.get("scimType")
    detail = " ".join(str(found.get("detail") or code or "").split())
    detail = (detail.replace(secret, "[blanked]") if secret else detail)[:200]
    said = f"HTTP {status}, {detail}" if detail else f"HTTP {status}"
    schemas = found.get("schemas")
    scim = isinstance(schemas, list) and ERROR in schemas
    match status:
        case 401 | 403:
            return MissingRight(f"The SCIM server says that our token may not do that ({said}).")
        case 404 if scim:
            return NoAccount("There is no such entry on the SCIM server.")
        case 404:  # a proxy's page or a wrong address: nobody may be thought gone because of it
            return Unreachable("There is no SCIM server at this address. Check its url.")
        case 412 if conditional:
            return Conflict("the entry was changed since it was read")
        case 409 if conditional and code != "uniqueness":
            return Conflict("the entry was changed since it was read")
        case 422:
            return PolicyRefused(f"The SCIM server's policy refuses that ({said}).")
        case 400 if code == "invalidValue":
            return PolicyRefused(f"The SCIM server's policy refuses that ({said}).")
        case _ if 300 <= status < 400:
            return Unreachable(
                f"The SCIM server sends us elsewhere (HTTP {status}), and we don't go. Check its url."
            )
        case _ if 400 <= status < 500 and status not in (408, 425, 429):
            return Rejected(f"The SCIM server refuses that ({said}).")
        case _:
            return _lost(method, f"HTTP {status}")
