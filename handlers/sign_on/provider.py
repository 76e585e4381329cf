"""The company's OpenID Connect provider as we use it: announcement, keys, and one code for one token.

Over https alone (this machine excepted), never following, never waiting for ever, never taking too much. What is
announced is kept for an hour; for a key that nobody knows it is asked for anew, at most once a minute.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import structlog
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from handlers.answers import whole
from handlers.chat_settings import LOOPBACK
from handlers.sign_on.token import RECENT, Asked, Key, Untrue, judged

log = structlog.get_logger()

FRESH = 3600.0  # seconds after which the announcement is read anew
PAUSE = 60.0  # seconds between two readings for the sake of a key that nobody knows
FAILED = 5.0  # seconds in which a provider that failed isn't asked
PATIENCE = 8.0  # seconds for one answer
LARGEST = 256 * 1024  # bytes of one
MOST_KEYS = 50
SMALLEST_KEY, LARGEST_KEY = 2048, 8192  # bits of an RSA key


class Away(Exception):
    """The provider doesn't answer, or announces nothing that we could use."""


@dataclass(frozen=True, slots=True)
class Client:
    """What the provider knows us by, and the claim that says who somebody is."""

    issuer: str
    id: str
    secret: str
    claim: str


@dataclass(frozen=True, slots=True)
class Announced:
    """Where the provider does what, and its keys by name."""

    authorization: str
    token: str
    by_form: bool  # whether it wants our secret in the form instead of the header
    names_itself: bool  # whether its answers say whose they are (RFC 9207)
    keys: Mapping[str, Key]


