"""Whom we share a secret with: an https address that is spoken to over connections of its own, and signatures.

Signatures are those of Standard Webhooks 1.0.0: HMAC-SHA256 over id, time and body.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

import aiohttp
from pydantic import BaseModel, Field, SecretStr, field_validator

from handlers.reach import address, authority

EXAMPLE = "https://accounts.example.com/countersign"
PREFIX = "whsec_"
SHORTEST_SECRET, LONGEST_SECRET = 24, 64  # bytes, as the specification has it


class Signed(BaseModel):
    """One address and its secrets. Raises pydantic's ValidationError for what can't be one."""

    url: str = Field(description="Its https address; http is for this machine only.")
    secret: tuple[SecretStr, ...] = Field(
        min_length=1,
        description="What is signed with, as `{env: NAME}`; while rotating a list, newest first.",
    )
    ca_file: Path | None = Field(None, description="A PEM file with your own authority; else the system's.")
    answer_within: float = Field(10.0, gt=0, le=15, description="Seconds for each answer.")

    @property
    def keys(self) -> list[bytes]:
        """What the secrets stand for."""
        return [_bytes(each.get_secret_value()) for each in self.secret]

    @property
    def tls(self) -> ssl.SSLContext:
        """Certificate and name are checked, always."""
        return ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)

    @field_validator("url")
    @classmethod
    def _private(cls, value: str) -> str:
        url = address(value, ("http", "https"), EXAMPLE)
        if url.fragment:
            raise ValueError(f"what follows # is sent to nobody; an example is {EXAMPLE}")
        if url.scheme == "http" and not _this_machine(str(url.hostname)):
            raise ValueError("it must begin with https:// (http is for this machine only)")
        return value

    @field_validator("secret", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return value if isinstance(value, list | tuple) else (value,)

    @field_validator("secret")
    @classmethod
    def _random(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for each in value:
            raw = each.get_secret_value()
            if not raw.startswith(PREFIX) or not SHORTEST_SECRET <= len(_bytes(raw)) <= LONGEST_SECRET:
                raise ValueError(f"a secret is {PREFIX} and the base64 of 24 to 64 random bytes")
        return value

    _authority = field_validator("ca_file")(authority)


def session(given: Signed, tls: ssl.SSLContext) -> aiohttp.ClientSession:
    """Connections to it, none used twice. No cookie and nothing of the environment goes along."""
    within = given.answer_within
    return aiohttp.ClientSession(
        # A connection that waited may be closed just as it is used, and then nobody knows what arrived.
        connector=aiohttp.TCPConnector(ssl=tls, force_close=True),
        timeout=aiohttp.ClientTimeout(total=within, connect=within / 2),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )


def signature(keys: Sequence[bytes], id: str, sent: int, body: bytes) -> str:
    """The header webhook-signature: a `v1` of each key over id, time and body, as the specification has it."""
    signed = f"{id}.{sent}.".encode() + body
    made = (base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)
    return " ".join(f"v1,{each}" for each in made)


def bears(shown: str, keys: Sequence[bytes], id: str, sent: int, body: bytes) -> bool:
    """Whether one of the signatures shown is one of ours over these."""
    ours = signature(keys, id, sent, body).split()
    return any(hmac.compare_digest(each.encode(), one.encode()) for each in shown.split() for one in ours)


def _bytes(secret: str) -> bytes:
    """What a written secret stands for; nothing for what isn't base64."""
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
