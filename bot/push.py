"""Countersign's voice on registered devices: Web Push, beside chat and never in its way.

What is pushed says what is asked and from where, and leads to the request's page; nothing can be decided by it. It is
encrypted for the browser (RFC 8291), signed with our key (RFC 8292) and sent once (RFC 8030): when that fails, the
chat's card says the same.
"""

from __future__ import annotations

import hmac
import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from ipaddress import ip_address, ip_network
from socket import AddressFamily

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from pywebpush import Vapid, WebPusher

from bot.notification import Notification, notification
from flows.model import Request
from flows.news import News
from handlers.house import House
from handlers.subscriptions import Subscription, reachable
from handlers.together import every
from handlers.vapid import base64url, private

log = structlog.get_logger()

PATIENCE = 10.0  # seconds for the whole of one push, looking up its name included
LONGEST = 600  # seconds that a push service may keep it: a number's lifetime
TOKEN_LASTS = 3600  # seconds; RFC 8292 allows a day
REMEMBERED = 1000  # pushes, so that a notice said again because a chat was away isn't pushed again

#: Addresses that stand for others (RFC 6052, 3056, 7526, 4291 section 2.5.5): where they lead isn't theirs to say.
TRANSITION = tuple(
    ip_network(each)
    for each in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "::/96", "fec0::/10", "192.88.99.0/24")
)
GONE = (404, 410)  # RFC 8030, section 7.3
OUR_FAULT = (400, 401, 403)


class Outward(AbstractResolver):
    """Looks names up and gives public addresses alone, so that a browser can't have us ask our own network."""

    def __init__(self, names: AbstractResolver | None = None) -> None:
        self._names = names or aiohttp.DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises OSError when none of them is public."""
        found = [each for each in await self._names.resolve(host, port, family) if public(each["host"])]
        if not found:
            raise OSError(f"{host} leads to no public address")
        return found

    async def close(self) -> None:
        """Hang up."""
        await self._names.close()


def public(address: str) -> bool:
    """Whether an address is one of the internet's, and one machine's."""
    found = ip_address(address.partition("%")[0])
    if any(found in network for network in TRANSITION if network.version == found.version):
        return False
    return found.is_global and not found.is_multicast


class Pusher:
    """The Messenger port over Web Push. It never raises: a push that fails is logged, and the rest goes on.

    `patience` is how many seconds one push may take; `names` looks names up, where the system shouldn't. Make it
    inside the running loop, and close it.
    """

    def __init__(
        self, house: House, *, patience: float = PATIENCE, names: AbstractResolver | None = None
    ) -> None:
        settings = house.settings
        assert settings.vapid_key, "without a key nothing can be pushed"  # noqa: S101  whoever makes it has looked
        self._house = house
        self._local = settings.rp_id == "localhost"
        self._vapid = Vapid(
            private(settings.vapid_key), {"no-strict": True}
        )  # the settings judged the contact
        self._topic_key = house.store.keys.derive("push topic")
        self._pushed: deque[tuple[str, str, str]] = deque(maxlen=REMEMBERED)
        self._web = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=names if self._local else Outward(names)),
            timeout=aiohttp.ClientTimeout(total=patience),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Hang up."""
        await self._web.close()

    # -- the port -------------------------------------------------------------------------------

    async def tell(self, person: str, notice: str, request: Request) -> None:
        """Notify this person's devices that something waits for them; of anything else they aren't woken."""
        try:
            playbook = await self._house.desk.playbook_of(request)
            said = notification(request, playbook, person, notice, self._house.store.clock())
            if said is not None:
                devices = await self._house.subscriptions.of(person)
                await every([self._push(each, notice, said, request) for each in devices])
        except Exception as failure:  # noqa: BLE001  whatever it is, the chat's card says the same
            log.warning("push_failed", request_id=request.id, error=type(failure).__name__)

    async def announce(self, audience: str, notice: str, request: Request | None, detail: str) -> None:
        """Nothing: a device is a person's, and rooms have none."""

    async def notify(self, news: News, request: Request | None) -> bool:
        """Nothing: news go elsewhere than to the devices, which may be what the news is about."""
        return False

    async def show(self, request: Request) -> None:
        """Nothing: the page behind a notification shows how the request stands now."""

    # -- one device -----------------------------------------------------------------------------

    async def _push(self, to: Subscription, notice: str, said: Notification, request: Request) -> None:
        """Push once, and judge the answer."""
        seconds = self._keep(request)
        if seconds <= 0 or (done := (to.device, notice, request.id)) in self._pushed:
            return
        about: Mapping[str, object] = {"request_id": request.id, "device": to.device, "service": to.service}
        if not reachable(to.endpoint, local=self._local):  # taken when the rules were others
            log.warning("push_failed", **about, error="address")
            return
        try:
            status = await self._sent(to, said, seconds)
        except (aiohttp.ClientError, OSError, TimeoutError) as failure:
            log.warning("push_failed", **about, error=type(failure).__name__)
            return
        if status in GONE:
            await self._house.subscriptions.drop(to)
            log.info("push_dropped", **about, status=status)
        elif status in OUR_FAULT:
            log.error("push_refused", **about, status=status)
        elif not 200 <= status < 300:
            log.warning("push_failed", **about, status=status)
        else:
            self._pushed.append(done)
            log.info("pushed", **about)

    async def _sent(self, to: Subscription, said: Notification, seconds: int) -> int:
        """Send one message; gives the status. What else the push service says is left unread."""
        subscribed = {"endpoint": to.endpoint, "keys": {"p256dh": to.p256dh, "auth": to.auth}}
        content = json.dumps(asdict(said), separators=(",", ":")).encode()
        body = WebPusher(subscribed).encode(content)["body"]
        headers = {**self._signed(to), **_wrapping(seconds, self._topic(said.name))}
        async with self._web.post(to.endpoint, data=body, headers=headers, allow_redirects=False) as answer:
            return answer.status

    def _signed(self, to: Subscription) -> Mapping[str, str]:
        """Who sends it, for this push service alone (RFC 8292, section 2)."""
        contact = self._house.settings.vapid_contact
        claims = {"aud": to.audience, "exp": int(time.time()) + TOKEN_LASTS, "sub": contact}
        headers: Mapping[str, str] = self._vapid.sign(claims)
        return headers

    def _topic(self, name: str) -> str:
        """A request's topic (RFC 8030, section 5.4): 32 characters that tell the push service no name of ours."""
        return base64url(hmac.digest(self._topic_key, name.encode(), "sha256")[:24])

    def _keep(self, request: Request) -> int:
        """How many seconds a push service may keep a message about this request."""
        longest = timedelta(seconds=LONGEST)
        left = min(request.due_at - self._house.store.clock(), longest) if request.due_at else longest
        return int(left.total_seconds())


def _wrapping(seconds: int, topic: str) -> Mapping[str, str]:
    return {
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(seconds),
        "Urgency": "high",
        "Topic": topic,
    }
