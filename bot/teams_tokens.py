"""Whether a request comes from the Bot Framework: our own check of its token, before anything else is read.

1 the header's shape, nothing longer than a token is · 2 RS256 and a key's name, and no critical extension; where a
token says that its key is found, nobody looks · 3 a key that Microsoft announces, for Teams · 4 the signature
5 issuer, audience, not before, not after · 6 the address through which the conversation is reached

(Microsoft's “Authentication with the Bot Connector API”, connector to bot; RFC 7515, RFC 7519.) Keys are
fetched one at a time, at most once an hour for names that nobody knows; while there are keys that are good enough,
nobody waits for newer ones. A token that passed is remembered until its end, by its hash.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.types import Options

from bot.stream import whole
from bot.strict import Refused
from handlers.chat_settings import LOOPBACK

log = structlog.get_logger()

ISSUER = "https://api.botframework.com"
CHANNEL = "msteams"
SKEW = 300.0  # seconds that clocks may differ
LONGEST = 8 * 1024  # characters of the header
SMALLEST_KEY = 2048  # bits

FRESH = 24 * 3600.0  # seconds after which keys are fetched anew
STALE = 72 * 3600.0  # and after which they aren't used any more, whatever happens
UNKNOWN = 3600.0  # seconds between two fetches for the sake of a key that nobody knows
FAILED = 30.0  # seconds after a fetch that failed
PATIENCE = 5.0  # seconds for one answer
LARGEST = 256 * 1024  # bytes of one
REMEMBERED = 1000  # tokens

_HEADER = re.compile(r"Bearer ([A-Za-z0-9_-]{1,2000}\.[A-Za-z0-9_-]{1,6000}\.[A-Za-z0-9_-]{1,1500})")
_KEY_ID = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a genuine token says. `expires` is in epoch seconds."""

    service_url: str
    expires: float


class Tokens:
    """The tokens of one bot. `clock` gives epoch seconds."""

    def __init__(self, app_id: str, openid_url: str, clock: Callable[[], float]) -> None:
        self._app_id = app_id
        self._clock = clock
        self._keys = Keys(openid_url, clock)
        self._passed: OrderedDict[bytes, Claims] = OrderedDict()

    async def close(self) -> None:
        """Hang up."""
        await self._keys.close()

    async def verify(self, authorization: str) -> Claims:
        """What a token says. Raises Refused(401)."""
        # 1
        if not authorization:
            raise Refused(401, "header missing")
        found = _HEADER.fullmatch(authorization) if len(authorization) <= LONGEST else None
        if found is None:
            raise Refused(401, "header shape")
        token, now = found[1], self._clock()
        known = hashlib.sha256(token.encode()).digest()
        if (claims := self._passed.get(known)) is not None:
            if now > claims.expires + SKEW:
                raise Refused(401, "too old")
            return claims
        claims = await self._judged(token, now)
        self._passed[known] = claims
        if len(self._passed) > REMEMBERED:
            self._passed.popitem(last=False)
        return claims

    async def _judged(self, token: str, now: float) -> Claims:
        # 2
        head = _header(token)
        name = head.get("kid")
        if head.get("alg") != "RS256" or "crit" in head:
            raise Refused(401, "token")
        if not isinstance(name, str) or _KEY_ID.fullmatch(name) is None:
            raise Refused(401, "token")
        # 3
        key = await self._keys.find(name)
        # 4
        try:
            said = jwt.decode(token, key, algorithms=["RS256"], options=_SIGNATURE_ONLY)
        except jwt.InvalidTokenError:
            raise Refused(401, "signature") from None
        # 5
        if said.get("iss") != ISSUER or said.get("aud") != self._app_id:
            raise Refused(401, "token")
        begins, ends = _time(said, "nbf"), _time(said, "exp")
        if now < begins - SKEW:
            raise Refused(401, "too early")
        if now > ends + SKEW:
            raise Refused(401, "too old")
        # 6
        service = said.get("serviceurl")
        if not isinstance(service, str) or not service:
            raise Refused(401, "service url")
        return Claims(service, ends)


