"""Where a request comes from, as far as this server can know it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from aiohttp import web

from bot.web.page import HOUSE
from handlers.rules.facts import Place

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

HOUSEHOLD = 64  # bits of an IPv6 address that one subscriber's addresses have in common, as a rule (RFC 6177)


def remote(request: web.Request) -> str:
    """The client's address: the last one in X-Forwarded-For that isn't a trusted proxy, if a proxy sent it."""
    trusted = request.app[HOUSE].settings.trusted_proxies
    return client(request.remote or "", request.headers.get("X-Forwarded-For", ""), trusted)


def client(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """The same of a connection's other end and what it says of those before it."""
    address, hops = peer, [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    while hops and _within(address, trusted):
        address = hops.pop()
    return address


def place(request: web.Request) -> Place:
    """Where this page was opened, as far as rules may ask."""
    return request.app[HOUSE].places.of(remote(request))


def counted_by(request: web.Request) -> str:
    """What this client's tries are counted by, or empty where nothing but our own proxy's address is known."""
    settings = request.app[HOUSE].settings
    trusted, behind = settings.trusted_proxies, settings.public_url.startswith("https://")
    address = remote(request)
    if _within(address, trusted) or (behind and not trusted):
        return ""
    return household(address)


def household(address: str) -> str:
    """An IPv4 address as it is, an IPv6 address without what its subscriber can change at will."""
    found = _read(address)
    if found is None or found.version == 4:
        return str(found or address)
    return str(ipaddress.ip_network((found, HOUSEHOLD), strict=False))


def _within(address: str, networks: Sequence[Network]) -> bool:
    found = _read(address)
    return found is not None and any(found in network for network in networks)


def _read(address: str) -> Address | None:
    """An address with or without a port, as proxies write them. One of IPv4 that is wrapped in IPv6 is itself."""
    host, _, port = address.rpartition(":")
    for text in (address, host if port.isdigit() else ""):
        try:
            found = ipaddress.ip_address(text.strip("[]"))
        except ValueError:
            continue
        return getattr(found, "ipv4_mapped", None) or found
    return None
