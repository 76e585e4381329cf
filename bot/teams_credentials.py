"""How the bot signs in to Microsoft: with a certificate, or as a managed identity. MSAL does it, in a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import msal
import requests

from handlers.settings import Settings

RESOURCE = "https://api.botframework.com"
AUTHORITY = "https://login.microsoftonline.com"
PATIENCE = 10.0  # seconds for one answer of Microsoft's
EARLY = 300.0  # seconds before a token's end from which another is fetched

Answer = Mapping[str, Any]


class SignInFailed(Exception):
    """Microsoft gave no token. The message is its own error code, which holds no secret."""


class Credentials(Protocol):
    """Whatever gives the bot its token."""

    async def token(self) -> str:
        """A token good for some minutes; empty where none is wanted. Raises SignInFailed."""
        ...

    def refused(self, token: str) -> None:
        """This token isn't taken any more: the next one is another."""
        ...


class Nobody:
    """No token at all: for Microsoft's Agents Playground, which asks for none."""

    async def token(self) -> str:
        """Empty."""
        return ""

    def refused(self, token: str) -> None:
        """There is no other."""


class Microsoft:
    """Tokens from Microsoft, each kept until shortly before its end. `ask` blocks, so it runs in a thread."""

    def __init__(self, ask: Callable[[], Answer]) -> None:
        self._ask = ask
        self._kept = ""
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def token(self) -> str:
        """A token, fetched by one caller at a time."""
        async with self._asking:
            if time.monotonic() >= self._until:
                answer = await asyncio.to_thread(self._ask)
                if "access_token" not in answer:
                    raise SignInFailed(str(answer.get("error", "no token")))
                self._kept = str(answer["access_token"])
                self._until = time.monotonic() + float(answer.get("expires_in", 0)) - EARLY
            return self._kept

    def refused(self, token: str) -> None:
        """Fetch another the next time, unless that has happened since."""
        if token == self._kept:
            self._until = 0.0


class Patient(requests.Session):
    """HTTP for MSAL, which sets no time limit of its own."""

    def request(self, *args: Any, **given: Any) -> requests.Response:
        """As its parent does, within PATIENCE seconds for each step."""
        return super().request(*args, **{"timeout": PATIENCE, **given})


def credentials(settings: Settings) -> Credentials:
    """The way to sign in that the settings name."""
    if settings.teams_development:
        return Nobody()
    if settings.teams_certificate is not None:
        return Microsoft(with_certificate(settings, settings.teams_certificate, Patient()))
    return Microsoft(as_identity(str(settings.teams_managed_identity), Patient()))


def with_certificate(settings: Settings, file: Path, web: requests.Session) -> Callable[[], Answer]:
    """The client credentials flow of one tenant, with a private key and its certificate (RFC 7523, section 2.2)."""

    def ask() -> Answer:
        pem = file.read_text("ascii")
        app = msal.ConfidentialClientApplication(
            settings.teams_app_id,
            authority=f"{AUTHORITY}/{settings.teams_tenant}",
            client_credential={"private_key": pem, "public_certificate": pem},
            http_client=web,
        )
        answer: Answer = app.acquire_token_for_client([f"{RESOURCE}/.default"])
        return answer

    return ask


def as_identity(name: str, web: requests.Session) -> Callable[[], Answer]:
    """What Azure gives to the machine that this runs on: its own identity, or the one with this client id."""
    identity = (
        msal.SystemAssignedManagedIdentity()
        if name == "system"
        else msal.UserAssignedManagedIdentity(client_id=name)
    )

    def ask() -> Answer:
        client = msal.ManagedIdentityClient(
            identity, http_client=web
        )  # a new one keeps no token that was refused
        answer: Answer = client.acquire_token_for_client(resource=RESOURCE)
        return answer

    return ask
