"""Whether an ID token says that this person has just signed on, for us, because we asked (OpenID Connect Core).

1 its shape and head: RS256 or ES256, a key's name, no critical extension · 2 a key that the issuer announces
3 the signature · 4 issuer, audience, authorised party, times, nonce (§3.1.3.7) · 5 that they signed on after we asked
(§3.1.2.1, `max_age`) · 6 the claim that says who it is
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

SKEW = 60.0  # seconds that clocks may differ
RECENT = 300.0  # seconds for which one sign-on is fresh enough
ALGORITHMS = ("RS256", "ES256")

Key = RSAKey | ECKey
#: A key by its name. Raises Untrue where nobody announces it.
Finding = Callable[[str], Awaitable[Key]]

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,2000}\.[A-Za-z0-9_-]{1,12000}\.[A-Za-z0-9_-]{1,1500}")
_NAME = re.compile(r"[!-~]{1,256}")


class Untrue(Exception):
    """The token isn't one that we asked for. The word says which check it failed; nothing of what it says."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What we asked the sign-on for. Times are in epoch seconds."""

    issuer: str
    client: str
    nonce: str
    at: float


async def judged(token: str, asked: Asked, claim: str, find: Finding, now: float) -> str:
    """Who has signed on: the value of `claim`. Raises Untrue."""
    # 1
    head = _head(token)
    algorithm, name = head.get("alg"), head.get("kid")
    if algorithm not in ALGORITHMS or "crit" in head:
        raise Untrue("algorithm")
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise Untrue("key")
    # 2
    key = await find(name)
    if isinstance(key, RSAKey) != (algorithm == "RS256"):
        raise Untrue("key")
    # 3
    try:
        found = jwt.decode(token, key, algorithms=[algorithm])
    except (JoseError, ValueError):
        raise Untrue("signature") from None
    # 4
    said = found.claims
    _validate(said, found.header, asked, now)
    # 5
    signed_on = said["auth_time"]
    if not max(asked.at, now - RECENT) - SKEW <= signed_on <= now + SKEW:
        raise Untrue("auth_time")
    # 6
    who = said.get(claim)
    if not isinstance(who, str) or not who or len(who) > 255 or not who.isprintable():
        raise Untrue("claim")
    return who


def _head(token: str) -> Mapping[str, Any]:
    if _TOKEN.fullmatch(token) is None:
        raise Untrue("shape")
    first = token.partition(".")[0]
    try:
        head = json.loads(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, RecursionError):
        raise Untrue("shape") from None
    if not isinstance(head, dict):
        raise Untrue("shape")
    return head


def _validate(said: Mapping[str, Any], head: Mapping[str, Any], asked: Asked, now: float) -> None:
    for name in ("exp", "iat", "auth_time"):
        if isinstance(said.get(name), bool) or not isinstance(said.get(name), int | float):
            raise Untrue(name)
    if said.get("aud") not in (asked.client, [asked.client]):
        raise Untrue("aud")  # nor for us and others: we don't know them
    if said.get("iss") != asked.issuer:
        raise Untrue("iss")
    if said.get("nonce") != asked.nonce:
        raise Untrue("nonce")
    if said["iat"] < asked.at - SKEW:
        raise Untrue("iat")
    known = CodeIDToken(dict(said), dict(head), params={"client_id": asked.client, "max_age": int(RECENT)})
    try:
        known.validate(now=int(now), leeway=int(SKEW))
    except JoseError as error:
        raise Untrue(str(getattr(error, "claim", "") or "claims")) from None
