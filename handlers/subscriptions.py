"""Where registered devices can be notified: one push subscription a device, sealed.

A subscription is worth what its device is: when the device is revoked, nothing is sent there any more. Its address is
of the browser's choosing, so it is a stranger's word: only an https address by a public name is taken, and what that
name leads to is judged again when it is connected to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from sqlalchemy import bindparam, delete, select

from flows.registration import Device
from handlers.chat_settings import LOOPBACK
from handlers.registry import DeviceRegistry
from handlers.vapid import base64url, from_base64url, on_the_curve
from storage.book import Book, Need, Outcome, Work
from storage.sql import TABLES, Row
from storage.store import Store

LONGEST = 1024  # characters of an address; those in use have about 250
POINT, SECRET = 65, 16  # bytes of the browser's public key and of its secret (RFC 8291, section 3)

#: A name with a dot whose last part begins with a letter: never an address, however it is spelled.
_NAME = re.compile(
    r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)

_SUBSCRIPTIONS = TABLES["subscriptions"]
_of = select(_SUBSCRIPTIONS).where(_SUBSCRIPTIONS.c.person == bindparam("person"))
_on = select(_SUBSCRIPTIONS).where(_SUBSCRIPTIONS.c.device == bindparam("device"))
_gone = delete(_SUBSCRIPTIONS).where(_SUBSCRIPTIONS.c.device == bindparam("device"))
_dead = _gone.where(_SUBSCRIPTIONS.c.endpoint == bindparam("endpoint"))


@dataclass(frozen=True, slots=True)
class Subscription:
    """One device's place at a push service. `p256dh` and `auth` are base64url; with all three one can push there."""

    device: str
    person: str
    endpoint: str
    p256dh: str
    auth: str

    @property
    def service(self) -> str:
        """The push service's host: the part of the address that may be told to an operator."""
        return str(urlsplit(self.endpoint).hostname)

    @property
    def audience(self) -> str:
        """The push service's origin (RFC 8292, section 2)."""
        url = urlsplit(self.endpoint)
        return f"{url.scheme}://{url.netloc}"


class Subscriptions:
    """Subscriptions over the store. A row that was written by hand isn't believed, and security is told."""

    def __init__(self, store: Store, registry: DeviceRegistry) -> None:
        self._store = store
        self._registry = registry

    async def of(self, person: str) -> list[Subscription]:
        """Where this person's devices can be notified: only those that still count."""
        found = await self._store.believed("subscriptions", await self._store.fetch(_of, person=person))
        if not found:
            return []
        live = {device.id for device in (await self._registry.registration(person)).live}
        return [_read(row) for row in found if row["device"] in live]

    async def on(self, device: str) -> bool:
        """Whether this device is to be notified."""
        found = await self._store.fetch(_on, device=device)
        return bool(await self._store.believed("subscriptions", found))

    async def keep(self, subscription: Subscription) -> None:
        """Notify a device there from now on, and no longer where it was, nor another device there."""
        mine = Need("subscriptions", "device", subscription.device)
        same = Need("subscriptions", "endpoint", subscription.endpoint)

        def run(book: Book) -> Outcome:
            others = [row["device"] for row in book.rows(same) if row["device"] != subscription.device]
            return Outcome(
                puts=[("subscriptions", {**asdict(subscription), "made_at": book.now})],
                drops=[("subscriptions", device) for device in others],
            )

        await self._store.write(Work(run, (mine, same)))

    async def stop(self, device: str) -> None:
        """Notify this device no longer."""
        await self._store.run(_gone, device=device)

    async def drop(self, dead: Subscription) -> None:
        """The push service doesn't know it any more. What took its place meanwhile stays."""
        await self._store.run(_dead, device=dead.device, endpoint=dead.endpoint)


def offered(device: Device, given: Mapping[str, object], *, local: bool) -> Subscription | None:
    """What a browser offers (PushSubscription.toJSON), or None for anything we wouldn't send to.

    `local`: this installation serves this machine alone, so a push service on it is fine as well.
    """
    endpoint, keys = given.get("endpoint"), given.get("keys")
    if not isinstance(endpoint, str) or not isinstance(keys, Mapping) or not reachable(endpoint, local=local):
        return None
    try:
        point = from_base64url(str(keys.get("p256dh")), POINT)
        secret = from_base64url(str(keys.get("auth")), SECRET)
    except ValueError:
        return None
    if not on_the_curve(point):
        return None
    return Subscription(device.id, device.person, endpoint, base64url(point), base64url(secret))


def reachable(endpoint: str, *, local: bool) -> bool:
    """Whether an address may be a push service's: https on the usual port, by name, with nobody's name in it."""
    if len(endpoint) > LONGEST or not re.fullmatch(r"[!-~]+", endpoint):
        return False
    try:
        url = urlsplit(endpoint)
        host, port = url.hostname or "", url.port
    except ValueError:
        return False
    if url.username is not None or url.password is not None or url.fragment:
        return False
    if local and url.scheme in ("http", "https") and host in LOOPBACK:
        return True
    return url.scheme == "https" and port in (None, 443) and bool(_NAME.fullmatch(host))


def _read(row: Row) -> Subscription:
    return Subscription(**{name: row[name] for name in Subscription.__dataclass_fields__})