#: PyJWT checks the signature; what a token claims is judged above, on our own clock.
_SIGNATURE_ONLY: Options = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def _header(token: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise Refused(401, "token") from None
    return found


def _time(said: Mapping[str, Any], name: str) -> float:
    found = said.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise Refused(401, "token")
    return float(found)


class Keys:
    """The keys that Microsoft announces for its channels: `openid_url` says where they are."""

    def __init__(self, openid_url: str, clock: Callable[[], float]) -> None:
        self._openid_url = openid_url
        self._clock = clock
        self._found: Mapping[str, RSAPublicKey] = {}
        self._fetched = float("-inf")
        self._fetches = 0
        self._tried = float("-inf")
        self._asked_for_unknown = float("-inf")
        self._fetching = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None
        self._web: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Hang up."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        if self._web is not None:
            await self._web.close()

    async def find(self, name: str) -> RSAPublicKey:
        """The key of this name. Raises Refused(401), also when there are none to be had."""
        age = self._clock() - self._fetched
        if age > FRESH:
            renewing = self._renew()
            if age > STALE:
                await asyncio.shield(renewing)
        if name not in self._found and self._clock() - self._asked_for_unknown > UNKNOWN:
            await self._fetch(self._fetches)
            self._asked_for_unknown = self._fetched
        if self._clock() - self._fetched > STALE:
            raise Refused(401, "keys unavailable")
        if name not in self._found:
            raise Refused(401, "key unknown")
        return self._found[name]

    def _renew(self) -> asyncio.Task[None]:
        """Fetch the keys anew, beside what goes on: one task at a time."""
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._fetch(self._fetches))
        return self._renewing

    async def _fetch(self, seen: int) -> None:
        """Fetch the keys, unless somebody has since there were `seen` fetches. Keeps the old ones when that fails."""
        async with self._fetching:
            now = self._clock()
            if self._fetches != seen or now - self._tried < FAILED:
                return
            self._tried = now
            try:
                announced = await self._get(self._openid_url)
                address = str(announced.get("jwks_uri", ""))
                if not _trusted(address, self._openid_url):
                    raise ValueError("the keys are announced at an address that isn't safe")
                self._found = _usable(await self._get(address))
                self._fetched = now
                self._fetches += 1
                self._tried = float("-inf")
            except (aiohttp.ClientError, TimeoutError, ValueError) as failure:
                log.error("teams_keys_unavailable", error=type(failure).__name__)

    async def _get(self, address: str) -> Mapping[str, Any]:
        if self._web is None:
            self._web = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE))
        async with self._web.get(address, allow_redirects=False) as answer:
            if answer.status != 200:
                raise ValueError("no keys there")
            found = json.loads(await whole(answer.content, LARGEST))
        if not isinstance(found, dict):
            raise ValueError("no keys there")
        return found


def _trusted(address: str, announcement: str) -> bool:
    """https; only keys that are announced on this machine may be on this machine."""
    there, here = urlsplit(address), urlsplit(announcement)
    if there.scheme == "https":
        return True
    return there.scheme == "http" and there.hostname in LOOPBACK and here.hostname in LOOPBACK


def _usable(announced: Mapping[str, Any]) -> Mapping[str, RSAPublicKey]:
    """The keys that sign what comes from Teams, by name. Raises ValueError where there is none at all."""
    keys: dict[str, RSAPublicKey] = {}
    listed = announced.get("keys")
    for each in listed if isinstance(listed, list) else ():
        if not isinstance(each, dict) or CHANNEL not in (each.get("endorsements") or ()):
            continue
        try:
            key = jwt.PyJWK(each, algorithm="RS256").key
        except (jwt.PyJWKError, jwt.InvalidKeyError):
            continue
        if isinstance(key, RSAPublicKey) and key.key_size >= SMALLEST_KEY:
            keys[str(each.get("kid"))] = key
    if not keys:
        raise ValueError("no keys there")
    return keys
