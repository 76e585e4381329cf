"""What an HTTP request must be before a Teams SDK sees it. Whatever isn't is refused with a 4xx and one fixed word.

1 how it is packed and how large it is · 2 a token of the Bot Framework's for this bot (`bot/teams_tokens.py`)
3 text and JSON, read strictly · 4 the shape that is read later (`bot/teams_shape.py`)
5 from Teams, through the address that the token names, which is one of Microsoft's · 6 from the one tenant

The token doesn't cover the body. So what an activity says of its sender proves nothing: it is asked of Teams, and
authority comes from a device.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from multidict import MultiMapping

from bot.gate import JSON, LARGEST, packing
from bot.strict import Refused, check_values, read_json, read_text
from bot.teams_shape import Kind, kind_of
from handlers.chat_settings import LOOPBACK

#: Microsoft's own hosts for bots in Teams, in its commercial and its government clouds; below them, any.
HOSTS = ("smba.trafficmanager.net", "teams.microsoft.com", "teams.microsoft.us", "teams.cloud.microsoft")


@dataclass(frozen=True, slots=True)
class Allowed:
    """Whose people are served, and an address that is Microsoft's besides HOSTS, or stands in for it here."""

    tenant: str
    service: str


class Vouched(Protocol):
    """What a token says."""

    @property
    def service_url(self) -> str:
        """The address through which this conversation is reached."""
        ...


class Tokens(Protocol):
    """Whoever can tell a genuine token."""

    async def verify(self, authorization: str) -> Vouched | None:
        """What a token says; None where none is asked for. Raises Refused(401)."""
        ...


class Anyone:
    """Believes whoever writes, without a token: for Microsoft's Agents Playground on this machine alone."""

    async def verify(self, authorization: str) -> None:
        """Nothing is asked for. The settings see to it that nobody else can reach this."""
        return


@dataclass(frozen=True, slots=True)
class TeamsPost:
    """One delivery of Teams' that passed. `key` is the same each time it is repeated. Its text isn't in its repr."""

    key: str
    activity: Mapping[str, Any] = field(repr=False)
    kind: Kind


async def teams(headers: MultiMapping[str], body: bytes, tokens: Tokens, allowed: Allowed) -> TeamsPost:
    """What Teams sent, or Refused(400, 401, 403, 413, 415)."""
    # 1
    if packing(headers) != JSON:
        raise Refused(415, "content type")
    if len(body) > LARGEST:
        raise Refused(413, "too large")
    # 2
    given = headers.getall("Authorization", [])
    if len(given) > 1:
        raise Refused(401, "header twice")
    claims = await tokens.verify(given[0] if given else "")
    # 3
    activity = read_json(read_text(body))
    check_values(activity)
    # 4
    kind = kind_of(activity)
    # 5
    if activity["channelId"] != "msteams":
        raise Refused(403, "channel")
    _through(activity["serviceUrl"], claims, allowed.service)
    # 6
    named = {activity["conversation"].get("tenantId")}
    named.add(((activity.get("channelData") or {}).get("tenant") or {}).get("id"))
    if {str(each).lower() for each in named if each is not None} != {allowed.tenant}:
        raise Refused(403, "tenant")
    return TeamsPost(_key(activity, body), activity, kind)


def _through(address: str, claims: Vouched | None, own: str) -> None:
    """The address is Microsoft's, and the token's: our own token is sent there. Raises Refused(403)."""
    if claims is None:
        if _origin(address)[1] not in LOOPBACK:
            raise Refused(403, "service url")
        return
    scheme, host, port = origin = _origin(address)
    known = any(host == each or host.endswith(f".{each}") for each in HOSTS)
    if origin != _origin(own) and not (scheme == "https" and port in (None, 443) and known):
        raise Refused(403, "service url")
    if address.rstrip("/").lower() != claims.service_url.rstrip("/").lower():
        raise Refused(403, "service url")


def _origin(address: str) -> tuple[str, str, int | None]:
    """Where an address leads. Raises Refused(403) for one that may lead elsewhere than it seems to."""
    try:
        url = urlsplit(address)
        if url.username is None and url.password is None and not url.query and not url.fragment:
            return url.scheme, str(url.hostname), url.port
    except ValueError:
        pass
    raise Refused(403, "service url")


def _key(activity: Mapping[str, Any], body: bytes) -> str:
    """An activity has a name in its conversation that outlasts its repetitions."""
    if activity.get("id"):
        named = [activity["type"], activity["conversation"]["id"], activity["id"]]
        body = json.dumps(named, separators=(",", ":")).encode()
    return f"teams:{hashlib.sha256(body).hexdigest()}"
