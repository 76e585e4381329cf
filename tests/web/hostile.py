"""What no chat would ever post, made out of what it would: for every address that a chat posts to.

Each kind takes a genuine delivery and gives headers and a body that no gate may let in, with the status for it.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.web.wire import INSIDES, JSON, Answer, Headers, as_bytes, exchange

Vouched = Callable[[bytes, str], Headers]
Packed = tuple[Headers, bytes]


@dataclass(frozen=True)
class Genuine:
    """A delivery that passes: an object, and the headers that vouch for any body of any type, freshly made."""

    says: Mapping[str, Any]
    vouched: Vouched

    @property
    def body(self) -> bytes:
        return json.dumps(self.says).encode()

    def packed(self, *more: tuple[str, str | bytes], without: str = "", body: bytes | None = None) -> Packed:
        """The delivery, but for these headers: one of a name replaces ours. `body` goes in its place, unvouched."""
        left_out = {without.lower(), *(name.lower() for name, _ in more)}
        kept = [each for each in self.vouched(self.body, JSON) if each[0].lower() not in left_out]
        return [*kept, *more], self.body if body is None else body

    def other(self, body: bytes | str, *more: tuple[str, str], form: str = JSON) -> Packed:
        """Another body, and vouched for."""
        sent = body.encode() if isinstance(body, str) else body
        return [*self.vouched(sent, form), *more], sent

    def with_value(self, text: str) -> Packed:
        """The delivery with one value more, written like this."""
        return self.other(self.body[:-1] + b',"a":' + text.encode() + b"}")


Kind = Callable[[Genuine], Packed]
ZEROS = bytes(8_000_000)

KINDS: dict[str, tuple[Kind, int]] = {
    # packed as no chat packs
    "no content type": (lambda g: g.packed(without="Content-Type"), 415),
    "two content types": (lambda g: g.other(g.body, ("Content-Type", "application/json")), 400),
    "multipart": (lambda g: g.packed(("Content-Type", "multipart/form-data; boundary=x")), 415),
    "plain text": (lambda g: g.packed(("Content-Type", "text/plain")), 415),
    "XML": (lambda g: g.other(b"<a/>", form="application/xml"), 415),
    "another charset": (lambda g: g.packed(("Content-Type", JSON + "; charset=utf-16")), 415),
    "a gzip bomb": (lambda g: g.other(gzip.compress(ZEROS), ("Content-Encoding", "gzip")), 415),
    "a deflate bomb": (lambda g: g.other(zlib.compress(ZEROS), ("Content-Encoding", "deflate")), 415),
    "gzip that isn't": (lambda g: g.packed(("Content-Encoding", "gzip")), 415),
    "gzip within gzip": (
        lambda g: g.other(gzip.compress(gzip.compress(ZEROS)), ("Content-Encoding", "gzip, gzip")),
        415,
    ),
    "gzip without saying so": (lambda g: g.other(gzip.compress(g.body)), 400),
    # of a length that can't be
    "too much": (lambda g: g.other(b'{"a":"' + b"a" * 66_000 + b'"}'), 413),
    "too much, in pieces": (
        lambda g: g.other(b"11800\r\n" + b"a" * 0x11800, ("Transfer-Encoding", "chunked")),
        413,
    ),
    "far too much, announced": (lambda g: g.packed(("Content-Length", b"99999999999")), 413),
    "pieces of no size": (
        lambda g: g.packed(("Transfer-Encoding", "chunked"), body=b"zz\r\nhello\r\n"),
        400,
    ),
    "a length and pieces": (
        lambda g: g.packed(("Content-Length", "5"), ("Transfer-Encoding", "chunked"), body=b"0\r\n\r\n"),
        400,
    ),
    "two lengths": (
        lambda g: g.packed(("Content-Length", str(len(g.body))), ("Content-Length", "1")),
        400,
    ),
    "a length below zero": (lambda g: g.packed(("Content-Length", "-1")), 400),
    # vouched for, and unreadable
    "nothing": (lambda g: g.other(b""), 400),
    "no JSON": (lambda g: g.other(b"{"), 400),
    "bad UTF-8": (lambda g: g.other(b'{"type":"\xff"}'), 400),
    "a lone surrogate": (lambda g: g.with_value('"\\ud800"'), 400),
    "a NUL": (lambda g: g.with_value('"a\\u0000b"'), 400),
    "a key twice": (lambda g: g.other(b'{"type":"message",' + g.body[1:]), 400),
    "30,000 levels": (lambda g: g.other(b"[" * 30_000 + b"]" * 30_000), 400),
    "33 levels": (lambda g: g.with_value("[" * 32 + "]" * 32), 400),
    "NaN": (lambda g: g.with_value("NaN"), 400),
    "a huge number": (lambda g: g.with_value("1e999"), 400),
    "a number of 50,000 digits": (lambda g: g.with_value("9" * 50_000), 400),
    # readable, and nothing that a chat says
    "null": (lambda g: g.other(b"null"), 400),
    "a list": (lambda g: g.other(b"[]"), 400),
    "an empty object": (lambda g: g.other(b"{}"), 400),
    "a type of a number": (lambda g: g.other(json.dumps({**g.says, "type": 7})), 400),
}

#: Bodies that don't arrive in time.
SLOW: dict[str, tuple[Kind, int]] = {
    "more announced than comes": (lambda g: g.packed(("Content-Length", str(len(g.body) + 9))), 408),
    "pieces that never end": (
        lambda g: g.packed(("Transfer-Encoding", "chunked"), body=b"5\r\nhello\r\n"),
        408,
    ),
    "a piece that never comes": (
        lambda g: g.packed(("Transfer-Encoding", "chunked"), body=b"ffff\r\n"),
        408,
    ),
}


def malformed(path: str) -> list[bytes]:
    """Requests to this address that aren't HTTP."""
    start = f"POST {path} HTTP/1.1\r\nHost: desk.example.com\r\n".encode()
    return [
        start + b"X-Slack-Signature : v0=0\r\nContent-Length: 0\r\n\r\n",
        start + b"Authorization: Bearer \x00\r\nContent-Length: 0\r\n\r\n",
        start + b"X-Slack-Signature: v0=\r\n 0\r\nContent-Length: 0\r\n\r\n",
        start + b"Content-Length: 1, 2\r\n\r\nab",
        start + b"Content-Length: 0x10\r\n\r\n",
        start + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        f"POST {path} HTTP/9.9\r\n\r\n".encode(),
        b"\x16\x03\x01\x02\x00\x01\x00",
    ]


