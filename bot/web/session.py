"""Who is at the other end of a browser: one `__Host-` cookie, and a token against forged forms.

Before a browser is registered the cookie holds `-.RANDOM`; afterwards `DEVICE.SECRET`. The database knows
only the hash of the secret. A device's cookie says which key a request has to be signed with, and no more: without
that signature it belongs to nobody (bot/web/proofs.py).
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, replace

from aiohttp import web

from flows.model import Person
from flows.registration import Device
from handlers.house import House
from storage.seals import token_hash

COOKIE = "__Host-countersign"
DEVICE_LASTS = 400 * 24 * 3600  # seconds; the most a browser keeps a cookie
_SHAPE = re.compile(r"^(-|[A-Za-z0-9_-]{16,64})\.[A-Za-z0-9_-]{40,64}$")


@dataclass(frozen=True, slots=True)
class Session:
    """One browser. `device` and `person` are None until it is registered and has signed this very request.

    `claimed` and `owner` are the device that its cookie belongs to and whose that is, signed or not.
    """

    cookie: str
    csrf: str
    fresh: bool
    device: Device | None = None
    person: Person | None = None
    claimed: Device | None = None
    owner: Person | None = None

    @property
    def unsigned(self) -> bool:
        """A device's cookie without the signature that goes with it: a reload, a link from elsewhere, or a copy."""
        return self.claimed is not None and self.device is None

    def signed(self) -> Session:
        """The same browser, which has shown that it is the registered one."""
        return replace(self, device=self.claimed, person=self.owner)


SESSION: web.RequestKey[Session] = web.RequestKey("session", Session)


def new_cookie(device: str = "-") -> str:
    """A cookie for a browser or a device, with 256 random bits."""
    return f"{device}.{secrets.token_urlsafe(32)}"


def secret_of(cookie: str) -> str:
    """The random part."""
    return cookie.partition(".")[2]


def browser_of(session: Session) -> str:
    """What the database knows a browser by: the hash of its cookie's secret."""
    return token_hash(secret_of(session.cookie))


async def read(request: web.Request, house: House) -> Session:
    """The session of this browser, not signed yet. A cookie we don't know is worth as much as none.

    So is one of a device without a browser key, which was registered before there were any.
    """
    cookie = request.cookies.get(COOKIE, "")
    fresh = not _SHAPE.fullmatch(cookie)
    if fresh:
        cookie = new_cookie()
    device = None if cookie.startswith("-.") else await house.registry.device_of(cookie)
    person = await house.people.person(device.person) if device else None
    if device is None or not device.key or person is None or not person.active:
        device = person = None
    key = house.store.keys.derive("form token")
    csrf = hmac.digest(key, cookie.encode(), "sha256").hex()
    return Session(cookie, csrf, fresh, claimed=device, owner=person)


def keep(response: web.StreamResponse, cookie: str) -> None:
    """Set the cookie: this host only, never over plain HTTP, out of scripts' reach, not sent along by others."""
    response.set_cookie(
        COOKIE, cookie, max_age=DEVICE_LASTS, path="/", secure=True, httponly=True, samesite="Lax"
    )


def anew(session: Session) -> str:
    """The cookie under which this browser takes an invitation: its own device's if it has signed, else a new one.

    Somebody may know the one that it came with, from a shared computer or a copy: what it is given now is for this
    browser alone.
    """
    return session.cookie if session.device is not None else new_cookie()


def remember(request: web.Request, response: web.StreamResponse) -> None:
    """Give a browser that came without a cookie the one that the token on this page belongs to."""
    found = request[SESSION]
    if found.fresh and COOKIE not in response.cookies:
        keep(response, found.cookie)


def readable(request: web.Request) -> bool:
    """True for a body as our own pages send it: a plain form or JSON, in UTF-8, not packed."""
    return (
        request.content_type in ("application/x-www-form-urlencoded", "application/json")
        and (request.charset or "utf-8").lower() == "utf-8"
        and "Content-Encoding" not in request.headers
    )


async def genuine(request: web.Request, session: Session, public_url: str) -> bool:
    """True when a state-changing request comes from our own page in this very browser.

    1. The browser says it comes from our origin.  2. It carries the token only our page has.
    """
    # 1
    if request.headers.getall("Origin", []) != [public_url]:
        return False
    if request.headers.getall("Sec-Fetch-Site", ["same-origin"]) != ["same-origin"]:
        return False
    # 2
    token = request.headers.get("X-CSRF-Token", "")
    if not token and request.content_type == "application/x-www-form-urlencoded":
        token = str((await request.post()).get("csrf", ""))
    return hmac.compare_digest(token.encode(), session.csrf.encode())
