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
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from multidict import MultiMapping

from bot.gate import JSON, LARGEST, packing
from bot.strict import Refused, check_values, read_json, read_text
from bot.teams_shape import Kind, kind_of
from handlers.chat_settings import LOOPBACK

#: Microsoft's own hosts for bots in Teams, in its commercial cloud and GCC; below them, any.
HOSTS = ("smba.trafficmanager.net", "teams.microsoft.com", "teams.cloud.microsoft")
_HERE = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")


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

    async def verify(self, authorization: str) -> Vouched:
        """What a token says. Raises Refused(401)."""
        ...


@dataclass(frozen=True, slots=True)
class TeamsPost:
    """One delivery of Teams' that passed. `key` is the same each time it is repeated. Its text isn't in its repr."""

    key: str
    activity: Mapping[str, Any] = field(repr=False)
    kind: Kind


async def teams(
    headers: MultiMapping[str], body: bytes, tokens: Tokens | None, allowed: Allowed
) -> TeamsPost:
    """What Teams sent, or Refused(400, 401, 403, 413, 415).

    Without `tokens` whoever writes is believed: for Microsoft's Agents Playground on this machine alone.
    """
    # 1
    if packing(headers) != JSON:
        raise Refused(415, "content type")
    if len(body) > LARGEST:
        raise Refused(413, "too large")
    # 2
    claims = await _vouched(headers, tokens)
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


async def _vouched(headers: MultiMapping[str], tokens: Tokens | None) -> Vouched | None:
    """What the token says. Raises Refused(401, 403).

    Where none is asked for, the settings see to it that only this machine can write, and we that it calls us by our
    name here: a page of somebody else's in its browser, at an address that leads here, does not.
    """
    if tokens is None:
        if _HERE.fullmatch(headers.get("Host", "")) is None:
            raise Refused(403, "host")
        return None
    given = headers.getall("Authorization", [])
    if len(given) > 1:
        raise Refused(401, "header twice")
    return await tokens.verify(given[0] if given else "")


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
    """An activity has a name in its conversation that outlasts its repetitions, and says the same each time.

    What it says counts, too: nobody can use up a name for somebody who will use it later.
    """
    if activity.get("id"):
        named = [activity["conversation"]["id"], activity["id"], activity["from"].get("aadObjectId")]
        named += [activity.get(each) for each in ("type", "name", "action", "text", "value", "replyToId")]
        body = json.dumps(named, separators=(",", ":"), sort_keys=True).encode()
    return f"teams:{hashlib.sha256(body).hexdigest()}"