@dataclass(frozen=True)
class Caller:
    """Somebody who knows an address. No answer they get is a 5xx, or shows its inside."""

    port: int
    path: str

    async def post(self, headers: Headers, body: bytes, method: str = "POST", path: str = "") -> Answer:
        """One request with exactly these headers, and Host and Content-Length if they aren't among them."""
        named = {name.lower() for name, _ in headers}
        more: list[tuple[str, str | bytes]] = []
        if "host" not in named:
            more.append(("Host", "desk.example.com"))
        if not named & {"content-length", "transfer-encoding"}:
            more.append(("Content-Length", str(len(body))))
        lines = [name.encode() + b": " + as_bytes(value) for name, value in [*more, *headers]]
        first = f"{method} {path or self.path} HTTP/1.1".encode()
        head = b"\r\n".join([first, b"Connection: close", *lines])
        return await self.raw(head + b"\r\n\r\n" + body)

    async def raw(self, request: bytes) -> Answer:
        """These bytes, whatever they are."""
        answer = await exchange(request, self.port, patience=20)  # what is late is told so after ten
        assert answer.status < 500, answer
        assert INSIDES.search(answer.body.decode()) is None, answer
        return answer

    async def begins(self, head: str, part: bytes) -> asyncio.StreamWriter:
        """Send a request's beginning and leave it at that."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"POST {self.path} HTTP/1.1\r\nHost: desk.example.com\r\n{head}\r\n\r\n".encode() + part)
        await writer.drain()
        return writer