class Provider:
    """One company's provider. `clock` gives epoch seconds, `returning` is where people come back to."""

    def __init__(self, client: Client, returning: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._returning = returning
        self._clock = clock
        self._found: Announced | None = None
        self._read_at = self._failed_at = float("-inf")
        self._reading = asyncio.Lock()
        self._web: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Hang up."""
        if self._web is not None:
            await self._web.close()

    async def address(self, state: str, nonce: str, verifier: str) -> str:
        """Where to send somebody who is to sign on now, whatever session they have. Raises Away."""
        there = await self._announced()
        uri: str = prepare_grant_uri(
            there.authorization,
            self._client.id,
            "code",
            self._returning,
            "openid",
            state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
            prompt="login",
            max_age=str(int(RECENT)),
        )
        return uri

    async def answered_by(self, issuer: str) -> bool:
        """Whether an answer is this provider's own, by what it says of itself (RFC 9207). Raises Away."""
        there = await self._announced()
        return issuer == self._client.issuer if issuer or there.names_itself else True

    async def who(self, code: str, verifier: str, nonce: str, asked_at: float) -> str:
        """Who has signed on, for the code that they came back with. Raises Away and Untrue."""
        token = await self._exchanged(code, verifier)
        asked = Asked(self._client.issuer, self._client.id, nonce, asked_at)
        return await judged(token, asked, self._client.claim, self._key, self._clock())

    # -- what is announced ----------------------------------------------------------------------

    async def _announced(self) -> Announced:
        found = self._found
        if found is None or self._clock() - self._read_at > FRESH:
            found = await self._read(FRESH)
        return found

    async def _key(self, name: str) -> Key:
        found = await self._announced()
        if name not in found.keys:
            found = await self._read(PAUSE)
        if name not in found.keys:
            raise Untrue("key")
        return found.keys[name]

    async def _read(self, oldest: float) -> Announced:
        """What is announced, at most `oldest` seconds ago: one reading at a time, and none right after a failure."""
        async with self._reading:
            now = self._clock()
            if self._found is not None and now - self._read_at <= oldest:
                return self._found
            if now - self._failed_at < FAILED:
                raise Away
            try:
                self._found = await self._discovered()
            except (aiohttp.ClientError, TimeoutError, ValueError) as failure:
                self._failed_at = now
                log.error("sign_on_unavailable", error=type(failure).__name__)
                raise Away from None
            self._read_at = now
            return self._found

    async def _discovered(self) -> Announced:
        issuer = self._client.issuer
        said = await self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if said.get("issuer") != issuer:
            raise ValueError("it announces another issuer")
        authorization, token, keys = (
            self._trusted(said, name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
        )
        ways = said.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return Announced(
            authorization,
            token,
            "client_secret_basic" not in ways,
            said.get("authorization_response_iss_parameter_supported") is True,
            _usable(await self._get(keys)),
        )

    def _trusted(self, said: Mapping[str, Any], name: str) -> str:
        """An address that is announced: https; on this machine only where the issuer is there, too."""
        address = str(said.get(name, ""))
        there, issuer = urlsplit(address), urlsplit(self._client.issuer)
        here = there.hostname in LOOPBACK and issuer.hostname in LOOPBACK
        if (
            not there.hostname
            or there.fragment
            or (there.scheme, here) not in (("https", here), ("http", True))
        ):
            raise ValueError(f"{name} isn't an address that is safe")
        return address

    # -- over the wire ----------------------------------------------------------------------------

    async def _exchanged(self, code: str, verifier: str) -> str:
        """The ID token for a code (OpenID Connect Core §3.1.3)."""
        there, client = await self._announced(), self._client
        given = {"code": code, "code_verifier": verifier}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if there.by_form:
            given |= {"client_id": client.id, "client_secret": client.secret}
        else:  # each escaped first: RFC 6749 §2.3.1
            both = f"{quote(client.id, safe='')}:{quote(client.secret, safe='')}"
            headers["Authorization"] = f"Basic {b64encode(both.encode()).decode()}"
        form = prepare_token_request("authorization_code", redirect_uri=self._returning, **given)
        try:
            async with self._session().post(
                there.token, data=form.encode(), headers=headers, allow_redirects=False
            ) as answer:
                if answer.status >= 500 or answer.status == 429:
                    raise Away
                if answer.status != 200:
                    log.warning("sign_on_code_refused", status=answer.status)
                    raise Untrue("code")
                token = _object(await whole(answer.content, LARGEST)).get("id_token")
        except (aiohttp.ClientError, TimeoutError):
            raise Away from None
        except ValueError:
            raise Untrue("shape") from None
        if not isinstance(token, str):
            raise Untrue("shape")
        return token

    async def _get(self, address: str) -> Mapping[str, Any]:
        async with self._session().get(address, allow_redirects=False) as answer:
            if answer.status != 200:
                raise ValueError("nothing is announced there")
            return _object(await whole(answer.content, LARGEST))

    def _session(self) -> aiohttp.ClientSession:
        if self._web is None:
            self._web = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE))
        return self._web


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except RecursionError:
        found = None
    if not isinstance(found, dict):
        raise ValueError("this isn't an object")
    return found


def _usable(announced: Mapping[str, Any]) -> Mapping[str, Key]:
    """The keys that sign, by name: RSA from 2048 bits, or P-256. Raises ValueError where there is none at all."""
    listed = announced.get("keys")
    keys: dict[str, Key] = {}
    for each in (listed if isinstance(listed, list) else [])[:MOST_KEYS]:
        if (
            not isinstance(each, dict)
            or each.get("use", "sig") != "sig"
            or not isinstance(each.get("kid"), str)
        ):
            continue
        if (key := _imported(each)) is not None and each.get("alg", _fits(key)) == _fits(key):
            keys[each["kid"]] = key
    if not keys:
        raise ValueError("no keys there")
    return keys


def _imported(announced: Mapping[str, Any]) -> Key | None:
    """A public key, or None for one that is too weak, or that can't be read."""
    public = {name: announced[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in announced}
    try:
        if public["kty"] == "RSA":
            bits = int.from_bytes(urlsafe_b64decode(public["n"] + "==")).bit_length()
            return RSAKey.import_key(public) if SMALLEST_KEY <= bits <= LARGEST_KEY else None
        key = ECKey.import_key(public)
        return key if key.curve_name == "P-256" else None
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _fits(key: Key) -> str:
    return "ES256" if isinstance(key, ECKey) else "RS256"
