"""Where a device page was opened: which of the company's networks, which country. The address itself isn't kept."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import maxminddb

from handlers.rules.facts import ELSEWHERE, Place
from handlers.settings import Network, SettingsError


class Places:
    """Looks addresses up in the configured ranges, and in a country file where there is one."""

    def __init__(
        self,
        networks: Mapping[str, Sequence[Network]] = MappingProxyType({}),
        countries: Path | None = None,
    ) -> None:
        self._networks = [(name, each) for name, ranges in networks.items() for each in ranges]
        self._countries = _opened(countries) if countries else None

    def of(self, address: str) -> Place:
        """What is known of an address. What isn't is None, which no rule takes for a good sign."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return Place()
        if found.version == 6 and found.ipv4_mapped:
            found = found.ipv4_mapped
        names = (name for name, network in self._networks if found in network)
        return Place(next(names, ELSEWHERE), self._country(found))

    def _country(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str | None:
        try:
            found = self._countries.get(address) if self._countries else None
        except (ValueError, RuntimeError):  # an IPv6 address in a file of IPv4, or a damaged file
            return None
        country = found.get("country") if isinstance(found, dict) else None
        code = country.get("iso_code") if isinstance(country, dict) else None
        return code if isinstance(code, str) else None


def _opened(path: Path) -> Any:

    try:
        return maxminddb.open_database(path, maxminddb.MODE_MEMORY)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise SettingsError(
            f"COUNTERSIGN_COUNTRIES: {path} can't be read ({error}). Name a country database in MaxMind's format."
        ) from None
