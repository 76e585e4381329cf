"""A company's sign-on on a port of this machine: it keeps to the protocol until it is told not to."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from demo.workspace.serve import listening
from tests.pieces import in_pieces

CLIENT, SECRET = "countersign", "a secret with signs: %+&/"


@cache
def key(name: str) -> RSAKey | ECKey:
    """A key pair, made once. Names that begin with `ec` are on a curve."""
    if name.startswith("ec"):
        return ECKey.generate_key("P-256", {"kid": name, "use": "sig", "alg": "ES256"})
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})


def public(name: str) -> dict[str, Any]:
    """A key as it is announced; one that is called small is too short to be safe."""
    found = dict(key(name).as_dict(private=False))
    if name.startswith("small"):
        short = rsa.generate_private_key(65537, 1024).public_key().public_numbers().n.to_bytes(128)  # noqa: S505  on purpose
        found["n"] = base64.urlsafe_b64encode(short).decode().rstrip("=")
    return found


@dataclass
class Issuer:
    """Who signs on there, what its tokens say, and how often anybody looked. `clock` gives epoch seconds.

    `changed` replaces claims of the next tokens (None leaves one out), `head` parts of their head, `announced` parts
    of the announcement; `signer` names the key, `names` those that are announced.
    """

    clock: Callable[[], float]
    port: int = 0
    signer: str = "today"
    names: list[str] = field(default_factory=lambda: ["today"])
    changed: dict[str, Any] = field(default_factory=dict)
    head: dict[str, Any] = field(default_factory=dict)
    announced: dict[str, Any] = field(default_factory=dict)
    token: str = ""
    broken: str = ""
    looked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its own name."""
        return f"http://localhost:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """What an installation that uses it is set to."""
        return {"oidc_issuer": self.url, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}

    def signs_on(self, address: str, who: str, *, code: str = "") -> str:
        """Somebody signs on at this address; gives the query that the browser goes back with."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert (asked["prompt"], asked["max_age"], asked["scope"]) == ("login", "300", "openid")
        code = code or secrets.token_urlsafe(16)
        self.codes[code] = {**asked, "who": who}
        return urlencode({"code": code, "state": asked["state"]})

    async def _config(self, request: web.Request) -> web.StreamResponse:
        self.looked.append("config")
        if self.broken:
            return await self._trouble(request)
        found = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            **self.announced,
        }
        return await in_pieces(request, found)

    async def _keys(self, request: web.Request) -> web.StreamResponse:
        self.looked.append("keys")
        return await in_pieces(request, {"keys": [public(name) for name in self.names]})

    async def _trouble(self, request: web.Request) -> web.StreamResponse:
        match self.broken:
            case "garbage":
                return await in_pieces(request, b"<html>")
            case "elsewhere":
                return web.Response(status=302, headers={"Location": "https://evil.example/"})
            case "huge":
                return await in_pieces(request, {"x": "y" * 600_000})
        return web.Response(status=500)

    async def _exchange(self, request: web.Request) -> web.StreamResponse:
        self.looked.append("token")
        if self.broken:
            return await self._trouble(request)
        given = await request.post()
        asked = self.codes.pop(str(given.get("code")), None)
        digest = hashlib.sha256(str(given.get("code_verifier", "")).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked is None or asked["code_challenge"] != challenge or not self._knows(request, dict(given)):
            return await in_pieces(request, {"error": "invalid_grant"}, 400)
        if given.get("redirect_uri") != asked["redirect_uri"]:
            return await in_pieces(request, {"error": "invalid_grant"}, 400)
        now = int(self.clock())
        said = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": asked["who"],
            "iat": now,
            "exp": now + 600,
            "auth_time": now,
            "nonce": asked["nonce"],
            **self.changed,
        }
        claims = {name: value for name, value in said.items() if value is not None}
        signer = key(self.signer)
        head = {"alg": "ES256" if isinstance(signer, ECKey) else "RS256", "kid": self.signer, **self.head}
        token = self.token or jwt.encode(head, claims, signer, algorithms=[head["alg"]])
        return await in_pieces(request, {"token_type": "Bearer", "access_token": "x", "id_token": token})

    def _knows(self, request: web.Request, given: dict[str, Any]) -> bool:
        kind, _, text = request.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            id, _, secret = base64.b64decode(text).decode().partition(":")
            return (unquote_plus(id), unquote_plus(secret)) == (CLIENT, SECRET)
        return (given.get("client_id"), given.get("client_secret")) == (CLIENT, SECRET)

    async def _authorize(self, request: web.Request) -> web.Response:
        return web.Response(text="<title>Sign on</title>", content_type="text/html")


@asynccontextmanager
async def issuing(clock: Callable[[], float]) -> AsyncIterator[Issuer]:
    """An issuer at work."""
    issuer = Issuer(clock)
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", issuer._config)
    app.router.add_get("/keys", issuer._keys)
    app.router.add_post("/token", issuer._exchange)
    app.router.add_get("/authorize", issuer._authorize)
    async with listening(app, patience=0.1) as port:
        issuer.port = port
        yield issuer
