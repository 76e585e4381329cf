"""The post: events, commands and clicks on their way to the app, over Socket Mode or signed HTTP, with retries."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp

from demo.workspace.installed import VERIFICATION, Installed
from demo.workspace.people import Json
from demo.workspace.sockets import NoAnswer, Sockets

EVENT, COMMAND, CLICK = "events_api", "slash_commands", "interactive"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the app said back: a status, and a JSON object or a text. Over Socket Mode the status is always 200."""

    status: int
    body: Json | str

    @property
    def good(self) -> bool:
        """True for an acknowledgement."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try: what was sent, which try it was (0 first), and "ok" or why not."""

    at: float
    kind: str
    payload: Json
    attempt: int
    outcome: str


class Post:
    """The way to the app. `secret` signs what goes over HTTP and may be changed while running, to rotate it."""

    def __init__(
        self, installed: Installed, clock: Callable[[], float], announce: Callable[[], None]
    ) -> None:
        self.installed = installed
        self.secret = installed.signing_secret
        self.sockets = Sockets()
        self.deliveries: deque[Delivery] = deque(maxlen=1000)
        self._clock = clock
        self._announce = announce
        self._session: aiohttp.ClientSession | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Drop what is still under way and close every connection."""
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self.sockets.close()
        if self._session is not None:
            await self._session.close()

    async def ask(self, kind: str, payload: Json, *, attempt: int = 0, reason: str = "") -> Answer:
        """Deliver once and wait for the acknowledgement. Raises NoAnswer."""
        try:
            answer = await self._send(kind, payload, attempt, reason)
        except NoAnswer as silence:
            self._note(kind, payload, attempt, silence.reason)
            raise
        self._note(kind, payload, attempt, "ok" if answer.good else f"http {answer.status}")
        return answer

    def tell(self, payload: Json) -> asyncio.Task[None]:
        """Deliver an event, again and again until it is acknowledged or the retries are used up."""
        task = asyncio.get_running_loop().create_task(self._tell(payload))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def idle(self) -> None:
        """Wait until no event is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def verify_url(self) -> bool:
        """The challenge Slack sends when a request URL is entered; whether it came back as it should."""
        challenge = secrets.token_urlsafe(24)
        payload = {"token": VERIFICATION, "challenge": challenge, "type": "url_verification"}
        answer = await self._http(EVENT, payload, {})
        said = answer.body.get("challenge") if isinstance(answer.body, dict) else answer.body.strip()
        return answer.status == 200 and said == challenge

    def signed(self, body: bytes, at: float | None = None) -> dict[str, str]:
        """The headers that sign these bytes: v0, HMAC-SHA256 over v0:timestamp:body."""
        stamp = str(int(self._clock() if at is None else at))
        mac = hmac.new(self.secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256)
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={mac.hexdigest()}"}

    async def raw(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post bytes to the request URL as they are. Raises NoAnswer."""
        if self.installed.request_url is None:
            raise NoAnswer("no_request_url")
        if self._session is None:
            self._session = aiohttp.ClientSession()
        limit = aiohttp.ClientTimeout(total=self.installed.pace.answer)
        try:
            async with self._session.post(
                self.installed.request_url, data=body, headers=headers, timeout=limit, allow_redirects=False
            ) as response:
                text = await response.text()
                no_more = response.headers.get("X-Slack-No-Retry") == "1"
        except TimeoutError:
            raise NoAnswer("http_timeout") from None
        except (aiohttp.ClientError, UnicodeDecodeError):
            raise NoAnswer("connection_failed") from None
        if no_more and not 200 <= response.status < 300:
            return Answer(response.status, {"no_retry": True})
        return Answer(response.status, _read(text))

    # -- inside

    async def _tell(self, payload: Json) -> None:
        reason = ""
        for attempt, wait in enumerate((0.0, *self.installed.pace.retries)):
            if attempt:
                await asyncio.sleep(wait)
            try:
                answer = await self.ask(EVENT, payload, attempt=attempt, reason=reason)
            except NoAnswer as silence:
                reason = silence.reason
                continue
            if answer.good or (isinstance(answer.body, dict) and answer.body.get("no_retry")):
                return
            reason = "http_error"

    async def _send(self, kind: str, payload: Json, attempt: int, reason: str) -> Answer:
        if self.installed.request_url is None:
            within = self.installed.pace.answer
            said = await self.sockets.send(kind, payload, within=within, attempt=attempt, reason=reason)
            return Answer(200, said)
        more = {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason} if attempt else {}
        return await self._http(kind, payload, more)

    async def _http(self, kind: str, payload: Json, more: Mapping[str, str]) -> Answer:
        body, form = encoded(kind, payload)
        headers = {
            "Content-Type": form,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "Accept": "*/*",
        }
        return await self.raw(body, {**headers, **self.signed(body), **more})

    def _note(self, kind: str, payload: Json, attempt: int, outcome: str) -> None:
        self.deliveries.append(Delivery(self._clock(), kind, payload, attempt, outcome))
        self._announce()


def encoded(kind: str, payload: Json) -> tuple[bytes, str]:
    """The body Slack would POST and its content type: JSON for events, a form for the rest."""
    if kind == EVENT:
        return json.dumps(payload).encode(), "application/json"
    fields = payload if kind == COMMAND else {"payload": json.dumps(payload)}
    return urlencode(fields).encode(), "application/x-www-form-urlencoded"


def _read(text: str) -> Json | str:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) else text
