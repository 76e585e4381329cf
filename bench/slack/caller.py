"""Slack's end: connections kept open, each request signed as it is sent, nothing measured of a parser of ours.

Closed loop: so many callers, each with its next request as soon as the last is answered; gives the rate.
Open loop: requests at a fixed rate, whatever becomes of them; gives how long people wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import itertools
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from urllib.parse import urlencode

SECRET = "a-signing-secret-for-benchmarks-01234567"  # noqa: S105  of a server on loopback
PATH = "/slack/events"

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
COMMAND = {
    "token": "deprecated-verification-token",
    "team_id": "T0ACME",
    "team_domain": "acme",
    "channel_id": "D0MAYA",
    "channel_name": "directmessage",
    "user_id": "U0MAYA",
    "user_name": "maya.lindqvist",
    "command": "/desk",
    "text": "I forgot my password",
    "api_app_id": "A0COUNTERSIGN",
    "is_enterprise_install": "false",
    "response_url": "https://hooks.slack.example/commands/T0ACME/5160200000000/aBcDeFgHiJkLmNoPqRsTuVwX",
}


class Unanswered(Exception):
    """A request got another answer than it should, or none."""


class Line(asyncio.Protocol):
    """One connection with one request under way at most."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, found, body = self._seen.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if found else None
        if length is not None and len(body) >= int(length[1]) and self._answer is not None:
            self._answer.set_result(self._seen)
            self._answer, self._seen = None, b""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Unanswered("the connection was lost"))

    async def ask(self, request: bytes, status: bytes = b"200") -> bytes:
        """The answer to one request. Raises Unanswered for any of another status."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        answer = await self._answer
        if answer[9:12] != status:
            raise Unanswered(answer[:80].decode("latin-1"))
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


@contextlib.asynccontextmanager
async def connected(port: int, count: int) -> AsyncIterator[list[Line]]:
    """So many connections to a port of this machine."""
    loop = asyncio.get_running_loop()
    lines = [(await loop.create_connection(Line, "127.0.0.1", port))[1] for _ in range(count)]
    try:
        yield lines
    finally:
        for line in lines:
            line.close()


def commands() -> Callable[[], bytes]:
    """A maker of slash commands: none like another, each signed when it is made."""
    run, numbers = secrets.token_hex(4), itertools.count()
    start = urlencode(COMMAND).encode() + f"&trigger_id={run}.".encode()
    return lambda: posted(start + b"%d" % next(numbers))


def posted(body: bytes) -> bytes:
    """A form's bytes as Slack would post them now."""
    stamp = b"%d" % int(time.time())
    mac = hmac.digest(SECRET.encode(), b"v0:" + stamp + b":" + body, "sha256").hex().encode()
    return _HEAD % (len(body), stamp, mac) + body


_HEAD = (
    f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\n"
    "Accept: */*\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    "Content-Length: %d\r\nX-Slack-Request-Timestamp: %b\r\nX-Slack-Signature: v0=%b\r\n\r\n"
).encode()


async def open_loop(
    lines: Sequence[Line], make: Callable[[], bytes], rate: float, seconds: float
) -> list[float]:
    """How many milliseconds each took, counted from when it was due: waiting for a free connection is waiting too."""
    loop = asyncio.get_running_loop()
    free: asyncio.Queue[Line] = asyncio.Queue()
    for line in lines:
        free.put_nowait(line)
    took: list[float] = []

    async def one(due: float) -> None:
        line = await free.get()
        await line.ask(make())
        took.append((loop.time() - due) * 1000)
        free.put_nowait(line)

    begin, under_way = loop.time() + 0.01, set()
    for number in range(round(rate * seconds)):
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - loop.time()))
        task = asyncio.create_task(one(due))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    return took


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of them doesn't exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
