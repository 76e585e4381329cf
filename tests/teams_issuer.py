"""Whoever signs Teams' tokens: announcements and keys on a port of this machine, and every kind of token."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from demo.playground import BOT as APP
from demo.workspace.serve import listening
from tests.pieces import in_pieces

SERVICE = "https://smba.trafficmanager.net/emea/"
ISSUER = "https://api.botframework.com"


@cache
def key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key pair, made once."""
    return rsa.generate_private_key(65537, bits)


@dataclass
class Clock:
    """Epoch seconds that stand still until told."""

    now: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.now


@dataclass
class Issuer:
    """What is announced now, and how often anybody looked."""

    port: int = 0
    names: list[str] = field(default_factory=lambda: ["today"])
    endorsements: list[str] = field(default_factory=lambda: ["msteams", "webchat"])
    bits: int = 2048
    broken: str = ""
    looked: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    jwks_uri: str = ""

    @property
    def openid_url(self) -> str:
        """Where the announcement is."""
        return f"http://localhost:{self.port}/openid"

    async def announced(self, request: web.Request) -> web.StreamResponse:
        self.looked.append("openid")
        if (answer := await self._trouble()) is not None:
            return answer
        return await in_pieces(
            request, {"issuer": ISSUER, "jwks_uri": self.jwks_uri or f"http://localhost:{self.port}/keys"}
        )

    async def keys(self, request: web.Request) -> web.StreamResponse:
        self.looked.append("keys")
        self.asked.set()
        shown = []
        for name in self.names:
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key(name, self.bits).public_key()))
            shown.append({**public, "kid": name, "use": "sig", "endorsements": self.endorsements})
        return await in_pieces(request, {"keys": shown})

    async def _trouble(self) -> web.Response | None:
        match self.broken:
            case "500":
                return web.Response(status=500)
            case "garbage":
                return web.Response(text="<html>")
            case "elsewhere":
                return web.Response(status=302, headers={"Location": "https://evil.example/"})
            case "huge":
                return web.Response(text=json.dumps({"x": "y" * 600_000}))
            case "silent":
                await asyncio.Event().wait()
        return None


@asynccontextmanager
async def issuing(**given: Any) -> AsyncIterator[Issuer]:
    """An issuer at work."""
    issuer = Issuer(**given)
    app = web.Application()
    app.router.add_get("/openid", issuer.announced)
    app.router.add_get("/keys", issuer.keys)
    async with listening(app, patience=0.1) as port:
        issuer.port = port
        yield issuer


def claims(now: float, **changed: Any) -> dict[str, Any]:
    """What a genuine token says. None leaves a claim out."""
    said = {"iss": ISSUER, "aud": APP, "nbf": now - 60, "exp": now + 3600, "serviceurl": SERVICE, **changed}
    return {name: value for name, value in said.items() if value is not None}


def signed(said: dict[str, Any], name: str = "today", bits: int = 2048, **headers: Any) -> str:
    """A header with a token of these claims."""
    token = jwt.encode(said, key(name, bits), "RS256", headers={"kid": name, **headers})
    return f"Bearer {token}"


def put_together(head: dict[str, Any], said: dict[str, Any], signature: bytes = b"") -> str:
    """A header with a token that no library would make."""
    parts = [json.dumps(head).encode(), json.dumps(said).encode(), signature or b"x"]
    return "Bearer " + ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def with_public_key(said: dict[str, Any], name: str = "today") -> str:
    """HS256, with the public key's PEM for a secret: what a careless check lets through."""
    import hmac

    pem = (
        key(name)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    head, body = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "HS256", "typ": "JWT", "kid": name}, said)
    )
    mac = hmac.digest(pem, f"{head}.{body}".encode(), "sha256")
    return f"Bearer {head}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
